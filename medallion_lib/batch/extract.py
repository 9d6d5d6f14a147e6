"""The nightly job at the source: write every row of every table, read at one instant, to files."""

import hashlib
import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

from psycopg2 import extensions, sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import Medallion, sqlfile
from medallion_lib.batch.declared import SOURCES, Column
from medallion_lib.batch.files import MANIFEST, Promise, pyarrow, write_manifest
from medallion_lib.errors import refusal
from medallion_lib.instants import instant
from medallion_lib.shop import year
from medallion_lib.steps import step
from medallion_lib.tables import Table


def extract(
    lab: Medallion, directory: str | Path, night: str | datetime | None = None, form: str = "csv"
) -> Path:
    """Write each table to a file in the night's own directory, then a manifest. Returns its path.

    `night` is the instant at which the rows are true: by default now; in a replay, where it stands.
    `form` is csv or parquet. A night with a manifest is not extracted again.
    Raises MedallionError if the source's rows are not those of `night`, if pyarrow is needed and
    missing, or if Parquet can't hold a value.
    """
    if (write := {"csv": _csv, "parquet": _parquet}.get(form)) is None:
        raise refusal("no such form", form=form)
    with lab._connected(lab.source_url) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT clock_timestamp()")
        now = cursor.fetchone()[0]
        at = now if night is None else instant(night)
        path = Path(directory) / _name(at)
        if (path / MANIFEST).exists():
            return path
        _check_night(cursor, at, now)
        path.mkdir(parents=True, exist_ok=True)
        for table in SOURCES:  # of an extract that was not finished
            for begun in path.glob(f"{table}.*"):
                begun.unlink()
        promises = {}
        for table in SOURCES.values():
            promises[f"{table.name}.{form}"] = _written(cursor, path, table, form, at, write)
            step(f"extracted {table.name}")
    write_manifest(path, promises)
    step("extracted all")
    return path


def _check_night(cursor: Cursor, night: datetime, now: datetime) -> None:
    """Raise MedallionError if the source knows that its rows are not those of `night`."""
    since, until = None, now
    cursor.execute("SELECT to_regclass('replay.clock') IS NOT NULL")
    if cursor.fetchone()[0] and night < now:
        cursor.execute(sqlfile.read("batch/night"), (year.END,))
        since, until = cursor.fetchone()
    if since and night < since:
        raise refusal("night over", night=night, since=since)
    if until and night > until:
        raise refusal("night not reached", night=night, until=until)


def _name(instant: datetime) -> str:
    """Name a night's directory: its day, and its time if that is not midnight (UTC)."""
    utc = instant.astimezone(UTC)
    midnight = f"{utc:%H%M%S%f}" == "0" * 12
    return f"{utc:%Y-%m-%d}" if midnight else f"{utc:%Y-%m-%dT%H-%M-%S.%f}Z"


Writer = Callable[[Cursor, Table, list[Column]], tuple[bytes, int]]


def _written(
    cursor: Cursor, path: Path, table: Table, form: str, instant: datetime, write: Writer
) -> Promise:
    data, rows = write(cursor, table, source_columns(cursor, table))
    (path / f"{table.name}.{form}").write_bytes(data)
    return Promise(table.name, instant, rows, hashlib.sha256(data).hexdigest())


def source_columns(at_source: Cursor, table: Table) -> list[Column]:
    of = (table.source.as_string(at_source),)
    rows = sqlfile.run(at_source, "source/columns", of)
    return [Column(name, type_, *plain) for _, name, type_, _, _, _, *plain in rows]


def _select(table: Table, columns: list[sql.Composable]) -> sql.Composed:
    """Select every row in the order of the key, so that the same rows make the same file."""
    select = sql.SQL("SELECT {} FROM {} ORDER BY {}")
    return select.format(sqlfile.each(columns), table.source, sqlfile.identifiers(table.key))


def _csv(cursor: Cursor, table: Table, columns: list[Column]) -> tuple[bytes, int]:
    file = io.BytesIO()
    query = _select(table, [column.identifier for column in columns])
    cursor.copy_expert(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(query), file)
    return file.getvalue(), cursor.rowcount


# As the server prints them: psycopg2 has no date that is infinite, and no array from another bound.
_PRINTED = extensions.new_type(tuple(extensions.string_types), "PRINTED", lambda text, _: text)


def _parquet(cursor: Cursor, table: Table, columns: list[Column]) -> tuple[bytes, int]:
    """Write numbers, booleans, times and lists of text in Parquet's types, the rest as text."""
    arrow = pyarrow()
    with cursor.connection.cursor() as printing:
        extensions.register_type(_PRINTED, printing)
        printing.execute(_select(table, [column.identifier for column in columns]))
        rows, made = printing.fetchall(), {}
    for place, column in enumerate(columns):
        type_, read = _arrow_type(arrow, column)
        try:
            values = [None if row[place] is None else read(row[place]) for row in rows]
            made[column.name] = arrow.array(values, type_)
        except (arrow.ArrowException, ValueError) as problem:
            reason = f"{column.name}: {problem}"
            raise refusal("value without Parquet", table=table.name, reason=reason) from None
    file = io.BytesIO()
    arrow.parquet.write_table(arrow.table(made), file)
    return file.getvalue(), len(rows)


def _arrow_type(arrow: ModuleType, column: Column) -> tuple[Any, Callable[[str], Any]]:
    """Return the column's type in Parquet, and what reads PostgreSQL's text as such a value."""
    if column.plain == "numeric" and column.type != "numeric":
        precision, scale = map(int, column.type[len("numeric(") : -1].split(","))
        if precision <= 38 and 0 <= scale <= precision:  # what Parquet has
            return arrow.decimal128(precision, scale), Decimal
    return {
        "smallint": (arrow.int16(), int), "integer": (arrow.int32(), int),
        "bigint": (arrow.int64(), int), "boolean": (arrow.bool_(), "t".__eq__),
        "date": (arrow.date32(), date.fromisoformat),
        "timestamp with time zone": (arrow.timestamp("us", "UTC"), datetime.fromisoformat),
        "text[]": (arrow.list_(arrow.string()), _list),
    }.get(column.type, (arrow.string(), str))  # fmt: skip


def _list(printed: str) -> list[str | None]:
    if printed.startswith(("[", "{{")):
        raise ValueError(f"{printed} has several dimensions, or does not begin at 1")
    return extensions.UNICODEARRAY(printed, None)
