"""From the source to bronze: a snapshot of its rows, then each committed change exactly once.

Rows and watermark are committed together, at the end of a source transaction; only then is the
position confirmed to the slot. Whatever is killed in between is read again from the watermark.
"""

import select
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import ReplicationCursor
from sqlalchemy import URL

from medallion_lib import server, sqlfile
from medallion_lib.bronze import layout, pending
from medallion_lib.bronze.landing import Landed, Landing
from medallion_lib.bronze.transactions import MARKER, Decoder
from medallion_lib.errors import Busy, MedallionError, refusal
from medallion_lib.progress import Progress
from medallion_lib.source import continuity, rows, slot
from medallion_lib.source.catalog import Catalog
from medallion_lib.source.evolution import unnumbered
from medallion_lib.source.watermark import Watermark
from medallion_lib.steps import step
from medallion_lib.tables import Tables

SHORTEST, LONGEST = 0.01, 0.05  # seconds between landings, where no batch is full
TRICKLE = 200  # rows, of which fewer are no reason to wait for more
BUSY = 0.005  # seconds, in which another thread may be done
HEARTBEAT = 10.0  # seconds without a landing, after which a marker moves the slot on


def capture(
    source: URL,
    warehouse: Connection,
    watermark: Watermark,
    landed: Progress,
    follow: bool = False,
    merging: bool = False,
) -> Landed:
    """Land every change that is committed now, or what comes too; `landed` is told of each landing.

    One that commits on the warehouse's connection, as `merging` does, is told only where nothing
    has been sent since: else it would commit rows without their watermark.
    While nothing comes, a marker in the log now and then moves the slot on: else the log that
    other databases on the server write would be kept for it. Each time all is checked again.
    Raises MedallionError, with a remedy, when the slot does not continue where bronze ends.
    """
    into = Landing(warehouse, watermark, Landed(lsn=watermark.lsn))
    with server.session(source, autocommit=True) as cursor, into.with_thread(not merging):
        decoder = Decoder(into, catalog := Catalog(cursor, watermark.tables.captured))
        with warehouse, warehouse.cursor() as indexing:  # some lack theirs, after a killed watch
            layout.index_missing(indexing, catalog.tables, catalog.searched())

        def beat() -> str:
            _check(cursor, decoder)
            return emit_marker(cursor)

        publication, last = _check(cursor, decoder), emit_marker(cursor)
        with slot.replicating(source) as stream:
            slot.start(stream, watermark.slot, watermark.at_source, publication)
            for marker in landings(stream, decoder, cursor.connection, beat):
                landed(into.total.rows)
                if marker == last and not follow:
                    break
            slot.settle(cursor, watermark, closed=False)
        slot.settle(cursor, watermark, closed=True)
    return into.total


def _check(source: Cursor, decoder: Decoder) -> str:
    """See `continuity.check`: the warehouse knows of tables that were added or removed meanwhile.

    Of a table that was dropped it is told, and the others go on; of a column that was added, too.
    """
    known = decoder.landing.watermark.names
    while True:
        try:
            publication = continuity.check(source, decoder.landing.watermark)
            decoder.tell_filled(known)
            return publication
        except continuity.TablesGone as gone:
            decoder.let_go(gone.tables, gone.version)
        except MedallionError:
            if not decoder.read_tables():
                raise


def emit_marker(cursor: Cursor) -> str:
    """Write a message to the WAL that no transaction holds back; reading up to it is caught up."""
    token = uuid.uuid4().hex
    sqlfile.run(cursor, "bronze/marker", {"prefix": MARKER, "content": token})
    return token


def awaited(source: Cursor, warehouse: Cursor, lsn: int) -> bool:
    """Whether another process that follows the log lands all before a position, within seconds."""
    emit_marker(source)  # up to which it lands at once
    give_up = time.monotonic() + server.connections.LOCK_PATIENCE
    while (is_late := Watermark.read(warehouse).lsn < lsn) and time.monotonic() < give_up:
        time.sleep(0.05)
    return not is_late


def landings(
    stream: ReplicationCursor, decoder: Decoder, source: Connection, beat: Callable[[], object]
) -> Iterator[str | None]:
    """Feed the stream to the decoder and land: when a batch is full, a marker came, or it is quiet.

    Gives the last marker before each landing. A thread lands full batches while more is read.
    A trickle's next landing waits for as long as the last took, with what the caller made of it.
    `beat` is called whenever nothing has landed for a while.
    """
    into, marker = decoder.landing, decoder.marker
    quiet_since, due, unlanded = time.monotonic(), 0.0, False
    while True:
        if message := stream.read_message():
            at_boundary = decoder.feed(message.payload)
            unlanded = unlanded or at_boundary
            if not at_boundary or not (into.is_full or decoder.marker is not marker):
                continue
        else:
            at = due if unlanded and not decoder.begun else inf
            if into.is_busy or not (into.begun or time.monotonic() >= at):
                _wait(stream, source, into, at)
                if time.monotonic() - quiet_since >= HEARTBEAT and not into.is_busy:
                    quiet_since = time.monotonic()
                    beat()
                continue
        quiet_since = time.monotonic()
        if into.begun:
            _confirm(stream, into)
            yield marker
            if not message:
                continue
        is_trickle, is_awaited = into.since_landing < TRICKLE, decoder.marker is not marker
        marker, unlanded = decoder.marker, False
        decoder.begin_landing()
        if into.beside and message and not is_awaited:
            continue
        _confirm(stream, into)
        yield marker
        took, quiet_since = time.monotonic() - quiet_since, time.monotonic()
        due = quiet_since + (min(max(took, SHORTEST), LONGEST) if is_trickle else LONGEST)


def _wait(stream: ReplicationCursor, source: Connection, into: Landing, at: float) -> None:
    """Wait for more of the stream, or until a time, or for what another thread does.

    The end of another connection is an error at once: a server that stops ends them, and then waits
    for the stream's reader.
    """
    patience = min(max(0.0, at - time.monotonic()), BUSY if into.sending else HEARTBEAT)
    others = [source] if into.is_busy else [source, into.warehouse]
    readable, _, _ = select.select([stream, *others], [], [], patience)
    for connection in others:
        if connection in readable:
            connection.poll()


def _confirm(stream: ReplicationCursor, into: Landing) -> None:
    """Confirm to the slot what has landed, once it has."""
    slot.confirm(stream, into.finish() - into.watermark.ahead)
    step("confirmed")


def snapshot(
    source: URL, warehouse: Connection, slot_name: str, tables: Tables,
    before: Watermark | None, progress: Progress, mark: str | None = None,
    then: Callable[[Cursor], object] | None = None,
) -> Landed:  # fmt: skip
    """Make the slot and land every row that was committed before its first position, as op R.

    Bronze of the tables that is missing is made before anything moves, and committed: on one
    server with the source, the new slot would wait for that transaction.

    Where there was a watermark before, a T for each table comes first: merged, it closes the keys
    that are gone, at the snapshot's time, and leaves the rows that are the same as they are.
    Killed half-way, it leaves the watermark as it was, and is done again from the start. What
    comes `then` has a cursor that sees the source still so, and bronze's other indexes to make.
    """
    with warehouse, warehouse.cursor() as cursor:
        layout.make_missing(cursor, tables.captured)
    tables = pending.begun_anew(tables, before.tables if before else tables)
    made = slot.made(source, slot_name, tables, before, business_time=False, mark=mark)
    with made as (watermark, exported), exporting(source, exported) as cursor:
        step("slot made")
        if not Catalog(cursor, watermark.tables.captured).hold():
            raise refusal("table rewritten", Busy)
        at = watermark.advance(Catalog(cursor, ()).clock())
        into = Landing(warehouse, watermark, Landed())
        pending.drop_begun(into)
        collect(cursor, into, at.isoformat(), before, progress)
        with warehouse.cursor() as indexing:
            captured = into.watermark.tables.captured
            searched, about = Catalog(cursor, captured).searched(), "key too long"
            layout.index_missing(indexing, captured, searched, bool(then), about)
        into.land()
        if then:
            then(cursor)
        return into.total


@contextmanager
def exporting(source: URL, snapshot: str) -> Iterator[Cursor]:
    """A cursor on the source as it was when this snapshot was exported. Reads whole tables only."""
    with server.session(source) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET TRANSACTION SNAPSHOT %s", (snapshot,))
        cursor.execute("SET LOCAL row_security = off")  # an error, where rows would be left out
        cursor.execute("SET LOCAL search_path = ''")
        sqlfile.run(cursor, "source/patient")
        yield cursor


def collect(
    cursor: Cursor, into: Landing, stamp: str, before: Watermark | None, progress: Progress
) -> None:  # fmt: skip
    """All tables' rows under one lsn that no commit has: just below the slot's first.

    `before` is what was known of the source, where bronze has rows of these tables already.
    """
    lsn, seq, watermark = into.watermark.lsn - 1, 0, into.watermark
    catalog = Catalog(cursor, watermark.tables.captured, watermark.names)
    _evolve(catalog, into, before)
    targets = {table: into.target(table, catalog.relation(table), {}) for table in catalog.tables}
    for target in targets.values() if before else ():
        seq += 1
        into.add(target, f"{lsn}\t{seq}", "T", None, stamp)
    into.send()
    read, expected = Counter(rows=seq), catalog.rows_expected()

    def told(more: int) -> None:
        read["rows"] += more
        progress(read["rows"], expected)

    for table in targets:
        parts = {"lsn": lsn, "seq": seq, "stamp": stamp}
        query = sqlfile.compose(
            "source/rows_copied",
            **{name: sql.Literal(value) for name, value in parts.items()},
            rows=rows.query(catalog, table),
        )
        seq += into.copy(table, cursor, query, told)


def _evolve(catalog: Catalog, into: Landing, before: Watermark | None) -> None:
    """Take the columns that the tables have now. One made anew has its numbers from the start."""
    known = {*((before and before.names) or {}).values()}
    for table in catalog.tables:
        if table.evolves:
            is_same = catalog.oid(table) in known
            found, at = catalog.found(table), into.watermark.commit_ts
            into.evolve(table if is_same else unnumbered(table), found, at, anew=True)
    catalog.tables = into.watermark.tables.captured
