"""The picture a shared link shows: June's winners, then and now, in the colours of the figures."""

from pathlib import Path

import pandas as pd
from charts import findings as say
from charts.figure import INK, NOW, SETTINGS, THEN, line, mark, write
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medallion_lib import Medallion

SIZE = 1200, 630  # what those who show links ask for
LEFT, RIGHT = 450, 750  # where the labels of then end and those of now begin
JUNE = (
    "SELECT store_id, total_revenue FROM vw_monthly_revenue{clause} "
    "WHERE revenue_month = '2023-06-01'"
)
AS_OF = " FOR SYSTEM_TIME AS OF '2023-07-01'"


def save(lab: Medallion, path: Path) -> None:
    """Draw the card from the warehouse, as a PNG: those who show links take no SVG."""
    then, now = (
        say.money(pd.read_sql_query(JUNE.format(clause=clause), lab.warehouse), "store_id")
        for clause in (AS_OF, "")
    )
    with rc_context(SETTINGS):
        figure = Figure(figsize=(SIZE[0] / 72, SIZE[1] / 72), dpi=72)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, SIZE[0]), ylim=(SIZE[1], 0))
        axes.axis("off")
        _draw(axes, then, now)
        figure.savefig(path)


def _draw(axes: Axes, then: say.Money, now: say.Money) -> None:
    """Those that won then or now, by rank: their lines cross where the winner changed."""
    write(axes, 60, 92, "The number changed", size=80, bold=True)
    write(axes, 60, 172, say.verdict(then, now, "By the board pack"), size=33, room=1080)
    write(axes, LEFT, 262, "As of 1 July", size=33, bold=True, color=THEN, ha="right")
    write(axes, RIGHT, 262, "Today", size=33, bold=True, color=NOW)
    told = {*say.winners(then), *say.winners(now)}
    before, after = ([store for store in say.ranked(side) if store in told] for side in (then, now))
    for store in told:
        ends = [340 + 100 * ranks.index(store) for ranks in (before, after)]
        line(axes, (LEFT + 60, RIGHT - 60), ends, INK, 6)
        _end(axes, store, then, ends[0], LEFT, "o", THEN)
        _end(axes, store, now, ends[1], RIGHT, "s", NOW)
    clause = {"family": "DejaVu Sans Mono", "size": 30, "color": INK}
    axes.text(SIZE[0] / 2, 578, AS_OF.strip(), ha="center", **clause)


def _end(
    axes: Axes, store: int, side: say.Money, y: float, x: float, shape: str, color: str
) -> None:
    """A store at the end of its line, its mark on the inner side, a star if it leads."""
    wins = store in say.winners(side)
    ha, inner = ("right", x + 34) if x == LEFT else ("left", x - 34)
    label = f"{say.store_name(store)}   {say.dollars(side.get(store, say.ZERO))}"
    write(axes, x, y, label, size=36, ha=ha, bold=wins)
    mark(axes, inner, y, "*" if wins else shape, color, size=44 if wins else 20)
