"""A capture that follows, as its own process: how late gold is, and how much memory it takes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from bench_capture import WORKLOAD
from bench_pairs import autocommit
from psycopg2.extensions import cursor as Cursor

from medallion_lib import Medallion, server
from medallion_lib.server.embedded import CHECKOUT

COMMIT = Path(__file__).with_name("bench_delay.sql")
MARKS = 10  # marked commits a second
# A mart's row that only the marked payments are in: which of them gold shows.
SHOWN = ("SELECT total_transactions FROM gold.vw_monthly_revenue "
         "WHERE store_id = 7 AND revenue_month = '2024-01-01'")  # fmt: skip
LANDED = ("SELECT count(*) FROM bronze.br_payment_cdc WHERE lsn > "
          "(SELECT lsn FROM meta.watermark WHERE stage = 'merge') "
          "AND full_row ->> 'payment_date' LIKE '2024-01-15%'")  # fmt: skip
PAUSE = 0.005  # seconds between two looks at it


@contextmanager
def following(lab: Medallion, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """`capture --follow` with these options, from when it reads the slot; stopped at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "medallion_lib", "--name", lab.name, "capture", "--follow", *more],
        cwd=CHECKOUT, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with autocommit(lab.source_url) as cursor:
            reads = "SELECT FROM pg_replication_slots WHERE slot_name = %s AND active"
            wait_for(process, cursor, reads, (lab.slot,))
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()


def wait_for(
    process: subprocess.Popen[bytes], cursor: Cursor, query: str, given: tuple[object, ...]
) -> None:
    """Until the query gives a row, which it does while the process lives."""
    cursor.execute(query, given)
    while not cursor.rowcount:
        assert process.poll() is None, "capture has ended"
        time.sleep(0.05)
        cursor.execute(query, given)


@dataclass
class Writer:
    """Commits at a steady rate, two changes in each or, at a high rate, ten."""

    lab: Medallion
    rate: int  # changes a second
    seconds: float
    rental: int  # which the marked payments are for
    marked: list[float] = field(default_factory=list)  # when each marked commit was sent
    took: float = 0.0

    @property
    def half(self) -> int:
        """Half of a commit's changes."""
        return 1 if self.rate <= 100 else 5

    def run(self) -> None:
        statement = COMMIT.read_text(encoding="utf-8")
        commits = self.rate / (2 * self.half)  # a second
        with closing(server.connect(self.lab.source_url)) as connection:
            cursor, began = connection.cursor(), time.perf_counter()
            for number in range(round(commits * self.seconds)):
                time.sleep(max(0.0, began + number / commits - time.perf_counter()))
                is_marked = number * MARKS // commits > (number - 1) * MARKS // commits
                given = {"number": number, "half": self.half, "is_marked": is_marked}
                cursor.execute(statement, given | {"marked": self.rental})
                self.marked += [time.perf_counter()] if is_marked else []
                connection.commit()
            self.took = time.perf_counter() - began


def delays(
    lab: Medallion, rate: int, seconds: float, layer: str = "gold"
) -> tuple[list[float], float]:
    """Of each marked commit the seconds until gold or bronze shows it; and the rate that was kept.

    One clock: from just before COMMIT is sent until a query that shows it has answered.
    """
    lab.reset(year=True)
    with (
        autocommit(lab.warehouse_url) as cursor,
        following(lab, *(["--merge"] if layer == "gold" else [])) as process,
        ThreadPoolExecutor(1) as pool,
    ):
        cursor.execute("SELECT min(rental_id) FROM silver.fact_rental_current WHERE store_id = 7")
        writer, seen = Writer(lab, rate, seconds, cursor.fetchone()[0]), []
        writing = pool.submit(writer.run)
        while not writing.done() or len(seen) < len(writer.marked):
            if writing.done():
                writing.result()
            assert process.poll() is None, "capture has ended"
            cursor.execute(SHOWN if layer == "gold" else LANDED)
            shown = sum(count for (count,) in cursor.fetchall())
            seen += [time.perf_counter()] * (shown - len(seen))
            time.sleep(PAUSE)
    changes = round(rate * seconds)
    return [at - sent for sent, at in zip(writer.marked, seen, strict=True)], changes / writer.took


def memory(lab: Medallion, sizes: list[int]) -> list[float]:
    """Megabytes that a following capture holds after so many changes."""
    lab.reset()
    held, blocks = [], 0
    with (
        following(lab) as process,
        autocommit(lab.source_url) as source,
        autocommit(lab.warehouse_url) as warehouse,
    ):
        source.execute(WORKLOAD.read_text(encoding="utf-8"))
        for size in sizes:
            upto = (size - 5600) // 500
            source.execute("CALL bench_changes(%s, %s)", (blocks, upto))
            blocks = upto
            source.execute("UPDATE film SET title = %s WHERE film_id = 1", (f"The end of {size}",))
            arrived = "SELECT FROM bronze.br_film_cdc WHERE full_row ->> 'title' = %s"
            wait_for(process, warehouse, arrived, (f"The end of {size}",))
            held.append(psutil.Process(process.pid).memory_info().rss / 1e6)
    return held
