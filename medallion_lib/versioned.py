"""The functions behind `FOR SYSTEM_TIME AS OF`: one for each relation that has history.

`silver.t__as_of(instant)` gives the versions of table t that were live then. A view's function
gives the view with each versioned relation in it read at that instant, so that no view is
written twice. PostgreSQL inlines them: indexes and partitions serve as in a plain query.
"""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.system_time import AS_OF, REFUSED, SystemTimeError, rewrite
from medallion_lib.tokens import Token, expression_end, tokenize

SCHEMAS = ("silver", "scratch")
HINT = "For today's rows, leave FOR SYSTEM_TIME out."

_CLOCKS = "CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP".split()
_CLOCK_CALLS = "NOW CLOCK_TIMESTAMP STATEMENT_TIMESTAMP TRANSACTION_TIMESTAMP TIMEOFDAY".split()
_NAME = r'(?:[^\W\d][\w$]*|"(?:[^"]|"")+")'
_COLUMN = rf"{_NAME}(?:\s+AS\s+{_NAME})?"
_CURRENT_STATE = re.compile(
    rf"(?P<select>\s*SELECT\s+(?P<columns>{_COLUMN}(?:,\s+{_COLUMN})*)"
    rf"\s+FROM\s+{_NAME}\.{_NAME}(?:\s+{_NAME})?)"
    r"\s+WHERE\s+\(?sys_end = 'infinity'::timestamp with time zone\)?;\s*"
)


class Table(NamedTuple):
    """A versioned table; `quoted` and `columns` as they stand in a SELECT."""

    oid: int
    schema: str
    name: str
    quoted: str
    columns: str


class View(NamedTuple):
    """A view that reads versioned relations, `reads`; `calls` are functions people made."""

    oid: int
    schema: str
    name: str
    materialized: bool
    definition: str
    reads: list[int]
    uses_sys_end: bool
    calls: list[str]


Relation = Table | View


def regenerate(connection: Connection, schemas: Sequence[str] = SCHEMAS) -> dict[str, str]:
    """Make the functions for the versioned tables of `schemas` and every view that reads them.

    Relations that cannot be asked come back with the reason, which their function raises too.
    For the owner of those tables and views to run after any change to them; run again, it
    changes nothing. The caller commits, unless the connection is in autocommit.
    """
    with _transaction(connection) as cursor:
        cursor.execute(sqlfile.read("system_time_tables"), {"schemas": list(schemas)})
        tables = [Table(*row) for row in cursor]
        oids = [table.oid for table in tables]
        cursor.execute(sqlfile.read("system_time_views"), {"tables": oids})
        relations: list[Relation] = [*tables, *(View(*row) for row in cursor)]
        _drop_stale(cursor, {relation.oid for relation in relations})
        answering: dict[int, Relation] = {}
        refused = {}
        for relation in relations:
            try:
                _make(cursor, relation, _query(relation, answering))
                answering[relation.oid] = relation
            except SystemTimeError as error:
                name = f"{relation.schema}.{relation.name}"
                refused[name] = f"{name} cannot be asked as of an instant: {error}"
                _make_refusal(cursor, relation, refused[name])
        return refused


def drop(connection: Connection) -> None:
    """Drop these functions: while they are there, no column, table or view of theirs can be."""
    with _transaction(connection) as cursor:
        _drop_stale(cursor, frozenset())


@contextmanager
def _transaction(connection: Connection) -> Iterator[Cursor]:
    """A cursor with an empty search_path, so that the catalog prints every name in full."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path')")
        path = cursor.fetchone()
        alone = connection.info.transaction_status == TRANSACTION_STATUS_IDLE  # autocommit
        with connection if alone else nullcontext():
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('FOR SYSTEM_TIME'))")
            cursor.execute("SELECT set_config('search_path', '', true)")
            yield cursor
            cursor.execute("SELECT set_config('search_path', %s, true)", path)


def _drop_stale(cursor: Cursor, relations: AbstractSet[int]) -> None:
    """Drop all the functions once one of them has lost its relation or does not fit its name."""
    cursor.execute(sqlfile.read("system_time_functions"))
    functions = cursor.fetchall()
    if all(fits and relation in relations for relation, _, _, _, fits, _ in functions):
        return
    names = [sql.Identifier(schema, name) for _, _, schema, name, _, _ in functions]
    signatures = [sql.SQL("{}(timestamptz)").format(name) for name in names]
    cursor.execute(sql.SQL("DROP FUNCTION {}").format(sql.SQL(", ").join(signatures)))


def _query(relation: Relation, answering: dict[int, Relation]) -> str:
    """What the function of `relation` selects; $1 is the instant."""
    if _is_too_long(relation):
        raise SystemTimeError(f"with {AS_OF} its name would pass the 63 bytes PostgreSQL keeps.")
    if isinstance(relation, Table):
        rows = f"SELECT {relation.columns} FROM {relation.quoted}"
        return f"{rows} WHERE sys_start <= $1 AND sys_end > $1"
    current = _current_state(relation, answering)
    _check(relation, answering, current is not None)
    names = {(other.schema, other.name) for other in answering.values()}
    return _spliced(current or relation.definition.rstrip("; \n"), names)


def _is_too_long(relation: Relation) -> bool:
    return len((relation.name + AS_OF).encode()) > 63


def _current_state(view: View, answering: dict[int, Relation]) -> str | None:
    """The view without its WHERE, if it is columns of one table's current rows and no more."""
    match = _CURRENT_STATE.fullmatch(view.definition)
    if match is None or not isinstance(answering.get(view.reads[0]), Table):
        return None
    shown = re.findall(_NAME, match["columns"])
    return None if {"sys_end", "sys_period"}.intersection(shown) else match["select"]


def _check(view: View, answering: dict[int, Relation], is_current_state: bool) -> None:
    """Raise with the reason if the view's splice would not be the view at that instant."""
    if view.materialized:
        raise SystemTimeError("it is materialized, so its rows are those of its last refresh.")
    if any(relation not in answering for relation in view.reads):
        raise SystemTimeError("a view it reads cannot be asked either.")
    if clock := _clock(tokenize(view.definition)):
        raise SystemTimeError(f"it says {clock}, which is today's whatever the instant.")
    if view.calls:
        raise SystemTimeError(f"it calls {view.calls[0]}, which may read today's rows.")
    if view.uses_sys_end and not is_current_state:
        raise SystemTimeError(
            "it uses sys_end itself, which tells what came after the instant. A view of current "
            "rows selects columns other than sys_end WHERE sys_end = 'infinity', and no more."
        )


def _clock(tokens: list[Token]) -> str | None:
    """The first word that means the current time; age(x) counts from today, age(x, y) does not."""
    for i, token in enumerate(tokens):
        called = token.kind == "word" and tokens[i + 1].text == "("
        age = called and token.text == "AGE" and tokens[expression_end(tokens, i + 2)].text == ")"
        if token.text in _CLOCKS or called and token.text in _CLOCK_CALLS or age:
            return f"{token.text.lower()}()" if called else token.text
    return None


def _spliced(definition: str, names: AbstractSet[tuple[str, str]]) -> str:
    """`definition` with each of the relations in it read as of $1."""
    tokens = tokenize(definition)
    for i in range(len(tokens) - 3, 3, -1):
        schema, dot, name = tokens[i - 2 : i + 1]
        is_reference = dot.text == "." and (schema.identifier, name.identifier) in names
        if is_reference and tokens[i + 1].text != "(" and tokens[i - 3].text != "::":
            splice = " FOR SYSTEM_TIME AS OF $1"
            definition = definition[: name.end] + splice + definition[name.end :]
    return rewrite(definition)


def _make(cursor: Cursor, relation: Relation, query: str) -> None:
    """Raises SystemTimeError, in PostgreSQL's words, for a query that cannot be spliced."""
    rows = "The view" if isinstance(relation, View) else "The rows"
    comment = f"{rows} as of an instant: what FOR SYSTEM_TIME AS OF reads."
    cursor.execute("SAVEPOINT function")
    try:
        _create(cursor, "function", relation, query=sql.SQL(query), comment=sql.Literal(comment))
    except (psycopg2.ProgrammingError, psycopg2.NotSupportedError) as error:
        cursor.execute("ROLLBACK TO SAVEPOINT function")
        raise SystemTimeError(f"{error.diag.message_primary}.") from error


def _make_refusal(cursor: Cursor, relation: Relation, reason: str) -> None:
    """A function that raises the reason, unless the name leaves no room for one."""
    if _is_too_long(relation):
        return
    raise_ = sql.SQL("BEGIN RAISE EXCEPTION USING ERRCODE = {}, MESSAGE = {}, HINT = {}; END")
    body = raise_.format(*map(sql.Literal, (REFUSED, reason, HINT))).as_string(cursor)
    _create(cursor, "refusal", relation, body=sql.Literal(body), comment=sql.Literal(reason))


def _create(cursor: Cursor, template: str, relation: Relation, **parts: sql.Composable) -> None:
    function = sql.Identifier(relation.schema, relation.name + AS_OF)
    name = sql.Identifier(relation.schema, relation.name)
    file = f"system_time_{template}"
    cursor.execute(sqlfile.compose(file, function=function, relation=name, **parts))
