"""The package's folders in the order of the data: what each says of itself, and what it imports."""

import ast
from collections import Counter
from math import cos, pi, sin
from pathlib import Path

from charts.figure import BRONZE, GOLD, INK, REST, SILVER, block, mark, picture, write
from matplotlib.axes import Axes

from medallion_lib import Medallion, sqlfile

# From the ground up; the guests, which the core does without, last.
ORDER = (
    "server", "source", "bronze", "silver", "system_time", "serve", "gold", "watch", "upkeep",
    "shop", "shop/star", "batch", "lake",
)  # fmt: skip
COLORS = {"bronze": BRONZE, "silver": SILVER, "gold": GOLD}
TOP, PITCH, LEFT, WIDE = 52, 42, 12, 150


def page(_lab: Medallion, _copy: Path) -> str:
    return "".join(map(_line, ORDER))


def figure(_lab: Medallion, _copy: Path) -> str:
    """A bow from each folder to each that it imports from."""
    at = {name: TOP + PITCH * place for place, name in enumerate(ORDER)}
    used = {name: imports(name) for name in ORDER}

    def draw(axes: Axes) -> None:
        for name, found in used.items():
            for other, times in found.items():
                _bow(axes, at[name], at[other], times)
        for name, top in at.items():
            block(axes, (LEFT, LEFT + WIDE), (top, top + 30), COLORS.get(name, REST), opacity=0.45)
            write(axes, LEFT + 10, top + 15, name, bold=name in COLORS)

    said = "; ".join(f"{name} from {_counted(found)}" for name, found in used.items() if found)
    tall, alt = TOP + PITCH * len(ORDER), f"How often each folder imports from another: {said}."
    drawn = picture(tall, alt, "Every import points up", draw)._repr_html_()
    opening = '<div class="wide-drawing" role="region" tabindex="0" aria-label="Drawing: imports">'
    return f"{opening}{drawn}</div>\n"


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{name} {times}" for name, times in found.items())


def _bow(axes: Axes, start: float, end: float, times: int) -> None:
    """On the right of the names: the wider the farther apart, the thicker the more imports."""
    left, middle, half = LEFT + WIDE + 8, (start + end) / 2 + 15, (start - end) / 2
    turns = [pi * step / 32 for step in range(33)]
    axes.plot([left + (half * 2.9 - 30) * sin(turn) for turn in turns],
              [middle + half * cos(turn) for turn in turns],
              color=INK, alpha=0.5, linewidth=1.2 * times**0.5, zorder=0)  # fmt: skip
    mark(axes, left, end + 15, "<", INK, size=7)


def imports(folder: str) -> Counter[str]:
    """How often the folder's own files import from each other folder."""
    nodes = (node for path in _place(folder).glob("*.py")
             for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))  # fmt: skip
    found: Counter[str] = Counter()
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            found.update({_folder_of(f"{node.module}.{each.name}.") for each in node.names})
    return Counter({name: found[name] for name in ORDER if found[name] and name != folder})


def _line(folder: str) -> str:
    tree = ast.parse((_place(folder) / "__init__.py").read_text(encoding="utf-8"))
    prose = (ast.get_docstring(tree) or "").partition("\n\n    ")[0]  # up to an example
    return f"- **`{folder}/`** {' '.join(prose.split())}\n"


def _place(folder: str) -> Path:
    return sqlfile.DIRECTORY / folder


def _folder_of(module: str) -> str:
    """The deepest folder that a module, with a dot at its end, is in; empty for none."""
    inside = (name for name in reversed(ORDER)
              if module.startswith(f"medallion_lib.{name.replace('/', '.')}."))  # fmt: skip
    return next(inside, "")
