"""How often a presenter presses Shift+Enter, as book/stage's shortcuts have it."""

from __future__ import annotations

from typing import Any

Cell = dict[str, Any]


def presses(cells: list[Cell]) -> list[int]:
    """The cell that is active at each press, from the first cell to the last.

    A question and its answer are one press. So is a cell before prose with a key to press, which
    stops in the cell that is to be edited.
    """
    active, at = [], 0
    while at < len(cells):
        active.append(at)
        following = cells[at + 1] if at + 1 < len(cells) else None
        answers = asks(cells[at]) and following and following["cell_type"] == "code"
        at += 2 if answers or (following and stops(following)) else 1
    return active


def asks(cell: Cell) -> bool:
    return cell["cell_type"] == "markdown" and not stops(cell)


def stops(cell: Cell) -> bool:
    return cell["cell_type"] == "markdown" and "<kbd>" in "".join(cell["source"])


def beats(cells: list[Cell]) -> dict[str, int]:
    """By the heading of each beat, its presses, from the one that runs the heading's cell.

    A beat that opens with prose to stop at is reached by the last press of the one before it.
    """
    count: dict[str, int] = {}
    beat = ""
    starts = {i: heading(cell) for i, cell in enumerate(cells) if heading(cell)}
    seen = -1
    for at in presses(cells):
        for i in range(seen + 1, at + 1):
            beat = starts.get(i, beat)
        seen = at
        count[beat] = count.get(beat, 0) + 1
    return count


def heading(cell: Cell) -> str:
    first = "".join(cell["source"]).partition("\n")[0]
    return (
        first.removeprefix("## ") if cell["cell_type"] == "markdown" and first[:3] == "## " else ""
    )
