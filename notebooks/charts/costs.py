"""How fast something is beside something else, as ratios."""

import math

import pandas as pd
from matplotlib.axes import Axes

from .figure import INK, REST, Picture, block, line, picture, scale, write

NAMES, LEFT, RIGHT, TOP, PITCH = 12, 440, 690, 108, 54


def costs(frame: pd.DataFrame, *, alt: str) -> Picture:
    """One bar for each comparison (what, beside, ratio): from 1, to the left slower, to the right
    faster. The scale doubles at equal steps, so half as fast is as far from 1 as twice as fast.
    """
    rows = [(str(what), str(beside), float(ratio)) for what, beside, ratio in zip(
        frame["what"], frame["beside"], frame["ratio"], strict=True)]  # fmt: skip
    doubled = [math.log2(ratio) for *_, ratio in rows]
    across = scale(min([-1.0, *doubled]), max([1.0, *doubled]), LEFT, RIGHT)
    foot = TOP + PITCH * len(rows) - 22

    def draw(axes: Axes) -> None:
        write(axes, across(0) - 10, 62, "slower", ha="right", soft=True)
        write(axes, across(0) + 10, 62, "faster", soft=True)
        line(axes, (across(0), across(0)), (50, foot), INK)
        for place, (what, beside, ratio) in enumerate(rows):
            y, end = TOP - 8 + PITCH * place, across(math.log2(ratio))
            again = place and rows[place - 1][0] == what
            if not again:
                write(axes, NAMES, y - 11, what, bold=True, room=LEFT - NAMES - 80)
            write(axes, NAMES, y if again else y + 11, f"beside {beside}", soft=True)
            block(axes, (min(across(0), end), max(across(0), end)), (y - 13, y + 13), REST)
            write(axes, end + (8 if ratio >= 1 else -8), y, f"× {ratio:.2g}",
                  ha="left" if ratio >= 1 else "right", bold=True)  # fmt: skip

    return picture(foot + 8, alt, _finding([ratio for *_, ratio in rows]), draw)


def _finding(ratios: list[float]) -> str:
    if not ratios:
        return "Nothing was compared"
    return f"From {min(ratios):.2g} to {max(ratios):.2g} times as fast as the alternatives"
