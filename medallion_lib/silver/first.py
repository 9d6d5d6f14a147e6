"""A history's first versions, of a snapshot's rows: read and taken by a connection each."""

import json
from contextlib import suppress
from datetime import datetime

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import server, sqlfile
from medallion_lib.bronze import piped
from medallion_lib.silver.shape import Shape
from medallion_lib.steps import step

# Types whose text needs no escape in JSON.
BARE = ("smallint", "integer", "bigint", "numeric", "boolean", "uuid", "date")
# Types whose binary form is read as it was written: an empty tsquery's, for one, is not.
BINARY = (*BARE, "text", "character varying", "bpchar", "jsonb", "timestamp with time zone")
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


def begun(cursor: Cursor, shape: Shape, batch: dict[str, int]) -> tuple[int, int] | None:
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
    with suppress(*AMISS):
        if _taken(cursor, shape, first, at) == rows:
            return events, rows
    cursor.execute("ROLLBACK TO before")
    return None


def _taken(cursor: Cursor, shape: Shape, first: int, at: datetime) -> int | None:
    """Take the rows of a position. Of rows that are there, a key is made in less time.

    None without a primary key: nothing else says that no key's row is taken twice.
    """
    silver = shape.table.silver
    facts = {"silver": silver.as_string(cursor), "at": at}
    cursor.execute(sqlfile.compose("silver/first_altered", silver=silver), facts)
    if not (found := cursor.fetchone()):
        return None
    before, after = found
    is_plain = all(shape.plain[name] in BINARY for name in shape.from_source)
    form = sql.SQL("binary" if is_plain else "text")
    taking = sql.SQL("COPY {} ({}, row_hash) FROM STDIN (FORMAT {})")
    taking = taking.format(silver, sqlfile.identifiers(shape.from_source), form)
    cursor.execute(before)
    with server.beside(cursor.connection) as reader:  # which sees what has been committed
        rows = piped.copied(reader, reading(shape, first, form), cursor, taking, lambda more: None)
    step("first rows taken")
    cursor.execute(after)
    return rows


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
        return sql.SQL("meta.row_hash({})").format(shape.texts())
    members = []
    for name in sorted(columns, key=lambda name: (len(name), name)):
        is_bare = shape.plain[columns[name].name] in BARE
        member = "{} || ({}) || '\"'" if is_bare else "{} || to_json({})::text"
        start = json.dumps(name) + (': "' if is_bare else ": ")
        members.append(sql.SQL(member).format(sql.Literal(start), shape.text(columns[name].name)))
    # An array of the members takes longer, but a function has 100 arguments at most.
    joined = "concat_ws(', ', {})" if len(members) < 100 else "array_to_string(ARRAY[{}], ', ')"
    whole = f"hashtextextended('{{{{' || {joined} || '}}}}', 0)"
    return sql.SQL(whole).format(sqlfile.each(members))
