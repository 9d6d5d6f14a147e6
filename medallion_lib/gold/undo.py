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
from medallion_lib.bronze import capture
from medallion_lib.errors import refusal
from medallion_lib.silver.shape import Shape
from medallion_lib.source import pgoutput
from medallion_lib.source.catalog import Catalog
from medallion_lib.tables import Table, Tables

Row = dict[str, Any]  # by column: a text, Decimal, boolean or None, as bronze's JSON has it
Facts = dict[str, Any]  # what is asked, by the names that refusals have for it

UPDATE = "UPDATE {table} SET {changes} WHERE {key} = {value}"
INSERT = "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})"
DELETE = "DELETE FROM {table} WHERE {key} = {value}"


def undo(
    warehouse: Cursor, source: Cursor, tables: Tables, table: Table, key: object, at: datetime,
    reach: Callable,
) -> str:  # fmt: skip
    """Write the row of `key` to the source as it was as of an instant; the statement sent.

    A row that did not exist then is deleted, one that is gone is inserted, whole. Else columns that
    silver does not track stay as they are. `reach` makes history final up to the instant; the row
    is locked by then, so that no change of it is under way.
    Raises MedallionError, and changes nothing, where the row would not be what it was.
    """
    column = table.silver_key[-1]
    facts = {"table": table.name, "history": table.history, "column": column}
    facts |= {"key": key, "at": at}
    captured, every = table, tables.captured
    about = "no such key"
    try:
        now = _at_source(source, captured, table, facts)
        reach()
        shape = Shape.read(warehouse, table)
        then = _as_of(warehouse, shape, every, facts)
        wanted = _tracked(shape, then or {})
        if (then is None) == (now is None) and not wanted:
            raise refusal("nothing to undo", **facts)
        about = "undo not taken"
        key_column = table.in_bronze(column)[-1]
        statement = _statement(source, captured, key_column, now, then, wanted)
        source.execute(statement)
        source.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what else would wait for COMMIT
        if then is None and (others := _taken_along(source, captured)):
            reason = f"it would delete or change rows of {others}, which refer to it."
            raise refusal("undo not taken", **facts, reason=reason)
        found = _at_source(source, captured, table, facts)
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
    reason = said.message_detail or said.message_primary if said else problem
    return refusal(about if code.startswith("22") else "undo not taken", **facts, reason=reason)


def _parsed(row: str) -> Row:
    return json.loads(row, parse_int=Decimal, parse_float=Decimal)


def _at_source(source: Cursor, captured: Table, table: Table, facts: Facts) -> Row | None:
    """The row as bronze would have it, locked until the transaction ends."""
    if facts["key"] is None:
        raise ValueError("no row has none")
    source.execute("SELECT %s::regclass", (captured.source.as_string(source),))
    relation = (catalog := Catalog(source, (captured,))).relation(captured)
    name = sql.Identifier(table.in_bronze(facts["column"])[-1])
    value = sql.Literal(str(facts["key"]))
    only = sql.SQL("WHERE {} = {} FOR UPDATE").format(name, value)
    rows = list(capture.rows(source.connection, captured, relation, only))
    if len(rows) > 1:
        raise refusal("undo of a link", **facts)
    write = pgoutput.json_writer(relation.columns, relation.types, catalog.base_types(relation))
    return _parsed(write(rows[0])) if rows else None


def _as_of(
    warehouse: Cursor, shape: Shape, every: tuple[Table, ...], facts: Facts
) -> Row | None:
    """The row as bronze has it, None where there was none. MedallionError where that is unknown."""
    table, later = shape.table, "SELECT lsn, op FROM {} WHERE commit_ts > %(at)s"
    parts = {"silver": table.silver, "bronze": table.bronze, "key": sql.Identifier(facts["column"])}
    equal = sql.SQL("version.{} = {}")
    same = [equal.format(sql.Identifier(each), shape.value(each, "event.")) for each in shape.keys]
    parts["is_same"] = sql.SQL(" AND ").join(same)
    parts["later"] = sqlfile.each((each.bronze for each in every), later, " UNION ALL ")
    query = sqlfile.compose("gold/undo_row", **parts)
    warehouse.execute(query, {"key": str(facts["key"]), "at": facts["at"]})
    was_there, row, in_gap = warehouse.fetchone()
    if was_there > 1:
        raise refusal("undo of a link", **facts)
    if in_gap or (was_there and row is None):
        raise refusal("undo to the unknown", **facts)
    return _parsed(row) if was_there else None


def _taken_along(source: Cursor, captured: Table) -> str | None:
    """The tables of which other rows went or changed with a row: ON DELETE CASCADE and such."""
    table = captured.source.as_string(source)
    source.execute(sqlfile.read("gold/undo_cascade"), {"table": table})
    return source.fetchone()[0]


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
    source: Cursor, captured: Table, key: str, now: Row | None, then: Row | None, wanted: Row
) -> str:
    """What brings the row back. Its texts are as PostgreSQL printed them, to be read again."""
    source.execute(sqlfile.read("gold/undo_columns"), (captured.source.as_string(source),))
    (settable,) = source.fetchone()
    whole = wanted if now else then | wanted
    row = {name: value for name, value in whole.items() if name in settable}
    pairs = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value))
             for name, value in row.items()]  # fmt: skip
    parts = {"table": captured.source, "key": sql.Identifier(key), "changes": sqlfile.each(pairs)}
    parts |= {"value": sql.Literal((now or then).get(key)), "columns": sqlfile.identifiers(row)}
    parts["values"] = sqlfile.each(map(sql.Literal, row.values()))
    statement = DELETE if then is None else UPDATE if now else INSERT
    return sql.SQL(statement).format(**parts).as_string(source)
