"""What cells.start gives a notebook, seen from inside one that pytest --nbmake runs."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from sqlalchemy import URL

ROOT = Path(__file__).parents[2]
TOLD = "application/vnd.medallion.asked+json"

CELLS = {
    "name": "import os\nprint(os.environ['MEDALLION_NAME'])",
    "start": """\
import sqlalchemy, types
import cells
lab = types.SimpleNamespace(warehouse=sqlalchemy.create_engine("{url}"))
cells.start(lab)
store = 5""",
    "ddl": "%%sql\nCREATE TEMPORARY TABLE nothing_to_show (a int)",
    "row": """\
%%sql
SELECT :store AS store, '<b>&amp;' AS name, NULL AS nothing, true AS yes,
       timestamptz 'infinity' AS sys_end, 'x' LIKE 'x%' AS percent""",
    "sent": "cells.sent()",
    "exhibit": """\
columns = ", ".join(f"a_column AS name_{n}" for n in range(9))
cells.exhibit(f"WITH a AS (SELECT 1) SELECT {columns} FROM a", "SELECT a_", " FROM a")""",
    "refusal": """\
print(cells.refusal(sqlalchemy.create_engine("{url}"), "CREATE TABLE gone (a int); SELECT 1/0"))""",
    "undone": "%%sql\nSELECT to_regclass('gone') AS gone",
    "short": 'cells.exhibit(f"SELECT {columns} FROM a", "SELECT", " FROM", short=True)',
    "last_day": "%%sql\nSELECT 'infinity'::date AS last_day, DATE '2023-07-01' AS first_day",
    "long": "%%sql\nSELECT n FROM generate_series(1, 84) AS n",
    "end_connections": """\
with sqlalchemy.create_engine("{url}").connect() as other:
    mine = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lab'"
    other.exec_driver_sql(mine)""",
    "survivor": "%%sql\nSELECT 'after a reset' AS survived",
    "again": "cells.start(lab)",
    "once_more": "%%sql\nSELECT 'started twice' AS started",
    "told": """\
%env MEDALLION_BOOK=1
%sql kept << SELECT :store AS store, 'a :store' AS text""",
}


@pytest.fixture(scope="module")
def cells(spare_url: URL) -> Iterator[dict[str, NotebookNode]]:
    """By name, each cell after one run of them all, in the order they stand in."""
    base = spare_url.render_as_string(hide_password=False)
    url = base + ("&" if "?" in base else "?") + "application_name=lab"
    sources = [
        source.replace("{url}", base if name == "end_connections" else url)
        for name, source in CELLS.items()
    ]
    with tempfile.TemporaryDirectory(prefix=".failing-notebooks-", dir=ROOT) as folder:
        path = Path(folder) / "07_Has a-Name.ipynb"
        nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
        command = [sys.executable, "-m", "pytest", "--nbmake", "--overwrite", str(path)]
        run = subprocess.run(command, cwd=ROOT, env=_clean(), capture_output=True, text=True)
        assert run.returncode == 0, run.stdout
        yield dict(zip(CELLS, nbformat.read(path, 4).cells, strict=True))


@pytest.mark.slow
def test_a_notebook_has_a_name_of_its_own(cells: dict[str, NotebookNode]) -> None:
    (printed,) = cells["name"].outputs
    assert printed.text.strip() == "07_has_a_name"


@pytest.mark.parametrize("name", ["start", "ddl", "again"])
def test_a_cell_with_nothing_to_show_shows_nothing(
    cells: dict[str, NotebookNode], name: str
) -> None:
    assert cells[name].outputs == []


def test_values_are_shown_as_postgresql_writes_them(cells: dict[str, NotebookNode]) -> None:
    table = _html(cells["row"])
    assert '<td class="number">5</td><td>&lt;b&gt;&amp;amp;</td>' in table
    assert '<td class="null">null</td><td>true</td><td>infinity</td><td>true</td>' in table


def test_sent_is_what_went_over_the_wire(cells: dict[str, NotebookNode]) -> None:
    (output,) = cells["sent"].outputs
    assert output.data["text/markdown"].startswith("```sql\nSELECT 5 AS store, '<b>&amp;'")
    assert "LIKE 'x%'" in output.data["text/markdown"]


def test_the_books_build_is_told_what_was_asked_and_answered(
    cells: dict[str, NotebookNode],
) -> None:
    """What a cell keeps without showing it, too: the book's page asks it without the notebook."""
    asked, answered = (each.data[TOLD] for each in cells["told"].outputs if "data" in each)
    assert asked == {"sql": "SELECT 5 AS store, 'a :store' AS text", "on": "warehouse"}
    assert '<td class="number">5</td><td>a :store</td>' in answered["table"]


def test_a_short_exhibit_shows_the_ends_of_a_list(cells: dict[str, NotebookNode]) -> None:
    (output,) = cells["short"].outputs
    shown = " ".join(output.data["text/markdown"].split()[1:-1])
    ends = [f"a_column AS name_{number}" for number in (0, 1, 7, 8)]
    assert shown == f"SELECT {', '.join(ends[:2])}, ..., {', '.join(ends[2:])}"


def test_an_exhibit_breaks_long_lines_after_commas(cells: dict[str, NotebookNode]) -> None:
    (output,) = cells["exhibit"].outputs
    fence, *lines, end = output.data["text/markdown"].splitlines()
    assert (fence, end) == ("```sql", "```")
    assert len(lines) > 1 and max(map(len, lines)) <= 74
    assert all(line.endswith(",") for line in lines[:-1])
    assert " ".join(map(str.strip, lines)).endswith("a_column AS name_7, a_column AS name_8")


def test_a_refusal_is_what_was_said_and_leaves_nothing(cells: dict[str, NotebookNode]) -> None:
    assert cells["refusal"].outputs[0].text == "division by zero\n"
    assert '<td class="null">null</td>' in _html(cells["undone"])


def test_a_date_can_be_infinity(cells: dict[str, NotebookNode]) -> None:
    assert "<td>infinity</td><td>2023-07-01</td>" in _html(cells["last_day"])


def test_a_long_result_says_how_long_it_is(cells: dict[str, NotebookNode]) -> None:
    table = _html(cells["long"])
    assert "<caption>20 of 84 rows</caption>" in table
    assert table.count("<tr>") == 21


@pytest.mark.parametrize(
    ("name", "value"), [("survivor", "after a reset"), ("once_more", "started twice")]
)
def test_sql_cells_go_on_after_their_connection_was_ended(
    cells: dict[str, NotebookNode], name: str, value: str
) -> None:
    assert f"<td>{value}</td>" in _html(cells[name])


def test_no_output_tells_where_the_server_is(cells: dict[str, NotebookNode]) -> None:
    outputs = str([cell.outputs for cell in cells.values()])
    assert "postgresql" not in outputs
    assert "host=" not in outputs


def _clean() -> dict[str, str]:
    """The environment less what the surrounding run put there."""
    ours = ("PYTEST_", "MEDALLION_NAME")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPATH": str(ROOT / "notebooks")}


def _html(cell: NotebookNode) -> str:
    (output,) = cell.outputs
    return output.data["text/html"]
