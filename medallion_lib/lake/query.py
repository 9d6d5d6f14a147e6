"""What an engine is to run, in PostgreSQL's SQL: the lake keeps it beside what it reads."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlglot import parse

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.silver.shape import Shape
from medallion_lib.tables import Tables

ALL = (1 << 63) - 1  # a position after every other
JOINED = "_joined"  # ends the name of a look-up's file that reads all rows at once


class _Exported(Shape):
    """A history by its changes as exported: with its types, and the hash that merge compares."""

    def text(self, name: str, row: str = "") -> sql.Composable:
        return sql.SQL(row + "full_row ->> {}").format(sql.Literal(name))

    def texts(self) -> sql.Composed:
        return sql.SQL("full_row ->> {}").format(sql.Literal("row_hash"))

    def row(self) -> sql.SQL:
        return sql.SQL("full_row")

    def is_complete(self) -> sql.Composed:  # export has seen to it
        return sql.Composed([sql.SQL("true")])

    are_exact = is_complete


def versions(cursor: Cursor, shape: Shape) -> str:
    """The query of a table's whole history, by its changes as they are exported."""
    table = shape.table
    if table.lookup:
        table = replace(table, lookup=table.lookup + JOINED)
        if not _is_file(table.lookup):
            raise refusal("look-up not joined", table=table.shown_history, file=table.lookup)
    query = _Exported(*shape._replace(table=table)).whole_history()
    return cursor.mogrify(query, {"upto": ALL}).decode()


def relations(cursor: Cursor, tables: Tables) -> list[dict[str, Any]]:
    """The views that histories are made by or that read them, each after what it reads.

    The latter are those of FOR SYSTEM_TIME, with histories yet to be read as of an instant.
    """
    cursor.execute("SET LOCAL search_path = ''")
    own = {"versioned": [], "sources": [], "histories": []}
    rows = sqlfile.run(cursor, "system_time/relations", own).fetchall()
    names = [each[0] for each in cursor.description]
    cursor.execute("SET LOCAL search_path TO DEFAULT")
    found = [dict(zip(names, row, strict=True)) for row in rows]
    made = [view for name in tables.silver if _is_file(name + JOINED)
            for view in parse(sqlfile.read(name + JOINED), dialect="postgres")]  # fmt: skip
    return [
        *({"name": [view.this.db, view.this.name], "query": view.expression.sql("postgres")}
          for view in made),
        *({"name": [each["schema"], each["name"]], "query": each["query"]} for each in found
          if each["reads"] and not each["obstacle"] and each["schema"] != "scratch"),
    ]  # fmt: skip


def _is_file(name: str) -> bool:
    return Path(sqlfile.DIRECTORY, f"{name}.sql").exists()
