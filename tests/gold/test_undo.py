"""`undo` writes back exactly what was, or nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pandas import NaT, Timestamp
from psycopg2 import sql
from psycopg2.extras import NumericRange
from test_commands import begin, bronze_count, change, wait_until
from test_errors import shown_by, sooner
from test_pgoutput import awkward, texts, values

from medallion_lib import Medallion, MedallionError, databases, server
from medallion_lib.server import only_one_session
from medallion_lib.tables import Table, Tables

pytestmark = pytest.mark.long(2)


def at_source(lab: Medallion, query: str, *values: object) -> list[tuple]:
    with server.session(lab.source_url) as cursor:
        cursor.execute(query, values or None)
        return cursor.fetchall() if cursor.description else []


def now(lab: Medallion) -> datetime:
    return at_source(lab, "SELECT clock_timestamp()")[0][0]


def declare(lab: Medallion, source: str, *silver: tuple[Table, str]) -> None:
    """Tables at the source, captured in place of the shop's, with these columns; a snapshot of them, merged."""
    at_source(lab, source)
    lab.declared = Tables(tuple(table for table, _ in silver))
    with server.session(lab.warehouse_url) as cursor:
        for table, columns in silver:
            cursor.execute(sql.SQL(f"CREATE TABLE {{}} ({columns}, row_hash bigint, sys_start timestamptz, "
                                   "sys_end timestamptz DEFAULT 'infinity')").format(table.silver))  # fmt: skip
    lab.capture(resnapshot=True, merging=True, yes=True)
    lab.regenerate()


@pytest.fixture
def shop(lab_at: Callable[[str], Medallion]) -> Medallion:
    return lab_at("2023-01-03")


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(MedallionError) as caught:
        work()
    return str(caught.value)


# Any value


MAKES = """
CREATE TYPE mood AS ENUM ('so-so', 'it''s "fine"');
CREATE DOMAIN score AS integer CHECK (VALUE < 10);
CREATE TYPE pair AS (a integer, b text)
"""

# By type, of which each is a column: values that a driver, a hash or a printed form may alter.
VALUES = {
    "date": ["infinity", "-infinity", "0044-03-15 BC", "4713-01-01 BC", "12023-01-01", "5874897-12-31"],
    "timestamp": ["infinity", "-infinity", "0044-03-15 12:00:00.000001 BC", "294276-12-31 23:59:59.999999"],
    "timestamptz": ["infinity", "-infinity", "0044-03-15 12:00+00 BC", "12023-01-01 00:00+00", "1883-01-01 01:02:03-07:52:58"],
    "time": ["24:00", "00:00", "23:59:59.999999"],
    "timetz": ["24:00+00", "12:00-15:59:59", "12:00+15:59"],
    "interval": ["infinity", "-infinity", "14 months", "1 mon -1 day 00:00:01", "24:00", "-178000000 years", "P1Y2M3DT4H5M6.789S"],
    "bytea": ["\\x", "\\x00ff5c27", "\\xdeadbeef"],
    "numeric": ["NaN", "Infinity", "-Infinity", "0.00", "1.10", "1e40", "-1e-20", "9" * 5000],
    "real": ["NaN", "-0", "Infinity", "1e-45", "3.4028235e38", "0.1", "3e10"],
    "double precision": ["NaN", "-0", "-Infinity", "1e200", "5e-324", "0.1", "9007199254740993", "1.2345678901234567e18"],
    "text[]": ["{}", '{NULL,"NULL","","a,b","c\\"d","\\\\"}', "[0:1]={a,b}", "{{a,b},{c,d}}"],
    "date[]": ['{infinity,"0044-03-15 BC",12023-01-01,NULL}'],
    "jsonb": ["null", '"null"', '{"a": null}', '{"a": [1.10, {"b": null}]}', "1.10", "[]"],
    "json": ["null", '{"a": 1, "a":  2}', ' {"b":1,\n"a":null}', '"\\u0041"'],
    "int4range": ["empty", "(,)", "[1,5)", "[1,1]"],
    "tstzrange": ["[-infinity,infinity]", '("0044-03-15 00:00+00 BC",)'],
    "datemultirange": ["{}", "{[2023-01-01,2023-02-01),(2024-01-01,)}"],
    "character(6)": ["ab", "", " a"],
    "varchar(6)": ["ab  ", "%s", "%(a)s"],
    "\"char\"": ["a", "", "\\377"],
    "inet": ["192.168.0.1", "192.168.0.1/24", "::1"],
    "bit varying": ["", "0101"],
    "money": ["-$1,234.56", "0"],
    "point": ["(1,-0)", "(NaN,1e200)"],
    "uuid": ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"],
    "tsvector": ["'it''s':1A 'b\\\\c'"],
    "pg_lsn": ["0/0", "FFFFFFFF/FFFFFFFF"],
    "mood": ["so-so", "it's \"fine\""],
    "score": ["-1", "9"],
    "pair": ['(1,"a ""b"" \\\\ c")', "(,)"],
}  # fmt: skip
GENERAL = ["integer", "bigint", "numeric", "double precision", "text", "boolean", "text[]", "jsonb"]  # of `values`
COLUMNS = {f"c{number}": kind for number, kind in enumerate([*GENERAL, "text", *VALUES])}
LOSSY = {"json": "text", "character(6)": "text", "pair": "text", "interval": "text", "mood": "text", "score": "integer"}
odd = st.sampled_from(["%", "%s %(a)s %%", "it's", "\\", "E'\\n'", "a\\'b", '"', "$$", ":name", "{}", "null", "'; --"])
row = st.tuples(values, st.tuples(texts | awkward | odd, *(st.none() | st.sampled_from(each) for each in VALUES.values())))


@pytest.mark.parametrize("examples", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_undo_writes_back_exactly_what_the_source_had(
    lab: Medallion, record_property: Callable[[str, object], None], examples: int
) -> None:
    at_them = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    in_silver = ", ".join(f"{name} {LOSSY.get(kind, kind)}" for name, kind in COLUMNS.items())
    made = f"{MAKES}; CREATE TABLE typed (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {at_them}, " \
           "twice integer GENERATED ALWAYS AS (id * 2) STORED, untracked text DEFAULT 'default')"
    table = Table("typed", ("id",), history="typed_hist")
    declare(lab, made, (table, f"id integer, {in_silver}, twice integer"))
    names, undone = ", ".join(COLUMNS), []
    marks = ", ".join(f"CAST(%s AS {kind})" for kind in COLUMNS.values())

    def printed(key: int) -> list[tuple]:
        return at_source(lab, f"SELECT ROW({names}, twice)::text, untracked FROM typed WHERE id = %s", key)

    @settings(max_examples=examples, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(st.lists(st.tuples(row, row, st.booleans()), min_size=1, max_size=4))
    def comes_back(changes: list[Any]) -> None:
        keys = [at_source(lab, f"INSERT INTO typed ({names}, untracked) VALUES ({marks}, 'was') RETURNING id",
                          *first[0], *first[1])[0][0] for first, _, _ in changes]  # fmt: skip
        then, at = [printed(key) for key in keys], now(lab)
        for key, (_, second, is_deleted) in zip(keys, changes, strict=True):
            if is_deleted:
                change(lab.source, f"DELETE FROM typed WHERE id = {key}")
            else:
                at_source(lab, f"UPDATE typed SET ({names}, untracked) = ROW ({marks}, 'is') WHERE id = %s",
                          *second[0], *second[1], key)  # fmt: skip
        for key, was, (_, _, is_deleted) in zip(keys, then, changes, strict=True):
            sent = lab.undo("typed_hist", key, at)
            assert sent.startswith("INSERT" if is_deleted else "UPDATE")
            assert printed(key) == [(was[0][0], "was" if is_deleted else "is")]
            undone.append(key)

    comes_back()
    record_property("random rows", len(undone))


@pytest.mark.slow
def test_values_that_a_silver_type_or_a_hyphen_would_alter_come_back(lab: Medallion) -> None:
    """Silver has them as another type, and under another name; the key is of an odd one, too."""
    renamed = {"thing": ("Key %",), "active": ("old", "Flag's")}
    table = Table("thing", ("Key %",), history="thing_hist", renamed=renamed)
    declare(lab, 'CREATE TABLE thing ("Key %" text PRIMARY KEY, "Flag\'s" text, size double precision)',
            (table, "thing text, active boolean, size text"))  # fmt: skip
    key, was = "a-b\\%s '\n", ("yes", 0.1234567890123)
    at_source(lab, "INSERT INTO thing VALUES (%s, %s, %s)", key, *was)
    at = now(lab)
    at_source(lab, """UPDATE thing SET "Flag's" = 'no', size = 1""")
    lab.undo("thing_hist", key, at)
    assert at_source(lab, 'SELECT "Flag\'s", size FROM thing') == [was]
    change(lab.source, "DELETE FROM thing")
    lab.undo("thing_hist", key, at)
    assert at_source(lab, 'SELECT "Flag\'s", size FROM thing') == [was]


def test_a_column_the_source_had_not_then_stays_as_it_is(shop: Medallion) -> None:
    table = Table("note", ("id",), history="note_hist", gone=("dropped",))
    declare(shop, "CREATE TABLE note (id integer PRIMARY KEY, body text, dropped text); INSERT INTO note VALUES (1, 'a', 'b')",
            (table, "id integer, body text, dropped text"))  # fmt: skip
    at = now(shop)
    change(shop.source, "ALTER TABLE note ADD added text DEFAULT 'new', DROP dropped; UPDATE note SET body = 'z'")
    with server.session(shop.warehouse_url) as cursor:
        cursor.execute("ALTER TABLE silver.note_hist ADD added text")
    shop.undo("note_hist", 1, at)
    assert at_source(shop, "SELECT body, added FROM note") == [("a", "new")]


def test_a_deleted_row_is_back_whole_with_what_silver_does_not_track(shop: Medallion) -> None:
    key = at_source(shop, "SELECT min(payment_id) FROM payment")[0][0]
    rental = at_source(shop, "SELECT rental_id FROM payment WHERE payment_id = %s", key)[0][0]
    was, at = at_source(shop, "SELECT rental::text FROM rental WHERE rental_id = %s", rental), now(shop)
    change(shop.source, f"DELETE FROM payment WHERE rental_id = {rental}; DELETE FROM rental WHERE rental_id = {rental}")
    shop.undo("fact_rental", rental, at)
    assert at_source(shop, "SELECT rental::text FROM rental WHERE rental_id = %s", rental) == was


# Which table, which row


@pytest.mark.slow
def test_undo_writes_to_the_table_that_was_captured(lab: Medallion) -> None:
    """Of two of one name in two schemas."""
    schemas = ["public", "crm", "not captured"]
    for schema in schemas[1:]:
        change(lab.source, f'CREATE SCHEMA "{schema}"')
    made = [f'CREATE TABLE "{schema}".client (id int PRIMARY KEY, v text); INSERT INTO "{schema}".client VALUES (1, \'was\')'
            for schema in schemas]  # fmt: skip
    theirs = Table("client", ("id",), "crm", "bronze_crm", history="theirs_hist")
    declare(lab, "; ".join(made), (theirs, "id integer, v text"))
    at = now(lab)
    for schema in schemas:
        change(lab.source, f'UPDATE "{schema}".client SET v = \'is\'')
    assert lab.undo("theirs_hist", 1, at) == """UPDATE "crm"."client" SET "v" = 'was' WHERE "id" = 1"""
    assert [at_source(lab, f'SELECT v FROM "{schema}".client') for schema in schemas] == [
        [("is",)], [("was",)], [("is",)]]  # fmt: skip
    assert [row[2:] for row in lab.life("theirs_hist", 1).rows][-1] == ("changes", "v: is -> was")


def test_of_several_rows_with_one_key_none_is_undone(shop: Medallion) -> None:
    key = at_source(shop, "SELECT min(payment_id) FROM payment")[0][0]
    at = now(shop)
    change(shop.source, "INSERT INTO payment SELECT payment_id, customer_id, staff_id, rental_id, 77, '2023-09-01' "
                        f"FROM payment WHERE payment_id = {key}")  # fmt: skip
    before = at_source(shop, "SELECT payment::text FROM payment ORDER BY 1")
    told = refused(lambda: shop.undo("fact_payment", key, at))
    assert f"Several rows of fact_payment have payment_id {key} at one time" in told and "(payment_date, payment_id)" in told
    assert at_source(shop, "SELECT payment::text FROM payment ORDER BY 1") == before


@pytest.mark.slow
def test_two_payments_of_one_id_are_two_in_silver_and_neither_is_undone_as_the_other(shop: Medallion) -> None:
    key, paid, first = at_source(shop, "SELECT payment_id, amount, payment_date FROM payment ORDER BY 1 LIMIT 1")[0]
    before = now(shop)
    change(shop.source, "INSERT INTO payment SELECT payment_id, customer_id, staff_id, rental_id, 77, '2023-09-01' "
                        f"FROM payment WHERE payment_id = {key}")  # fmt: skip
    both = now(shop)
    change(shop.source, f"DELETE FROM payment WHERE payment_id = {key} AND amount <> 77")
    assert shop.verify() == []
    for at, amounts in ((both, [paid, 77]), (now(shop), [77])):
        with shop.warehouse.connect() as warehouse:
            found = warehouse.exec_driver_sql("SELECT amount FROM fact_payment_current FOR SYSTEM_TIME AS OF %(at)s "
                                              f"WHERE payment_id = {key} ORDER BY payment_date", {"at": at})  # fmt: skip
            assert [amount for (amount,) in found] == amounts
    for ask in (lambda: shop.life("fact_payment", key), lambda: shop.undo("fact_payment", key, both)):
        told = refused(ask)
        assert f"Several rows of fact_payment have payment_id {key} at one time" in told
        found = shown_by(told, shop.notebook_url.update_query_dict({"options": "-csearch_path=silver"}))
        assert found.count(f", {key})") == 2, "its keys"
    lives = [shop.life("fact_payment", (day, key)).rows for day in (first, "2023-09-01")]
    assert [row[2:] for life in lives for row in life] == [("begins, then ends", None), ("begins", None)]
    assert at_source(shop, f"SELECT amount FROM payment WHERE payment_id = {key}") == [(77,)]
    assert shop.undo("fact_payment", (first, key), both).startswith("INSERT")
    paid_by_day = f"SELECT amount FROM payment WHERE payment_id = {key} ORDER BY payment_date"
    assert at_source(shop, paid_by_day) == [(paid,), (77,)]
    assert shop.undo("fact_payment", {"payment_date": "2023-09-01", "payment_id": key}, before).startswith("DELETE")
    assert at_source(shop, paid_by_day) == [(paid,)]
    assert not any(lost or gained for *_, lost, gained in shop.rebuild())


def test_a_payment_asked_by_its_number_has_its_date_back(shop: Medallion) -> None:
    """Its key is of both; by the number alone, it has one life, and one row."""
    key = at_source(shop, "SELECT min(payment_id) FROM payment")[0][0]
    was, at = at_source(shop, "SELECT payment::text FROM payment WHERE payment_id = %s", key), now(shop)
    at_source(shop, "UPDATE payment SET payment_date = '2023-09-01', amount = 77 WHERE payment_id = %s", key)
    events = [row[2:] for row in shop.life("fact_payment", {"payment_id": key}).rows]
    assert [what for what, _ in events] == ["begins", "changes"]
    assert "amount: " in events[1][1] and " -> 2023-09-01T00:00:00+00:00" in events[1][1]
    assert """WHERE "payment_date" = '2023-09-01 00:00:00+00' AND "payment_id" = """ in shop.undo("fact_payment", key, at)
    assert at_source(shop, "SELECT payment::text FROM payment WHERE payment_id = %s", key) == was
    assert [row[2] for row in shop.life("fact_payment", key).rows] == ["begins", "changes", "changes"]
    (day,) = [row[0] for row in at_source(shop, "SELECT payment_date FROM payment WHERE payment_id = %s", key)]
    assert [row[2] for row in shop.life("fact_payment", (day, key)).rows] == ["begins, then ends", "is back"]


# Keys of several columns


@pytest.fixture
def lines(lab: Medallion) -> Medallion:
    """Lines of documents, of which two have one text where hyphens join their keys, and tags that are all key."""
    line, tag = (Table(name, key, history=f"{name}_hist") for name, key in (("line", ("Doc %", "no")), ("tag", ("a", "b"))))
    declare(lab, 'CREATE TABLE line (no text, "Doc %" text, body text, PRIMARY KEY ("Doc %", no)); '
                 "INSERT INTO line VALUES ('3', '1-2', 'one'), ('2-3', '1', 'other'); "
                 "CREATE TABLE tag (a integer, b integer, PRIMARY KEY (a, b)); INSERT INTO tag VALUES (1, 23), (12, 3)",
            (line, '"Doc %" text, no text, body text'), (tag, "a integer, b integer"))  # fmt: skip
    return lab


@pytest.mark.slow
def test_keys_that_hyphens_would_join_to_one_are_two(lines: Medallion) -> None:
    at = now(lines)
    change(lines.source, "UPDATE line SET body = body || '!'; DELETE FROM line WHERE no = '3'")
    assert [row[2:] for row in lines.life("line_hist", ("1-2", "3")).rows] == [("begins, then ends", None)]
    assert [row[2:] for row in lines.life("line_hist", ("1", "2-3")).rows] == [("begins", None), ("changes", "body: other -> other!")]
    sent = lines.undo("line_hist", {"no": "2-3", "Doc %": "1"}, at)
    assert sent == """UPDATE "public"."line" SET "body" = 'other' WHERE "Doc %" = '1' AND "no" = '2-3'"""
    assert at_source(lines, "SELECT no, body FROM line") == [("2-3", "other")]
    assert lines.undo("line_hist", ("1-2", "3"), at).startswith("INSERT")
    assert at_source(lines, "SELECT no, body FROM line ORDER BY no") == [("2-3", "other"), ("3", "one")]
    assert [row[2:] for row in lines.life("line_hist", ("1-2", "3")).rows] == [("begins, then ends", None), ("is back", None)]
    assert lines.life("line_hist", ("1-2-3", "")).rows == []
    assert lines.verify() == []


@pytest.mark.slow
def test_a_link_is_undone_by_its_whole_key(lines: Medallion) -> None:
    at = now(lines)
    assert "there is nothing to undo" in refused(lambda: lines.undo("tag_hist", (1, 23), at))
    change(lines.source, "DELETE FROM tag WHERE a = 1; INSERT INTO tag VALUES (1, 3)")
    assert "Several rows of tag_hist have b 3 at one time" in refused(lambda: lines.undo("tag_hist", 3, at))
    assert lines.undo("tag_hist", ("1", 23), at).startswith("INSERT")
    assert lines.undo("tag_hist", (1, 3), at).startswith("DELETE")
    assert at_source(lines, "SELECT a, b FROM tag ORDER BY a") == [(1, 23), (12, 3)]


NO_KEYS: tuple[Any, ...] = ((), (1,), (1, 2, 3), (1, None), [1, 23], {}, {"nope": 1}, {"a": None}, {"a": 1, 5: 1},
                            ((1, 23),), (1, "x"), ("1\0", 1), (1.5, 23), {1, 23})  # fmt: skip


@pytest.mark.slow
def test_what_is_no_key_of_several_columns_is_refused(lines: Medallion) -> None:
    for key in NO_KEYS:
        for ask in (lambda: lines.life("tag_hist", key), lambda: lines.undo("tag_hist", key, "2023-01-02")):  # noqa: B023
            told = refused(ask)
            assert f"{key!r} is no " in told and " of tag_hist: " in told


@pytest.mark.slow
def test_columns_of_a_key_may_be_of_any_type(lab: Medallion) -> None:
    """A key may be written as the driver gives it."""
    kinds = {"date": ["infinity", "0044-03-15 BC"], "timestamptz": ["infinity", "2023-01-01 12:00:00.000001+02"],
             "numeric": ["1.10", "NaN"], "bytea": ["\\x00ff", "\\x"], "boolean": ["true", "false"], "uuid": ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"] * 2,
             "jsonb": ['{"a": [1.10]}', "null"], "time": ["24:00", "12:00"], "interval": ["14 months", "infinity"], "int4range": ["[1,5)", "empty"],
             "integer[]": ["{1,NULL}", "{}"], "double precision": ["0.1", "-Infinity"], "inet": ["::1", "10.0.0.1/24"]}  # fmt: skip
    names = [f"k{number}" for number, _ in enumerate(kinds)]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    declare(lab, f"CREATE TABLE thing ({columns}, body text, PRIMARY KEY ({', '.join(names)}))",
            (Table("thing", tuple(names), history="thing_hist"), f"{columns}, body text"))  # fmt: skip
    for row in zip(*kinds.values(), strict=True):
        at_source(lab, f"INSERT INTO thing VALUES ({', '.join(['%s'] * len(row))}, 'was')", *row)
    at = now(lab)
    change(lab.source, "UPDATE thing SET body = 'is'")
    columns, rows = lab.changed("thing_hist", at, now(lab), names)[1:]
    assert columns[:len(names)] == tuple(names) and {row[-4:] for row in rows} == {("changed", "body", "was", "is")}
    assert {(row[0], row[8]) for row in rows} == {(date.max, "1 year 2 mons"), ("0044-03-15 BC", "infinity")}
    for row in zip(*kinds.values(), strict=True):
        assert [each[3] for each in lab.life("thing_hist", row).rows] == [None, "body: was -> is"]
        lab.undo("thing_hist", row, at)
    assert at_source(lab, "SELECT body FROM thing") == [("was",), ("was",)]
    key = (date.max, datetime.max.replace(tzinfo=UTC), Decimal("1.1"), memoryview(b"\0\xff"), True, UUID(kinds["uuid"][0]),
           '{"a": [1.1]}', "24:00", "14 months", NumericRange(1, 5), "{1,NULL}", 0.1, "::1")  # fmt: skip
    assert len(lab.life("thing_hist", key).rows) == len(lab.life("thing_hist", (*key[:3], b"\0\xff", *key[4:])).rows) == 3


@pytest.mark.slow
def test_a_history_that_is_not_there_or_goes_on_no_more_is_told(lines: Medallion) -> None:
    at = now(lines)
    line, tag = lines.declared.each
    lines.declared = Tables((line, replace(tag, name="mark", history="mark_hist")))
    at_source(lines, "ALTER TABLE tag RENAME TO mark")
    lines.capture(resnapshot=True, merging=True, yes=True)
    told = refused(lambda: lines.undo("tag_hist", (1, 23), at))
    assert "tag is not captured any more" in told and "lab.life('tag_hist', (1, 23))" in told
    assert [row[2] for row in lines.life("tag_hist", (1, 23)).rows] == ["begins"]
    with server.session(lines.warehouse_url) as cursor:
        cursor.execute("DROP TABLE IF EXISTS silver.mark_hist")
    for ask in (lambda: lines.life("mark_hist", (1, 23)), lambda: lines.undo("mark_hist", (1, 23), at)):
        assert "mark_hist is not in the warehouse yet" in refused(ask)
    assert at_source(lines, "SELECT a, b FROM mark ORDER BY a") == [(1, 23), (12, 3)]


@pytest.mark.slow
@pytest.mark.parametrize("action", ["CASCADE", pytest.param("SET NULL", marks=pytest.mark.slow), pytest.param("SET DEFAULT", marks=pytest.mark.slow)])
def test_no_other_row_goes_or_changes_with_one_that_did_not_exist(lab: Medallion, action: str) -> None:
    """Neither in a table that refers to it, captured or not, nor in its own."""
    node = Table("node", ("id",), history="node_hist")
    declare(lab, f"CREATE TABLE node (id integer PRIMARY KEY, up integer REFERENCES node ON DELETE {action}); "
            f"CREATE TABLE leaf (id integer REFERENCES node ON DELETE {action}) PARTITION BY LIST (id); "
            "CREATE TABLE leaf_rest PARTITION OF leaf DEFAULT", (node, "id integer, up integer"))  # fmt: skip
    at = now(lab)
    at_source(lab, "INSERT INTO node VALUES (1, NULL), (2, 1), (3, NULL); INSERT INTO leaf VALUES (2)")
    for key, others in ((1, "node"), (2, "leaf_rest")):
        told = refused(lambda: lab.undo("node_hist", key, at))  # noqa: B023
        assert "it would delete or change rows of " in told and f"{others}, which refer to it" in told
    assert at_source(lab, "SELECT id, up, (SELECT id FROM leaf) FROM node ORDER BY 1") == [(1, None, 2), (2, 1, 2), (3, None, 2)]
    at_source(lab, "DELETE FROM leaf")
    for key in (3, 2, 1):
        assert lab.undo("node_hist", key, at).startswith("DELETE")
    assert at_source(lab, "TABLE node") == []


# When


def email(lab: Medallion, key: int = 1) -> list[tuple]:
    return at_source(lab, "SELECT email FROM customer WHERE customer_id = %s", key)


def set_email(lab: Medallion, value: str) -> datetime:
    """Change it; an instant at which it was so."""
    at_source(lab, "UPDATE customer SET email = %s WHERE customer_id = 1", value)
    return now(lab)


def test_an_instant_that_silver_has_not_reached_is_captured_and_merged_first(shop: Medallion) -> None:
    at = set_email(shop, "first@example")
    set_email(shop, "second@example")
    change(shop.source, "INSERT INTO customer SELECT 9001, store_id, 'New', last_name, email, address_id "
                        "FROM customer WHERE customer_id = 2")  # fmt: skip
    there = now(shop)
    shop.undo("dim_customer_hist", 1, at)
    assert email(shop) == [("first@example",)]
    change(shop.source, "UPDATE customer SET first_name = 'Newer' WHERE customer_id = 9001")
    shop.undo("dim_customer_hist", 9001, there)
    assert at_source(shop, "SELECT first_name FROM customer WHERE customer_id = 9001") == [("New",)]
    assert shop.undo("dim_customer_hist", 9001, at).startswith("DELETE")


def test_a_change_under_way_is_waited_for_and_taken_back(shop: Medallion) -> None:
    at, sent = set_email(shop, "first@example"), []
    with shop.source.connect() as other:
        other.exec_driver_sql("UPDATE customer SET email = 'second@example' WHERE customer_id = 1")
        undoing = threading.Thread(target=lambda: sent.append(shop.undo("dim_customer_hist", 1, at)))
        undoing.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        wait_until(lambda: at_source(shop, waits) == [(1,)])
        other.commit()
    undoing.join()
    assert sent and email(shop) == [("first@example",)]
    assert [row[3] for row in shop.life("dim_customer_hist", 1).rows][-2:] == [
        "email: first@example -> second@example", "email: second@example -> first@example"]  # fmt: skip


@pytest.mark.slow
def test_a_change_that_does_not_end_is_told_and_nothing_is_written(
    shop: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = set_email(shop, "first@example")
    sooner(monkeypatch)
    with shop.source.connect() as other:
        other.exec_driver_sql("UPDATE customer SET email = 'second@example' WHERE customer_id = 1")
        told = refused(lambda: shop.undo("dim_customer_hist", 1, at))
        assert "A lock was not granted in time" in told and f"in the database {shop.source_name}," in told
        assert str(other.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()) in shown_by(told, shop.source_url)
        other.commit()
    assert email(shop) == [("second@example",)]
    with server.session(shop.warehouse_url) as holder:
        holder.execute("LOCK TABLE silver.dim_customer_hist")
        told = refused(lambda: shop.undo("dim_customer_hist", 1, at))
        assert f"in the database {shop.warehouse_name}," in told


def test_an_instant_to_come_is_refused(shop: Medallion) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    for work in (lambda: shop.undo("dim_customer_hist", 1, later), lambda: shop.changed("dim_customer", "2023-01-02", later, ["customer_id"]),
                 lambda: shop.receipt("vw_monthly_revenue", later, store_id=1, revenue_month="2023-01-01")):  # fmt: skip
        assert "is in the future: at the source it is 2" in refused(work)


@pytest.mark.slow
def test_where_another_capture_follows_it_is_waited_for_and_else_told(
    shop: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.connections, "LOCK_PATIENCE", 0.5)
    following = begin(shop, "capture", "--follow")
    try:
        at = set_email(shop, "first@example")
        wait_until(lambda: bronze_count(shop, "customer", "full_row ->> 'email' = 'first@example'"))
        set_email(shop, "second@example")
        shop.undo("dim_customer_hist", 1, at)
        assert email(shop) == [("first@example",)]
        assert shop.life("dim_customer_hist", 1).rows[-1][3] == "email: second@example -> first@example"
    finally:
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=10)
    with databases.administering(shop.warehouse_url) as cursor:
        only_one_session(cursor, "capture")
        told = refused(lambda: shop.undo("dim_customer_hist", 1, now(shop)))
        assert "Another capture is running" in told
        assert shop.receipt("vw_monthly_revenue", "2023-01-02", store_id=1, revenue_month="2023-01-01").sql, "it is final"
    assert email(shop) == [("first@example",)]


def test_what_was_before_a_snapshot_is_not_known_and_nothing_is_deleted(lab: Medallion) -> None:
    table = Table("note", ("id",), history="note_hist")
    before = now(lab)
    declare(lab, "CREATE TABLE note (id integer PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a'), (2, 'x')",
            (table, "id integer, body text"))  # fmt: skip
    known = now(lab)
    change(lab.source, "UPDATE note SET body = 'b'")
    lab.capture(merging=True)
    change(lab.source, "SELECT pg_drop_replication_slot(%s)", lab.slot)
    change(lab.source, "UPDATE note SET body = 'unseen'")
    in_gap = now(lab)
    change(lab.source, "UPDATE note SET body = 'c'")
    lab.capture(resnapshot=True, merging=True, yes=True)
    for at in (before, in_gap, "2023-01-01"):
        assert "is not known: a later snapshot captured it" in refused(lambda at=at: lab.undo("note_hist", 1, at))
    assert at_source(lab, "SELECT body FROM note ORDER BY id") == [("c",), ("c",)]
    lab.undo("note_hist", 1, known)
    assert at_source(lab, "SELECT body FROM note ORDER BY id") == [("a",), ("c",)]


@pytest.mark.slow
def test_a_table_captured_later_than_others_is_not_known_before(lab: Medallion) -> None:
    note, other = (Table(name, ("id",), history=f"{name}_hist") for name in ("note", "other"))
    declare(lab, "CREATE TABLE other (id integer PRIMARY KEY, v text); "
                 "CREATE TABLE note (id integer PRIMARY KEY, v text); INSERT INTO note VALUES (1)",
            (other, "id integer, v text"))  # fmt: skip
    at = now(lab)
    change(lab.source, "INSERT INTO other VALUES (1)")
    lab.capture(merging=True)
    declare(lab, "SELECT 1", (note, "id integer, v text"))
    lab.declared = Tables((other, note))
    lab.capture(resnapshot=True, yes=True)
    assert "is not known" in refused(lambda: lab.undo("note_hist", 1, at))
    assert at_source(lab, "SELECT id FROM note") == [(1,)]


def test_without_a_capture_there_is_nothing_to_undo_to(lab: Medallion) -> None:
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("DELETE FROM meta.watermark")
    assert "Nothing has been captured yet" in refused(lambda: lab.undo("dim_customer_hist", 1, "2023-01-02"))


# What the source, or bronze, makes of it


ALTERED = (  # since then, what the source makes of the row, and what is told
    ("ALTER TABLE note ALTER size TYPE numeric(4, 1)", "would not have size of note 1"),
    ("ALTER TABLE note ALTER at TYPE date", "would not have at of note 1"),
    ("ALTER TABLE note ALTER body TYPE varchar(2)", "too long for type character varying(2)"),
    ("ALTER TABLE note ALTER body TYPE integer USING 5", "invalid input syntax for type integer"),
    ("ALTER TABLE note DROP body", "would not have body of note 1"),
    ("ALTER TABLE note RENAME id TO note_id", 'column "id" does not exist'),
    ("ALTER TABLE note RENAME TO notes", 'relation "public.note" does not exist'),
    ("ALTER TABLE note ADD CHECK (body <> 'was so')", "Failing row contains (1, was so"),
    ("ALTER TABLE note ADD UNIQUE (body) DEFERRABLE INITIALLY DEFERRED; INSERT INTO note VALUES (2, 'was so')", "already exists"),
    ("CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body = 'mine'; RETURN NEW; END $$; "
     "CREATE TRIGGER mine BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION mine()", "would not have body of note 1"),
    ("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not on Sundays'; END $$; "
     "CREATE TRIGGER no BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION no()", "not on Sundays"),
    ("CREATE RULE nothing AS ON UPDATE TO note DO INSTEAD NOTHING", "would not have body, size, at of note 1"),
)  # fmt: skip


@pytest.fixture
def noted(lab: Medallion) -> tuple[Medallion, datetime]:
    """A row that was changed, in a table of its own, and an instant before that."""
    declare(lab, "CREATE TABLE note (id integer PRIMARY KEY, body text, size numeric, at timestamptz); "
                 "INSERT INTO note VALUES (1, 'was so', 1.234, '2023-01-01 12:00+00')",
            (Table("note", ("id",), history="note_hist"), "id integer, body text, size numeric, at timestamptz"))  # fmt: skip
    at = now(lab)
    change(lab.source, "UPDATE note SET body = 'is', size = 1, at = NULL")
    lab.capture(merging=True)
    return lab, at


@pytest.mark.slow
def test_what_would_not_be_the_row_of_then_is_refused_and_not_written(noted: tuple[Medallion, datetime]) -> None:
    lab, at = noted
    at_source(lab, "CREATE TABLE kept AS TABLE note")
    for alter, told in ALTERED:
        with databases.administering(lab.source_url) as cursor:  # with the row as it is
            cursor.execute(alter)
        name = "notes" if alter.endswith("notes") else "note"
        before = at_source(lab, f"SELECT {name}::text FROM {name} ORDER BY 1")
        message = refused(lambda: lab.undo("note_hist", 1, at))
        assert told in message and "Nothing was changed" in message, alter
        assert at_source(lab, f"SELECT {name}::text FROM {name} ORDER BY 1") == before, alter
        at_source(lab, f"DROP TABLE {name}; CREATE TABLE note (LIKE kept); INSERT INTO note TABLE kept")
    assert lab.undo("note_hist", 1, at).startswith("UPDATE"), "with nothing in its way"


@pytest.mark.slow
def test_a_row_whose_delete_the_source_passes_over_is_told(noted: tuple[Medallion, datetime]) -> None:
    lab, _ = noted
    at = now(lab)
    change(lab.source, "INSERT INTO note VALUES (2); CREATE RULE stay AS ON DELETE TO note DO INSTEAD NOTHING")
    assert "would not have a row of note 2" in refused(lambda: lab.undo("note_hist", 2, at))


@pytest.mark.slow
def test_a_version_whose_event_bronze_has_lost_is_not_made_up(noted: tuple[Medallion, datetime]) -> None:
    lab, at = noted
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("DELETE FROM bronze.br_note_cdc WHERE op = 'R'")
    assert "bronze has lost the event" in refused(lambda: lab.undo("note_hist", 1, at))
    assert at_source(lab, "SELECT body FROM note") == [("is",)]


# What it is asked


class Odd:
    pass


def customers(lab: Medallion) -> list[tuple]:
    return at_source(lab, "SELECT customer::text FROM customer ORDER BY customer_id")


def test_what_is_no_instant_is_refused_and_nothing_is_deleted(shop: Medallion) -> None:
    before = customers(shop)
    cell = {"store_id": 1, "revenue_month": "2023-01-01"}
    for at in (None, "soon", "", "now", "infinity", "24:00", "2023-02-30", 5, 2023.5, True, b"2023-01-02", Odd(), [], NaT):
        for ask in (lambda at: shop.undo("dim_customer_hist", 5, at), lambda at: shop.receipt("vw_monthly_revenue", at, **cell),
                    lambda at: shop.changed("dim_customer", "2023-01-01", at, "customer_id"),
                    lambda at: shop.changed("dim_customer", at, "2023-01-01", "customer_id")):  # fmt: skip
            assert "is not an instant. Write one like 2023-07-01" in refused(lambda at=at, ask=ask: ask(at)), at
    assert customers(shop) == before


def test_an_instant_may_be_a_text_a_day_or_a_time_of_day(shop: Medallion) -> None:
    was = email(shop)
    for at in ("2023-01-02", "20230102", "2023-01-02T03:00+03:00", date(2023, 1, 2), datetime(2023, 1, 2),
               datetime(2023, 1, 2, tzinfo=UTC), Timestamp("2023-01-02")):  # fmt: skip
        set_email(shop, "other@example")
        shop.undo("dim_customer_hist", 1, at)
        assert email(shop) == was, at


def test_what_is_no_key_is_refused(shop: Medallion) -> None:
    for key in (None, "abc", "", "5 6", 1.5, True, b"5", [5], {}, Odd(), "5\0", "\ud800", 10**30, date(2023, 1, 1)):
        told = refused(lambda key=key: shop.undo("dim_customer_hist", key, "2023-01-02"))
        assert "is no customer_id of dim_customer_hist: " in told, key
        assert "    SELECT customer_id FROM dim_customer_hist LIMIT 5" in told


def test_a_key_may_be_anything_that_prints_as_one(shop: Medallion) -> None:
    was = email(shop)
    for key in (1, "1", " 1 ", Decimal(1)):
        set_email(shop, "other@example")
        shop.undo("dim_customer_hist", key, "2023-01-02")
        assert email(shop) == was, key


def test_a_key_that_was_never_there_is_told_and_nothing_is_sent(shop: Medallion) -> None:
    told = refused(lambda: shop.undo("dim_customer_hist", 123456, "2023-01-02"))
    assert "there is nothing to undo" in told


def test_a_table_without_history_is_refused(shop: Medallion) -> None:
    for table in ("dim_customer", "silver.nope", "", None, 5, ["dim_customer_hist"]):
        told = refused(lambda table=table: shop.undo(table, 1, "2023-01-02"))
        assert "These tables do: dim_customer_hist, dim_film_hist" in told
