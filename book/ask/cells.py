"""The cells of the executed notebooks that a page can ask: it answers them as they are printed."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from nbformat import NotebookNode

TAG = "ask"  # myst-nb makes it the class tag_ask
CHECK = Path(__file__).with_name("check.mjs")

Offered = dict[str, list[str]]  # each page's statements, in the order of its cells
Left = dict[str, dict[str, str]]  # why not, by page and cell


def offered(notebooks: Path, static: Path) -> tuple[Offered, Left]:
    """Tag the cells that the page answers as the notebooks did; the others, with the reason."""
    read = {path: nbformat.read(path, as_version=4) for path in sorted(notebooks.glob("*.ipynb"))}
    cells = [(path, cell) for path, notebook in read.items() for cell in _sql(notebook)]
    sent = [{"sql": _asked(cell), "printed": _printed(cell)} for _, cell in cells]
    found: Offered = {}
    left: Left = {}
    for (path, cell), each, why in zip(cells, sent, _checked(sent, static), strict=True):
        page = f"notebooks/{path.stem}"
        if why:
            left.setdefault(page, {})[cell.id] = why
        else:
            cell.metadata.setdefault("tags", []).append(TAG)
            found.setdefault(page, []).append(each["sql"])
    for path, notebook in read.items():
        nbformat.write(notebook, path)
    return found, left


def _sql(notebook: NotebookNode) -> Iterator[NotebookNode]:
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("%%sql"):
            yield cell


def _asked(cell: NotebookNode) -> str | None:
    """What the cell sent, its parameters written in."""
    told = [each.get("metadata", {}) for each in cell.outputs]
    return next((each["sql"] for each in told if "sql" in each), None)


def _printed(cell: NotebookNode) -> dict[str, Any] | None:
    """The table that the cell shows: names, texts and what is said below it."""
    texts = [each.data["text/html"] for each in cell.outputs if "text/html" in each.get("data", {})]
    if not texts:
        return None
    table = BeautifulSoup(texts[0], "html.parser").table
    rows = [[td.get_text() for td in row.find_all("td")] for row in table.tbody.find_all("tr")]
    kinds = [sorted(th.get("class", [])) for th in table.thead.find_all("th")]
    return {
        "names": [th.get_text() for th in table.thead.find_all("th")],
        "numbers": ["number" in kind for kind in kinds],
        "rows": rows,
        "caption": table.caption.get_text() if table.caption else "",
    }


def _checked(sent: list[dict[str, Any]], static: Path) -> list[str]:
    """Why each can't be offered, or nothing, as the page's own PostgreSQL says."""
    run = subprocess.run(
        ["node", str(CHECK), str(static)], input=json.dumps(sent), check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return json.loads(run.stdout)
