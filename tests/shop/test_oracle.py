"""The marts in plain Python are right in cases worked out by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from ledger import DATA, Year
from oracle import (
    Copy,
    Items,
    Row,
    items_at,
    monthly_revenue,
    read_events,
    read_opening,
    store_scorecard,
    top_titles,
)

JUNE, JULY = date(2023, 6, 1), date(2023, 7, 1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2023-{text}+00:00")


def rental(number: int, begun: str, back: str | None, copy: int, customer: int) -> Row:
    return {"rental_id": number, "rental_date": at(begun), "return_date": back and at(back),
            "inventory_id": copy, "customer_id": customer, "staff_id": 1}


def payment(number: int, dated: str, rented: int, customer: int, amount: str) -> Row:
    return {"payment_id": number, "payment_date": at(dated), "rental_id": rented,
            "customer_id": customer, "amount": Decimal(amount), "staff_id": 1}


@pytest.fixture
def copy() -> Copy:
    """Film 10 may stay out 3 days; film 20 is gone from the source; rental 4's item is unknown."""
    return {
        "film": [{"film_id": 10, "title": "The Quiet Ferry", "rating": "PG", "rental_duration": 3,
                  "rental_rate": Decimal("2.99")}],
        "rental": [
            rental(1, "06-29 20:00:00", "07-03 20:00:00", 100, 7),  # 4 days: late
            rental(2, "06-29 21:00:00", "07-01 09:00:00", 101, 8),  # 1.5 days
            rental(3, "06-29 22:00:00", None, 200, 7),
            rental(4, "07-02 18:00:00", "07-02 19:00:00", 300, 9),
        ],
        "payment": [
            payment(1, "06-29 20:01:00", 1, 7, "2.99"),
            payment(2, "07-03 20:01:00", 1, 7, "1.00"),
            payment(3, "06-29 21:01:00", 2, 8, "2.98"),
            payment(4, "07-02 18:01:00", 4, 9, "5.00"),
            payment(5, "07-02 18:02:00", 99, 9, "-1.00"),  # its rental is gone
        ],
        "inventory": [], "customer": [],
    }


@pytest.fixture
def items() -> Items:
    return Items({1: (10, 1), 2: (10, 1), 3: (20, 1)}, {1: 1, 2: 1, 3: 1})


def test_monthly_revenue_counts_payments_by_store_and_month(copy: Copy, items: Items) -> None:
    def row(store: int | None, month: date, *rest: object) -> tuple[object, ...]:
        return store, month, *rest

    assert {tuple(each.values()) for each in monthly_revenue(copy, items)} == {
        row(1, JUNE, Decimal("5.97"), 2, Decimal("2.99"), 2),  # 2.985, half away from zero
        row(1, JULY, Decimal("1.00"), 1, Decimal("1.00"), 1),
        row(None, JULY, Decimal("4.00"), 2, Decimal("2.00"), 1),
    }


def test_top_titles_take_payments_to_the_month_of_the_rental(copy: Copy, items: Items) -> None:
    rows = {each["film_id"]: each for each in top_titles(copy, items)}
    assert list(rows[10].values()) == [
        10, "The Quiet Ferry", "PG", Decimal("2.99"), JUNE,
        2, Decimal("6.97"), Decimal("3.49"), Decimal("2.75"), 0, Decimal("1.00")]
    assert list(rows[20].values()) == [
        20, None, None, None, JUNE, 1, Decimal(0), Decimal("0.00"), None, 1, Decimal("1.00")]
    assert rows[None]["total_revenue"] == Decimal("4.00") and rows[None]["rental_month"] is None
    assert len(rows) == 3


def test_the_scorecard_puts_returns_on_the_day_the_rental_began(copy: Copy, items: Items) -> None:
    rows = {(each["store_id"], each["business_date"]): each
            for each in store_scorecard(copy, items)}
    assert list(rows[1, date(2023, 6, 29)].values())[2:] == [
        Decimal("5.97"), 3, 2, 2, 2, 1, Decimal("50.00"), Decimal("2.99")]
    assert list(rows[1, date(2023, 7, 3)].values())[2:] == [
        Decimal("1.00"), 0, 1, 0, 0, 0, None, None]
    assert list(rows[None, date(2023, 7, 2)].values())[2:] == [
        Decimal("4.00"), 1, 1, 0, 1, 0, Decimal("0.00"), None]
    assert len(rows) == 3


def test_every_mart_adds_up_to_the_payments(copy: Copy, items: Items) -> None:
    paid = sum(each["amount"] for each in copy["payment"])
    assert sum(each["total_revenue"] for each in monthly_revenue(copy, items)) == paid
    assert sum(each["total_revenue"] for each in top_titles(copy, items)) == paid
    assert sum(each["daily_revenue"] for each in store_scorecard(copy, items)) == paid


def test_a_day_ends_at_midnight_utc_whatever_the_rows_zone(copy: Copy, items: Items) -> None:
    zone = datetime.fromisoformat("2023-06-30T19:30:00-05:00")  # 1 July, 00:30 UTC
    copy["payment"] = [{**copy["payment"][0], "payment_date": zone}]
    assert [each["revenue_month"] for each in monthly_revenue(copy, items)] == [JULY]


def test_items_are_as_of_the_event_and_stay_when_a_copy_moves() -> None:
    events = [
        {"at": "2023-01-01 10:00:01+00", "event": "rent", "rental_id": "1", "inventory_id": "5"},
        {"at": "2023-01-01 10:00:09+00", "event": "transfer", "inventory_id": "5",
         "store_id": "3"},
        {"at": "2023-01-02 10:00:01+00", "event": "rent", "rental_id": "2", "inventory_id": "5"},
        {"at": "2023-01-02 10:00:02+00", "event": "pay", "payment_id": "8", "rental_id": "1"},
    ]
    first = datetime(2023, 1, 1, 10, 0, 1, tzinfo=UTC)
    before, began, ended = items_at(
        {5: (40, 2)}, events, [first - timedelta(seconds=1), first, first + timedelta(days=9)])
    assert before == Items()
    assert began == Items({1: (40, 2)})
    assert ended == Items({1: (40, 2), 2: (40, 3)}, {8: 2})


def test_items_of_the_sample_year_agree_with_the_ledger() -> None:
    year = Year(DATA)
    [items] = items_at(read_opening(DATA), read_events(DATA), [datetime(2024, 1, 1, tzinfo=UTC)])
    rentals, payments = year.now.rentals, year.now.payments
    assert items.rental_item == {int(number): (int(each.film), int(each.store))
                                 for number, each in rentals.items()}
    assert items.payment_store == {int(number): int(each.store)
                                   for number, each in payments.items()}
