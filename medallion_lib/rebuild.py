"""Silver and gold made anew from bronze, and compared with what they were, row by row."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import databases, server, sqlfile, tables
from medallion_lib.errors import Unconfirmed, refusal
from medallion_lib.silver import merge
from medallion_lib.silver.shape import Shape
from medallion_lib.system_time import functions


class Rebuilt(NamedTuple):
    """How a silver table that was made anew compares with what it was. Counts are rows."""

    table: str
    rows: int
    lost: int  # that were there before and are not now
    gained: int  # that are there now and were not before


def rebuild(warehouse: Connection, yes: bool = False) -> list[Rebuilt]:
    """Drop silver and gold, make them again from their SQL and bronze, and compare: all or nothing.

    Columns that silver.sql has gained or lost are left out of the comparison.
    Raises Unconfirmed, and changes nothing, when history would be lost and `yes` was not said.
    Raises MedallionError, and changes nothing, when relations of somebody else read silver.
    """
    with warehouse, warehouse.cursor() as cursor:
        server.only_one(cursor, "merge")
        cursor.execute("SELECT max(lsn) FROM meta.watermark WHERE stage = 'merge'")
        batch = {"since": 0, "upto": cursor.fetchone()[0] or 0}
        parts = databases.further_in(cursor)
        schemas = ("gold", "silver", *(f"silver_{name}" for name in parts))
        before = [Shape.read(cursor, table) for table in _made(cursor, schemas)]
        for table, *_ in before:
            cursor.execute(sqlfile.compose("rebuild_keep", silver=table.silver, kept=_kept(table)))
        _make_anew(cursor, schemas, parts.values())
        made = _made(cursor, schemas)
        merge.attach_months(cursor, batch, made)
        for table in made:
            merge.merge_table(cursor, table, batch)
        lost = [line for shape in before if not yes and (line := _lost(cursor, shape))]
        if lost:
            raise refusal("history lost", Unconfirmed, lost="\n".join(lost))
        tables.keep(cursor, "merge", versioned=tables.versioned_in(cursor))
        return [_compared(cursor, shape) for shape in before]


def _made(cursor: Cursor, schemas: Sequence[str]) -> list[tables.Versioned]:
    """The silver tables that are made anew: what a process does not declare, it leaves."""
    return [table for table in tables.versioned_in(cursor) if table.schema in schemas]


def _kept(table: tables.Versioned) -> sql.Identifier:
    """Its copy, by a name that none has in another schema either."""
    return sql.Identifier("pg_temp", f"kept {hash(table.silver.strings)}")


def _relations(cursor: Cursor, schemas: Sequence[str]) -> set[str]:
    cursor.execute(sqlfile.read("rebuild_relations"), {"schemas": [*schemas]})
    return {name for (name,) in cursor}


def _make_anew(cursor: Cursor, schemas: Sequence[str], parts: Iterable[str]) -> None:
    before = _relations(cursor, schemas)
    try:
        functions.drop(cursor.connection)
        names = sqlfile.each(map(sql.Literal, schemas))
        cursor.execute(sqlfile.compose("rebuild_drop", schemas=names))
    except errors.DependentObjectsStillExist as problem:
        raise refusal("silver is read", detail=problem.diag.message_detail) from None
    for name in ("shop/silver", "shop/gold", *parts):
        try:
            cursor.execute(sqlfile.read(name))
        except errors.TooManyColumns as problem:
            reason = problem.diag.message_primary
            raise refusal("row too wide", table=f"{name}.sql", reason=reason) from None
    if lost := before - _relations(cursor, schemas):
        raise refusal("silver holds more", names=", ".join(sorted(lost)))
    functions.regenerate(cursor.connection)


def _lost(cursor: Cursor, before: Shape) -> str:
    """How many rows a table would lose, with some keys; empty where it is none.

    Where silver.sql has other columns now, versions may be divided or joined: what each said must
    still be said at its beginning and at its end.
    """
    table, now = before.table, Shape.read(cursor, before.table)
    same = [name for name in now.types if now.types[name] == before.types.get(name)]
    parts = {
        "kept": _kept(table),
        "silver": table.silver,
        "key": sql.Identifier(table.key),
        "keys": sqlfile.identifiers(now.keys),
        "values": sqlfile.identifiers(same, "each.{}"),
        "is_same": sql.Literal(now.types.keys() == before.types.keys()),
    }
    cursor.execute(sqlfile.compose("rebuild_lost", **parts))
    count, keys = cursor.fetchone()
    return f"    {table.shown}: {count:,} rows, of {table.key} {', '.join(keys)}" if count else ""


def _compared(cursor: Cursor, before: Shape) -> Rebuilt:
    table, now = before.table, Shape.read(cursor, before.table)
    columns = [name for name in now.types if now.types[name] == before.types.get(name)]
    hashed = ["row_hash"] if now.types == before.types else []
    columns += ["sys_start", "sys_end", *hashed]
    parts = {"kept": _kept(table), "silver": table.silver, "columns": sqlfile.identifiers(columns)}
    cursor.execute(sqlfile.compose("rebuild_compare", **parts))
    return Rebuilt(table.shown, *cursor.fetchone())
