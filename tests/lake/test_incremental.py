"""Merged bit by bit, an engine's silver is PostgreSQL's, and what is over is never written again."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from psycopg2.extras import Json, execute_values
from test_merge import Bench, Event, Shop, histories, time_of
from test_versions_of_changes import Things, wish

pytest.importorskip("pysail", reason="the engine is an extra: make spark")

from medallion_lib.bronze import layout
from medallion_lib import Medallion, lake, steps
from medallion_lib.lake import engine
from medallion_lib.lake.place import Place
from medallion_lib.silver import merge
from medallion_lib.silver.history import make_missing
from medallion_lib.tables import Column, Table, Tables

Record = Callable[[str, object], None]  # record_property's
PHASES = (Phase.explicit, Phase.generate)  # to shrink an example would take an hour
KEY = ("customer", "rental", "payment")
SILVER = ("dim_customer_hist", "fact_rental", "fact_payment")
THING = Table("thing", ("size", "name"), history="thing_hist", columns=(
    Column("size", "numeric(6,2)"), Column("name", "text"), Column("price", "numeric(6,2)"),
    Column("is_current", "character(3)"), Column("said", "json")))  # fmt: skip


@pytest.fixture
def bench(lab: Medallion) -> Iterator[Bench]:
    made = Bench(lab)
    yield made
    made.connection.close()


def typed(events: list[Event]) -> list[Event]:
    """Without what is no time in a column of the source that is one; no history has it."""
    return [event._replace(row=event.row and event.row | {"last_update": None}) if event.table == "inventory" else event
            for event in events]  # fmt: skip


def go_on(lab: Medallion, place: Path) -> list[lake.Made]:
    """Export and merge what is new; the files of versions that were over are kept as they are."""
    before = over(place)
    lake.export(lab, place)
    done = lake.Lake(place).merge()
    after = over(place)
    assert before <= after
    assert all((place / file).exists() for file in after)
    return done


def over(place: Path) -> set[str]:
    tables = (Place(place).read("silver") or {"tables": {}})["tables"].values()
    return {file for table in tables for file in table["files"] if file not in table["current"]}


def check_equal(lab: Medallion, place: Path, names: tuple[str, ...]) -> int:
    compared = {name: lake.compare(lab, lake.Lake(place), name) for name in names}
    assert {name: each for name, each in compared.items() if each.missing or each.extra} == {}
    return sum(each.rows for each in compared.values())


# --- At random -----------------------------------------------------------------------------------


def check_histories(bench: Bench, lab: Medallion, place: Path, examples: int, record: Record) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, derandomize=True, phases=PHASES)
    @given(histories, st.sets(st.integers(0, 12), min_size=2, max_size=4))
    def holds(history: list, cuts: set[int]) -> None:
        shutil.rmtree(place, ignore_errors=True)
        shop, merges = Shop(), 1
        for number, (wishes, gap) in enumerate(history):
            shop.transaction(wishes, gap)
            if number in cuts and shop.events:
                bench.write(typed(shop.events))
                go_on(lab, place)
                merges += 1
        assume(shop.events)
        bench.write(typed(shop.events))
        merge.merge(bench.connection)
        go_on(lab, place)
        rows = check_equal(lab, place, SILVER)
        seen.update({"random histories": 1, "merges": merges, "events": len(shop.events), "versions": rows})

    holds()
    assert seen["merges"] > seen["random histories"]
    for name, count in seen.items():
        record(name, count)


def test_random_histories_are_the_same_merged_in_parts(bench: Bench, lab: Medallion, tmp_path: Path, record_property: Record) -> None:
    check_histories(bench, lab, tmp_path / "lake", 3, record_property)


@pytest.mark.slow
def test_so_are_a_hundred(bench: Bench, lab: Medallion, tmp_path: Path, record_property: Record) -> None:
    check_histories(bench, lab, tmp_path / "lake", 100, record_property)


def watched(bench: Bench) -> None:
    layout.make_bronze(bench.cursor, THING)
    made = make_missing(bench.cursor, Tables((THING,)))
    Tables.change(bench.cursor, lambda tables: tables.put(*made.each))
    bench.connection.commit()


def write_things(bench: Bench, things: Things) -> None:
    bench.write([Event(things.lsn + 1, 0, "inventory", "T", None, time_of(things.lsn + 1))])
    bench.cursor.execute("DELETE FROM bronze.br_inventory_cdc; DELETE FROM bronze.br_thing_cdc; DELETE FROM silver.thing_hist")
    rows = [(e.lsn, e.seq, e.op, e.row and Json(named(e.row)), e.commit_ts) for e in things.events]
    execute_values(bench.cursor, "INSERT INTO bronze.br_thing_cdc (lsn, seq, op, full_row, commit_ts) VALUES %s", rows)
    bench.connection.commit()


def named(row: dict[str, Any]) -> dict[str, Any]:
    """With a column called what the files of a merge are told apart by."""
    return {"is_current" if name == "code" else name: value for name, value in row.items()}


def check_things(bench: Bench, lab: Medallion, place: Path, examples: int) -> None:
    watched(bench)

    @settings(max_examples=examples, deadline=None, derandomize=True, phases=PHASES)
    @given(st.lists(st.lists(wish, min_size=1, max_size=5), min_size=4, max_size=12), st.integers(2, 4))
    def holds(history: list, every: int) -> None:
        shutil.rmtree(place, ignore_errors=True)
        things = Things()
        for number, wishes in enumerate(history):
            things.transaction(wishes)
            if number % every == 0 and things.events:
                write_things(bench, things)
                go_on(lab, place)
        assume(things.events)
        write_things(bench, things)
        merge.merge(bench.connection)
        go_on(lab, place)
        check_equal(lab, place, ("thing_hist",))

    holds()


def test_so_are_tables_of_ones_own_with_keys_of_several_columns(bench: Bench, lab: Medallion, tmp_path: Path) -> None:
    check_things(bench, lab, tmp_path / "lake", 3)


@pytest.mark.slow
def test_so_are_fifty_of_those(bench: Bench, lab: Medallion, tmp_path: Path) -> None:
    check_things(bench, lab, tmp_path / "lake", 50)


# --- In parts ------------------------------------------------------------------------------------

EVENTS = Path(__file__).parents[1] / "bench" / "bench_lake.sql"
MERGE = """
import sys
from medallion_lib import MedallionError, lake
try:
    lake.Lake(sys.argv[1]).merge(*map(int, sys.argv[2:]))
except MedallionError as problem:
    sys.exit(str(problem))
"""


def merged(place: Path, *at_once: int) -> str:
    """Merge in a process whose engine gets 60 MB of memory; what it is refused with."""
    pool = {"TYPE": "greedy", "GREEDY__MAX_SIZE": "60000000"}
    given = os.environ | {f"SAIL_RUNTIME__MEMORY_POOL__{name}": value for name, value in pool.items()}
    command = [sys.executable, "-c", MERGE, place, *map(str, at_once)]
    return subprocess.run(command, env=given, capture_output=True, text=True).stderr


@pytest.mark.slow
def test_a_table_larger_than_the_memory_is_refused_or_merged_in_parts(bench: Bench, lab: Medallion, tmp_path: Path) -> None:
    bench.cursor.execute(EVENTS.read_text(encoding="utf-8").format(events=300_000))
    bench.connection.commit()
    lake.export(lab, tmp_path)
    told, before = merged(tmp_path), 300_000
    assert told
    while told:  # done as it says
        assert "The engine has not the memory to merge silver.fact_" in told
        (fewer,) = map(int, re.findall(r"\.merge\(at_once=(\d+)\)", told))
        assert 1000 < fewer < before
        assert not (tmp_path / "silver.json").exists()
        told, before = merged(tmp_path, fewer), fewer
    merge.merge(bench.connection)
    assert check_equal(lab, tmp_path, SILVER) == 300_000


@pytest.mark.parametrize(("keys", "before", "after"), [(8, 12, 5), pytest.param(40, 30, 9, marks=pytest.mark.slow)])
def test_a_table_is_merged_in_parts_onto_parts(
    keys: int, before: int, after: int, bench: Bench, lab: Medallion, tmp_path: Path
) -> None:
    shop = Shop()
    for pick in (0, 1, 2):
        shop.transaction([("put", name, key, pick) for name in ("inventory", *KEY) for key in range(1, keys + 1)], 0)
    bench.write(typed(shop.events))
    lake.export(lab, tmp_path)
    lake.Lake(tmp_path).merge(at_once=before)
    some = range(keys * 3 // 4, keys * 5 // 4 + 1)  # of those there are, and as many others
    shop.transaction([("truncate", "customer", 1, 0)], 0)
    shop.transaction([("put", name, key, 4) for name in KEY for key in some], 0)
    bench.write(typed(shop.events))
    merge.merge(bench.connection)
    lake.export(lab, tmp_path)
    done = counts(lake.Lake(tmp_path).merge(at_once=after))
    assert done["dim_customer_hist"] == (3 * keys + len(some), len(some) + 1, keys + len(some))
    check_equal(lab, tmp_path, SILVER)


# --- One by one ----------------------------------------------------------------------------------

KINDS = (
    [("put", name, key, 0) for name in ("inventory", "customer", "rental", "payment") for key in (1, 2)],
    [("put", "customer", 1, 1), ("put", "customer", 1, 2), ("put", "customer", 1, 4)],
    [("delete", "payment", 1, 0), ("truncate", "rental", 1, 0)],
    [("put", "payment", 1, 3), ("put", "rental", 1, 1), ("put", "rental", 1, 4)],
    [("put", "payment", 1, 1)],  # its date is of its key
    [("put", "inventory", 2, 3), ("put", "rental", 2, 1), ("put", "payment", 2, 1)],
    [("put", "rental", 2, 2), ("put", "rental", 2, 1), ("put", "payment", 2, 4)],  # as it was
    [("put", "rental", 2, 2)],  # with an item that it had for a moment
    [("truncate", "inventory", 1, 0), ("put", "rental", 2, 2), ("put", "inventory", 1, 3)],
    [("snapshot", "customer", 2, 5)],
    [("delete", "customer", 1, 0), ("put", "customer", 1, 4), ("truncate", "payment", 1, 0)],
)  # fmt: skip


@pytest.mark.parametrize("at_once", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_each_kind_of_change_is_merged_onto_what_was_there(at_once: int, bench: Bench, lab: Medallion, tmp_path: Path) -> None:
    """Snapshot, truncate, delete, re-insert, a new key, several changes of one in a transaction."""
    shop, read = Shop(), 0
    for begin in range(0, len(KINDS), at_once):
        for wishes in KINDS[begin:begin + at_once]:
            shop.transaction(wishes, 0)
        bench.write(typed(shop.events))
        merge.merge(bench.connection)
        done = go_on(lab, tmp_path)
        rows = check_equal(lab, tmp_path, SILVER)
        assert rows == sum(each.rows for each in done)
        read += sum(each.read for each in done)
    assert {event.op for event in shop.events} == set("IUDTR")
    assert read == sum(event.table != "inventory" for event in shop.events), "each change is read once"
    by_parts = {name: sorted(map(str, lake.Lake(tmp_path).sql(f"SELECT * FROM {name}").collect())) for name in SILVER}
    (tmp_path / "silver.json").unlink()
    lake.Lake(tmp_path).merge()
    for name in SILVER:
        assert sorted(map(str, lake.Lake(tmp_path).sql(f"SELECT * FROM {name}").collect())) == by_parts[name]


def test_a_merge_reads_what_is_new_and_writes_what_is_current(bench: Bench, lab: Medallion, tmp_path: Path) -> None:
    shop = Shop()
    for pick in (0, 1, 2):
        shop.transaction([("put", "customer", key, pick) for key in range(1, 101)], 0)
    bench.write(shop.events)
    assert counts(go_on(lab, tmp_path)) == {"dim_customer_hist": (300, 300, 300)}
    shop.transaction([("put", "customer", 7, 0), ("delete", "customer", 8, 0), ("put", "customer", 101, 0)], 0)
    bench.write(shop.events)
    assert counts(go_on(lab, tmp_path)) == {"dim_customer_hist": (302, 3, 2 + 100)}
    shop.transaction([("put", "rental", 1, 0)], 0)
    bench.write(shop.events)
    assert counts(go_on(lab, tmp_path)) == {"dim_customer_hist": (302, 0, 0), "fact_rental": (1, 1, 1)}


def counts(done: list[lake.Made]) -> dict[str, tuple[int, ...]]:
    return {name.removeprefix("silver."): tuple(each) for name, *each in done if any(each)}


def test_a_table_that_was_exported_anew_is_merged_anew(bench: Bench, lab: Medallion, tmp_path: Path) -> None:
    watched(bench)
    things = Things()
    for pick in (0, 1, 2):
        things.transaction([("put", 0, 0, pick), ("put", 1, 0, 0)])
    write_things(bench, things)
    go_on(lab, tmp_path)
    things.transaction([("put", 0, 0, 4)])
    write_things(bench, things)
    wider = tuple(each._replace(type="numeric(8,2)") if each.name == "price" else each for each in THING.columns)
    Tables.change(bench.cursor, lambda tables: tables.put(*[
        replace(each, columns=wider) for each in tables.each if each.name == "thing"]))  # fmt: skip
    bench.connection.commit()
    merge.merge(bench.connection)
    exported = {each.table: each for each in lake.export(lab, tmp_path)}
    assert exported["thing"].is_anew
    assert counts(lake.Lake(tmp_path).merge()) == {"thing_hist": (5, 7, 5)}
    check_equal(lab, tmp_path, ("thing_hist",))


@pytest.mark.parametrize("stopped", ["silver table written", "silver committed"])
def test_stopped_and_merged_again_the_same_is_there_once(
    stopped: str, bench: Bench, lab: Medallion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop()
    for wishes in KINDS[:4]:
        shop.transaction(wishes, 0)
        bench.write(typed(shop.events))
        lake.export(lab, tmp_path)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(steps, "on_step", lambda done: interrupt() if done == stopped else None)
            lake.Lake(tmp_path).merge()
        lake.Lake(tmp_path).merge()
    shop.transaction([("put", name, 1, 5) for name in ("customer", "rental", "payment")], 0)
    bench.write(typed(shop.events))
    merge.merge(bench.connection)
    before = named_files(tmp_path)
    go_on(lab, tmp_path)
    check_equal(lab, tmp_path, SILVER)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("silver/**/*.parquet")}
    assert left <= before | named_files(tmp_path)


def interrupt() -> None:
    raise KeyboardInterrupt


def named_files(place: Path) -> set[str]:
    return {file for table in Place(place).read("silver")["tables"].values() for file in table["files"]}


# --- Answers that are lost -----------------------------------------------------------------------


class Line:
    """What Sail's answers come through. One is lost, and its connection with it: the `number`th after the statement `at`."""

    def __init__(self) -> None:
        self.answers, self.statements, self.loses, self.lose = 0, 0, 0, (0, 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        Thread(target=self._connect, daemon=True).start()
        engine.session()  # leaves out what pyspark tells when it is first imported
        self.session = engine._connected("sc://{}:{}".format(*self._listener.getsockname()))

    def _connect(self) -> None:
        while True:
            client, server = self._listener.accept()[0], socket.create_connection(engine._sail().listening_address)
            for way in ((client, server), (server, client)):
                Thread(target=self._pass_on, args=(*way, way[0] is server), daemon=True).start()

    def _pass_on(self, giver: socket.socket, taker: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while said := giver.recv(1 << 16):
                self.answers += is_answer
                if is_answer and self.answers == self.loses:
                    break
                taker.sendall(said)
        for end in (giver, taker):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    @property
    def read(self) -> Any:
        return self.session.read

    def sql(self, statement: str) -> Any:
        self.statements += 1
        if self.lose[0] == self.statements:
            self.loses = self.answers + self.lose[1]
        return self.session.sql(statement)

    def merge(self, place: Path, at: int, number: int) -> int:
        """Merge anew, with such a loss; how many statements that took."""
        (place / "silver.json").unlink(missing_ok=True)
        self.answers, self.statements, self.loses, self.lose = 0, 0, 0 if at else number, (at, number)
        lake.Lake(place, self).merge()
        return self.statements


@pytest.fixture(scope="module")
def line() -> Line:
    return Line()


def exported(bench: Bench, lab: Medallion, place: Path) -> None:
    shop = Shop()
    for wishes in KINDS:
        shop.transaction(wishes, 0)
    bench.write(typed(shop.events))
    merge.merge(bench.connection)
    lake.export(lab, place)


def test_an_answer_that_is_lost_costs_no_merge(bench: Bench, lab: Medallion, tmp_path: Path, line: Line) -> None:
    """The engine finished a statement, and who asked was not told: it is asked again."""
    exported(bench, lab, tmp_path)
    statements = line.merge(tmp_path, 0, 0)
    more = set()
    for at, number in ((1, 2), (2, 1), (4, 1)):
        more.add(line.merge(tmp_path, at, number) - statements)
        check_equal(lab, tmp_path, SILVER)
    assert 1 in more and more <= {0, 1}


@pytest.mark.slow
def test_nor_does_any_other(bench: Bench, lab: Medallion, tmp_path: Path, line: Line) -> None:
    exported(bench, lab, tmp_path)
    statements, answers = line.merge(tmp_path, 0, 0), line.answers
    more = set()
    for number in range(1, answers):
        more.add(line.merge(tmp_path, 0, number) - statements)
        check_equal(lab, tmp_path, SILVER)
    assert more == {0, 1}
