"""The log: the order of commits, how far slot and watermark are, and times that were lost."""

from collections.abc import Sequence
from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes

from .figure import (
    BRONZE, INK, SILVER, WIDTH, Picture, block, line, mark, picture, scale, width, write,
)  # fmt: skip

LEFT, RIGHT, TOP, PITCH = 190, 736, 100, 48
COMMIT = "commit"


def sent(frame: pd.DataFrame, *, alt: str) -> Picture:
    """Changes (lsn, xid, kind, label) as the log has them, and as the stream sends them to bronze.

    The rows come as the slot sends them. `kind` is Commit where a transaction ends; rows without a
    label are no changes. Positions are drawn in their order, not to scale.
    """
    shown = frame.assign(label=frame["label"].where(frame["kind"] != "Commit", COMMIT))
    shown = shown[shown["label"] != ""]
    log = shown.assign(at=[_position(lsn) for lsn in shown["lsn"]]).sort_values("at", kind="stable")
    rows = {xid: TOP + 12 + PITCH * place for place, xid in enumerate(dict.fromkeys(log["xid"]))}
    x = scale(0, max(len(log) - 1, 1), LEFT + 30, RIGHT - 40)
    at = {(each.xid, each.label): x(place) for place, each in enumerate(log.itertuples())}
    bronze = TOP + PITCH * len(rows) + 40
    landed = [(each.xid, each.label) for each in shown.itertuples() if each.label != COMMIT]

    def draw(axes: Axes) -> None:
        write(axes, LEFT + 20, 56, "position in the log →", soft=True)
        for xid, y in rows.items():
            own = [place for (of, _), place in at.items() if of == xid]
            write(axes, 12, y, f"Transaction {xid}", room=LEFT - 24)
            line(axes, (min(own), max(own)), (y, y), width=3)
        for (xid, label), place in at.items():
            ends = label == COMMIT
            mark(axes, place, rows[xid], "D" if ends else "o", BRONZE if ends else INK, 12)
            write(axes, place, rows[xid] - 20, label, ha="center", bold=not ends, soft=ends)
            if ends:
                line(axes, (place, place), (rows[xid] + 9, bronze - 20), BRONZE)
        write(axes, 12, bronze, "Bronze", bold=True)
        for xid in rows:
            own = [label for of, label in landed if of == xid]
            if own and (xid, COMMIT) in at:
                _landed(axes, own, at[xid, COMMIT], bronze)

    return picture(bronze + 34, alt, _order([label for _, label in landed], log["label"]), draw)


def _position(lsn: str) -> int:
    high, _, low = lsn.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def _order(landed: Sequence[str], written: Sequence[str]) -> str:
    place = {label: number for number, label in enumerate(written)}
    for before, after in pairwise(landed):
        if place[before] > place[after]:
            return f"Bronze has {before} before {after}: commits set the order"
    return "Changes land as they were written"


def _landed(axes: Axes, labels: Sequence[str], x: float, y: float) -> None:
    """A transaction's changes, side by side in one box."""
    text = "   ".join(labels)
    half = width(text, bold=True) / 2 + 14
    block(axes, (x - half, x + half), (y - 20, y + 20), BRONZE, 0.35)
    write(axes, x, y, text, ha="center", bold=True)


def positions(frame: pd.DataFrame, *, alt: str) -> Picture:
    """At each moment, how far slot and watermark are in the log (moment, slot, watermark, log_end).

    They are drawn in their order, not to scale: other databases write to the log too. `rows` is
    what bronze holds of the change in question.
    """
    known = sorted({int(at) for name in ("slot", "watermark", "log_end") for at in frame[name]})
    step = scale(0, max(len(known) - 1, 1), LEFT + 20, RIGHT - 90)
    x = {at: step(place) for place, at in enumerate(known)}
    foot = TOP + PITCH * max(len(frame), 1)

    def draw(axes: Axes) -> None:
        mark(axes, LEFT + 20, 60, "o", INK, 15, hollow=True)
        write(axes, LEFT + 34, 60, "slot", soft=True)
        mark(axes, LEFT + 94, 60, "D", BRONZE, 10)
        write(axes, LEFT + 106, 60, "watermark", soft=True)
        line(axes, (LEFT + 216, LEFT + 216), (52, 68), INK, 2.5)
        write(axes, LEFT + 224, 60, "end of the log", soft=True)
        write(axes, WIDTH - 12, 60, "in bronze", soft=True, ha="right")
        for place, each in enumerate(frame.itertuples()):
            y = TOP + PITCH * place
            write(axes, 12, y, each.moment, room=LEFT - 16)
            line(axes, (LEFT + 20, x[each.log_end]), (y, y), width=3)
            line(axes, (x[each.log_end],) * 2, (y - 9, y + 9), INK, 2.5)
            mark(axes, x[each.watermark], y, "D", BRONZE, 10)
            mark(axes, x[each.slot], y, "o", INK, 17, hollow=True)
            rows = f"{each.rows} row{'s' * (each.rows != 1)}"
            write(axes, WIDTH - 12, y, rows, bold=True, ha="right")
        write(axes, LEFT + 20, foot, "position in the log, not to scale →", soft=True)

    return picture(foot + 24, alt, _never_behind(frame), draw)


def _never_behind(frame: pd.DataFrame) -> str:
    behind = frame[frame["watermark"] < frame["slot"]]
    if len(behind):
        return f"The watermark is behind the slot: {behind['moment'].iloc[0]}"
    return "The watermark is never behind the slot"


def gap(frame: pd.DataFrame, *, alt: str) -> Picture:
    """When each change (change, committed) was made, and when silver says it was (known)."""
    ends = [*frame["committed"], *frame["known"]]
    low, high = (min(ends).timestamp(), max(ends).timestamp()) if ends else (0, 1)
    x = scale(low, high, LEFT + 20, RIGHT - 20)
    foot = TOP + 12 + PITCH * max(len(frame), 1)

    def draw(axes: Axes) -> None:
        mark(axes, LEFT + 20, 60, "o", INK, 12)
        write(axes, LEFT + 34, 60, "the shop's commit", soft=True)
        mark(axes, LEFT + 220, 60, "D", SILVER, 12)
        write(axes, LEFT + 234, 60, "what silver says", soft=True)
        for place, each in enumerate(frame.itertuples()):
            y = TOP + 12 + PITCH * place
            start, end = (x(at.timestamp()) for at in (each.committed, each.known))
            write(axes, 12, y, each.change, bold=True, room=LEFT - 16)
            line(axes, (start, end), (y, y), width=2)
            mark(axes, start, y, "o", INK, 12)
            mark(axes, end, y, "D", SILVER, 12)
            late = (each.known - each.committed).total_seconds()
            write(axes, (start + end) / 2, y - 16, f"{late:.1f} s late", ha="center")

    return picture(foot, alt, _late(frame), draw)


def _late(frame: pd.DataFrame) -> str:
    late = int((frame["known"] > frame["committed"]).sum())
    if late < len(frame) or not late:
        return f"Silver dates {late} of {len(frame)} changes too late"
    changes = {1: "the change", 2: "both changes"}.get(late, f"all {late} changes")
    one = "the snapshot's time" if frame["known"].nunique() == 1 else "times that are too late"
    return f"Silver gives {changes} {one}"
