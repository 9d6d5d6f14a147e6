"""Make, clone, rename and drop databases of a server."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL, Engine, create_engine

from medallion_lib import sqlfile
from medallion_lib.errors import Busy, MedallionError, refusal
from medallion_lib.server import connections


@contextmanager
def administering(url: URL, lock: str | None = None) -> Iterator[Cursor]:
    """A cursor outside of any transaction; with `lock`, one process at a time."""
    with connections.session(url, autocommit=True) as cursor:
        if lock:
            cursor.execute("SET lock_timeout = 0")
            cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", (lock,))
        yield cursor


def unlock(cursor: Cursor, lock: str) -> None:
    """Let the next process have it, before the session ends."""
    cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", (lock,))


def exists(cursor: Cursor, database: str) -> bool:
    """Whether it is there. One whose DROP DATABASE was cut short is not: nothing reads it."""
    whole = "SELECT FROM pg_database WHERE datname = %s AND datconnlimit <> -2"
    cursor.execute(f"SELECT EXISTS ({whole})", (database,))
    return cursor.fetchone()[0]


def labs(cursor: Cursor) -> list[str]:
    """The names of those whose warehouse is on this server."""
    cursor.execute(
        "SELECT substr(datname, 11) FROM pg_database "
        "WHERE datname ~ '^medallion(_[a-z0-9][a-z0-9_]*)?$' AND datconnlimit <> -2 ORDER BY 1"
    )
    return [name or "medallion" for (name,) in cursor]


def create(cursor: Cursor, database: str, template: str = "template0") -> None:
    """By a copy of files: otherwise each page is in the log too, which every slot has to read."""
    if not exists(cursor, database):
        drop(cursor, database)  # the rest of it
    _execute(cursor, "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", database, template)


def drop(cursor: Cursor, database: str) -> None:
    """Drop the database if it is there, with the connections it has."""
    _execute(cursor, "DROP DATABASE IF EXISTS {} WITH (FORCE)", database)


def rename(cursor: Cursor, database: str, name: str) -> None:
    _execute(cursor, "ALTER DATABASE {} RENAME TO {}", database, name)


def check_unused(cursor: Cursor, databases: Sequence[str], slot: str) -> None:
    """Raise MedallionError where one could not be dropped with its sessions and this slot."""
    cursor.execute(sqlfile.read("server/database_kept"), {"databases": databases, "slot": slot})
    for database, reason in cursor.fetchall():
        raise _in_use(cursor, database, reason)


def _execute(cursor: Cursor, statement: str, *names: str) -> None:
    try:
        cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
    except (errors.ObjectInUse, errors.InsufficientPrivilege) as problem:
        # A copy is kept from being made by who is in what it is copied from.
        database = names[-1] if statement.startswith("CREATE") else names[0]
        said = filter(None, (problem.diag.message_primary, problem.diag.message_detail))
        raise _in_use(cursor, database, ". ".join(said)) from None


def _in_use(cursor: Cursor, database: str, reason: str) -> MedallionError:
    literal = sql.Literal(database).as_string(cursor)
    return refusal("database in use", Busy, database=database, reason=reason, literal=literal)


def engine(url: URL, search_path: str) -> Engine:
    """An engine with our sessions, which replaces dead connections. Its own URL holds nothing."""

    def connect() -> connections.Connection:
        connection = connections.connect(url)
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SET search_path = {search_path}")
        return connection

    return create_engine("postgresql+psycopg2://", creator=connect, pool_pre_ping=True)
