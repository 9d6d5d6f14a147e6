"""Random changes merge to the model's versions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from psycopg2.extras import Json, execute_values

from medallion_lib import Medallion, server, shop
from medallion_lib.silver import merge

pytestmark = pytest.mark.long(1)

Row = dict[str, Any]
Record = Callable[[str, object], None]  # record_property's
TABLES = ("inventory", "customer", "rental", "payment")  # those that the histories touch
KEY = {table: f"{table}_id" for table in TABLES}
TRACKED = {
    "customer": ("store_id", "first_name", "last_name", "email", "address_id", "activebool",
                 "create_date"),
    "rental": ("rental_date", "return_date", "customer_id", "inventory_id", "staff_id"),
    "payment": ("payment_date", "amount", "customer_id", "rental_id", "staff_id"),
}  # fmt: skip
SILVER = {
    "customer": "SELECT {key}, store_id, first_name, last_name, email, address_id, active, "
                "create_date::text, sys_start::text, sys_end::text FROM silver.dim_customer_hist",
    "rental": "SELECT {key}, rental_date::text, return_date::text, customer_id, inventory_id, "
              "staff_id, film_id, store_id, sys_start::text, sys_end::text FROM silver.fact_rental",
    "payment": "SELECT {key}, payment_date::text, amount::text, customer_id, rental_id, staff_id, "
               "store_id, sys_start::text, sys_end::text FROM silver.fact_payment",
}  # fmt: skip
DATES = ("2023-01-31 23:59:59.999999+00", "2023-02-01 00:00:00+00", "2023-02-05 10:00:00+00",
         "1850-06-01 00:00:00+00", "2500-01-01 00:00:00+00", "infinity")  # fmt: skip


class Event(NamedTuple):
    lsn: int
    seq: int
    table: str
    op: str
    row: Row | None
    commit_ts: str


def time_of(lsn: int) -> str:
    return f"{datetime(2023, 3, 1) + timedelta(seconds=lsn):%Y-%m-%d %H:%M:%S}+00"


def ten(key: int) -> int:
    return key - key % 10


def values_of(table: str, key: int, pick: int) -> Row:
    """A row of the table out of few values, so that changes undo and repeat each other.

    What it refers to is of its own ten keys: histories that are played at once have ten each.
    """
    other = ten(key) + 1 + pick % 3
    if table == "inventory":
        return {"inventory_id": key, "film_id": 1 + pick % 2, "store_id": 1 + pick // 2 % 2}
    if table == "customer":
        return {"customer_id": key, "store_id": 1 + pick % 2, "address_id": 2 - pick % 2,
                "first_name": "Ann" if pick & 2 else "Bo", "last_name": "Bo" if pick & 2 else "Ann",
                "email": (None, "", "null")[pick % 3], "activebool": pick < 3,
                "create_date": "2020-02-29", "active": 1}  # fmt: skip
    if table == "rental":
        return {"rental_id": key, "rental_date": DATES[pick % 6], "inventory_id": other,
                "customer_id": 1, "return_date": DATES[2] if pick > 3 else None, "staff_id": 1}  # fmt: skip
    return {"payment_id": key, "payment_date": DATES[pick % 6], "amount": f"{pick % 2}.99",
            "rental_id": other, "customer_id": 1, "staff_id": None if pick > 4 else 1}  # fmt: skip


@dataclass
class Shop:
    """What a source would log: it turns wishes into changes that can follow one another."""

    live: dict[str, dict[int, Row]] = field(default_factory=lambda: {t: {} for t in TABLES})
    events: list[Event] = field(default_factory=list)
    lsn: int = 0
    at: str = ""
    seq: int = 0

    def transaction(self, wishes: list[tuple[str, str, int, int]], gap: int) -> None:
        self.lsn += 100 + gap
        self.seq, self.at = 0, time_of(self.lsn)
        for wish, table, key, pick in wishes:
            getattr(self, wish)(table, key, pick)

    def log(self, table: str, op: str, row: Row | None) -> None:
        self.seq += 1
        self.events.append(Event(self.lsn, self.seq, table, op, row, self.at))

    def put(self, table: str, key: int, pick: int) -> None:
        row, before = values_of(table, key, pick) | {"last_update": self.seq}, self.live[table].get(key)
        if before and before.get("payment_date") != row.get("payment_date"):  # is in its primary key
            self.delete(table, key, pick)
        self.log(table, "U" if key in self.live[table] else "I", row)
        self.live[table][key] = row

    def touch(self, table: str, key: int, pick: int) -> None:
        if row := self.live[table].get(key):
            self.live[table][key] = row | {"last_update": f"touched {self.lsn}"}
            self.log(table, "U", self.live[table][key])

    def delete(self, table: str, key: int, pick: int) -> None:
        if row := self.live[table].pop(key, None):
            self.log(table, "D", row)

    def truncate(self, table: str, key: int, pick: int) -> None:
        self.live[table].clear()
        self.log(table, "T", None)

    def snapshot(self, table: str, key: int, pick: int) -> None:
        """Taken over anew: something has changed that was never logged."""
        self.transaction([], 0)
        self.miss(table, key, pick)
        if self.events:
            for name in TABLES:
                self.log(name, "T", None)
        for name in TABLES:
            for row in self.live[name].values():
                self.log(name, "R", row)
        self.transaction([], 0)

    def miss(self, table: str, key: int, pick: int) -> None:
        """A change that is not logged; a snapshot is to follow."""
        self.live[table].pop(ten(key) + pick % 3, None)
        self.live[table][key] = values_of(table, key, pick)


@dataclass
class Oracle:
    """Every version that DESIGN's sections 3 and 4 ask for, one event at a time."""

    state: dict[str, dict[int, Row]] = field(default_factory=lambda: {t: {} for t in TABLES})
    item_of: dict[tuple[int, int], tuple] = field(default_factory=dict)  # by rental and item
    store_of: dict[tuple[int, int], Any] = field(default_factory=dict)  # by payment and rental
    versions: dict[tuple[str, int], list[list]] = field(default_factory=lambda: defaultdict(list))

    def play(self, events: list[Event]) -> Oracle:
        by_transaction = defaultdict(list)
        for event in events:
            by_transaction[event.lsn].append(event)
        for transaction in by_transaction.values():
            touched = set().union(*[self.take(event) for event in transaction])
            for table, key in touched:
                if table in TRACKED:
                    self.settle(table, key, transaction[0].commit_ts)
        return self

    def take(self, event: Event) -> set[tuple[str, int]]:
        table, row = event.table, event.row
        if row is None:
            keys = {(table, key) for key in self.state[table]}
            self.state[table].clear()
            return keys
        key = row[KEY[table]]
        if table == "rental":
            item = self.state["inventory"].get(row["inventory_id"], {})
            self.item_of.setdefault((key, row["inventory_id"]),
                                    (item.get("film_id"), item.get("store_id")))  # fmt: skip
        if table == "payment":
            rental = self.state["rental"].get(row["rental_id"], {})
            store = self.item_of.get((row["rental_id"], rental.get("inventory_id")), (None, None))[1]
            self.store_of.setdefault((key, row["rental_id"]), store)
        if event.op == "D":
            self.state[table].pop(key, None)
        else:
            self.state[table][key] = row
        return {(table, key)}

    def settle(self, table: str, key: int, at: str) -> None:
        """Close the version that is over and open the one that begins, at a transaction's end."""
        row = self.state[table].get(key)
        values = row and tuple(row[name] for name in TRACKED[table])
        history = self.versions[table, key]
        current = history[-1] if history and history[-1][-1] == "infinity" else None
        if (current[0] if current else None) == values:
            return
        if current:
            current[-1] = at
        if row:
            carried = (self.item_of[key, row["inventory_id"]] if table == "rental" else
                       (self.store_of[key, row["rental_id"]],) if table == "payment" else ())  # fmt: skip
            history.append([values, carried, at, "infinity"])

    def rows(self, table: str) -> list[tuple]:
        return sorted(((key, *values, *carried, start, end)
                       for (name, key), history in self.versions.items() if name == table
                       for values, carried, start, end in history), key=repr)  # fmt: skip


class Bench:  # a warehouse whose bronze is written by hand
    def __init__(self, lab: Medallion) -> None:
        self.connection = server.connect(lab.warehouse_url, options="-c timezone=UTC")
        self.cursor = self.connection.cursor()
        self.cursor.execute("SET synchronous_commit = off")

    def write(self, events: list[Event]) -> None:
        """Bronze and capture's watermark as if just captured; silver empty."""
        for name in ("dim_customer_hist", "fact_rental", "fact_payment"):
            self.cursor.execute(f"DELETE FROM silver.{name}")
        self.cursor.execute("DELETE FROM meta.watermark WHERE stage = 'merge'")
        for table in shop.TABLES.captured:
            self.cursor.execute(f"DELETE FROM bronze.br_{table.name}_cdc")
            mine = [(e.lsn, e.seq, e.op, e.row and Json(e.row), e.commit_ts)
                    for e in events if e.table == table.name]  # fmt: skip
            if mine:
                execute_values(self.cursor, f"INSERT INTO bronze.br_{table.name}_cdc "
                               "(lsn, seq, op, full_row, commit_ts) VALUES %s", mine)  # fmt: skip
        self.cursor.execute("UPDATE meta.watermark SET lsn = %s, commit_ts = %s",
                            (events[-1].lsn + 8, events[-1].commit_ts))  # fmt: skip
        self.connection.commit()

    def silver(self, table: str) -> list[tuple]:
        self.cursor.execute(SILVER[table].format(key=KEY[table]))
        rows = self.cursor.fetchall()
        self.connection.commit()
        return sorted(rows, key=repr)

    def all_of_silver(self) -> list[list[tuple]]:
        return [self.silver(table) for table in TRACKED]


@pytest.fixture
def bench(lab: Medallion) -> Iterator[Bench]:
    made = Bench(lab)
    yield made
    made.connection.close()


wish = st.tuples(
    st.sampled_from(["put"] * 9 + ["touch", "delete", "delete", "truncate", "truncate"]),
    st.sampled_from(TABLES), st.integers(1, 2), st.integers(0, 5))  # fmt: skip
snapshot = st.tuples(st.just("snapshot"), st.sampled_from(TABLES), st.integers(1, 2), st.integers(0, 5))
transaction = st.lists(wish, min_size=2, max_size=7) | st.lists(snapshot, min_size=1, max_size=1)
PAID_YET_GONE = [(what, table, 1, 0) for what, table in (
    ("put", "inventory"), ("put", "rental"), ("truncate", "rental"), ("put", "payment"))]  # fmt: skip
histories = st.lists(st.tuples(transaction, st.integers(0, 9)), min_size=5, max_size=14)


def check_random_histories(bench: Bench, examples: int, record: Record) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, derandomize=True)
    @given(histories, st.sets(st.integers(0, 13), max_size=3))
    @example([(PAID_YET_GONE, 0)], set())
    def holds(history: list, cuts: set[int]) -> None:
        shop = Shop()
        for wishes, gap in history:
            shop.transaction(wishes, gap)
        assume(events := shop.events)
        bench.write(events)
        # Each cut is where the next commit begins: the one before it may end at that very byte.
        positions = [*sorted({e.lsn for e in events})[1:], events[-1].lsn + 8]
        for cut in [*sorted(cuts), 99]:
            upto = positions[min(cut, len(positions) - 1)]
            merge.merge(bench.connection, upto)
            before = bench.all_of_silver()
            oracle = Oracle().play([event for event in events if event.lsn < upto])
            assert before == [oracle.rows(table) for table in TRACKED]
            assert all(not any(done[1:]) for done in merge.merge(bench.connection, upto))
        assert bench.all_of_silver() == before
        seen.update({"random histories": 1, "events": len(events), "versions": sum(map(len, before))})

    holds()
    for name, count in seen.items():
        record(name, count)


def test_random_histories_merge_to_what_plain_python_says(bench: Bench, record_property: Record) -> None:
    check_random_histories(bench, 15, record_property)


@pytest.mark.slow
def test_thousands_of_random_histories_merge_to_what_plain_python_says(bench: Bench, record_property: Record) -> None:
    check_random_histories(bench, 3050, record_property)


def test_a_spilling_hash_join_raises_nothing_and_changes_nothing(bench: Bench) -> None:
    bench.cursor.execute("SET work_mem = '64kB'; SET hash_mem_multiplier = 1; "
                         "SET enable_nestloop = off; SET enable_mergejoin = off")  # fmt: skip
    many = range(1, 3001)
    shop = Shop()
    for pick in (0, 1, 5, 0):
        shop.transaction([("put", table, key, pick) for table in TABLES for key in many], 0)
    bench.write(shop.events)
    for upto in (301, 401):  # three versions of each at once, onto nothing; one more, onto those
        merge.merge(bench.connection, upto)
        oracle = Oracle().play([e for e in shop.events if e.lsn < upto])
        assert bench.all_of_silver() == [oracle.rows(table) for table in TRACKED]


def test_events_that_were_miscounted_are_merged_all_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The count tells the planner how few there are, by a LIMIT."""
    shop, counted = Shop(), merge._changed
    for pick in (0, 1, 5):
        shop.transaction([("put", table, key, pick) for table in TABLES for key in (1, 2)], 0)
    bench.write(shop.events)
    monkeypatch.setattr(merge, "_changed", lambda *given: dict.fromkeys(counted(*given), 1))
    done = merge.merge(bench.connection)
    assert sum(table.events for table in done) == len([e for e in shop.events if e.table in TRACKED])
    oracle = Oracle().play(shop.events)
    assert bench.all_of_silver() == [oracle.rows(table) for table in TRACKED]


@pytest.mark.parametrize("pair", [("first_name", "last_name"), ("last_name", "email"), ("store_id", "address_id")])
def test_a_swap_of_two_values_opens_a_version(bench: Bench, pair: tuple[str, str]) -> None:
    row = values_of("customer", 7, 1)
    swapped = row | {pair[0]: row[pair[1]], pair[1]: row[pair[0]]}
    assert row != swapped
    bench.write([Event(100, 1, "customer", "I", row, time_of(1)),
                 Event(200, 1, "customer", "U", swapped, time_of(2)),
                 Event(300, 1, "customer", "U", row, time_of(3))])  # fmt: skip
    merge.merge(bench.connection)
    assert [len(bench.silver(table)) for table in TRACKED] == [3, 0, 0]


def test_odd_dates_land_in_the_default_partition(bench: Bench) -> None:
    shop = Shop()
    shop.transaction([("put", table, key, key - 1)
                      for table in ("rental", "payment") for key in range(1, 7)], 0)  # fmt: skip
    bench.write(shop.events)
    merge.merge(bench.connection)
    for fact in ("rental", "payment"):
        bench.cursor.execute(f"SELECT replace(tableoid::regclass::text, 'silver.fact_{fact}_', '') "
                             f"FROM silver.fact_{fact} ORDER BY {fact}_id")  # fmt: skip
        assert [name for (name,) in bench.cursor.fetchall()] == [
            "2023_01", "2023_02", "2023_02", "default", "default", "default"]  # fmt: skip
