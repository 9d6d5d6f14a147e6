"""Capture against what else reads the same WAL: pg_recvlogical, which throws it away, and a native
subscription, which applies it to tables like the source's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import bench_native
from bench_pairs import autocommit, seconds_of
from psycopg2 import sql

from medallion_lib import Medallion, server
from medallion_lib.bronze import capture
from medallion_lib.server.embedded import Embedded
from medallion_lib.shop import TABLES
from medallion_lib.source import slot

WORKLOAD = Path(__file__).with_name("bench_workload.sql")
BLOCKS = 600  # of 500 changes
KEPT, READ = "bench_kept", "bench_read"  # the slot that stays where it is, and each run's copy


@dataclass
class Stretch:
    """A stretch of WAL that any number of runs can read: from a kept slot up to a marker.

    Made after a reset and before the changes; `finish` follows them.
    """

    lab: Medallion
    first: tuple[object, ...] = field(init=False)  # where the watermark stood
    marker: str = ""
    end: str = ""  # as pg_recvlogical's --endpos

    def __post_init__(self) -> None:
        with autocommit(self.lab.warehouse_url) as warehouse:
            warehouse.execute("SELECT lsn, commit_ts FROM meta.watermark WHERE stage = 'capture'")
            self.first = warehouse.fetchone()
        with autocommit(self.lab.source_url) as source:
            source.execute("SELECT pg_copy_logical_replication_slot(%s, %s)", (self.lab.slot, KEPT))

    def finish(self) -> None:
        with autocommit(self.lab.source_url) as source:
            self.marker = capture.emit_marker(source)
            source.execute("SELECT pg_current_wal_flush_lsn()")
            (self.end,) = source.fetchone()

    def drop(self) -> None:
        """Let the server throw the WAL away."""
        with autocommit(self.lab.source_url) as source:
            slot.drop(source, KEPT)

    @contextmanager
    def again(self) -> Iterator[None]:
        """An unread slot, an empty bronze whose watermark stands at the start, nothing to flush."""
        with autocommit(self.lab.source_url) as source:
            source.execute("SELECT pg_copy_logical_replication_slot(%s, %s)", (KEPT, READ))
            self._empty_bronze()
            source.execute("CHECKPOINT")
            yield
            slot.drop(source, READ)

    def _empty_bronze(self) -> None:
        tables = sql.SQL(", ").join(table.bronze for table in TABLES.captured)
        with autocommit(self.lab.warehouse_url) as warehouse:
            warehouse.execute(sql.SQL("TRUNCATE {}").format(tables))
            warehouse.execute(
                "UPDATE meta.watermark SET lsn = %s, commit_ts = %s, slot = %s "
                "WHERE stage = 'capture'", (*self.first, READ),
            )  # fmt: skip

    def landed(self) -> int:
        """Capture it, up to the marker that was written then rather than one of now; rows."""
        with patch.object(capture, "emit_marker", lambda cursor: self.marker):
            return self.lab.capture().rows

    def received(self) -> None:
        """Read it with pg_recvlogical, with the options that capture reads it with."""
        place = self.lab.place
        assert isinstance(place, Embedded)
        subprocess.run(
            [
                place.binaries / "pg_recvlogical", "-d", server.libpq(self.lab.source_url),
                "--slot", READ, "--start", "--endpos", self.end, "--no-loop", "-f", os.devnull,
                "-o", "proto_version=1", "-o", f"publication_names={slot.PUBLICATION}",
                "-o", "messages=true",
            ],
            check=True, env=os.environ | {"PGTZ": "UTC", "PGDATESTYLE": "ISO"},
        )  # fmt: skip


def workload(lab: Medallion) -> Stretch:
    """300,000 plain changes in transactions of 500."""
    lab.reset()
    stretch = Stretch(lab)
    with autocommit(lab.source_url) as source:
        source.execute(WORKLOAD.read_text(encoding="utf-8"))
        source.execute("CALL bench_changes(0, %s)", (BLOCKS,))
    stretch.finish()
    return stretch


@dataclass
class Runs:
    """Seconds of runs taken in turn."""

    capture: list[float] = field(default_factory=list)
    received: list[float] = field(default_factory=list)
    applied: list[float] = field(default_factory=list)

    def warm(self) -> Runs:
        """Without the first of each."""
        return Runs(self.capture[1:], self.received[1:], self.applied[1:])


def race(stretch: Stretch, turns: int, say: Callable[[int], None]) -> tuple[Runs, int]:
    """The runs, after one unmeasured turn of all three; and the rows that capture landed."""
    runs, rows = Runs(), 0
    with bench_native.subscriber(stretch.lab) as subscriber:
        for number in range(turns + 1):
            say(number)
            with stretch.again(), seconds_of(runs.capture):
                rows = stretch.landed()
            with stretch.again(), seconds_of(runs.received):
                stretch.received()
            subscriber.empty()
            with stretch.again(), subscriber.subscribed(READ), seconds_of(runs.applied):
                subscriber.apply(READ, stretch.end)
        subscriber.check()
    return runs.warm(), rows
