"""Titles that rise and titles that fall between two months."""

from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from medallion_lib import MedallionError

from . import findings as say
from .figure import HEAT, INK, REST, Picture, line, mark, picture, scale, write
from .findings import ZERO, Money

SHOWN = 5  # of the risers and of the fallers
LEFT, RIGHT, TOP, PITCH, GAP = 300, 620, 92, 30, 14


def titles(frame: pd.DataFrame, *, alt: str) -> Picture:
    """The titles that moved most between two months (title, rental_month, and a total).

    The total is total_rentals or total_revenue; of both, rentals are counted. Pass every title of
    both months: the five that rose most and the five that fell most are found here. A title that
    a month lacks counts as zero there; a row without a title is left out.
    Raises MedallionError unless there are two months.
    """
    what = "total_rentals" if "total_rentals" in frame else "total_revenue"
    (first, before), (last, after) = _months(frame, what)
    changes = {key: amount for key, amount in say.change(before, after).items() if amount}
    order = sorted(changes, key=lambda key: (-abs(changes[key]), key))
    risers = [key for key in order if changes[key] > 0]
    fallers = [key for key in order if changes[key] < 0]
    drawn = risers[:SHOWN] + fallers[:SHOWN]
    gap = GAP * bool(risers and fallers)
    foot = TOP + PITCH * max(len(drawn), 1) + gap
    named = str if what == "total_rentals" else say.dollars
    most = max([*before.values(), *after.values()], default=ZERO)

    def draw(axes: Axes) -> None:
        heading = f"{what.removeprefix('total_').capitalize()} in {first:%B} and {last:%B %Y}"
        write(axes, 12, 56, heading, soft=True)
        x = scale(min([ZERO, *before.values(), *after.values()]), most or 1, LEFT, RIGHT)
        line(axes, (x(0), x(0)), (TOP - 14, foot - 14), REST, 1.5)
        for place, key in enumerate(drawn):
            y = TOP + PITCH * place + gap * (key not in risers)
            old, new = before.get(key, ZERO), after.get(key, ZERO)
            write(axes, LEFT - 20, y, key, ha="right", bold=True, room=LEFT - 32)
            _move(axes, x(old), x(new), y)
            write(axes, 748, y, f"{named(old)} → {named(new)}", ha="right")

    return picture(foot + 6, alt, _finding(changes, order, first, last), draw)


def _months(frame: pd.DataFrame, what: str) -> list[tuple[date, Money]]:
    """The two months in their order, each with its amounts by title."""
    known = frame.dropna(subset=["title", "rental_month"])
    if known.duplicated(["title", "rental_month"]).any():
        raise MedallionError("A title occurs twice in a month: add its rows up for this figure.")
    times = pd.to_datetime(known["rental_month"])
    if times.nunique() != 2:
        raise MedallionError(f"The frame holds {times.nunique()} months: select two.")
    money = [say.cents(amount) if what == "total_revenue" else Decimal(int(amount))
             for amount in known[what]]  # fmt: skip
    months: dict[date, Money] = {time.date(): {} for time in sorted(times.unique())}
    for time, title, amount in zip(times, known["title"], money, strict=True):
        months[time.date()][title] = amount
    return [*months.items()]


def _finding(changes: Money, order: list[str], first: date, last: date) -> str:
    """Name the title that rose most and the one that fell most, or count them if they tie."""
    parts = [
        f"{_who([key for key in order if changes[key] == extreme])} {verb} most"
        for extreme, verb in ((max(changes.values(), default=ZERO), "rose"),
                              (min(changes.values(), default=ZERO), "fell"))
        if (extreme > 0) == (verb == "rose") and extreme
    ]  # fmt: skip
    if not parts:
        return f"No title moved from {first:%B} to {last:%B}"
    return ", ".join(parts)


def _who(keys: list[Any]) -> str:
    return keys[0] if len(keys) == 1 else f"{len(keys)} titles"


def _move(axes: Axes, old: float, new: float, y: float) -> None:
    """A riser is solid, golden and points right; a faller is dashed, in ink, and points left."""
    rises = new > old
    color, style, width = (HEAT[3], "-", 4) if rises else (INK, (0, (4, 3)), 1.75)
    axes.plot((old, new), (y, y), color=color, linewidth=width, linestyle=style)
    mark(axes, old, y, "o", color, size=8)
    mark(axes, new, y, ">" if rises else "<", color, size=14)
