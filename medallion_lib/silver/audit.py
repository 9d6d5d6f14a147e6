"""Is silver what the source says, and what bronze says? Both answered row by row."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection, cursor as Cursor
from sqlalchemy import URL

from medallion_lib import (
    capture, databases, merge, pgoutput, server, slot, sqlfile, tables, versioned,
)  # fmt: skip
from medallion_lib.catalog import Catalog
from medallion_lib.errors import Unconfirmed, refusal
from medallion_lib.landing import BATCH_ROWS, Watermark
from medallion_lib.progress import Progress
from medallion_lib.shape import Shape


def verify(source: URL, warehouse: Connection, progress: Progress) -> list[str]:
    """Capture and merge up to one position, and compare silver's current rows with the source's.

    Each difference is a line of text: a row that is missing, one too many, a value that differs;
    and a key with two current rows, or with versions that overlap.
    """
    with warehouse.cursor() as cursor:
        for work in ("capture", "merge"):  # nobody else may move silver on
            server.only_one(cursor, work, until="")
        if (watermark := Watermark.read(cursor)) is None:
            raise refusal("nothing captured")
        with server.session(source, autocommit=True) as at_source:
            slot.check(at_source, watermark)
        with slot.replicating(source) as stream:
            point, exported = slot.create(stream, f"{watermark.slot}_verify", "TEMPORARY")
            with capture.exporting(source, exported) as shop:
                cursor.execute("CREATE TEMP TABLE source_row (source text, full_row jsonb)")
                _copy(Catalog(shop, watermark.captured), cursor)
        warehouse.commit()
        capture.capture(source, warehouse, watermark, progress)
        merge.merge(warehouse, upto=point + watermark.ahead)
        merged = [table for table in tables.versioned_in(cursor)
                  if tables.captured_of(table, watermark.captured)]  # fmt: skip
        found = [line for table in merged for line in _differences(cursor, table)]
        cursor.execute("DROP TABLE source_row")
        warehouse.commit()
        return found


def _copy(catalog: Catalog, into: Cursor) -> None:
    """The source's rows, as JSON like bronze's, into the warehouse's temporary table."""
    for table in catalog.tables:
        relation = catalog.relation(table)
        base_types = catalog.base_types(relation)
        write = pgoutput.json_writer(relation.columns, relation.types, base_types)
        rows = map(write, capture.rows(catalog.cursor.connection, table, relation))
        bronze = table.bronze.as_string(into)
        name = re.sub(r"[\t\n\r\\]", lambda found: f"\\x{ord(found[0]):02x}", bronze)
        lines = ("{}\t{}\n".format(name, row.replace("\\", "\\\\")) for row in rows)
        while part := "".join(islice(lines, BATCH_ROWS)):
            into.copy_expert("COPY source_row FROM STDIN", io.StringIO(part), size=1 << 20)


def _differences(cursor: Cursor, table: tables.Versioned) -> Iterator[str]:
    shape = Shape.read(cursor, table)
    columns, keys = [table.key, *shape.tracked], shape.keys
    compared = sql.SQL("({}, ROW(expected.{name})::text, ROW(found.{name})::text)")
    values = [compared.format(sql.Literal(name), name=sql.Identifier(name)) for name in columns]
    places = {
        "silver": table.silver,
        "key": sql.Identifier(table.key),
        "keys": sqlfile.identifiers(keys),
        "is_pair": sqlfile.identifiers(keys, "found.{0} = expected.{0}", " AND "),
        "columns": sqlfile.identifiers(columns),
        "expected": sqlfile.each(map(shape.expected, columns)),
        "values": sqlfile.each(values),
        "source": sql.Literal(table.bronze.as_string(cursor)),
    }
    cursor.execute(sqlfile.compose("verify_current", **places))
    for key, column, at_source, in_silver in cursor.fetchall():
        row = f"{table.shown}, {table.key} {key}"
        if column is None:
            yield f"{row}: {'missing in silver' if at_source else 'not at the source'}"
        else:
            yield f"{row}: {column} is {at_source} at the source, {in_silver} in silver"
    cursor.execute(sqlfile.compose("verify_history", **places))
    for key, problem in cursor.fetchall():
        yield f"{table.shown}, {table.key} {key}: {problem}"


class Rebuilt(NamedTuple):
    """How a silver table that was made anew compares with what it was. Counts are rows."""

    table: str
    rows: int
    lost: int  # that were there before and are not now
    gained: int  # that are there now and were not before


def rebuild(warehouse: Connection, yes: bool = False) -> list[Rebuilt]:
    """Drop silver and gold, make them again from their SQL and bronze, and compare: all or nothing.

    Columns that silver.sql has gained or lost are left out of the comparison.
    Raises Unconfirmed, and changes nothing, when history would be lost and `yes` was not said.
    Raises MedallionError, and changes nothing, when relations of somebody else read silver.
    """
    with warehouse, warehouse.cursor() as cursor:
        server.only_one(cursor, "merge")
        cursor.execute("SELECT max(lsn) FROM meta.watermark WHERE stage = 'merge'")
        batch = {"since": 0, "upto": cursor.fetchone()[0] or 0}
        parts = databases.further_in(cursor)
        schemas = ("gold", "silver", *(f"silver_{name}" for name in parts))
        before = [Shape.read(cursor, table) for table in _made(cursor, schemas)]
        for table, *_ in before:
            cursor.execute(sqlfile.compose("rebuild_keep", silver=table.silver, kept=_kept(table)))
        _make_anew(cursor, schemas, parts.values())
        made = _made(cursor, schemas)
        merge.attach_months(cursor, batch, made)
        for table in made:
            merge.merge_table(cursor, table, batch)
        lost = [line for shape in before if not yes and (line := _lost(cursor, shape))]
        if lost:
            raise refusal("history lost", Unconfirmed, lost="\n".join(lost))
        tables.keep(cursor, "merge", versioned=tables.versioned_in(cursor))
        return [_compared(cursor, shape) for shape in before]


def _made(cursor: Cursor, schemas: Sequence[str]) -> list[tables.Versioned]:
    """The silver tables that are made anew: what a process does not declare, it leaves."""
    return [table for table in tables.versioned_in(cursor) if table.schema in schemas]


def _kept(table: tables.Versioned) -> sql.Identifier:
    """Its copy, by a name that none has in another schema either."""
    return sql.Identifier("pg_temp", f"kept {hash(table.silver.strings)}")


def _relations(cursor: Cursor, schemas: Sequence[str]) -> set[str]:
    cursor.execute(sqlfile.read("rebuild_relations"), {"schemas": [*schemas]})
    return {name for (name,) in cursor}


def _make_anew(cursor: Cursor, schemas: Sequence[str], parts: Iterable[str]) -> None:
    before = _relations(cursor, schemas)
    try:
        versioned.drop(cursor.connection)
        names = sqlfile.each(map(sql.Literal, schemas))
        cursor.execute(sqlfile.compose("rebuild_drop", schemas=names))
    except errors.DependentObjectsStillExist as problem:
        raise refusal("silver is read", detail=problem.diag.message_detail) from None
    for name in ("silver", "gold", *parts):
        try:
            cursor.execute(sqlfile.read(name))
        except errors.TooManyColumns as problem:
            reason = problem.diag.message_primary
            raise refusal("row too wide", table=f"{name}.sql", reason=reason) from None
    if lost := before - _relations(cursor, schemas):
        raise refusal("silver holds more", names=", ".join(sorted(lost)))
    versioned.regenerate(cursor.connection)


def _lost(cursor: Cursor, before: Shape) -> str:
    """How many rows a table would lose, with some keys; empty where it is none.

    Where silver.sql has other columns now, versions may be divided or joined: what each said must
    still be said at its beginning and at its end.
    """
    table, now = before.table, Shape.read(cursor, before.table)
    same = [name for name in now.types if now.types[name] == before.types.get(name)]
    parts = {
        "kept": _kept(table),
        "silver": table.silver,
        "key": sql.Identifier(table.key),
        "keys": sqlfile.identifiers(now.keys),
        "values": sqlfile.identifiers(same, "each.{}"),
        "is_same": sql.Literal(now.types.keys() == before.types.keys()),
    }
    cursor.execute(sqlfile.compose("rebuild_lost", **parts))
    count, keys = cursor.fetchone()
    return f"    {table.shown}: {count:,} rows, of {table.key} {', '.join(keys)}" if count else ""


def _compared(cursor: Cursor, before: Shape) -> Rebuilt:
    table, now = before.table, Shape.read(cursor, before.table)
    columns = [name for name in now.types if now.types[name] == before.types.get(name)]
    hashed = ["row_hash"] if now.types == before.types else []
    columns += ["sys_start", "sys_end", *hashed]
    parts = {"kept": _kept(table), "silver": table.silver, "columns": sqlfile.identifiers(columns)}
    cursor.execute(sqlfile.compose("rebuild_compare", **parts))
    return Rebuilt(table.shown, *cursor.fetchone())
