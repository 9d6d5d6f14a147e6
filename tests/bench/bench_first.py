"""From nothing to the first AS OF of a user's own table, and a COPY of its rows through a pipe."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from bench_pairs import Pairs, autocommit, seconds_of
from sqlalchemy import URL

from medallion_lib import Medallion, databases
from medallion_lib.server import libpq
from medallion_lib.tables import Table, Tables

ROWS = 1_000_000
MADE = "CREATE TABLE accounts (aid integer PRIMARY KEY, bid integer, abalance integer, filler character(84))"
TABLES = Tables((Table("accounts", ("aid",), history="accounts_hist", is_strict=False),))
FIRST = "SELECT count(*) FROM silver.accounts_hist__as_of((SELECT commit_ts FROM meta.watermark WHERE stage = 'merge'))"


def race(lab: Medallion, turns: int, say: Callable[[str], None]) -> Pairs:
    """`turns` of each, after one to warm up."""
    measured, theirs, copied = Pairs(), *(lab.place.url.set(database=f"bench_{name}") for name in ("first", "copied"))
    with autocommit(lab.place.url) as cursor:
        for url in (theirs, copied):
            databases.create(cursor, url.database)
    with autocommit(theirs) as cursor:
        cursor.execute(f"{MADE}; INSERT INTO accounts SELECT n, n / 100000, 0, '' FROM generate_series(1, {ROWS}) AS n")
        cursor.execute("VACUUM ANALYZE accounts")
    ours = Medallion(lab.place, "bench_first", TABLES, libpq(theirs))
    for number in range(turns + 1):
        say(f"{ROWS:,} rows, from nothing to the first AS OF: turn {number} of {turns}")
        with seconds_of(measured.ours):
            _first(ours)
        with autocommit(copied) as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS accounts; {MADE}")
        with seconds_of(measured.bare):
            _through_a_pipe(theirs, copied)
    ours.drop()
    ours.close()
    with autocommit(lab.place.url) as cursor:
        for url in (theirs, copied):
            databases.drop(cursor, url.database)
    return measured.warm()


def _first(lab: Medallion) -> None:
    lab.reset(yes=True)
    lab.capture(merging=True)
    with autocommit(lab.warehouse_url) as cursor:
        cursor.execute(FIRST)
        assert cursor.fetchone() == (ROWS,)


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
