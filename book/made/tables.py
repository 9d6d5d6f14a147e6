"""The picture of the tables, from the catalogs of the source and of the warehouse."""

import re
from collections.abc import Iterator
from pathlib import Path

import charts
from charts.tables import Box
from sqlalchemy import Connection, Row

from medallion_lib import Medallion, sqlfile
from medallion_lib.shop import TABLES
from medallion_lib.tables import Table

HERE = Path(__file__).parent
ORDER = ("dim_film_hist", "fact_rental", "fact_payment", "dim_customer_hist")  # fewest crossings
ALT = (
    "From left to right: five tables of the shop, five of bronze, four of silver with all their "
    "columns, and three marts. A film, its copies and a rental meet in silver's fact_rental, a "
    "rental and a payment in fact_payment; customers stand alone. Two marts read films, rentals "
    "and payments, the monthly revenue payments only."
)


def page(lab: Medallion, _copy: Path) -> str:
    drawn = charts.tables(boxes(lab), alt=ALT)._repr_html_()
    opening = '<div class="wide-drawing" role="region" tabindex="0" aria-label="The tables">'
    return f"{opening}{drawn}</div>\n"


def boxes(lab: Medallion) -> list[Box]:
    with lab.source.connect() as source, lab.warehouse.connect() as warehouse:
        keys = dict(source.exec_driver_sql(_read("tables_source")).all())
        made = {row.name: row for row in warehouse.exec_driver_sql(_read("tables"))}
        silver = sorted(TABLES.versioned, key=_order)
        lookups = {each.history: _lookups(warehouse, each) for each in silver}
    captured = sorted(keys, key=lambda name: _place(name, silver, lookups))
    shop = [Box("source", name, keys[name], keys[name], []) for name in captured]
    position = ("lsn", "seq")
    bronze = [Box("bronze", f"br_{name}_cdc", position, position, [name]) for name in captured]
    return [*shop, *bronze, *_silver(silver, made, lookups), *_gold(made)]


def _order(table: Table) -> int:
    return ORDER.index(table.history) if table.history in ORDER else len(ORDER)


def _read(name: str) -> str:
    return (HERE / f"{name}.sql").read_text(encoding="utf-8")


def _lookups(warehouse: Connection, table: Table) -> list[str]:
    """The tables of bronze, besides its own, that a table of silver takes columns from."""
    if not table.lookup:
        return []
    function = re.search(r"\{schema\}\.(\w+)\(", sqlfile.read(table.lookup))
    named = {"function": f"bronze.{function[1]}"}
    found = warehouse.exec_driver_sql(_read("tables_lookups"), named).scalars()
    return sorted(found)


def _place(name: str, silver: list[Table], lookups: dict[str, list[str]]) -> float:
    """Where a captured table stands: at its own table of silver, or at the first that uses it."""
    for place, table in enumerate(silver):
        if table.name == name or f"br_{name}_cdc" in lookups[table.history]:
            return place + (table.name != name) / 2
    return len(silver)


def _silver(
    silver: list[Table], made: dict[str, Row], lookups: dict[str, list[str]]
) -> Iterator[Box]:
    key_of = {table.key: table.history for table in silver}
    for table in silver:
        row = made[table.history]
        joins = {column: key_of[column,] for column in row.columns
                 if (column,) in key_of and (column,) != table.key}  # fmt: skip
        bronze = {f"br_{table.name}_cdc", *lookups[table.history]}
        yield Box("silver", table.history, row.key, row.columns, sorted(bronze), joins)


def _gold(made: dict[str, Row]) -> Iterator[Box]:
    """A mart's grain is a matter of its meaning; its columns are in the dictionary."""
    for row in made.values():
        if row.layer == "gold":
            yield Box("gold", row.name, (), row.columns, row.made_from)
