"""The year day by day, as a calendar."""

from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal

import pandas as pd
from matplotlib.axes import Axes

from medallion_lib import MedallionError

from . import findings as say
from .figure import HEAT, INK, Picture, block, mark, picture, write
from .findings import Money

CELL, LEFT, TOP, FOOT = 13, 54, 86, 177
ROUND = "1", "1.5", "2", "2.5", "3", "4", "5", "6", "7.5", "8", "10", "15"


def calendar(frame: pd.DataFrame, *, alt: str) -> Picture:
    """A year of days (business_date, daily_revenue), added up over stores: a column per week.

    Gold has five steps, further from the page as revenue grows. A day without a row is left out.
    Raises MedallionError if the days are of several years.
    """
    days = say.by_day(frame)
    years = sorted({day.year for day in days})
    if len(years) > 1:
        raise MedallionError(
            f"The days are of {years[0]} to {years[-1]}: select a single year for this figure."
        )
    best = say.best(days)

    def draw(axes: Axes) -> None:
        if not days:
            return
        write(axes, 12, 50, "Revenue per day, in weeks from Monday to Sunday", soft=True)
        _grid(axes, years[0])
        start, step = _steps(days)
        for day, amount in days.items():
            x, y = _corner(day)
            heat = HEAT[min(int((amount - start) / step), 4)]
            block(axes, (x, x + CELL - 1), (y, y + CELL - 1), heat)
        for day in best:
            x, y = _corner(day)
            left, right, top, foot = x - 2.5, x + CELL + 1.5, y - 2.5, y + CELL + 1.5
            ring = [left, right, right, left, left], [top, top, foot, foot, top]
            axes.plot(*ring, color=INK, linewidth=2.5)
        _scale(axes, start, step)
        if best:
            _name(axes, best, days[best[0]])

    return picture(FOOT + 52, alt, _finding(best, days, years), draw)


def _finding(best: list[date], days: Money, years: list[int]) -> str:
    if not best:
        return f"No revenue on any day{f' of {years[0]}' if years else ''}"
    if best[1:]:
        return f"{years[0]} had {len(best)} best days, {say.dollars(days[best[0]])} each"
    day = best[0]
    return f"{years[0]}'s best day was {day:%A}, {day.day} {day:%B}: {say.dollars(days[day])}"


def _steps(days: Money) -> tuple[Decimal, Decimal]:
    """Return the start of five equal steps and their width, both in round numbers."""
    low, high = min(days.values()), max(days.values())
    power = Decimal(10) ** max((high - low) / 5, Decimal("0.01")).adjusted()
    for width in (power * Decimal(each) for each in ROUND):
        start = (low / width).to_integral_value(ROUND_FLOOR) * width
        if high <= start + 5 * width:
            break
    return start, width


def _corner(day: date) -> tuple[float, float]:
    """Return the top left of a day's cell: a column per week, Monday on top."""
    first = date(day.year, 1, 1)
    week = (day - first + timedelta(days=first.weekday())).days // 7
    return LEFT + CELL * week, TOP + CELL * day.weekday()


def _grid(axes: Axes, year: int) -> None:
    """Weekdays on the left, months above, and a line between each month and the next."""
    for row, name in ((0, "Mon"), (3, "Thu"), (6, "Sun")):
        write(axes, LEFT - 8, TOP + CELL * (row + 0.5), name, ha="right", size=14, soft=True)
    for first in (date(year, month, 1) for month in range(1, 13)):
        x, y = (place - 0.5 for place in _corner(first))
        write(axes, x + CELL * (y > TOP) + 2, TOP - 13, f"{first:%b}")
        if first.month > 1:
            ends = [x, x, x + CELL, x + CELL], [FOOT, y, y, TOP - 4]
            axes.plot(*ends, color=INK, linewidth=1, alpha=0.75)


def _scale(axes: Axes, start: Decimal, step: Decimal) -> None:
    """The five colours, and the amounts between them."""
    for place in range(6):
        x = LEFT + 52 * place
        amount = start + step * place
        sign, cents = "−" if amount < 0 else "", 0 if step >= 1 else 2
        write(axes, x, FOOT + 38, f"{sign}${abs(amount):,.{cents}f}", ha="center", size=14)
        if place < 5:
            block(axes, (x, x + 51), (FOOT + 12, FOOT + 26), HEAT[place])


def _name(axes: Axes, best: list[date], amount: Decimal) -> None:
    """The best day in words, with the star of a winner."""
    more = f" and {len(best) - 1} more" if best[1:] else ""
    mark(axes, 440, FOOT + 22, "*", INK, size=18)
    text = f"{best[0]:%a} {best[0].day} {best[0]:%B}{more}, {say.dollars(amount)}"
    write(axes, 456, FOOT + 22, text, bold=True, room=292)
