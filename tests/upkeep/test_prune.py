"""What was before an instant goes, and all that is asked of later ones is answered as before."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

import psycopg2
import pytest
from changes import ASKED, AT_A_TIME, BRONZE, HISTORIES, Change, World, at
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL
from test_commands import begin

from medallion_lib import Medallion, MedallionError, databases, rebuild, server
from medallion_lib.bronze import old_rows
from medallion_lib.errors import Busy, Unconfirmed
from medallion_lib.shop import TABLES
from medallion_lib.upkeep.prune import prune

KEYS = {"customer": "customer_id", "inventory": "inventory_id", "rental": "rental_id"}


@pytest.fixture(scope="module")
def warehouse(spare_url: URL) -> Iterator[Connection]:
    databases.build_warehouse(spare_url)
    with closing(server.connect(spare_url)) as connection:
        yield connection


def pruned(world: World, before: int, yes: bool = True) -> list[tuple[int, int, int]]:
    """By a connection of its own, as the command has it."""
    asked = world.warehouse.get_dsn_parameters()
    world.warehouse.commit()
    with closing(psycopg2.connect(**asked)) as connection:
        connection.cursor().execute("SET TimeZone = 'UTC'")
        done = prune(connection, at(before), yes)
    world.cut(before)
    return [tuple(each[1:]) for each in done]


def check(world: World) -> None:
    """AS OF every instant from the horizon on, what the model says; of an earlier one, an error."""
    for history in ASKED:
        for number in range(world.now + 1):
            if at(number) >= world.horizon:
                assert world.answered(history, number) == world.expected(history, number), (history, number)
            else:
                with pytest.raises(psycopg2.Error, match=rf"The history of silver.{history} before .* was deleted"):
                    world.answered(history, number)


def check_old_rows(world: World) -> None:
    """Each row that is there is found by its key, as capture looks for what the log does not say."""
    for table in TABLES.captured:
        if table.name not in KEYS:
            continue
        query = old_rows._last(table)
        for key in range(1, 5):
            with world.warehouse, world.warehouse.cursor() as cursor:
                cursor.execute(query, {"key": json.dumps({KEYS[table.name]: key})})
                found = cursor.fetchone()
            row = world.states[-1][table.name].get(key)
            if row is not None:
                row = {name: value for name, value in row.items() if name not in ("film", "store")}
                known = {name: value for name, value in json.loads(found[0]).items() if name != "looked up"}
                assert known == row, (table.name, key)


def count(warehouse: Connection, query: str) -> int:
    with warehouse, warehouse.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def random_histories(examples: int, warehouse: Connection) -> None:
    @settings(deadline=None, max_examples=examples, suppress_health_check=list(HealthCheck), database=None,
              phases=[Phase.generate])
    @given(history=HISTORIES, cuts=st.tuples(st.integers(0, 24), st.integers(0, 24)), share=st.integers(1, 24))
    def run(history: list[list[Change]], cuts: tuple[int, int], share: int) -> None:
        world = World(warehouse)
        for part, cut in zip((history[:share], history[share:]), cuts, strict=True):
            world.play(part)
            pruned(world, min(cut, world.now))
            check(world)
            check_old_rows(world)
        for _ in range(2):
            assert not any(each.lost or each.gained for each in rebuild.rebuild(warehouse))
            check(world)
        world.play(history[:2])
        check(world)

    run()


def test_later_instants_are_answered_as_before_and_so_is_a_rebuild(warehouse: Connection) -> None:
    random_histories(3, warehouse)


@pytest.mark.slow
def test_later_instants_are_answered_as_before_in_many_histories(warehouse: Connection) -> None:
    random_histories(200, warehouse)


def a_year(world: World) -> None:
    world.play([[Change("inventory", 1, 1), Change("inventory", 2, 2)], [Change("rental", 1, 1), Change("rental", 2, 2)],
                [Change("customer", 1, 1), Change("customer", 2, 1)], [Change("customer", 1, 2)], [Change("inventory", 1, 3)],
                [Change("payment", 1, 1), Change("payment", 2, 2)], [Change("customer", 2, None)], [Change("customer", 1, 0)],
                [Change("payment", 2, None)], [Change("rental", 2, None)]])  # fmt: skip


def test_it_says_what_would_go_and_changes_nothing_without_a_yes(warehouse: Connection) -> None:
    world = World(warehouse)
    a_year(world)
    before = [count(warehouse, f"SELECT count(*) FROM {table}") for table in BRONZE]
    with pytest.raises(Unconfirmed, match=r"customer: 3 changes, 2 versions\n.*inventory: 1 changes, 0 versions"):
        pruned(world, 10, yes=False)
    assert [count(warehouse, f"SELECT count(*) FROM {table}") for table in BRONZE] == before
    check(world)


def test_what_held_stays_and_the_rest_goes_month_and_all(warehouse: Connection) -> None:
    world = World(warehouse)
    a_year(world)
    assert pruned(world, 10) == [(3, 2, 0), (0, 0, 0), (1, 0, 0), (2, 1, 1), (2, 1, 1)]
    assert pruned(world, 10) == [(0, 0, 0)] * 5
    assert count(warehouse, "SELECT count(*) FROM silver.fact_payment") == 1
    assert count(warehouse, "SELECT count(to_regclass('silver.fact_payment_2023_02'))::int") == 0
    world.play([[Change("payment", 3, 1)], [Change("payment", 2, 1)]])  # of a month that was dropped
    assert count(warehouse, "SELECT count(*) FROM silver.fact_payment_default") == 0
    check(world)


def test_a_look_up_that_was_made_before_is_known_to_what_names_the_row_later(warehouse: Connection) -> None:
    """The item of rental 1 has moved since; a later payment is of the store that it was rented from."""
    world = World(warehouse)
    a_year(world)
    pruned(world, 10)
    world.play([[Change("payment", 3, 1)], [Change("rental", 1, 2)], [Change("rental", 1, 1)]])
    assert world.answered("fact_payment", 11)[-1] == (3, 1, 1)
    check(world)
    assert not any(each.lost or each.gained for each in rebuild.rebuild(warehouse))
    check(world)


def test_it_goes_no_further_than_history_is_final(warehouse: Connection) -> None:
    world = World(warehouse)
    with pytest.raises(MedallionError, match="final until never"):
        pruned(world, 1)
    a_year(world)
    with pytest.raises(MedallionError, match=r"final until 2023-01-01 12:00:10\+00:00, so it can't be cut back to 2023-01-01 12:00:11"):
        pruned(world, 11)


def test_one_prunes_at_a_time(warehouse: Connection, spare_url: URL) -> None:
    world = World(warehouse)
    with server.session(spare_url) as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('medallion.prune'))")
        with pytest.raises(Busy, match="Another process prunes"):
            pruned(world, 1)


def test_history_stays_final_where_it_was_though_the_last_change_is_gone(warehouse: Connection) -> None:
    world = World(warehouse)
    world.play([[Change("customer", 1, 1)], [Change("customer", 1, None)]])
    pruned(world, 2)
    final = "SELECT commit_ts FROM meta.watermark WHERE stage = 'merge'"
    with warehouse, warehouse.cursor() as cursor:  # capture goes on, and merge not quite so far
        cursor.execute("UPDATE meta.watermark SET lsn = lsn + 100 WHERE stage = 'capture'")
    rebuild.merge.merge(warehouse, upto=2 * AT_A_TIME + 50)
    assert isinstance(found := count(warehouse, final), datetime) and found == at(2)


@pytest.mark.parametrize("stop_at", ["horizon set", "batch pruned"])
def test_stopped_half_way_it_is_done_again(warehouse: Connection, monkeypatch: pytest.MonkeyPatch, stop_at: str) -> None:
    world = World(warehouse)
    a_year(world)

    def stop(step: str) -> None:
        if step == stop_at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("medallion_lib.upkeep.prune.step", stop)
        pruned(world, 10)
    world.horizon = at(10)
    check(world)
    pruned(world, 10)
    check(world)
    assert count(warehouse, "SELECT count(*) FROM bronze.br_customer_cdc") == 2
    assert not any(each.lost or each.gained for each in rebuild.rebuild(warehouse))


def test_capture_and_merge_go_on_beside_it_where_the_log_names_rows_by_their_key(lab: Medallion) -> None:
    """Films are changed, deleted and made while history is cut back again and again."""
    with lab.source.begin() as shop:
        shop.exec_driver_sql("ALTER TABLE film REPLICA IDENTITY DEFAULT; INSERT INTO language (name) VALUES ('Latin'); "
                             "INSERT INTO film (title, language_id) SELECT 'Film ' || n, 1 FROM generate_series(1, 40) AS n")  # fmt: skip
    lab.capture()
    lab.merge()
    process, cuts = begin(lab, "capture", "--follow", "--merge"), 0
    try:
        for number in range(60):
            with lab.source.begin() as shop:
                shop.exec_driver_sql(f"UPDATE film SET length = {number + 1} WHERE film_id %% 7 = {number % 7}")
                shop.exec_driver_sql(f"DELETE FROM film WHERE film_id = {number // 2 + 1}")
            if number % 10 == 9:
                lab.prune(lab.status()["history_is_final_until"], yes=True)
                cuts += 1
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out + err) == (0, "Stopped. What was landed is kept.\n")
    lab.capture()
    lab.merge()
    lab.prune(lab.status()["history_is_final_until"], yes=True)
    assert lab.verify() == []
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM bronze.br_film_cdc), (SELECT count(*) FROM silver.dim_film_hist)")
        assert cursor.fetchone() == (10, 10)
    with lab.source.begin() as shop:
        shop.exec_driver_sql("DELETE FROM film WHERE film_id = 40")
    assert lab.verify() == []
    assert not any(each.lost or each.gained for each in lab.rebuild())
    assert cuts == 6


def test_a_rebuild_keeps_what_delete_history_cut(warehouse: Connection) -> None:
    world = World(warehouse)
    a_year(world)
    with warehouse, warehouse.cursor() as cursor:
        cursor.execute("CALL meta.delete_history('silver.dim_customer_hist', %s)", (at(5),))
    assert count(warehouse, "SELECT count(*) FROM silver.dim_customer_hist") == 2
    assert not any(each.lost or each.gained for each in rebuild.rebuild(warehouse))
    assert count(warehouse, "SELECT count(*) FROM silver.dim_customer_hist") == 2
    with pytest.raises(psycopg2.Error, match="was deleted"):
        world.answered("dim_customer_hist", 4)
