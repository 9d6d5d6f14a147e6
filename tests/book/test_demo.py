"""Every notebook runs alone in any order; the demo is what the guide speaks to."""

import ast
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from presses import beats

ROOT = Path(__file__).parents[2]
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


def spoken(guide: str) -> dict[str, str]:
    """What is said in each beat: all that stands in quotation marks."""
    _, *parts = re.split(BEAT, guide.partition("## For engineers")[0])
    return {
        beat: " ".join(re.findall(r'"([^"]+)"', text))
        for beat, text in zip(parts[0::2], parts[1::2], strict=True)
    }


def test_the_guide_names_the_beats_of_the_demo() -> None:
    demo = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")
    named = BEAT.findall(demo)
    assert BEAT.findall(GUIDE) == named == sorted(named)
    assert named[0].startswith("0:00") and "4:15" < named[-1] < "4:50"


def test_the_demo_takes_at_most_35_presses() -> None:
    counted = {beat: count for beat, count in beats(CELLS).items() if beat}
    assert sum(counted.values()) <= 35
    assert f"takes {sum(counted.values())} presses" in GUIDE


def test_two_thirds_of_the_code_cells_have_something_to_see() -> None:
    """Hidden checks, a preparation and a query kept for the next cell have not."""
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    shown = [cell for cell in code if shows(cell)]
    assert len(shown) >= len(code) * 2 / 3
    assert {cell["id"] for cell in code} - {cell["id"] for cell in shown} <= {
        "imports", "set-up", "changed", "asserted", "asserted-live",
    }  # fmt: skip


def shows(cell: dict[str, Any]) -> bool:
    """Whether the last line of a cell is an expression, or it prints, or keeps and shows rows."""
    source = "".join(cell["source"])
    if source.startswith("%%sql"):
        return "= <<" in source or "<<" not in source
    last = ast.parse(source).body[-1]
    return (isinstance(last, ast.Expr) and "cells.start" not in source) or "cells.pick" in source


@pytest.mark.parametrize("name", ["00_five_minute_demo", "00_for_engineers"])
def test_the_guide_counts_the_presses_of_each_beat(name: str) -> None:
    cells = json.loads((DEMO.parent / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    told = dict(re.findall(r"^###? (.+)\n\n\*\*Presses:\*\* (\d+)", GUIDE, re.MULTILINE))
    counted = {beat: count for beat, count in beats(cells).items() if beat}
    assert {beat: int(told.get(beat, 0)) for beat in counted} == counted


def test_every_beat_of_the_guide_has_its_picture() -> None:
    headings = re.findall(r"^## \d:\d\d|^### ", GUIDE, re.MULTILINE)
    assert GUIDE.count("**On screen:**") == GUIDE.count("**Presses:**") == len(headings)


def test_ten_questions_are_answered_in_two_sentences() -> None:
    """A colon or a semicolon may join what belongs together."""
    asked = GUIDE.partition("## Ten questions people ask")[2].partition("\n## ")[0]
    answers = re.findall(r"\*\*[^*]+\?\*\* ((?:.+\n)+)", asked)
    assert len(answers) == 10
    for answer in answers:
        assert len(re.findall(r"[.](?=\s)", answer)) == 2, answer


def test_what_is_said_has_at_most_520_words() -> None:
    assert sum(len(said.split()) for said in spoken(GUIDE).values()) <= 520
    assert len(GUIDE.split()) <= 1300


def test_what_is_said_in_a_beat_fits_its_time() -> None:
    """At 130 words a minute; the last beat has until 5:00."""
    said = spoken(GUIDE)
    begins = [60 * int(beat[0]) + int(beat[2:4]) for beat in said]
    for text, (begin, end) in zip(said.values(), pairwise([*begins, 300]), strict=True):
        assert text and len(text.split()) * 60 / 130 < end - begin, text
