"""Tables added to a warehouse that captures others already, and tables removed from it.

The others neither stop nor lose a change, whether a capture follows them, is killed meanwhile, or
none runs. Whatever is killed, adding again goes on from where it was. A table's way:

1. The warehouse knows it as pending, with its bronze and its empty history; merge leaves it alone.
   A capture that meets a relation which it does not know asks the warehouse, and lands its changes.
2. The publication sends its changes. What tells that the publication was altered by somebody else
   leaves pending tables out, so that no capture stops for this. Later each is told by itself.
3. A slot for a moment gives a position and a snapshot of everything before it. All transactions
   that began before step 2 have ended by then, so each later one is sent with its changes of the
   table. Bronze's time comes past the position, by whoever captures; then it is known which
   instants are before and after the snapshot. Its rows land just below the position, at an instant
   between. What bronze has of the table from before the position is in the snapshot, and goes.
4. The next landing of a capture completes the changes whose old rows were not known until now, and
   says that the table is whole. Where some can't be completed, the snapshot is taken again.
5. The next merge reads the table from its own beginning, for its first rows may be of a position
   that merge has passed. From then on it is a table like the others.

A table that was removed and is added again has its history until then: its snapshot begins with a
truncation, at the same instant, so that keys that are gone end and rows that are the same go on.
"""

import time
from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import datetime

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL

from medallion_lib import server, sqlfile
from medallion_lib.bronze import capture, layout, pending
from medallion_lib.bronze.landing import Landed, Landing
from medallion_lib.errors import MedallionError, refusal
from medallion_lib.progress import Progress
from medallion_lib.silver import history
from medallion_lib.source import catalog, continuity, membership, slot
from medallion_lib.source.evolution import unnumbered
from medallion_lib.source.watermark import Watermark
from medallion_lib.steps import step
from medallion_lib.system_time import functions
from medallion_lib.tables import Adding, Table, Tables, by_source

AGAIN = 0.05  # seconds between looks at how far another capture is


def add(source: URL, warehouse: Connection, tables: Sequence[Table], progress: Progress) -> None:
    """Capture these tables too, from a snapshot of them on; `progress` is told of its rows.

    It ends once bronze has the whole of each. Where nobody else captures meanwhile, this does.
    Raises MedallionError where the source lacks something, or a table is captured already.
    """
    with server.session(source, autocommit=True) as at_source, warehouse.cursor() as cursor:
        server.only_one_session(cursor, "add")
        names = by_source(tables).keys()
        wanted = catalog.completed(at_source, Tables(tuple(tables))).each
        others = [each for each in Tables.read(cursor).captured if each.source.strings not in names]
        slot.preflight(at_source, source, (*others, *wanted))
        _make(at_source, cursor, wanted, _made_anew(at_source, cursor, wanted))
        warehouse.commit()
        step("table made")
        while coming := _pending(cursor, names):
            if lacking := [table for table in coming if table.adding.snapshot is None]:
                capture_to_now(source, at_source, warehouse)
                _take_snapshot(source, at_source, warehouse, lacking, progress)
            capture_to_now(source, at_source, warehouse)


def _made_anew(at_source: Cursor, cursor: Cursor, wanted: Sequence[Table]) -> list[Table]:
    """Those that are other tables of the source than when they were captured, if they were."""
    watermark, now = Watermark.read(cursor), catalog.Catalog(at_source, ())
    known = {*((watermark and watermark.names) or {}).values()}
    return [table for table in wanted if now.oid(table) not in known]


def _make(
    at_source: Cursor, cursor: Cursor, wanted: Sequence[Table], anew: Sequence[Table]
) -> None:
    """Let the warehouse know the tables as pending, with their bronze and their history."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('medallion.merge'))")  # or it went on
    cursor.execute("SELECT stage, lsn FROM meta.watermark")
    reached = dict(cursor.fetchall())
    adding = Adding(reached["capture"], reached.get("merge", 0)) if "capture" in reached else None
    database = cursor.connection.info.dbname

    def added(kept: Tables) -> Tables:
        ended = [each for each in kept.each if each.source in [table.source for table in anew]]
        kept = kept.put(*(unnumbered(each) for each in ended if not each.is_captured))
        return kept.put(*(_added(kept, table, adding, database) for table in wanted))

    names = by_source(wanted)
    made = [each for each in Tables.change(cursor, added).each if each.source.strings in names]
    layout.make_missing(cursor, made)
    layout.index_missing(cursor, made, catalog.Catalog(at_source, made).searched())
    made = history.make_missing(cursor, Tables(tuple(made)))
    Tables.change(cursor, lambda kept: kept.made_like(made))
    functions.regenerate(cursor.connection)


def _added(kept: Tables, table: Table, adding: Adding | None, database: str) -> Table:
    """The table as it is pending from now on, or is already."""
    for other in kept.each:
        is_same_history = table.history and other.history and table.silver == other.silver
        if other.source != table.source and (is_same_history or table.bronze == other.bronze):
            raise refusal("name of another", table=table.shown, other=other.shown)
    known = kept.of(table)
    if known is None:
        return replace(table, adding=adding and adding._replace(merged=0))
    captured = replace(known, is_captured=True)
    Tables((table,)).check(Tables((captured,)), database)
    if known.is_captured and not known.is_pending:
        raise refusal("table captured already", table=table.shown)
    if known.is_pending:
        return known
    if adding and known.adding:  # it was removed before it was merged
        adding = adding._replace(merged=known.adding.merged)
    return replace(captured, adding=adding, published=None)


def _pending(cursor: Cursor, names: Set[tuple[str, ...]]) -> list[Table]:
    """Those that are not whole yet. MedallionError where one was removed meanwhile."""
    captured = by_source(Tables.read(cursor).captured)
    cursor.connection.commit()
    if gone := names - captured.keys():
        raise refusal("table not captured", table=".".join(min(gone)))
    return [captured[name] for name in names if captured[name].is_pending]


def capture_to_now(source: URL, at_source: Cursor, warehouse: Connection) -> None:
    """Let bronze come to where the source's log ends now, by who captures already, if anybody."""
    _, position = sqlfile.run(at_source, "source/clock").fetchone()
    capture.emit_marker(at_source)  # up to which another capture lands at once
    with warehouse.cursor() as cursor:
        while (known := Watermark.read(cursor, Tables.read(cursor))).at_source < position:
            cursor.execute("SELECT pg_try_advisory_lock(hashtext('medallion.capture'))")
            if cursor.fetchone()[0]:
                try:
                    capture.capture(source, warehouse, known, lambda rows: None)
                finally:
                    cursor.execute("SELECT pg_advisory_unlock(hashtext('medallion.capture'))")
            warehouse.commit()
            time.sleep(AGAIN)


def _take_snapshot(
    source: URL, at_source: Cursor, warehouse: Connection, tables: Sequence[Table], show: Progress
) -> None:
    """Land the rows of these tables as they are at one position, once capture has passed it.

    Nothing is landed where one was emptied or rewritten before it was kept from that.
    """
    watermark = _checked(at_source, warehouse)
    told = membership.join(at_source, watermark, tables)
    step("table published")
    with slot.replicating(source) as stream:
        position, exported = slot.create(stream, f"{watermark.slot}_add", "TEMPORARY")
        with capture.exporting(source, exported) as as_it_was:
            if not catalog.Catalog(as_it_was, tables).hold():
                return
            taken_at, _ = sqlfile.run(at_source, "source/clock").fetchone()
            if not watermark.business_time:  # a commit of now, which bronze's time goes up to
                at_source.execute("SELECT pg_logical_emit_message(true, %s, '')", (capture.MARKER,))
            step("snapshot made")
            capture_to_now(source, at_source, warehouse)
            into = Landing(warehouse, replace(watermark, lsn=watermark.here(position)), Landed())
            into.watermark.tables = replace(watermark.tables, each=tuple(told))
            at = _dated(into, watermark, taken_at)
            for table in told:
                with warehouse.cursor() as cursor:
                    pending.drop_since(cursor, table, table.adding.begun, into.watermark.lsn)
            capture.collect(as_it_was, into, at.isoformat(), watermark, show)
            into.send()
    step("snapshot copied")
    with warehouse, warehouse.cursor() as cursor:
        snapshot, with_changes = into.watermark.lsn - 1, into.watermark.with_changes
        Tables.change(cursor, lambda now: with_changes(_with_snapshot(now, told, snapshot)))
    step("snapshot landed")


def _checked(at_source: Cursor, warehouse: Connection) -> Watermark:
    """The watermark, where the slot goes on from it; one that moves on meanwhile is read again."""
    with warehouse.cursor() as cursor:
        while True:
            watermark = Watermark.read(cursor, Tables.read(cursor))
            warehouse.commit()  # a new slot waits for all transactions of its server
            try:
                continuity.check(at_source, watermark)
                return watermark
            except MedallionError:
                if Watermark.read(cursor).lsn == watermark.lsn:
                    raise


def _dated(into: Landing, watermark: Watermark, taken_at: datetime) -> datetime:
    """The instant that the snapshot's rows are of; see step 3."""
    one = " UNION ALL (SELECT commit_ts FROM {{}} WHERE lsn {} %(lsn)s ORDER BY {} LIMIT 1)"
    last, first = one.format("<", "lsn DESC, seq DESC"), one.format(">=", "lsn, seq")
    parts = {
        "before": sqlfile.each((each.bronze for each in watermark.tables.captured), last, ""),
        "since": sqlfile.each((each.bronze for each in into.watermark.tables.each), first, ""),
    }
    facts = {"taken_at": taken_at, "lsn": into.watermark.lsn}
    if watermark.business_time:
        facts["taken_at"] = watermark.commit_ts or taken_at
    with into.warehouse.cursor() as cursor:
        cursor.execute(sqlfile.compose("watch/snapshot_time", **parts), facts)
        return cursor.fetchone()[0]


def _with_snapshot(now: Tables, told: Sequence[Table], snapshot: int) -> Tables:
    """The tables, of which these have a snapshot now. MedallionError where one was removed."""
    for table in told:
        known = now.of(table)
        if known is None or not known.is_captured or known.adding != table.adding:
            raise refusal("table not captured", table=table.shown)
        adding = known.adding._replace(snapshot=snapshot)
        now = now.put(replace(known, published=table.published, adding=adding))
    return now


def remove(source: URL, warehouse: Connection, tables: Sequence[Table]) -> None:
    """Capture these tables no more: their bronze and their history stay as they are.

    First the warehouse knows it, then the publication: a capture lets go what comes in between. Of
    a table that was just being added, what bronze has goes.
    Killed in between, it can be done again. Raises MedallionError where one was never captured.
    """
    with server.session(source, autocommit=True) as at_source, warehouse.cursor() as cursor:
        server.only_one_session(cursor, "add")
        for table in tables:
            _remove(at_source, cursor, table)


def _remove(at_source: Cursor, cursor: Cursor, table: Table) -> None:
    kept = Tables.read(cursor)
    watermark = Watermark.read(cursor, kept)
    if not (known := by_source(kept.published).get(table.source.strings)):
        raise refusal("table not captured", table=table.shown)
    if known.is_captured:
        known = _let_go(at_source, cursor, watermark, known)
        step("removal known")
    if watermark:
        membership.leave(at_source, watermark, known)


def _let_go(
    at_source: Cursor, cursor: Cursor, watermark: Watermark | None, known: Table
) -> Table:
    """Let the warehouse know that a table is captured no more; the table with what tells of it."""
    if watermark:
        version, known = membership.leaving(at_source, watermark, known)
        if known.published:
            _checked(at_source, cursor.connection)  # the other tables are as they were
    Tables.change(cursor, lambda now: now.put(_ended(cursor, now, known)))  # locks as capture does
    if watermark and known.published:
        sqlfile.run(cursor, "source/watermark_publication", {"publication": version})
    cursor.connection.commit()
    return known


def _ended(cursor: Cursor, now: Tables, table: Table) -> Table:
    known = now.of(table)
    adding = known.adding
    if known.is_pending:
        pending.drop_since(cursor, known, adding.begun)
        adding = None
    return replace(known, is_captured=False, published=table.published, adding=adding)
