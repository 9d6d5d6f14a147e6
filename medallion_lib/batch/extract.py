"""The nightly job at the source: every row of every table, at one instant, into files."""

import hashlib
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import Medallion, source, sqlfile
from medallion_lib.batch.declared import SOURCES, Column, Landing
from medallion_lib.batch.files import MANIFEST, Promise, pyarrow, write_manifest
from medallion_lib.errors import refusal
from medallion_lib.steps import step
from medallion_lib.tables import Captured


def extract(
    lab: Medallion, directory: str | Path, night: str | datetime | None = None, form: str = "csv"
) -> Path:
    """Write each table's rows to a file of the night's own directory, and what they hold; its path.

    `night` is the instant the rows are true at: of a replayed source, where the replay stands; by
    default now. `form` is csv or parquet. A night that is whole is not extracted again.
    Raises MedallionError where pyarrow is asked for and missing, or a value has no Parquet.
    """
    write = {"csv": _csv, "parquet": _parquet}[form]
    with lab._connected(lab.source_url) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT clock_timestamp()")
        instant = source.instant(night) if night else cursor.fetchone()[0]
        path = Path(directory) / _name(instant)
        if (path / MANIFEST).exists():
            return path
        path.mkdir(parents=True, exist_ok=True)
        for table in SOURCES:  # of an extract that was not finished
            for begun in path.glob(f"{table}.*"):
                begun.unlink()
        promises = {}
        for table in SOURCES.values():
            promises[f"{table.name}.{form}"] = _written(cursor, path, table, form, instant, write)
            step(f"extracted {table.name}")
    write_manifest(path, promises)
    step("extracted all")
    return path


def _name(instant: datetime) -> str:
    """The directory of a night: its day, and the time where it is not midnight (UTC)."""
    utc = instant.astimezone(UTC)
    midnight = f"{utc:%H%M%S%f}" == "0" * 12
    return f"{utc:%Y-%m-%d}" if midnight else f"{utc:%Y-%m-%dT%H-%M-%S.%f}Z"


Writer = Callable[[Cursor, Captured, list[Column]], tuple[bytes, int]]


def _written(
    cursor: Cursor, path: Path, table: Captured, form: str, instant: datetime, write: Writer
) -> Promise:
    data, rows = write(cursor, table, source_columns(cursor, table))
    (path / f"{table.name}.{form}").write_bytes(data)
    return Promise(table.name, instant, rows, hashlib.sha256(data).hexdigest())


def source_columns(at_source: Cursor, table: Captured) -> list[Column]:
    at_source.execute(sqlfile.read("batch/source_columns"), (table.source.as_string(at_source),))
    return list(Landing.of(table.name, at_source.fetchall()).columns.values())


def _select(table: Captured, columns: list[sql.Composable]) -> sql.Composed:
    """Every row in an order of its own, so that the same rows make the same file."""
    select = sql.SQL("SELECT {} FROM {} ORDER BY {}")
    return select.format(sqlfile.each(columns), table.source, sqlfile.identifiers(table.key))


def _csv(cursor: Cursor, table: Captured, columns: list[Column]) -> tuple[bytes, int]:
    file = io.BytesIO()
    query = _select(table, [column.identifier for column in columns])
    cursor.copy_expert(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(query), file)
    return file.getvalue(), cursor.rowcount


def _parquet(cursor: Cursor, table: Captured, columns: list[Column]) -> tuple[bytes, int]:
    """Numbers, booleans, times and lists of text have types of Parquet's; the rest is text."""
    arrow = pyarrow()
    fields = [(column.name, _arrow_type(arrow, column)) for column in columns]
    as_text = sql.SQL("{0}::text AS {0}")
    selected = [column.identifier if type_ else as_text.format(column.identifier)
                for column, (_, type_) in zip(columns, fields, strict=True)]  # fmt: skip
    schema = arrow.schema([(name, type_ or arrow.string()) for name, type_ in fields])
    file = io.BytesIO()
    try:
        cursor.execute(_select(table, selected))
        rows = [dict(zip(schema.names, row, strict=True)) for row in cursor]
        arrow.parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), file)
    except (arrow.ArrowException, ValueError, OverflowError) as problem:
        raise refusal("value without Parquet", table=table.name, reason=problem) from None
    return file.getvalue(), len(rows)


def _arrow_type(arrow: ModuleType, column: Column) -> Any:
    if column.plain == "numeric" and column.type != "numeric":
        digits = column.type.partition("(")[2].rstrip(")").split(",")
        return arrow.decimal128(*map(int, digits))
    return {
        "smallint": arrow.int16(), "integer": arrow.int32(), "bigint": arrow.int64(),
        "boolean": arrow.bool_(), "date": arrow.date32(), "text[]": arrow.list_(arrow.string()),
        "timestamp with time zone": arrow.timestamp("us", "UTC"),
    }.get(column.type)  # fmt: skip
