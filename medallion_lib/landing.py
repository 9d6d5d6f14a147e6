"""Rows on their way into bronze, and the watermark that is committed with them."""

import io
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from psycopg2 import sql
from psycopg2.extensions import connection as Connection, cursor as Cursor

from medallion_lib import pgoutput, sqlfile
from medallion_lib.pgoutput import Relation, Row, Writer
from medallion_lib.steps import step
from medallion_lib.tables import CAPTURED, Captured

BATCH_ROWS = 20_000  # rows that are sent, and land, together


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
    def read(cls, cursor: Cursor) -> Self | None:
        cursor.execute(sqlfile.read("watermark_read"))
        row = cursor.fetchone()
        return row and cls(*row)

    def write(self, cursor: Cursor) -> None:
        cursor.execute(sqlfile.read("watermark_write"), vars(self))

    def advance(self, source_time: datetime) -> datetime:
        """The system time of a transaction: the source's, but later than the one before."""
        if self.commit_ts and source_time <= self.commit_ts:
            source_time = self.commit_ts + timedelta(microseconds=1)
        self.commit_ts = source_time
        return source_time


@dataclass
class Target:
    """One bronze table, and how the rows of its source table are written while they look so."""

    write: Writer
    key: list[int]  # where the key's columns are
    lines: list[str]  # COPY lines that have not been sent yet


@dataclass
class Landing:
    """Collects rows as COPY lines, sends them in batches, lands them with the watermark."""

    warehouse: Connection
    watermark: Watermark
    total: Landed
    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # by table
    waiting: int = 0  # rows collected, not yet sent to the warehouse
    since_commit: int = 0  # rows sent since the last landing

    def target(self, table: Captured, relation: Relation, base_types: Mapping[int, int]) -> Target:
        key = [relation.columns.index(name) for name in table.key]
        return Target(pgoutput.json_writer(relation, base_types), key, self.lines[table.name])

    def add(self, target: Target, position: str, op: str, values: Row | None, tail: str) -> None:
        """One row: `position` is lsn and seq, `tail` the time, both as COPY has them."""
        row = "\\N" if values is None else target.write(values).replace("\\", "\\\\")
        target.lines.append(f"{position}\t{op}\t{row}\t{tail}\n")
        self.waiting += 1
        if self.waiting >= BATCH_ROWS:
            self.send()

    def send(self) -> None:
        """COPY what waits into the open warehouse transaction."""
        copy = sql.SQL("COPY {} (lsn, seq, op, full_row, commit_ts) FROM STDIN")
        with self.warehouse.cursor() as cursor:
            for table in CAPTURED:
                if lines := self.lines[table.name]:
                    rows = io.StringIO("".join(lines))
                    cursor.copy_expert(copy.format(table.bronze), rows, size=1 << 20)
                    lines.clear()
        self.since_commit += self.waiting
        self.waiting = 0

    def land(self) -> None:
        """Commit rows and watermark in one transaction."""
        self.send()
        step("copied")
        with self.warehouse.cursor() as cursor:
            self.watermark.write(cursor)
        self.warehouse.commit()
        self.total.rows += self.since_commit
        self.total.lsn = self.watermark.lsn
        self.since_commit = 0
        step("landed")


def base_types(cursor: Cursor) -> dict[int, int]:
    """The type that each of the source's domains stands for, by oid."""
    cursor.execute(sqlfile.read("domains"))
    return dict(cursor.fetchall())
