"""Draw what two feeds tell of one shop: the log at once, the files the night after.

Both are ink: the log a thin line with diamonds, the files a broad pale one with triangles.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from medallion_lib import MedallionError

from . import findings as say
from .figure import INK, REST, Picture, Place, block, line, mark, picture, scale, write
from .lives import Span, Time, _spans

LEFT, RIGHT, TOP, FOOT = 164, 716, 100, 250
VALUES, PITCH = 300, 52  # where the values end, and how far apart they stand


class Look(NamedTuple):
    """How a feed is drawn: its words, the mark of a change, the line's width and opacity."""

    words: str
    shape: str
    width: float
    opacity: float


LOG = Look("By the log", "D", 2.5, 1)
FILES = Look("By nightly files", "^", 8, 0.45)


def feeds(frame: pd.DataFrame, *, stores: tuple[int, int], alt: str) -> Picture:
    """The first store's lead over the second at each hour (`at`), by `log` and by `files`.

    Above the line the first store leads, below it the second. Hours in which the feeds name
    different stores are grey. Raises MedallionError if an hour is missing.
    """
    times = [pd.Timestamp(at) for at in frame["at"]]
    if any(after - at != pd.Timedelta(hours=1) for at, after in pairwise(times)):
        raise MedallionError("The figure needs a row for every hour.")
    log, files = ([say.cents(amount) for amount in frame[name]] for name in ("log", "files"))
    apart = [hour for hour, pair in enumerate(zip(log, files, strict=True)) if _apart(*pair)]
    low, high = min(say.ZERO, *log, *files), max(say.ZERO, *log, *files)
    x, y = scale(0, max(len(times) - 1, 1), LEFT, RIGHT), scale(low, high, FOOT, TOP)

    def draw(axes: Axes) -> None:
        _key(axes, 12, LOG)
        _key(axes, 210, FILES)
        for first, last in _runs(apart):
            block(axes, (x(first), x(min(last + 1, len(times) - 1))), (TOP, FOOT), REST, 0.4)
        line(axes, (LEFT, RIGHT), (y(0),) * 2, INK, 1)
        write(axes, RIGHT, y(0) - 12, "level", ha="right", soft=True)
        for store, lead in zip(stores, (high, low), strict=True):
            if lead:
                text = f"Store {store} by {say.dollars(abs(lead))}"
                write(axes, 12, y(lead), text, room=LEFT - 22)
        _steps(axes, files, x, y, FILES)
        _steps(axes, log, x, y, LOG)
        _days(axes, times, x, FOOT)

    return picture(FOOT + 66, alt, _finding(len(apart), stores), draw)


def _apart(log: Decimal, files: Decimal) -> bool:
    return (log > 0) != (files > 0)


def _finding(hours: int, stores: tuple[int, int]) -> str:
    if not hours:
        return "By the log and by the files the same store led all along"
    long = f"{hours} hour{'s' * (hours != 1)}"
    return f"For {long} the files and the log named different winners"


def _runs(hours: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last hour of each unbroken run."""
    for number, hour in enumerate(hours):
        if not number or hours[number - 1] != hour - 1:
            first = hour
        if number + 1 == len(hours) or hours[number + 1] != hour + 1:
            yield first, hour


def _key(axes: Axes, x: float, look: Look) -> None:
    _level(axes, (x, x + 34), 55, look)
    mark(axes, x + 17, 55, look.shape, INK)
    write(axes, x + 44, 55, look.words, bold=True)


def _level(axes: Axes, x: tuple[float, float], y: float, look: Look) -> None:
    axes.plot(x, (y, y), color=INK, linewidth=look.width, alpha=look.opacity)


def _steps(axes: Axes, values: Sequence[Decimal], x: Place, y: Place, look: Look) -> None:
    """A line that stays level until the value changes, with a mark at each change."""
    across = [x(hour) for hour in range(len(values))]
    axes.plot(across, list(map(y, values)), color=INK, linewidth=look.width, alpha=look.opacity,
              drawstyle="steps-post")  # fmt: skip
    for hour, (before, value) in enumerate(pairwise(values), 1):
        if value != before:
            mark(axes, x(hour), y(value), look.shape, INK)


def _days(axes: Axes, times: Sequence[datetime], x: Place, foot: float) -> None:
    """A tick every six hours, and the day below its noon."""
    for hour, at in enumerate(times):
        if at.hour % 6 == 0:
            line(axes, (x(hour),) * 2, (foot + 14, foot + 20), INK, 1)
            write(axes, x(hour), foot + 30, f"{at:%H}:00", ha="center", soft=True)
        if at.hour == 12:
            write(axes, x(hour), foot + 50, f"{at.day} {at:%B}", ha="center", bold=True)


def kept(frame: pd.DataFrame, *, alt: str) -> Picture:
    """What each feed kept of one key (feed, any one column, sys_start, sys_end), a row per version.

    `feed` is log or files. Each value of the column has a row; a line shows how long each feed
    has it. Raises MedallionError if nothing changed, or if a feed is neither.
    """
    column = next(name for name in frame if name not in ("feed", "sys_start", "sys_end"))
    if strange := {*frame["feed"]} - {"log", "files"}:
        raise MedallionError(f"No such feed: {strange.pop()}. A feed is log or files.")
    by_feed = {feed: rows.sort_values("sys_start") for feed, rows in frame.groupby("feed")}
    log, files = (_spans(rows, rows[column]) if (rows := by_feed.get(feed)) is not None else []
                  for feed in ("log", "files"))  # fmt: skip
    changes = [span.start for spans in (log, files) for span in spans[1:]]
    if not changes:
        raise MedallionError("The figure needs a value that changed.")
    first, hours = _around(changes)
    x = scale(0, len(hours) - 1, VALUES + 20, RIGHT)
    values = list(dict.fromkeys(span.text for span in (*log, *files)))
    foot = TOP + PITCH * len(values) - 20

    def place(moment: Time) -> float:
        hour = len(hours) if moment is None else (moment - first) / timedelta(hours=1)
        return x(min(max(hour, 0), len(hours) - 1))

    def draw(axes: Axes) -> None:
        _key(axes, 12, LOG)
        _key(axes, 210, FILES)
        for row, value in enumerate(values):
            y = TOP + PITCH * row
            write(axes, 12, y + 8, value, room=VALUES - 12)
            for spans, down, look in ((log, 0, LOG), (files, 18, FILES)):
                _held(axes, [span for span in spans if span.text == value], y + down, place, look)
        _days(axes, hours, x, foot)

    had = [len({span.text for span in spans}) for spans in (log, files)]
    title = f"The log has {had[0]} values of {column}, the nightly files {had[1]}"
    return picture(foot + 66, alt, title, draw)


def _around(changes: Sequence[datetime]) -> tuple[datetime, list[datetime]]:
    """Return the day of the first change, and its hours to half a day after the last change."""
    first = min(changes).replace(hour=0, minute=0, second=0, microsecond=0)
    long = int((max(changes) - first) / timedelta(hours=1)) + 12
    return first, [first + timedelta(hours=hour) for hour in range(long + 1)]


def _held(axes: Axes, spans: Sequence[Span], y: float, place: Place, look: Look) -> None:
    if not spans:
        write(axes, VALUES + 20, y, f"{look.words}: never", soft=True)
    for span in spans:
        _level(axes, (place(span.start), place(span.end)), y, look)
        if place(span.start) > VALUES + 20:  # it began within the hours shown
            mark(axes, place(span.start), y, look.shape, INK)
