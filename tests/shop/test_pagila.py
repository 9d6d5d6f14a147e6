"""The real Pagila goes through the whole pipeline.

Its data is not part of the project.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from test_commands import change, refused

from medallion_lib import Medallion, MedallionError
from medallion_lib.server.embedded import CHECKOUT

pytestmark = pytest.mark.long(2)

DUMP = CHECKOUT.parent / "shared" / "pagila" / "pagila-data.sql"
ROWS = {
    "actor": 200, "address": 603, "category": 16, "city": 600, "country": 109, "customer": 599,
    "film": 1000, "film_actor": 5462, "film_category": 2367, "inventory": 4581, "language": 6,
    "payment": 16049, "rental": 16044, "staff": 1500, "store": 500,
}  # fmt: skip
REVENUE = Decimal("67416.51")
NOW = {  # silver's current state: the source's tables, our columns, those that differ there
    "dim_customer": ("customer", "customer_id, store_id, first_name, last_name, email, address_id, "
                     "active, create_date", {"active": "activebool"}),
    "dim_film": ("film", "film_id, title, description, release_year, language_id, "
                 "original_language_id, rental_duration, rental_rate, length, replacement_cost, "
                 "rating, special_features", {"rating": "rating::text"}),
    "fact_rental_current": ("rental JOIN inventory USING (inventory_id)",
                            "rental_id, rental_date, return_date, customer_id, inventory_id, "
                            "film_id, store_id, staff_id", {}),
    "fact_payment_current": ("payment JOIN rental USING (rental_id) "
                             "JOIN inventory USING (inventory_id)",
                             "payment_id, payment_date, amount, customer_id, rental_id, store_id, "
                             "staff_id", {"customer_id": "payment.customer_id",
                                          "staff_id": "payment.staff_id"}),
}  # fmt: skip


def revenues(lab: Medallion) -> list[Decimal]:
    with lab.warehouse.connect() as connection:
        return [connection.exec_driver_sql(f"SELECT sum({column}) FROM {mart}").scalar_one()
                for mart, column in (("vw_monthly_revenue", "total_revenue"),
                                     ("vw_top_titles", "total_revenue"),
                                     ("vw_store_scorecard", "daily_revenue"))]  # fmt: skip


def silver_is_the_source(lab: Medallion) -> None:
    with lab.warehouse.connect() as warehouse, lab.source.connect() as shop:
        for view, (tables, columns, differ) in NOW.items():
            theirs = ", ".join(differ.get(name, name) for name in columns.split(", "))
            now = warehouse.exec_driver_sql(f"SELECT {columns} FROM {view} ORDER BY 1").all()
            assert now == shop.exec_driver_sql(f"SELECT {theirs} FROM {tables} ORDER BY 1").all()


@pytest.mark.skipif(not DUMP.exists(), reason="the real Pagila's data is not beside the checkout")
def test_pagila_goes_through_the_whole_pipeline_and_lives_on(
    lab: Medallion, record_property: Callable[[str, object], None]
) -> None:
    assert lab.load(DUMP) == 15 + 6  # payment comes as seven months
    with lab.source.connect() as shop:
        for table, count in ROWS.items():
            found = shop.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            assert (table, found) == (table, count)
    captured = ("customer", "film", "inventory", "payment", "rental")
    assert lab.capture().rows == sum(ROWS[table] for table in captured)
    with lab.warehouse.connect() as connection:
        ops = "SELECT DISTINCT op FROM bronze.br_payment_cdc"
        assert connection.exec_driver_sql(ops).scalars().all() == ["R"]
    lab.merge()
    assert revenues(lab) == [REVENUE] * 3
    silver_is_the_source(lab)
    the_shop_goes_on(lab)
    record_property("rows", sum(ROWS[table] for table in captured))


def the_shop_goes_on(lab: Medallion) -> None:
    """Live edits stream on behind the snapshot; sequences number on from Pagila's."""
    before = lab.status()["captured_until"]
    edits = (
        "UPDATE payment SET amount = amount + 1 "
        "WHERE payment_id = (SELECT max(payment_id) FROM payment)",
        "INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) "
        "VALUES ('2022-09-01', 1, 1, 1)",
        "INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date) "
        "SELECT 1, 1, max(rental_id), 2.50, '2022-09-01' FROM rental",
        "DELETE FROM payment WHERE payment_id = (SELECT min(payment_id) FROM payment)",
        "UPDATE customer SET email = NULL, activebool = false WHERE customer_id = 42",
        "UPDATE film SET rental_rate = 3.49, title = 'A ''new'' \"title\"' WHERE film_id < 4",
    )
    for edit in edits:
        change(lab.source, edit)
    assert lab.capture().transactions == len(edits)
    lab.merge()
    silver_is_the_source(lab)
    with lab.source.connect() as shop:
        total = shop.exec_driver_sql("SELECT sum(amount) FROM payment").scalar_one()
    assert revenues(lab) == [total] * 3
    with lab.warehouse.connect() as connection:
        then = f"SELECT sum(total_revenue) FROM vw_monthly_revenue FOR SYSTEM_TIME AS OF '{before}'"
        assert connection.exec_driver_sql(then).scalar_one() == REVENUE


COMPLETE = "--\n-- PostgreSQL database dump complete\n--\n"  # how pg_dump ends
WHOLE = "1\tHere\t2022-01-01 00:00:00+00\n\\.\n"


def test_of_a_dump_only_the_data_are_taken(lab: Medallion, tmp_path: Path) -> None:
    (tmp_path / "dump.sql").write_text(COPIED + WHOLE + "DROP TABLE country;\n" + COMPLETE)
    assert lab.load(tmp_path / "dump.sql") == 1
    with lab.source.connect() as connection:
        kept = connection.exec_driver_sql("SELECT country FROM country").scalars().all()
    assert kept == ["Here"]


def test_a_replay_into_a_loaded_source_is_refused(lab: Medallion, tmp_path: Path) -> None:
    (tmp_path / "dump.sql").write_text(COPIED + WHOLE + COMPLETE)
    assert lab.load(tmp_path / "dump.sql") == 1
    assert "python -m medallion_lib reset" in refused(lab, "replay")


COPIED = "COPY public.country (country_id, country, last_update) FROM stdin;\n"
BAD_FILES = {
    "cut in a table": COPIED + "1\tHere\t2022-01-01 00:00:00+00\n",
    "cut in a row": COPIED + "1\tHe",
    "cut between tables": "COPY public.city (city_id, city, country_id, last_update) FROM stdin;\n"
                          "1\tTown\t1\t2022-01-01 00:00:00+00\n\\.\n",
    "cut after a table": COPIED + WHOLE,
    "cut in a COPY line": COPIED + WHOLE + "COPY public.city (ci",
    "no dump": "Dear Sir,\nI have no dump.\n",
    "empty": "",
    "another table": "COPY public.nothing (a) FROM stdin;\n1\n\\.\n",
    "a bad value": COPIED + "x\tHere\t2022-01-01 00:00:00+00\n\\.\n",
    "a column too few": COPIED + "1\tHere\n\\.\n",
    "two rows of one key": COPIED + "1\tA\t2022-01-01 00:00:00+00\n" * 2 + "\\.\n",
    "not text": b"\x80\xff\x00PGDMP\x01\x0e",
}  # fmt: skip


@pytest.mark.slow
def test_a_bad_dump_leaves_the_source_and_the_warehouse_as_they_were(
    lab: Medallion, tmp_path: Path
) -> None:
    change(lab.source, "INSERT INTO country (country) VALUES ('Here before')")
    for kind, content in BAD_FILES.items():
        dump = tmp_path / f"{kind}.sql"
        dump.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(MedallionError) as refusal:
            lab.load(dump)
        assert str(dump) in str(refusal.value)
        with lab.source.connect() as connection:
            kept = connection.exec_driver_sql("SELECT country FROM country").scalars().all()
        assert kept == ["Here before"], kind
        assert lab.capture().rows == 0, kind


def test_a_refused_load_shows_no_traceback(lab: Medallion, tmp_path: Path) -> None:
    (tmp_path / "dump.sql").write_text(BAD_FILES["another table"])
    assert "Nothing was loaded" in refused(lab, "load", str(tmp_path / "dump.sql"))


def test_a_dump_that_is_not_there_is_refused(lab: Medallion, tmp_path: Path) -> None:
    assert f"There is no file {tmp_path}" in refused(lab, "load", str(tmp_path / "no.sql"))
    assert "There is no file" in refused(lab, "load", str(tmp_path))
