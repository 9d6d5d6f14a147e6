"""From a URL to the first AS OF of a user's own table, and a COPY of its rows through a pipe."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from unittest.mock import patch

from bench_pairs import Pairs, autocommit, seconds_of
from sqlalchemy import URL

from medallion_lib import Medallion, databases, steps

ROWS = 1_000_000
MADE = "CREATE TABLE accounts (aid integer PRIMARY KEY, bid integer, abalance integer, filler character(84))"


@dataclass
class First:
    """Seconds until all rows were in bronze, and until the first AS OF; beside each, COPY's."""

    snapshot: Pairs = field(default_factory=Pairs)
    as_of: Pairs = field(default_factory=Pairs)


def race(lab: Medallion, turns: int, say: Callable[[str], None]) -> First:
    """`turns` of each, after one to warm up."""
    measured, theirs, copied = First(), *(lab.place.url.set(database=f"bench_{name}") for name in ("first", "copied"))
    with autocommit(lab.place.url) as cursor:
        for url in (theirs, copied):
            databases.create(cursor, url.database)
    with autocommit(theirs) as cursor:
        cursor.execute(f"{MADE}; INSERT INTO accounts SELECT n, n / 100000, 0, '' FROM generate_series(1, {ROWS}) AS n")
        cursor.execute("VACUUM ANALYZE accounts")
    ours = Medallion.find("bench_first", lab.place, source=theirs)
    for number in range(turns + 1):
        say(f"{ROWS:,} rows, from a URL to the first AS OF: turn {number} of {turns}")
        with seconds_of(measured.as_of.ours):
            measured.snapshot.ours.append(_first(ours))
        _undone(ours)
        with autocommit(copied) as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS accounts; {MADE}")
        with seconds_of(measured.as_of.bare):
            _through_a_pipe(theirs, copied)
    measured.snapshot.bare = measured.as_of.bare
    with autocommit(lab.place.url) as cursor:
        for url in (theirs, copied):
            databases.drop(cursor, url.database)
    return First(measured.snapshot.warm(), measured.as_of.warm())


def _first(lab: Medallion) -> float:
    """Watch and ask; the seconds until the snapshot had landed."""
    began, ended = time.perf_counter(), {}
    with patch.object(steps, "on_step", lambda step: ended.setdefault(step, time.perf_counter())):
        begun = lab.watch(yes=True)
    asked = f"SELECT count(*) FROM silver.accounts FOR SYSTEM_TIME AS OF '{begun.since}'"
    with lab.warehouse.connect() as connection:
        assert connection.exec_driver_sql(asked).scalar_one() == ROWS
    return ended["landed"] - began


def _undone(lab: Medallion) -> None:
    """Nothing is left but the role, which others use."""
    lab.close()
    lab.unwatch(yes=True)
    with autocommit(lab.place.url) as cursor:
        databases.drop(cursor, lab.warehouse_name)


def _through_a_pipe(source: URL, into: URL) -> None:
    out, back = os.pipe()

    def send() -> None:
        with autocommit(source) as cursor, open(back, "wb") as lines:
            cursor.copy_expert("COPY accounts TO STDOUT", lines)

    sending = threading.Thread(target=send)
    sending.start()
    with autocommit(into) as cursor, open(out, "rb") as lines:
        cursor.copy_expert("COPY accounts FROM STDIN", lines)
    sending.join()
