"""How long the way from a URL to the first AS OF takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest
from psycopg2 import sql
from sqlalchemy import URL
from test_random_schemas import WORKER, clear, source_of

from medallion_lib import Medallion, databases, server
from medallion_lib.bronze import piped
from medallion_lib.server.embedded import CHECKOUT

ROWS = 1_000_000
MADE = "CREATE TABLE accounts (aid integer PRIMARY KEY, bid integer, abalance integer, filler character(84))"
TURNS = 5
MOST = 3  # times as long, in the middle of some turns: the least of each would be of different turns


def first_as_of(source: URL, query: str) -> float:
    """The seconds from the URL to the answer, which counts the rows."""
    lab = Medallion.find(f"first_{WORKER}", source=source)
    began = time.perf_counter()
    begun = lab.watch(yes=True)
    try:
        with lab.warehouse.connect() as connection:
            count = connection.exec_driver_sql(query.format(f"FOR SYSTEM_TIME AS OF '{begun.since}'")).scalar_one()
        took = time.perf_counter() - began
        assert count
    finally:
        clear(lab)
    return took


def copied(source: URL, into: URL) -> float:
    """The seconds that a COPY of the rows through a pipe takes, into a table with a key."""
    with databases.administering(into) as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS accounts; {MADE}")
    began = time.perf_counter()
    with databases.administering(source) as out, databases.administering(into) as cursor:
        sent, taken = (sql.SQL(f"COPY accounts {way}") for way in ("TO STDOUT", "FROM STDIN"))
        assert piped.copied(out, sent, cursor, taken, lambda rows: None) == ROWS
    return time.perf_counter() - began


@pytest.mark.slow
def test_a_million_rows_are_asked_as_of_an_instant_a_few_copies_later(record_property: Callable[[str, object], None]) -> None:
    """From the URL to the first AS OF over a million rows, beside a COPY of them, in turn."""
    with source_of("accounts") as source, source_of("copied") as into:
        with databases.administering(source) as cursor:
            cursor.execute(f"{MADE}; INSERT INTO accounts SELECT n, n / 100000, 0, '' FROM generate_series(1, {ROWS}) AS n")
            cursor.execute("VACUUM ANALYZE accounts")
        query = "SELECT count(*) FROM silver.accounts {}"
        ours, bare = zip(*((first_as_of(source, query), copied(source, into)) for _ in range(TURNS)), strict=True)
        record_property("seconds", ours)
        record_property("seconds of COPY", bare)
        assert median(each / other for each, other in zip(ours, bare, strict=True)) < MOST


@pytest.mark.slow
def test_the_crm_is_asked_as_of_an_instant_in_seconds() -> None:
    """From the URL to the first AS OF of a join."""
    with source_of("crm") as source:
        with server.session(source) as cursor:
            cursor.execute((CHECKOUT / "notebooks" / "crm" / "source.sql").read_text(encoding="utf-8"))
        join = "SELECT count(*) FROM silver_sales.account {0} JOIN silver_sales.deal {0} ON id = account_id"
        assert min(first_as_of(source, join) for _ in range(TURNS)) < 5
