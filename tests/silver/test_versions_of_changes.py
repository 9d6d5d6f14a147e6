"""The query of a whole history gives what merges made bit by bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from psycopg2 import sql
from psycopg2.extras import Json, execute_values
from test_merge import TRACKED, Bench, Event, Shop, histories, time_of

from medallion_lib.bronze import layout
from medallion_lib import Medallion
from medallion_lib.shop import TABLES
from medallion_lib.silver.history import make_missing
from medallion_lib.silver.merge import merge_table
from medallion_lib.silver.shape import Shape
from medallion_lib.tables import Column, Table, Tables

pytestmark = pytest.mark.long(1)

Record = Callable[[str, object], None]  # record_property's
THING = Table("thing", ("size", "name"), history="thing_hist", columns=(
    Column("size", "numeric"), Column("name", "text"), Column("price", "numeric(6,2)"),
    Column("code", "character(3)"), Column("said", "json")))  # fmt: skip
# Pairs that would join to one text, and numbers that are equal and written otherwise.
KEYS = [(("1", "1.0", "1.00"), "2-3"), (("1", "1.0", "1.00"), "3"), (("-1", "-1.0", "-1.00"), "2-3")]


def things(key: int, spelling: int, pick: int) -> dict[str, Any]:
    """A row out of few values, so that changes undo and repeat each other.

    Each history that is played at once has three keys.
    """
    sizes, name = KEYS[key % 3]
    return {"size": sizes[spelling], "name": f"{name}{key // 3 or ''}", "price": (None, 1.5, "1.50")[pick % 3],
            "code": ("a", "a  ", None)[pick // 2], "said": ('{"a":null}', "{}")[pick % 2]}  # fmt: skip


@dataclass
class Things:
    """What a source would log of its table of things."""

    live: dict[int, dict[str, Any]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    lsn: int = 0

    def transaction(self, wishes: list[tuple[str, int, int, int]]) -> None:
        self.lsn += 100
        for wish, *picked in wishes:
            getattr(self, wish)(*picked)

    def log(self, op: str, row: dict[str, Any] | None) -> None:
        self.events.append(Event(self.lsn, len(self.events), "thing", op, row, time_of(self.lsn)))

    def put(self, key: int, spelling: int, pick: int) -> None:
        row = things(key, spelling, pick)
        self.log("U" if key in self.live else "I", row)
        self.live[key] = row

    def move(self, key: int, spelling: int, pick: int) -> None:
        """A change of key lands as a delete and an insert."""
        self.delete(key - key % 3 + (key + 1) % 3, spelling, pick)
        self.put(key, spelling, pick)

    def delete(self, key: int, spelling: int, pick: int) -> None:
        if row := self.live.pop(key, None):
            self.log("D", row)

    def truncate(self, key: int, spelling: int, pick: int) -> None:
        self.live.clear()
        self.log("T", None)


@pytest.fixture
def bench(lab: Medallion) -> Iterator[Bench]:
    made = Bench(lab)
    yield made
    made.connection.close()


def rows(bench: Bench, shape: Shape, versions: sql.Composable, batch: dict[str, int]) -> list[str]:
    """Versions as silver prints them, row_hash and period included."""
    system = {"row_hash": "bigint", "sys_start": "timestamptz", "sys_end": "timestamptz"}
    typed = [sql.SQL("{}::{}").format(sql.Identifier(name), sql.SQL(type_))
             for name, type_ in (shape.types | system).items()]  # fmt: skip
    query = sql.SQL("SELECT ROW({})::text FROM {} AS version").format(sql.SQL(", ").join(typed), versions)
    bench.cursor.execute(query, batch)
    return sorted(row for (row,) in bench.cursor)


def check_each_merge(bench: Bench, table: Table, events: list[Event], step: int) -> int:
    """Merge up to each position, or each second or third; returns the versions at the end."""
    shape = Shape.read(bench.cursor, table)
    positions = sorted({event.lsn for event in events})
    for since, upto in pairwise([0, *positions[step::step], events[-1].lsn + 8]):
        batch = {"since": since, "upto": upto}
        assert merge_table(bench.cursor, table, batch).events <= len(events)
        merged = rows(bench, shape, table.silver, batch)
        assert rows(bench, shape, sql.SQL("({})").format(shape.whole_history()), batch) == merged
    return len(merged)


def check_histories_of_the_shop(bench: Bench, examples: int, record: Record) -> None:
    seen: Counter[str] = Counter()
    versioned = [table for table in TABLES.versioned if table.name in TRACKED]

    @settings(max_examples=examples, deadline=None, derandomize=True)
    @given(histories, st.integers(1, 3))
    def holds(history: list, step: int) -> None:
        shop = Shop()
        for wishes, gap in history:
            shop.transaction(wishes, gap)
        assume(shop.events)
        bench.write(shop.events)
        count = sum(check_each_merge(bench, table, shop.events, step) for table in versioned)
        seen.update({"random histories": 1, "events": len(shop.events), "versions": count})
        bench.connection.rollback()

    holds()
    for name, count in seen.items():
        record(name, count)


def test_versions_of_bronze_alone_are_those_of_each_merge(bench: Bench, record_property: Record) -> None:
    check_histories_of_the_shop(bench, 15, record_property)


@pytest.mark.slow
def test_versions_of_thousands_of_histories_are_those_of_each_merge(bench: Bench, record_property: Record) -> None:
    check_histories_of_the_shop(bench, 1020, record_property)


def test_a_look_up_may_serve_a_history_without_months(bench: Bench) -> None:
    (payment,) = [table for table in TABLES.versioned if table.name == "payment"]
    types = {"payment_id": "integer", "payment_date": "timestamptz", "amount": "numeric(5,2)",
             "rental_id": "integer", "customer_id": "integer", "staff_id": "integer", "store_id": "integer"}  # fmt: skip
    plain = replace(payment, history="plain_payment", by_month=None, columns=tuple(map(Column, types, types.values())))
    shop = Shop()
    for pick in (0, 2, 2, 3, 0):
        shop.transaction([("put", table, 1, pick) for table in ("inventory", "rental", "payment")], 0)
    bench.write(shop.events)
    make_missing(bench.cursor, Tables((plain,)))
    assert check_each_merge(bench, plain, shop.events, 1) == 4
    bench.cursor.execute("SELECT array_agg(store_id ORDER BY sys_start) FROM silver.plain_payment")
    assert bench.cursor.fetchone()[0] == [1, None, 1, 1], "there is no rental 3"
    bench.connection.rollback()


wish = st.tuples(st.sampled_from(["put"] * 6 + ["move", "move", "delete", "truncate"]),
                 st.integers(0, 2), st.integers(0, 2), st.integers(0, 5))  # fmt: skip


@pytest.mark.slow
def test_so_are_those_of_keys_of_several_columns_however_they_are_spelled(bench: Bench) -> None:
    layout.make_bronze(bench.cursor, THING)
    make_missing(bench.cursor, Tables((THING,)))
    seen: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.lists(st.lists(wish, min_size=1, max_size=5), min_size=3, max_size=12), st.integers(1, 3))
    def holds(history: list, step: int) -> None:
        things = Things()
        for wishes in history:
            things.transaction(wishes)
        assume(things.events)
        bench.cursor.execute("DELETE FROM bronze.br_thing_cdc; DELETE FROM silver.thing_hist")
        execute_values(bench.cursor, "INSERT INTO bronze.br_thing_cdc (lsn, seq, op, full_row, commit_ts) VALUES %s",
                       [(e.lsn, e.seq, e.op, e.row and Json(e.row), e.commit_ts) for e in things.events])  # fmt: skip
        seen["versions"] += check_each_merge(bench, THING, things.events, step)

    holds()
    bench.connection.rollback()
    assert seen["versions"] > 300
