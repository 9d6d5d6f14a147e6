"""Gold in plain Python, from the design's table of meanings: what the marts must equal.

It shares nothing with the marts' SQL. Its input is a copy of the source's tables at an instant and,
for what the source does not hold (the store of an item that has moved since), data/'s own events.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Copy = dict[str, list[Row]]
Item = tuple[int | None, int | None]  # film, store

UNKNOWN: Item = (None, None)


@dataclass
class Items:
    """What was known when a rental or payment began: a rental's film and store, a payment's store.

    As AS OF has it: events at the instant itself are included.
    """

    rental_item: dict[int, Item] = field(default_factory=dict)
    payment_store: dict[int, int | None] = field(default_factory=dict)


def read_opening(data: Path) -> dict[int, tuple[int, int]]:
    """Each opening copy's film and store."""
    with (data / "inventory.csv").open(encoding="utf-8", newline="") as file:
        return {int(row["inventory_id"]): (int(row["film_id"]), int(row["store_id"]))
                for row in csv.DictReader(file)}


def read_events(data: Path) -> Iterator[dict[str, str]]:
    with (data / "events.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def items_at(
    opening: dict[int, tuple[int, int]],
    events: Iterable[dict[str, str]],
    instants: Sequence[datetime],
) -> Iterator[Items]:
    """The items as of each of these ascending instants, the events played once."""
    if list(instants) != sorted(instants):
        raise ValueError("give the instants in ascending order")
    copies, now, waiting = dict(opening), Items(), list(instants)
    for event in events:
        while waiting and waiting[0] < datetime.fromisoformat(event["at"]):
            waiting.pop(0)
            yield Items(dict(now.rental_item), dict(now.payment_store))
        if not waiting:
            return
        _play(copies, now, event)
    for _ in waiting:
        yield Items(dict(now.rental_item), dict(now.payment_store))


def _play(copies: dict[int, tuple[int, int]], now: Items, event: dict[str, str]) -> None:
    match event["event"]:
        case "rent":
            now.rental_item[int(event["rental_id"])] = copies[int(event["inventory_id"])]
        case "pay" | "refund":
            now.payment_store[int(event["payment_id"])] = now.rental_item[
                int(event["rental_id"])][1]
        case "void":
            del now.payment_store[int(event["payment_id"])]
        case "buy":
            copies[int(event["inventory_id"])] = (int(event["film_id"]), int(event["store_id"]))
        case "transfer":
            film, _ = copies[int(event["inventory_id"])]
            copies[int(event["inventory_id"])] = (film, int(event["store_id"]))
        case "withdraw":
            for copy in [each for each, (film, _) in copies.items()
                         if film == int(event["film_id"])]:
                del copies[copy]


def monthly_revenue(copy: Copy, items: Items) -> list[Row]:
    """vw_monthly_revenue: a row for each store (an unknown one too) and month with payments."""
    groups = defaultdict(list)
    for payment in copy["payment"]:
        store = items.payment_store.get(payment["payment_id"])
        groups[store, _month(payment["payment_date"])].append(payment)
    return [
        {
            "store_id": store,
            "revenue_month": month,
            "total_revenue": _total(payments),
            "total_transactions": len(payments),
            "avg_transaction_amount": _ratio(_total(payments), len(payments)),
            "unique_customers": len({payment["customer_id"] for payment in payments}),
        }
        for (store, month), payments in groups.items()
    ]


def top_titles(copy: Copy, items: Items) -> list[Row]:
    """vw_top_titles: a row for each film and month with rentals.

    Payments whose film is unknown, for want of the rental or of its item, form one row of nulls
    beside their revenue. Rentals of an unknown film count in that row too.
    """
    films = {film["film_id"]: film for film in copy["film"]}
    rentals: dict[tuple[int | None, date | None], list[Row]] = defaultdict(list)
    revenue: dict[tuple[int | None, date | None], list[Row]] = defaultdict(list)
    place: dict[int, tuple[int | None, date | None]] = {}
    for rental in copy["rental"]:
        film, _ = items.rental_item.get(rental["rental_id"], UNKNOWN)
        key = (film, _month(rental["rental_date"])) if film is not None else (None, None)
        place[rental["rental_id"]] = key
        rentals[key].append(rental)
    for payment in copy["payment"]:
        revenue[place.get(payment["rental_id"], (None, None))].append(payment)
    return [
        _title_row(key, films.get(key[0], {}), rentals.get(key, []), _total(revenue.get(key, [])))
        for key in rentals.keys() | revenue.keys()
    ]


def _title_row(
    key: tuple[int | None, date | None], film: Row, rentals: list[Row], revenue: Decimal
) -> Row:
    out = [_out(rental) for rental in rentals if rental["return_date"] is not None]
    return {
        "film_id": key[0],
        "title": film.get("title"),
        "rating": film.get("rating"),
        "rental_rate": film.get("rental_rate"),
        "rental_month": key[1],
        "total_rentals": len(rentals),
        "total_revenue": revenue,
        "avg_rental_revenue": _ratio(revenue, len(rentals)),
        "avg_days_out": _ratio(_days(sum(out, timedelta())), len(out)),
        "currently_rented": len(rentals) - len(out),
        "utilization_rate": _ratio(len(rentals), len({each["inventory_id"] for each in rentals})),
    }


def store_scorecard(copy: Copy, items: Items) -> list[Row]:
    """vw_store_scorecard: a row for each store (an unknown one too) and day with any business."""
    films = {film["film_id"]: film for film in copy["film"]}
    rentals: dict[tuple[int | None, date], list[tuple[Row, int | None]]] = defaultdict(list)
    payments: dict[tuple[int | None, date], list[Row]] = defaultdict(list)
    for rental in copy["rental"]:
        film, store = items.rental_item.get(rental["rental_id"], UNKNOWN)
        rentals[store, _day(rental["rental_date"])].append((rental, film))
    for payment in copy["payment"]:
        store = items.payment_store.get(payment["payment_id"])
        payments[store, _day(payment["payment_date"])].append(payment)
    return [
        _score_row(key, films, rentals.get(key, []), payments.get(key, []))
        for key in rentals.keys() | payments.keys()
    ]


def _score_row(
    key: tuple[int | None, date],
    films: dict[int, Row],
    rentals: list[tuple[Row, int | None]],
    payments: list[Row],
) -> Row:
    known = [(rental, films[film]) for rental, film in rentals if film in films]
    completed = sum(rental["return_date"] is not None for rental, _ in rentals)
    late = sum(rental["return_date"] is not None
               and _out(rental) > timedelta(days=film["rental_duration"])
               for rental, film in known)
    rates = [film["rental_rate"] for _, film in known]
    customers = {rental["customer_id"] for rental, _ in rentals}
    return {
        "store_id": key[0],
        "business_date": key[1],
        "daily_revenue": _total(payments),
        "total_rentals": len(rentals),
        "active_customers": len(customers | {payment["customer_id"] for payment in payments}),
        "unique_titles_rented": len({film for _, film in rentals if film is not None}),
        "completed_rentals": completed,
        "late_returns": late,
        "late_return_pct": _ratio(100 * late, completed),
        "avg_rental_rate": _ratio(sum(rates), len(rates)),
    }


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _month(moment: datetime) -> date:
    return _day(moment).replace(day=1)


def _out(rental: Row) -> timedelta:
    return rental["return_date"] - rental["rental_date"]


def _days(time: timedelta) -> Fraction:
    return Fraction(time // timedelta(microseconds=1), 86_400_000_000)


def _total(payments: list[Row]) -> Decimal:
    return sum((payment["amount"] for payment in payments), Decimal("0.00"))


def _ratio(part: Decimal | Fraction | int, whole: int) -> Decimal | None:
    """The exact quotient rounded to two digits, half away from zero; None when whole is 0."""
    if not whole:
        return None
    top, bottom = part.as_integer_ratio()
    bottom *= whole
    rounded = (200 * abs(top) + bottom) // (2 * bottom)
    return Decimal(rounded if top >= 0 else -rounded) / 100
