"""A row's values erased from the warehouse, at once from bronze, silver and every version.

What is left says the same of every instant, without them. A row that the source has still is erased
again as often as it lands, until it is deleted there.
"""

from collections.abc import Sequence
from typing import NamedTuple

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import server, sqlfile
from medallion_lib.bronze.erasing import key_of_row
from medallion_lib.errors import Busy, Unconfirmed, refusal, refusing
from medallion_lib.gold.keys import Key
from medallion_lib.silver.shape import Shape
from medallion_lib.tables import Table, Tables, is_there
from medallion_lib.watch import asking


class Erased(NamedTuple):
    """What was erased of one row. Counts are rows of bronze and of silver."""

    table: str
    events: int
    versions: int


def erase(
    warehouse: Connection, name: str, key: object, columns: Sequence[str] = (), yes: bool = False
) -> list[Erased]:
    """Erase the row of a table's key: these columns, or all of it, in one transaction.

    `key` is as `life` takes it. Raises Unconfirmed, with how much would go, unless `yes`, and
    MedallionError where there is no such row, or a column can't be without a value.
    """
    with warehouse, warehouse.cursor() as cursor:
        server.only_one(cursor, "merge")
        table = asking.watched(Tables.read(cursor), name)
        if not table.key:
            raise refusal("no key to erase by", table=table.shown)
        if table.adding:
            raise refusal("table is being added", Busy, table=table.shown)
        said = Key.read(table, key)
        has_history = bool(table.history) and is_there(cursor, table.silver)
        shape = Shape.read(cursor, table) if has_history else None
        gone = _in_bronze(table, shape, columns)
        # Whoever lands has landed by then, and lands on when the journal says what to look for.
        lock = "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE"
        cursor.execute(sql.SQL(lock).format(table.bronze))
        with refusing("no such key", psycopg2.DataError, **said.facts):
            events = _find(cursor, said, shape)
            is_its = _is_its(said, shape)
            versions = _versions(cursor, table, is_its) if shape else 0
        if not events:
            raise refusal("no such key", **said.facts, reason="bronze has no change of it")
        if not yes:
            facts = {"table": table.shown, "key": said.said, "events": events, "versions": versions}
            what = ", ".join(columns) or "the row"
            raise refusal("erasure unconfirmed", Unconfirmed, what=what, **facts)
        _erase(cursor, table, gone, versions)
        if shape:
            _make_anew(cursor, shape, is_its, bool(gone))
    return [Erased(table.shown, events, versions)]


def _in_bronze(table: Table, shape: Shape | None, columns: Sequence[str]) -> list[str]:
    """All names in bronze of these columns. MedallionError where one can't be null."""
    names = []
    for column in columns:
        name = table.in_silver(column)
        known = shape.from_source if shape else [name]
        if name not in known:
            raise refusal("no such column", table=table.shown, column=column, near=", ".join(known))
        if name in table.silver_key or (shape and name not in shape.nullable):
            raise refusal("column not to be nulled", table=table.shown, column=column)
        names += table.in_bronze(name)
    return names


def _is_its(said: Key, shape: Shape | None, in_bronze: bool = False) -> sql.Composed:
    """Whether a row is of the key: in bronze by the column's values there, else by silver's."""
    equal = []
    for name, text in said.texts.items():
        type_ = sql.SQL(shape.plain[name] if shape else "text")
        found = sql.Identifier(name)
        if in_bronze:
            names = map(sql.Literal, said.table.in_bronze(name))
            texts = sqlfile.each(names, "full_row ->> {}")
            found = sql.SQL("(coalesce({}))::{}").format(texts, type_)
        equal.append(sql.SQL("{} = {}::{}").format(found, sql.Literal(text), type_))
    return sqlfile.each(equal, between=" AND ")


def _find(cursor: Cursor, said: Key, shape: Shape | None) -> int:
    """The changes of the key, in a temporary table; how many. MedallionError if of several keys."""
    parts = {"bronze": said.table.bronze, "key": key_of_row(said.table)}
    parts["is_its"] = _is_its(said, shape, in_bronze=True)
    cursor.execute(sqlfile.compose("upkeep/erase_events", **parts))
    events, keys = cursor.fetchone()
    if keys > 1 and not said.is_whole:
        raise said.several()
    return events


def _versions(cursor: Cursor, table: Table, is_its: sql.Composed) -> int:
    cursor.execute(sql.SQL("SELECT count(*) FROM {} WHERE {}").format(table.silver, is_its))
    return cursor.fetchone()[0]


def _erase(cursor: Cursor, table: Table, names: Sequence[str], versions: int) -> None:
    """From bronze, and into the journal."""
    parts = {"bronze": table.bronze, "of": sql.Literal(table.bronze.as_string(cursor))}
    facts = {"columns": [*names] or None, "versions": versions}
    cursor.execute(sqlfile.compose("upkeep/erase_noted", **parts), facts)
    kind = "nulled" if names else "dropped"
    cursor.execute(sqlfile.compose(f"upkeep/erase_{kind}", **parts), facts)


def _make_anew(cursor: Cursor, shape: Shape, is_its: sql.Composed, is_left: bool) -> None:
    """The versions that bronze has of the key now."""
    silver = shape.table.silver
    cursor.execute(sql.SQL("DELETE FROM {} WHERE {}").format(silver, is_its))
    if is_left:
        events = sql.Identifier("pg_temp", "erased_event")
        cursor.execute("SELECT max(lsn) FROM meta.watermark WHERE stage = 'merge'")
        upto = {"upto": cursor.fetchone()[0] or 0}
        columns = sqlfile.identifiers([*shape.from_source, *shape.table.lookups])
        parts = {"silver": silver, "columns": columns, "history": shape.whole_history(events)}
        cursor.execute(sqlfile.compose("upkeep/erase_versions", **parts), upto)
        relation = sql.Literal(silver.as_string(cursor))
        cursor.execute(sqlfile.compose("rebuild_cut", silver=silver, relation=relation))
