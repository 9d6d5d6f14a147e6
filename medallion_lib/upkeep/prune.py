"""History cut back: what ended by an instant goes for good, and what held then stays.

Of a row that was there at the instant, bronze keeps its last change until then, for the log may
name the row by its key alone, and what began its version, so that a rebuild makes the same.
What a look-up found before is kept with these changes: what it read may go.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import server, sqlfile
from medallion_lib.errors import Busy, Unconfirmed, refusal
from medallion_lib.silver.shape import Shape
from medallion_lib.steps import step
from medallion_lib.system_time import functions
from medallion_lib.tables import Table, Tables, is_there

BATCH = 10_000  # rows that go in one transaction


class Pruned(NamedTuple):
    """What went of one table. Counts are rows, and partitions that went whole."""

    table: str
    events: int
    versions: int
    months: int


class _Doomed(NamedTuple):
    """A table, and what is to go of it."""

    table: Table
    events: sql.Identifier  # a temporary table of their positions
    counts: tuple[int, int]  # of events, and of versions
    leaves: list[sql.Identifier]  # the tables that hold its versions; none without a history


def prune(warehouse: Connection, before: datetime, yes: bool = False) -> list[Pruned]:
    """Delete what ended by `before`, in batches, beside whoever captures and merges.

    From the first batch on, nobody is answered AS OF an earlier instant. Killed half-way, it can be
    done again. Raises Unconfirmed, with what would go, unless `yes`; MedallionError where history
    is not final up to then, and Busy while a table is being added.
    """
    with warehouse.cursor() as cursor:
        server.only_one_session(cursor, "prune")
        tables = _checked(cursor, before)
        doomed = [_doomed(cursor, *each, before) for each in enumerate(tables)]
        warehouse.commit()
        if not yes and any(sum(each.counts) for each in doomed):
            raise refusal("prune unconfirmed", Unconfirmed, before=before, lost=_told(doomed))
        _begin(cursor, doomed, before)
        step("horizon set")
        done = [_pruned(cursor, each, before) for each in doomed]
    _vacuum(warehouse, [each for each in doomed if sum(each.counts)])
    return done


def _checked(cursor: Cursor, before: datetime) -> list[Table]:
    """The tables that have bronze. MedallionError where they can't be cut back yet."""
    kept = Tables.read(cursor)
    if adding := [table.shown for table in kept.captured if table.adding]:
        raise refusal("table is being added", Busy, table=adding[0])
    cursor.execute("SELECT commit_ts FROM meta.watermark WHERE stage = 'merge'")
    (final,) = cursor.fetchone() or (None,)
    if final is None or before > final:
        raise refusal("prune not final", before=before, final=final or "never")
    return [table for table in kept.each if is_there(cursor, table.bronze)]


def _doomed(cursor: Cursor, number: int, table: Table, before: datetime) -> _Doomed:
    """What is to go of a table; whatever lands meanwhile is later."""
    events, facts = sql.Identifier("pg_temp", f"doomed_{number}"), {"before": before}
    has_history = bool(table.history) and is_there(cursor, table.silver)
    parts = {"doomed": events, "bronze": table.bronze}
    if table.key:
        begun = _begun(Shape.read(cursor, table)) if has_history else sql.SQL("")
        query = sqlfile.compose("upkeep/prune_events", **parts, key=_key(table), begun=begun)
    else:
        query = sqlfile.compose("upkeep/prune_keyless", **parts)
    cursor.execute(query, facts)
    cursor.execute(sqlfile.compose("upkeep/prune_ordered", doomed=events))
    (count,) = cursor.fetchone()
    if not has_history:
        return _Doomed(table, events, (count, 0), [])
    ended = sql.SQL("SELECT count(*) FROM {} WHERE sys_end <= %(before)s").format(table.silver)
    cursor.execute(ended, facts)
    (versions,) = cursor.fetchone()
    cursor.execute(sqlfile.read("upkeep/leaves"), (table.silver.as_string(cursor),))
    leaves = [sql.Identifier(*names) for names in cursor.fetchall()]
    return _Doomed(table, events, (count, versions), leaves)


def _key(table: Table) -> sql.Composed:
    """The key's values as texts, whatever its columns were called."""
    names = ([sql.Literal(each) for each in table.names_at_source(name)] for name in table.key)
    return sqlfile.each((sqlfile.each(each, "full_row ->> {}") for each in names), "coalesce({})")


def _is_its(shape: Shape) -> sql.Composed:
    """Whether an event is of a version's key."""
    equal = (sql.SQL("{} = version.{}").format(shape.value(name, "event."), sql.Identifier(name))
             for name in shape.keys)  # fmt: skip
    return sqlfile.each(equal, between=" AND ")


def _begun(shape: Shape) -> sql.Composed:
    """What began the versions that hold at the instant."""
    parts = {"bronze": shape.table.bronze, "silver": shape.table.silver, "is_its": _is_its(shape)}
    keys = sqlfile.identifiers(shape.keys, "version.{}")
    return sqlfile.compose("upkeep/prune_begun", **parts, keys=keys)


def _told(doomed: Sequence[_Doomed]) -> str:
    lines = (f"    {each.table.shown}: {each.counts[0]:,} changes, {each.counts[1]:,} versions"
             for each in doomed if sum(each.counts))  # fmt: skip
    return "\n".join(lines)


def _begin(cursor: Cursor, doomed: Sequence[_Doomed], before: datetime) -> None:
    """Refuse earlier instants from now on, and keep what look-ups found."""
    for table in (each.table for each in doomed if each.leaves):
        facts = {"relation": table.silver.as_string(cursor), "before": before}
        sqlfile.run(cursor, "upkeep/horizon_set", facts)
        if table.lookups:
            names = map(sql.Literal, table.lookups), map(sql.Identifier, table.lookups)
            found = (sql.SQL("{}, version.{}").format(*each) for each in zip(*names, strict=True))
            shape, parts = Shape.read(cursor, table), {"found": sqlfile.each(found)}
            parts |= {"bronze": table.bronze, "silver": table.silver, "is_its": _is_its(shape)}
            same = "earlier.{0} = version.{0}"
            parts["same"] = sqlfile.identifiers(shape.keys, same, " AND ")
            cursor.execute(sqlfile.compose("upkeep/prune_looked_up", **parts), facts)
    functions.regenerate(cursor.connection)
    cursor.connection.commit()


def _pruned(cursor: Cursor, doomed: _Doomed, before: datetime) -> Pruned:
    months, versions = 0, 0
    for leaf in doomed.leaves:
        rows = _detached(cursor, doomed.table, leaf, before) if doomed.table.by_month else None
        if rows is None:
            rows = _in_batches(cursor, _ending(leaf), {"before": before, "most": BATCH})
        else:
            months += 1
        versions += rows
    parts = {"doomed": doomed.events, "bronze": doomed.table.bronze}
    # Of rows without a key, what came and what went go together.
    most = BATCH if doomed.table.key else doomed.counts[0]
    deleting = sqlfile.compose("upkeep/prune_batch", **parts)
    events = _in_batches(cursor, deleting, {"most": most})
    return Pruned(doomed.table.shown, events, versions, months)


def _ending(leaf: sql.Identifier) -> sql.Composed:
    return sqlfile.compose("upkeep/prune_versions", leaf=leaf)


def _in_batches(cursor: Cursor, deleting: sql.Composed, facts: dict[str, object]) -> int:
    """Delete until nothing is left, each batch committed; the rows."""
    total = 0
    while True:
        cursor.execute(deleting, facts)
        cursor.connection.commit()
        if cursor.rowcount == 0:
            return total
        total += cursor.rowcount
        step("batch pruned")


def _detached(cursor: Cursor, table: Table, leaf: sql.Identifier, before: datetime) -> int | None:
    """Drop a month all of whose versions ended; how many. None where it can't be or need not be.

    No merge may be between giving a month its partition and filling it. Readers are not waited
    for: what is not dropped is deleted.
    """
    facts, connection = {"before": before}, cursor.connection
    try:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('medallion.months'))")
        if not cursor.fetchone()[0]:
            return None
        cursor.execute(sqlfile.compose("upkeep/month_ended", leaf=leaf), facts)
        ended, rows = cursor.fetchone()
        if not ended or leaf.strings[-1] == f"{table.history}_default":
            return None
        drop = {"silver": table.silver, "leaf": leaf}
        cursor.execute(sqlfile.compose("upkeep/month_dropped", **drop))
        connection.commit()
        return rows
    except errors.LockNotAvailable:
        return None
    finally:
        connection.rollback()


def _vacuum(warehouse: Connection, doomed: Sequence[_Doomed]) -> None:
    """Let the room be used again at once, so that what is pruned often does not grow."""
    of: Callable[[sql.Composable], sql.Composed] = sql.SQL("VACUUM {}").format
    warehouse.autocommit = True
    with warehouse.cursor() as cursor:
        for each in doomed:
            cursor.execute(of(each.table.bronze))
            if each.leaves:
                cursor.execute(of(each.table.silver))
