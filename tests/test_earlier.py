"""A warehouse of an earlier version is brought along, by a rebuild or step by step, and no row is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from earlier import restore
from psycopg2.extensions import cursor as Cursor

from medallion_lib import Medallion, MedallionError, databases, server
from medallion_lib.errors import Busy
from medallion_lib.shop import star
from medallion_lib.tables import VERSION as FORM
from medallion_lib.tables import Tables

BRONZE = {"inventory": 18, "film": 15, "customer": 18, "rental": 22, "payment": 26}
SILVER = {"dim_customer_hist": 14, "dim_film_hist": 12, "fact_rental": 20, "fact_payment": 22}
# What a merge does with the eight changes that were captured and not merged.
MERGED = {
    "dim_customer_hist": (2, 0, 2, 0, 2), "dim_film_hist": (2, 0, 1, 0, 2),
    "fact_rental": (2, 2, 0, 0, 0), "fact_payment": (2, 1, 0, 1, 0),
}  # fmt: skip
STAR = {"country": 1, "city": 1, "address": 12, "language": 2, "category": 2, "actor": 2,
        "film_actor": 3, "film_category": 2, "store": 2, "staff": 2}  # fmt: skip
STAR_AFTER = STAR | {"address": 13, "film_actor": 4, "film_category": 3, "staff": 3}
# Without what is made of other columns: the earlier version joined the keys of the star's links.
VERSION = "(to_jsonb(each) - '{{row_hash, sys_period, film_actor_id, film_category_id}}'::text[])::text"
EMAIL = "SELECT email FROM dim_customer FOR SYSTEM_TIME AS OF '{}' WHERE customer_id = 1"
PAID = "SELECT count(*), sum(amount) FROM fact_payment FOR SYSTEM_TIME AS OF '{}'"
REVENUE = ("SELECT store_id, revenue_month::text, total_revenue::text FROM vw_monthly_revenue "
           "FOR SYSTEM_TIME AS OF '{}' ORDER BY 2, 1")  # fmt: skip
PRICES = "SELECT item, amount::integer, sys_end = 'infinity' FROM price FOR SYSTEM_TIME ALL ORDER BY 1, 2"


@pytest.fixture
def earlier(lab: Medallion) -> Medallion:
    restore(lab)
    return lab


@pytest.fixture
def brought(earlier: Medallion) -> Medallion:
    earlier.rebuild()
    return earlier


@pytest.fixture
def with_star(lab: Medallion) -> Medallion:
    restore(lab, "warehouse_with_star", ("stock", "merged", "captured_star"))
    return lab


def found(lab: Medallion, query: str) -> list[tuple[Any, ...]]:
    """As capture and merge ask, without the clause."""
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def asked(lab: Medallion, query: str) -> list[tuple[Any, ...]]:
    """As a notebook asks, with the clause."""
    with lab.warehouse.connect() as notebook:
        return [tuple(row) for row in notebook.exec_driver_sql(query)]


def versions(lab: Medallion, schema: str = "silver", **tables: int) -> dict[str, list[str]]:
    """Every version of these tables as text, without what is made from the other columns."""
    query = f"SELECT {VERSION} FROM {schema}.{{}} AS each ORDER BY 1"
    return {name: [text for (text,) in found(lab, query.format(name))] for name in tables or SILVER}


def bronze(lab: Medallion, schema: str = "bronze", **tables: int) -> dict[str, list[Any]]:
    query = f"SELECT each::text FROM {schema}.br_{{}}_cdc AS each ORDER BY lsn, seq"
    return {name: found(lab, query.format(name)) for name in tables or BRONZE}


def counts(rows: dict[str, list[Any]]) -> dict[str, int]:
    return {name: len(each) for name, each in rows.items()}


def reached(lab: Medallion) -> list[tuple[Any, ...]]:
    query = "SELECT stage, lsn, commit_ts, slot, source_name FROM meta.watermark ORDER BY stage"
    return found(lab, query)


def test_it_holds_what_was_captured_and_what_was_merged(earlier: Medallion) -> None:
    assert counts(bronze(earlier)) == BRONZE
    assert counts(versions(earlier)) == SILVER
    ops = "SELECT string_agg(DISTINCT op, '' ORDER BY op) FROM bronze.br_{}_cdc"
    kinds = [found(earlier, ops.format(table))[0][0] for table in ("payment", "film", "rental")]
    assert kinds == ["DIT", "DIU", "IU"]  # a payment of another date is deleted and inserted
    (_, captured, *_, slot, source), (_, merged, *_) = reached(earlier)
    assert captured > merged and (slot, source) == ("medallion_earlier", "pagila_earlier")


WORK: list[Callable[[Medallion], object]] = [
    lambda lab: lab.capture(), lambda lab: lab.capture(resnapshot=True, yes=True), lambda lab: lab.merge(),
    lambda lab: lab.verify(), lambda lab: lab.status(), lambda lab: lab.life("dim_film_hist", 1),
    lambda lab: lab.changed("dim_film", "2023-01-02", "2023-01-03", "film_id"),
    lambda lab: lab.merge_statement("dim_film_hist"), lambda lab: lab.undo("dim_film_hist", 1, "2023-01-02"),
]  # fmt: skip


@pytest.mark.slow
def test_all_other_work_is_refused_with_the_command_and_changes_nothing(earlier: Medallion) -> None:
    before = versions(earlier), bronze(earlier), reached(earlier)
    for work in WORK:
        with pytest.raises(MedallionError, match="python -m medallion_lib upgrade"):
            work(earlier)
    assert (versions(earlier), bronze(earlier), reached(earlier)) == before
    earlier.rebuild()
    assert earlier.status()["events_not_merged"] == 8
    assert f"{earlier.status()['history_is_final_until']}".startswith("2023-01-06 10:00:00")


@pytest.mark.parametrize("first", [lambda lab: None, lambda lab: lab.rebuild()], ids=["as it is", "brought along"])
def test_it_answers_as_of_an_instant(earlier: Medallion, first: Callable[[Medallion], object]) -> None:
    first(earlier)
    assert asked(earlier, EMAIL.format("2023-01-02")) == [("c1@example.org",)]
    assert asked(earlier, EMAIL.format("2023-01-06")) == [("ana.núñez@example.org",)]
    film = "SELECT title FROM dim_film FOR SYSTEM_TIME AS OF '2023-01-05 1{}:30' WHERE film_id = 9"
    assert [asked(earlier, film.format(hour)) for hour in (2, 3, 4)] == [[("Twice",)], [], [("Twice",)]]
    paid = [asked(earlier, PAID.format(f"2023-01-06 {hour}")) for hour in ("08:00", "09:30", "10:00")]
    assert [(rows, float(total or 0)) for ((rows, total),) in paid] == [(11, 69.91), (0, 0), (10, 66.92)]
    store_of = "SELECT rental_id, store_id FROM fact_rental_current WHERE rental_id > 10 ORDER BY 1"
    assert asked(earlier, store_of) == [(11, 1), (12, 2)]
    december = (1, "2022-12-01", "-4.99")
    at_first, in_the_end = (asked(earlier, REVENUE.format(day)) for day in ("2023-01-06", "2023-01-07"))
    assert at_first == [december, (1, "2023-01-01", "34.95"), (2, "2023-01-01", "39.95")]
    assert in_the_end == [december, (1, "2023-01-01", "31.96"), (2, "2023-01-01", "39.95")]


def test_a_merge_brings_what_was_captured_and_not_merged(brought: Medallion) -> None:
    earlier = brought
    before = versions(earlier)
    assert {table: tuple(done) for table, *done in earlier.merge()} == MERGED
    (_, captured, *_), (_, merged, *_) = reached(earlier)
    assert captured == merged
    assert asked(earlier, EMAIL.format("2023-01-07")) == [("ana.núñez@example.org",)]
    assert asked(earlier, EMAIL.format("2023-01-08")) == [("ana@example.org",)]
    assert asked(earlier, "SELECT title FROM dim_film WHERE film_id = 1") == [("Grüße 😀",)]
    placed = "SELECT tableoid::regclass::text FROM silver.fact_rental WHERE rental_id IN (13, 14) ORDER BY 1"
    assert found(earlier, placed) == [("silver.fact_rental_2023_02",), ("silver.fact_rental_default",)]
    ended = "silver.fact_payment WHERE payment_id = 2 AND sys_end = '2023-01-07 09:00'"
    assert found(earlier, f"SELECT count(*) FROM {ended}") == [(1,)]
    closed = [row for rows in before.values() for row in rows if '"sys_end": "infinity"' not in row]
    assert {*closed} <= {row for rows in versions(earlier).values() for row in rows}


@pytest.mark.slow
def test_a_rebuild_brings_it_along_and_makes_the_same_versions(earlier: Medallion) -> None:
    before = versions(earlier), bronze(earlier), reached(earlier)
    for _ in range(2):  # of the second, the warehouse is of this version
        rebuilt = earlier.rebuild()
        assert {each.table: each.rows for each in rebuilt} == counts(before[0])
        assert not any(each.lost or each.gained for each in rebuilt)
        assert (versions(earlier), bronze(earlier), reached(earlier)) == before
    assert {table: tuple(done) for table, *done in earlier.merge()} == MERGED
    assert not any(each.lost or each.gained for each in earlier.rebuild())


@pytest.mark.slow
def test_capture_goes_on_with_a_new_snapshot(brought: Medallion) -> None:
    """The snapshot finds what bronze had, so that it opens no version."""
    earlier = brought
    with pytest.raises(MedallionError, match="capture --resnapshot"):
        earlier.capture()
    earlier.merge()
    before = versions(earlier)
    assert earlier.capture(resnapshot=True, yes=True).rows > 0
    earlier.merge()
    assert versions(earlier) == before
    with earlier.source.begin() as shop:
        shop.exec_driver_sql("DELETE FROM payment WHERE payment_id = 3")
    assert earlier.verify() == []
    assert counts(versions(earlier)) == counts(before)
    current = "SELECT count(*) FROM fact_payment_current WHERE payment_id = 3"
    assert asked(earlier, current) == [(0,)]


def test_a_notebooks_table_still_keeps_its_versions(earlier: Medallion) -> None:
    before = [(1, 10, False), (1, 11, True), (2, 20, False)]
    assert asked(earlier, PRICES) == before
    with earlier.warehouse.begin() as notebook:
        notebook.exec_driver_sql("UPDATE price_current SET amount = 12 WHERE item = 1")
    assert asked(earlier, PRICES) == [(1, 10, False), (1, 11, False), (1, 12, True), (2, 20, False)]
    earlier.rebuild()
    assert len(asked(earlier, PRICES)) == 4
    with earlier.warehouse.begin() as notebook:  # and keeps its current rows alone from now on
        notebook.exec_driver_sql("UPDATE price SET amount = 13 WHERE item = 1")
    assert [amount for _, amount, _ in asked(earlier, PRICES)] == [10, 11, 12, 13, 20]
    assert asked(earlier, "SELECT item, amount::integer FROM price") == [(1, 13)]


@pytest.mark.slow
@pytest.mark.parametrize("declared", [None, star.TABLES], ids=["not declared", "declared"])
def test_one_with_the_star_is_brought_along_with_its_tables(with_star: Medallion, declared: Tables | None) -> None:
    with_star.declared = declared
    names = {f"{name}_hist": rows for name, rows in STAR.items()}
    assert counts(versions(with_star, "silver_star", **names)) == names
    assert counts(versions(with_star)) == SILVER
    before = versions(with_star, "silver_star", **names), bronze(with_star, "bronze_star", **STAR)
    rebuilt = with_star.rebuild()
    assert sum(each.rows for each in rebuilt) == sum(SILVER.values()) + sum(STAR.values())
    assert not any(each.lost or each.gained for each in rebuilt)
    assert versions(with_star, "silver_star", **names) == before[0]
    with_star.merge()
    after = counts(versions(with_star, "silver_star", **names))
    assert after == {f"{name}_hist": rows for name, rows in STAR_AFTER.items()}
    assert bronze(with_star, "bronze_star", **STAR) == before[1]
    gone = "SELECT count(*) FROM silver_star.film_actor_hist WHERE film_id = 1 AND sys_end < 'infinity'"
    assert found(with_star, gone) == [(2,)]
    assert asked(with_star, EMAIL.format("2023-01-02")) == [("c1@example.org",)]


@pytest.mark.parametrize("dump", ["warehouse", "form_2_first", pytest.param("form_2_last", marks=pytest.mark.slow)])
def test_an_upgrade_brings_each_form_along_with_every_row_and_goes_on(lab: Medallion, dump: str) -> None:
    restore(lab, dump)
    before = versions(lab), bronze(lab), reached(lab)
    with pytest.raises(MedallionError, match="python -m medallion_lib upgrade"):
        lab.merge()
    assert not any(each.lost or each.gained for each in lab.upgrade())
    assert lab.upgrade() == []
    assert (versions(lab), bronze(lab), reached(lab)) == before
    assert asked(lab, EMAIL.format("2023-01-02")) == [("c1@example.org",)]
    assert len(asked(lab, PRICES)) == 3
    with lab.warehouse.begin() as notebook:
        notebook.exec_driver_sql("INSERT INTO price VALUES (3, 30)")
    assert asked(lab, "SELECT amount::integer FROM price WHERE item = 3") == [(30,)]
    assert {table: tuple(done) for table, *done in lab.merge()} == MERGED
    assert not any(each.lost or each.gained for each in lab.rebuild())
    assert lab.capture(resnapshot=True, yes=True).rows > 0
    assert lab.verify() == []


def test_an_upgrade_that_fails_leaves_the_form_before_it_whole(lab: Medallion, monkeypatch: pytest.MonkeyPatch) -> None:
    restore(lab, "form_2_last")

    def failing(cursor: Cursor) -> None:
        make_procedures(cursor)
        cursor.execute("SELECT 1 / 0")

    make_procedures = databases.make_procedures
    with monkeypatch.context() as patch, pytest.raises(psycopg2.errors.DivisionByZero):
        patch.setattr(databases, "make_procedures", failing)
        lab.upgrade()
    columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'meta.watermark'::regclass AND attname = 'refused'"
    assert found(lab, f"SELECT version, ({columns}) FROM meta.warehouse") == [(2, 0)]
    assert lab.upgrade() != []


def test_a_warehouse_of_a_later_form_is_refused_with_what_to_type(lab: Medallion) -> None:
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("UPDATE meta.warehouse SET version = 99")
    for work in (lambda: lab.upgrade(), lambda: lab.merge()):
        with pytest.raises(MedallionError, match=f"form, and this code knows {FORM}. Update the code:\n    git pull"):
            work()


def test_an_upgrade_takes_turns_with_capture(lab: Medallion) -> None:
    restore(lab, "form_2_last")
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('medallion.capture'))")
        with pytest.raises(Busy):
            lab.upgrade()
    assert lab.upgrade() != []
