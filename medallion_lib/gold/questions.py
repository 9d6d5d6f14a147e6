"""Questions people ask of history, each one statement, which the answer carries along."""

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from psycopg2 import DataError, extensions, sql
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.gold.keys import Key, equal
from medallion_lib.gold.times import ARRAYS, CASTS
from medallion_lib.system_time import SystemTimeError
from medallion_lib.tables import Table, Tables


class Answer(NamedTuple):
    """Rows, their columns, and the statement that gave them."""

    sql: str
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


def _hold(connection: Any, cursor: Any, *_: object) -> None:
    """Let the cursor give PostgreSQL's text where Python has no such date or time."""
    if CASTS.keys() & cursor.connection.string_types.keys():
        return  # its user has said how they are read
    for oid, cast in CASTS.items():
        one = extensions.new_type((oid,), "EXACT", cast)
        extensions.register_type(one, cursor)
        extensions.register_type(extensions.new_array_type((ARRAYS[oid],), "EXACTS", one), cursor)


def ask(engine: Engine, about: str, statement: sql.Composed, facts: dict, **values: Any) -> Answer:
    """Raises the refusal `about`, with these facts, where the server can't make sense of it.

    Values are Python's, or PostgreSQL's text where Python has no such value.
    """
    with engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", _hold)
        try:
            written = statement.as_string(connection.connection.driver_connection)
            found = connection.exec_driver_sql(written, values)
        except (DBAPIError, ValueError, SystemTimeError) as problem:
            error = problem.__cause__ or problem  # a ValueError: psycopg2 takes no null byte
            if isinstance(problem, SystemTimeError) and not isinstance(error, DataError):
                raise
            raise refusal(about, **facts, reason=str(error).splitlines()[0]) from None
        shown = re.sub(r"%\((\w+)\)s", r":\1", written).replace("%%", "%")
        return Answer(shown, tuple(found.keys()), [tuple(row) for row in found])


def _fields(row: str, said: str) -> sql.Composed:
    """Each value of a row, by its name, as JSON and as the row's text has it."""
    return sqlfile.compose("gold/question_fields", row=sql.SQL(row), said=sql.SQL(said))


def changed(
    engine: Engine, tables: Tables, relation: str, since: datetime, until: datetime,
    by: str | Sequence[str] | None = None,
) -> Answer:  # fmt: skip
    """What changed in a table, view or mart between two instants: a row for each value.

    `by` are the columns that tell its rows apart: a mart's declared grain, or the key of a history
    and of its current rows, if not given. `change` is new, gone or changed.
    Raises MedallionError where there are no such columns, or several rows have the same in them.
    """
    by = _known_key(tables, relation) if by is None else by
    names = [by] if isinstance(by, str) else by
    facts, are_named = {"relation": relation, "by": by}, isinstance(names, list | tuple) and names
    if not are_named or not all(isinstance(name, str) for name in [relation, *names]):
        raise refusal("no such columns", **facts, reason="names are written as text, one or more")
    names = dict.fromkeys(names)  # each once
    written = {".".join(table.silver.strings): table.silver for table in tables.versioned}
    named = written.get(relation) or sql.Identifier(*relation.split("."))  # where one has dots
    instants = {"since": since, "until": until}
    parts = {"relation": named, "keys": sqlfile.identifiers(names, "its.{}")}
    twice = sqlfile.compose("gold/question_twice", **parts)
    for key, rows in ask(engine, "no such columns", twice, facts, **instants).rows:
        raise refusal("rows not told apart", **facts, rows=rows, key=key)
    statement = sqlfile.compose(
        "gold/question_changed",
        relation=named,
        places=sqlfile.each(map(sql.Literal, range(1, len(names) + 1))),
        before=_fields("row_to_json(before.*)", "(before.*)::text"),
        after=_fields("row_to_json(after.*)", "(after.*)::text"),
        key_before=sqlfile.identifiers(names, "before.{}"),
        key_after=sqlfile.identifiers(names, "after.{}"),
        key_values=sqlfile.identifiers(names, "coalesce(after.{0}, before.{0}) AS {0}"),
        key_names=sqlfile.each(map(sql.Literal, names)),
    )
    return ask(engine, "no such columns", statement, facts, **instants)


def _known_key(tables: Tables, relation: str) -> list[str] | None:
    """The columns that tell its rows apart, where the warehouse knows them."""
    if not isinstance(relation, str):
        return None
    if mart := tables.mart(relation):
        return [*mart.grain]
    known = [table for table in tables.versioned for name in (table.history, table.current)
             if relation in (name, f"{table.silver_schema}.{name}")]  # fmt: skip
    return known[0].silver_key if len(known) == 1 else None


def life(engine: Engine, table: Table, key: object) -> Answer:
    """The versions of one key of a versioned table, oldest first, each with what it changed.

    `key` is as `Key.read` takes it. By a part of the key, those of each row that ever had it.
    Raises MedallionError where several rows had it at one time.
    """
    asked = Key.read(table, key)
    values = {f"key_{number}": text for number, text in enumerate(asked.texts.values(), 1)}
    is_asked = equal(zip(asked.texts, map(sql.Placeholder, values), strict=True))
    parts = {"table": table.silver, "is_asked": is_asked}
    parts |= {"fields": _fields("row", "said"), "fields_before": _fields("before", "said_before")}
    statement = sqlfile.compose("gold/question_life", **parts)
    answer = ask(engine, "no such key", statement, asked.facts, **values)
    if not asked.is_whole and any(one[1] > next_[0] for one, next_ in pairwise(answer.rows)):
        raise asked.several()
    return answer
