"""The first rows of bronze: what the source held at the moment its slot was made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import new_type, register_type
from sqlalchemy import URL

from medallion_lib import slot
from medallion_lib.capture import (
    MICROSECOND, Landed, Landing, Progress, Watermark, base_types, target,
)  # fmt: skip
from medallion_lib.pgoutput import Relation
from medallion_lib.steps import step
from medallion_lib.tables import CAPTURED, Captured


def snapshot(
    source: URL, warehouse: Connection, slot_name: str, progress: Progress = lambda rows: None
) -> Landed:
    """Make the slot and land every row that was committed before its first position, as op R.

    Where bronze holds rows already, a T for each table comes first: merged, it closes the keys that
    are gone, at the snapshot's time, and leaves the rows that are the same as they are.
    Killed half-way, it leaves no watermark, and is done again from the start.
    """
    plain = slot.connect(source)
    stream = slot.connect_replication(source).cursor()
    reading = slot.connect(source)
    try:
        with plain.cursor() as cursor:
            slot.drop(cursor, slot_name)
            if not slot.publication_exists(cursor):
                slot.create_publication(cursor)
            position, exported = slot.create_with_snapshot(stream, slot_name)
            step("slot made")
            watermark = _first_watermark(warehouse, cursor, slot_name, position)
        reading.autocommit = False
        with reading.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(exported)))
        landing = Landing(warehouse, watermark)
        _land(reading, landing, position - 1, progress)
        landing.commit()
        return landing.total
    finally:
        for connection in (plain, stream.connection, reading):
            connection.close()


def _first_watermark(
    warehouse: Connection, source: Cursor, slot_name: str, position: int
) -> Watermark:
    """The watermark that lands with the snapshot: true time, later than all that bronze holds."""
    with warehouse.cursor() as cursor:
        before = Watermark.read(cursor)
    warehouse.commit()
    source.execute("SELECT clock_timestamp()")
    now: datetime = source.fetchone()[0]
    if before and before.commit_ts:
        now = max(now, before.commit_ts + MICROSECOND)
    return Watermark(position, now, slot_name, *slot.identity(source), business_time=False)


def _land(reading: Connection, landing: Landing, lsn: int, progress: Progress) -> None:
    """All tables' rows under one lsn that no commit has: just below the slot's first."""
    again = _has_rows(landing.warehouse)
    stamp = f"\t{landing.watermark.commit_ts.isoformat()}\n"
    seq = 0
    for table in CAPTURED:
        lines = landing.lines.setdefault(table.name, [])
        if again:
            seq += 1
            landing.add(lines, f"{lsn}\t{seq}\tT\t\\N{stamp}")
    for table in CAPTURED:
        relation = _relation(reading, table)
        with reading.cursor() as cursor:
            rows_of = target(table, relation, base_types(cursor), landing.lines[table.name])
        for values in _rows(reading, relation):
            seq += 1
            row = rows_of.write(values).replace("\\", "\\\\")
            landing.add(rows_of.lines, f"{lsn}\t{seq}\tR\t{row}{stamp}")
            if seq % 10_000 == 0:
                progress(seq)


def _has_rows(warehouse: Connection) -> bool:
    with warehouse.cursor() as cursor:
        filled = []
        for table in CAPTURED:
            cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(table.bronze))
            filled.append(cursor.fetchone()[0])
    return any(filled)


def _relation(reading: Connection, table: Captured) -> Relation:
    """The table as the stream would describe it."""
    with reading.cursor() as cursor:
        cursor.execute(
            "SELECT attrelid, array_agg(attname::text ORDER BY attnum), "
            "array_agg(atttypid::int ORDER BY attnum) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
            "AND attgenerated = '' GROUP BY attrelid",
            (f'public."{table.name}"',),
        )
        oid, columns, types = cursor.fetchone()
    return Relation(oid, "public", table.name, "f", tuple(columns), tuple(types))


def _rows(reading: Connection, relation: Relation) -> Iterator[list[str | None]]:
    """Every row, each value as the text that PostgreSQL prints."""
    with reading.cursor(name="snapshot") as cursor:
        cursor.itersize = 10_000
        register_type(new_type(relation.types, "TEXT", lambda value, _: value), cursor)
        columns = sql.SQL(", ").join(map(sql.Identifier, relation.columns))
        cursor.execute(
            sql.SQL("SELECT {} FROM {}").format(
                columns, sql.Identifier(relation.schema, relation.name)
            )
        )
        yield from cursor
