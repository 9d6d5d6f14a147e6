"""Make, clone and drop the pair of databases that one Medallion has."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL, Engine, create_engine

from medallion_lib import server, sqlfile, tables, versioned
from medallion_lib.errors import TEXTS, Busy, MedallionError, refusal
from medallion_lib.source import DATA


@contextmanager
def administering(url: URL, lock: str | None = None) -> Iterator[Cursor]:
    """A cursor outside of any transaction; with `lock`, one process at a time."""
    with server.session(url, autocommit=True) as cursor:
        if lock:
            cursor.execute("SET lock_timeout = 0")
            cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", (lock,))
        yield cursor


def exists(cursor: Cursor, database: str) -> bool:
    cursor.execute("SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)", (database,))
    return cursor.fetchone()[0]


def labs(cursor: Cursor) -> list[str]:
    """The names of those whose warehouse is on this server."""
    cursor.execute(
        "SELECT substr(datname, 11) FROM pg_database "
        "WHERE datname ~ '^medallion(_[a-z0-9][a-z0-9_]*)?$' ORDER BY 1"
    )
    return [name or "medallion" for (name,) in cursor]


def create(cursor: Cursor, database: str, template: str = "template0") -> None:
    """By a copy of files: otherwise each page is in the log too, which every slot has to read."""
    _execute(cursor, "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", database, template)


def drop(cursor: Cursor, database: str) -> None:
    """Drop the database if it is there, with the connections it has."""
    _execute(cursor, "DROP DATABASE IF EXISTS {} WITH (FORCE)", database)


def rename(cursor: Cursor, database: str, name: str) -> None:
    _execute(cursor, "ALTER DATABASE {} RENAME TO {}", database, name)


def check_unused(cursor: Cursor, databases: Sequence[str], slot: str) -> None:
    """Raise MedallionError where one could not be dropped with its sessions and this slot."""
    cursor.execute(sqlfile.read("database_kept"), {"databases": databases, "slot": slot})
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


def build_warehouse(url: URL) -> None:
    """Bronze, silver, gold and the watermark, empty, in an empty database."""
    with server.session(url) as cursor:
        for name in ("warehouse", *tables.FURTHER.values()):
            cursor.execute(sqlfile.read(name))
        make_missing(cursor, (*tables.SHOP, *tables.CAPTURED))
        for name in ("carry", "silver", "months", "gold", "system_versioning", "system_versioned"):
            cursor.execute(sqlfile.read(name))
        texts = sql.Literal(json.dumps(TEXTS))
        cursor.execute(sqlfile.compose("refusal", texts=texts))
        versioned.regenerate(cursor.connection)


def make_missing(cursor: Cursor, captured: Iterable[tables.Captured]) -> None:
    """Make the bronze of each of these tables that has none."""
    for table in captured:
        if not tables.is_there(cursor, table.bronze):
            make_bronze(cursor, table)


def held(url: URL) -> tuple[int | None, str | None, int, datetime | None]:
    """What a warehouse was captured from, system and name, its rows in bronze, and since when."""
    with server.session(url) as cursor:
        cursor.execute(sqlfile.read("bronze_tables"))
        bronze = [sql.Identifier(*names) for names in cursor]
        if not bronze:
            return None, None, 0, None
        counts = sqlfile.each(bronze, "SELECT count(*), min(commit_ts) FROM {}", " UNION ALL ")
        cursor.execute(sqlfile.compose("bronze_held", counts=counts))
        return cursor.fetchone()


def strangers(url: URL) -> int:
    """How many tables are in a source that nothing here has built."""
    with server.session(url) as cursor:
        cursor.execute(sqlfile.read("strangers"))
        return cursor.fetchone()[0]


def make_bronze(cursor: Cursor, table: tables.Captured) -> None:
    meaning = sql.Literal(f"Every committed change of the source table {table.shown}.")
    lookup, schema = sql.Literal(table.key[-1]), sql.Identifier(table.bronze_schema)
    parts = {"table": table.bronze, "schema": schema, "lookup": lookup, "meaning": meaning}
    cursor.execute(sqlfile.compose("bronze_table", **parts))


def further_in(cursor: Cursor) -> dict[str, str]:
    """Those of the further parts whose bronze the warehouse has, by name, with their files."""
    cursor.execute("SELECT nspname FROM pg_namespace")
    schemas = {name for (name,) in cursor}
    return {name: file for name, file in tables.FURTHER.items() if f"bronze_{name}" in schemas}


def templates() -> str:
    """How prepared years of these tables begin: in their names, as in no lab's, is a hyphen."""
    return "-".join(["medallion", *(tables.FURTHER or ["year"]), ""])


def drop_stale_years(cursor: Cursor) -> None:
    """Drop the prepared years of the same tables, but of other data or code."""
    cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (templates(),))
    for (name,) in cursor.fetchall():
        drop(cursor, name)


def year_key() -> str:
    """What a prepared year depends on: the data and the code that plays, captures and merges it."""
    digest = hashlib.sha256()
    package = sqlfile.DIRECTORY.parent
    for path in sorted([*DATA.glob("*.csv"), *package.rglob("*.py"), *package.rglob("*.sql")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def engine(url: URL, search_path: str) -> Engine:
    """An engine with our sessions, which replaces dead connections. Its own URL holds nothing."""

    def connect() -> server.Connection:
        connection = server.connect(url)
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SET search_path = {search_path}")
        return connection

    return create_engine("postgresql+psycopg2://", creator=connect, pool_pre_ping=True)
