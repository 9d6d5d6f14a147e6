"""`verify` names each kind of tampering; `rebuild` gives the same silver."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from anew import begin_anew
from declaring import declaring, with_silver
from sqlalchemy import URL
from test_commands import change, command, done, refused
from test_live import Writer, asked, following
from year import own_lab

from medallion_lib import Medallion, MedallionError, databases, server, sqlfile
from medallion_lib.silver import verify
from medallion_lib.errors import Unconfirmed

pytestmark = pytest.mark.long(1)

CLEAN = "Silver's current rows are the source's, and no versions overlap.\n"


@pytest.fixture(scope="module")
def weeks() -> Iterator[Medallion]:
    """Six weeks of the year, captured and merged in two parts."""
    with own_lab("audited") as lab:
        begin_anew(lab, "2023-01-20")
        lab.replay("2023-02-12")
        lab.capture()
        lab.merge()
        yield lab


def run(url: URL, *statements: str) -> None:
    with databases.administering(url) as cursor:
        for statement in statements:
            cursor.execute(statement)


# Clean


def test_it_is_clean_over_replayed_weeks_and_live_edits_that_are_not_captured_yet(weeks: Medallion) -> None:
    assert done(weeks, "verify") == CLEAN
    for statement in (
        "UPDATE customer SET email = NULL, activebool = false WHERE customer_id = 5",
        "UPDATE film SET special_features = ARRAY['a,b', '\"', NULL, 'ü\\'], length = NULL WHERE film_id = 6",
        "UPDATE film SET description = E'\\t\\n\\\\' WHERE film_id = 7",
        "DELETE FROM payment WHERE payment_id = (SELECT min(payment_id) FROM payment)",
        "UPDATE payment SET payment_date = '2029-01-01', amount = -0.01 "
        "WHERE payment_id = (SELECT max(payment_id) FROM payment)",
        "UPDATE rental SET rental_date = rental_date + interval '3 months' "
        "WHERE rental_id = (SELECT max(rental_id) FROM rental)",
    ):  # fmt: skip
        change(weeks.source, statement.replace("%", "%%"))
    assert done(weeks, "verify") == CLEAN
    assert weeks.status()["events_not_merged"] == 0
    assert asked(weeks.warehouse_url, "SELECT count(*) FROM silver.dim_film WHERE description = E'\\t\\n\\\\'") == 1
    assert weeks.merge()[0].events == 0, "what verify merged is merged"


def test_it_leaves_no_slot_and_no_table_behind(weeks: Medallion) -> None:
    slots = "SELECT array_agg(slot_name::text) FROM pg_replication_slots WHERE slot_name LIKE %s"
    relations = "SELECT count(*) FROM pg_class WHERE relname = 'source_row'"
    assert weeks.verify() == []
    assert asked(weeks.place.url, slots, f"{weeks.slot}%") == [weeks.slot]
    assert asked(weeks.warehouse_url, relations) == 0


def test_nothing_captured_is_told_not_verified(lab: Medallion) -> None:
    run(lab.warehouse_url, "DELETE FROM meta.watermark")
    message = refused(lab, "verify")
    assert "Nothing has been captured yet" in message
    assert "python -m medallion_lib capture" in message


@pytest.mark.slow
def test_another_capture_or_merge_keeps_it_from_comparing_what_moves(weeks: Medallion) -> None:
    with following(weeks):
        assert "Another capture is running into this warehouse" in refused(weeks, "verify")
    with databases.administering(weeks.warehouse_url) as cursor:
        server.only_one_session(cursor, "merge")
        assert "Another merge is running" in refused(weeks, "verify")
    assert weeks.verify() == []


# Tampered with


CURRENT = "sys_end = 'infinity'"
COPY = ("CREATE TEMP TABLE one AS SELECT * FROM silver.{table} WHERE {key} = {id} AND sys_end = 'infinity'; "
        "{edit}; INSERT INTO silver.{table} SELECT {columns} FROM one")  # fmt: skip
RENTAL = "rental_id, rental_date, return_date, customer_id, inventory_id, film_id, store_id, staff_id, row_hash, sys_start, sys_end"
PAYMENT = "payment_id, payment_date, amount, customer_id, rental_id, store_id, staff_id, row_hash, sys_start, sys_end"
CUSTOMER = "customer_id, store_id, first_name, last_name, email, address_id, active, create_date, row_hash, sys_start, sys_end"

TAMPERED = {
    "a text": (f"UPDATE silver.dim_customer_hist SET email = 'forged@example' WHERE customer_id = 11 AND {CURRENT}",
               r'dim_customer_hist, customer_id 11: email is ".*" at the source, "forged@example" in silver'),
    "a boolean": (f"UPDATE silver.dim_customer_hist SET active = NOT active WHERE customer_id = 11 AND {CURRENT}",
                  "dim_customer_hist, customer_id 11: active is true at the source, false in silver"),
    "to null": (f"UPDATE silver.dim_film_hist SET title = NULL WHERE film_id = 12 AND {CURRENT}",
                r'dim_film_hist, film_id 12: title is ".*" at the source, null in silver'),
    "by a cent": (f"UPDATE silver.fact_payment SET amount = amount + 0.01 WHERE payment_id = 21 AND {CURRENT}",
                  r"fact_payment, payment_date \S+ \S+, payment_id 21: amount is [\d.]+ at the source, [\d.]+ in silver"),
    "by a microsecond": (f"UPDATE silver.fact_rental SET return_date = return_date + interval '1 microsecond' WHERE rental_id = 22 AND {CURRENT}",
                         r'fact_rental, rental_id 22: return_date is "2023.*" at the source, "2023.*" in silver'),
    "a row missing": (f"DELETE FROM silver.fact_payment WHERE payment_id = 23 AND {CURRENT}",
                      r"fact_payment, payment_date \S+ \S+, payment_id 23: missing in silver"),
    "a version closed": (f"UPDATE silver.dim_film_hist SET sys_end = '2023-02-11' WHERE film_id = 24 AND {CURRENT}",
                         "dim_film_hist, film_id 24: missing in silver"),
    "a row too many": (COPY.format(table="dim_customer_hist", key="customer_id", id=25, columns=CUSTOMER,
                                   edit="UPDATE one SET customer_id = 9999"),
                       "dim_customer_hist, customer_id 9999: not at the source"),
    "a second current row": (COPY.format(table="fact_rental", key="rental_id", id=26, columns=RENTAL,
                                         edit="UPDATE one SET rental_date = rental_date + interval '40 days'"),
                             "fact_rental, rental_id 26: it has 2 current rows"),
    "an overlap": (COPY.format(table="fact_payment", key="payment_id", id=27, columns=PAYMENT,
                               edit="UPDATE one SET sys_start = sys_start - interval '2 days', sys_end = sys_start + interval '1 hour'"),
                   r"fact_payment, payment_date \S+ \S+, payment_id 27: a version begins at 2023\S+ \S+ before the one before it ends at 2023"),
}  # fmt: skip


@pytest.mark.first(2)
@pytest.mark.parametrize("how", TAMPERED)
def test_what_was_tampered_with_is_named_and_nothing_else(weeks: Medallion, how: str) -> None:
    statement, expected = TAMPERED[how]
    kept = {name: f"CREATE TABLE public.kept_{name} AS TABLE silver.{name}" for name in
            ("dim_customer_hist", "dim_film_hist", "fact_rental", "fact_payment")}  # fmt: skip
    table = next(name for name in kept if f"silver.{name}" in statement)
    columns = asked(weeks.warehouse_url, "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute "
                    "WHERE attrelid = %s::regclass AND attnum > 0 AND attgenerated = ''", f"silver.{table}")  # fmt: skip
    run(weeks.warehouse_url, kept[table])
    try:
        run(weeks.warehouse_url, statement)
        found = weeks.verify()
        row = expected.split(":")[0]
        assert [line for line in found if not re.match(f"{row}: ", line)] == []
        assert [line for line in found if re.match(expected, line)] != [], found
    finally:
        run(weeks.warehouse_url, f"TRUNCATE silver.{table}",
            f"INSERT INTO silver.{table} ({columns}) SELECT {columns} FROM public.kept_{table}",
            f"DROP TABLE public.kept_{table}")  # fmt: skip
    assert weeks.verify() == []


@pytest.mark.slow
def test_the_command_lists_every_difference_and_exits_with_1(weeks: Medallion) -> None:
    run(weeks.warehouse_url, "UPDATE silver.dim_film_hist SET title = 'Forged ' || film_id, length = 1 "
                             "WHERE film_id IN (31, 32) AND sys_end = 'infinity'")  # fmt: skip
    lines = refused(weeks, "verify").splitlines()
    assert sorted(line.split(" is ")[0] for line in lines) == [
        f"dim_film_hist, film_id {film}: {column}" for film in (31, 32) for column in ("length", "title")
    ]
    assert [done.lost for done in weeks.rebuild(yes=True)] == [0, 2, 0, 0]
    assert done(weeks, "verify") == CLEAN


@pytest.mark.slow
def test_a_partition_dropped_at_the_source_is_found(lab: Medallion) -> None:
    """DROP writes nothing to the log that capture could read."""
    lab.replay("2023-02-03")
    lab.capture(merging=True)
    gone = asked(lab.source_url, "SELECT count(*) FROM payment_p2023_01")
    assert gone > 100
    change(lab.source, "DROP TABLE payment_p2023_01")
    lines = refused(lab, "verify").splitlines()
    assert len(lines) == gone
    assert {line.split(": ")[1] for line in lines} == {"not at the source"}
    assert {line.split(",")[0] for line in lines} == {"fact_payment"}
    lab.capture(resnapshot=True, yes=True)
    assert lab.verify() == []


# At one instant


@pytest.mark.slow
def test_it_is_clean_while_others_write(weeks: Medallion) -> None:
    with Writer(weeks) as writer:
        for _ in range(4):
            before = writer.written
            assert weeks.verify() == []
            assert writer.written > before
    assert weeks.verify() == []


def test_a_transaction_that_commits_while_it_copies_is_on_neither_side(
    weeks: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is of the instant before; so is the silver it is compared with."""
    title = "SELECT title FROM silver.dim_film WHERE film_id = 41"
    before, copy = asked(weeks.warehouse_url, title), verify._copy

    def change_then_copy(*of: object) -> None:
        change(weeks.source, "UPDATE film SET title = 'Meanwhile' WHERE film_id = 41")
        copy(*of)

    monkeypatch.setattr(verify, "_copy", change_then_copy)
    assert weeks.verify() == []
    monkeypatch.undo()
    assert asked(weeks.warehouse_url, title) == before
    assert weeks.merge()[1].updated == 1
    assert asked(weeks.warehouse_url, title) == "Meanwhile"


# Made anew


def test_rebuild_is_identical_and_so_is_gold(weeks: Medallion) -> None:
    gold = "SELECT md5(array_agg(m.*::text ORDER BY m.*::text)::text) FROM gold.{} AS m"
    marts = ("vw_monthly_revenue", "vw_top_titles", "vw_store_scorecard")
    before = [asked(weeks.warehouse_url, gold.format(mart)) for mart in marts]
    told = done(weeks, "rebuild")
    assert told.startswith("Silver was made anew, identical in every row.\n")
    assert all(line.split()[2:] == ["0", "0"] for line in told.splitlines()[2:])
    assert len(told.splitlines()) == 6
    assert [asked(weeks.warehouse_url, gold.format(mart)) for mart in marts] == before
    with weeks.warehouse.connect() as connection:
        asof = "SELECT count(*) FROM vw_monthly_revenue FOR SYSTEM_TIME AS OF '2023-02-01'"
        assert connection.exec_driver_sql(asof).scalar_one() == 7, "the notebooks' role reads it too"
    assert weeks.verify() == []


def test_rebuild_goes_as_far_as_merge_had_come_and_no_farther(weeks: Medallion) -> None:
    change(weeks.source, "UPDATE film SET length = 12 WHERE film_id = 51")
    weeks.capture()
    assert not any(table.lost or table.gained for table in weeks.rebuild())
    assert weeks.status()["events_not_merged"] == 1
    assert weeks.merge()[1].updated == 1


@pytest.mark.slow
def test_rebuild_tells_what_it_mended(weeks: Medallion) -> None:
    run(weeks.warehouse_url, "DELETE FROM silver.fact_rental WHERE rental_id <= 3",
        "UPDATE silver.dim_customer_hist SET email = 'forged@example' WHERE customer_id = 61")  # fmt: skip
    before = asked(weeks.warehouse_url, "SELECT count(*) FROM silver.fact_rental")
    asking = refused(weeks, "rebuild")
    assert re.search(r"^    dim_customer_hist: [1-9] rows, of customer_id 61$", asking, re.MULTILINE)
    assert "fact_rental" not in asking, "what would only be gained is no loss"
    assert asked(weeks.warehouse_url, "SELECT count(*) FROM silver.fact_rental") == before
    ended = command(weeks, "rebuild", "--yes")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Silver was made anew, and is not what it was" in ended.stderr
    counts = {line.split()[0]: line.split()[2:] for line in ended.stderr.splitlines()[2:]}
    assert counts["dim_customer_hist"][0] == counts["dim_customer_hist"][1] != "0"
    assert counts["fact_rental"][0] == "0"
    assert int(counts["fact_rental"][1]) >= 3
    assert counts["dim_film_hist"] == ["0", "0"]
    assert weeks.verify() == []


NEWEST = "op = 'I' AND lsn = (SELECT max(lsn) FROM {} WHERE op = 'I')"
KEY = r'(\w+_id \d+|payment_date, payment_id \(".*",\d+\))'
EDITED = ("    special_features      text[],\n", "    special_features      text[],\n    fulltext              text,\n")


@pytest.mark.slow
@pytest.mark.parametrize(("table", "source", "where", "is_edited"), [
    ("fact_rental", "rental", NEWEST, False),
    *(pytest.param(*each, marks=pytest.mark.slow) for each in (
        ("dim_film_hist", "film", NEWEST, True), ("dim_film_hist", "film", "op = 'D'", True),
        ("fact_payment", "payment", "op = 'D'", False),
        ("dim_customer_hist", "customer", "op = 'U'", False), ("fact_payment", "payment", "true", False),
        ("dim_film_hist", "film", "op = 'U'", True), ("dim_film_hist", "film", "true", True))),
])  # fmt: skip
def test_what_bronze_has_lost_is_told_before_silver_is_made_anew(
    weeks: Medallion, table: str, source: str, where: str, is_edited: bool, tmp_path: Path
) -> None:
    """A change, a beginning, an end, all there is; also where silver.sql was edited meanwhile."""
    change(weeks.source, "INSERT INTO film (title, language_id) VALUES ('Brief', 1), ('Short', 1); "
                         "DELETE FROM payment WHERE payment_id = (SELECT min(payment_id) FROM payment)")  # fmt: skip
    weeks.capture(merging=True)
    change(weeks.source, "UPDATE film SET length = 1 WHERE title = 'Short'; DELETE FROM film WHERE title = 'Brief'")
    weeks.capture(merging=True)
    lab = declaring(weeks, with_silver(tmp_path, EDITED)) if is_edited else weeks
    bronze, rows = f"bronze.br_{source}_cdc", f"SELECT array_agg(t.*::text ORDER BY t.*::text) FROM silver.{table} AS t"
    before = asked(weeks.warehouse_url, rows)
    run(weeks.warehouse_url, f"CREATE TABLE public.kept AS TABLE {bronze}", f"DELETE FROM {bronze} WHERE {where.format(bronze)}")
    try:
        with pytest.raises(Unconfirmed, match=rf"    {table}: [\d,]+ rows, of {KEY}"):
            lab.rebuild()
        assert asked(weeks.warehouse_url, rows) == before
    finally:
        run(weeks.warehouse_url, f"DELETE FROM {bronze}", f"INSERT INTO {bronze} TABLE public.kept", "DROP TABLE public.kept")
    assert not any(each.lost or each.gained for each in weeks.rebuild())


@pytest.mark.slow
def test_a_reader_that_never_ends_is_told_and_nothing_is_changed(
    weeks: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = sqlfile.read
    monkeypatch.setattr(sqlfile, "read", lambda name: read(name).replace("'30s'", "'1s'"))
    films = "SELECT count(*) FROM dim_film"
    with weeks.warehouse.connect() as reader:
        before = reader.exec_driver_sql(films).scalar_one()
        with pytest.raises(MedallionError, match=r"A lock was not granted.*\nWhat was not committed is undone"):
            weeks.rebuild()
        assert reader.exec_driver_sql(films).scalar_one() == before >= 1000
    assert not any(table.lost or table.gained for table in weeks.rebuild())
    assert weeks.verify() == []
