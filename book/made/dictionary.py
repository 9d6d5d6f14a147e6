"""The data dictionary: what the database's own COMMENTs say of every table, view and column."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from sqlalchemy import Row

from medallion_lib import Medallion

QUERY = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
SHORTER = {"timestamp with time zone": "timestamptz", "character(1)": "char(1)"}


def page(lab: Medallion, _copy: Path) -> str:
    with lab.warehouse.connect() as warehouse:
        relations = warehouse.exec_driver_sql(QUERY).all()
    return "\n".join(line for layer in _grouped(relations, "layer") for line in _layer(layer))


def anchor(layer: str, name: str) -> str:
    """Where the page tells of a table or view."""
    return f"{layer}-{name}".replace("_", "-")


def _grouped(relations: list[Row], *by: str) -> list[list[Row]]:
    """Neighbours that have these in common, together."""
    same = groupby(relations, key=lambda relation: [getattr(relation, name) for name in by])
    return [list(group) for _, group in same]


def _layer(relations: list[Row]) -> Iterator[str]:
    layer = relations[0].layer
    yield from (f"(layer-{layer})=", f"## {layer.capitalize()}", "", relations[0].layer_meaning, "")
    yield from ("| table or view | what it holds |", "|---|---|")
    for each in relations:
        yield f"| [`{each.name}`](#{anchor(layer, each.name)}) | {each.meaning} |"
    for alike in _grouped(relations, "columns", "types", "meanings"):
        yield from _relations(alike)


def _relations(alike: list[Row]) -> Iterator[str]:
    """One table or view; or several with the same columns, which are then said once."""
    for each in alike:
        yield from ("", f"({anchor(each.layer, each.name)})=", f"### {each.name}", "", _about(each))
    if len(alike) > 1:
        yield from ("", f"Each of these {len(alike)} has the same columns:")
    yield from ("", "| column | meaning |", "|---|---|")
    one = alike[0]
    for name, kind, meaning in zip(one.columns, one.types, one.meanings, strict=True):
        yield f"| `{name}` *{SHORTER.get(kind, kind)}* | {meaning} |"
    yield ""


def _about(relation: Row) -> str:
    said = [f"*{relation.kind}.* {relation.meaning}"]
    if relation.partitions:
        said.append(f"Kept in {relation.partitions} partitions: a month each, one for odd dates.")
    if relation.travels:
        said.append("Takes `FOR SYSTEM_TIME AS OF`.")
    return " ".join(said)
