"""Bronze to silver: one generated, set-based statement per table, all to one common position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import MedallionError
from medallion_lib.steps import step
from medallion_lib.tables import CAPTURED, VERSIONED, Versioned

SYSTEM_COLUMNS = ("row_hash", "sys_start", "sys_end", "sys_period")


class Merged(NamedTuple):
    """What one merge did to one silver table. Counts are rows."""

    table: str
    events: int  # bronze rows read
    inserted: int  # keys that are new, or back
    updated: int  # current rows that became the newest version
    closed: int  # current rows ended by a delete
    history: int  # versions written that are already over


def merge(warehouse: Connection, upto: int | None = None) -> list[Merged]:
    """Bring all silver tables to one position: `upto`, an LSN, at most what capture has landed.

    One transaction; merging again, or in other batches, gives the same rows.
    Raises MedallionError when another merge is running or a reader blocks a new month.
    """
    with warehouse, warehouse.cursor() as cursor:
        after, upto = _range(cursor, upto)
        if after >= upto:
            return [Merged(table.name, 0, 0, 0, 0, 0) for table in VERSIONED]
    for table in VERSIONED:
        with warehouse, warehouse.cursor() as cursor:
            _attach_months(cursor, table, after, upto)
    with warehouse, warehouse.cursor() as cursor:
        after, upto = _range(cursor, upto)
        done = []
        for table in VERSIONED:
            cursor.execute(statement(cursor, table), {"after": after, "upto": upto})
            done.append(Merged(table.name, *cursor.fetchone()))
            step(f"merged {table.name}")
        _write_watermark(cursor, upto)
        step("merge watermark written")
    step("merge committed")
    return done


def _range(cursor: Cursor, upto: int | None) -> tuple[int, int]:
    """The positions to merge after and up to. Takes the lock that keeps a second merge out."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('medallion.merge'))")
    if not cursor.fetchone()[0]:
        raise MedallionError(
            "Another merge is running on this warehouse. Wait for it, then\n"
            "    python -m medallion_lib merge"
        )
    cursor.execute("SELECT stage, lsn FROM meta.watermark")
    reached = dict(cursor.fetchall())
    captured = reached.get("capture", 0)
    return reached.get("merge", 0), captured if upto is None else min(upto, captured)


def _write_watermark(cursor: Cursor, upto: int) -> None:
    latest = sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "(SELECT commit_ts FROM {} WHERE lsn <= %(upto)s ORDER BY lsn DESC, seq DESC LIMIT 1)"
        ).format(table.bronze)
        for table in CAPTURED
    )
    cursor.execute(sqlfile.compose("merge_watermark", latest=latest), {"upto": upto})


def _attach_months(cursor: Cursor, table: Versioned, after: int, upto: int) -> None:
    """Give this batch's months their partitions; the name of one is its table's and its month."""
    if table.by_month is None:
        return
    missing = sqlfile.compose("missing_months", bronze=table.bronze)
    place = {"after": after, "upto": upto, "table": table.name}
    cursor.execute(missing, place | {"column": table.by_month})
    months = cursor.fetchall()
    cursor.execute("SET LOCAL lock_timeout = '5s'")
    for month, first_day, next_month in months:
        try:
            cursor.execute(sqlfile.compose(
                "partition",
                table=table.silver,
                partition=sql.Identifier("silver", f"{table.name}_{month}"),
                meaning=sql.Literal(f"{table.name} of {month.replace('_', '-')} (UTC)."),
                first_day=sql.Literal(first_day),
                next_month=sql.Literal(next_month),
            ))  # fmt: skip
        except errors.LockNotAvailable:
            raise MedallionError(
                f"A query that reads {table.name} kept its new month {month} waiting for 5 s.\n"
                "Nothing was changed. Let the query end, then\n    python -m medallion_lib merge"
            ) from None


def statement(cursor: Cursor, table: Versioned) -> sql.Composed:
    """The table's MERGE, generated from its declaration and its columns in the database."""
    types = _column_types(cursor, table)
    tracked = [name for name in types if name not in (table.key, *table.carried)]
    columns = [*tracked, *table.carried]

    def source(name: str) -> str:
        return table.renamed.get(name, name)

    def value(row: str, name: str) -> sql.Composed:
        return sql.SQL("({}full_row ->> {})::{}").format(
            sql.SQL(row), sql.Literal(source(name)), sql.SQL(types[name])
        )

    pairs = [
        sql.SQL("{}, full_row -> {}").format(sql.Literal(name), sql.Literal(source(name)))
        for name in tracked
    ]
    values = [
        sql.SQL("{} AS {}").format(value("version.", name), sql.Identifier(name))
        for name in tracked
    ] + [sql.Identifier("carried", name) for name in table.carried]
    return sqlfile.compose(
        "merge",
        silver=table.silver,
        bronze=table.bronze,
        key=sql.Identifier(table.key),
        key_value=value("", table.key),
        tracked=sql.SQL("jsonb_build_object({})").format(_list(pairs)),
        values=_list(values),
        carry=sql.SQL(sqlfile.read(table.carry) if table.carry else ""),
        columns=_list([sql.Identifier(name) for name in columns]),
        newest_values=_list([sql.Identifier("newest", name) for name in columns]),
        old_values=_list([sql.Identifier("old", name) for name in columns]),
        assignments=_list([
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier("newest", name))
            for name in columns
        ]),
    )  # fmt: skip


def _list(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


def _column_types(cursor: Cursor, table: Versioned) -> dict[str, str]:
    cursor.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (f"silver.{table.name}",),
    )
    return {name: kind for name, kind in cursor.fetchall() if name not in SYSTEM_COLUMNS}
