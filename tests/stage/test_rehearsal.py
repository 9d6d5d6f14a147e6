"""The rehearsal: the five minutes in JupyterLab, as `make demo` opens it, on 1280 × 720 at 150 %."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conductor import Conductor, Played, make_demo
from playwright.sync_api import Browser
from test_server import kill_server

from medallion_lib import server

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "book" / "presenters_guide.md"
STORY = re.search(r"```\n(Board pack.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
SCREEN = {"viewport": {"width": 853, "height": 480}, "device_scale_factor": 1.5}
WORDS_A_MINUTE = 130
PICKED = "store, amount = 6, -3.50"
Record = Callable[[str, object], None]


@dataclass
class Rehearsal:
    """What was seen of two performances.

    In the second the audience picks and the server is killed in the middle of a beat.
    """

    printed: str
    address: str
    kernel: str
    intruders: int
    first: list[Played]
    second: list[Played]
    recovered: float  # seconds from the kill to the end of the next cell

    @property
    def machine(self) -> float:
        return sum(played.seconds for played in self.first)


@pytest.fixture(scope="module")
def rehearsal(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with make_demo(tmp_path_factory.mktemp("jupyter")) as (printed, address):
        conductor = Conductor(chromium.new_page(**SCREEN))
        conductor.open(address)
        kernel = conductor.page.evaluate("stage.kernel()")
        conductor.play(until="again")
        first, conductor.played = conductor.played, []
        conductor.type("pick", PICKED)
        conductor.play(until="update")
        killed = time.monotonic()
        kill_server(server.locate())
        conductor.play(until="peek")
        recovered = time.monotonic() - killed
        conductor.play(until="again")
        seen = conductor.intruders()
        yield Rehearsal(printed, address, kernel, seen, first, conductor.played, recovered)


def test_make_demo_tells_the_story_and_opens_the_demo(rehearsal: Rehearsal) -> None:
    assert STORY in rehearsal.printed
    assert rehearsal.kernel == "python3"
    assert "/notebooks/00_five_minute_demo.ipynb?token=" in rehearsal.address


def test_nothing_intrudes(rehearsal: Rehearsal) -> None:
    assert rehearsal.intruders == 0


def test_every_cell_runs_without_an_error(rehearsal: Rehearsal) -> None:
    for played in rehearsal.first + rehearsal.second:
        for output in played.outputs:
            assert output["output_type"] != "error", output
            assert output.get("name") != "stderr", output


def test_every_beat_is_seen_whole(rehearsal: Rehearsal, record_property: Record) -> None:
    tallest = max(rehearsal.first, key=lambda played: played.height)
    record_property(
        "tallest_beat", f"{tallest.beat}: {tallest.height:.0f} of {tallest.room:.0f} px"
    )
    cut = {played.beat: played.height for played in rehearsal.first if not played.whole}
    assert not cut, f"of {tallest.room} px"


def test_no_cell_keeps_the_audience_waiting(rehearsal: Rehearsal, record_property: Record) -> None:
    slowest = max(rehearsal.first, key=lambda played: played.seconds)
    record_property("slowest_cell", f"{slowest.cell}: {slowest.seconds:.2f} s")
    record_property("machine_seconds", round(rehearsal.machine, 1))
    assert {p.cell: p.seconds for p in rehearsal.first if p.seconds >= 2} == {}
    assert rehearsal.machine < 15


def test_the_words_and_the_machine_fit_five_minutes(
    rehearsal: Rehearsal, record_property: Record
) -> None:
    words = len(GUIDE.read_text(encoding="utf-8").split())
    told = words * 60 / WORDS_A_MINUTE + rehearsal.machine
    record_property("words", words)
    record_property("performance_seconds", round(told))
    assert told < 285


def test_a_killed_server_does_not_stop_the_demo(
    rehearsal: Rehearsal, record_property: Record
) -> None:
    record_property("recovered_in_seconds", round(rehearsal.recovered, 1))
    assert rehearsal.recovered < 10


def test_the_story_is_on_the_page_at_the_end(rehearsal: Rehearsal) -> None:
    picked = STORY.replace("store 3 +25.00", "store 6 -3.50")
    for performance, told in ((rehearsal.first, STORY), (rehearsal.second, picked)):
        (story,) = (played for played in performance if played.cell == "story")
        assert "".join(output["text"] for output in story.outputs) == told
