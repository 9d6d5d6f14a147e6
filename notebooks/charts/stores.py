"""Draw revenue by store and month, with a panel per store."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from medallion_lib import MedallionError

from . import findings as say
from .figure import GOLD, INK, REST, Picture, Place, line, mark, picture, scale, width, write
from .findings import ZERO, Money

ACROSS, ROOM, GAP, HEIGHT = 4, 160, 32, 164  # panels in a row, the width of one, what parts two


def months(frame: pd.DataFrame, *, alt: str) -> Picture:
    """total_revenue by store_id and revenue_month: a panel per store, one scale for all.

    A month without a row had no payment and counts as $0.00. Payments without a store have their
    own panel and win nothing.
    """
    cells = _cells(frame)
    times = [start.date() for start in _months(month for _, month in cells)]
    totals = {store: ZERO for store, _ in cells}
    for (store, _), amount in cells.items():
        totals[store] += amount
    order = sorted(totals, key=lambda store: (store is None, store or 0))
    best = say.best({cell: amount for cell, amount in cells.items() if cell[0] is not None})
    low, high = min([ZERO, *cells.values()]), max([ZERO, *cells.values()])

    def draw(axes: Axes) -> None:
        if times:
            text = f"Revenue per month, {_span(times)}; the same scale for every store"
            write(axes, 12, 50, text, soft=True, room=736)
        for number, store in enumerate(order):
            down, across = divmod(number, ACROSS)
            amounts = [cells.get((store, month), ZERO) for month in times]
            y = scale(low, high, *(place + HEIGHT * down for place in (194, 120)))
            left = 12 + (ROOM + GAP) * across
            _panel(axes, left, store, totals[store], dict(zip(times, amounts, strict=True)), y)
            for month in (month for who, month in best if who == store):
                x = _across(times, left)(times.index(month))
                mark(axes, x, y(cells[store, month]), "*", INK, size=18)

    rows = -(-len(order) // ACROSS)
    return picture(62 + HEIGHT * rows, alt, _best_month(cells, best), draw)


def _cells(frame: pd.DataFrame) -> dict[tuple[int | None, date], Decimal]:
    stores = [None if pd.isna(store) else int(store) for store in frame["store_id"]]
    times = [pd.Timestamp(month).date() for month in frame["revenue_month"]]
    keys = list(zip(stores, times, strict=True))
    if len({*keys}) < len(keys):
        raise MedallionError("A store's month occurs twice: add its rows up for this figure.")
    return dict(zip(keys, map(say.cents, frame["total_revenue"]), strict=True))


def _months(known: Iterable[date]) -> pd.DatetimeIndex:
    """Every month from the first to the last, the empty ones too."""
    times = sorted(known)
    return pd.date_range(times[0], times[-1], freq="MS") if times else pd.DatetimeIndex([])


def _span(times: list[date]) -> str:
    first, last = times[0], times[-1]
    if first == last:
        return f"{first:%B %Y}"
    return f"{first:%B}{'' if first.year == last.year else f' {first:%Y}'} to {last:%B %Y}"


def _best_month(cells: dict[tuple[int | None, date], Decimal], best: list[Any]) -> str:
    if not best:
        return "No store earned anything in any month"
    (store, month), amount = best[0], say.dollars(cells[best[0]])
    if len(best) > 1:
        return f"{len(best)} best months by store, {amount} each"
    return f"The best month of any store: store {store}'s {month:%B}, {amount}"


def _across(times: list[date], left: float) -> Place:
    return scale(0, max(len(times) - 1, 1), left, left + ROOM)


def _panel(
    axes: Axes, left: float, store: int | None, total: Decimal, months: Money, y: Place
) -> None:
    """A store's year as a golden area under a line, its best month named."""
    at = _across([*months], left)
    xs, ys = [at(place) for place in range(len(months))], [y(each) for each in months.values()]
    name = say.store_name(store)
    write(axes, left, y(0) - 110, name, bold=True)
    write(axes, left + width(name, bold=True) + 10, y(0) - 110, f"${total:,.0f}")
    axes.fill([xs[0], *xs, xs[-1]], [y(0), *ys, y(0)], color=GOLD, linewidth=0, zorder=1)
    axes.plot(xs, ys, color=INK, linewidth=2, marker="" if xs[1:] else "o")
    line(axes, (left, left + ROOM), (y(0),) * 2, REST, 1.5)
    top = max(months, key=months.__getitem__)
    text = f"{top:%b} ${months[top]:,.0f}"
    write(axes, left, y(0) + 16, f"best: {text}", soft=True)
