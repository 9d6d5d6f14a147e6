"""From the source to bronze: a snapshot of its rows, then each committed change exactly once.

Rows and watermark are committed together, at the end of a source transaction; only then is the
position confirmed to the slot. Whatever is killed in between is read again from the watermark.
"""

import select
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from psycopg2 import extensions, sql
from psycopg2.extensions import connection as Connection, cursor as Cursor
from psycopg2.extras import ReplicationCursor
from sqlalchemy import URL

from medallion_lib import landing, pgoutput, server, slot, sqlfile
from medallion_lib.errors import refusal
from medallion_lib.landing import Landed, Landing, Target, Watermark
from medallion_lib.pgoutput import (
    UNCHANGED, Begin, Column, Commit, Delete, Insert, Message, Relation, Truncate, Update,
)  # fmt: skip
from medallion_lib.steps import step
from medallion_lib.tables import CAPTURED, Captured

LANDING_PAUSE = 0.05  # seconds between landings of a trickle
BUSINESS_TIME = "medallion.system_time"  # the message's prefix: when a replayed change happened
MARKER = "medallion.marker"

Progress = Callable[[int], None]


@dataclass
class Decoder:
    """Turns the stream's messages into bronze rows. Knows the transaction it is in."""

    landing: Landing
    base_types: Callable[[], dict[int, int]]  # of the source's domains, asked at each new relation
    targets: dict[int, Target] = field(default_factory=dict)
    begun: Begin | None = None
    stamp: str = ""  # this transaction's system time; empty before its first row
    seq: int = 0
    marker: str | None = None  # the last marker message seen

    def feed(self, data: bytes) -> bool:
        """Take one message; whether bronze may be landed after it."""
        match event := pgoutput.decode(data):
            case Insert():
                self._row(self.targets[event.relation], "I", event.new)
            case Update():
                self._update(self.targets[event.relation], event.old, event.new)
            case Delete():
                self._row(self.targets[event.relation], "D", event.old)
            case Begin():
                self.begun, self.stamp, self.seq = event, "", 0
            case Commit():
                return self._commit(event)
            case Message():
                return self._message(event)
            case Relation():
                self._relation(event)
            case Truncate():
                for relation in event.relations:
                    self._row(self.targets[relation], "T", None)
        return False

    def _row(self, target: Target, op: str, values: list[Column] | None) -> None:
        if not self.stamp:
            self._settle_time(self.begun.commit_ts)
        self.seq += 1
        self.landing.add(target, f"{self.begun.lsn}\t{self.seq}", op, values, self.stamp)

    def _update(self, target: Target, old: list[Column] | None, new: list[Column]) -> None:
        """A change of key is a delete and an insert; a TOAST value left alone is in the old row."""
        if UNCHANGED in new:
            new = [b if a is UNCHANGED else a for a, b in zip(new, old or new, strict=True)]
        if old and any(old[place] != new[place] for place in target.key):
            self._row(target, "D", old)
            self._row(target, "I", new)
        else:
            self._row(target, "U", new)

    def _commit(self, event: Commit) -> bool:
        if not self.stamp:
            self._settle_time(event.commit_ts)
        self.begun = None
        self.landing.watermark.lsn = event.end_lsn
        self.landing.total.transactions += 1
        return True

    def _message(self, event: Message) -> bool:
        watermark = self.landing.watermark
        if event.prefix == MARKER and not event.transactional:
            self.marker = event.content.decode()
            watermark.lsn = max(watermark.lsn, event.lsn)
            return True
        if event.prefix == BUSINESS_TIME and event.transactional and watermark.business_time:
            at, last = datetime.fromisoformat(event.content.decode()), watermark.commit_ts
            if self.stamp:
                raise refusal("time comes late")
            if last and at < last - timedelta(seconds=1):
                raise refusal("time runs backwards", at=at, last=last)
            self._settle_time(at)
        return False

    def _settle_time(self, source_time: datetime) -> None:
        self.stamp = self.landing.watermark.advance(source_time).isoformat()

    def _relation(self, relation: Relation) -> None:
        if relation.identity != "f":
            raise refusal("old rows not logged", table=f'"{relation.schema}"."{relation.name}"')
        for table in CAPTURED:  # a partition is described too, but its rows come as its parent's
            if table.name == relation.name:
                target = self.landing.target(table, relation, self.base_types())
                self.targets[relation.oid] = target


def capture(
    source: URL, warehouse: Connection, watermark: Watermark, follow: bool, progress: Progress
) -> Landed:
    """Land every change that is committed now; with `follow` also what comes, until interrupted.

    Raises MedallionError, with a remedy, when the slot does not continue where bronze ends.
    """
    into = Landing(warehouse, watermark, Landed(lsn=watermark.lsn))
    with server.session(source, autocommit=True) as cursor:
        slot.check(cursor, watermark)
        marker = None if follow else emit_marker(cursor)
        decoder = Decoder(into, lambda: landing.base_types(cursor))
        with slot.replicating(source) as stream:
            slot.start(stream, watermark.slot, watermark.lsn)
            read(stream, decoder, marker, progress)
    return into.total


def emit_marker(cursor: Cursor) -> str:
    """Write a message to the WAL that no transaction holds back; reading up to it is caught up."""
    token = uuid.uuid4().hex
    cursor.execute("SELECT pg_logical_emit_message(false, %s, %s, true)", (MARKER, token))
    return token


def read(
    stream: ReplicationCursor, decoder: Decoder, marker: str | None, progress: Progress
) -> None:
    """Feed the stream to the decoder and land, until the marker comes; without one, for ever."""
    into = decoder.landing
    landed_at, unlanded, arrived = 0.0, False, False
    while not arrived:
        if message := stream.read_message():
            at_boundary = decoder.feed(message.payload)
            unlanded = unlanded or at_boundary
            arrived = marker is not None and decoder.marker == marker
            is_full = into.waiting + into.since_commit >= landing.BATCH_ROWS
            if not arrived and not (at_boundary and is_full):
                continue
        elif decoder.begun or not unlanded or time.monotonic() - landed_at < LANDING_PAUSE:
            select.select([stream], [], [], LANDING_PAUSE if unlanded else 10)
            continue
        into.land()
        stream.send_feedback(flush_lsn=into.watermark.lsn, force=True)
        step("confirmed")
        landed_at, unlanded = time.monotonic(), False
        progress(into.total.rows)


def snapshot(
    source: URL, warehouse: Connection, slot_name: str, before: Watermark | None, progress: Progress
) -> Landed:
    """Make the slot and land every row that was committed before its first position, as op R.

    Where there was a watermark before, a T for each table comes first: merged, it closes the keys
    that are gone, at the snapshot's time, and leaves the rows that are the same as they are.
    Killed half-way, it leaves the watermark as it was, and is done again from the start.
    """
    made = slot.made(source, slot_name, before, business_time=False)
    with made as (watermark, exported), server.session(source) as cursor:
        step("slot made")
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET TRANSACTION SNAPSHOT %s", (exported,))
        cursor.execute("SELECT clock_timestamp()")
        at = watermark.advance(cursor.fetchone()[0])
        into = Landing(warehouse, watermark, Landed())
        _collect(cursor, into, at, again=before is not None, progress=progress)
        into.land()
        return into.total


def _collect(cursor: Cursor, into: Landing, at: datetime, again: bool, progress: Progress) -> None:
    """All tables' rows under one lsn that no commit has: just below the slot's first."""
    lsn, stamp, seq = into.watermark.lsn - 1, at.isoformat(), 0
    domains = landing.base_types(cursor)
    relations = {table: _relation(cursor, table) for table in CAPTURED}
    targets = {table: into.target(table, relations[table], domains) for table in CAPTURED}
    for target in targets.values() if again else ():
        seq += 1
        into.add(target, f"{lsn}\t{seq}", "T", None, stamp)
    for table, relation in relations.items():
        for row in _rows(cursor.connection, table, relation):
            seq += 1
            into.add(targets[table], f"{lsn}\t{seq}", "R", row, stamp)
            progress(seq)


def _relation(cursor: Cursor, table: Captured) -> Relation:
    cursor.execute(sqlfile.read("relation"), (table.source.as_string(cursor),))
    oid, columns, types = cursor.fetchone()
    return Relation(oid, "public", table.name, "f", tuple(columns), tuple(types))


def _rows(shop: Connection, table: Captured, relation: Relation) -> Iterator[list[str | None]]:
    """Every row, each value as the text that PostgreSQL prints."""
    with shop.cursor(name="snapshot") as cursor:
        cursor.itersize = 10_000
        as_printed = extensions.new_type(relation.types, "TEXT", lambda value, _: value)
        extensions.register_type(as_printed, cursor)
        columns = sqlfile.identifiers(relation.columns)
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(columns, table.source))
        yield from cursor
