"""The sample year is made again byte for byte.

Its CSV files alone, without a database, keep what the texts promise.
"""

import json
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from statistics import quantiles

import pytest
from ledger import DATA, Event, Ledger, Payment, Year, when

FIELDS = [
    "at", "event", "rental_id", "payment_id", "customer_id", "inventory_id", "film_id", "store_id",
    "staff_id", "address_id", "amount", "payment_date", "detail"]
# The fields each kind of event has; those after the bar it may have.
USES = {
    "rent": "rental_id inventory_id customer_id staff_id|",
    "return": "rental_id|",
    "pay": "payment_id rental_id customer_id staff_id amount|payment_date",
    "refund": "payment_id rental_id customer_id staff_id amount|",
    "correct": "payment_id payment_date amount|",
    "void": "payment_id payment_date|",
    "join": "customer_id store_id address_id detail|",
    "move": "customer_id address_id detail|store_id",
    "change": "customer_id detail|",
    "reprice": "detail|",
    "buy": "inventory_id film_id store_id|",
    "transfer": "inventory_id store_id|",
    "withdraw": "film_id|",
}


def generated(out: Path, *options: str) -> Path:
    subprocess.run([sys.executable, "-B", str(DATA / "generate.py"), "--out", str(out), *options],
                   check=True)
    return out


@pytest.fixture(scope="module")
def year() -> Year:
    return Year(DATA)


@pytest.fixture(scope="module")
def doubled(tmp_path_factory: pytest.TempPathFactory) -> Year:
    return Year(generated(tmp_path_factory.mktemp("doubled"), "--scale", "2"))


def test_the_script_makes_the_committed_files_byte_for_byte(tmp_path: Path) -> None:
    made = sorted(generated(tmp_path).iterdir())
    assert [path.name for path in made] == sorted(
        path.name for path in DATA.iterdir() if path.is_file() and path.suffix in (".csv", ""))
    assert [path for path in made if path.read_bytes() != (DATA / path.name).read_bytes()] == []
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 10_000_000


def test_events_are_in_strict_time_order_off_the_minute_and_in_2023(year: Year) -> None:
    assert list(year.events[0]) == FIELDS
    times = [when(event["at"]) for event in year.events]
    assert len(times) >= 40_000
    assert all(one < next_one for one, next_one in pairwise(times))
    dated = [when(event["payment_date"]) for event in year.events if event["payment_date"]]
    assert {moment.year for moment in times + dated} == {2023}
    assert all(moment.second or moment.microsecond for moment in times + dated)


def test_every_event_fills_the_fields_of_its_kind_and_no_others(year: Year) -> None:
    for event in year.events:
        needed, _, optional = USES[event["event"]].partition("|")
        filled = {name for name in FIELDS[2:] if event[name]}
        assert set(needed.split()) <= filled <= set(needed.split()) | {optional}, event
    assert {event["event"] for event in year.events} == set(USES)


def test_the_opening_tables_keep_their_keys(year: Year) -> None:
    stock = year.stock
    assert len(stock) == 13
    for table in ("film_actor", "film_category"):
        assert len({tuple(row.values()) for row in stock[table]}) == len(stock[table])
    for table in stock.keys() - {"film_actor", "film_category"}:
        ids = [int(row[f"{table}_id"]) for row in stock[table]]
        assert ids == list(range(1, len(ids) + 1)), table
    known = {f"{table}_id": {row[f"{table}_id"] for row in rows}
             for table, rows in stock.items() if f"{table}_id" in rows[0]}
    known |= {"manager_staff_id": known["staff_id"],
              "original_language_id": known["language_id"] | {""}}
    for table, rows in stock.items():
        for row in rows:
            assert all(row[name] in known[name] for name in row if name in known), (table, row)


def test_the_business_has_the_promised_size(year: Year) -> None:
    opening, kinds = year.stock, Counter(event["event"] for event in year.events)
    staff = {row["staff_id"]: row["store_id"] for row in opening["staff"]}
    assert len(opening["store"]) == 7 and min(Counter(staff.values()).values()) >= 2
    assert all(staff[row["manager_staff_id"]] == row["store_id"] for row in opening["store"])
    assert len(opening["film"]) == len({row["title"] for row in opening["film"]}) == 1000
    assert len(opening["inventory"]) + kinds["buy"] == 4581
    assert len(year.now.customers) == 599
    assert 15_000 < kinds["rent"] < 17_000 and 15_000 < len(year.now.payments) < 17_000
    assert 4_900 < kinds["move"] + kinds["change"] < 5_100
    assert kinds["reprice"] == 4 and kinds["withdraw"] == 1 and kinds["transfer"] == 10


def test_every_store_takes_money_in_every_month(year: Year) -> None:
    revenue: Counter[tuple[str, int]] = Counter()
    for paid in year.now.payments.values():
        assert paid.at.year == 2023
        revenue[paid.store, paid.at.month] += round(paid.amount * 100)
    assert len(revenue) == 84 and min(revenue.values()) > 10_000


def story_holds(year: Year) -> None:
    then, now = year.then.june(), year.now.june()
    assert list(year.pack.items()) == list(then.items())
    assert list(then)[:2] == ["5", "2"] and list(now)[:2] == ["2", "5"]
    assert then["5"][0] - then["2"][0] == Decimal("11.20")
    assert now["2"][0] - now["5"][0] > 50
    cause = Counter(event["event"] for event in year.july_on_june())
    assert cause == {"pay": 14, "correct": 8, "void": 5}
    assert all("2023-07-01" < event["at"] < "2023-08" for event in year.july_on_june())


def test_store_5_wins_june_by_the_pack_and_store_2_by_the_year_end(year: Year) -> None:
    story_holds(year)


def test_july_posts_late_for_store_2_only_and_one_of_them_is_the_largest(year: Year) -> None:
    late = [event for event in year.of("pay") if event["payment_date"]]
    assert late == [event for event in year.july_on_june() if event["event"] == "pay"]
    assert {year.now.payments[event["payment_id"]].store for event in late} == {"2"}
    assert {event["at"][:10] for event in late} == {"2023-07-09"}
    effects = sorted(_effect(year, event) for event in year.july_on_june())
    assert effects[-1] > effects[-2] and effects[-1] > -effects[0]
    largest = max(late, key=lambda event: Decimal(event["amount"]))
    then, now = (ledger.customers[largest["customer_id"]] for ledger in (year.then, year.now))
    assert then["first_name"] == now["first_name"] and then["last_name"] == now["last_name"]


def _effect(year: Year, event: Event) -> Decimal:
    before: dict[str, Payment] = year.then.payments
    amount = before[event["payment_id"]].amount if event["payment_id"] in before else Decimal(0)
    return Decimal(event["amount"] or 0) - amount


def test_elsewhere_a_payment_is_put_right_within_its_own_month(year: Year) -> None:
    ordinary = [event for event in year.of("correct", "void")
                if event["payment_date"][:7] != event["at"][:7]]
    assert ordinary == [event for event in year.july_on_june() if event["event"] != "pay"]
    assert len(year.of("correct")) > 20 and len(year.of("refund")) > 50


def test_customer_42_moves_changes_leaves_and_comes_back(year: Year) -> None:
    mine = [event for event in year.of("move", "change") if event["customer_id"] == "42"]
    assert len(mine) >= 4
    flags = [json.loads(event["detail"]).get("activebool") for event in mine]
    assert [flag for flag in flags if flag is not None] == [False, True]
    then, now = year.then.customers["42"], year.now.customers["42"]
    assert then["activebool"] == "t"
    assert then["email"] != now["email"] and then["address_id"] != now["address_id"]
    assert any(rental.customer == "42" for rental in year.now.rentals.values())


def test_one_customer_leaves_for_good(year: Year) -> None:
    gone = [each for each, row in year.now.customers.items() if row["activebool"] == "f"]
    assert gone == ["317"]


def test_a_copy_that_moved_was_rented_at_both_stores(year: Year) -> None:
    moved = {event["inventory_id"] for event in year.of("transfer")}
    stores = {copy: {rental.store for rental in year.now.rentals.values() if rental.copy == copy}
              for copy in moved}
    assert sum(len(places) == 2 for places in stores.values()) >= 1


def test_it_looks_like_a_business(year: Year) -> None:
    rentals = list(year.now.rentals.values())
    months = Counter(rental.at.month for rental in rentals)
    weekdays = Counter(rental.at.weekday() for rental in rentals)
    evening = sum(17 <= rental.at.hour < 22 for rental in rentals)
    assert months[12] > 1.3 * months[1] and min(months.values()) > 1_000
    assert weekdays[5] > 1.8 * weekdays[1] and evening > 0.5 * len(rentals)
    titles = [count for _, count in Counter(rental.film for rental in rentals).most_common()]
    assert sum(titles[:100]) > 0.35 * len(rentals) and len(titles) < 960
    assert 150 < len(year.now.open) < 500


def test_films_come_back_as_late_as_at_pagila(year: Year) -> None:
    rented = year.now.rentals
    days = sorted((when(event["at"]) - rented[event["rental_id"]].at) / timedelta(days=1)
                  for event in year.of("return"))
    quartiles = quantiles(days, n=4)
    assert all(abs(is_ - should) < 0.2
               for is_, should in zip(quartiles, (2.9, 5.0, 7.1), strict=True))
    assert abs(quantiles(days, n=100)[0] - 0.8) < 0.2 and abs(quantiles(days, n=100)[98] - 9.2) < 1


def test_some_rentals_are_paid_in_two_payments(year: Year) -> None:
    counts = Counter(event["rental_id"] for event in year.of("pay"))
    assert sum(count > 1 for count in counts.values()) > 300


@pytest.mark.slow
def test_twice_the_scale_is_twice_the_business_and_the_same_story(
    year: Year, doubled: Year
) -> None:
    story_holds(doubled)
    assert len(doubled.now.customers) == 2 * 599
    assert len(doubled.now.copies) > 1.99 * len(year.now.copies)
    assert abs(len(doubled.now.rentals) / len(year.now.rentals) - 2) < 0.05
    assert len(doubled.stock["film"]) == 1000 and len(doubled.stock["store"]) == 7


def test_the_ledger_refuses_to_rent_a_copy_that_is_out(year: Year) -> None:
    first = year.of("rent")[0]
    ledger = Ledger(year.stock)
    ledger.play(first)
    with pytest.raises(AssertionError, match="once at a time"):
        ledger.play({**first, "rental_id": "0"})
