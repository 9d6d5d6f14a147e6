"""In which order changes were written to the log, and in which they were committed."""

import pandas as pd
from matplotlib.axes import Axes

from .figure import INK, REST, Picture, line, mark, picture, write

LEFT, RIGHT, TOP, PITCH = 220, 540, 96, 32


def commits(frame: pd.DataFrame, *, alt: str) -> Picture:
    """Changes (change, written), one a row in the order of their commits; `written` is a position.

    A line leads from each one's place in the log to its place among the commits. It is dark where
    a change was committed after one that was written later.
    """
    names, written = [str(name) for name in frame["change"]], frame["written"].tolist()
    place = {at: number for number, at in enumerate(sorted(written))}
    late = [at < max(written[: number + 1]) for number, at in enumerate(written)]

    def draw(axes: Axes) -> None:
        write(axes, LEFT - 16, TOP - 34, "written", bold=True, ha="right")
        write(axes, RIGHT + 16, TOP - 34, "committed", bold=True)
        for number, (name, at, behind) in enumerate(zip(names, written, late, strict=True)):
            y = TOP + PITCH * place[at], TOP + PITCH * number
            color = INK if behind else REST
            line(axes, (LEFT, RIGHT), y, color, 3 if behind else 2)
            for x, end in zip((LEFT, RIGHT), y, strict=True):
                mark(axes, x, end, "D" if behind else ".", color)
            write(axes, LEFT - 16, y[0], name, ha="right", bold=behind)
            write(axes, RIGHT + 16, y[1], name, bold=behind)

    return picture(TOP + PITCH * len(names), alt, _finding(sum(late), len(late)), draw)


def _finding(late: int, count: int) -> str:
    if not late:
        return f"All {count} changes were committed in the order they were written"
    were = "was" if late == 1 else "were"
    return f"{late} of {count} changes {were} committed after a later one"
