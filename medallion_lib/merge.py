"""Bronze to silver: one generated, set-based statement per table, all to one common position."""

from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection, cursor as Cursor

from medallion_lib import server, sqlfile
from medallion_lib.errors import refusal
from medallion_lib.steps import step
from medallion_lib.tables import CAPTURED, VERSIONED, Versioned


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
    latest = sqlfile.each((table.bronze for table in CAPTURED), part, " UNION ALL ")
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
    cursor.execute(sqlfile.read("columns"), (f"silver.{table.name}",))
    types = dict(cursor.fetchall())
    tracked = [name for name in types if name not in (table.key, *table.carried)]
    columns = [*tracked, *table.carried]

    def value(row: str, name: str) -> sql.Composed:
        text = sql.SQL("({}full_row ->> {})::{}")
        return text.format(sql.SQL(row), table.source_column(name), sql.SQL(types[name]))

    pair = sql.SQL("{}, full_row -> {}")
    pairs = [pair.format(sql.Literal(name), table.source_column(name)) for name in tracked]
    named = sql.SQL("{} AS {}")
    values = [named.format(value("version.", name), sql.Identifier(name)) for name in tracked]
    carried = [sql.Identifier("carried", name) for name in table.carried]
    in_month = "AND hist.{0} = (newest.before).{0}" if table.by_month else ""
    return sqlfile.compose(
        "merge",
        before=sql.SQL("now" if table.by_month else "NULL"),
        in_month=sql.SQL(in_month).format(sql.Identifier(table.by_month or "-")),
        silver=table.silver,
        bronze=table.bronze,
        key=sql.Identifier(table.key),
        key_value=value("", table.key),
        tracked=sqlfile.each(pairs),
        values=sqlfile.each([*values, *carried]),
        carry=sql.SQL(sqlfile.read(f"carry_{table.name}") if carried else ""),
        columns=sqlfile.identifiers(columns),
        newest_values=sqlfile.identifiers(columns, "newest.{}"),
        old_values=sqlfile.identifiers(columns, "old.{}"),
        assignments=sqlfile.identifiers(columns, "{0} = newest.{0}"),
    )
