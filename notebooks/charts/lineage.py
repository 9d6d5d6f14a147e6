"""Draw what dbt's models are made of, from its manifest.json, with a column per layer."""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.axes import Axes

from .figure import GOLD, INK, SILVER, Picture, block, mark, picture, write

TOP, PITCH, TEXT = 84, 25, 14
LAYERS = {"source": (12, "Silver", SILVER), "staging": (222, "Staging", SILVER),
          "intermediate": (414, "", SILVER), "star": (560, "Star", GOLD)}  # fmt: skip
WIDE = {"source": 160, "staging": 150, "intermediate": 104, "star": 138}
Edges = list[tuple[str, str]]


def lineage(manifest: str | Path, *, alt: str) -> Picture:
    """Each relation dbt reads or makes, and a line to each model made from it.

    A triangle ends each line. Lines within the star bend on its right. A seed, a file of the
    project, stands before the star.
    """
    known = json.loads(Path(manifest).read_text(encoding="utf-8"))
    layer = _layers(known)
    edges = [(parent, child) for child in layer if child in known["nodes"]
             for parent in known["nodes"][child]["depends_on"].get("nodes", [])]  # fmt: skip
    names = {key: key.rsplit(".", 1)[-1] for key in layer}
    at = _places(layer, edges)

    def draw(axes: Axes) -> None:
        for left, title, color in LAYERS.values():
            write(axes, left, 56, title, bold=True, size=17)
            if title:
                block(axes, (left, left + 44), (70, 73), color)
        for parent, child in edges:
            _edge(axes, layer, at, parent, child)
        for key, name in names.items():
            left = LAYERS[layer[key]][0]
            write(axes, left, at[key], name, size=TEXT, room=WIDE[layer[key]])

    tallest = max(at.values(), default=TOP)
    return picture(int(tallest) + 22, alt, _finding(layer, edges), draw)


def _layers(known: Mapping[str, Any]) -> dict[str, str]:
    """The layer of each relation, in the order of the manifest; tests and exposures have none."""
    layer = dict.fromkeys(known["sources"], "source")
    for key, node in known["nodes"].items():
        if node["resource_type"] == "seed":
            layer[key] = "intermediate"
        elif node["resource_type"] == "model":
            layer[key] = node["fqn"][1]
    return layer


def _places(layer: Mapping[str, str], edges: Edges) -> dict[str, float]:
    """How far down each stands: beside what it reads, and below what it reads of its own layer.

    A model between two layers stands below all of theirs, where no line crosses its name.
    """
    at: dict[str, float] = {}
    for name in LAYERS:
        column = [key for key in layer if layer[key] == name]
        made_of = {key: [one for one, other in edges if other == key] for key in column}
        depth: dict[str, int] = {}
        while len(depth) < len(column):
            depth |= {key: 1 + max([depth[one] for one in made_of[key] if one in column], default=0)
                      for key in column
                      if all(one in depth for one in made_of[key] if one in column)}  # fmt: skip
        beside = {key: mean([at[one] for one in made_of[key] if one in at] or [TOP + 14])
                  for key in column}  # fmt: skip
        column.sort(key=lambda key: (depth[key], beside[key], key))
        if name == "intermediate":
            models = [key for key in column if made_of[key]]
            foot = max([TOP, *at.values()]) + PITCH
            at |= beside | {key: foot + PITCH * place for place, key in enumerate(models)}
        else:
            pitch = PITCH * (2 if name == "star" else 1)
            at |= {key: TOP + 14 + pitch * place for place, key in enumerate(column)}
    return at


def _edge(
    axes: Axes, layer: Mapping[str, str], at: Mapping[str, float], parent: str, child: str
) -> None:
    """A line from the right of one name to the left of another, level at both ends."""
    start = LAYERS[layer[parent]][0] + WIDE[layer[parent]]
    end, bend, alpha, head = LAYERS[layer[child]][0] - 9, 0.0, 0.45, ">"
    if layer[parent] == layer[child]:
        end, bend, alpha, head = start + 4, abs(at[child] - at[parent]) / 8 + 6, 1.0, "<"
    steps = [number / 24 for number in range(25)]
    xs = [start + (end - start) * t + bend * 4 * t * (1 - t) for t in steps]
    ys = [at[parent] + (at[child] - at[parent]) * t * t * (3 - 2 * t) for t in steps]
    axes.plot(xs, ys, color=INK, alpha=alpha, linewidth=1.2, zorder=0)
    mark(axes, end + 2, at[child], head, INK, size=6)


def _finding(layer: Mapping[str, str], edges: Edges) -> str:
    made = sum(key.startswith("model.") for key in layer)
    skips = [pair for pair in edges if (layer[pair[0]], layer[pair[1]]) == ("source", "star")]
    none = "none skips a layer" if not skips else f"{len(skips)} of {len(edges)} lines skip a layer"
    return f"{made} models from {len(layer) - made} sources and seeds: {none}"
