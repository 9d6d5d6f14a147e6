"""From a URL to the first AS OF: of many rows, and of a join. `make bench` says how long it takes."""

from __future__ import annotations

import pytest
from sqlalchemy import URL
from test_random_schemas import WORKER, clear, source_of

from medallion_lib import Medallion, databases, server
from medallion_lib.server.embedded import CHECKOUT

ROWS = 1_000_000
MADE = "CREATE TABLE accounts (aid integer PRIMARY KEY, bid integer, abalance integer, filler character(84))"


def first_as_of(source: URL, query: str, schema: str) -> list[int]:
    """What a query finds in a schema of silver's as of where it begins."""
    lab = Medallion.find(f"first_{WORKER}", source=source)
    asked = query.format(f"{schema}.", f"FOR SYSTEM_TIME AS OF '{lab.watch(yes=True).since}'")
    try:
        with lab.warehouse.connect() as connection:
            return [*connection.exec_driver_sql(asked).one()]
    finally:
        clear(lab)


@pytest.mark.slow
def test_a_million_rows_are_asked_as_of_where_they_begin() -> None:
    with source_of("accounts") as source:
        with databases.administering(source) as cursor:
            cursor.execute(f"{MADE}; INSERT INTO accounts SELECT n, n / 100000, 0, '' FROM generate_series(1, {ROWS}) AS n")
        query = "SELECT count(*), sum(aid), count(DISTINCT bid) FROM {}accounts {}"
        assert first_as_of(source, query, "silver") == [ROWS, ROWS * (ROWS + 1) // 2, 11]


@pytest.mark.slow
def test_a_join_is_asked_as_of_where_its_tables_begin() -> None:
    join = "SELECT count(*) FROM {0}account {1} JOIN {0}deal {1} ON id = account_id"
    with source_of("crm") as source:
        with server.session(source) as cursor:
            cursor.execute((CHECKOUT / "notebooks" / "crm" / "source.sql").read_text(encoding="utf-8"))
            cursor.execute(join.format("sales.", ""))
            (there,) = cursor.fetchone()
        assert there and first_as_of(source, join, "silver_sales") == [there]
