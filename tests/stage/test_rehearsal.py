"""The rehearsal: the five minutes in JupyterLab, as `make demo` opens it, on 1280 × 720 at 150 %."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conductor import Conductor, Played, make_demo
from playwright.sync_api import Browser
from presses import presses
from test_demo import GUIDE, spoken
from test_server import kill_server

from medallion_lib import server

ROOT = Path(__file__).parents[2]
DEMO, ENGINEERS = "00_five_minute_demo", "00_for_engineers"
STORY = re.search(r"```\n(Board pack.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
SCREEN = {"viewport": {"width": 853, "height": 480}, "device_scale_factor": 1.5}
WORDS_A_MINUTE = 130
BAD_PICKS = {
    "9, 25.00": "9 is no store: write one of 1, 2, 3, 4, 5, 6, 7, then the amount.",
    "'3', 25.00": "'3' is no store: write one of 1, 2, 3, 4, 5, 6, 7, then the amount.",
    **dict.fromkeys(("3, 1000000", "3, 0", "3, -50", "3, '3'", "3, 0.001"), "can't be added to"),
}
PICKED = "6, -3.50"
Record = Callable[[str, object], None]


@dataclass
class Rehearsal:
    """What was seen of two performances.

    In the second the audience picks, badly at first, and the server is killed in the middle of a
    beat.
    """

    printed: str  # before the first press
    left: str  # and after the last
    address: str
    kernel: str
    intruders: int
    first: list[Played]
    second: list[Played]
    presses: list[str]  # the active cell at each press of the first
    recovered: float  # seconds from the kill to the end of the next cell
    remarks: dict[str, list[bool]]  # whether each could be read
    stopped: str  # the cell at which the question about the pick stops
    refused: dict[str, dict[str, Any]]  # what stood below a cell, by what was typed and by the cell

    @property
    def machine(self) -> float:
        return sum(played.seconds for played in self.first)


@pytest.fixture(scope="module")
def rehearsal(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with make_demo(tmp_path_factory.mktemp("jupyter")) as (printed, address):
        conductor, before = Conductor(chromium.new_page(**SCREEN)), printed()
        conductor.open(address)
        kernel = conductor.page.evaluate("stage.kernel()")
        remarks = {"opened": conductor.page.evaluate("stage.remarks()")}
        conductor.play(until="story")
        remarks["told"] = conductor.page.evaluate("stage.remarks()")
        conductor.play(until="again")
        remarks["again"] = conductor.page.evaluate("stage.remarks()")
        first, conductor.played = conductor.played, []
        pressed, conductor.presses = conductor.presses, []
        conductor.go("waterfall-seen")
        conductor.page.keyboard.press("Shift+Enter")
        conductor.page.wait_for_timeout(300)
        stopped = conductor.active()
        refused = _play_badly(conductor)
        conductor.type("pick", PICKED)
        conductor.play(until="update")
        killed = time.monotonic()
        kill_server(server.locate())
        conductor.play(until="merge")
        recovered = time.monotonic() - killed
        conductor.play(until="moved")
        conductor.go("date")
        refused |= _date_badly(conductor)
        conductor.play(until="again")
        yield Rehearsal(before, printed(), address, kernel, conductor.intruders(), first,
                        conductor.played, pressed, recovered, remarks, stopped,
                        refused)  # fmt: skip


@dataclass
class Performance:
    """A notebook from its first cell to its last, and the active cell at each press."""

    name: str
    played: list[Played]
    presses: list[str]


@pytest.fixture(scope="module", params=[DEMO, pytest.param(ENGINEERS, marks=pytest.mark.slow)])
def performance(
    request: pytest.FixtureRequest, rehearsal: Rehearsal, chromium: Browser
) -> Performance:
    """The demo's first, or that of the notebook for engineers in the same JupyterLab."""
    if request.param == DEMO:
        return Performance(DEMO, rehearsal.first, rehearsal.presses)
    conductor = Conductor(chromium.new_page(**SCREEN))
    conductor.open(rehearsal.address.replace(DEMO, ENGINEERS))
    conductor.play(until="again")
    return Performance(ENGINEERS, conductor.played, conductor.presses)


def _play_badly(conductor: Conductor) -> dict[str, dict[str, Any]]:
    """Each bad pick, and after the last of them the cells that follow, as if nothing were wrong."""
    seen = {}
    for typed in BAD_PICKS:
        conductor.back("pick")
        conductor.type("pick", typed)
        conductor.play(until="pick")
        seen[typed] = conductor.below("pick") | {"whole": conductor.played.pop().whole}
    for cell in ("picked", "update", "asserted-live", "story"):
        conductor.play(until=cell)
        seen[cell] = conductor.below(cell)
    conductor.played.clear()
    conductor.back("pick")
    return seen


def _date_badly(conductor: Conductor) -> dict[str, dict[str, Any]]:
    seen = {}
    for typed in ("3 July", "2023-07-03"):
        conductor.back("date")
        conductor.type("date", typed)
        kept = len(conductor.played)
        conductor.play(until="date")
        seen[typed] = conductor.below("date")
        if typed == "3 July":
            del conductor.played[kept:]
    return seen


def test_make_demo_tells_the_story_and_opens_the_demo(rehearsal: Rehearsal) -> None:
    assert rehearsal.printed.endswith(f"\n\n{STORY}")
    assert rehearsal.kernel == "python3"
    assert "/notebooks/00_five_minute_demo.ipynb?token=" in rehearsal.address


def test_the_story_stays_the_last_thing_on_the_terminal(rehearsal: Rehearsal) -> None:
    assert rehearsal.left == rehearsal.printed


def test_the_presses_are_those_that_the_guide_counts(performance: Performance) -> None:
    """Up to the last cell; tests/book/test_demo.py compares the same count with the guide."""
    cells = json.loads((ROOT / "notebooks" / f"{performance.name}.ipynb").read_text(encoding="utf-8"))["cells"]
    pressed = performance.presses
    assert pressed == [cells[at]["id"] for at in presses(cells)][: len(pressed)]
    assert pressed[-1] == "about-again"


def test_nothing_intrudes(rehearsal: Rehearsal) -> None:
    assert rehearsal.intruders == 0


def test_every_cell_runs_without_an_error(rehearsal: Rehearsal, performance: Performance) -> None:
    for played in performance.played + rehearsal.second:
        for output in played.outputs:
            assert output["output_type"] != "error", output
            assert output.get("name") != "stderr", output


def test_what_was_seen_appears_with_its_answer(rehearsal: Rehearsal) -> None:
    assert len(rehearsal.remarks["opened"]) > 12 and not any(rehearsal.remarks["opened"])
    assert all(rehearsal.remarks["told"][:-1])
    assert rehearsal.remarks["again"][-1] and not any(rehearsal.remarks["again"][:-1])


def test_one_press_shows_the_question_and_stops_in_its_cell(rehearsal: Rehearsal) -> None:
    assert rehearsal.stopped == "pick"


@pytest.mark.parametrize("typed", BAD_PICKS)
def test_a_bad_pick_is_refused_in_its_own_cell_in_one_line(
    rehearsal: Rehearsal, typed: str
) -> None:
    seen = rehearsal.refused[typed]
    assert BAD_PICKS[typed] in seen["said"] and "\n" not in seen["said"]
    assert not seen["remark"] and seen["whole"]
    if BAD_PICKS[typed] == "can't be added to":
        assert re.search(r"write -\d+\.\d\d to 9\d\d\.\d\d, in cents, not 0", seen["said"])


def test_no_later_cell_goes_on_with_an_older_pick(rehearsal: Rehearsal) -> None:
    again = "the cell that makes it failed. Run that cell again, then this one."
    assert rehearsal.refused["picked"]["said"] == f"There is no store: {again}"
    assert rehearsal.refused["update"]["said"] == f"There is no picked: {again}"


def test_the_story_of_a_refused_pick_claims_no_correction(rehearsal: Rehearsal) -> None:
    assert rehearsal.refused["asserted-live"]["said"].startswith("There is no store:")
    told = rehearsal.refused["story"]["said"].splitlines()
    assert told[4] == "Live correction:          none, or not proved."
    assert told[:4] + told[5:] == [line for line in STORY.splitlines() if "Live" not in line]


def test_a_date_that_is_none_draws_nothing(rehearsal: Rehearsal) -> None:
    drawn = rehearsal.refused["3 July"]
    assert drawn["said"] == "'3 July' is no date: write one like '2023-07-03'."
    assert drawn["figures"] == 0 and not drawn["remark"]


def test_a_date_that_is_one_is_named_by_the_figure(rehearsal: Rehearsal) -> None:
    drawn = rehearsal.refused["2023-07-03"]
    assert drawn["figures"] == 1 and drawn["remark"]
    assert "As of 3 July 2023, store 5 won June." in drawn["title"]


def test_every_beat_is_seen_whole(performance: Performance, record_property: Record) -> None:
    tallest = max(performance.played, key=lambda played: played.height)
    record_property(
        "tallest_beat", f"{tallest.beat}: {tallest.height:.0f} of {tallest.room:.0f} px"
    )
    cut = {played.beat: played.height for played in performance.played if not played.whole}
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
    words = sum(len(said.split()) for said in spoken(GUIDE).values())
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
