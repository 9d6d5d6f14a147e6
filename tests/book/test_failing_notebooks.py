"""A notebook whose %%sql cell fails makes a bare `pytest --nbmake FILE` fail, and says why.

nbmake alone passes each of the failing notebooks here.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import kernels
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from sqlalchemy import URL

pytestmark = pytest.mark.long(2)

ROOT = Path(__file__).parents[2]

BARE = """\
%load_ext sql
%config SqlMagic.named_parameters = "enabled"
%sql {url}"""
STARTED = """\
import sqlalchemy, types
import cells
cells.start(types.SimpleNamespace(warehouse=sqlalchemy.create_engine("{url}")))"""
LAST = "import os\nprint(os.environ['MEDALLION_NAME'])"
SETUPS = {"bare": BARE, "started": STARTED}
CELLS = {
    "good": "%%sql\nSELECT 1 AS one",
    "missing_table": "%%sql\nSELECT * FROM no_such_table",
    "division_by_zero": "%%sql\nSELECT 1/0",
    "undefined_parameter": "%%sql\nSELECT :no_such_name",
    "ours": """\
from medallion_lib.errors import MedallionError
raise MedallionError("dim_store has no history.")""",
}
SAYS = {
    "missing_table": 'relation "no_such_table" does not exist',
    "division_by_zero": "division by zero",
    "undefined_parameter": "variables are undefined: no_such_name",
    "ours": "dim_store has no history.",
}
FAILING = [f"{setup}_{name}" for setup in SETUPS for name in SAYS]
GOOD = [f"{setup}_good" for setup in SETUPS]


@pytest.fixture(scope="module")
def warehouse_url(spare_url: URL) -> str:
    return spare_url.render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """In the checkout, so that pytest finds the root conftest.py as it does for any notebook."""
    with tempfile.TemporaryDirectory(prefix=".failing-notebooks-", dir=ROOT) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def outcomes(warehouse_url: str, folder: Path) -> dict[str, str | None]:
    """By notebook: what its failure says, or None where it passed. One run of them all."""
    for setup, first_cell in SETUPS.items():
        for name, cell in CELLS.items():
            cells = [first_cell.format(url=warehouse_url), cell, LAST]
            _write(folder / f"{setup}_{name}.ipynb", cells)
    report = f"--junit-xml={folder}/report.xml"
    run = _nbmake(*sorted(folder.glob("*.ipynb")), "--overwrite", "-n2", report)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout
    cases = ElementTree.parse(folder / "report.xml").iter("testcase")
    return {Path(case.get("name", "")).stem: _failure(case) for case in cases}


@pytest.mark.parametrize("name", FAILING)
def test_a_failing_cell_fails_the_run_and_says_where_and_why(
    outcomes: dict[str, str | None], name: str
) -> None:
    failure = outcomes[name]
    assert failure is not None, f"{name} passed"
    assert SAYS[name.partition("_")[2]] in failure
    assert f"{name}.ipynb, cell 2 of 3" in failure


@pytest.mark.parametrize("name", GOOD)
def test_a_good_notebook_passes(outcomes: dict[str, str | None], name: str) -> None:
    assert outcomes[name] is None


@pytest.mark.usefixtures("outcomes")
@pytest.mark.parametrize("name", SAYS)
def test_a_reader_sees_the_message_and_no_traceback(folder: Path, name: str) -> None:
    (error,) = nbformat.read(folder / f"started_{name}.ipynb", 4).cells[1].outputs
    assert error.output_type == "error"
    shown = "\n".join(error.traceback)
    assert SAYS[name] in shown
    assert "ploomber" not in shown
    assert len(shown.splitlines()) <= 3


@pytest.mark.usefixtures("outcomes")
@pytest.mark.parametrize("name", GOOD)
def test_a_notebook_has_a_name_of_its_own_in_each_worker(folder: Path, name: str) -> None:
    (printed,) = nbformat.read(folder / f"{name}.ipynb", 4).cells[2].outputs
    assert printed.text.strip() in {f"{name}_gw0", f"{name}_gw1"}


def _write(path: Path, cells: list[str]) -> None:
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)


def _nbmake(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`pytest --nbmake`, as typed into a shell: nothing of the surrounding run reaches it."""
    ours = ("PYTEST_", "MEDALLION_NAME")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment["PYTHONPATH"] = str(ROOT / "notebooks")
    command = [sys.executable, "-m", "pytest", "--nbmake", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as place, kernels.forked(Path(place), environment) as forking:
        return subprocess.run(command, cwd=ROOT, env=forking, capture_output=True, text=True)


def _failure(case: ElementTree.Element) -> str | None:
    failure = case.find("failure")
    return None if failure is None else f"{failure.get('message')}\n{failure.text}"
