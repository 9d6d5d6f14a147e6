"""The opening figure's data: each stop is what the warehouse answers AS OF it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from made import drag

from medallion_lib import Medallion

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def year() -> Iterator[Medallion]:
    opened = Medallion.open("drag")
    opened.reset(year=True)
    yield opened
    opened.close()
    opened.drop()


@pytest.fixture(scope="module")
def page(year: Medallion) -> str:
    return drag.page(year, ROOT)


@pytest.fixture(scope="module")
def stops(page: str) -> dict[str, dict[str, Any]]:
    """The page's data by the instant they are as of."""
    data = re.search(r'<script type="application/json">(.*)</script>', page, re.DOTALL)
    assert data
    return {stop["asof"]: stop for stop in json.loads(data[1])["stops"]}


def test_the_board_pack_is_what_the_figure_opens_with(page: str, stops: dict) -> None:
    with (ROOT / "data" / "board_pack_2023-07-01.csv").open(encoding="utf-8") as file:
        pack = {int(row["store_id"]): row["total_revenue"] for row in csv.DictReader(file)}
    assert stops["2023-07-01"]["cents"] == [round(float(pack[store]) * 100) for store in sorted(pack)]
    bars = re.findall(r'data-store="(\d)".*?class="money"><b>\$([\d,.]+)', page, re.DOTALL)
    assert [(int(store), amount.replace(",", "")) for store, amount in bars] == list(pack.items())
    assert stops["2023-07-01"]["title"] in page


def test_every_instant_at_which_june_changed_is_a_stop(year: Medallion, stops: dict) -> None:
    """Asked of the table itself, without the query that finds them."""
    changed = """
        SELECT DISTINCT to_char(instant, 'YYYY-MM-DD"T"HH24:MI:SS')
        FROM fact_payment, unnest(ARRAY[sys_start, sys_end]) AS instant
        WHERE date_trunc('month', payment_date) = '2023-06-01' AND instant >= '2023-07-01'
          AND instant < 'infinity'"""
    with year.warehouse.connect() as connection:
        instants = {instant for (instant,) in connection.exec_driver_sql(changed)}
    assert len(instants) == 27
    assert instants <= set(stops)


def test_between_two_stops_after_the_pack_june_stands_still(year: Medallion, stops: dict) -> None:
    """The instant before a stop answers what the stop before it answers."""
    query = """
        SELECT store_id, (100 * total_revenue)::int
        FROM vw_monthly_revenue FOR SYSTEM_TIME AS OF (%s::timestamptz - interval '1 microsecond')
        WHERE revenue_month = '2023-06-01' ORDER BY store_id"""
    after = [asof for asof in sorted(stops) if asof >= "2023-07-01"]
    with year.warehouse.connect() as connection:
        for before, asof in pairwise(after[:-1]):  # without today
            answer = [cents for _, cents in connection.exec_driver_sql(query, (asof,))]
            assert answer == stops[before]["cents"], asof


def test_the_notes_say_what_happened(stops: dict) -> None:
    notes = {asof: stop["note"] for asof, stop in stops.items()}
    assert notes["2023-06-30"] == "June is not over."
    assert notes["2023-07-01"].endswith("store 5 leads store 2 by $11.20.")
    assert notes["2023-07-05"] == "Nothing has changed June since the board pack."
    assert notes["2023-07-05T10:12:40"] == "Correction: Store 5, −$2.00."
    assert notes["2023-07-09T09:41:29"] == (
        "Late posting 3 of 14: Store 2, +$2.99. Store 2 takes the lead."
    )
    assert notes["2023-07-12T14:09:47"] == "Void 4 of 4: Store 5, −$4.49."
    assert notes["today"] == (
        "27 June payments were posted, corrected or voided after the pack, "
        "the last on 24 July: store 2 leads store 5 by $95.92."
    )


def test_the_titles_say_who_won_as_of_when(stops: dict) -> None:
    titles = {asof: stop["title"] for asof, stop in stops.items()}
    assert titles["2023-06-01"] == "As of 1 June, no store has any June revenue."
    assert titles["2023-07-01"] == "By the board pack, store 5 won June. Today, store 2 did."
    assert titles["2023-07-09T09:41:18"].startswith("As of 9 July, 09:41:18, store 5 won June.")
    assert titles["2023-07-09T09:41:29"] == "As of 9 July, 09:41:29, store 2 won June. Today too."
    assert titles["today"] == "Today, store 2 won June. By the board pack, store 5 did."


def test_the_data_are_small(page: str) -> None:
    assert len(page.encode()) < 30_000
