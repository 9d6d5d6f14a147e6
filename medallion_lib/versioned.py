"""The functions behind `FOR SYSTEM_TIME AS OF`: one for each relation that has history.

`silver.t__as_of(instant)` gives the versions of table t that were live then. A view's function
gives the view with each versioned relation in it read at that instant, so that no view is
written twice. PostgreSQL inlines them: indexes and partitions serve as in a plain query.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection as Connection, cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.system_time import AS_OF, SystemTimeError, rewrite
from medallion_lib.tokens import tokenize

SCHEMAS = ("silver", "scratch")


class Relation(NamedTuple):
    """A versioned table, or a view that reads some: a row of system_time_relations.sql."""

    oid: int
    schema: str
    name: str
    reads: list[int]
    query: str
    obstacle: str | None
    fact: str | None


def regenerate(connection: Connection, schemas: Sequence[str] = SCHEMAS) -> dict[str, str]:
    """Make the functions for the versioned tables of `schemas` and every view that reads them.

    Relations that cannot be asked come back with the reason, which their function raises too.
    For the owner of those tables and views to run after any change to them; run again, it
    changes nothing. The caller commits, unless the connection is in autocommit.
    """
    with _transaction(connection) as cursor:
        cursor.execute(sqlfile.read("system_time_relations"), {"schemas": list(schemas)})
        relations = [Relation(*row) for row in cursor]
        _drop_stale(cursor, [relation.oid for relation in relations])
        answering: dict[int, tuple[str, str]] = {}
        refused = {}
        for relation in relations:
            try:
                _make(cursor, relation, answering)
                answering[relation.oid] = (relation.schema, relation.name)
            except SystemTimeError as error:
                name = f"{relation.schema}.{relation.name}"
                refused[name] = str(refusal("view cannot travel", table=name, reason=error))
                if relation.obstacle != "name leaves no room":
                    _create(cursor, "refusal", relation, comment=sql.Literal(refused[name]))
        return refused


def drop(connection: Connection) -> None:
    """Drop these functions: while they are there, no column, table or view of theirs can be."""
    with _transaction(connection) as cursor:
        _drop_stale(cursor, [])


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


def _drop_stale(cursor: Cursor, relations: list[int]) -> None:
    """Drop all the functions once one of them has lost its relation or does not fit its name."""
    cursor.execute(sqlfile.read("system_time_stale"), {"relations": relations})
    for (command,) in cursor.fetchall():
        cursor.execute(command)


def _make(cursor: Cursor, relation: Relation, answering: dict[int, tuple[str, str]]) -> None:
    """Raises SystemTimeError where the splice would not be the relation at that instant."""
    if any(other not in answering for other in relation.reads):
        raise refusal("view reads one that cannot", SystemTimeError)
    if relation.obstacle:
        raise refusal(relation.obstacle, SystemTimeError, fact=relation.fact)
    query = sql.SQL(_spliced(relation.query, answering.values()))
    cursor.execute("SAVEPOINT function")
    try:
        _create(cursor, "function", relation, query=query)
    except (psycopg2.ProgrammingError, psycopg2.NotSupportedError) as error:
        cursor.execute("ROLLBACK TO SAVEPOINT function")
        raise SystemTimeError(f"{error.diag.message_primary}.") from error


def _spliced(query: str, names: Collection[tuple[str, str]]) -> str:
    """`query` with each of the relations named in it read as of $1."""
    tokens = tokenize(query)
    for i in range(len(tokens) - 3, 3, -1):
        schema, dot, name = tokens[i - 2 : i + 1]
        is_reference = dot.text == "." and (schema.identifier, name.identifier) in names
        if is_reference and tokens[i + 1].text != "(" and tokens[i - 3].text != "::":
            query = f"{query[: name.end]} FOR SYSTEM_TIME AS OF $1{query[name.end :]}"
    return rewrite(query)


def _create(cursor: Cursor, template: str, relation: Relation, **parts: sql.Composable) -> None:
    function = sql.Identifier(relation.schema, relation.name + AS_OF)
    name = sql.Identifier(relation.schema, relation.name)
    file = f"system_time_{template}"
    cursor.execute(sqlfile.compose(file, function=function, relation=name, **parts))
