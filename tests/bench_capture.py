"""Capture against pg_recvlogical, which reads the same WAL and throws it away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from bench_pairs import Pairs, autocommit, seconds_of
from psycopg2 import sql

from medallion_lib import Medallion, capture, server, slot
from medallion_lib.embedded import Embedded
from medallion_lib.tables import CAPTURED

WORKLOAD = Path(__file__).with_name("bench_workload.sql")
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
        tables = sql.SQL(", ").join(table.bronze for table in CAPTURED)
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
    stretch.finish()
    return stretch


def race(stretch: Stretch, pairs: int, say: Callable[[int], None]) -> tuple[Pairs, int]:
    """Seconds of capture and of pg_recvlogical in turn, after one unmeasured pair; and the rows."""
    measured, rows = Pairs(), 0
    for number in range(pairs + 1):
        say(number)
        with stretch.again(), seconds_of(measured.ours):
            rows = stretch.landed()
        with stretch.again(), seconds_of(measured.bare):
            stretch.received()
    return measured.warm(), rows
