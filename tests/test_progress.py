"""Long work shows on a terminal how fast it goes, and how long it still takes."""

from __future__ import annotations

import io
import time

import pytest
from tqdm import tqdm

from medallion_lib import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("total", "words"), [(100_000, ["20%", "20000/100000", "<00:", "rows/s"]), (None, ["20000 rows", "rows/s"])])
def test_the_rows_a_second_are_shown_and_the_time_left_where_it_is_known(
    monkeypatch: pytest.MonkeyPatch, total: int | None, words: list[str]
) -> None:
    shown_on = Terminal()
    monkeypatch.setattr(progress, "tqdm", lambda **how: tqdm(file=shown_on, ncols=99, **{**how, "delay": 0.01}))
    with progress.shown("capture", "rows") as show:
        for reached in (5_000, 20_000):
            time.sleep(0.11)
            show(reached, total)
    last = shown_on.getvalue().split("\r")[-3]
    assert not [word for word in words if word not in last], last
