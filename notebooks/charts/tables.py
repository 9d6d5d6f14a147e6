"""The tables of the source and of the three layers: their keys, and what each is made from."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from .figure import BRONZE, GOLD, INK, REST, SILVER, Picture, block, mark, picture, write

TOP, ROW, HEAD, GAP, TEXT = 92, 19, 24, 22, 14
LAYERS = {"source": (12, 112, "Source", REST), "bronze": (158, 138, "Bronze", BRONZE),
          "silver": (330, 222, "Silver", SILVER), "gold": (588, 166, "Gold", GOLD)}  # fmt: skip


class Box(NamedTuple):
    """A table or view: its key's columns, all it has to show, and the boxes it is made from."""

    layer: str
    name: str
    key: Sequence[str]
    columns: Sequence[str]
    made_from: Sequence[str]
    joins: Mapping[str, str] = {}  # column: the box whose key it is

    @property
    def height(self) -> int:
        return HEAD + ROW * len(self.columns)


def tables(boxes: Sequence[Box], *, alt: str) -> Picture:
    """A box per table, a column of boxes per layer, and a line to each box from its sources.

    A key's columns are bold. An arrow behind a column names the table that it joins. Silver's boxes
    stand below each other; the others stand beside what they lead to or are made from.
    """
    at = _places(boxes)

    def draw(axes: Axes) -> None:
        for left, _, title, color in LAYERS.values():
            write(axes, left, 60, title, bold=True, size=17)
            block(axes, (left, left + 44), (74, 77), color)
        for box in boxes:
            for name in box.made_from:
                _line(axes, next(other for other in boxes if other.name == name), box, at)
        for box in boxes:
            _box(axes, box, at[box.name])

    foot = max(at[box.name] + box.height for box in boxes)
    return picture(int(foot) + 14, alt, "From five tables of the shop to three marts", draw)


def _places(boxes: Sequence[Box]) -> dict[str, float]:
    """How far down each box begins, by its name."""
    at: dict[str, float] = {}
    free = dict.fromkeys(LAYERS, float(TOP))
    for layer in ("silver", "bronze", "source", "gold"):
        for box in (each for each in boxes if each.layer == layer):
            beside = [at[other.name] for other in boxes
                      if other.name in at and box.name in other.made_from]  # fmt: skip
            at[box.name] = max(free[layer], min(beside, default=0))
            free[layer] = at[box.name] + box.height + GAP
    return at


def _line(axes: Axes, one: Box, other: Box, at: Mapping[str, float]) -> None:
    """From the right of one heading to the left of another, level at both ends."""
    left, wide, _, _ = LAYERS[one.layer]
    start, end = left + wide, LAYERS[other.layer][0] - 8
    ys = at[one.name] + HEAD / 2, at[other.name] + HEAD / 2
    steps = [number / 24 for number in range(25)]
    axes.plot([start + (end - start) * t for t in steps],
              [ys[0] + (ys[1] - ys[0]) * t * t * (3 - 2 * t) for t in steps],
              color=INK, alpha=0.5, linewidth=1.2, zorder=0)  # fmt: skip
    mark(axes, end + 2, ys[1], ">", INK, size=6)


def _box(axes: Axes, box: Box, top: float) -> None:
    left, wide, _, color = LAYERS[box.layer]
    block(axes, (left, left + wide), (top, top + HEAD), color, opacity=0.45)
    block(axes, (left, left + 2), (top, top + box.height), color)
    write(axes, left + 6, top + HEAD / 2, box.name, bold=True, size=TEXT, room=wide - 10)
    for place, column in enumerate(box.columns):
        y = top + HEAD + ROW * (place + 0.5)
        joined = f" → {box.joins[column]}" if column in box.joins else ""
        write(axes, left + 8, y, column + joined, size=13, room=wide - 12, bold=column in box.key)
