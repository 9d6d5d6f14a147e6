"""Every notebook runs alone in any order; the demo is what the guide speaks to."""

import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "notebooks" / "00_five_minute_demo.ipynb"
CELLS = json.loads(DEMO.read_text(encoding="utf-8"))["cells"]
GUIDE = (ROOT / "book" / "presenters_guide.md").read_text(encoding="utf-8")
BEAT = re.compile(r"^## (\d:\d\d .+)$", re.MULTILINE)  # its time and its name


@pytest.mark.slow
def test_every_notebook_runs_in_reverse_order_too() -> None:
    """The book runs them in their order, two at a time; here each follows its successor, alone."""
    backwards = sorted(map(str, DEMO.parent.glob("*.ipynb")), reverse=True)
    ours = ("PYTEST_", "MEDALLION_NAME")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbmake", *backwards],
        cwd=ROOT, capture_output=True, text=True,
        env=kept | {"PYTHONPATH": str(DEMO.parent), "MEDALLION_NAME": "back"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert f"{len(backwards)} passed" in done.stdout.splitlines()[-1]


def test_the_guide_names_the_beats_of_the_demo() -> None:
    demo = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")
    beats = BEAT.findall(demo)
    assert BEAT.findall(GUIDE) == beats == sorted(beats)
    assert beats[0].startswith("0:00") and beats[-1].startswith("4:45")


def test_the_guide_has_at_most_520_words() -> None:
    assert len(GUIDE.split()) <= 520


def test_what_is_said_in_a_beat_fits_its_time() -> None:
    """At 130 words a minute; the last beat has until 5:00."""
    told = GUIDE.partition("## When something goes wrong")[0]
    _, *parts = re.split(r"^## (\d):(\d\d) .+$", told, flags=re.MULTILINE)
    minutes, seconds, texts = parts[0::3], parts[1::3], parts[2::3]
    begins = [
        60 * int(minute) + int(second) for minute, second in zip(minutes, seconds, strict=True)
    ]
    for text, (begin, end) in zip(texts, pairwise([*begins, 300]), strict=True):
        assert len(text.split()) * 60 / 130 < end - begin, text
