"""What keeping every change and every version of the year takes, against the source itself."""

from collections.abc import Iterable
from pathlib import Path

from psycopg2 import sql
from sqlalchemy import Connection, CursorResult

from medallion_lib import Medallion, sqlfile
from medallion_lib.shop import TABLES

MB = 1_000_000  # the book's unit, as the page says
SOURCE, WAREHOUSE = (
    Path(__file__).with_name(f"kept_{name}.sql").read_text(encoding="utf-8")
    for name in ("source", "warehouse")
)


def page(lab: Medallion, _copy: Path) -> str:
    with lab.source.connect() as source:
        tables = [table.source for table in TABLES.captured]
        names = sqlfile.each(sql.Literal(".".join(table.strings)) for table in tables)
        held = _asked(source, SOURCE, rows=_each(tables, "SELECT FROM {}"), names=names).one()
    with lab.warehouse.connect() as warehouse:
        bronze = _each((table.bronze for table in TABLES.captured), "SELECT lsn FROM {}")
        silver = _each((table.silver for table in TABLES.versioned), "SELECT sys_end FROM {}")
        changes, versions = _asked(warehouse, WAREHOUSE, changes=bronze, versions=silver).all()
    lines = (
        (f"the source's {len(tables)} tables, as they are now", f"{held.rows:,} rows", held.bytes),
        ("bronze: every change of them", f"{changes.rows:,} changes", changes.bytes),
        ("silver: every version", f"{versions.rows:,}, of which {versions.current:,} are current",
         versions.bytes),
    )  # fmt: skip
    told = "".join(f"| {what} | {rows} | {size / MB:.1f} MB |\n" for what, rows, size in lines)
    return f"| what the year leaves | rows | with indexes |\n|---|---|--:|\n{told}"


def _each(tables: Iterable[sql.Identifier], one: str) -> sql.Composed:
    return sqlfile.each(tables, one, " UNION ALL ")


def _asked(connection: Connection, query: str, **parts: sql.Composable) -> CursorResult:
    filled = sql.SQL(query).format(**parts).as_string(connection.connection.driver_connection)
    return connection.exec_driver_sql(filled)
