"""What every run of a notebook needs, a bare `pytest --nbmake FILE` included."""

import os
import re
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest
from nbformat import NotebookNode
from nbmake.nb_result import NotebookError
from nbmake.nb_run import NotebookRun

_judged_by_nbmake = NotebookRun._get_error


def _judge(run: NotebookRun, notebook: NotebookNode) -> NotebookError:
    """The error of a run that stopped at a failing cell, which is when nbmake asks for it.

    nbmake looks for an error output and passes the notebook where there is none. IPython shows
    a UsageError, which is what jupysql makes of every failing `%%sql`, on stderr alone.
    """
    error = _judged_by_nbmake(run, notebook) or _silent_error(notebook)
    place = f"{run.filename.name}, cell {error.failing_cell_index + 1} of {len(notebook.cells)}"
    return replace(error, trace=f"{place}\n{error.trace}")


NotebookRun._get_error = _judge


def _silent_error(notebook: NotebookNode) -> NotebookError:
    """The last cell with something on stderr: nbmake clears all outputs before it runs any."""
    for index, cell in reversed(list(enumerate(notebook.cells))):
        outputs = cell.get("outputs", [])
        printed = "".join(o.text for o in outputs if o.get("name") == "stderr").strip()
        if printed:
            trace = f"{75 * '-'}\n{cell.source}\n{printed}"
            return NotebookError(printed.splitlines()[-1], trace, index)
    return NotebookError("A cell failed without a message.", "", -1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Give each notebook databases of its own, so that notebooks run side by side.

    Runs that share a server, such as a book's beside a test's, are told apart by a
    MEDALLION_NAME of their own, which the notebook's name then begins with.
    """
    if not getattr(item, "nbmake", False):
        return (yield)
    before = os.environ.get("MEDALLION_NAME")
    os.environ["MEDALLION_NAME"] = _own_name(item, before)
    try:
        return (yield)
    finally:
        if before is None:
            del os.environ["MEDALLION_NAME"]
        else:
            os.environ["MEDALLION_NAME"] = before


def _own_name(item: pytest.Item, prefix: str | None) -> str:
    """Lower-case letters, digits and underscores; at most 40, to leave room in an identifier."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    stem = re.sub(r"[^a-z0-9]+", "_", item.path.stem.lower())
    front = "_".join(filter(None, [prefix, stem]))
    return f"{front[: 40 - len(worker) - 1]}_{worker}" if worker else front[:40]
