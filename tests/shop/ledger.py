"""The sample year as its CSV files tell it, played in plain Python, without a database.

Ledger checks at every event what the source's keys would; Year is a directory of sample data.
"""

import csv
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data"
PACK_TIME = datetime(2023, 7, 1, tzinfo=UTC)
HOME = {"address", "district", "city_id", "postal_code", "phone"}
Event = dict[str, str]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass
class Rental:
    at: datetime
    copy: str
    film: str
    store: str
    customer: str


@dataclass
class Payment:
    at: datetime
    store: str
    customer: str
    amount: Decimal


@dataclass
class Ledger:
    """The business after the events so far; each method refuses what a key would refuse."""

    stock: dict[str, list[dict[str, str]]]
    rentals: dict[str, Rental] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    out: dict[str, str] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.customers = {row["customer_id"]: dict(row) for row in self.stock["customer"]}
        self.addresses = {row["address_id"] for row in self.stock["address"]}
        self.cities = {row["city_id"] for row in self.stock["city"]}
        self.films = {row["film_id"]: dict(row) for row in self.stock["film"]}
        self.copies = {row["inventory_id"]: (row["film_id"], row["store_id"])
                       for row in self.stock["inventory"]}
        self.staff = {row["staff_id"]: row["store_id"] for row in self.stock["staff"]}
        self.stores = {row["store_id"] for row in self.stock["store"]}

    def play(self, event: Event) -> None:
        kind = event["event"]
        getattr(self, "give_back" if kind == "return" else kind)(event)

    def rent(self, e: Event) -> None:
        film, store = self.copies[e["inventory_id"]]
        assert e["inventory_id"] not in self.out, "a copy is rented once at a time"
        assert self.customers[e["customer_id"]]["activebool"] == "t", "only the active rent"
        assert self.staff[e["staff_id"]] == store
        assert e["rental_id"] not in self.rentals
        self.out[e["inventory_id"]] = e["rental_id"]
        self.open.add(e["rental_id"])
        self.rentals[e["rental_id"]] = Rental(
            when(e["at"]), e["inventory_id"], film, store, e["customer_id"])

    def give_back(self, e: Event) -> None:
        self.open.remove(e["rental_id"])
        assert self.out.pop(self.rentals[e["rental_id"]].copy) == e["rental_id"]

    def pay(self, e: Event) -> None:
        rental, at = self.rentals[e["rental_id"]], when(e["payment_date"] or e["at"])
        assert e["payment_id"] not in self.payments
        assert rental.customer == e["customer_id"] and rental.at < at
        assert self.staff[e["staff_id"]] == rental.store
        assert (Decimal(e["amount"]) < 0) == (e["event"] == "refund")
        assert abs(Decimal(e["amount"])) < 1000
        self.payments[e["payment_id"]] = Payment(
            at, rental.store, rental.customer, Decimal(e["amount"]))

    refund = pay

    def correct(self, e: Event) -> None:
        payment = self.payments[e["payment_id"]]
        assert payment.at == when(e["payment_date"]) and payment.amount != Decimal(e["amount"])
        payment.amount = Decimal(e["amount"])

    def void(self, e: Event) -> None:
        assert self.payments.pop(e["payment_id"]).at == when(e["payment_date"])

    def _live_at(self, e: Event, detail: dict[str, object]) -> None:
        assert e["address_id"] not in self.addresses
        assert str(detail["city_id"]) in self.cities
        self.addresses.add(e["address_id"])

    def join(self, e: Event) -> None:
        detail = json.loads(e["detail"])
        assert set(detail) == HOME | {"first_name", "last_name", "email"}
        assert e["customer_id"] not in self.customers and e["store_id"] in self.stores
        self._live_at(e, detail)
        self.customers[e["customer_id"]] = {
            **{each: detail[each] for each in ("first_name", "last_name", "email")},
            "store_id": e["store_id"], "address_id": e["address_id"], "activebool": "t"}

    def move(self, e: Event) -> None:
        detail, customer = json.loads(e["detail"]), self.customers[e["customer_id"]]
        assert set(detail) == HOME and e["store_id"] in self.stores | {""}
        self._live_at(e, detail)
        customer["address_id"] = e["address_id"]
        customer["store_id"] = e["store_id"] or customer["store_id"]

    def change(self, e: Event) -> None:
        detail, customer = json.loads(e["detail"]), self.customers[e["customer_id"]]
        assert detail and set(detail) <= {"email", "first_name", "last_name", "activebool"}
        if "activebool" in detail:
            detail["activebool"] = {True: "t", False: "f"}[detail["activebool"]]
        for name, value in detail.items():
            if name != "email":
                assert customer[name] != value, "a change changes something"
        assert any(customer[name] != value for name, value in detail.items())
        customer.update(detail)

    def reprice(self, e: Event) -> None:
        for film, rate in json.loads(e["detail"]).items():
            assert self.films[film]["rental_rate"] != rate and 0 < Decimal(rate) < 100
            self.films[film]["rental_rate"] = rate

    def buy(self, e: Event) -> None:
        assert e["film_id"] in self.films and e["inventory_id"] not in self.copies
        assert e["store_id"] in self.stores
        self.copies[e["inventory_id"]] = (e["film_id"], e["store_id"])

    def transfer(self, e: Event) -> None:
        film, store = self.copies[e["inventory_id"]]
        assert store != e["store_id"] in self.stores and e["inventory_id"] not in self.out
        self.copies[e["inventory_id"]] = (film, e["store_id"])

    def withdraw(self, e: Event) -> None:
        assert all(rental.film != e["film_id"] for rental in self.rentals.values())
        del self.films[e["film_id"]]
        self.copies = {copy: item for copy, item in self.copies.items() if item[0] != e["film_id"]}

    def june(self) -> dict[str, tuple[Decimal, int]]:
        """June's revenue and number of payments by store, the winner first."""
        paid = [each for each in self.payments.values() if each.at.month == 6]
        totals = {store: (sum((p.amount for p in paid if p.store == store), Decimal(0)),
                          sum(p.store == store for p in paid)) for store in self.stores}
        return dict(sorted(totals.items(), key=lambda item: -item[1][0]))


@dataclass
class Year:
    """A directory of sample data, played to the board pack's instant and to the end."""

    folder: Path

    @cached_property
    def stock(self) -> dict[str, list[dict[str, str]]]:
        tables = (path.stem for path in self.folder.glob("*.csv"))
        return {name: read(self.folder / f"{name}.csv") for name in tables
                if name != "events" and not name.startswith("board")}

    @cached_property
    def events(self) -> list[Event]:
        return read(self.folder / "events.csv")

    @cached_property
    def pack(self) -> dict[str, tuple[Decimal, int]]:
        rows = read(self.folder / "board_pack_2023-07-01.csv")
        return {row["store_id"]: (Decimal(row["total_revenue"]), int(row["total_transactions"]))
                for row in rows}

    @cached_property
    def then(self) -> Ledger:
        return self._played([event for event in self.events if when(event["at"]) < PACK_TIME])

    @cached_property
    def now(self) -> Ledger:
        return self._played(self.events)

    def _played(self, events: list[Event]) -> Ledger:
        ledger = Ledger(self.stock)
        for event in events:
            ledger.play(event)
        return ledger

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event["event"] in kinds]

    def july_on_june(self) -> list[Event]:
        """What was done after June to payments dated in June."""
        return [event for event in self.events if event["at"] >= "2023-07"
                and event["payment_date"].startswith("2023-06")]
