"""The receipts' data: their lines add up to the mart's number, and their history is the database's."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from made import drag, receipt

from medallion_lib import Medallion, MedallionError

ROOT = Path(__file__).parents[2]
STORES = range(1, 8)
TODAY = "2024-01-01"  # when all of the year is known


@pytest.fixture(scope="module")
def year() -> Iterator[Medallion]:
    opened = Medallion.open("receipt")
    opened.reset(year=True)
    yield opened
    opened.close()
    opened.drop()


@pytest.fixture(scope="module")
def text(year: Medallion) -> str:
    return receipt.page(year, ROOT)


@pytest.fixture(scope="module")
def page(text: str) -> BeautifulSoup:
    return BeautifulSoup(text, "html.parser")


@pytest.fixture(scope="module")
def stops(year: Medallion) -> list[str]:
    found = re.search(r'<script type="application/json">(.*)</script>', drag.page(year, ROOT), re.S)
    assert found
    return [stop["asof"].replace("today", TODAY) for stop in json.loads(found[1])["stops"]]


@dataclass
class Shown:
    """A store's receipt at a stop, read from the page as receipt.js reads it."""

    count: int
    cents: int
    listed: dict[int, int | None]

    @property
    def total(self) -> int:
        return self.cents + sum(amount or 0 for amount in self.listed.values())

    @property
    def payments(self) -> int:
        return self.count + sum(amount is not None for amount in self.listed.values())


@dataclass
class Told:
    """What the page tells receipt.js: at each stop the sums, and of each payment the amounts."""

    stops: list[str]
    same: list[list[list[int]]]
    steps: dict[int, dict[int, list[list[int | None]]]]

    def shown(self, place: int, store: int) -> Shown:
        listed = {}
        for payment, steps in self.steps[store].items():
            ends = self.stops.index("2023-07-01"), len(self.stops) - 1
            then, *others = ([step for step in steps if step[0] <= at][-1:] for at in (place, *ends))
            if then and any(then[0][1] != other[0][1] for other in others):
                listed[payment] = then[0][1]
        return Shown(*self.same[place][store - 1], listed)


@pytest.fixture(scope="module")
def told(page: BeautifulSoup, stops: list[str]) -> Told:
    data = page.select_one("script[type]")
    assert data
    steps = {store: {number(row): json.loads(str(row["data-steps"])) for row in rows(page, store)}
             for store in STORES}  # fmt: skip
    return Told(stops, json.loads(data.get_text())["same"], steps)


def rows(page: BeautifulSoup, store: int) -> list[Tag]:
    return page.select(f"#receipt-{store} [data-steps]")


def number(row: Tag) -> int:
    return int(str(row.select_one("caption")).split("payment ")[1].split("<")[0])


def cells(row: Tag, table: int) -> list[list[str]]:
    lines = row.select("table")[table].select("tbody tr")
    return [[cell.get_text() for cell in line.select("td")] for line in lines]


def test_at_every_stop_a_receipt_adds_up_to_the_marts_number(year: Medallion, told: Told) -> None:
    mart = """
        SELECT store_id, (100 * total_revenue)::int, total_transactions
        FROM vw_monthly_revenue FOR SYSTEM_TIME AS OF %s
        WHERE revenue_month = '2023-06-01'"""
    assert len(told.stops) == 94
    with year.warehouse.connect() as connection:
        for place, asof in enumerate(told.stops):
            answer = {store: known for store, *known in connection.exec_driver_sql(mart, (asof,))}
            for store in STORES:
                one = told.shown(place, store)
                assert [one.total, one.payments] == answer.get(store, [0, 0]), (asof, store)


def test_what_is_listed_is_what_differs_from_the_pack_or_from_today(
    year: Medallion, told: Told
) -> None:
    """Asked of the versions themselves, with amounts, from the board pack on."""
    differing = """
        WITH at AS (
            SELECT store_id, payment_id,
                   max(amount) FILTER (WHERE sys_start <= %(then)s AND %(then)s < sys_end) AS then,
                   max(amount) FILTER (WHERE sys_start <= '2023-07-01' AND '2023-07-01' < sys_end)
                       AS pack,
                   max(amount) FILTER (WHERE sys_end = 'infinity') AS now
            FROM fact_payment
            WHERE date_trunc('month', payment_date) = '2023-06-01'
            GROUP BY store_id, payment_id
        )
        SELECT store_id, payment_id, (100 * at.then)::int
        FROM at
        WHERE at.then IS DISTINCT FROM pack OR at.then IS DISTINCT FROM now"""
    with year.warehouse.connect() as connection:
        for place, asof in enumerate(told.stops):
            if asof >= "2023-07-01":
                answer = {(store, payment): cents for store, payment, cents
                          in connection.exec_driver_sql(differing, {"then": asof})}  # fmt: skip
                listed = {(store, payment): cents for store in STORES
                          for payment, cents in told.shown(place, store).listed.items()}  # fmt: skip
                assert listed == answer, asof


def test_a_payments_versions_are_the_tables(year: Medallion, page: BeautifulSoup) -> None:
    query = """
        SELECT amount::text, replace(sys_start::text, '+00', ''), replace(sys_end::text, '+00', '')
        FROM fact_payment WHERE payment_id = %s AND store_id = %s ORDER BY sys_start"""
    with year.warehouse.connect() as connection:
        for store in STORES:
            for row in rows(page, store):
                versions = connection.exec_driver_sql(query, (number(row), store))
                assert cells(row, 0) == [list(version) for version in versions]


def test_a_payments_events_are_bronzes_and_made_its_versions(
    year: Medallion, page: BeautifulSoup
) -> None:
    query = """
        SELECT op, lsn, seq, replace(commit_ts::text, '+00', '') FROM br_payment_cdc
        WHERE full_row @> jsonb_build_object('payment_id', %s::int) ORDER BY lsn, seq"""
    with year.warehouse.connect() as connection:
        for row in (row for store in STORES for row in rows(page, store)):
            events = [list(event) for event in connection.exec_driver_sql(query, (number(row),))]
            shown = [[op, position(lsn), int(seq), at] for op, lsn, seq, at in cells(row, 1)]
            assert shown == events
            instants = {at for _, *ends in cells(row, 0) for at in ends} - {"infinity"}
            assert instants == {at for *_, at in shown}


def position(lsn: str) -> int:
    high, low = (int(half, 16) for half in lsn.split("/"))
    return (high << 32) + low


def test_the_page_says_how_to_find_an_event_in_bronze(year: Medallion, page: BeautifulSoup) -> None:
    clause = page.select(".receipt-about code")[-1].get_text()
    with year.warehouse.connect() as connection:
        found = connection.exec_driver_sql(
            f"SELECT op, commit_ts::date FROM br_payment_cdc {clause}"
        )
        assert [(op, f"{day}") for op, day in found] == [("U", "2023-07-05")]


def test_a_payment_is_named_as_on_the_day_it_was_posted(
    year: Medallion, page: BeautifulSoup
) -> None:
    query = """
        SELECT first_name || ' ' || last_name
        FROM (SELECT customer_id, min(sys_start) AS posted FROM fact_payment
              WHERE payment_id = %s GROUP BY customer_id) AS payment
        JOIN dim_customer_hist USING (customer_id)
        WHERE sys_start <= posted AND posted < sys_end"""
    with year.warehouse.connect() as connection:
        for row in (row for store in STORES for row in rows(page, store)):
            name = row.select("summary > span")[0].contents[0].get_text().strip()
            assert name == connection.exec_driver_sql(query, (number(row),)).scalar_one()


def test_the_page_holds_the_board_packs_receipts(page: BeautifulSoup) -> None:
    with (ROOT / "data" / "board_pack_2023-07-01.csv").open(encoding="utf-8") as file:
        pack = {int(row["store_id"]): float(row["total_revenue"]) for row in csv.DictReader(file)}
    for store in STORES:
        lines = f"#receipt-{store} > .receipt-same, #receipt-{store} > .counted > li:not([hidden])"
        amounts = [dollars(line) for line in page.select(lines)]
        total = page.select_one(f"#receipt-{store} > .receipt-total")
        assert total
        assert round(sum(amounts), 2) == dollars(total) == pack[store]
    about = page.select(".receipt li:not([hidden]) summary > span:first-child small")
    kinds = Counter(small.get_text().split(" · ")[1].split(",")[0] for small in about)
    assert kinds == {"late posting": 14, "correction": 8, "void": 5}


def dollars(line: Tag) -> float:
    amount = line.select_one(".sum b")
    assert amount
    return float(amount.get_text().lstrip("$").replace(",", ""))


def test_a_receipt_that_does_not_add_up_stops_the_build(year: Medallion) -> None:
    receipts = receipt.read(year)
    short = replace(receipts, payments=receipts.payments[1:])
    with pytest.raises(MedallionError, match="its receipt adds up to"):
        short.check()


def test_the_receipts_are_small(text: str) -> None:
    assert len(text.encode()) < 50_000
