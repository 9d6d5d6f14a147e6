"""The warehouse in its database: made, and measured."""

import json
from dataclasses import replace
from datetime import datetime

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL, make_url

from medallion_lib import server, sqlfile
from medallion_lib.bronze.layout import make_missing
from medallion_lib.errors import TEXTS
from medallion_lib.gold import marts
from medallion_lib.server.databases import (  # noqa: F401 -- the warehouse's and any other's
    administering, check_unused, create, drop, engine, exists, labs, rename, unlock,
)  # fmt: skip
from medallion_lib.silver import history
from medallion_lib.system_time import functions
from medallion_lib.tables import Tables

VERSIONS = ("silver/versions", "silver/months", "system_time/horizon")
OWN_VERSIONS = ("system_time/triggers", "system_time/history", "system_time/versioned",
                "bronze/erasures")  # fmt: skip


def build_warehouse(url: URL, tables: Tables | None = None) -> None:
    """Bronze, silver, gold and meta of these tables, else the sample's, in an empty database."""
    if tables is None:
        from medallion_lib import shop

        tables = shop.TABLES
    with server.session(url) as cursor:
        for name in ("warehouse", "tables_kept"):
            cursor.execute(sqlfile.read(name))
        make_procedures(cursor)
        make_missing(cursor, tables.captured)
        make_silver_and_gold(cursor, tables).keep(cursor)
        functions.regenerate(cursor.connection)


def make_procedures(cursor: Cursor) -> None:
    """Those of meta, with the texts that they refuse by; again where they are there."""
    _make_versions(cursor)
    for name in OWN_VERSIONS:
        cursor.execute(sqlfile.read(name))


def _make_versions(cursor: Cursor) -> None:
    for name in VERSIONS:
        cursor.execute(sqlfile.read(name))
    functions.make_procedure(cursor)
    cursor.execute(sqlfile.compose("refusal", texts=sql.Literal(json.dumps(TEXTS))))


def add_versions(url: str) -> None:
    """Give a database that is no warehouse what makes a table versioned, as dbt has it do."""
    with server.session(make_url(url)) as cursor:
        _make_versions(cursor)


def make_silver_and_gold(cursor: Cursor, tables: Tables) -> Tables:
    """By the SQL that the tables bring, and a history that none of it makes by its columns.

    Returns the tables, and which of them follow their source's columns.
    """
    for name in tables.silver:
        make_in(cursor, "silver", name)
    each = tuple(replace(table, follows=False) for table in tables.each)
    made = history.make_missing(cursor, replace(tables, each=each))
    for name in tables.gold:
        cursor.execute(sqlfile.read(name))
    marts.make(cursor, tables.own)
    return made


def make_in(cursor: Cursor, schema: str, name: str) -> None:
    """By the SQL of a file, whose names without a schema are of this one."""
    path = sql.SQL("SET LOCAL search_path = {}, public").format(sql.Identifier(schema))
    cursor.execute(path)
    cursor.execute(sqlfile.read(name))
    cursor.execute("SET LOCAL search_path TO DEFAULT")


def held(url: URL) -> tuple[int | None, str | None, int, datetime | None]:
    """What a warehouse was captured from, system and name, its rows in bronze, and since when."""
    with server.session(url) as cursor:
        bronze = [sql.Identifier(*names) for names in sqlfile.run(cursor, "bronze_tables")]
        if not bronze:
            return None, None, 0, None
        counts = sqlfile.each(bronze, "SELECT count(*), min(commit_ts) FROM {}", " UNION ALL ")
        cursor.execute(sqlfile.compose("bronze_held", counts=counts))
        return cursor.fetchone()
