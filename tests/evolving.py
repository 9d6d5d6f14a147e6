"""A source of one's own tables and its warehouse, made in a moment: nothing of the sample."""

from __future__ import annotations

from medallion_lib import Medallion, databases, server
from medallion_lib.bronze.layout import make_missing
from medallion_lib.silver import history
from medallion_lib.source import catalog, slot
from medallion_lib.system_time import functions
from medallion_lib.tables import Table, Tables


def begin(lab: Medallion, statements: str, *tables: Table) -> None:
    """Make the tables at an empty source, and a warehouse that has taken their snapshot."""
    lab.close()
    with databases.administering(lab.place.url) as cursor:
        _drop(lab, cursor)
        databases.create(cursor, lab.source_name)
        databases.create(cursor, lab.warehouse_name, _empty(lab, cursor))
    run(lab, statements)
    with server.session(lab.source_url) as at_source:
        found = catalog.completed(at_source, Tables(tables))
    with server.session(lab.warehouse_url) as cursor:
        make_missing(cursor, found.captured)
        history.make_missing(cursor, found).keep(cursor)
        functions.regenerate(cursor.connection)
    lab.capture(merging=True)


def end(lab: Medallion) -> None:
    lab.close()
    with databases.administering(lab.place.url) as cursor:
        _drop(lab, cursor)
        databases.drop(cursor, f"{lab.warehouse_name}_empty")


def _drop(lab: Medallion, cursor: object) -> None:
    if databases.exists(cursor, lab.source_name):
        with databases.administering(lab.source_url) as at_source:
            slot.drop(at_source, lab.slot)
    for name in (lab.source_name, lab.warehouse_name):
        databases.drop(cursor, name)


def _empty(lab: Medallion, cursor: object) -> str:
    """A warehouse of no table, to be cloned."""
    name = f"{lab.warehouse_name}_empty"
    if not databases.exists(cursor, name):
        databases.create(cursor, name)
        databases.build_warehouse(lab.warehouse_url.set(database=name), Tables())
    return name


def run(lab: Medallion, *transactions: str) -> None:
    """Each in a transaction of its own, at the source."""
    for statements in transactions:
        with server.session(lab.source_url) as cursor:
            cursor.execute(statements)


def asked(lab: Medallion, query: str, in_warehouse: bool = True) -> list[tuple]:
    with server.session(lab.warehouse_url if in_warehouse else lab.source_url) as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []
