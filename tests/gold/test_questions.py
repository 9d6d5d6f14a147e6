"""A receipt adds up to the mart's number and leads to the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from psycopg2 import sql
from test_commands import change

from medallion_lib import Medallion, MedallionError, server, sqlfile
from medallion_lib.gold import questions
from medallion_lib.shop import TABLES

PACK, AUGUST = "2023-07-01", "2023-08-01"


@pytest.fixture(scope="module")
def year() -> Iterator[Medallion]:
    lab = Medallion.open("questions")
    lab.reset(year=True)
    yield lab
    lab.close()
    lab.drop()


def asked(lab: Medallion, query: str) -> list[tuple]:
    with lab.warehouse.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_what_changed_in_a_mart_is_the_difference_of_its_two_answers(year: Medallion) -> None:
    answer = year.changed("vw_monthly_revenue", PACK, AUGUST, ["store_id", "revenue_month"])
    assert answer.columns[-4:] == ("change", "column_name", "was", "became")
    found = {(store, month): (Decimal(was), Decimal(became))
             for store, month, what, column, was, became in answer.rows
             if what == "changed" and column == "total_revenue"}  # fmt: skip
    both = asked(year, f"""
        SELECT store_id, revenue_month, old.total_revenue, new.total_revenue
        FROM vw_monthly_revenue FOR SYSTEM_TIME AS OF '{PACK}' AS old
        JOIN vw_monthly_revenue FOR SYSTEM_TIME AS OF '{AUGUST}' AS new USING (store_id, revenue_month)
        WHERE old.total_revenue <> new.total_revenue""")
    assert found == {(store, month): (was, became) for store, month, was, became in both}
    assert {month.month for _, month in found} == {6}
    assert {what for _, _, what, *_ in answer.rows} == {"new", "changed"}


def test_what_changed_in_a_table_names_column_and_values(year: Medallion) -> None:
    rows = year.changed("dim_customer", "2023-02-01", "2023-04-01", ["customer_id"]).rows
    assert [row[1:] for row in rows if row[0] == 42] == [
        ("changed", "address_id", "66", "641"),
        ("changed", "email", "naomi.cullen13@quickpost.example", "cullen86@mailhouse.example")]  # fmt: skip
    assert year.changed("dim_customer_hist", PACK, PACK, ["customer_id"]).rows == []


def test_july_gave_a_version_to_the_customers_whom_bronze_names(year: Medallion) -> None:
    pair = "SELECT customer_id, sys_start FROM dim_customer FOR SYSTEM_TIME AS OF"
    new = asked(year, f"SELECT customer_id FROM ({pair} '{AUGUST}' EXCEPT {pair} '{PACK}') AS new")
    named = asked(year, f"""SELECT DISTINCT (full_row ->> 'customer_id')::int FROM br_customer_cdc
        WHERE commit_ts > '{PACK}' AND commit_ts <= '{AUGUST}'""")
    assert {*new} == {*named} and len(new) == 17 + 303


@pytest.mark.first(4)
@pytest.mark.parametrize("at", [PACK, "2023-07-09 12:00", "2024-01-01"])
@pytest.mark.parametrize(("mart", "grain", "revenue"), [
    ("vw_monthly_revenue", ["store_id", "revenue_month"], "total_revenue"),
    ("vw_store_scorecard", ["store_id", "business_date"], "daily_revenue"),
    ("vw_top_titles", ["film_id", "rental_month"], "total_revenue"),
])  # fmt: skip
def test_a_receipt_adds_up_to_the_marts_number(
    year: Medallion, mart: str, grain: list[str], revenue: str, at: str
) -> None:
    cells = asked(year, f"""SELECT {', '.join(grain)}, {revenue} FROM {mart} FOR SYSTEM_TIME AS OF '{at}'
                            WHERE {revenue} > 0 ORDER BY md5({grain[0]}::text || {grain[1]}) LIMIT 5""")
    assert len(cells) == 5
    for *key, total in cells:
        cell = {name: str(value) for name, value in zip(grain, key, strict=True)}
        rows = year.receipt(mart, at, **cell).rows
        assert sum(row[2] for row in rows) == total
        assert len({row[0] for row in rows}) == len(rows), "each payment once"


def test_a_receipt_leads_to_the_event_in_bronze(year: Medallion) -> None:
    answer = year.receipt("vw_monthly_revenue", AUGUST, store_id=5, revenue_month="2023-06-01")
    late = [row for row in answer.rows if row[answer.columns.index("true_since")].month == 7]
    assert late
    for row in late:
        line = dict(zip(answer.columns, row, strict=True))
        (event,) = asked(year, f"""
            SELECT op, full_row ->> 'amount', commit_ts FROM br_payment_cdc
            WHERE lsn = '{line["lsn"]}'::pg_lsn - '0/0' AND seq = {line["seq"]}
              AND full_row ->> 'payment_id' = '{line["payment_id"]}'""")
        assert event == (line["op"], str(line["amount"]), line["commit_ts"])
        assert line["commit_ts"] == line["true_since"]


def test_a_life_has_every_version_and_what_it_changed(year: Medallion) -> None:
    rows = year.life("dim_customer_hist", 42).rows
    times = asked(year, "SELECT sys_start, sys_end FROM dim_customer_hist FOR SYSTEM_TIME ALL "
                        "WHERE customer_id = 42 ORDER BY sys_start")  # fmt: skip
    assert [row[:2] for row in rows] == times
    assert [row[2] for row in rows] == ["begins"] + ["changes"] * 6
    assert rows[3][3] == "active: true -> false"


def test_a_life_tells_of_its_end_and_its_return(lab: Medallion) -> None:
    change(lab.source, "INSERT INTO language (name) VALUES ('Latin')")
    insert = "INSERT INTO film (film_id, title, language_id) VALUES (7, 'Seven', 1)"
    for statement in (insert, "DELETE FROM film", insert, "UPDATE film SET length = 90", "DELETE FROM film"):
        change(lab.source, statement)
    lab.capture()
    lab.merge()
    assert [row[2:] for row in lab.life("dim_film_hist", 7).rows] == [
        ("begins, then ends", None), ("is back", None), ("changes, then ends", "length: null -> 90")]  # fmt: skip


def test_what_cannot_be_asked_says_what_can(year: Medallion) -> None:
    with pytest.raises(MedallionError, match="vw_monthly_revenue: store_id, revenue_month"):
        year.receipt("vw_monthly_revenue", PACK, store_id=5)
    with pytest.raises(MedallionError, match="vw_top_titles: film_id, rental_month"):
        year.receipt("dim_film", PACK, film_id=5)
    with pytest.raises(MedallionError, match="dim_customer_hist, dim_film_hist"):
        year.life("dim_customer", 42)


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(MedallionError) as caught:
        work()
    return str(caught.value)


def test_columns_that_do_not_tell_rows_apart_are_refused(year: Medallion) -> None:
    """Else a row would be compared with another one's past. On either side it counts."""
    told = refused(lambda: year.changed("vw_monthly_revenue", PACK, AUGUST, ["store_id"]))
    assert "rows of vw_monthly_revenue have the same ['store_id'], [1]." in told
    assert "rows of dim_customer_hist" in refused(lambda: year.changed("dim_customer_hist", "2022-01-01", PACK, "store_id"))
    assert "rows of dim_customer_hist" in refused(lambda: year.changed("dim_customer_hist", PACK, "2022-01-01", "store_id"))
    assert year.changed("dim_customer_hist", "2022-01-01", "2022-02-01", "store_id").rows == []


@pytest.mark.parametrize("by", [[], "", "nope", ["customer_id", "nope"], 5, [5], [None], ["customer_id", ["email"]],
                                "customer_id, email", 'a"b', "a\0b", "%s", "%(since)s", ":since", "x :y"])  # fmt: skip
def test_columns_that_are_none_are_refused(year: Medallion, by: Any) -> None:
    told = refused(lambda: year.changed("dim_customer", PACK, AUGUST, by))
    assert "dim_customer can't be compared by" in told
    assert "    SELECT * FROM dim_customer LIMIT 1" in told


@pytest.mark.parametrize("relation", ["nope", "silver.nope", "nope.dim_customer", "a.b.c", "customer", "dim_customer; SELECT 1",
                                      "", None, 5, ["dim_customer"], "x :y", "%s", "a\0b"])  # fmt: skip
def test_a_relation_that_has_no_history_is_refused(year: Medallion, relation: Any) -> None:
    told = refused(lambda: year.changed(relation, PACK, AUGUST, ["customer_id"]))
    assert "has no history. These have: " in told or "can't be compared by" in told


def test_a_mart_is_compared_by_its_grain_and_a_table_by_its_key(year: Medallion) -> None:
    for relation, by in (("vw_monthly_revenue", ["store_id", "revenue_month"]), ("gold.vw_top_titles", ["film_id", "rental_month"]),
                         ("dim_customer", ["customer_id"]), ("silver.dim_customer_hist", "customer_id"),
                         ("fact_payment_current", ["payment_date", "payment_id"])):  # fmt: skip
        assert year.changed(relation, PACK, "2023-07-02") == year.changed(relation, PACK, "2023-07-02", by), relation
    for relation in ("dim_store", "nope", None):
        assert f"{relation} can't be compared by None" in refused(lambda named=relation: year.changed(named, PACK, AUGUST))


def test_one_column_may_be_a_text_and_a_relation_may_say_its_schema(year: Medallion) -> None:
    rows = year.changed("dim_customer", "2023-02-01", "2023-04-01", ["customer_id"]).rows
    for relation, by in (("dim_customer", "customer_id"), ("silver.dim_customer", ("customer_id", "customer_id"))):
        assert year.changed(relation, "2023-02-01", "2023-04-01", by).rows == rows


def test_columns_of_any_name_are_compared_and_told(lab_at: Callable[[str], Medallion]) -> None:
    """Those of the statement's own names, and what its parameters would look like, among them."""
    lab = lab_at("2023-01-03")
    names = ["before", "after", "v", "value", "key", "change", "row", "%s :since %(since)s", "it's"]
    with server.session(lab.warehouse_url) as cursor:
        columns = sqlfile.identifiers(names, "{} text")
        cursor.execute(sql.SQL("CREATE TABLE silver.odd (\"k :x %\" text, n numeric, {}, row_hash bigint, sys_start timestamptz, "
                               "sys_end timestamptz)").format(columns))  # fmt: skip
        for n, since, until in (("1.1", "2023-01-01", "2023-01-02"), ("1.10", "2023-01-02", "infinity")):
            cursor.execute("INSERT INTO silver.odd VALUES ('k', %s, " + "%s, " * len(names) + "0, %s, %s)",
                           (n, *[f"{name} {n}" for name in names], since, until))  # fmt: skip
    lab.regenerate()
    found = lab.changed("odd", "2023-01-01", "2023-01-02", "k :x %").rows
    assert {row[2]: row[3:] for row in found} == {
        "n": ("1.1", "1.10"), **{name: (f"{name} 1.1", f"{name} 1.10") for name in names}}  # fmt: skip
    assert lab.changed("odd", "2023-01-02", "2023-01-03", names).rows == []


@pytest.mark.parametrize("cell", [
    {"store_id": "x", "revenue_month": "2023-06-01"}, {"store_id": 5.5, "revenue_month": "2023-06-01"},
    {"store_id": True, "revenue_month": "2023-06-01"}, {"store_id": [5], "revenue_month": "2023-06-01"},
    {"store_id": "5\0", "revenue_month": "2023-06-01"}, {"store_id": 10**20, "revenue_month": "2023-06-01"},
    {"store_id": 5, "revenue_month": "June"}, {"store_id": 5, "revenue_month": 6},
    {"store_id": 5, "revenue_month": "x :at %(at)s"},
])  # fmt: skip
def test_a_cell_of_another_kind_is_refused(year: Medallion, cell: dict[str, Any]) -> None:
    told = refused(lambda: year.receipt("vw_monthly_revenue", PACK, **cell))
    assert "SELECT store_id, revenue_month FROM vw_monthly_revenue LIMIT 5" in told


def test_a_cell_may_be_written_as_it_prints_and_one_that_is_none_is_empty(year: Medallion) -> None:
    rows = year.receipt("vw_monthly_revenue", PACK, store_id=5, revenue_month="2023-06-01").rows
    for store, month in (("5", date(2023, 6, 1)), (Decimal(5), datetime(2023, 6, 1)), (5, datetime(2023, 6, 1, tzinfo=UTC))):
        assert year.receipt("vw_monthly_revenue", PACK, store_id=store, revenue_month=month).rows == rows != []
    for cell in ((999, "2023-06-01"), (None, "2023-06-01"), (5, "2023-06-02"), (5, None), (5, "infinity")):
        assert year.receipt("vw_monthly_revenue", PACK, store_id=cell[0], revenue_month=cell[1]).rows == []
    for mart in (None, ["vw_monthly_revenue"], "gold.vw_monthly_revenue"):
        assert "vw_monthly_revenue: store_id, revenue_month" in refused(lambda mart=mart: year.receipt(mart, PACK))


@pytest.mark.parametrize("key", [None, "abc", 1.5, True, [42], "42\0", 10**30, ":key"])
def test_a_life_of_what_is_no_key_is_refused(year: Medallion, key: Any) -> None:
    told = refused(lambda: questions.life(year.warehouse, TABLES.history("dim_customer_hist"), key))
    assert "is no customer_id of dim_customer_hist: " in told


# Of what is not captured yet


def test_what_silver_has_not_reached_is_captured_and_merged_first(lab_at: Callable[[str], Medallion]) -> None:
    lab = lab_at("2023-01-03")

    def now() -> datetime:
        with server.session(lab.source_url) as cursor:
            cursor.execute("SELECT clock_timestamp()")
            return cursor.fetchone()[0]

    since, numbers = now(), "store_id, revenue_month, total_revenue"
    change(lab.source, "UPDATE payment SET amount = amount + 100 WHERE payment_id = (SELECT min(payment_id) FROM payment)")
    store, month, total = asked(lab, f"SELECT {numbers} FROM vw_monthly_revenue ORDER BY 1 LIMIT 1")[0]
    before = lab.receipt("vw_monthly_revenue", "2023-01-02", store_id=store, revenue_month=month)
    assert lab.status()["history_is_final_until"] < "2023-01-03", "an answer that is final captures nothing"
    (line,) = [row for row in lab.changed("vw_monthly_revenue", since, now(), ["store_id", "revenue_month"]).rows
               if row[3] == "total_revenue"]  # fmt: skip
    assert Decimal(line[5]) - Decimal(line[4]) == 100
    change(lab.source, "UPDATE customer SET email = 'new@example' WHERE customer_id = 1")
    assert lab.life("dim_customer_hist", 1).rows[-1][3].endswith("-> new@example")
    change(lab.source, "UPDATE payment SET amount = amount - 100 WHERE amount > 100")
    after = lab.receipt("vw_monthly_revenue", now(), store_id=store, revenue_month=month)
    assert sum(row[2] for row in after.rows) == total
    assert {row[0] for row in before.rows} <= {row[0] for row in after.rows}


@pytest.mark.slow
def test_a_receipt_and_a_key_have_dates_that_python_has_not(lab_at: Callable[[str], Medallion]) -> None:
    lab = lab_at("2023-01-03")
    odd = {1: "0044-03-15 00:00:00+00 BC", 2: "12023-01-01 00:00:00+00", 3: "-infinity", 4: "9999-12-31 23:59:59.999999+00", 5: "infinity"}
    for key, at in odd.items():
        change(lab.source, f"UPDATE payment SET payment_date = '{at}' WHERE payment_id = {key}")
    lab.capture(merging=True)
    with server.session(lab.source_url) as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    for key, at in odd.items():
        store, month = asked(lab, f"SELECT store_id, date_trunc('month', payment_date)::text FROM fact_payment_current WHERE payment_id = {key}")[0]
        (line,) = [row for row in lab.receipt("vw_monthly_revenue", now, store_id=store, revenue_month=month).rows if row[0] == key]
        assert line[1] == (at if key < 5 else datetime.max.replace(tzinfo=UTC))
    assert lab.receipt("vw_monthly_revenue", now, store_id=store, revenue_month=date.max).rows == [line], "as the driver has it"
    months = {row[1] for row in lab.changed("vw_monthly_revenue", "2023-01-02", now, ["store_id", "revenue_month"]).rows}
    assert {str(month) for month in months} == {"0044-03-01 BC", "12023-01-01", "-infinity", "9999-12-01", "9999-12-31", "2023-01-01"}
    with lab.warehouse.connect() as connection:  # other questions on the engine are answered as they were
        assert connection.exec_driver_sql("SELECT date 'infinity'").scalar() == date.max
        with pytest.raises(ValueError, match="year -44 is out of range"):
            connection.exec_driver_sql("SELECT date '0044-03-15 BC'").all()


# Undo


@pytest.fixture
def shop(lab_at: Callable[[str], Medallion]) -> Medallion:
    return lab_at("2023-01-20")


def now_and_then(lab: Medallion, table: str, key: str, number: int, at: str) -> list[list[tuple]]:
    """The row that counts now and the one of then, without the system's columns."""
    lab.capture()
    lab.merge()
    row = (f"SELECT to_jsonb(v) - ARRAY['row_hash', 'sys_start', 'sys_end', 'sys_period'] "
           f"FROM {table} FOR SYSTEM_TIME AS OF {{}} AS v WHERE {key} = {number}")  # fmt: skip
    return [asked(lab, row.format(instant)) for instant in ("now()", f"'{at}'")]


@pytest.mark.first(1)
@pytest.mark.parametrize(("table", "key", "source"), [
    ("dim_customer_hist", "customer_id", "customer"), ("dim_film_hist", "film_id", "film"),
    pytest.param("fact_payment", "payment_id", "payment", marks=pytest.mark.slow),
    pytest.param("fact_rental", "rental_id", "rental", marks=pytest.mark.slow)])  # fmt: skip
def test_undo_brings_a_changed_row_back_and_history_keeps_both(
    shop: Medallion, table: str, key: str, source: str
) -> None:
    edits = {"customer": "email = NULL, activebool = false", "film": "special_features = '{\"a,b\"}', rating = 'R'",
             "payment": "amount = 99.99", "rental": "return_date = '2023-01-19'"}  # fmt: skip
    change(shop.source, f"UPDATE {source} SET {edits[source]} WHERE {key} = 11")
    changed = now_and_then(shop, table, key, 11, "2023-01-20")
    assert changed[0] != changed[1]
    sent = shop.undo(table, 11, "2023-01-20")
    assert sent.startswith(f'UPDATE "public"."{source}"')
    undone = now_and_then(shop, table, key, 11, "2023-01-20")
    assert undone[0] == undone[1] == changed[1]
    assert len(shop.life(table, 11).rows) >= 3, "the change and its undoing are in history"


def test_undo_brings_a_deleted_row_back_and_deletes_one_that_was_not_yet(shop: Medallion) -> None:
    change(shop.source, "DELETE FROM payment WHERE payment_id = 11")
    shop.capture()
    shop.merge()
    assert shop.undo("fact_payment", 11, "2023-01-20").startswith("INSERT")
    back, then = now_and_then(shop, "fact_payment", "payment_id", 11, "2023-01-20")
    assert back == then != []
    assert shop.undo("fact_payment", 11, "2022-01-01").startswith("DELETE")
    assert now_and_then(shop, "fact_payment", "payment_id", 11, "2022-01-01") == [[], []]


def test_undo_that_the_source_refuses_changes_nothing(shop: Medallion) -> None:
    with pytest.raises(MedallionError, match=r"refuses customer 1 as it was.*referenced"):
        shop.undo("dim_customer_hist", 1, "2022-01-01")
    assert shop.verify() == []
