"""Silver's tables follow the columns of their source, with the views and functions above them."""

from collections.abc import Iterator, Sequence

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.silver.shape import Shape
from medallion_lib.source.types import widens
from medallion_lib.tables import Column, Table

Pair = tuple[Column, str | None, str]  # see _pairs
# What PostgreSQL says where something of the user's is in the way, or can't be made again.
UNFOLLOWED = psycopg2.ProgrammingError, psycopg2.NotSupportedError, psycopg2.InternalError


def follow(cursor: Cursor, table: Table) -> None:
    """Give a history that is made of columns those that its table has now, in this transaction.

    A view above a column that is renamed goes on under its own name. Raises MedallionError where
    something stands in the way.
    """
    if not table.follows:
        return
    try:
        pairs = [*_pairs(cursor, table)]
        steps = [*_renamings(cursor, table, pairs), *_retypings(cursor, table, pairs),
                 *_additions(table, pairs)]  # fmt: skip
        if steps:
            cursor.execute("SET LOCAL lock_timeout = '5s'")  # readers wait behind who waits
            cursor.execute(sqlfile.read("silver/readers"))
            for step in steps:
                cursor.execute(step)
            cursor.execute(sqlfile.compose("silver/follow", history=_literal(cursor, table)))
    except errors.TooManyColumns as problem:
        reason = problem.diag.message_primary
        raise refusal("row too wide", table=table.shown_history, reason=reason) from None
    except UNFOLLOWED as problem:
        reason = problem.diag.message_detail or problem.diag.message_primary
        raise refusal("columns not followed", table=table.shown_history, reason=reason) from None


def _literal(cursor: Cursor, table: Table) -> sql.Literal:
    return sql.Literal(table.silver.as_string(cursor))


def _pairs(cursor: Cursor, table: Table) -> Iterator[Pair]:
    """Each column, and its name and type in silver; no name where silver has not got it yet."""
    types = Shape.read(cursor, table).types
    for column in table.columns:
        names = (column.name, *reversed(table.in_bronze(column.name)), column.hashed)
        name = next((each for each in names if each in types), None)
        yield column, name, types.get(name, column.type)


def _renamings(cursor: Cursor, table: Table, pairs: Sequence[Pair]) -> Iterator[sql.Composed]:
    cursor.execute("SELECT meta.current_view(%s::regclass)", (table.silver.as_string(cursor),))
    view = sql.SQL(cursor.fetchone()[0])
    for column, name, _ in pairs:
        if name and name != column.name:
            for kind, relation in (("TABLE", table.silver), ("VIEW", view)):
                rename = sql.SQL(f"ALTER {kind} {{}} RENAME COLUMN {{}} TO {{}}")
                yield rename.format(relation, *map(sql.Identifier, (name, column.name)))


def _retypings(cursor: Cursor, table: Table, pairs: Sequence[Pair]) -> Iterator[sql.Composed]:
    """To a type that holds more. What partitions go by stays as it is."""
    alter = sql.SQL("ALTER COLUMN {0} TYPE {1} USING {0}::{1}")
    each = [alter.format(sql.Identifier(column.name), sql.SQL(column.type))
            for column, name, type_ in pairs
            if name and column.name != table.by_month and widens(type_, column.type)]  # fmt: skip
    if each:
        alteration = sql.SQL("ALTER TABLE {} {}").format(table.silver, sqlfile.each(each))
        yield sql.SQL("CALL meta.alter_below_readers({}, {})").format(
            _literal(cursor, table), sql.Literal(alteration.as_string(cursor))
        )


def _additions(table: Table, pairs: Sequence[Pair]) -> Iterator[sql.Composed]:
    add = sql.SQL("ALTER TABLE {0} ADD COLUMN {1} {2} DEFAULT {3}; "
                  "ALTER TABLE {0} ALTER COLUMN {1} DROP DEFAULT")  # fmt: skip
    for column, name, _ in pairs:
        if name is None:
            its, type_ = sql.Identifier(column.name), sql.SQL(column.type)
            had = sql.SQL("({})::{}").format(sql.Literal(column.missing), type_)
            yield add.format(table.silver, its, type_, had)
            if column.comment:
                comment = sql.SQL("COMMENT ON COLUMN {}.{} IS {}")
                yield comment.format(table.silver, its, sql.Literal(column.comment))
