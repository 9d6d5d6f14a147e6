"""Bronze as Parquet: each change once, with the watermark, in columns of the source's types."""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from itertools import chain
from typing import Any, BinaryIO, NamedTuple
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from pyarrow import csv, parquet

from medallion_lib import Medallion, server, sqlfile
from medallion_lib.errors import refusal
from medallion_lib.lake import types
from medallion_lib.lake.place import Place
from medallion_lib.lake.query import LOOKED_UP, columns_of, relations, versions
from medallion_lib.lake.query import batch as going_on
from medallion_lib.silver.merge import UNFIT
from medallion_lib.silver.shape import Shape
from medallion_lib.source.catalog import Catalog
from medallion_lib.steps import step
from medallion_lib.tables import Table, Tables, is_there

BUFFER = 1 << 20  # bytes that are read and sent together
BLOCK = 1 << 24  # bytes of text that become one group of rows
SYSTEM = {"lsn": pa.int64(), "seq": pa.int32(), "op": pa.string(), "commit_ts": types.UTC,
          "load_ts": types.UTC}  # fmt: skip


class Exported(NamedTuple):
    """What one export did to one table."""

    table: str
    rows: int  # changes written now
    is_anew: bool  # whether all there are, because its columns are others now


def export(lab: Medallion, url: str | os.PathLike[str]) -> list[Exported]:
    """Write what bronze has and the lake has not, as Parquet, each change once.

    The lake is at `url`, a directory or what fsspec knows. A table whose columns changed is written
    anew as a whole. Raises MedallionError where the lake is another warehouse's, or a value or key
    can't be held there.
    """
    place = Place(url)
    with server.session(lab.warehouse_url) as cursor, server.session(lab.source_url) as at_source:
        server.only_one(cursor, "export")
        cursor.execute("SELECT lsn, commit_ts FROM meta.watermark WHERE stage = 'capture'")
        if not (reached := cursor.fetchone()):
            raise refusal("nothing captured")
        before = place.read("bronze") or {"lsn": 0, "tables": {}}
        catalog, tables, done = Catalog(at_source, ()), {}, []
        for table in (kept := Tables.read(cursor)).each:
            if table.is_pending or not is_there(cursor, table.bronze):
                continue
            if not (shape := _shape(cursor, catalog, table)).types:
                continue
            name = ".".join(table.bronze.strings)
            known = before["tables"].get(name)
            told, rows, is_anew = _exported(cursor, place, shape, known, before["lsn"], reached[0])
            tables[name] = told
            done.append(Exported(table.shown, rows, is_anew))
        step("export written")
        facts = {"lsn": reached[0], "commit_ts": reached[1] and reached[1].isoformat(),
                 "tables": tables, "relations": relations(cursor, kept)}  # fmt: skip
        place.commit("bronze", facts)
        step("export committed")
        files = {file for table in tables.values() for file in table["files"]}
        place.sweep("bronze", files)
    return done


def _shape(cursor: Cursor, catalog: Catalog, table: Table) -> Shape:
    """The columns that a table has in the lake: its history's, else the source's."""
    if table.history and not table.follows and is_there(cursor, table.silver):
        shape = Shape.read(cursor, table)
    elif table.history:  # which its history gets at the next merge
        types_ = {each.name: each.type for each in table.columns}
        kept = {each.name: each for each in table.columns}
        shape = Shape(table, types_, _plain(types_), kept=kept)
    else:
        found = catalog.found(table) if table.is_captured else ()
        types_ = {each.name: each.type for each in found if each.name not in table.excluded}
        return Shape(table, types_, _plain(types_))
    for key in shape.keys:
        if not types.can_be_key(shape.types[key], shape.plain[key]):
            facts = {"column": key, "type": shape.types[key]}
            raise refusal("key not for a lake", table=table.shown_history, **facts)
    return shape


def _plain(types_: dict[str, str]) -> dict[str, str]:
    """Types without length or precision."""
    each = {name: re.sub(r"\(\d+(,\d+)?\)", "", type_) for name, type_ in types_.items()}
    return {name: re.sub("^character(?! var)", "bpchar", type_) for name, type_ in each.items()}


def _exported(
    cursor: Cursor, place: Place, shape: Shape, known: dict[str, Any] | None, since: int, upto: int
) -> tuple[dict[str, Any], int, bool]:
    """A table's part: what the lake is to know of it, the rows written, and whether all anew."""
    columns = columns_of(shape)
    query = versions(cursor, shape) if shape.table.history else None
    is_anew = known is not None and known["columns"] != columns
    if known is None or is_anew:
        known, since = {"files": [], "rows": 0, "last": None}, 0
    _check_same(cursor, place, shape.table, known)
    path = f"bronze/{'.'.join(shape.table.bronze.strings)}/{upto:020}-{uuid4().hex}.parquet"
    batch = {"since": since, "upto": upto}
    cursor.execute("SAVEPOINT before")
    try:
        rows = _write(cursor, place.writing(path), shape, batch, is_first=not known["files"])
    except UNFIT as problem:
        cursor.execute("ROLLBACK TO before")
        if shape.table.history:
            shape.check(cursor, batch)
        reason = problem.diag.message_primary
        raise refusal("value not for a lake", table=shape.table.shown, reason=reason) from problem
    told = {
        "files": [*known["files"], *([path] if rows or not known["files"] else ())],
        "rows": known["rows"] + rows,
        "last": _last(cursor, shape.table, upto),
        "columns": columns,
        "history": shape.table.history and [*shape.table.silver.strings],
        "keys": shape.keys if query else [],
        "query": query,
        "batch": going_on(cursor, shape) if query else [],
    }
    return told, rows, is_anew


def _last(cursor: Cursor, table: Table, upto: int) -> list[Any] | None:
    """The last change before a position, and what it says, by which bronze is known again."""
    cursor.execute(sqlfile.compose("lake/last", bronze=table.bronze), {"upto": upto})
    return next((list(row) for row in cursor), None)


def _check_same(cursor: Cursor, place: Place, table: Table, known: dict[str, Any]) -> None:
    """Raise MedallionError unless bronze begins with what the lake has of it."""
    if (last := known["last"]) and _last(cursor, table, last[0] + 1) != last:
        raise refusal("other lake", url=place.path, table=table.shown)


def _write(
    cursor: Cursor, writing: AbstractContextManager[BinaryIO], shape: Shape,
    batch: dict[str, int], is_first: bool,
) -> int:  # fmt: skip
    """Write a range of a table's changes into a file; the rows.

    Where there are none, there is no file, unless it is the first, which tells of the columns.
    """
    kinds = {name: types.kind(type_) for name, type_ in columns_of(shape).items()}
    columns = {name: kind.type for name, kind in kinds.items()} | {"row_hash": pa.int64()}
    row = pa.struct(columns.items())
    schema, rows, is_fit = pa.schema([*SYSTEM.items(), ("full_row", row)]), 0, True
    with ExitStack() as stack:
        parts, writer = _read(cursor, shape, kinds, batch), None
        for part in chain([None] if is_first else (), parts):
            if writer is None:
                writer = parquet.ParquetWriter(stack.enter_context(writing), schema)
                stack.enter_context(writer)
            if part:
                values = [part[f"row {name}"] for name in columns]
                is_none = pc.equal(part["op"], "T")
                full_row = pa.StructArray.from_arrays(values, fields=list(row), mask=is_none)
                each = [*(part[name] for name in SYSTEM), full_row]
                writer.write_batch(pa.record_batch(each, schema=schema))
                is_fit = is_fit and pc.all(part["is_fit"]).as_py()
                rows += part.num_rows
    if not is_fit:
        shape.check(cursor, batch)
    if rows or is_first:
        step("export file written")
    return rows


def _read(
    cursor: Cursor, shape: Shape, kinds: dict[str, types.Kind], batch: dict[str, int]
) -> Iterator[pa.RecordBatch]:
    """The changes, as many at a time as are some megabytes of text."""
    columns = {**SYSTEM, "is_fit": pa.bool_(), "row row_hash": pa.int64(),
               **{f"row {name}": kind.type for name, kind in kinds.items()}}  # fmt: skip
    is_fit, row_hash = sql.SQL("true"), sql.SQL("NULL")
    if shape.table.history:
        is_fit = sql.SQL(" AND ").join([shape.is_complete(), shape.are_exact()])
        row_hash = sql.SQL("meta.row_hash({})").format(shape.texts())
    copy = sqlfile.compose(
        "lake/changes",
        bronze=shape.table.bronze,
        since=sql.Literal(batch["since"]),
        upto=sql.Literal(batch["upto"]),
        row=shape.row(),
        is_fit=is_fit,
        row_hash=row_hash,
        values=sqlfile.each(kind.value(_value(shape, name)) for name, kind in kinds.items()),
    )
    reading = csv.ReadOptions(column_names=list(columns), block_size=BLOCK)
    parsing = csv.ParseOptions(newlines_in_values=True)
    converting = csv.ConvertOptions(
        column_types=columns, null_values=[""], true_values=["t"], false_values=["f"],
        strings_can_be_null=True, quoted_strings_can_be_null=False,
    )  # fmt: skip
    out, back = os.pipe()
    with ThreadPoolExecutor(1) as beside, open(out, "rb", BUFFER) as text:
        sent = beside.submit(_send, cursor, copy, back)
        try:
            if text.peek(1):  # a reader of nothing fails
                yield from csv.open_csv(text, reading, parsing, converting)
        except pa.ArrowInvalid as problem:
            raise refusal("value not for a lake", table=shape.table.shown, reason=problem) from None
        sent.result()


def _send(source: Cursor, sending: sql.Composable, end: int) -> None:
    with open(end, "wb", BUFFER) as lines:
        source.copy_expert(sending, lines, size=BUFFER)


def _value(shape: Shape, name: str) -> sql.Composable:
    """The value as silver has it, once it has been checked to be so."""
    if name == LOOKED_UP:
        return sql.SQL("full_row ? {}").format(sql.Literal(name))
    if name not in shape.types:
        found = sql.Literal(name.removeprefix(f"{LOOKED_UP} "))
        type_ = sql.SQL(columns_of(shape)[name])
        return sql.SQL("(full_row -> {} ->> {})::{}").format(sql.Literal(LOOKED_UP), found, type_)
    exact = sql.SQL("{}::{}").format(shape.value(name), sql.SQL(shape.types[name]))
    return sql.SQL("CASE WHEN op <> 'T' THEN {} END").format(exact)
