"""Silver and gold made anew from bronze, and compared with what they were, row by row."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import databases, earlier, server, sqlfile
from medallion_lib.errors import Unconfirmed, refusal, refusing
from medallion_lib.silver import merge
from medallion_lib.silver.evolution import follow
from medallion_lib.silver.shape import Shape
from medallion_lib.system_time import functions
from medallion_lib.tables import READ, VERSION, Table, Tables, is_there

# What must be as declared; what a rebuild takes anew of what is declared.
CAPTURED = ("key", "bronze_schema", "events")
UNFIT = (psycopg2.DataError, psycopg2.IntegrityError, psycopg2.InternalError,
         psycopg2.ProgrammingError)  # fmt: skip
IN_SOME_ORDER = "CALL meta.do_in_some_order(%s::text[])"
HISTORY = (*READ, "history", "silver_schema", "by_month", "lookups")


class Rebuilt(NamedTuple):
    """How a silver table that was made anew compares with what it was. Counts are rows."""

    table: str
    rows: int
    lost: int  # that were there before and are not now
    gained: int  # that are there now and were not before


def rebuild(
    warehouse: Connection, declared: Tables | None = None, yes: bool = False
) -> list[Rebuilt]:
    """Drop silver and gold, make them again from their SQL and bronze, and compare: all or nothing.

    What is `declared` of the tables' histories is taken now. A warehouse that an earlier version
    made becomes one of this version. Columns that silver has gained or lost, and row hashes of an
    earlier version, are left out of the comparison. What was cut back stays cut back.
    Raises Unconfirmed, and changes nothing, when history would be lost and `yes` was not said.
    Views and functions of somebody else that read silver are made again as they were, materialized
    views with the rows of a refresh. Raises MedallionError, and changes nothing, when that can't
    be, or another relation reads silver.
    """
    with warehouse, warehouse.cursor() as cursor:
        for work in ("prune", "merge"):
            server.only_one(cursor, work)
        cursor.execute("SELECT max(lsn) FROM meta.watermark WHERE stage = 'merge'")
        batch = {"since": 0, "upto": cursor.fetchone()[0] or 0}
        form = earlier.form(cursor)
        kept = Tables.read(cursor, oldest=form) if form else earlier.tables(cursor)
        if declared:
            declared.check(kept, warehouse.info.dbname, CAPTURED)
        tables = kept.reading(declared, *HISTORY)
        before = [_copied(cursor, table) for table in kept.made(cursor)]
        if form < VERSION:
            for name in (["tables_kept"] if not form else []) + ["earlier_meta"]:
                cursor.execute(sqlfile.read(name))
            kept.keep(cursor)
        schemas = ("gold", *dict.fromkeys(kept.schemas + tables.schemas))
        horizons = _horizons(cursor, schemas)
        tables, filling = _make_anew(cursor, schemas, tables, horizons)
        _fill(cursor, tables, batch)
        lost = [line for shape in before if not yes and (line := _lost(cursor, shape))]
        if lost:
            raise refusal("history lost", Unconfirmed, lost="\n".join(lost))
        done = [_compared(cursor, shape, form < VERSION) for shape in before]
        _make_readers(cursor, filling)
        # At the end: until the commit, no capture can say that a table is whole now.
        Tables.change(cursor, lambda now: now.reading(declared, *HISTORY).made_like(tables))
        return done


def _copied(cursor: Cursor, table: Table) -> Shape:
    """What a history is, with the columns that its table has now; its rows are kept beside it."""
    follow(cursor, table)
    cursor.execute(sqlfile.compose("rebuild_keep", silver=table.silver, kept=_kept(table)))
    return Shape.read(cursor, table)


def _kept(table: Table) -> sql.Identifier:
    """Its copy. Both names, of up to 63 bytes each, tell its history from every other."""
    both = json.dumps(table.silver.strings)
    return sql.Identifier("pg_temp", f"kept {hashlib.sha1(both.encode()).hexdigest()}")


def _relations(cursor: Cursor, schemas: Sequence[str]) -> set[str]:
    cursor.execute(sqlfile.read("rebuild_relations"), {"schemas": [*schemas]})
    return {name for (name,) in cursor}


def _horizons(cursor: Cursor, schemas: Sequence[str]) -> list[tuple[str, datetime]]:
    """Since when each history is whole that was cut back, by its name: numbers will be others."""
    if not is_there(cursor, sql.Identifier("meta", "horizon")):
        return []
    cursor.execute(sqlfile.read("rebuild_horizons"), {"schemas": [*schemas]})
    return cursor.fetchall()


def _make_anew(
    cursor: Cursor, schemas: Sequence[str], tables: Tables, horizons: Sequence[tuple[str, datetime]]
) -> tuple[Tables, list[str] | None]:
    """Silver and gold, empty; with what fills the materialized views that others made of them."""
    before = _relations(cursor, schemas)
    cursor.execute(sqlfile.read("silver/readers"))
    readers = sqlfile.run(cursor, "rebuild_readers", {"schemas": [*schemas]})
    dropping, making, filling = readers.fetchone()
    try:
        cursor.execute(IN_SOME_ORDER, (dropping or [],))
        functions.drop(cursor.connection, schemas)
        names = sqlfile.each(map(sql.Literal, schemas))
        cursor.execute(sqlfile.compose("rebuild_drop", schemas=names))
    except errors.DependentObjectsStillExist as problem:
        raise refusal("silver is read", detail=problem.diag.message_detail) from None
    databases.make_procedures(cursor)
    with refusing("row too wide", errors.TooManyColumns, table="a table of silver"):
        tables = databases.make_silver_and_gold(cursor, tables)
    if lost := before - _relations(cursor, schemas):
        raise refusal("silver holds more", names=", ".join(sorted(lost)))
    for horizon in horizons:
        cursor.execute("INSERT INTO meta.horizon VALUES (%s::regclass, %s)", horizon)
    functions.regenerate(cursor.connection)
    _make_readers(cursor, making)
    return tables, filling


def _make_readers(cursor: Cursor, statements: list[str] | None) -> None:
    """MedallionError where one needs what silver has no longer, or can't be filled from it."""
    try:
        cursor.execute(IN_SOME_ORDER, (statements or [],))
    except UNFIT as problem:
        raise refusal("silver is read", detail=problem.diag.message_primary) from None


def _fill(cursor: Cursor, tables: Tables, batch: dict[str, int]) -> None:
    """Merge all of bronze, and cut back what was cut back: bronze may begin before the horizon."""
    for table in tables.made(cursor):
        its = batch | {"upto": table.adding.merged} if table.adding else batch
        merge.attach_months(cursor, table, its)
        merge.merge_table(cursor, table, its)
        relation = sql.Literal(table.silver.as_string(cursor))
        cursor.execute(sqlfile.compose("rebuild_cut", silver=table.silver, relation=relation))


def _now(cursor: Cursor, before: Shape) -> tuple[Shape, list[str]]:
    """The table as it was made anew, and its columns that are of the same type as before."""
    now = Shape.read(cursor, before.table)
    return now, [name for name in now.types if now.types[name] == before.types.get(name)]


def _lost(cursor: Cursor, before: Shape) -> str:
    """How many rows a table would lose, with some keys; empty where it is none.

    Where silver.sql has other columns now, versions may be divided or joined: what each said must
    still be said at its beginning and at its end.
    """
    table, (now, same) = before.table, _now(cursor, before)
    of_all = sql.SQL("ROW({})").format(sqlfile.identifiers(now.keys))
    parts = {
        "kept": _kept(table),
        "silver": table.silver,
        "key": sqlfile.identifiers(now.keys) if len(now.keys) == 1 else of_all,
        "keys": sqlfile.identifiers(now.keys),
        "values": sqlfile.identifiers(same, "each.{}"),
        "is_same": sql.Literal(now.types.keys() == before.types.keys()),
    }
    cursor.execute(sqlfile.compose("rebuild_lost", **parts))
    count, keys = cursor.fetchone()
    of = f"of {', '.join(now.keys)} {', '.join(keys or ())}"
    return f"    {table.shown_history}: {count:,} rows, {of}" if count else ""


def _compared(cursor: Cursor, before: Shape, is_earlier: bool) -> Rebuilt:
    table, (now, same) = before.table, _now(cursor, before)
    hashed = ["row_hash"] if now.types == before.types and not is_earlier else []
    columns = sqlfile.identifiers([*same, "sys_start", "sys_end", *hashed])
    parts = {"kept": _kept(table), "silver": table.silver, "columns": columns}
    cursor.execute(sqlfile.compose("rebuild_compare", **parts))
    return Rebuilt(table.shown_history, *cursor.fetchone())
