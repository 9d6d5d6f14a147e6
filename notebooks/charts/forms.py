"""How much of a history each form of loading it keeps."""

import pandas as pd
from matplotlib.axes import Axes

from medallion_lib import MedallionError

from .figure import INK, REST, SILVER, Picture, block, picture, scale, write

LEFT, RIGHT, TOP, PITCH, THICK = 12, 748, 62, 60, 18


def forms(frame: pd.DataFrame, *, alt: str) -> Picture:
    """The versions that each form (form, kept, wrong) has as they were, and those it has wrong.

    The first form is the measure: it keeps all. Wrong ones are drawn hollow. Raises
    MedallionError when a form has more than there are.
    """
    rows = [(str(form), int(kept), int(wrong)) for form, kept, wrong in frame.to_numpy().tolist()]
    whole = rows[0][1] if rows else 0
    if any(kept + wrong > whole for _, kept, wrong in rows):
        raise MedallionError(f"A form has more than the {whole:,} versions of the first.")
    place = scale(0, max(whole, 1), LEFT, RIGHT)

    def draw(axes: Axes) -> None:
        for number, (form, kept, wrong) in enumerate(rows):
            y = TOP + PITCH * number
            write(axes, LEFT, y, form, bold=True)
            write(axes, RIGHT, y, _counts(kept, wrong, whole), ha="right")
            top, foot = y + 14, y + 14 + THICK
            _frame(axes, LEFT, RIGHT, top, foot, REST)
            block(axes, (LEFT, place(kept)), (top, foot), SILVER)
            if wrong:
                _frame(axes, place(kept), place(kept + wrong), top, foot, INK, dashes=(0, (3, 2)))

    return picture(TOP + PITCH * len(rows) - 8, alt, _finding(rows), draw)


def _frame(
    axes: Axes, left: float, right: float, top: float, foot: float, color: str, dashes: object = "-"
) -> None:
    ends = [left, right, right, left, left], [top, top, foot, foot, top]
    axes.plot(*ends, color=color, linewidth=1.5, linestyle=dashes)


def _counts(kept: int, wrong: int, whole: int) -> str:
    lost = whole - kept - wrong
    parts = [f"{kept:,} kept", f"{wrong:,} wrong" * (wrong > 0), f"{lost:,} lost" * (lost > 0)]
    return ", ".join(filter(None, parts))


def _finding(rows: list[tuple[str, int, int]]) -> str:
    if not rows:
        return "No form to compare"
    (_, whole, _), *others = rows
    kept = sorted({kept for _, kept, _ in others} or {whole})
    span = f"{kept[0]:,}" if len(kept) == 1 else f"{kept[0]:,} to {kept[-1]:,}"
    who = "the popular forms keep" if others else "all are kept:"
    return f"Of {whole:,} versions, {who} {span}"
