"""Random changes become the same versions on an engine as in PostgreSQL, exported in parts or at once."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from psycopg2.extras import Json, execute_values
from test_merge import Bench, Event, Shop, histories, time_of
from test_versions_of_changes import Things, wish

pytest.importorskip("pysail", reason="the engine is an extra: make spark")

from medallion_lib.bronze import layout
from medallion_lib import Medallion, MedallionError, lake
from medallion_lib.silver import merge
from medallion_lib.silver.history import make_missing
from medallion_lib.tables import Column, Table, Tables

Record = Callable[[str, object], None]  # record_property's
PHASES = (Phase.explicit, Phase.generate)  # to shrink an example would take an hour
SILVER = ("dim_customer_hist", "fact_rental", "fact_payment")
THING = Table("thing", ("size", "name"), history="thing_hist", columns=(
    Column("size", "numeric(6,2)"), Column("name", "text"), Column("price", "numeric(6,2)"),
    Column("code", "character(3)"), Column("said", "json")))  # fmt: skip


@pytest.fixture
def bench(lab: Medallion) -> Iterator[Bench]:
    made = Bench(lab)
    yield made
    made.connection.close()


def typed(events: list[Event]) -> list[Event]:
    """Without what is no time in a column of the source that is one; no history has it."""
    return [event._replace(row=event.row and event.row | {"last_update": None}) if event.table == "inventory" else event
            for event in events]  # fmt: skip


def exported(lab: Medallion, place: Path) -> lake.Lake:
    lake.export(lab, place)
    there = lake.Lake(place)
    there.merge()
    return there


def check_equal(lab: Medallion, there: lake.Lake, names: tuple[str, ...]) -> int:
    compared = {name: lake.compare(lab, there, name) for name in names}
    assert {name: each for name, each in compared.items() if each.missing or each.extra} == {}
    return sum(each.rows for each in compared.values())


def check_histories(bench: Bench, lab: Medallion, place: Path, examples: int, record: Record) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, derandomize=True, phases=PHASES)
    @given(histories, st.integers(0, 13))
    def holds(history: list, cut: int) -> None:
        shutil.rmtree(place, ignore_errors=True)
        shop = Shop()
        for number, (wishes, gap) in enumerate(history):
            shop.transaction(wishes, gap)
            if number == cut and shop.events:
                bench.write(typed(shop.events))
                lake.export(lab, place)
        assume(shop.events)
        bench.write(typed(shop.events))
        merge.merge(bench.connection)
        rows = check_equal(lab, exported(lab, place), SILVER)
        seen.update({"random histories": 1, "events": len(shop.events), "versions": rows})

    holds()
    for name, count in seen.items():
        record(name, count)


def test_random_histories_become_the_same_versions(
    bench: Bench, lab: Medallion, tmp_path: Path, record_property: Record
) -> None:  # fmt: skip
    check_histories(bench, lab, tmp_path / "lake", 3, record_property)


@pytest.mark.slow
def test_so_do_a_thousand(bench: Bench, lab: Medallion, tmp_path: Path, record_property: Record) -> None:
    check_histories(bench, lab, tmp_path / "lake", 1000, record_property)


def check_things(bench: Bench, lab: Medallion, place: Path, examples: int) -> None:
    layout.make_bronze(bench.cursor, THING)
    made = make_missing(bench.cursor, Tables((THING,)))
    Tables.change(bench.cursor, lambda tables: tables.put(*made.each))
    bench.connection.commit()

    @settings(max_examples=examples, deadline=None, derandomize=True, phases=PHASES)
    @given(st.lists(st.lists(wish, min_size=1, max_size=5), min_size=3, max_size=12))
    def holds(history: list) -> None:
        shutil.rmtree(place, ignore_errors=True)
        things = Things()
        for wishes in history:
            things.transaction(wishes)
        assume(things.events)
        bench.write([Event(things.lsn + 1, 0, "inventory", "T", None, time_of(things.lsn + 1))])
        bench.cursor.execute("DELETE FROM bronze.br_thing_cdc; DELETE FROM silver.thing_hist")
        execute_values(bench.cursor, "INSERT INTO bronze.br_thing_cdc (lsn, seq, op, full_row, commit_ts) VALUES %s",
                       [(e.lsn, e.seq, e.op, e.row and Json(e.row), e.commit_ts) for e in things.events])  # fmt: skip
        bench.connection.commit()
        merge.merge(bench.connection)
        check_equal(lab, exported(lab, place), ("thing_hist",))

    holds()


def test_so_do_tables_of_ones_own_with_keys_of_several_columns(bench: Bench, lab: Medallion, tmp_path: Path) -> None:
    check_things(bench, lab, tmp_path / "lake", 3)


@pytest.mark.slow
def test_so_do_a_hundred_of_those(bench: Bench, lab: Medallion, tmp_path: Path) -> None:
    check_things(bench, lab, tmp_path / "lake", 100)


def test_a_history_of_each_kind_of_change_is_the_same(bench: Bench, lab: Medallion, tmp_path: Path) -> None:
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
    bench.write(typed(shop.events))
    merge.merge(bench.connection)
    assert check_equal(lab, exported(lab, tmp_path), SILVER) == 12


def test_a_key_that_an_engine_groups_otherwise_is_refused(bench: Bench, lab: Medallion, tmp_path: Path) -> None:
    odd = Table("odd", ("size",), history="odd_hist", columns=(Column("size", "numeric"),))
    layout.make_bronze(bench.cursor, odd)
    made = make_missing(bench.cursor, Tables((odd,)))
    Tables.change(bench.cursor, lambda tables: tables.put(*made.each))
    bench.connection.commit()
    with pytest.raises(MedallionError, match="its key size is numeric"):
        lake.export(lab, tmp_path)


@pytest.mark.parametrize(("value", "told"), [("15:00 BC", "fact_rental"), ("12023-01-01 00:00:00+00", "rental can't go to a lake")])
def test_a_value_that_a_lake_has_not_is_refused(bench: Bench, lab: Medallion, tmp_path: Path, value: str, told: str) -> None:
    row = {"rental_id": 1, "rental_date": value, "inventory_id": 1, "customer_id": 1, "return_date": None, "staff_id": 1}
    bench.write([Event(100, 1, "rental", "I", row, time_of(1))])
    with pytest.raises(MedallionError, match=told):
        lake.export(lab, tmp_path)
    assert not (tmp_path / "bronze.json").exists()
