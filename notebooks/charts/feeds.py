"""One lead as two feeds tell it, hour by hour: the log at once, the files the night after."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes

from medallion_lib import MedallionError

from . import findings as say
from .figure import (
    INK, NOW, REST, THEN, Picture, Place, block, head, line, mark, picture, scale, write,
)  # fmt: skip

LEFT, RIGHT, TOP, FOOT = 164, 716, 100, 250


def feeds(frame: pd.DataFrame, *, stores: tuple[int, int], alt: str) -> Picture:
    """The lead of the first store over the second by hour (`at`), as `log` and `files` had it.

    Above the line the first store leads, below it the second. Hours in which the two feeds name
    different stores are grey. Raises MedallionError when an hour is missing.
    """
    times = [pd.Timestamp(at) for at in frame["at"]]
    if any(after - at != pd.Timedelta(hours=1) for at, after in pairwise(times)):
        raise MedallionError("The figure needs a row for every hour.")
    log, files = ([say.cents(amount) for amount in frame[name]] for name in ("log", "files"))
    apart = [hour for hour, pair in enumerate(zip(log, files, strict=True)) if _apart(*pair)]
    low, high = min(say.ZERO, *log, *files), max(say.ZERO, *log, *files)
    x, y = scale(0, max(len(times) - 1, 1), LEFT, RIGHT), scale(low, high, FOOT, TOP)

    def draw(axes: Axes) -> None:
        head(axes, 12, "By nightly files", THEN, "o")
        head(axes, 300, "By the log", NOW, "s")
        for first, last in _runs(apart):
            block(axes, (x(first), x(min(last + 1, len(times) - 1))), (TOP, FOOT), REST, 0.4)
        line(axes, (LEFT, RIGHT), (y(0),) * 2, INK, 1)
        write(axes, RIGHT, y(0) - 12, "level", ha="right", soft=True)
        for store, lead in zip(stores, (high, low), strict=True):
            if lead:
                text = f"Store {store} by {say.dollars(abs(lead))}"
                write(axes, 12, y(lead), text, room=LEFT - 22)
        _steps(axes, log, x, y, NOW, "s")
        _steps(axes, files, x, y, THEN, "o")
        _days(axes, times, x)

    return picture(FOOT + 66, alt, _finding(len(apart), stores), draw)


def _apart(log: Decimal, files: Decimal) -> bool:
    return (log > 0) != (files > 0)


def _finding(hours: int, stores: tuple[int, int]) -> str:
    if not hours:
        return "By the log and by the files the same store led all along"
    long = f"{hours} hour{'s' * (hours != 1)}"
    return f"For {long} the files and the log named different winners"


def _runs(hours: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of the hours that follow each other."""
    for number, hour in enumerate(hours):
        if not number or hours[number - 1] != hour - 1:
            first = hour
        if number + 1 == len(hours) or hours[number + 1] != hour + 1:
            yield first, hour


def _steps(
    axes: Axes, values: Sequence[Decimal], x: Place, y: Place, color: str, shape: str
) -> None:
    """A line that goes on level until the value changes, with a mark there."""
    across = [x(hour) for hour in range(len(values))]
    axes.plot(across, list(map(y, values)), color=color, linewidth=3, drawstyle="steps-post")
    for hour, (before, value) in enumerate(pairwise(values), 1):
        if value != before:
            mark(axes, x(hour), y(value), shape, color)


def _days(axes: Axes, times: Sequence[pd.Timestamp], x: Place) -> None:
    for hour, at in enumerate(times):
        if at.hour % 6 == 0:
            line(axes, (x(hour),) * 2, (FOOT + 14, FOOT + 20), INK, 1)
            write(axes, x(hour), FOOT + 30, f"{at:%H}:00", ha="center", soft=True)
        if at.hour == 12:
            write(axes, x(hour), FOOT + 50, f"{at.day} {at:%B}", ha="center", bold=True)
