"""The data dictionary: what the database's own COMMENTs say of every table, view and column."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from sqlalchemy import Row

from medallion_lib import Medallion

QUERY = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
SHORTER = {"timestamp with time zone": "timestamptz", "character(1)": "char(1)"}
ENDS = ("sys_end", "sys_period")  # what says until when a version held


def page(lab: Medallion, _copy: Path) -> str:
    with lab.warehouse.connect() as warehouse:
        relations = warehouse.exec_driver_sql(QUERY).all()
    layers = groupby(relations, key=lambda relation: relation.layer)
    return "\n".join(line for _, layer in layers for line in _layer(list(layer)))


def anchor(layer: str, name: str) -> str:
    """Where the page tells of a table or view."""
    return f"{layer}-{name}".replace("_", "-")


def _layer(relations: list[Row]) -> Iterator[str]:
    layer = relations[0].layer
    yield from (f"(layer-{layer})=", f"## {layer.capitalize()}", "", relations[0].layer_meaning, "")
    yield from ("| table or view | what it holds |", "|---|---|")
    for each in relations:
        yield f"| [`{each.name}`](#{anchor(layer, each.name)}) | {each.meaning} |"
    for _, alike in groupby(relations, key=_shared):
        yield from _relations(list(alike))


def _shared(relation: Row) -> list[tuple[str, str, str]]:
    """Its columns, without those that a table of versions has and its current-state view lacks."""
    columns = zip(relation.columns, relation.types, relation.meanings, strict=True)
    return [column for column in columns if column[0] not in ENDS]


def _relations(alike: list[Row]) -> Iterator[str]:
    """One table or view; or several that share their columns, which are then said once."""
    for each in alike:
        yield from ("", f"({anchor(each.layer, each.name)})=", f"### {each.name}", "", _about(each))
    most = max(alike, key=lambda each: len(each.columns))
    lacking = [each.name for each in alike if len(each.columns) < len(most.columns)]
    if lacking:
        ends = " and ".join(f"`{name}`" for name in ENDS if name in most.columns)
        yield from ("", f"Both have these columns, but `{lacking[0]}` has no {ends}:")
    elif len(alike) > 1:
        yield from ("", f"Each of these {len(alike)} has the same columns:")
    yield from ("", "| column | meaning |", "|---|---|")
    for name, kind, meaning in zip(most.columns, most.types, most.meanings, strict=True):
        yield f"| `{name}` *{SHORTER.get(kind, kind)}* | {meaning} |"
    yield ""


def _about(relation: Row) -> str:
    said = [f"*{relation.kind}.* {relation.meaning}"]
    if relation.partitions:
        said.append(f"Kept in {relation.partitions} partitions: a month each, one for odd dates.")
    if relation.travels:
        said.append("Takes `FOR SYSTEM_TIME AS OF`.")
    return " ".join(said)
