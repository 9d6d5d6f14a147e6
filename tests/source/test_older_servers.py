"""A source of PostgreSQL 14 to 18 gives the same bronze for the same changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_server import directory
from sqlalchemy import URL
from test_identity import TYPED, TYPES
from test_live import asked
from other_servers import running

from medallion_lib import Medallion, databases, server
from medallion_lib.server import libpq
from medallion_lib.server.embedded import Embedded
from medallion_lib.source import slot
from medallion_lib.tables import Table, Tables
from medallion_lib.watch.plan import Asked

pytestmark = pytest.mark.long(1)

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "one")
OWNER = f"owner_{WORKER}"
OLDER = 15, 14, 16, 17
# make test has all of it at the first, and of the others what streams; make prove has all at each.
REPEATED = [OLDER[0], *(pytest.param(version, marks=pytest.mark.slow) for version in OLDER[1:])]
SHOP = """
CREATE DOMAIN code AS text;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE item (id integer PRIMARY KEY, name code, doc text, price numeric(8, 2), tags text[], mood mood,
                   at timestamptz, length interval, share float8, raw jsonb);
CREATE TABLE line (a integer, b text, doc text, PRIMARY KEY (a, b));
CREATE TABLE sale (id integer, day date, doc text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE sale_old PARTITION OF sale FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
CREATE TABLE sale_new PARTITION OF sale DEFAULT;
CREATE TABLE sum (a integer PRIMARY KEY, b integer, twice integer GENERATED ALWAYS AS (b * 2) STORED);
CREATE TABLE beside (a integer);
ALTER TABLE item ALTER doc SET STORAGE EXTERNAL;
ALTER TABLE line ALTER doc SET STORAGE EXTERNAL, REPLICA IDENTITY FULL;
INSERT INTO item SELECT n, 'Item ' || n, repeat(n || ' ', 3000), n / 4.0, ARRAY['a', NULL], 'sad', '2024-01-01 12:00+01',
                        '1 day 02:00', n / 3.0, '{"b": 1, "a": null}' FROM generate_series(1, 4) AS n;
INSERT INTO line SELECT n, 'line ' || n, repeat('x', 3000) FROM generate_series(1, 3) AS n;
INSERT INTO sale SELECT n, '2023-12-28'::date + n, 'sale' FROM generate_series(1, 6) AS n;
INSERT INTO sum SELECT n, n FROM generate_series(1, 3) AS n;
"""
LATER = "'infinity'", "'public.customer'"  # of an interval, from 17 on; and a table that is not here
VALUES = {name: [value for value in values if not (name in ("span", "relation") and value in LATER)]
          for name, (_, *values) in TYPES.items()}  # fmt: skip
COLUMNS = ", ".join(f"{name} {kind}" for name, (kind, *_) in TYPES.items())
SHOP += TYPED.format(columns=COLUMNS).partition(",\n        stored")[0] + ")"
TABLES = Tables((
    Table("item", ("id",), history="item_hist"), Table("line", ("a", "b"), history="line_hist"),
    Table("sale", ("id", "day"), history="sale_hist"), Table("sum", ("a",), history="sum_hist"),
    Table("every_type", ("id",), "typed"),
))  # fmt: skip
# Each of one row at most, but for what is emptied: the order within a statement is the server's own.
CHANGES = (
    "INSERT INTO item (id, doc, mood) VALUES (5, repeat('new ', 3000), 'glad') ON CONFLICT DO NOTHING",
    "UPDATE item SET price = price + 1, share = 'NaN' WHERE id = 2",
    "UPDATE item SET doc = repeat('other ', 3000) WHERE id = 2",
    "UPDATE item SET id = 7 - id WHERE id IN (3, 4) AND NOT EXISTS (SELECT FROM item AS other WHERE other.id = 7 - item.id)",
    "UPDATE item SET id = 6 WHERE id = 1 AND NOT EXISTS (SELECT FROM item AS other WHERE other.id = 6)",
    "DELETE FROM item WHERE id IN (6)",
    "TRUNCATE item",
    "ALTER TABLE item ADD COLUMN IF NOT EXISTS more code DEFAULT 'more'",
    "UPDATE line SET b = b || '!' WHERE a = 1",
    "UPDATE line SET doc = 'short' WHERE a = 2",
    "INSERT INTO line VALUES (9, '', repeat('nine', 2000)) ON CONFLICT DO NOTHING",
    "DELETE FROM line WHERE a = 9",
    "TRUNCATE line, item",
    "UPDATE sale SET day = day + 2 WHERE id = 3",
    "UPDATE sale SET doc = NULL WHERE id = 1",
    "DELETE FROM sale WHERE id = 6",
    "TRUNCATE sale_old",
    "TRUNCATE sale",
    "INSERT INTO sale VALUES (8, '2023-06-01', 'before'), (8, '2024-06-01', 'after') ON CONFLICT DO NOTHING",
    "INSERT INTO beside VALUES (1)",
    "SAVEPOINT here; DELETE FROM item; ROLLBACK TO here",
)  # fmt: skip


class Source:
    """The shop on a server, with a warehouse of its own."""

    def __init__(self, at_server: URL, name: str) -> None:
        self.at_server, self.name = at_server, f"{name}_{WORKER}"
        self.url = at_server.set(database=self.name, username=OWNER)
        with self.named():
            self.lab = Medallion.open(self.name, tables=TABLES)

    def make(self) -> None:
        with databases.administering(self.at_server) as cursor:
            cursor.execute(f"CREATE ROLE {OWNER} LOGIN REPLICATION")
            cursor.execute(f"CREATE DATABASE {self.name} OWNER {OWNER}")
        self.run(SHOP)
        with self.named():
            self.lab.reset()
            self.lab.capture(merging=True)

    def remove(self) -> None:
        self.lab.close()
        with databases.administering(self.at_server) as cursor:
            slot.drop(cursor, self.lab.slot)
            databases.drop(cursor, self.name)
            cursor.execute(f"DROP ROLE IF EXISTS {OWNER}")
        with databases.administering(self.lab.place.url) as cursor:
            databases.drop(cursor, self.lab.warehouse_name)

    @contextmanager
    def named(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MEDALLION_SOURCE_URL", libpq(self.url))
            yield

    def run(self, statements: str) -> None:
        with databases.administering(self.url) as cursor:
            cursor.execute(statements)

    def capture(self, **how: bool) -> list[tuple]:
        """Bronze's rows since the capture before, but for positions and times; by transaction."""
        rows = " UNION ALL ".join(f"SELECT lsn, seq, '{table.name}' AS name, op, full_row::text FROM bronze.br_{table.name}_cdc"
                                  for table in TABLES.each if table.name != "sum")  # fmt: skip
        with self.named(), server.session(self.lab.warehouse_url) as cursor:
            cursor.execute("SELECT lsn FROM meta.watermark WHERE stage = 'capture'")
            (before,) = cursor.fetchone()
            self.lab.capture(**how)
            cursor.execute(f"SELECT dense_rank() OVER (ORDER BY lsn), seq, name, op, full_row FROM ({rows}) AS every "
                           "WHERE lsn >= %s ORDER BY lsn, seq", (before,))  # fmt: skip
            return cursor.fetchall()


@contextmanager
def shop_at(at_server: URL, name: str) -> Iterator[Source]:
    made = Source(at_server, name)
    try:
        made.make()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module", params=REPEATED)
def place(request: pytest.FixtureRequest) -> Iterator[Embedded]:
    with directory() as parent, running(request.param, parent / "home") as started:
        with databases.administering(started.url) as cursor:
            cursor.execute("ALTER SYSTEM SET fsync = off")
            cursor.execute("SELECT pg_reload_conf()")
        yield started


@pytest.fixture(scope="module")
def older(place: Embedded) -> Iterator[Source]:
    with shop_at(place.url, "older") as made:
        yield made


@pytest.fixture(scope="module")
def newest(place: Embedded) -> Iterator[Source]:  # anew for each older one, since columns are added
    with shop_at(Medallion.open().place.url, "newest") as made:
        yield made


# What brings the tables to the same rows from any others.
ANEW = ["TRUNCATE item, line, sale", *(each for each in SHOP.split(";\n") if each.startswith("INSERT"))][:4]
TRANSACTIONS = st.lists(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4), min_size=1, max_size=6)


KINDLY = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@pytest.mark.first(1)
@pytest.mark.parametrize("place", OLDER, indirect=True, scope="module")
@settings(max_examples=3, **KINDLY)
@given(transactions=TRANSACTIONS)
def test_the_same_changes_give_the_same_bronze_from_an_older_server(
    older: Source, newest: Source, transactions: list[list[str]]
) -> None:
    """Random transactions at PostgreSQL 14 to 17 land as they do at 18, but for positions and times."""
    same_at_both(older, newest, transactions)


def same_at_both(older: Source, newest: Source, transactions: list[list[str]]) -> None:
    for source in (older, newest):
        for statements in (ANEW, *transactions):
            source.run(f"BEGIN; {'; '.join(statements)}; COMMIT")
    rows = older.capture()
    assert len(rows) >= 13
    assert rows == newest.capture()


@pytest.mark.slow
@settings(max_examples=42, **KINDLY)
@given(transactions=TRANSACTIONS)
def test_many_more_changes_do(older: Source, newest: Source, transactions: list[list[str]]) -> None:
    same_at_both(older, newest, transactions)


def test_a_snapshot_of_an_older_server_is_the_same_and_goes_on_to_a_silver_that_is_the_sources(
    older: Source, newest: Source
) -> None:
    for source in (older, newest):
        source.run(f"BEGIN; {'; '.join(ANEW)}; COMMIT")
        source.capture()
    assert older.capture(resnapshot=True, yes=True) == newest.capture(resnapshot=True, yes=True)
    for source in (older, newest):
        source.run(";".join(each for each in CHANGES if "SAVEPOINT" not in each))
        with source.named():
            assert source.lab.verify() == []


def test_a_row_of_every_type_is_the_same_streamed_and_snapped_at_an_older_server(older: Source, newest: Source) -> None:
    """Of the 46 types, with the values that the older ones have."""
    count = max(len(values) for values in VALUES.values())
    rows = [{name: values[number % len(values)] for name, values in VALUES.items()} for number in range(count)]
    for source in (older, newest):
        for number, row in enumerate(rows):
            source.run(f"INSERT INTO typed.every_type (id, {', '.join(row)}) VALUES ({number}, {', '.join(row.values())})")
    streamed = older.capture()
    assert streamed == newest.capture()
    snapped = older.capture(resnapshot=True, yes=True)
    assert snapped == newest.capture(resnapshot=True, yes=True)
    streamed, snapped = ([full for *_, name, op, full in each if name == "every_type" and op in ("I", "R")]
                         for each in (streamed, snapped))  # fmt: skip
    assert streamed == snapped
    assert len(snapped) == count


ALTERED = {
    "ADD TABLE beside": (14, "beside"), "SET (publish = 'insert')": (14, ""), "SET TABLE item (id)": (15, ""),
    "SET TABLE item WHERE (id > 5), line, sale, sum": (15, ""), "ADD TABLES IN SCHEMA public": (15, "all tables of public"),
    "SET (publish_generated_columns = none)": (18, ""),
}  # fmt: skip


def test_a_publication_that_does_not_send_all_of_the_captured_tables_alone_is_known(older: Source, newest: Source) -> None:
    """Each way to alter it that the version has."""
    for source in (older, newest):
        at = source.at_server.set(database=source.name)
        for alteration, (since, others) in ALTERED.items():
            with server.session(at) as cursor:
                if cursor.connection.server_version >= since * 10_000:
                    (before,) = slot.publications(cursor, TABLES.captured)
                    cursor.execute(f"ALTER PUBLICATION {source.lab.slot} {alteration}")
                    (after,) = slot.publications(cursor, TABLES.captured)
                    assert (before.is_fit, after.is_fit, after.others) == (True, False, others)
                cursor.connection.rollback()


def test_a_key_with_a_generated_column_that_no_log_has_is_refused(older: Source, newest: Source) -> None:
    for source, wrong in ((older, 1), (newest, 0)):
        with server.session(source.url) as cursor:
            cursor.execute("ALTER TABLE sum ADD UNIQUE (twice), ALTER twice SET NOT NULL")
            cursor.execute("ALTER TABLE sum REPLICA IDENTITY USING INDEX sum_twice_key")
            lacks = [str(each) for each in slot.lacking(cursor, [Table("sum", ("twice",))])]
            assert len(lacks) == wrong
            assert all("nothing of column twice of public.sum, which is generated" in each for each in lacks)
            cursor.connection.rollback()


def test_a_stored_generated_column_lands_from_version_18_on_in_snapshot_and_stream_alike(
    older: Source, newest: Source
) -> None:
    names = "SELECT DISTINCT op, array_agg(key ORDER BY key) FROM bronze.br_sum_cdc, jsonb_object_keys(full_row) AS key GROUP BY lsn, seq, op"
    for source, columns in ((older, ["a", "b"]), (newest, ["a", "b", "twice"])):
        source.run("UPDATE sum SET b = b + 1")
        with source.named(), server.session(source.lab.warehouse_url) as cursor:
            source.lab.capture(merging=True)
            cursor.execute(names)
            assert sorted(cursor.fetchall()) == [("R", columns), ("U", columns)]
            cursor.execute("SELECT * FROM silver.sum LIMIT 1")
            assert [each.name for each in cursor.description if each.name in ("a", "b", "twice")] == columns


def test_no_query_of_ours_is_compiled_for_longer_than_it_runs(older: Source) -> None:
    """PostgreSQL with LLVM would compile the checks of a source, for seconds."""
    assert asked(older.url, "SHOW jit") == "off"
    with slot.replicating(older.url) as stream:
        stream.execute("SHOW jit")
        assert stream.fetchone() == ("off",)


LEFT = ("SELECT array_agg(ROW(oid, xmin)::text ORDER BY oid) FROM pg_publication",
        "SELECT array_agg(slot_name::text ORDER BY slot_name) FROM pg_replication_slots",
        "SELECT array_agg(ROW(oid, xmin)::text ORDER BY oid) FROM pg_class")  # fmt: skip


@pytest.mark.slow
def test_an_older_server_is_watched_and_left_as_it_was(older: Source) -> None:
    """A table is added meanwhile."""
    lab = Medallion.open(f"watched_{WORKER}", source=libpq(older.url), tables=["sum", "line", "typed.*"])
    before = [asked(older.url, query) for query in LEFT]
    try:
        assert len(lab.watch(yes=True).tables.versioned) == 3
        older.run("UPDATE sum SET b = 5 WHERE a = 1; INSERT INTO line VALUES (70, '', ''); INSERT INTO typed.every_type (id) VALUES (-1)")
        assert lab.capture(merging=True).rows == 3
        lab.add(Asked(("sale",)), yes=True)
        older.run("INSERT INTO sale VALUES (70, '2024-01-01', '70')")
        assert lab.capture(merging=True).rows == 1
        assert lab.verify() == []
    finally:
        lab.unwatch(drop_warehouse=True, yes=True)
        lab.close()
    assert [asked(older.url, query) for query in LEFT] == before
