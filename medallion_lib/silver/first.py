"""A history's first versions, of a snapshot's rows: read and taken by a connection each.

They are read from bronze or, where the source's server makes the same of them, from its table,
which takes half the time.
"""

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import server, sqlfile
from medallion_lib.bronze import piped
from medallion_lib.silver.shape import Shape
from medallion_lib.source.catalog import Catalog
from medallion_lib.source.rows import PRINTED, joined
from medallion_lib.steps import step

# Types whose text needs no escape in JSON.
BARE = ("smallint", "integer", "bigint", "numeric", "boolean", "uuid", "date")
CAST = (*BARE, "text", "character varying")  # whose cast to text is their text in bronze
# Types whose binary form is read as it was written: an empty tsquery's, for one, is not.
BINARY = (*CAST, "bpchar", "jsonb", "timestamp with time zone")
HASHED = """SELECT hashtextextended(current_setting('server_encoding') COLLATE "C", 0)"""
AMISS = (psycopg2.DataError, psycopg2.IntegrityError, psycopg2.ProgrammingError,
         errors.ProgramLimitExceeded, errors.LockNotAvailable,
         errors.DependentObjectsStillExist)  # fmt: skip


class _Read(Shape):
    """A history whose values a query has read from bronze, as texts under their names."""

    def text(self, name: str, row: str = "") -> sql.Composable:
        return sql.Identifier("read", name)

    def _is_exact(self, name: str) -> sql.Composed | None:
        """COPY refuses a character(n) that is too long; blanks at its end are none."""
        return None if self.plain[name] == "bpchar" else super()._is_exact(name)


class _AtSource(Shape):
    """A history whose values stand in the source's table, as of the snapshot."""

    def text(self, name: str, row: str = "") -> sql.Composable:
        return sql.SQL("{}::text" if self.plain[name] in CAST else PRINTED).format(self.value(name))

    def value(self, name: str, row: str = "") -> sql.Identifier:
        return sql.Identifier(*self.table.in_bronze(name))


def begun(cursor: Cursor, shape: Shape, batch: dict[str, Any]) -> tuple[int, int] | None:
    """Begin a history with a snapshot's rows alone; events and rows. None where it is otherwise.

    It takes a fraction of the time. Where anything is amiss, the general statement says what: all
    since the savepoint `before` is undone.
    """
    table = shape.table
    if table.by_month or table.lookups:  # whose key does not tell one row twice, or whose rows wait
        return None
    parts = {"bronze": table.bronze, "silver": table.silver}
    cursor.execute(sqlfile.compose("silver/first_found", **parts), batch)
    if not (found := cursor.fetchone()):
        return None
    first, at, events, rows = found
    if at_source := batch.get("at_source"):
        at_source.execute("SAVEPOINT before")
    with suppress(*AMISS):
        if _taken(cursor, shape, first, at, at_source) == rows:
            return events, rows
    for each in filter(None, (cursor, at_source)):
        each.execute("ROLLBACK TO before")
    return None


def _taken(
    cursor: Cursor, shape: Shape, first: int, at: datetime, at_source: Cursor | None
) -> int | None:  # fmt: skip
    """Take the rows of a position. Of rows that are there, a key is made in less time.

    None without a primary key: nothing else says that no key's row is taken twice.
    """
    silver = shape.table.silver
    facts = {"silver": silver.as_string(cursor), "at": at}
    cursor.execute(sqlfile.compose("silver/first_altered", silver=silver), facts)
    if not (found := cursor.fetchone()):
        return None
    before, after = found
    form = sql.SQL("binary" if _is_plain(shape) else "text")
    taking = sql.SQL("COPY {} ({}, row_hash) FROM STDIN (FORMAT {})")
    taking = taking.format(silver, sqlfile.identifiers(shape.from_source), form)
    cursor.execute(before)
    if at_source and _is_alike(cursor, shape, at_source):
        rows = piped.copied(at_source, sending(shape), cursor, taking, lambda more: None)
    else:
        with server.beside(cursor.connection) as reader:  # which sees what has been committed
            read = reading(shape, first, form)
            rows = piped.copied(reader, read, cursor, taking, lambda more: None)
    step("first rows taken")
    cursor.execute(after)
    return rows


def _is_plain(shape: Shape) -> bool:
    return all(shape.plain[name] in BINARY for name in shape.from_source)


def _is_alike(cursor: Cursor, shape: Shape, at_source: Cursor) -> bool:
    """Whether the source has all columns as the history has them, and makes the same hashes.

    Those are of bytes: in another encoding, or by a processor that orders them otherwise, a row
    has another.
    """
    table, catalog, hashes = shape.table, Catalog(at_source, ()), set()
    for each in (cursor, at_source):
        each.execute(HASHED)
        hashes |= {*each}
    columns = catalog.relation(table).columns
    landing = {*columns} - catalog.excluded(table, columns)
    at_source.execute(sqlfile.read("silver/columns"), (table.source.as_string(at_source),))
    there = {(name,): type_ for name, type_, *_ in at_source if name in landing}
    return len(hashes) == 1 and _is_plain(shape) and all(
        there.get(table.in_bronze(name)) == shape.types[name] for name in shape.from_source
    )  # fmt: skip


def sending(shape: Shape) -> sql.Composed:
    """What reads the source's rows as versions."""
    read = _AtSource(*shape)
    return sqlfile.compose(
        "silver/first_sent",
        values=sqlfile.each(map(read.value, shape.from_source)),
        row_hash=_row_hash(read),
        table=shape.table.source,
    )


def reading(shape: Shape, first: int, form: sql.SQL) -> sql.Composed:
    """What reads the rows of a snapshot's position as versions, in a form of COPY's."""
    read, named = _Read(*shape), sql.SQL("{} AS {}")
    texts = (named.format(shape.text(name), sql.Identifier(name)) for name in shape.from_source)
    return sqlfile.compose(
        "silver/first",
        bronze=shape.table.bronze,
        first=sql.Literal(first),
        row=shape.row(),
        is_complete=shape.is_complete(),
        texts=sqlfile.each(texts),
        values=sqlfile.each(map(read.value, shape.from_source)),
        row_hash=_row_hash(read),
        is_exact=read.are_exact(),
        form=form,
    )


def _row_hash(shape: Shape) -> sql.Composed:
    """The row's hash. The text of jsonb is put together where that is plain: in half the time.

    Its members are by the length of their names, then by their bytes; one that is null is none.
    """
    columns = {kept.hashed or kept.name: kept for kept in map(shape.column, shape.from_source)}
    if any(kept.missing is not None or not name.isascii() for name, kept in columns.items()):
        whole = sql.SQL("hashtextextended(jsonb_strip_nulls({})::text, 0)")
        return whole.format(shape.texts())
    members, comma = [sql.Literal("{")], ("", ", ")
    for name in sorted(columns, key=lambda name: (len(name), name)):
        of = columns[name].name
        is_bare = shape.plain[of] in BARE
        member = "{} || {} || {}" if is_bare else "{} || to_json({})::text || {}"
        if of in shape.keys and comma[1]:  # which is never null: each other has a comma towards it
            comma, ends = (", ", ""), ("", "")
        else:
            member, ends = f"coalesce({member}, '')", comma
        start, end = json.dumps(name) + (': "' if is_bare else ": "), '"' * is_bare + ends[1]
        parts = sql.Literal(ends[0] + start), shape.text(of), sql.Literal(end)
        members.append(sql.SQL(member).format(*parts))
    text = joined([*members, sql.Literal("}")])
    return sql.SQL('hashtextextended({} COLLATE "C", 0)').format(text)
