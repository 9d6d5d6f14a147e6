"""What a notebook under version control may and must hold."""

import json
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

NOTEBOOKS = sorted(Path(__file__).parents[2].glob("notebooks/*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def cells(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return json.loads(request.param.read_text(encoding="utf-8"))["cells"]


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS[0].stem == "00_five_minute_demo"


def test_nothing_generated_is_committed(cells: list[dict[str, Any]]) -> None:
    for cell in cells:
        assert not cell.get("outputs") and not cell.get("execution_count")
        assert "execution" not in cell["metadata"]


def test_prose_stands_before_every_code_cell(cells: list[dict[str, Any]]) -> None:
    for before, cell in pairwise(cells):
        if cell["cell_type"] == "code":
            assert before["cell_type"] == "markdown", "".join(cell["source"])


def test_the_prose_before_a_cell_says_in_full_why_it_is_run(cells: list[dict[str, Any]]) -> None:
    short = []
    for before, cell in pairwise(cells):
        said = "".join(before["source"]).strip().split("\n\n")[-1]
        if cell["cell_type"] == "code" and (said.startswith("#") or len(said.split()) < 6):
            short.append(said)
    assert short == []


def test_a_code_cell_is_short(cells: list[dict[str, Any]]) -> None:
    for cell in cells:
        if cell["cell_type"] == "code":
            assert "".join(cell["source"]).count("\n") < 15


def test_half_of_the_code_cells_have_at_most_three_lines(cells: list[dict[str, Any]]) -> None:
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert median(len(source.splitlines()) for source in code) <= 3


def test_prose_says_dollar_once_a_cell(cells: list[dict[str, Any]]) -> None:
    """JupyterLab reads what stands between two of them as a formula, escaped or not."""
    for cell in cells:
        if cell["cell_type"] == "markdown":
            assert "".join(cell["source"]).count("$") < 2, cell["source"]


DEMOS = {path.stem: path for path in NOTEBOOKS if path.stem.startswith("00_")}
WORDS = {"00_five_minute_demo": 1400, "00_for_engineers": 750}  # of sources, without outputs


@pytest.fixture(params=DEMOS)
def demo(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return json.loads(DEMOS[request.param].read_text(encoding="utf-8"))["cells"]


def test_a_demo_says_in_short_what_it_shows(demo: list[dict[str, Any]]) -> None:
    short = "".join(demo[0]["source"]).partition("**In short**")[2]
    assert sum(line.startswith("- ") for line in short.splitlines()) == 3


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_stays_short(name: str) -> None:
    cells = json.loads(DEMOS[name].read_text(encoding="utf-8"))["cells"]
    assert sum(len("".join(cell["source"]).split()) for cell in cells) <= WORDS[name]
