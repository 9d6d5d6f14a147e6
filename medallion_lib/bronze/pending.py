"""Tables that are added to a warehouse while it captures others: what lands of them, and when.

`watch.adding` has the whole way of such a table. This is capture's part, at each landing.
"""

import json
from collections.abc import Iterator
from dataclasses import replace

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.bronze.landing import Landing, Target
from medallion_lib.source.pgoutput import UNCHANGED, Row
from medallion_lib.tables import Table, Tables, by_source

EMPTIED = "[]"  # the row of a T that emptied some partitions: which rows they had is unknown


def unfinished(target: Target, key: Row, new: Row = ()) -> str:
    """What the log has of a change whose old row is yet to land: an array, for complete.sql.

    No row is an array. Nothing is looked up meanwhile: the row before may be unfinished itself.
    """
    same = [name for name, value in zip(target.columns, new, strict=False) if value is UNCHANGED]
    known = [None if value is UNCHANGED else value for value in new]
    row = target.write(known) if new else "{}"
    return f"[{target.key_of(key)}, {row}, {json.dumps(same)}]"


def settled(into: Landing) -> Tables:
    """The tables as the warehouse keeps them, within the transaction that lands what waits.

    One that was added is whole from this landing on, if its snapshot has landed: that is of a
    position that capture had passed. Where rows can't be completed, another one is to be taken.
    While one is being added, nobody changes the tables until the landing is committed: of one that
    is removed half-way, no row may land afterwards.
    """
    tables = into.watermark.tables
    with into.warehouse.cursor() as cursor:
        cursor.execute("SELECT xmin::text FROM meta.warehouse")
        (version,) = cursor.fetchone()
        if version != into.tables_version:
            tables = into.watermark.with_changes(Tables.read(cursor))
            into.tables_version = version
        if any(table.is_pending for table in (*into.watermark.tables.captured, *tables.captured)):
            into.send()
            tables = Tables.change(cursor, lambda now: now.put(*_settled(cursor, into, now)))
            tables = into.watermark.with_changes(tables)
    return tables


def _settled(cursor: Cursor, into: Landing, now: Tables) -> Iterator[Table]:
    """Those whose adding has come further with this landing."""
    captured = by_source(now.captured)
    for table in into.watermark.tables.captured:
        if table.is_pending and table.source.strings not in captured:
            drop_since(cursor, table, table.adding.begun)
    for table in now.captured:
        if table.is_pending and table.adding.snapshot is not None:
            is_whole = _completed(cursor, table)
            snapshot = table.adding.snapshot if is_whole else None
            adding = table.adding._replace(is_whole=is_whole, snapshot=snapshot)
            yield replace(table, adding=adding)


def begun_anew(tables: Tables, kept: Tables) -> Tables:
    """The tables as in a snapshot of all: whole if they were not, and published with the others."""

    def anew(table: Table) -> Table:
        adding = (kept.of(table) or table).adding
        if adding and not adding.is_whole:
            adding = adding._replace(snapshot=None, is_whole=True)
        return replace(table, published=None, adding=adding)

    return replace(tables, each=tuple(map(anew, tables.each)))


def drop_begun(into: Landing) -> None:
    """Drop what bronze has of tables that were being added, where a snapshot of all is to land."""
    for table in into.watermark.tables.captured:
        if table.adding and table.adding.snapshot is None:
            with into.warehouse.cursor() as cursor:
                drop_since(cursor, table, table.adding.begun)
            adding = table.adding._replace(snapshot=into.watermark.lsn - 1)
            into.watermark.tables = into.watermark.tables.put(replace(table, adding=adding))


def drop_since(cursor: Cursor, table: Table, begun: int, end: int | None = None) -> None:
    """Drop what bronze has of a table from a position on, up to but without `end` if given."""
    drop = sqlfile.compose("bronze/dropped", bronze=table.bronze)
    cursor.execute(drop, {"begun": begun, "end": end})


def _completed(cursor: Cursor, table: Table) -> bool:
    """Complete the unfinished rows since the table's snapshot; whether there is none any more."""
    if not table.key:  # the log has all of its rows
        return True
    lookup, snapshot = sql.Literal(table.source_key[-1]), sql.Literal(table.adding.snapshot)
    parts = {"bronze": table.bronze, "snapshot": snapshot, "lookup": lookup}
    cursor.execute(sqlfile.compose("bronze/complete", **parts))
    return cursor.fetchone()[0]
