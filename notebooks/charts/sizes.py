"""Draw what the three layers hold, in rows and in bytes."""

import pandas as pd
from matplotlib.axes import Axes

from medallion_lib import MedallionError

from .figure import BRONZE, GOLD, SILVER, Picture, block, picture, scale, write

LAYERS = {"bronze": BRONZE, "silver": SILVER, "gold": GOLD}
LEFT, MIDDLE, RIGHT = 96, 430, 640  # of rows and bytes the least x, then room for the last label
TOP, PITCH = 112, 54


def layers(frame: pd.DataFrame, *, alt: str) -> Picture:
    """Rows and bytes of bronze, silver and gold (layer, rows, bytes), added up by layer.

    Null or 0 bytes mean a view, which stores nothing: its rows are drawn hollow.
    """
    unknown = {*frame["layer"]} - {*LAYERS}
    if unknown:
        raise MedallionError(f"No such layer: {', '.join(sorted(map(str, unknown)))}.")
    sums = frame.groupby("layer")[["rows", "bytes"]].sum()
    held = {name: [int(each) for each in sums.loc[name]] for name in LAYERS if name in sums.index}
    rows = scale(0, max([1, *(count for count, _ in held.values())]), 0, 215)
    size = scale(0, max([1, *(total for _, total in held.values())]), 0, 190)

    def draw(axes: Axes) -> None:
        if not held:
            return
        write(axes, LEFT, 66, "rows", soft=True)
        write(axes, MIDDLE, 66, "bytes on disk", soft=True)
        for place, (name, (count, total)) in enumerate(held.items()):
            y, color = TOP - 8 + PITCH * place, LAYERS[name]
            write(axes, 12, y, name, bold=True, size=19)
            _bar(axes, LEFT, y, rows(count), color, f"{count:,}", filled=total > 0)
            text = nice(total) if total else "views: nothing stored"
            _bar(axes, MIDDLE, y, size(total), color, text)

    return picture(TOP + PITCH * max(len(held), 1) - 30, alt, _finding(held), draw)


def _bar(
    axes: Axes, x: float, y: float, long: float, color: str, text: str, filled: bool = True
) -> None:
    top, foot = y - 16, y + 16
    if filled:
        block(axes, (x, x + long), (top, foot), color)
    else:
        ends = [x, x + long, x + long, x, x], [top, top, foot, foot, top]
        axes.plot(*ends, color=color, linewidth=2.5, linestyle=(0, (3, 2)))
    write(axes, x + long + (8 if long else 0), y, text, bold=True)


def nice(size: int) -> str:
    """A number of bytes in the book's one unit: a kB has 1,000 bytes, an MB 1,000,000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.{0 if unit == 'bytes' or size >= 100 else 1}f} {unit}"


def _finding(held: dict[str, list[int]]) -> str:
    stored = [name for name, (_, total) in held.items() if total]
    if not stored:
        return "No layer stores anything"
    largest = max(stored, key=lambda name: held[name][1])
    views = [name for name in held if name not in stored]
    nothing = f", {' and '.join(views)} nothing" if views else ""
    return f"{largest.capitalize()} stores most, {nice(held[largest][1])}{nothing}"
