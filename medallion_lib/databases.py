"""The warehouse in its database: made, measured, and prepared with a whole year in it."""

import hashlib
import json
from datetime import datetime

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL

from medallion_lib import server, sqlfile, tables
from medallion_lib.bronze.landing import make_missing
from medallion_lib.errors import TEXTS
from medallion_lib.server.databases import (
    administering, check_unused, create, drop, engine, exists, labs, rename,
)  # fmt: skip
from medallion_lib.server.embedded import CHECKOUT
from medallion_lib.system_time import functions

__all__ = [
    "administering", "build_warehouse", "check_unused", "create", "drop", "drop_stale_years",
    "engine", "exists", "further_in", "held", "labs", "rename", "strangers", "templates",
    "year_key",
]  # fmt: skip


def build_warehouse(url: URL) -> None:
    """Bronze, silver, gold and the watermark, empty, in an empty database."""
    with server.session(url) as cursor:
        for name in ("warehouse", *tables.FURTHER.values()):
            cursor.execute(sqlfile.read(name))
        make_missing(cursor, (*tables.SHOP, *tables.CAPTURED))
        for name in ("shop/carry", "shop/silver", "silver/months", "shop/gold",
                     "system_time/system_versioning", "system_time/system_versioned"):
            cursor.execute(sqlfile.read(name))
        texts = sql.Literal(json.dumps(TEXTS))
        cursor.execute(sqlfile.compose("refusal", texts=texts))
        functions.regenerate(cursor.connection)


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
        cursor.execute(sqlfile.read("shop/strangers"))
        return cursor.fetchone()[0]


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
    package = sqlfile.DIRECTORY
    data = CHECKOUT.glob("data/*.csv")
    for path in sorted([*data, *package.rglob("*.py"), *package.rglob("*.sql")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
