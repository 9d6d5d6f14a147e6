"""The cells of the executed notebooks that a page can ask: it answers them as they did."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from nbformat import NotebookNode

TAG = "ask"  # myst-nb makes it the class tag_ask
TOLD = "application/vnd.medallion.asked+json"  # as notebooks/cells.py has it
CHECK = Path(__file__).with_name("check.mjs")
PREFIXES = ("DETAIL:  ", "HINT:  ", "CONTEXT:  ")  # of lines that the page shows without

Told = dict[tuple[str, str], dict[str, str]]  # statement, connection, table by notebook and cell
Offered = dict[str, list[dict[str, Any]]]  # each page's statements, in the order of its cells
Left = dict[str, dict[str, str]]  # why not, by page and cell


def told(notebooks: Path) -> Told:
    """What each cell asked and was answered, which no output has any longer."""
    facts: Told = {}
    for path in sorted(notebooks.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in (each for each in notebook.cells if each.cell_type == "code"):
            known = [each.data[TOLD] for each in cell.outputs if TOLD in each.get("data", {})]
            cell.outputs = [each for each in cell.outputs if TOLD not in each.get("data", {})]
            facts[path.stem, cell.id] = {key: text for each in known for key, text in each.items()}
        nbformat.write(notebook, path)
    return facts


def offered(notebooks: Path, facts: Told, static: Path) -> tuple[Offered, Left]:
    """Tag the cells that the page answers as the notebooks did; the others, with the reason."""
    read = {path: nbformat.read(path, as_version=4) for path in sorted(notebooks.glob("*.ipynb"))}
    cells = [(path, cell) for path, notebook in read.items() for cell in _sql(notebook)]
    sent = [_asked(path.stem, cell, facts[path.stem, cell.id]) for path, cell in cells]
    found: Offered = {}
    left: Left = {}
    for (path, cell), each, known in zip(cells, sent, _checked(sent, static), strict=True):
        page = f"notebooks/{path.stem}"
        if "why" in known:
            left.setdefault(page, {})[cell.id] = known["why"]
        else:
            cell.metadata.setdefault("tags", []).append(TAG)
            found.setdefault(page, []).append(each | known)
    for path, notebook in read.items():
        nbformat.write(notebook, path)
    return found, left


def _sql(notebook: NotebookNode) -> Iterator[NotebookNode]:
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("%%sql"):
            yield cell


def _asked(page: str, cell: NotebookNode, facts: dict[str, str]) -> dict[str, Any]:
    """What the cell sent, its parameters written in, and what it was answered, shown or not."""
    errors = [each.evalue for each in cell.outputs if each.output_type == "error"]
    return {
        "page": page,
        "sql": facts.get("sql"),
        "on": facts.get("on"),
        "table": _table(facts["table"]) if "table" in facts else None,
        "refused": _words(errors[0]) if errors else None,
    }


def _words(error: str) -> str:
    for prefix in PREFIXES:
        error = error.replace(f"\n{prefix}", "\n")
    return error


def _table(html: str) -> dict[str, Any]:
    """Names, texts and what is said below them."""
    table = BeautifulSoup(html, "html.parser").table
    rows = [[td.get_text() for td in row.find_all("td")] for row in table.tbody.find_all("tr")]
    kinds = [sorted(th.get("class", [])) for th in table.thead.find_all("th")]
    return {
        "names": [th.get_text() for th in table.thead.find_all("th")],
        "numbers": ["number" in kind for kind in kinds],
        "rows": rows,
        "caption": table.caption.get_text() if table.caption else "",
    }


def _checked(sent: list[dict[str, Any]], static: Path) -> list[dict[str, Any]]:
    """Of each, why it can't be offered, or what it needs, as the page's own PostgreSQL says."""
    run = subprocess.run(
        ["node", str(CHECK), str(static)], input=json.dumps(sent), check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return json.loads(run.stdout)
