"""Draw the life of one key: its versions, along the year."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from medallion_lib import MedallionError

from .figure import (
    INK, NOW, REST, SILVER, THEN, Picture, block, line, mark, picture, scale, width, write,
)  # fmt: skip

OURS = {"sys_start", "sys_end", "sys_period", "row_hash"}
LEFT, RIGHT, TOP, PITCH = 150, 738, 66, 27
Time = datetime | None


@dataclass(frozen=True)
class Span:
    """A value for as long as it held; `end` is None while it still holds."""

    text: str
    start: datetime
    end: Time


class Label(NamedTuple):
    """Where a text stands: from one place across to another, at a height."""

    left: float
    right: float
    y: float


def versions(
    frame: pd.DataFrame,
    *,
    alt: str,
    title: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> Picture:
    """One key's versions, a row each: first the key, then any columns, with sys_start and sys_end.

    Each column that ever changes has a lane, and each of its values a row. A silver bar begins
    where the value began; an orange square marks a value that still holds. A time without a
    version has no bar. `at` names instants: blue lines through all lanes.
    Raises MedallionError if the frame holds two keys.
    """
    frame = frame.sort_values("sys_start")
    lives = _spans(frame, range(1, len(frame) + 1))
    lanes = {"version": lives}
    for column in [name for name in frame if name not in OURS]:
        if len({_text(value) for value in frame[column]}) > 1:
            lanes[column] = _spans(frame, frame[column])
    named = _key(frame, lanes)
    height = sum(len(_rows(name, spans)) for name, spans in lanes.items()) * PITCH + 8 * len(lanes)
    asked = {name: _time(pd.Timestamp(instant)) for name, instant in (at or {}).items()}
    top = TOP + 16 * bool(asked)

    def draw(axes: Axes) -> None:
        if not lives:
            return
        first, last = _axis(lives)
        at = scale(first.timestamp(), last.timestamp(), LEFT, RIGHT)

        def place(moment: Time) -> float:
            return RIGHT if moment is None else min(max(at(moment.timestamp()), LEFT), RIGHT)

        _years(axes, first, last, place, top + height)
        labels, y = list[Label](), top
        for name, spans in lanes.items():
            y = _lane(axes, name, spans, y, place, labels) + 8
        for life in lives:
            _guide(axes, place(life.start), (top - 12, top + height - 8), labels)
        for name, instant in asked.items():
            x = place(instant)
            _guide(axes, x, (top - 12, top + height - 8), labels, THEN, 2.5)
            write(axes, x, top - 24, name, color=THEN, ha="center", bold=True)

    finding = title or f"{named}{_finding(lives)}"
    return picture(top + height + 22, alt, finding, draw)


def _key(frame: pd.DataFrame, lanes: dict[str, list[Span]]) -> str:
    """Name the key from the first column: "Customer 42: "."""
    column = str(frame.columns[0])
    if not column.endswith("_id") or frame.empty:
        return ""
    if column in lanes:
        raise MedallionError(f"The frame holds several values of {column}: select a single one.")
    name = column.removesuffix("_id").replace("_", " ").capitalize()
    return f"{name} {_text(frame[column].iloc[0])}: "


def _spans(frame: pd.DataFrame, values: Sequence[Any]) -> list[Span]:
    """The values one after the other; neighbours that are equal and touch become one."""
    spans: list[Span] = []
    for value, start, end in zip(values, frame["sys_start"], frame["sys_end"], strict=True):
        span = Span(_text(value), _time(start), _time(end))
        if spans and (spans[-1].text, spans[-1].end) == (span.text, span.start):
            span = Span(span.text, spans.pop().start, span.end)
        spans.append(span)
    return spans


def _time(value: Any) -> Time:
    if pd.isna(value) or value.year == datetime.max.year:
        return None  # infinity
    moment = pd.Timestamp(value).to_pydatetime(warn=False)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _text(value: Any) -> str:
    """As SQL writes it; a whole number that pandas made a float is whole again."""
    if not pd.api.types.is_list_like(value) and pd.isna(value):
        return "null"
    if pd.api.types.is_bool(value):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _changes(lives: list[Span]) -> list[datetime]:
    """When something changed: every start but the first, and the last end if there is one."""
    return [life.start for life in lives[1:]] + [life.end for life in lives[-1:] if life.end]


def _finding(lives: list[Span]) -> str:
    count = f"{len(lives) or 'no'} version{'s' * (len(lives) != 1)}"
    if not lives:
        return count.capitalize()
    changes = _changes(lives)
    if not changes:
        return f"{count}, since {_day(lives[0].start)}"
    first, last = changes[0].year, changes[-1].year
    when = f" in {first}" if first == last else f" from {first} to {last}"
    end = lives[-1].end
    gone = f", none since {_day(end).removesuffix(when.replace(' in', ''))}" if end else ""
    return f"{count}{when}{gone}"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _axis(lives: list[Span]) -> tuple[datetime, datetime]:
    """The whole years in which something changed; without a change, the year from its start."""
    changes = _changes(lives)
    if changes:
        return tuple(datetime(year, 1, 1, tzinfo=UTC) for year in _bounds(changes))
    start = lives[0].start
    return start, start.replace(year=start.year + 1, month=start.month, day=min(start.day, 28))


def _bounds(changes: list[datetime]) -> tuple[int, int]:
    return changes[0].year, changes[-1].year + 1


def _years(
    axes: Axes, first: datetime, last: datetime, place: Callable[[Time], float], foot: float
) -> None:
    """Months below the lanes, or years where there are several."""
    line(axes, (LEFT, RIGHT), (foot - 8,) * 2, INK, 1)
    several = last.year - first.year > 1
    step = "YS" if several else "MS"
    for start in pd.date_range(first.replace(hour=0, minute=0, second=0), last, freq=step):
        x = place(start.to_pydatetime())
        line(axes, (x, x), (foot - 8, foot - 2), INK, 1)
        if start < last and x < RIGHT - 24:
            write(axes, x + 4, foot + 6, f"{start:%Y}" if several else f"{start:%b}", soft=True)


def _rows(name: str, spans: list[Span]) -> list[str]:
    """The values that get a row of their own; all versions share one."""
    return [""] if name == "version" else list(dict.fromkeys(span.text for span in spans))


def _lane(
    axes: Axes,
    name: str,
    spans: list[Span],
    top: float,
    place: Callable[[Time], float],
    labels: list[Label],
) -> float:
    write(axes, 12, top + 10, name, bold=True, room=LEFT - 24)
    rows = _rows(name, spans)
    for row, text in enumerate(rows):
        shown = [span for span in spans if not text or span.text == text]
        _row(axes, shown, top + PITCH * row, place, labels)
    if name == "version":
        for start, end in _gaps(spans):
            _gap(axes, place(start), place(end), top + 10)
    return top + PITCH * len(rows)


def _row(
    axes: Axes,
    spans: list[Span],
    top: float,
    place: Callable[[Time], float],
    labels: list[Label],
) -> None:
    """Spans of one row. A value is written in its bar or, where that is too short, beside it."""
    starts = [place(span.start) for span in spans[1:]] + [RIGHT + 10]
    before, told = float(LEFT), ""
    for span, until in zip(spans, starts, strict=True):
        x, end = place(span.start), place(span.end)
        block(axes, (x, end), (top, top + 20), SILVER, 0.4)
        block(axes, (x, x + 4), (top, top + 20), SILVER)
        if span.end is None:
            mark(axes, RIGHT, top + 10, "s", NOW)
        inside = (x + 9, end - (10 if span.end is None else 4))
        beside = [(end + 8, until - 6), (before, x - 8)]
        long = width(span.text)
        rooms = [inside] if span.text == told else [inside, *beside]
        fits = [room for room in rooms if room[1] - room[0] >= long]
        if fits or span.text != told:
            left, right = fits[0] if fits else max(rooms, key=lambda room: room[1] - room[0])
            room = max(right - left, 60)
            if right == x - 8:
                write(axes, right, top + 10, span.text, ha="right", room=room)
                labels.append(Label(right - min(long, room), right, top + 10))
            else:
                write(axes, left, top + 10, span.text, room=room)
                labels.append(Label(left, left + min(long, room), top + 10))
        before, told = end + 8, span.text


def _guide(
    axes: Axes,
    x: float,
    ends: tuple[float, float],
    labels: list[Label],
    color: str = REST,
    thick: float = 1,
) -> None:
    """A line down all lanes, open where it would cross a text."""
    top, foot = ends
    for y in sorted(label.y for label in labels if label.left - 3 < x < label.right + 3):
        line(axes, (x, x), (top, y - 10), color, thick)
        top = y + 10
    line(axes, (x, x), (top, foot), color, thick)


def _gaps(lives: list[Span]) -> Iterator[tuple[datetime, Time]]:
    """From each end to the next start, if they differ; the last is open."""
    ends = [life.end for life in lives]
    starts: list[Time] = [life.start for life in lives[1:]] + [None]
    for end, start in zip(ends, starts, strict=True):
        if end is not None and end != start:
            yield end, start


def _gap(axes: Axes, start: float, end: float, y: float) -> None:
    axes.plot((start, end), (y, y), color=REST, linewidth=2, linestyle=(0, (2, 2)), zorder=1)
    if end - start > width("no version"):
        write(axes, (start + end) / 2, y, "no version", ha="center", soft=True)
