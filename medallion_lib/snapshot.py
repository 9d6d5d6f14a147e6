"""The first rows of bronze: what the source held at the moment its slot was made."""

from collections.abc import Iterator
from datetime import datetime

from psycopg2 import sql
from psycopg2.extensions import connection as Connection, cursor as Cursor, new_type, register_type
from sqlalchemy import URL

from medallion_lib import landing, server, slot, sqlfile
from medallion_lib.capture import Progress
from medallion_lib.landing import Landed, Landing, Watermark
from medallion_lib.pgoutput import Relation
from medallion_lib.steps import step
from medallion_lib.tables import CAPTURED, Captured


def snapshot(
    source: URL, warehouse: Connection, slot_name: str, before: Watermark | None, progress: Progress
) -> Landed:
    """Make the slot and land every row that was committed before its first position, as op R.

    Where there was a watermark before, a T for each table comes first: merged, it closes the keys
    that are gone, at the snapshot's time, and leaves the rows that are the same as they are.
    Killed half-way, it leaves the watermark as it was, and is done again from the start.
    """
    with server.session(source, autocommit=True) as cursor:
        slot.drop(cursor, slot_name)
        found = slot.look(cursor, slot_name)
        if not found.is_published:
            slot.create_publication(cursor)
    with slot.replicating(source) as stream, server.session(source) as cursor:
        position, exported = slot.create(stream, slot_name)
        step("slot made")
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET TRANSACTION SNAPSHOT %s", (exported,))
        last = before and before.commit_ts
        watermark = Watermark(position, last, slot_name, found.system, found.name, False)
        cursor.execute("SELECT clock_timestamp()")
        at = watermark.advance(cursor.fetchone()[0])
        into = Landing(warehouse, watermark, Landed())
        _collect(cursor, into, at, again=before is not None, progress=progress)
        into.land()
        return into.total


def _collect(cursor: Cursor, into: Landing, at: datetime, again: bool, progress: Progress) -> None:
    """All tables' rows under one lsn that no commit has: just below the slot's first."""
    lsn, stamp, seq = into.watermark.lsn - 1, at.isoformat(), 0
    domains = landing.base_types(cursor)
    relations = {table: _relation(cursor, table) for table in CAPTURED}
    targets = {table: into.target(table, relations[table], domains) for table in CAPTURED}
    for target in targets.values() if again else ():
        seq += 1
        into.add(target, f"{lsn}\t{seq}", "T", None, stamp)
    for table, relation in relations.items():
        for row in _rows(cursor.connection, relation):
            seq += 1
            into.add(targets[table], f"{lsn}\t{seq}", "R", row, stamp)
            progress(seq)


def _relation(cursor: Cursor, table: Captured) -> Relation:
    cursor.execute(sqlfile.read("relation"), (table.source.as_string(cursor),))
    oid, columns, types = cursor.fetchone()
    return Relation(oid, "public", table.name, "f", tuple(columns), tuple(types))


def _rows(shop: Connection, relation: Relation) -> Iterator[list[str | None]]:
    """Every row, each value as the text that PostgreSQL prints."""
    table = sql.Identifier(relation.schema, relation.name)
    with shop.cursor(name="snapshot") as cursor:
        cursor.itersize = 10_000
        register_type(new_type(relation.types, "TEXT", lambda value, _: value), cursor)
        columns = sqlfile.identifiers(*relation.columns)
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(columns, table))
        yield from cursor
