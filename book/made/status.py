"""What the executed notebooks say of their run: which cells ran, when, and how long they took."""

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medallion_lib import Medallion

TOLD = ("sqlalchemy", "psycopg2-binary", "jupysql", "pandas", "matplotlib")
Cell = dict[str, Any]


@dataclass
class Run:
    """One executed notebook. A cell without code does not count."""

    path: Path
    title: str
    python: str
    cells: list[Cell]

    @classmethod
    def read(cls, path: Path) -> "Run":
        notebook = json.loads(path.read_text(encoding="utf-8"))
        first = "".join(notebook["cells"][0]["source"])
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        return cls(
            path=path,
            title=first.splitlines()[0].removeprefix("# "),
            python=notebook["metadata"]["language_info"]["version"],
            cells=[cell for cell in code if "".join(cell["source"]).strip()],
        )

    @property
    def ran(self) -> list[Cell]:
        """Those that ran to their end: an error that is not part of the lesson ends the run."""
        return [cell for cell in self.cells if cell["metadata"].get("execution") and _good(cell)]

    def seconds(self) -> list[float]:
        return [(end - begin).total_seconds() for begin, end in map(_times, self.ran)]

    def row(self) -> str:
        result = "passed" if len(self.ran) == len(self.cells) else "failed"
        took = self.seconds() or [0.0]
        cells = (
            f"{result}, {len(self.ran)} of {len(self.cells)}", f"{sum(took):.1f} s",
            f"{max(took):.1f} s, cell {took.index(max(took)) + 1}",
        )  # fmt: skip
        whole = " | ".join(cell.replace(" ", "\N{NO-BREAK SPACE}") for cell in cells)
        return f"| [{self.title}](../notebooks/{self.path.name}) | {whole} |"


def page(lab: Medallion, copy: Path) -> str:
    runs = [Run.read(path) for path in sorted((copy / "notebooks").glob("*.ipynb"))]
    heading = "| notebook | cells | time | the longest |\n|---|---|---|---|"
    rows = [heading, *(run.row() for run in runs)]
    return "\n".join([*rows, "", *_circumstances(lab, copy.parent, runs)]) + "\n"


def _good(cell: Cell) -> bool:
    wrong = any(output["output_type"] == "error" for output in cell["outputs"])
    return not wrong or "raises-exception" in cell["metadata"].get("tags", [])


def _times(cell: Cell) -> tuple[datetime, datetime]:
    execution = cell["metadata"]["execution"]
    begin, end = (execution[f"iopub.status.{state}"] for state in ("busy", "idle"))
    return datetime.fromisoformat(begin), datetime.fromisoformat(end)


def _circumstances(lab: Medallion, root: Path, runs: list[Run]) -> Iterator[str]:
    """When it was, on what, with which versions."""
    begins, ends = zip(*(_times(cell) for run in runs for cell in run.ran), strict=True)
    total = sum(sum(run.seconds()) for run in runs)
    with lab.warehouse.connect() as warehouse:
        server = warehouse.exec_driver_sql("SHOW server_version").scalar_one()
    yield f"{len(begins)} cells of {len(runs)} notebooks ran on {min(begins):%-d %B %Y}"
    yield f"between {min(begins):%H:%M:%S} and {max(ends):%H:%M:%S} UTC, and took {total:.1f} s.\n"
    yield "| with | version |\n|---|---|"
    yield f"| PostgreSQL | {server} |"
    yield f"| Python | {', '.join(sorted({run.python for run in runs}))} |"
    for name in TOLD:
        yield f"| {name} | {version(name)} |"
    yield f"| system | {platform.system()}, {platform.machine()}, {os.cpu_count()} cores |"
    if commit := _commit(root):
        yield f"| the book itself | {commit} |"


def _commit(root: Path) -> str | None:
    """The checkout's commit; None where it is no checkout or there is no git."""
    if not (root / ".git").exists():
        return None
    try:
        told = [_git(root, *words) for words in (("log", "-1", "--format=%h"), ("status", "-s"))]
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"commit `{told[0]}`" + (", with changes that are not committed" if told[1] else "")


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True,
                          check=True).stdout.strip()  # fmt: skip
