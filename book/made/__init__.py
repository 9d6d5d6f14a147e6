"""What the book's pages include and no one writes by hand: one function a file.

Each gets the year's Medallion and the folder of the executed copy, and returns the file's text.
A page includes it as `made/<name>`.
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "notebooks"))  # pages use the notebooks' charts

from made import (
    asking, costs, dictionary, drag, folders, kept, missed, proofs, receipt, refusals, status,
    tables,
)  # fmt: skip
from medallion_lib import Medallion

PAGES: dict[str, Callable[[Medallion, Path], str]] = {
    "asking.html": asking.page,
    "costs.html": costs.figure,
    "costs.md": costs.page,
    "dictionary.md": dictionary.page,
    "drag.html": drag.page,
    "folders.html": folders.figure,
    "folders.md": folders.page,
    "kept.md": kept.page,
    "missed.md": missed.page,
    "proofs.md": proofs.page,
    "receipt.html": receipt.page,
    "refusals.md": refusals.page,
    "status.md": status.page,
    "tables.html": tables.page,
}
