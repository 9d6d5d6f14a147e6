"""Titles that rise and titles that fall between two months."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from medallion_lib import MedallionError

from . import findings as say
from .figure import HEAT, INK, Picture, line, mark, picture, scale, write
from .findings import ZERO, Money

SHOWN = 5  # of the risers and of the fallers
LEFT, RIGHT, TOP, PITCH = 300, 460, 118, 46


def titles(frame: pd.DataFrame, *, alt: str) -> Picture:
    """Titles in two months (title, rental_month, total_rentals or total_revenue): who moved most.

    Rentals are counted where the frame has both. Pass every title of the two months: the five that
    rose most and the five that fell most are found here, and one that a month lacks had none
    there. What has no title is left out. Raises MedallionError unless there are two months.
    """
    what = "total_rentals" if "total_rentals" in frame else "total_revenue"
    (first, before), (last, after) = _months(frame, what)
    changes = {key: amount for key, amount in say.change(before, after).items() if amount}
    order = sorted(changes, key=lambda key: (-abs(changes[key]), key))
    risers = [key for key in order if changes[key] > 0]
    fallers = [key for key in order if changes[key] < 0]
    drawn = risers[:SHOWN] + fallers[:SHOWN]
    rows = max(len(risers[:SHOWN]), len(fallers[:SHOWN]))
    foot = TOP + PITCH * max(rows, 1)
    named = str if what == "total_rentals" else say.dollars

    def draw(axes: Axes) -> None:
        write(axes, LEFT, 58, f"{first:%B %Y}", ha="center", bold=True)
        write(axes, RIGHT, 58, f"{last:%B %Y}", ha="center", bold=True)
        y = scale(*say.extent(*({key: side.get(key, ZERO) for key in drawn}
                                for side in (before, after))), foot - 24, TOP - 24)  # fmt: skip
        for key in reversed(drawn):
            _slope(axes, y(before.get(key, ZERO)), y(after.get(key, ZERO)), key in risers)
        for keys, side, x in ((risers, after, RIGHT), (fallers, before, LEFT)):
            high = sorted(keys[:SHOWN], key=lambda key: (-side[key], order.index(key)))
            places = _apart([y(side[key]) for key in high], TOP - 24, foot - 24)
            for key, place in zip(high, places, strict=True):
                numbers = f"{named(before.get(key, ZERO))} → {named(after.get(key, ZERO))}"
                _label(axes, x, y(side[key]), place, key, numbers)

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
    """Who rose most and who fell most; titles that did so equally are counted."""
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


def _apart(wanted: Iterable[float], top: float, foot: float) -> list[float]:
    """Places in the order wanted, as near as can be, a label's height between them."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + PITCH if places else top))
    for back, limit in zip(reversed(range(len(places))), range(len(places)), strict=True):
        places[back] = min(places[back], foot - PITCH * limit)
    return places


def _slope(axes: Axes, old: float, new: float, rises: bool) -> None:
    """A riser is solid, golden and points up; a faller is dashed, in ink, and points down."""
    color, style, width = (HEAT[3], "-", 4) if rises else (INK, (0, (4, 3)), 1.75)
    axes.plot((LEFT, RIGHT), (old, new), color=color, linewidth=width, linestyle=style)
    if rises:
        mark(axes, RIGHT, new, "^", color, size=14)
        mark(axes, LEFT, old, "o", color, size=8)
    else:
        mark(axes, LEFT, old, "o", color, size=7)
        mark(axes, RIGHT, new, "v", color, size=12, hollow=True)


def _label(axes: Axes, x: float, y: float, place: float, title: str, numbers: str) -> None:
    """A title and its two numbers beyond the side where it stands high."""
    ha, way = ("left", 1) if x == RIGHT else ("right", -1)
    line(axes, (x + 10 * way, x + 24 * way), (y, place))
    write(axes, x + 28 * way, place - 9, title, ha=ha, bold=True, room=258)
    write(axes, x + 28 * way, place + 10, numbers, ha=ha)
