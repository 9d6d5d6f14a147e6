"""Random changes become the same versions on an engine as in PostgreSQL, exported in parts or at once."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from psycopg2.extras import Json, execute_values
from test_merge import KEY, TABLES, Bench, Event, Shop, time_of
from test_versions_of_changes import Things

pytest.importorskip("pysail", reason="the engine is an extra: make spark")

from medallion_lib.bronze import layout
from medallion_lib import Medallion, MedallionError, lake
from medallion_lib.silver import merge
from medallion_lib.silver.history import make_missing
from medallion_lib.tables import Column, Table, Tables

Record = Callable[[str, object], None]  # record_property's
SILVER = ("dim_customer_hist", "fact_rental", "fact_payment", "thing_hist")
KEYS = {table: (key,) for table, key in KEY.items()} | {
    "payment": ("payment_id", "payment_date"), "thing": ("size", "name")}  # fmt: skip
THING = Table("thing", ("size", "name"), history="thing_hist", columns=(
    Column("size", "numeric(6,2)"), Column("name", "text"), Column("price", "numeric(6,2)"),
    Column("code", "character(3)"), Column("said", "json")))  # fmt: skip


class Both(Bench):
    """A warehouse with the shop's tables and a table of one's own with a key of two columns."""

    def __init__(self, lab: Medallion) -> None:
        super().__init__(lab)
        layout.make_bronze(self.cursor, THING)
        made = make_missing(self.cursor, Tables((THING,)))
        Tables.change(self.cursor, lambda tables: tables.put(*made.each))
        self.connection.commit()

    def write(self, events: list[Event]) -> None:
        self.cursor.execute("DELETE FROM bronze.br_thing_cdc; DELETE FROM silver.thing_hist")
        execute_values(self.cursor, "INSERT INTO bronze.br_thing_cdc (lsn, seq, op, full_row, commit_ts) VALUES %s",
                       [(e.lsn, e.seq, e.op, e.row and Json(e.row), e.commit_ts) for e in events if e.table == "thing"])  # fmt: skip
        super().write([typed(event) for event in events])

    def reach(self, lsn: int) -> None:
        """Let capture have come to where the next commit begins, which may be the last one's very end."""
        self.cursor.execute("UPDATE meta.watermark SET lsn = %s", (lsn,))
        self.connection.commit()


def typed(event: Event) -> Event:
    """Without what is no time in a column of the source that is one; no history has it."""
    return event._replace(row=event.row and event.row | {"last_update": None}) if event.table == "inventory" else event


@pytest.fixture
def bench(lab: Medallion) -> Iterator[Both]:
    made = Both(lab)
    yield made
    made.connection.close()


def exported(lab: Medallion, place: Path, session: Any) -> lake.Lake:
    lake.export(lab, place)
    there = lake.Lake(place, session)
    there.merge()
    return there


def check_equal(lab: Medallion, there: lake.Lake) -> int:
    compared = {name: lake.compare(lab, there, name) for name in SILVER}
    assert {name: each for name, each in compared.items() if each.missing or each.extra} == {}
    return sum(each.rows for each in compared.values())


def played(random: Random, histories: int) -> list[Event]:
    """So many histories at once: each has keys of its own, and all have their truncates and snapshots.

    An engine takes a second for any statement: a hundred cost little more than one.
    """
    shop, things = Shop(), Things()
    for _ in range(random.randint(8, 16)):
        if random.random() < 0.3:
            missed = [("miss", *picked(random, histories)) for _ in range(random.randint(0, histories))]
            shop.transaction([*missed, ("snapshot", *picked(random, histories))], random.randint(0, 9))
            continue
        wishes = [(random.choice(["put"] * 9 + ["touch", "delete", "delete"]), *picked(random, histories))
                  for _ in range(random.randint(2 * histories, 7 * histories))]  # fmt: skip
        for _ in range(random.choice((0, 0, 1, 2))):
            wishes.insert(random.randint(0, len(wishes)), ("truncate", random.choice(TABLES), 1, 0))
        size = random.choice((len(wishes), 9, 3))  # of a transaction
        for begin in range(0, len(wishes), size):
            shop.transaction(wishes[begin:begin + size], random.randint(0, 9))
            things.lsn = shop.lsn - 100
            things.transaction([thing(random, histories) for _ in range(random.randint(0, size))])
    return sorted(shop.events + things.events)


def picked(random: Random, histories: int) -> tuple[str, int, int]:
    """A table, one of two keys of one of the histories, and which values."""
    return random.choice(TABLES), 10 * random.randrange(histories) + random.randint(1, 2), random.randint(0, 5)


def thing(random: Random, histories: int) -> tuple[str, int, int, int]:
    wish = "truncate" if random.random() < 0.1 / histories else random.choice(["put"] * 6 + ["move", "move", "delete"])
    return wish, random.randrange(3 * histories), random.randint(0, 2), random.randint(0, 5)


def kinds(events: list[Event]) -> Counter[str]:
    """How many there are of what a history may have."""
    ops, gone = Counter(event.op for event in events), set()
    seen = Counter({"events": len(events), "truncates": ops["T"], "deletes": ops["D"], "rows of snapshots": ops["R"]})
    for event, after in pairwise(events):
        if event.op == "D":
            gone.add(key(event))
            is_next = (after.lsn, after.table, after.op) == (event.lsn, event.table, "I")
            seen["changes of key"] += is_next and key(after) != key(event)
        seen["rows inserted again"] += after.op == "I" and key(after) in gone
    changes = Counter((event.lsn, key(event)) for event in events if event.row)
    seen["rows changed twice in a transaction"] = sum(count > 1 for count in changes.values())
    return seen


def key(event: Event) -> tuple[Any, ...]:
    return event.table, *(event.row[name] for name in KEYS[event.table])


def check_histories(bench: Both, lab: Medallion, session: Any, place: Path, sizes: Sequence[int], record: Record) -> None:
    """So many histories at once, each time: exported and merged at once, or in two parts."""
    seen = Counter({"random histories": sum(sizes)})
    for number, size in enumerate(sizes):
        random = Random(number)
        while not (events := played(random, size)):
            pass
        shutil.rmtree(place, ignore_errors=True)
        positions = sorted({event.lsn for event in events})
        cut = random.choice(positions)
        if before := [event for event in events if event.lsn < cut]:
            bench.write(before)
            bench.reach(cut)
            lake.export(lab, place)
            if random.random() < 0.5:
                lake.Lake(place, session).merge()
        bench.write(events)
        merge.merge(bench.connection)
        seen.update(kinds(events) | {"transactions": len(positions)})
        seen["versions"] += check_equal(lab, exported(lab, place, session))
    assert min(seen.values()) > 0
    for name in ("random histories", "events", "versions"):
        record(name, seen[name])


def test_random_histories_become_the_same_versions(
    bench: Both, lab: Medallion, session: Any, tmp_path: Path, record_property: Record
) -> None:  # fmt: skip
    check_histories(bench, lab, session, tmp_path / "lake", (1, 19, 30, 50), record_property)


@pytest.mark.slow
@pytest.mark.parametrize("session", ["Sail"], indirect=True)  # Spark would take an hour
def test_so_do_a_thousand(bench: Both, lab: Medallion, session: Any, tmp_path: Path, record_property: Record) -> None:
    check_histories(bench, lab, session, tmp_path / "lake", (1,) * 100 + (10,) * 40 + (50,) * 10, record_property)


def test_a_history_of_each_kind_of_change_is_the_same(bench: Both, lab: Medallion, session: Any, tmp_path: Path) -> None:
    """Snapshot, truncate, delete, re-insert, a new key, several changes of one in a transaction."""
    shop = Shop()
    for wishes in (
        [("put", name, key, 0) for name in ("inventory", "customer", "rental", "payment") for key in (1, 2)],
        [("put", "customer", 1, 1), ("put", "customer", 1, 2), ("put", "customer", 1, 4)],
        [("delete", "payment", 1, 0), ("truncate", "rental", 1, 0)],
        [("put", "payment", 1, 3), ("put", "rental", 1, 1), ("put", "rental", 1, 4)],
        [("put", "payment", 1, 1)],  # its date is of its key
        [("truncate", "inventory", 1, 0), ("put", "rental", 2, 2), ("put", "inventory", 1, 3)],
        [("snapshot", "customer", 2, 5)],
        [("delete", "customer", 1, 0), ("put", "customer", 1, 4), ("truncate", "payment", 1, 0)],
    ):
        shop.transaction(wishes, 0)
    assert {event.op for event in shop.events} == set("IUDTR")
    bench.write(shop.events)
    merge.merge(bench.connection)
    assert check_equal(lab, exported(lab, tmp_path, session)) == 12


def test_a_key_that_an_engine_groups_otherwise_is_refused(bench: Both, lab: Medallion, tmp_path: Path) -> None:
    odd = Table("odd", ("size",), history="odd_hist", columns=(Column("size", "numeric"),))
    layout.make_bronze(bench.cursor, odd)
    made = make_missing(bench.cursor, Tables((odd,)))
    Tables.change(bench.cursor, lambda tables: tables.put(*made.each))
    bench.connection.commit()
    with pytest.raises(MedallionError, match="its key size is numeric"):
        lake.export(lab, tmp_path)


@pytest.mark.parametrize(("value", "told"), [("15:00 BC", "fact_rental"), ("12023-01-01 00:00:00+00", "rental can't go to a lake")])
def test_a_value_that_a_lake_has_not_is_refused(bench: Both, lab: Medallion, tmp_path: Path, value: str, told: str) -> None:
    row = {"rental_id": 1, "rental_date": value, "inventory_id": 1, "customer_id": 1, "return_date": None, "staff_id": 1}
    bench.write([Event(100, 1, "rental", "I", row, time_of(1))])
    with pytest.raises(MedallionError, match=told):
        lake.export(lab, tmp_path)
    assert not (tmp_path / "bronze.json").exists()
