"""One look for every figure: then is blue, now is orange, in the light and in the dark.

A figure is drawn in CSS pixels on one bare matplotlib axes and leaves as an SVG whose colours are
CSS variables, so that a single file suits the book, JupyterLab and their dark modes. The text stays
text, laid out with DejaVu Sans: the fonts a reader has are narrower, so labels can't collide.
"""

import hashlib
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from io import StringIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from medallion_lib import MedallionError

COLORS = {
    "then": "#2f6f9f",
    "now": "#c8641b",
    "rest": "#b9c3cd",
    "ink": "#1d2733",
    "bronze": "#a9714b",
    "silver": "#8a95a1",
    "gold": "#c39a1c",
    "heat1": "#f8f0d6",
    "heat2": "#e9d085",
    "heat3": "#cba52f",
    "heat4": "#8f6c08",
    "heat5": "#4d3800",
}
THEN, NOW, REST, INK, BRONZE, SILVER, GOLD, *HEAT = COLORS.values()  # more is further from the page
WIDTH = 760
TEXT = 16  # 18 pt on a stage that shows the page at 150 %
FONTS = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
SETTINGS = {
    "font.family": "DejaVu Sans",
    "svg.fonttype": "none",
    "svg.hashsalt": "medallion",
    "text.parse_math": False,  # a dollar sign is a dollar sign
}
Number = Decimal | float
Place = Callable[[Number], float]
Ends = tuple[float, float]


@dataclass(frozen=True, repr=False)
class Picture:
    """A finished figure, which a notebook shows by itself. `svg` is a complete SVG document."""

    svg: str
    alt: str

    def __repr__(self) -> str:
        return self.alt

    def _repr_html_(self) -> str:
        """For JupyterLab's MathJax, two amounts in one label would be a formula."""
        label = f'role="img" aria-label="{html.escape(self.alt)}"'
        return f'<figure class="mathjax_ignore" {label} style="margin:0">{self.svg}</figure>'

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": self.alt}

    def save(self, path: str | Path) -> None:
        Path(path).write_text(self.svg, encoding="utf-8", newline="\n")


def picture(height: int, alt: str, title: str, draw: Callable[[Axes], None]) -> Picture:
    """A title, and below it what `draw` puts on axes measured in pixels from the top left.

    The same calls give the same bytes. Raises MedallionError without an alt text.
    """
    if not alt.strip():
        raise MedallionError("A figure needs an alt text: say in alt=… what it shows, in words.")
    with mpl.rc_context({**mpl.rcParamsDefault, **SETTINGS}):
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        axes.axis("off")
        write(axes, 12, 20, title, size=23, bold=True, room=WIDTH - 24)
        draw(axes)
        out = StringIO()
        figure.savefig(out, format="svg", transparent=True)
    return Picture(_themed(out.getvalue(), height, alt), alt)


def _themed(svg: str, height: int, alt: str) -> str:
    """Colours as variables, ids of its own, and nothing of matplotlib's that leaks into a page."""
    body = re.sub(r".*?<style.*?</defs>", "", svg, count=1, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r">\s+<", "><", re.sub(r"\s*\n", " ", body))
    body = re.sub(r"<g>(<path[^<]*/>)</g>", r"\1", body)
    key = hashlib.sha256((body + alt).encode()).hexdigest()[:8]
    body = re.sub(r'( id="|href="#|url\(#)', rf"\1mb-{key}-", body)
    body = body.replace("'DejaVu Sans'", FONTS)
    for name, light in COLORS.items():
        body = re.sub(rf"(fill|stroke): {light}", rf"\1: var(--mb-{name}, {light})", body)
    style = files(__package__).joinpath("figure.css").read_text(encoding="utf-8")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'class="mb-figure" role="img" aria-label="{html.escape(alt)}" '
        f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
        f"<style>\n{style}</style>{body}"
    )


def write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    *,
    color: str = INK,
    ha: str = "left",
    bold: bool = False,
    soft: bool = False,
    size: float = TEXT,
    room: float | None = None,
) -> None:
    """Text centred on y. It shrinks to fit `room`; `soft` makes it paler."""
    weight = "bold" if bold else "normal"
    if room and text.strip():
        size *= min(1, room / width(text, size, bold))
    look = {"size": round(size, 1), "weight": weight, "color": color, "ha": ha}
    axes.text(x, y + 0.36 * size, text, alpha=0.75 if soft else None, **look)


def width(text: str, size: float = TEXT, bold: bool = False) -> float:
    """A text's width in pixels, in the widest font that a reader may have."""
    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return TextPath((0, 0), text, size=size, prop=font).get_extents().width


def head(axes: Axes, x: float, text: str, color: str, shape: str = "") -> None:
    """A heading in a colour, large enough to read in it, with its mark if there is one."""
    if shape:
        mark(axes, x + 6, 55, shape, color, size=12)
    write(axes, x + 18 if shape else x, 55, text, color=color, bold=True, size=19)


def mark(
    axes: Axes, x: float, y: float, shape: str, color: str, size: float = 10, hollow: bool = False
) -> None:
    """A mark: "o" is then, "s" is now, "*" is a winner; hollow is what it was before."""
    fill, edge = ("none", 2) if hollow else (color, 0)
    axes.plot(x, y, shape, ms=size, mec=color, mew=edge, mfc=fill)


def line(axes: Axes, x: Ends, y: Ends, color: str = REST, width: float = 1.5) -> None:
    axes.plot(x, y, color=color, linewidth=width, zorder=1)


def block(axes: Axes, x: Ends, y: Ends, color: str, opacity: float = 1) -> None:
    """A filled rectangle between two places across and two down."""
    (left, right), (top, foot) = x, y
    corners = [left, right, right, left], [top, top, foot, foot]
    axes.fill(*corners, color=color, alpha=opacity, linewidth=0, zorder=1)


def scale(low: Number, high: Number, first: float, last: float) -> Place:
    """The pixel for a number, where `low` falls on `first` and `high` on `last`."""
    base, span = float(low), float(high) - float(low) or 1.0
    return lambda value: first + (float(value) - base) / span * (last - first)
