"""A bad row or file is set aside with the reason."""

from __future__ import annotations

import ast
import hashlib
import itertools
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg2 import extensions
from sqlalchemy import URL
from test_commands import change
from year import CURRENT, HISTORY, as_owner, ask, own_lab

from medallion_lib import Medallion, MedallionError, batch, server, steps
from medallion_lib.batch import files
from medallion_lib.batch.declared import SOURCES, VERSIONED
from medallion_lib.errors import TEXTS

NIGHT = datetime(2023, 1, 3, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def shop() -> Iterator[Medallion]:
    """A shop of a few days, with bronze and silver for its files. It stands still but for what tests do."""
    with own_lab("files") as lab:
        lab.replay(NIGHT)
        batch.set_up(lab)
        change(lab.source, "UPDATE customer SET email = email WHERE customer_id = 1")  # its own days are over
        yield lab


days = itertools.count()


def extracted(lab: Medallion, directory: Path, form: str = "csv") -> Path:
    """The files of the next night, not yet loaded."""
    return batch.extract(lab, directory, NIGHT + next(days) * DAY, form)


def number(night: Path) -> int:
    """The night as br_batch_id has it."""
    return int(night.name.replace("-", "")) * 10**9


def load_clean(lab: Medallion, night: Path) -> list[batch.Loaded]:
    done = batch.load_night(lab, night)
    assert len(done) == len(SOURCES)
    assert not any(loaded.set_aside or loaded.note for loaded in done), quarantine(lab, night)
    return done


@pytest.fixture
def first(shop: Medallion, tmp_path: Path) -> Path:
    """A night's files, loaded and merged: what comes next is compared with them."""
    night = extracted(shop, tmp_path)
    load_clean(shop, night)
    batch.merge(shop)
    return night


@pytest.fixture
def night(shop: Medallion, first: Path) -> Path:
    """The files of the night after, as yet the same."""
    return extracted(shop, first.parent)


def altered(path: Path, alter: Callable[[bytes], bytes], **promise: object) -> Path:
    """The file altered, and its manifest with it: as if the source itself had written it so."""
    data = alter(path.read_bytes())
    path.write_bytes(data)
    manifest = path.parent / files.MANIFEST
    told = json.loads(manifest.read_text())
    digest = hashlib.sha256(data).hexdigest()
    told[path.name] = told.get(path.name, {}) | {"sha256": digest} | promise
    manifest.write_text(json.dumps(told))
    return path


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def alter(data: bytes) -> bytes:
        assert data.count(old) == 1, data.count(old)
        return data.replace(old, new)

    return alter


def known(lab: Medallion) -> list[tuple]:
    with as_owner(lab) as connection:
        return ask(connection, "SELECT source, br_batch_id, rows, landed, ended, set_aside, is_merged "
                               "FROM bronze_batch.file ORDER BY 1, 2")  # fmt: skip


def held(lab: Medallion) -> list:
    """Everything that files have brought, but for when."""
    with as_owner(lab) as connection:
        bronze = [ask(connection, f"SELECT to_jsonb(row) - 'br_load_time' - 'br_id' FROM bronze_batch.br_{name}_batch AS row "
                                  f"ORDER BY 1") for name in SOURCES]  # fmt: skip
        silver = [ask(connection, f"SELECT row::text FROM silver_batch.{name} AS row ORDER BY 1") for name in HISTORY]
        aside = ask(connection, "SELECT file, line, raw, reason FROM bronze_batch.quarantine ORDER BY 1, 2, 4")
        return [*bronze, *silver, known(lab), aside]


def current(lab: Medallion, table: str, columns: str) -> list[tuple]:
    with as_owner(lab) as connection:
        return ask(connection, f"SELECT {columns} FROM bronze_batch.br_{table}_batch WHERE br_is_current ORDER BY 1")


def quarantine(lab: Medallion, night: Path) -> list[tuple]:
    """What of a night was set aside, in the order of its lines."""
    with as_owner(lab) as connection:
        return ask(connection, "SELECT file, line, raw, reason FROM bronze_batch.quarantine "
                               f"WHERE file LIKE '{night.name}/%' ORDER BY line, quarantine_id")  # fmt: skip


def said(name: str) -> str:
    """The beginning of a refusal, up to its first fact."""
    return TEXTS[name].split("{")[0]


def line_of(path: Path, key: int) -> tuple[int, bytes]:
    """Where a key's row is in the file, and the row."""
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if line.startswith(b"%d," % key):
            return number, line
    raise AssertionError(key)


# What lands


def test_an_extract_lands_once_and_the_next_only_what_it_changes(shop: Medallion, first: Path) -> None:
    change(shop.source, "UPDATE customer SET email = 'other@example' WHERE customer_id = 42")
    change(shop.source, "DELETE FROM payment WHERE payment_id = (SELECT max(payment_id) FROM payment)")
    change(shop.source, "INSERT INTO customer (store_id, first_name, last_name, address_id) VALUES (1, 'N', 'N', 1)")
    by_table = {loaded.file.split("/")[1]: loaded for loaded in batch.load_night(shop, extracted(shop, first.parent))}
    assert (by_table["customer.csv"].landed, by_table["customer.csv"].ended) == (2, 0)
    assert (by_table["payment.csv"].landed, by_table["payment.csv"].ended) == (0, 1)
    assert (by_table["rental.csv"].landed, by_table["rental.csv"].ended) == (0, 0)
    with as_owner(shop) as connection:
        events = ask(connection, "SELECT op, full_row ->> 'customer_id', commit_ts FROM bronze_batch.br_customer_event "
                                 f"WHERE lsn > {number(first)} ORDER BY 1")  # fmt: skip
        lives = ask(connection, "SELECT br_batch_id, br_ended_batch_id, br_is_current, br_source_file, email "
                                "FROM bronze_batch.br_customer_batch WHERE customer_id = '42' ORDER BY 1")  # fmt: skip
    assert [event[0] for event in events] == ["I", "U"]
    assert events[1][1:] == ("42", NIGHT + (next(days) - 1) * DAY)
    assert [life[:4] for life in lives] == [
        (number(first), number(first) + 10**9, False, f"{first.name}/customer.csv"),
        (number(first) + 10**9, None, True, by_table["customer.csv"].file),
    ]
    merged = {done.table: done for done in batch.merge(shop)}
    assert merged["dim_customer_hist"][1:] == (2, 1, 1, 0, 1)
    assert merged["fact_payment"][1:] == (1, 0, 0, 1, 0)


def test_a_file_loaded_twice_changes_nothing_and_says_so(shop: Medallion, first: Path) -> None:
    before = held(shop)
    for loaded in batch.load_night(shop, first):
        assert loaded.note == TEXTS["file loaded before"]
        assert (loaded.landed, loaded.ended, loaded.set_aside) == (0, 0, 0)
    assert not any(any(done[1:]) for done in batch.merge(shop))
    assert held(shop) == before


TEXT = ["", "it's", 'a "b", \\ c', "line\nbreak\ttab", "cr\r\nlf\r", "\\.", "\\N", "NULL", "grüße 😀 \u2028", " x ",
        '"', ",", "{}", "%s %(a)s", None]  # fmt: skip


def hostile(lab: Medallion) -> None:
    """Values that files, arrays, JSON and SQL each find hard."""
    with lab.source.begin() as shop:
        shop.exec_driver_sql('ALTER TABLE customer ADD "big, ""%%" numeric, ADD small double precision, ADD raw bytea, '
                             "ADD flags boolean[], ADD doc jsonb, ADD days interval", ())  # fmt: skip
        for number, text in enumerate(TEXT):
            shop.exec_driver_sql(
                "INSERT INTO customer (store_id, first_name, last_name, email, address_id, \"big, \"\"%%\", small, raw, flags, doc, days) "
                "VALUES (1, %s, 'x', %s, 1, %s, %s, %s, %s, to_jsonb(%s::text), '1 mon -2 days')",
                (text or "", text, f"{'9' * (30 * number)}.{'7' * 40}0", 1e300 / 3 ** number, (text or "x").encode(),
                 [True, None, False], text))  # fmt: skip
            shop.exec_driver_sql("UPDATE film SET description = %s, special_features = %s WHERE film_id = %s",
                                 (text, [text, "x"] if number % 2 else [], number + 1))  # fmt: skip
        shop.exec_driver_sql("UPDATE film SET special_features = NULL, length = NULL WHERE film_id = 40")
        shop.exec_driver_sql("UPDATE payment SET amount = -999.99, payment_date = '2023-02-28 23:59:59.999999+00' "
                             "WHERE payment_id = (SELECT min(payment_id) FROM payment)")  # fmt: skip


@pytest.mark.slow
def test_csv_and_parquet_of_hostile_values_say_the_same_as_the_log(shop: Medallion, night: Path) -> None:
    hostile(shop)
    batch.set_up(shop)  # the source has more columns now
    load_clean(shop, extracted(shop, night.parent))
    landed = held(shop)[: len(SOURCES)]
    for loaded in load_clean(shop, extracted(shop, night.parent, "parquet")):
        assert loaded[2:] == (0, 0, 0, ""), "the same values, however a file writes them"
    assert held(shop)[: len(SOURCES)] == landed
    batch.merge(shop)
    shop.capture()
    shop.merge()
    with as_owner(shop) as connection:
        for name, columns in CURRENT.items():
            listed = ", ".join((*columns, "row_hash"))
            ours, theirs = (ask(connection, f"SELECT {listed} FROM {layer}.{name} ORDER BY 1") for layer in ("silver_batch", "silver"))
            assert ours == theirs, name
        whole = "SELECT full_row FROM {} WHERE op <> 'D' AND full_row ->> 'last_name' = 'x' ORDER BY full_row ->> 'customer_id'"
        ours, theirs = (ask(connection, whole.format(events)) for events in
                        ("bronze_batch.br_customer_event", "bronze.br_customer_cdc"))  # fmt: skip
    assert len(ours) == len(TEXT)
    assert ours == theirs, "and so says bronze, of every column"


def typed(path: Path, types: dict[str, pyarrow.DataType]) -> bytes:
    """The file of CSV as another program would write it in Parquet, with types of its own."""
    import pyarrow.csv

    options = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""], true_values=["t"], false_values=["f"], quoted_strings_can_be_null=False)
    out = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(path, convert_options=options), out)
    return out.getvalue().to_pybytes()


def test_parquet_of_other_types_lands_what_it_means(shop: Medallion, night: Path) -> None:
    types = {"customer": {"customer_id": pyarrow.int64(), "activebool": pyarrow.bool_(), "create_date": pyarrow.timestamp("ns"),
                          "last_update": pyarrow.timestamp("ns", "UTC"), "active": pyarrow.string(), 'big, "%': pyarrow.string(), "first_name": pyarrow.large_string()},
             "payment": {"amount": pyarrow.decimal128(30, 10), "payment_date": pyarrow.timestamp("us", "Asia/Kolkata"),
                         "payment_id": pyarrow.dictionary(pyarrow.int32(), pyarrow.string())}}  # fmt: skip
    for name, of in types.items():
        data = typed(night / f"{name}.csv", of)
        told = json.loads((night / files.MANIFEST).read_text())[f"{name}.csv"]
        (night / f"{name}.parquet").write_bytes(b"")
        path = altered(night / f"{name}.parquet", lambda _, data=data: data, **(told | {"sha256": hashlib.sha256(data).hexdigest()}))
        loaded = batch.load(shop, path)
        assert loaded.rows > 10
        assert loaded[2:] == (0, 0, 0, ""), quarantine(shop, night)[:3]


def test_digits_and_days_that_a_type_does_not_hold_are_set_aside(shop: Medallion, night: Path) -> None:
    """PostgreSQL would round them without a word; a date beyond what an instant can be is none."""
    path = night / "customer.csv"
    header, row = path.read_bytes().split(b"\n")[0].decode().split(","), line_of(path, 42)[1]
    spoiled = {"create_date": ["2020-01-01 00:00:01"], "last_update": ["2020-01-01 00:00:00.0000001"]}
    for name, value in ((name, value) for name, values in spoiled.items() for value in values):
        fields = row.decode().split(",")
        fields[header.index(name)] = value
        kept = path.read_bytes()
        loaded = batch.load(shop, altered(path, replaced(b"\n" + row + b"\n", b"\n" + ",".join(fields).encode() + b"\n")))
        assert loaded.set_aside == 1
        assert quarantine(shop, night)[-1][3].startswith(f"{name} is {value!r}, which is no")
        altered(path, lambda _, kept=kept: kept)
        night = extracted(shop, night.parent)
        path = night / "customer.csv"
    change(shop.source, "UPDATE customer SET create_date = '300000-01-01' WHERE customer_id = 42")
    load_clean(shop, extracted(shop, night.parent))
    assert ("300000-01-01",) in current(shop, "customer", "create_date")
    change(shop.source, "UPDATE customer SET create_date = '2020-01-01' WHERE customer_id = 42")


def test_csv_with_crlf_a_byte_order_mark_and_columns_in_another_order_lands_the_same(
    shop: Medallion, night: Path
) -> None:
    def rewritten(data: bytes) -> bytes:
        assert b'"' not in data
        rows = [b",".join(reversed(line.split(b","))) for line in data.splitlines()]
        return b"\xef\xbb\xbf" + b"\r\n".join(rows)  # and none at the end

    loaded = batch.load(shop, altered(night / "payment.csv", rewritten))
    assert loaded[2:] == (0, 0, 0, ""), quarantine(shop, night)[:3]
    assert loaded.rows > 10


# Every type, there and back

any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
texts = any_text | st.sampled_from([
    "", "\\", "\\N", "\\.", "a\n\\.\nb", '"', "''", "\n", "\r\n", "\r", "\t", ",", "NULL", "null", "{}", "{a}", "\ufeff", "\u2028", "😀",
    "%s", "{0}", " blank ", "infinity", "NaN"])  # fmt: skip
dates = st.sampled_from(["infinity", "-infinity", "4713-01-01 BC", "0044-03-15 BC", "0001-01-01", "9999-12-31", "10000-01-01", "294275-12-31"])
dates |= st.dates().map(str)
clocks = st.sampled_from(["24:00:00", "00:00:00", "23:59:59.999999"]) | st.times().map(str)
instants = st.builds(lambda day, clock: f"{day} {clock}" if day[0].isdigit() and day[-1].isdigit() else day, dates, clocks)
decimals = st.sampled_from(["NaN", "Infinity", "-Infinity", "-0.00", "1e40", "0.0000001", "9" * 90 + "." + "7" * 60])
decimals |= st.decimals(allow_nan=False, allow_infinity=False, places=9).map(str)
leaves = st.none() | st.booleans() | texts
documents = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2), max_leaves=4)
documents = documents.map(json.dumps)


def scaled(precision: int, scale: int) -> st.SearchStrategy[str]:
    return st.just("NaN") | st.integers(1 - 10**precision, 10**precision - 1).map(lambda number: f"{number}e{-scale}")


def one_of(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


TYPED: dict[str, st.SearchStrategy] = {
    "smallint": st.integers(-2**15, 2**15 - 1), "integer": st.integers(-2**31, 2**31 - 1), "bigint": st.integers(-2**63, 2**63 - 1),
    "oid": st.integers(0, 2**32 - 1), "numeric": decimals, "numeric(5,2)": scaled(5, 2), "numeric(38,38)": scaled(38, 38),
    "numeric(60,20)": scaled(60, 20), "numeric(3,5)": scaled(3, 5), "numeric(3,-2)": scaled(3, -2),
    "real": one_of("NaN", "Infinity", "-0", "1e-45") | st.floats(width=32).map(str),
    "double precision": one_of("NaN", "-Infinity", "-0", "5e-324") | st.floats().map(str), "boolean": st.booleans(),
    "date": dates, "time": clocks, "time with time zone": clocks.map("{}+05:30".format), "timestamp": instants,
    "timestamp with time zone": instants, "timestamp(3) with time zone": instants,
    "interval": one_of("infinity", "-infinity", "1 mon -2 days 24:00:01", "-178000000 years", "1000000:00:00.000001", "0"),
    "text": texts, "character varying": texts, "character(12)": any_text, '"char"': one_of("", "a", "\\200"), "name": texts,
    "bytea": st.binary(max_size=5).map(lambda raw: "\\x" + raw.hex()), "bit(3)": one_of("101", "000"), "money": one_of("-1,234.50", "0"),
    "uuid": st.uuids().map(str), "json": documents, "jsonb": documents,
    "regclass": one_of("customer", "film"), "point": one_of("(1,-0)", "(NaN,Infinity)"),
    "inet": one_of("10.0.0.1/8", "::1"), "int4range": one_of("empty", "[1,5)", "(,)"), "tsvector": one_of("'a':1 'fat'", ""),
    "text[]": one_of("{{a,b},{c,NULL}}", "[0:1]={a,b}", "{}", "[2:2]={NULL}", '{NULL,"NULL","{"}') | st.lists(texts | st.none(), max_size=3),
    "integer[]": one_of("{}", "{1,NULL}", "{{1},{2}}", "[5:5]={1}"), "date[]": st.lists(dates, max_size=2),
    "jsonb[]": st.lists(documents, max_size=2), "mood": one_of("so so", "good"), "pair": one_of('(1,"{""a"": null}")', "(,)"),
    "odd_list": one_of("{}", "{a,NULL}", "[0:0]={a}"), "odd_date": dates, "odd_number": scaled(5, 2),
}  # fmt: skip
OWN_TYPES = """
    CREATE TYPE mood AS ENUM ('so so', 'good');
    CREATE TYPE pair AS (n integer, j jsonb);
    CREATE DOMAIN odd_list AS text[];
    CREATE DOMAIN odd_date AS date;
    CREATE DOMAIN odd_number AS numeric(5,2)"""
COLUMNS = {type_: '"{}, ""%"'.format(type_.replace('"', "")) for type_ in TYPED}  # names that need quotes
REFUSED = re.compile("customer holds a value that no Parquet type can hold: (.+), \"%: ")


@pytest.fixture(scope="module")
def anything() -> Iterator[Medallion]:
    """A shop of customers alone, who have a column of each type."""
    with own_lab("typed") as lab:
        columns = ", ".join(f"ADD {COLUMNS[type_]} {type_}" for type_ in TYPED)
        with server.session(lab.source_url) as cursor:
            cursor.execute(OWN_TYPES)
            cursor.execute(f"ALTER TABLE customer {columns}, DROP CONSTRAINT customer_store_id_fkey, DROP CONSTRAINT customer_address_id_fkey")
        lab.capture()
        batch.set_up(lab)
        yield lab


def printed(url: URL, query: str) -> list[tuple]:
    """Rows, each value as the server prints it."""
    as_printed = extensions.new_type(tuple(extensions.string_types), "AS_PRINTED", lambda value, cursor: value)
    with server.session(url) as cursor:
        extensions.register_type(as_printed, cursor)
        cursor.execute(query)
        return cursor.fetchall()


@pytest.mark.slow
def test_every_value_of_every_type_comes_back_from_csv_and_parquet_or_is_refused(
    anything: Medallion, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The source prints it so, bronze has it so, and the log says the same."""
    listed, refused, nights = ", ".join(COLUMNS.values()), Counter(), (NIGHT + number * DAY for number in itertools.count())
    types = dict(printed(anything.warehouse_url, "SELECT quote_ident(name), type FROM bronze_batch.source_column WHERE source = 'customer'"))
    read = ", ".join(f"{column}::{types[column]}" for column in COLUMNS.values())
    held = f"SELECT customer_id, {read} FROM bronze_batch.br_customer_batch WHERE br_is_current ORDER BY customer_id::integer"

    def source_has() -> list[tuple]:
        return printed(anything.source_url, f"SELECT customer_id, {listed} FROM customer ORDER BY customer_id")

    def extracted(form: str) -> Path:
        """The night's files; what Parquet refuses is taken out of the source, and counted."""
        try:
            return batch.extract(anything, tmp_path, next(nights), form)
        except MedallionError as problem:
            assert form == "parquet"
            column = REFUSED.match(str(problem))[1]
            refused[column] += 1
            change(anything.source, f"UPDATE customer SET {COLUMNS[column]} = NULL".replace("%", "%%"))
            return extracted(form)

    @settings(max_examples=5, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(st.lists(st.tuples(*(st.none() | each for each in TYPED.values())), min_size=4, max_size=8))
    def comes_back(rows: list[tuple]) -> None:
        with server.session(anything.source_url) as cursor:
            cursor.execute("DELETE FROM customer")
            for row in rows:
                places = ", ".join(f"%s::text{'[]' * isinstance(value, list)}::{type_}" for value, type_ in zip(row, TYPED, strict=True))
                columns = listed.replace("%", "%%")
                insert = f"INSERT INTO customer (store_id, first_name, last_name, address_id, {columns}) VALUES (1, '', '', 1, {places})"
                cursor.execute(insert, [str(value) if isinstance(value, int) else value for value in row])
        for form in ("csv", "parquet"):
            load_clean(anything, extracted(form))
            found, there = printed(anything.warehouse_url, held), source_has()
            assert len(found) == len(there)
            assert [pair for one, other in zip(found, there, strict=True) for pair in zip(COLUMNS, one[1:], other[1:], strict=True) if pair[1] != pair[2]] == [], form

    comes_back()
    assert set(refused) == {"date", "timestamp with time zone", "numeric(5,2)", "numeric(38,38)", "text[]", "odd_list", "odd_date", "odd_number"}
    anything.capture()
    last = "SELECT DISTINCT ON (1) full_row ->> 'customer_id', full_row FROM {} WHERE op <> 'D' ORDER BY 1, lsn DESC, seq DESC"
    with as_owner(anything) as connection:
        ours, theirs = (dict(ask(connection, last.format(events))) for events in ("bronze_batch.br_customer_event", "bronze.br_customer_cdc"))
    now = [row[0] for row in source_has()]
    assert now and all(ours[key].keys() == theirs[key].keys() for key in now)
    assert [(name, value, theirs[key][name]) for key in now for name, value in ours[key].items()
            if value != theirs[key][name] and "regclass" not in name] == []  # which the log prints with its schema
    record_property("values Parquet refused", sum(refused.values()))


# What is set aside


ROWS = [
    ("row of other fields", lambda row: row + b",more"),
    ("row of other fields", lambda row: row.rpartition(b",")[0]),
    ("row of other fields", lambda row: b""),
    ("row of other fields", lambda row: row.replace(b",", b',"', 1)),
    ("row with a bare return", lambda row: row.replace(b",", b"\r,", 1)),
    ("row not text", lambda row: row.replace(b"@", b"\xff@", 1)),
    ("row not text", lambda row: row.replace(b"@", b"\0@", 1)),
    ("value missing", lambda row: b"," + row.partition(b",")[2]),
    ("value missing", lambda row: row.replace(row.split(b",")[2], b"", 1)),
    ("value unreadable", lambda row: b"x" + row),
    ("value unreadable", lambda row: row.replace(b",t,", b",maybe,")),
    ("value unreadable", lambda row: row.replace(b",t,2", b",t,2000000-2")),
]  # fmt: skip


def test_a_row_that_cannot_be_read_is_set_aside_and_the_rest_loads(shop: Medallion, first: Path) -> None:
    """Each kind in a file of its own, beside a row that changes: its key stays as it was."""
    columns = "customer_id, first_name, last_name, email"
    before = current(shop, "customer", columns)
    for day, (name, spoil) in enumerate(ROWS, 1):
        night = extracted(shop, first.parent)
        path = night / "customer.csv"
        line, row = line_of(path, 42)
        changes = line_of(path, 7)[1]
        assert spoil(row) != row, name
        altered(path, replaced(b"\n" + row + b"\n", b"\n" + spoil(row) + b"\n"))
        fields = changes.split(b",")
        altered(path, replaced(b"\n" + changes + b"\n", b"\n" + changes.replace(fields[2], b"Day%d" % day) + b"\n"))
        loaded = batch.load(shop, path)
        assert (loaded.landed, loaded.ended, loaded.set_aside, loaded.note) == (1, 0, 1, ""), quarantine(shop, night)
        ((file, at, raw, reason),) = quarantine(shop, night)
        assert (file, at) == (f"{night.name}/customer.csv", line)
        assert raw == spoil(row).decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        assert reason.startswith(said(name)), reason
    after = current(shop, "customer", columns)
    assert [row for row in after if row[0] != "7"] == [row for row in before if row[0] != "7"]
    assert [row[1] for row in after if row[0] == "7"] == [f"Day{len(ROWS)}"]


def test_two_rows_of_a_key_are_both_set_aside_and_the_key_stays_as_it_was(shop: Medallion, night: Path) -> None:
    line, row = line_of(night / "customer.csv", 42)
    twice = b"\n" + row + b"\n0" + row.replace(b"@", b"2@") + b"\n"  # 042 is 42
    before = current(shop, "customer", "customer_id, email")
    loaded = batch.load(shop, altered(night / "customer.csv", replaced(b"\n" + row + b"\n", twice)))
    assert (loaded.landed, loaded.ended, loaded.set_aside) == (0, 0, 2)
    assert [found[1] for found in quarantine(shop, night)] == [line, line + 1]
    assert {found[3] for found in quarantine(shop, night)} == {TEXTS["row of a key twice"].format(column="customer_id", value="42")}
    assert current(shop, "customer", "customer_id, email") == before


def test_two_payments_of_one_number_are_set_aside_and_not_made_one(shop: Medallion, night: Path) -> None:
    """The source allows them, on different days; here a payment is known by its number."""
    change(shop.source, "INSERT INTO payment (payment_id, customer_id, staff_id, rental_id, amount, payment_date) "
                        "SELECT payment_id, customer_id, staff_id, rental_id, 99, '2022-02-02' FROM payment WHERE payment_id = (SELECT min(payment_id) FROM payment)")  # fmt: skip
    before = current(shop, "payment", "payment_id, payment_date, amount")
    last = extracted(shop, night.parent)
    assert [loaded.set_aside for loaded in batch.load_night(shop, last)] == [0, 0, 0, 0, 2]
    assert {found[3] for found in quarantine(shop, last)} == {"Several rows have payment_id 1."}
    assert current(shop, "payment", "payment_id, payment_date, amount") == before
    change(shop.source, "DELETE FROM payment WHERE amount = 99 AND payment_date = '2022-02-02'")


def test_while_the_key_of_a_row_is_not_known_no_other_is_taken_for_deleted(shop: Medallion, night: Path) -> None:
    def spoiled(data: bytes) -> bytes:
        lines = data.split(b"\n")
        lines[5] = lines[5].partition(b",")[2]  # without its key
        return b"\n".join(lines[:3] + lines[4:])  # and the third row is gone

    gone = (night / "customer.csv").read_bytes().split(b"\n")[3].partition(b",")[0].decode()
    loaded = batch.load(shop, altered(night / "customer.csv", spoiled, rows=1))
    assert (loaded.ended, loaded.set_aside) == (0, 1)
    assert (gone,) in current(shop, "customer", "customer_id")
    night = extracted(shop, night.parent)
    loaded = batch.load(shop, altered(night / "customer.csv", lambda data: b"\n".join(
        line for line in data.split(b"\n") if not line.startswith(gone.encode() + b",")), rows=1))  # fmt: skip
    assert (loaded.ended, loaded.set_aside) == (1, 0)
    assert (gone,) not in current(shop, "customer", "customer_id")


def test_a_quote_too_many_costs_its_line_alone(shop: Medallion, first: Path) -> None:
    change(shop.source, "UPDATE customer SET email = E'two\\nlines \"quoted\"' WHERE customer_id IN (41, 45)")
    night = extracted(shop, first.parent)
    line, row = line_of(night / "customer.csv", 42)
    loaded = batch.load(shop, altered(night / "customer.csv", replaced(row, row.replace(b",", b',"', 1))))
    assert (loaded.landed, loaded.ended, loaded.set_aside) == (2, 0, 1), quarantine(shop, night)
    assert [found[1] for found in quarantine(shop, night)] == [line]
    night = extracted(shop, first.parent)
    loaded = batch.load(shop, altered(night / "customer.csv", lambda data: data.rpartition(b",")[0] + b',"'))
    assert loaded.set_aside == 1
    assert quarantine(shop, night)[-1][3] == TEXTS["row without its quote"]


def without_manifest(night: Path) -> None:
    (night / files.MANIFEST).unlink()


def manifest_cut(night: Path) -> None:
    path = night / files.MANIFEST
    path.write_text(path.read_text()[:-20])


def not_listed(night: Path) -> None:
    (night / files.MANIFEST).write_text("{}")


def cut(night: Path) -> None:
    path = night / "customer.csv"
    path.write_bytes(path.read_bytes()[:-100])


def emptied(night: Path) -> None:
    (night / "customer.csv").write_bytes(b"")


def fewer(night: Path) -> None:
    altered(night / "customer.csv", lambda data: b"\n".join(data.split(b"\n")[:9]) + b"\n")


def headless(night: Path) -> None:
    altered(night / "customer.csv", lambda data: data.partition(b"\n")[2])


def of_another_table(night: Path) -> None:
    altered(night / "customer.csv", lambda data: data, table="payment")


def of_an_unknown_table(night: Path) -> None:
    altered(night / "customer.csv", lambda data: data, table='x"; DROP TABLE payment; --')


def without_a_column(night: Path) -> None:
    altered(night / "customer.csv", replaced(b",email,", b",mail,"))


def of_before(night: Path) -> None:
    altered(night / "customer.csv", lambda data: data, instant="2023-01-02T00:00:00+00:00")


def without_a_zone(night: Path) -> None:
    altered(night / "customer.csv", lambda data: data + b"\n", instant="2023-01-02T00:00:00")


def of_the_future(night: Path) -> None:
    altered(night / "customer.csv", lambda data: data, instant="2999-01-02T00:00:00+00:00")


def before_all_time(night: Path) -> None:
    altered(night / "customer.csv", lambda data: data + b"\n\n", instant="0001-01-01T00:00:00+14:00")


def of_a_list(night: Path) -> None:
    altered(night / "customer.csv", lambda data: data, table=["customer"])


FILES = [
    ("extract to come", of_the_future), ("file not in the manifest", before_all_time), ("file of another table", of_a_list),
    ("file without a manifest", without_manifest), ("manifest unreadable", manifest_cut),
    ("file not in the manifest", not_listed), ("file not as extracted", cut), ("file not as extracted", emptied),
    ("file of fewer rows", fewer), ("file of other columns", headless), ("file of other columns", of_another_table),
    ("file of another table", of_an_unknown_table), ("file of other columns", without_a_column),
    ("extract too late", of_before), ("file not in the manifest", without_a_zone),
]  # fmt: skip


@pytest.mark.slow
def test_a_file_that_is_not_what_was_extracted_is_set_aside_whole_and_nothing_else_changes(
    shop: Medallion, night: Path
) -> None:
    before = held(shop)[:-1]
    kept = {path.name: path.read_bytes() for path in night.iterdir()}
    for name, spoil in FILES:
        spoil(night)
        loaded = batch.load(shop, night / "customer.csv")
        assert loaded.note.startswith(said(name)), (name, loaded.note)
        assert loaded[1:5] == (0, 0, 0, 0)
        file, line, raw, reason = quarantine(shop, night)[-1]
        assert (file, line, raw, reason) == (f"{night.name}/customer.csv", None, None, loaded.note)
        assert held(shop)[:-1] == before, name
        count = len(quarantine(shop, night))
        batch.load(shop, night / "customer.csv")
        assert len(quarantine(shop, night)) == count, "set aside once"
        for path, data in kept.items():
            (night / path).write_bytes(data)
    assert len(quarantine(shop, night)) == len(FILES)
    assert not batch.load(shop, night / "customer.csv").note, "sent again, it loads"


def test_an_extract_without_one_of_its_files_waits_for_the_next_whole_one(shop: Medallion, first: Path) -> None:
    """What it has is merged then, at its own instant; what it lacked is known from the next."""
    with shop.source.begin() as session:
        session.exec_driver_sql("INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id) "
                                "VALUES (77777, '2023-01-03', 42, 42, 1)")  # fmt: skip
        session.exec_driver_sql("INSERT INTO payment (payment_id, customer_id, staff_id, rental_id, amount, payment_date) "
                                "VALUES (77777, 42, 1, 77777, 1, '2023-01-03')")  # fmt: skip
    cut_short, whole = (extracted(shop, first.parent) for _ in range(2))
    (cut_short / "rental.csv").write_bytes((cut_short / "rental.csv").read_bytes()[:-1])
    assert [loaded.landed for loaded in batch.load_night(shop, cut_short)][3:] == [0, 1]
    assert not any(any(done[1:]) for done in batch.merge(shop))
    load_clean(shop, whole)
    assert [done.inserted for done in batch.merge(shop)] == [0, 0, 1, 1]
    with as_owner(shop) as connection:
        ((store,),) = ask(connection, "SELECT store_id::int FROM bronze_batch.br_inventory_batch WHERE inventory_id = '42'")  # fmt: skip
        found = [ask(connection, f"SELECT store_id, sys_start::date::text FROM silver_batch.{table} WHERE {key} = 77777")
                 for table, key in (("fact_rental", "rental_id"), ("fact_payment", "payment_id"))]  # fmt: skip
    assert found == [[(store, whole.name)], [(store, cut_short.name)]]


def test_a_file_of_another_form_is_set_aside(shop: Medallion, night: Path) -> None:
    told = json.loads((night / files.MANIFEST).read_text())["customer.csv"]
    (night / "customer.xml").write_bytes(b"<customers/>")
    loaded = batch.load(shop, altered(night / "customer.xml", lambda data: data, **{**told, "sha256": hashlib.sha256(b"<customers/>").hexdigest()}))
    assert loaded.note == TEXTS["file of another form"].format(file="customer.xml")
    (night / "customer.parquet").write_bytes(b"PAR1 and no more")
    loaded = batch.load(shop, altered(night / "customer.parquet", lambda data: data, **{**told, "sha256": hashlib.sha256(b"PAR1 and no more").hexdigest()}))
    assert loaded.note.startswith(said("file not Parquet"))
    with pytest.raises(MedallionError, match=r"^There is no file"):
        batch.load(shop, night / "none.csv")


def test_what_parquet_cannot_hold_is_told_and_what_lacks_pyarrow(
    shop: Medallion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = NIGHT + next(days) * DAY
    set_amount = "UPDATE payment SET amount = %s WHERE payment_id = (SELECT min(payment_id) FROM payment)"
    change(shop.source, set_amount, "NaN")
    with pytest.raises(MedallionError, match=r"^payment holds a value that no Parquet type can hold: "):
        batch.extract(shop, tmp_path, at, "parquet")
    begun = batch.load_night(shop, tmp_path / f"{at:%F}")
    assert len(begun) == 4
    for loaded in begun:
        assert loaded.note.startswith(said("file without a manifest")), "a night begun and not ended"
    assert sum(loaded.landed for loaded in load_clean(shop, batch.extract(shop, tmp_path, at))) == 1
    change(shop.source, set_amount, 1)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MedallionError) as told:
        batch.extract(shop, tmp_path, NIGHT + next(days) * DAY, "parquet")
    assert str(told.value) == TEXTS["no pyarrow"]


def test_a_night_is_one_that_the_source_can_be_true_at(lab: Medallion, tmp_path: Path) -> None:
    """Not before what is in its rows, not before the replay has come there, and none to come."""
    lab.replay("2023-01-05")
    for night, told in (("2023-01-03", "night over"), ("2023-01-05 00:00:01+00", "night not reached"),
                        (datetime.now(UTC) + DAY, "night not reached")):  # fmt: skip
        with pytest.raises(MedallionError) as problem:
            batch.extract(lab, tmp_path, night)
        assert str(problem.value).startswith(said(told)), problem.value
    assert list(tmp_path.iterdir()) == []
    made = batch.extract(lab, tmp_path, "2023-01-05")
    lab.replay("2023-01-06")
    assert batch.extract(lab, tmp_path, "2023-01-05") == made, "a night that is whole stays"
    change(lab.source, "UPDATE customer SET email = 'live@example' WHERE customer_id = 1")
    with pytest.raises(MedallionError, match=r"^The source has changed since 2023-01-05 12:00:00"):
        batch.extract(lab, tmp_path, "2023-01-05 12:00")
    assert batch.extract(lab, tmp_path, "2023-01-08").is_dir(), "the replay is over: the night is what one says"
    with pytest.raises(MedallionError, match=r"csv or parquet, not 'xlsx'"):
        batch.extract(lab, tmp_path, "2023-01-09", "xlsx")
    with pytest.raises(MedallionError, match=r"^There is no file"):
        batch.load_night(lab, tmp_path / "none")


def test_a_source_of_an_earlier_version_is_extracted(lab: Medallion, tmp_path: Path) -> None:
    lab.replay("2023-01-05")
    change(lab.source, "ALTER TABLE replay.clock DROP COLUMN reached")
    assert batch.extract(lab, tmp_path, "2023-01-06").is_dir()


def test_before_it_is_set_up_nothing_of_it_is_there(lab: Medallion, night: Path) -> None:
    schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%%batch'"
    with lab.warehouse.connect() as warehouse:
        assert warehouse.exec_driver_sql(schemas).scalar_one() == 0
    with pytest.raises(MedallionError) as told:
        batch.load_night(lab, night)
    assert str(told.value) == TEXTS["batch not set up"]


def test_a_second_load_is_refused(shop: Medallion, night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.connections, "LOCK_PATIENCE", 0)
    with server.session(shop.warehouse_url) as cursor:
        server.only_one(cursor, "batch")
        for work in (lambda: batch.load_night(shop, night), lambda: batch.merge(shop)):
            with pytest.raises(MedallionError) as told:
                work()
            assert str(told.value) == TEXTS["second batch"]


def test_history_travels_and_the_notebooks_role_can_alter_none(shop: Medallion, first: Path) -> None:
    """The functions outlive a rebuild of silver, which drops and makes every one."""
    shop.rebuild()
    with shop.warehouse.connect() as warehouse:
        for name, columns in (HISTORY | CURRENT).items():
            query = f"SELECT count({columns[0]}) FROM silver_batch.{name} FOR SYSTEM_TIME {{}}"
            now = warehouse.exec_driver_sql(query.format(f"AS OF '{NIGHT + next(days) * DAY}'")).scalar_one()
            assert now > 10
            assert warehouse.exec_driver_sql(query.format("AS OF '2023-01-01'")).scalar_one() == 0
    tables = [*(f"silver_batch.{name}" for name in HISTORY), *(f"bronze_batch.br_{name}_batch" for name in SOURCES),
              "bronze_batch.file", "bronze_batch.quarantine", "bronze_batch.source_column"]  # fmt: skip
    with server.session(shop.notebook_url, autocommit=True) as cursor:
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table}")
            for statement in ("DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}"):
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement.format(table))


def test_silver_for_files_has_the_columns_of_silver_and_every_comment(shop: Medallion) -> None:
    columns = """SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull
                 FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p', 'v')
                 WHERE relnamespace = {}::regnamespace AND attnum > 0 AND relname !~ '_20[0-9][0-9]_' ORDER BY 1, attnum"""
    bare = r"""SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p', 'v')
              WHERE relnamespace::regnamespace::text LIKE '%batch' AND attnum > 0 AND relname NOT LIKE '%\_batch'
                AND (col_description(attrelid, attnum) IS NULL OR obj_description(attrelid) IS NULL)"""
    with as_owner(shop) as connection:
        assert ask(connection, columns.format("'silver_batch'")) == ask(connection, columns.format("'silver'"))
        assert ask(connection, bare) == []


# Killed and begun again


def run(lab: Medallion, directory: Path, night: datetime) -> list:
    """A night, from the source to silver."""
    batch.load_night(lab, batch.extract(lab, directory, night))
    return batch.merge(lab)


def killed(lab: Medallion, directory: Path, night: datetime, at: str, count: int) -> None:
    """The same in a process of its own, which dies at a step, the count-th time."""
    if (child := os.fork()) == 0:
        passed = itertools.count(1)
        steps.on_step = lambda step: step == at and next(passed) == count and os.kill(os.getpid(), signal.SIGKILL)
        try:
            run(Medallion(lab.place, lab.name), directory, night)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, at


def steps_of_batch() -> list[str]:
    """Each step of the package, and those of the merge that it shares."""
    found = []
    for path in sorted(Path(batch.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "step":
                text = ast.unparse(node.args[0]).removeprefix("f").strip("'\"")
                found += [text.replace("{table.name}", "customer")]
    return [*found, *(f"merged {table.history}" for table in VERSIONED)]


AT = {"file staged": 3, "file landed": 3, "file committed": 3}  # inventory, film, customer, of which some land


@pytest.mark.slow
def test_killed_at_any_step_and_run_again_the_result_is_the_same(
    shop: Medallion, first: Path, record_property: Callable[[str, object], None]
) -> None:
    """Each night is changed, killed at one step, and run again; and once more, which changes nothing."""
    stops = steps_of_batch()
    assert {"extracted all", "file landed", "file committed", "batch merged", "merged fact_payment"} <= {*stops}
    for turn, at in enumerate(stops):
        change(shop.source, "UPDATE customer SET email = %s WHERE customer_id IN (42, 43)", f"{turn}@example")
        change(shop.source, "DELETE FROM payment WHERE payment_id = (SELECT min(payment_id) FROM payment)")
        night = NIGHT + next(days) * DAY
        killed(shop, first.parent, night, at, AT.get(at, 1))
        run(shop, first.parent, night)
        landed = [row[3:] for row in known(shop) if row[1] == int(f"{night:%Y%m%d}") * 10**9]
        assert landed == [(2, 0, 0, True), (0, 0, 0, True), (0, 0, 0, True), (0, 1, 0, True), (0, 0, 0, True)], at
    before = held(shop)
    assert not any(any(done[1:]) for done in run(shop, first.parent, night))
    assert held(shop) == before
    record_property("kills", len(stops))
    with as_owner(shop) as connection:
        emails = ask(connection, "SELECT email FROM silver_batch.dim_customer_hist WHERE customer_id = 43 "
                                 "AND email ~ '^[0-9]+@example' ORDER BY sys_start")  # fmt: skip
    assert emails == [(f"{turn}@example",) for turn in range(len(stops))]
