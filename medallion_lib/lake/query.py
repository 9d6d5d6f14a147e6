"""What an engine is to run, in PostgreSQL's SQL: the lake keeps it beside what it reads."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlglot import parse

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.lake.relations import MERGE
from medallion_lib.silver.shape import Shape
from medallion_lib.tables import Tables

ALL = (1 << 63) - 1  # a position after every other
LOOKED_UP = "looked up"  # by which a row has what look-ups found before what they read was pruned
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


def columns_of(shape: Shape) -> dict[str, str]:
    """What a change has in the lake beside row_hash, by name with PostgreSQL's type."""
    columns = {name: shape.types[name] for name in shape.from_source}
    if found := {f"{LOOKED_UP} {name}": shape.types[name] for name in shape.table.lookups}:
        columns |= {LOOKED_UP: "boolean", **found}
    return columns


def versions(cursor: Cursor, shape: Shape) -> str:
    """The query of a table's whole history, by its changes as they are exported."""
    table = shape.table
    if table.lookup:
        table = replace(table, lookup=table.lookup + JOINED)
        if not _is_file(table.lookup):
            raise refusal("look-up not joined", table=table.shown_history, file=table.lookup)
    query = _Exported(*shape._replace(table=table)).whole_history(sql.Identifier(MERGE, "changes"))
    return cursor.mogrify(query, {"upto": ALL}).decode()


def batch(cursor: Cursor, shape: Shape) -> list[dict[str, Any]]:
    """The views by which a merge goes on from the rows that are current."""
    exported, member = _Exported(*shape), sql.SQL("{}, {}")
    known = {name: sql.Identifier("known", name.removeprefix(f"{LOOKED_UP} "))
             for name in (*columns_of(shape), "row_hash")}  # fmt: skip
    members = [member.format(sql.Literal(name), sql.SQL("true") if name == LOOKED_UP else value)
               for name, value in known.items()]  # fmt: skip
    views = sqlfile.compose(
        "lake/batch",
        changed_keys=sqlfile.each(
            sql.SQL("{} AS {}").format(exported.value(key), sql.Identifier(key))
            for key in shape.keys),
        known_keys=sqlfile.identifiers(shape.keys, "known.{}"),
        is_touched=sqlfile.identifiers(shape.keys, "known.{0} = touched.{0}", " AND "),
        members=sqlfile.each(members),
    )  # fmt: skip
    return [*_views(views.as_string(cursor))]


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
    joined = [sqlfile.read(name + JOINED) for name in tables.silver if _is_file(name + JOINED)]
    return [
        *chain.from_iterable(map(_views, joined)),
        *({"name": [each["schema"], each["name"]], "query": each["query"]} for each in found
          if each["reads"] and not each["obstacle"] and each["schema"] != "scratch"),
    ]  # fmt: skip


def _views(text: str) -> Iterator[dict[str, Any]]:
    """Those that statements make, each after what it reads."""
    for view in parse(text, dialect="postgres"):
        name = [view.this.db, view.this.name]
        yield {"name": name, "query": view.expression.sql("postgres")}


def _is_file(name: str) -> bool:
    return Path(sqlfile.DIRECTORY, f"{name}.sql").exists()
