"""Draw what each store has taken on a day that is not over."""

import pandas as pd
from matplotlib.axes import Axes

from . import findings as say
from .figure import GOLD, INK, Picture, block, mark, picture, scale, write

LEFT, TOP, PITCH = 96, 78, 40
LEAST = 40  # dollars, which the scale reaches before there are any


def tills(frame: pd.DataFrame, *, alt: str) -> Picture:
    """daily_revenue by store_id: a bar per store. What is of no store is left out."""
    taken = {
        int(store): say.cents(amount)
        for store, amount in zip(frame["store_id"], frame["daily_revenue"], strict=True)
        if not pd.isna(store)
    }
    long = scale(0, max([LEAST, *taken.values()]), 0, 520)
    best = say.best(taken)

    def draw(axes: Axes) -> None:
        for place, store in enumerate(sorted(taken)):
            y, end = TOP + PITCH * place, LEFT + max(0, long(taken[store]))
            write(axes, 12, y, say.store_name(store), bold=True)
            block(axes, (LEFT, end), (y - 13, y + 13), GOLD)
            if store in best:
                mark(axes, end - 16, y, "*", INK, size=18)
            write(axes, end + 8, y, say.dollars(taken[store]), bold=store in best)

    return picture(TOP + PITCH * max(len(taken), 1) - 14, alt, _finding(taken, best), draw)


def _finding(taken: say.Money, best: list[int]) -> str:
    if not best:
        return "No store has taken anything today"
    names = " and ".join(say.store_name(store) for store in best[:2])
    if len(best) > 2:
        names = f"{len(best)} stores"
    return f"{names} took most today, {say.dollars(taken[best[0]])}"
