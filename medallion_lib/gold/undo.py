"""Bring a row of the source back to what it was, by a new change that is in history itself.

Silver says which version was true. Its values come from bronze, which has them as the source
printed them, and go back as that text: no type of silver, the driver or Python is in between.
"""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.gold.keys import Key, equal
from medallion_lib.silver.shape import Shape
from medallion_lib.source.catalog import Catalog
from medallion_lib.source.rows import rows
from medallion_lib.tables import Table, Tables

Row = dict[str, Any]  # by column: a text, Decimal, boolean or None, as bronze's JSON has it
Facts = dict[str, object]  # what is asked, by the names that refusals have for it

UPDATE = "UPDATE {table} SET {changes} WHERE {is_now}"
INSERT = "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})"
DELETE = "DELETE FROM {table} WHERE {is_now}"


def undo(
    warehouse: Cursor, source: Cursor, tables: Tables, table: Table, key: object, at: datetime,
    reach: Callable,
) -> str:  # fmt: skip
    """Write the row of `key` to the source as it was as of an instant; the statement sent.

    `key` is as `Key.read` takes it; a part of it may have been that of another row in between.
    A row that did not exist then is deleted, one that is gone is inserted, whole. Else columns that
    silver does not track stay as they are. `reach` makes history final up to the instant; the row
    is locked by then, so that no change of it is under way.
    Raises MedallionError, and changes nothing, where the row would not be what it was.
    """
    asked = Key.read(_now(warehouse, source, table), key)
    facts = asked.facts | {"at": at}
    if not table.is_captured:
        raise refusal("undo not captured", **facts)
    about = "no such key"
    try:
        now = _at_source(source, asked)
        reach()
        asked = Key.read(_now(warehouse, source, table), key)  # a column may be renamed since
        shape = Shape.read(warehouse, asked.table)
        then = _as_of(warehouse, shape, tables, asked, at)
        wanted = _tracked(shape, then or {})
        statement = _statement(source, shape, now, then, wanted)
        if not statement:
            raise refusal("nothing to undo", **facts)
        about = "undo not taken"
        source.execute(statement)
        source.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what else would wait for COMMIT
        if then is None and (others := _taken_along(source, table)):
            reason = f"it would delete or change rows of {others}, which refer to it."
            raise refusal("undo not taken", **facts, reason=reason)
        found = _at_source(source, asked)
    except (psycopg2.Error, ValueError) as problem:
        raise _refused(problem, about, facts) from None
    wrong = [name for name, value in wanted.items() if found is None or found.get(name) != value]
    if wrong or (then is None and found is not None):
        raise refusal("undo not exact", columns=", ".join(wrong) or "a row", **facts)
    return statement


def _refused(problem: Exception, about: str, facts: Facts) -> Exception:
    """The refusal of what a server says. Of a lost connection or a lock, the session tells."""
    code = getattr(problem, "pgcode", "22")  # a ValueError: psycopg2 takes no null byte
    if not code or code.startswith(("08", "57P", "55P03")):
        return problem
    said = getattr(problem, "diag", None)
    detail = said and said.message_detail if code != "23502" else None  # the row, not its column
    reason = (detail or said.message_primary) if said else problem
    return refusal(about if code.startswith("22") else "undo not taken", **facts, reason=reason)


def _now(warehouse: Cursor, source: Cursor, table: Table) -> Table:
    """The table with the names that its columns have now, here and at the source."""
    kept = Tables.read(warehouse).history(".".join(table.silver.strings))
    return Catalog(source, ()).as_it_is(kept)


def _parsed(row: str) -> Row:
    return json.loads(row, parse_int=Decimal, parse_float=Decimal)


def _at_source(source: Cursor, asked: Key) -> Row | None:
    """The row as bronze would have it, locked until the transaction ends."""
    table = asked.table
    source.execute("SELECT %s::regclass", (table.source.as_string(source),))
    named = ((table.in_bronze(name)[-1], sql.Literal(text)) for name, text in asked.texts.items())
    only = sql.SQL("WHERE {} FOR UPDATE").format(equal(named))
    found = [*rows(Catalog(source, (table,)), table, only)]
    if len(found) > 1:
        raise asked.several()
    return _parsed(found[0]) if found else None


def _as_of(
    warehouse: Cursor, shape: Shape, tables: Tables, asked: Key, at: datetime
) -> Row | None:
    """The row as bronze has it, None where there was none. MedallionError where that is unknown."""
    table, later = shape.table, "SELECT lsn, op FROM {} WHERE commit_ts > %(at)s"
    texts = ((name, sql.Literal(text)) for name, text in asked.texts.items())
    query = sqlfile.compose(
        "gold/undo_row",
        silver=table.silver,
        bronze=table.bronze,
        is_asked=equal(texts),
        is_same=equal(((name, shape.value(name, "event.")) for name in shape.keys), "version"),
        later=sqlfile.each((each.bronze for each in tables.captured), later, " UNION ALL "),
    )
    warehouse.execute(query, {"at": at})
    was_there, row, in_gap = warehouse.fetchone()
    if was_there > 1:
        raise asked.several()
    if in_gap or (was_there and row is None):
        raise refusal("undo to the unknown", **asked.facts, at=at)
    return _parsed(row) if was_there else None


def _taken_along(source: Cursor, table: Table) -> str | None:
    """The tables of which other rows went or changed with a row: ON DELETE CASCADE and such."""
    of = {"table": table.source.as_string(source)}
    return sqlfile.run(source, "gold/undo_cascade", of).fetchone()[0]


def _tracked(shape: Shape, then: Row) -> Row:
    """What silver tracks of a row, by the names that the source's columns have today."""
    wanted = {}
    for name in shape.from_source:
        names = shape.table.in_bronze(name)
        values = [then[each] for each in names if each in then]
        if values and name not in shape.table.gone:  # else the source had no such column then
            wanted[names[-1]] = next((each for each in values if each is not None), None)
    return wanted


def _statement(
    source: Cursor, shape: Shape, now: Row | None, then: Row | None, wanted: Row
) -> str:
    """What brings the row back, empty where nothing would.

    Its texts are as PostgreSQL printed them, to be read again. It names the row by its whole key.
    """
    table, whole = shape.table, wanted if now else (then or {}) | wanted
    source.execute(sqlfile.read("gold/undo_columns"), (table.source.as_string(source),))
    (settable,) = source.fetchone()
    keys = [table.in_bronze(name)[-1] for name in shape.keys]
    its = {name: (now or {}).get(name) for name in keys}
    row = {name: value for name, value in whole.items() if name in settable
           and not (now and name in its and str(its[name]) == str(value))}  # fmt: skip
    if not row and (then is None) == (now is None):
        return ""
    pairs = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value))
             for name, value in row.items()]  # fmt: skip
    parts = {"table": table.source, "changes": sqlfile.each(pairs)}
    parts["is_now"] = equal((name, sql.Literal(value)) for name, value in its.items())
    parts["columns"] = sqlfile.identifiers(row)
    parts["values"] = sqlfile.each(map(sql.Literal, row.values()))
    statement = DELETE if then is None else UPDATE if now else INSERT
    return sql.SQL(statement).format(**parts).as_string(source)
