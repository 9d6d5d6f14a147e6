"""From the source's write-ahead log to bronze, each committed change exactly once.

Rows and watermark are committed together, at the end of a source transaction; only then is the
position confirmed to the slot. Whatever is killed in between is read again from the watermark.
"""

from __future__ import annotations

import io
import select
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg2
import psycopg2.extras
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL

from medallion_lib import pgoutput, slot
from medallion_lib.errors import MedallionError
from medallion_lib.pgoutput import Begin, Commit, Delete, Insert, Message, Relation, Truncate, Update
from medallion_lib.steps import step
from medallion_lib.tables import CAPTURED, Captured

BATCH_ROWS = 20_000  # rows that land together
LANDING_PAUSE = 0.05  # seconds between landings of a trickle
BUSINESS_TIME = "medallion.system_time"  # the message's prefix: when a replayed change happened
MARKER = "medallion.marker"
MICROSECOND = timedelta(microseconds=1)

Progress = Callable[[int], None]


@dataclass
class Landed:
    """What one capture brought: rows in bronze, source transactions, and how far it is now."""

    rows: int = 0
    transactions: int = 0
    lsn: int = 0


@dataclass
class Watermark:
    """How far bronze is, as the warehouse's meta.watermark has it."""

    lsn: int
    commit_ts: datetime | None
    slot: str
    source_system: int
    source_name: str
    business_time: bool

    @classmethod
    def read(cls, cursor: Cursor) -> Watermark | None:
        cursor.execute(
            "SELECT lsn, commit_ts, slot, source_system, source_name, business_time "
            "FROM meta.watermark WHERE stage = 'capture'"
        )
        row = cursor.fetchone()
        return cls(*row) if row else None

    def write(self, cursor: Cursor) -> None:
        cursor.execute(
            "INSERT INTO meta.watermark (stage, lsn, commit_ts, slot, source_system, source_name, "
            "business_time) VALUES ('capture', %(lsn)s, %(commit_ts)s, %(slot)s, "
            "%(source_system)s, %(source_name)s, %(business_time)s) ON CONFLICT (stage) DO UPDATE "
            "SET lsn = excluded.lsn, commit_ts = excluded.commit_ts, slot = excluded.slot, "
            "source_system = excluded.source_system, source_name = excluded.source_name, "
            "business_time = excluded.business_time, updated_at = clock_timestamp()",
            vars(self),
        )


@dataclass
class Target:
    """One bronze table, and how the rows of its source table are written while they look so."""

    table: Captured
    relation: Relation
    write: Callable[[list[pgoutput.Column]], str]
    key: list[int]  # where the key's columns are
    lines: list[str]  # COPY lines that have not been sent yet


@dataclass
class Landing:
    """Collects rows as COPY lines and lands them with the watermark."""

    warehouse: Connection
    watermark: Watermark
    lines: dict[str, list[str]] = field(default_factory=dict)
    waiting: int = 0  # rows collected, not yet sent to the warehouse
    since_commit: int = 0  # rows collected since the last landing
    total: Landed = field(default_factory=Landed)

    def add(self, lines: list[str], line: str) -> None:
        lines.append(line)
        self.waiting += 1
        if self.waiting >= BATCH_ROWS:
            self.send()

    def send(self) -> None:
        """COPY what waits into the open warehouse transaction."""
        with self.warehouse.cursor() as cursor:
            for table in CAPTURED:
                if lines := self.lines.get(table.name):
                    copy = sql.SQL("COPY {} (lsn, seq, op, full_row, commit_ts) FROM STDIN")
                    cursor.copy_expert(
                        copy.format(table.bronze), io.StringIO("".join(lines)), size=1 << 20
                    )
                    lines.clear()
        self.since_commit += self.waiting
        self.waiting = 0

    def commit(self) -> None:
        """Land: rows and watermark in one transaction."""
        self.send()
        step("copied")
        with self.warehouse.cursor() as cursor:
            self.watermark.write(cursor)
        self.warehouse.commit()
        self.total.rows += self.since_commit
        self.total.lsn = self.watermark.lsn
        self.since_commit = 0
        step("landed")


@dataclass
class Decoder:
    """Turns the stream's events into bronze rows. Knows the transaction it is in."""

    landing: Landing
    base_types: Callable[[], dict[int, int]]  # of the source's domains, asked at each new relation
    targets: dict[int, Target] = field(default_factory=dict)
    begun: Begin | None = None
    stamp: str = ""  # the tail of this transaction's COPY lines; empty before its first row
    seq: int = 0
    marker: str | None = None  # the last marker message seen

    def feed(self, data: bytes) -> bool:
        """Take one message; whether bronze may be landed after it."""
        event = pgoutput.decode(data)
        match event:
            case Insert(oid, new):
                target = self.targets[oid]
                self._row(target, "I", new)
            case Update(oid, old, new):
                self._update(self.targets[oid], old, new)
            case Delete(oid, old):
                self._row(self.targets[oid], "D", old)
            case Begin():
                self.begun, self.stamp, self.seq = event, "", 0
            case Commit():
                return self._commit(event)
            case Message():
                return self._message(event)
            case Relation():
                self._relation(event)
            case Truncate(oids):
                for oid in oids:
                    self._row(self.targets[oid], "T", None)
        return False

    def _row(self, target: Target, op: str, values: list[pgoutput.Column] | None) -> None:
        if not self.stamp:
            self._settle_time(self.begun.commit_ts)
        self.seq += 1
        row = "\\N" if values is None else target.write(values).replace("\\", "\\\\")
        self.landing.add(
            target.lines, f"{self.begun.lsn}\t{self.seq}\t{op}\t{row}{self.stamp}"
        )

    def _update(
        self, target: Target, old: list[pgoutput.Column] | None, new: list[pgoutput.Column]
    ) -> None:
        if pgoutput.UNCHANGED in new:
            new = [
                before if value is pgoutput.UNCHANGED else value
                for before, value in zip(old or new, new, strict=True)
            ]
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
        if event.prefix == BUSINESS_TIME and event.transactional and watermark.business_time:
            self._business_time(datetime.fromisoformat(event.content.decode()))
        elif event.prefix == MARKER and not event.transactional:
            self.marker = event.content.decode()
            watermark.lsn = max(watermark.lsn, event.lsn)
            return True
        return False

    def _business_time(self, at: datetime) -> None:
        last = self.landing.watermark.commit_ts
        if self.stamp:
            raise MedallionError("A replayed transaction must say its business time before its rows.")
        if last and at < last - timedelta(seconds=1):
            raise MedallionError(
                f"A transaction of business time {at:%Y-%m-%d %H:%M:%S} follows one of "
                f"{last:%Y-%m-%d %H:%M:%S}.\nHistory can't be written backwards. To start again:\n"
                "    python -m medallion_lib reset"
            )
        self._settle_time(at)

    def _settle_time(self, source_time: datetime) -> None:
        """Give the transaction its system time, later than that of the one before."""
        watermark = self.landing.watermark
        if watermark.commit_ts and source_time <= watermark.commit_ts:
            source_time = watermark.commit_ts + MICROSECOND
        watermark.commit_ts = source_time
        self.stamp = f"\t{source_time.isoformat()}\n"

    def _relation(self, relation: Relation) -> None:
        if relation.identity != "f":
            name = f'"{relation.schema}"."{relation.name}"'
            raise MedallionError(
                f"The source does not log the old rows of {name}, so that a delete or a long value "
                f"would land incomplete.\nIn the source, then capture again:\n"
                f"    ALTER TABLE {name} REPLICA IDENTITY FULL;"
            )
        for table in CAPTURED:  # a partition is described too, but its rows come as its parent's
            if table.name == relation.name:
                lines = self.landing.lines.setdefault(table.name, [])
                self.targets[relation.oid] = target(table, relation, self.base_types(), lines)


def target(
    table: Captured, relation: Relation, base_types: dict[int, int], lines: list[str]
) -> Target:
    """How rows of a source table with these columns become bronze rows."""
    key = [relation.columns.index(name) for name in table.key]
    return Target(table, relation, pgoutput.json_writer(relation, base_types), key, lines)


def base_types(cursor: Cursor) -> dict[int, int]:
    """The type that each of the source's domains stands for, by oid."""
    cursor.execute("SELECT oid, typbasetype FROM pg_type WHERE typtype = 'd'")
    direct = dict(cursor.fetchall())

    def base(oid: int) -> int:
        return base(direct[oid]) if oid in direct else oid

    return {oid: base(oid) for oid in direct}


@contextmanager
def exclusively(warehouse: Connection) -> Iterator[None]:
    """Keep a second capture out for as long as the connection lives."""
    with warehouse.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('medallion.capture'))")
        if not cursor.fetchone()[0]:
            raise MedallionError(
                "Another capture is running into this warehouse. Wait for it, or stop it, then\n"
                "    python -m medallion_lib capture"
            )
    warehouse.commit()
    try:
        yield
    finally:
        with suppress(psycopg2.Error), warehouse.cursor() as cursor:
            warehouse.rollback()
            cursor.execute("SELECT pg_advisory_unlock(hashtext('medallion.capture'))")
            warehouse.commit()


def capture(
    source: URL, warehouse: Connection, follow: bool = False, progress: Progress = lambda rows: None
) -> Landed:
    """Land every change that is committed now; with `follow` also what comes, until interrupted.

    The warehouse must have a watermark: a snapshot or a reset writes the first.
    Raises MedallionError, with a remedy, when the slot does not continue where bronze ends.
    """
    with warehouse.cursor() as cursor:
        watermark = Watermark.read(cursor)
    warehouse.commit()
    assert watermark is not None
    plain = slot.connect(source)
    with plain.cursor() as cursor:
        slot.check(
            cursor, watermark.slot, watermark.lsn, (watermark.source_system, watermark.source_name)
        )
        marker = None if follow else emit_marker(cursor)
        landing = Landing(warehouse, watermark, total=Landed(lsn=watermark.lsn))
        decoder = Decoder(landing, lambda: base_types(cursor))
        stream = slot.start(source, watermark.slot, watermark.lsn)
        try:
            read(stream, decoder, marker, progress)
        except psycopg2.OperationalError as problem:
            raise MedallionError(
                f"The connection to the source was lost: {str(problem).strip()}\n"
                "Nothing is lost with it. Once the server runs again:\n"
                "    python -m medallion_lib capture"
            ) from problem
        finally:
            stream.connection.close()
            plain.close()
    return landing.total


def emit_marker(cursor: Cursor) -> str:
    """Write a message to the WAL that no transaction holds back; reading up to it is caught up."""
    token = uuid.uuid4().hex
    cursor.execute("SELECT pg_logical_emit_message(false, %s, %s, true)", (MARKER, token))
    return token


def read(
    stream: psycopg2.extras.ReplicationCursor, decoder: Decoder, marker: str | None,
    progress: Progress,
) -> None:
    """Feed the stream to the decoder and land, until the marker comes; without one, for ever."""
    landing = decoder.landing
    landed_at = 0.0
    unlanded = False
    while True:
        message = stream.read_message()
        if message is not None:
            at_boundary = decoder.feed(message.payload)
            unlanded = unlanded or at_boundary
            arrived = marker is not None and decoder.marker == marker
            if not (arrived or at_boundary and landing.waiting + landing.since_commit >= BATCH_ROWS):
                continue
        elif decoder.begun or not unlanded or time.monotonic() - landed_at < LANDING_PAUSE:
            select.select([stream], [], [], LANDING_PAUSE if unlanded else 10)
            continue
        landing.commit()
        stream.send_feedback(flush_lsn=landing.watermark.lsn, force=True)
        step("confirmed")
        landed_at, unlanded = time.monotonic(), False
        progress(landing.total.rows)
        if marker is not None and decoder.marker == marker:
            return
