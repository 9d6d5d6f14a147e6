"""Bronze to silver: one generated, set-based statement per table, all to one common position."""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection, cursor as Cursor

from medallion_lib import server, sqlfile
from medallion_lib.errors import refusal
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
        batch = _batch(cursor, upto)
        for table in VERSIONED:
            if table.by_month:
                _attach_months(cursor, table, batch)
    with warehouse, warehouse.cursor() as cursor:
        batch = _batch(cursor, batch["upto"])
        done = []
        for table in VERSIONED:
            cursor.execute(statement(cursor, table), batch)
            done.append(Merged(table.name, *cursor.fetchone()))
            step(f"merged {table.name}")
        _write_watermark(cursor, batch)
        step("merge watermark written")
    step("merge committed")
    return done


def _batch(cursor: Cursor, upto: int | None) -> dict[str, int]:
    """The positions to merge `after` and `upto`. Takes the lock that keeps a second merge out."""
    server.only_one(cursor, "merge")
    cursor.execute("SELECT stage, lsn FROM meta.watermark")
    reached = {"merge": 0, "capture": 0} | dict(cursor.fetchall())
    upto = reached["capture"] if upto is None else min(upto, reached["capture"])
    return {"after": reached["merge"], "upto": max(upto, reached["merge"])}


def _write_watermark(cursor: Cursor, batch: dict[str, int]) -> None:
    part = "(SELECT commit_ts FROM {} WHERE lsn <= %(upto)s ORDER BY lsn DESC, seq DESC LIMIT 1)"
    parts = [sql.SQL(part).format(table.bronze) for table in CAPTURED]
    latest = sql.SQL(" UNION ALL ").join(parts)
    cursor.execute(sqlfile.compose("merge_watermark", latest=latest), batch)


def _attach_months(cursor: Cursor, table: Versioned, batch: dict[str, int]) -> None:
    """Give this batch's months their partitions."""
    call = "CALL meta.attach_months(%s, %s, %s, %s, %s)"
    bronze = table.bronze.as_string(cursor)
    try:
        cursor.execute(call, (table.name, bronze, table.by_month, *batch.values()))
    except errors.LockNotAvailable:
        raise refusal("month kept waiting", table=table.name) from None


def statement(cursor: Cursor, table: Versioned) -> sql.Composed:
    """The table's MERGE, generated from its declaration and its columns in the database."""
    types = _column_types(cursor, table)
    tracked = [name for name in types if name not in (table.key, *table.carried)]
    columns = [*tracked, *table.carried]

    def value(row: str, name: str) -> sql.Composed:
        text = sql.SQL("({}full_row ->> {})::{}")
        return text.format(sql.SQL(row), table.source_column(name), sql.SQL(types[name]))

    def each(names: list[str], pattern: str) -> sql.Composed:
        part = sql.SQL(pattern)
        return _list([part.format(name=sql.Identifier(name)) for name in names])

    pair = sql.SQL("{}, full_row -> {}")
    pairs = [pair.format(sql.Literal(name), table.source_column(name)) for name in tracked]
    values = [
        sql.SQL("{} AS {}").format(value("version.", name), sql.Identifier(name)) for name in tracked
    ]
    in_month = "AND hist.{0} = (newest.before).{0}" if table.by_month else ""
    return sqlfile.compose(
        "merge",
        before=sql.SQL("now" if table.by_month else "NULL"),
        in_month=sql.SQL(in_month).format(sql.Identifier(table.by_month or "-")),
        silver=table.silver,
        bronze=table.bronze,
        key=sql.Identifier(table.key),
        key_value=value("", table.key),
        tracked=sql.SQL("jsonb_build_object({})").format(_list(pairs)),
        values=_list([*values, *(sql.Identifier("carried", name) for name in table.carried)]),
        carry=sql.SQL(sqlfile.read(table.carry) if table.carry else ""),
        columns=each(columns, "{name}"),
        newest_values=each(columns, "newest.{name}"),
        old_values=each(columns, "old.{name}"),
        assignments=each(columns, "{name} = newest.{name}"),
    )


def _list(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


def _column_types(cursor: Cursor, table: Versioned) -> dict[str, str]:
    cursor.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (f"silver.{table.name}",),
    )
    return {name: kind for name, kind in cursor.fetchall() if name not in SYSTEM_COLUMNS}
