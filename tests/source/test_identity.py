"""Values of 46 types land whole, from log and snapshot."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql
from test_commands import REMEDY

from medallion_lib import Medallion, MedallionError, server
from medallion_lib.bronze import landing
from medallion_lib.source.catalog import Catalog
from medallion_lib.source.pgoutput import Relation
from medallion_lib.source.slot import to_paste
from medallion_lib.shop.year import LAST_LINE
from medallion_lib.tables import Column, Table, Tables

pytestmark = pytest.mark.long(1)

Change = tuple[str, dict[str, Any]]


class Shop:
    """One source and warehouse for all of these tests; each declares tables of its own."""

    def __init__(self, lab: Medallion) -> None:
        self.lab = lab

    def declare(self, ddl: str, *captured: Table) -> None:
        """Make source tables, and capture them and no other from now on."""
        self.run(ddl)
        self.lab.declared = Tables(captured)
        self.resnapshot()

    def resnapshot(self) -> None:
        self.begun = self.lab.capture(resnapshot=True, yes=True).lsn

    def in_warehouse(self, statement: str) -> None:
        with server.session(self.lab.warehouse_url) as cursor:
            cursor.execute(statement)

    def run(self, *transactions: str) -> None:
        """Each in a transaction of its own."""
        for statements in transactions:
            with server.session(self.lab.source_url) as cursor:
                cursor.execute(statements)

    def ask(self, query: str) -> list[tuple]:
        """Of the source, where names and values print as capture has them."""
        with server.session(self.lab.source_url) as cursor:
            cursor.execute("SET search_path = ''")
            cursor.execute(query)
            return cursor.fetchall()

    def printed(self, values: list[str | None], kind: str) -> list[str | None]:
        """The values as PostgreSQL prints their type."""
        with server.session(self.lab.source_url) as cursor:
            cursor.execute(f"SELECT format('%%s', v::{kind}) FROM unnest(%s) AS v", (values,))
            return [text or None for (text,) in cursor]

    def bronze(self, name: str, where: str) -> list[Change]:
        """Each op and row, the row's values as text."""
        query = sql.SQL(
            "SELECT op, (SELECT json_object_agg(key, value) FROM jsonb_each_text(full_row)) "
            f"FROM {{}} WHERE {where} ORDER BY lsn, seq")  # fmt: skip
        with server.session(self.lab.warehouse_url) as cursor:
            cursor.execute(query.format(sql.Identifier("bronze", f"br_{name}_cdc")))
            return cursor.fetchall()

    def landed(self, name: str) -> list[Change]:
        """What came after the last snapshot."""
        return self.bronze(name, f"lsn >= {self.begun}")

    def live(self, name: str) -> list[dict[str, Any]]:
        """The rows that are there, by what bronze has of each id, a snapshot's included."""
        rows: dict[str, dict[str, Any]] = {}
        for op, row in self.bronze(name, "true"):
            if op == "T":
                rows.clear()
            elif op == "D":
                del rows[row["id"]]
            else:
                rows[row["id"]] = row
        return [rows[number] for number in sorted(rows)]

    def at_source(self, name: str) -> list[dict[str, Any]]:
        return [row for (row,) in self.ask(
            "SELECT (SELECT json_object_agg(key, value) FROM jsonb_each_text(to_jsonb(t))) "
            f"FROM public.{name} AS t ORDER BY id::text COLLATE \"C\"")]  # fmt: skip

    def follow(self, message: str) -> None:
        """Type what a refusal says: its SQL in the source, its command here."""
        for statement in re.findall(r"^    ([A-Z].*?;)$", message, re.MULTILINE | re.DOTALL):
            self.run(statement)
        self.resnapshot()

    def refused(self, resnapshot: bool = False, yes: bool = False) -> str:
        """What a capture that must fail says."""
        with pytest.raises(MedallionError) as caught:
            self.lab.capture(resnapshot=resnapshot, yes=yes)
        return str(caught.value)


@pytest.fixture(scope="module")
def opened() -> Iterator[Medallion]:
    """For a table that no test is of."""
    tables = Tables((Table("language", ("language_id",)),))
    lab = Medallion.open(f"identity_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}", tables=tables)
    lab.reset()
    yield lab
    lab.close()
    lab.drop()


@pytest.fixture
def shop(opened: Medallion) -> Shop:
    return Shop(opened)


# Replica identity and key: the same changes of sixteen tables, made in the same transactions

# An update that leaves `long` alone does not log it: it is stored EXTERNAL.
IDENTITIES = {
    "full": "ALTER TABLE {t} REPLICA IDENTITY FULL",
    "default": "",
    "index": "ALTER TABLE {t} DROP CONSTRAINT {t}_pkey; CREATE UNIQUE INDEX {t}_key ON {t} ({key}); "
             "ALTER TABLE {t} REPLICA IDENTITY USING INDEX {t}_key",
    "wider": "CREATE UNIQUE INDEX {t}_wider ON {t} (n, {key}); "
             "ALTER TABLE {t} REPLICA IDENTITY USING INDEX {t}_wider",
}  # fmt: skip
HUGE = "".join(random.Random(1).choices("0123456789abcdef", k=2500))  # a key that is TOASTed itself
KEYS = {  # its columns, their names, and two values of it
    "number": ("id integer NOT NULL", ("id",), ("1", "2")),
    "text": ("id text STORAGE EXTERNAL NOT NULL", ("id",), (f"'{HUGE}'", "'it''s \"1\" \\ % {}'")),
    "empty": ("id text NOT NULL", ("id",), ("''", "' '")),
    "uuid": ("id uuid NOT NULL", ("id",), tuple(f"'{n}0ffee00-0000-0000-0000-000000000000'" for n in "ab")),
    "pair": ("region text NOT NULL, id integer NOT NULL", ("region", "id"), ("'north', 1", "'south', 1")),
    "scale": ("id numeric NOT NULL", ("id",), ("1.0", "1.00")),
}  # fmt: skip
WORKLOAD = (
    "INSERT INTO {t} VALUES ({a}, repeat('x', 3000), 'new', 1)",
    "UPDATE {t} SET note = 'edited'",
    "UPDATE {t} SET ({key}) = ROW ({b}), note = 'moved'",
    "UPDATE {t} SET note = NULL, n = 2",
    "DELETE FROM {t}",
    "INSERT INTO {t} VALUES ({b}, repeat('x', 3000), 'again', 1); UPDATE {t} SET note = 'edited'; "
    "UPDATE {t} SET ({key}) = ROW ({a}); UPDATE {t} SET n = 3; DELETE FROM {t}; "
    "INSERT INTO {t} VALUES ({a}, repeat('y', 3000), 'third', 1); UPDATE {t} SET note = 'edited'",
    "TRUNCATE {t}; INSERT INTO {t} VALUES ({a}, repeat('x', 3000), 'fresh', 1); UPDATE {t} SET n = 4; "
    "SAVEPOINT s; UPDATE {t} SET long = 'lost'; DELETE FROM {t}; ROLLBACK TO s; UPDATE {t} SET note = 'kept'",
)
LANDED = (  # op, key, long, note, n
    ("I", "a", "x", "new", "1"), ("U", "a", "x", "edited", "1"),
    ("D", "a", "x", "edited", "1"), ("I", "b", "x", "moved", "1"),
    ("U", "b", "x", None, "2"), ("D", "b", "x", None, "2"),
    ("I", "b", "x", "again", "1"), ("U", "b", "x", "edited", "1"), ("D", "b", "x", "edited", "1"),
    ("I", "a", "x", "edited", "1"), ("U", "a", "x", "edited", "3"), ("D", "a", "x", "edited", "3"),
    ("I", "a", "y", "third", "1"), ("U", "a", "y", "edited", "1"),
    ("T",), ("I", "a", "x", "fresh", "1"), ("U", "a", "x", "fresh", "4"), ("U", "a", "x", "kept", "4"),
)  # fmt: skip


@pytest.mark.parametrize("captured", [
    "after each transaction", *(pytest.param(each, marks=pytest.mark.slow) for each in ("once", "in batches of one row"))])
def test_every_change_lands_whole_whatever_the_log_leaves_out(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, captured: str
) -> None:
    ddl, declared, facts = [], [], []
    for identity, alter in IDENTITIES.items():
        for kind, (columns, names, (a, b)) in KEYS.items():
            t, key = f"{captured[0]}{captured[-1]}_{identity}_{kind}", ", ".join(names)
            ddl.append(f"CREATE TABLE {t} ({columns}, long text STORAGE EXTERNAL, note text, "
                       f"n integer NOT NULL, PRIMARY KEY ({key}))")  # fmt: skip
            ddl.append(alter.format(t=t, key=key))
            declared.append(Table(t, names))
            facts.append({"t": t, "key": key, "a": a, "b": b})
    shop.declare(";\n".join(ddl), *declared)
    if captured == "in batches of one row":
        monkeypatch.setattr(landing, "BATCH_ROWS", 1)
    for transaction in WORKLOAD:
        shop.run(";\n".join(transaction.format(**each) for each in facts))
        if captured == "after each transaction":
            shop.lab.capture()
    shop.lab.capture()
    for table, each in zip(declared, facts, strict=True):
        letters = {shop.ask("SELECT {}".format(", ".join(f"({value})::text" for value in each[letter].split(", "))))[0]: letter for letter in "ab"}
        found = [
            (op, letters[tuple(row[name] for name in table.key)], row["long"][0], row["note"], row["n"])
            if row else (op,) for op, row in shop.landed(table.name)
        ]  # fmt: skip
        assert found == list(LANDED), table.name
        assert {len(row["long"]) for _, row in shop.landed(table.name) if row} == {3000}


def test_the_old_row_is_the_last_also_when_the_log_ceases_to_have_it(shop: Shop) -> None:
    shop.declare("CREATE TABLE ceasing (id integer PRIMARY KEY, note text); "
                 "ALTER TABLE ceasing REPLICA IDENTITY FULL", Table("ceasing", ("id",)))  # fmt: skip
    shop.run("INSERT INTO ceasing VALUES (1, 'landed')")
    shop.lab.capture()
    shop.run(
        "UPDATE ceasing SET note = 'not yet sent'; INSERT INTO ceasing VALUES (2, 'nor this')",
        "ALTER TABLE ceasing REPLICA IDENTITY DEFAULT",
        "DELETE FROM ceasing",
    )
    shop.lab.capture()
    assert shop.landed("ceasing")[-2:] == [
        ("D", {"id": "1", "note": "not yet sent"}), ("D", {"id": "2", "note": "nor this"})
    ]  # fmt: skip


def test_a_key_whose_text_no_index_holds_is_refused_in_the_snapshot_and_in_the_log(shop: Shop) -> None:
    """1,600 bytes of bytea, which an index at the source does hold, are text of 3,202."""
    tables, long = Table("wordy", ("id",)), "(SELECT decode(string_agg(md5(n::text), ''), 'hex') FROM generate_series(1, 100) AS n)"
    shop.declare("CREATE TABLE wordy (id bytea PRIMARY KEY)", tables)
    shop.run(f"INSERT INTO wordy VALUES ({long})")
    told = "A row of wordy has a key whose text is too long for bronze to find it by: index row size 32"
    assert told in shop.refused()
    assert told in shop.refused(resnapshot=True, yes=True)
    shop.run("DELETE FROM wordy")
    shop.resnapshot()


def test_an_old_row_that_bronze_does_not_know_is_refused_and_the_remedy_helps(shop: Shop) -> None:
    shop.declare("CREATE TABLE forgotten (id integer PRIMARY KEY, long text STORAGE EXTERNAL)",
                 Table("forgotten", ("id",)))  # fmt: skip
    shop.run("INSERT INTO forgotten VALUES (1, repeat('x', 3000))")
    shop.lab.capture()
    shop.run("ALTER TABLE forgotten RENAME long TO longer; ALTER TABLE forgotten ADD n integer",
             "UPDATE forgotten SET n = 1")  # fmt: skip
    message = shop.refused()
    assert 'a row of "public"."forgotten" only by its key, {"id": 1}' in message
    shop.follow(message)
    shop.run("UPDATE forgotten SET n = 2")
    shop.lab.capture()
    assert shop.landed("forgotten") == [("U", {"id": "1", "longer": "x" * 3000, "n": "2"})]


UNFIT = {
    "nothing": "ALTER TABLE {t} REPLICA IDENTITY NOTHING",
    "no key": "ALTER TABLE {t} DROP CONSTRAINT {t}_pkey",
    "another index": "CREATE UNIQUE INDEX {t}_code ON {t} (code); "
                     "ALTER TABLE {t} REPLICA IDENTITY USING INDEX {t}_code",
    "an index that includes it": "CREATE UNIQUE INDEX {t}_code ON {t} (code) INCLUDE (id); "
                                 "ALTER TABLE {t} REPLICA IDENTITY USING INDEX {t}_code",
    "a key checked late": "ALTER TABLE {t} DROP CONSTRAINT {t}_pkey, ADD PRIMARY KEY (id) DEFERRABLE",
    "an index dropped": "CREATE UNIQUE INDEX {t}_code ON {t} (code, id); "
                        "ALTER TABLE {t} REPLICA IDENTITY USING INDEX {t}_code; DROP INDEX {t}_code",
}  # fmt: skip


@pytest.mark.parametrize("unfit", UNFIT)
def test_a_table_whose_old_rows_would_not_be_known_is_refused_with_the_statement(
    shop: Shop, unfit: str
) -> None:
    t = f"unfit {unfit}".replace(" ", "_")
    made = f"CREATE TABLE {t} (id integer PRIMARY KEY, code integer NOT NULL); {UNFIT[unfit]}"
    with pytest.raises(MedallionError) as caught:
        shop.declare(made.format(t=t), Table(t, ("id",)))
    message = str(caught.value)
    assert f"would not log which row of {t} a change is of" in message
    shop.follow(message)
    shop.run(f"INSERT INTO {t} VALUES (1, 1); UPDATE {t} SET code = 2; DELETE FROM {t}")
    shop.lab.capture()
    assert [op for op, _ in shop.landed(t)] == ["I", "U", "D"]


def test_a_table_whose_own_changes_would_fail_for_a_virtual_column_is_refused(shop: Shop) -> None:
    """PostgreSQL 18 changes no row of a published table that logs old rows whole and has one."""
    made = "CREATE TABLE shown (id integer {}, n integer, twice integer GENERATED ALWAYS AS (n * 2) VIRTUAL)"
    with pytest.raises(MedallionError, match=r"can't have its column twice, which is virtual.*leave the table out"):
        shop.declare(made.format("NOT NULL") + "; ALTER TABLE shown REPLICA IDENTITY FULL", Table("shown", ("id",)))
    shop.run("ALTER TABLE shown ADD PRIMARY KEY (id)")
    message = shop.refused(resnapshot=True, yes=True)
    assert "ALTER TABLE shown REPLICA IDENTITY USING INDEX shown_pkey;" in message
    shop.follow(message)
    shop.run("INSERT INTO shown VALUES (1, 1)", "UPDATE shown SET n = 2")
    shop.lab.capture()
    assert shop.landed("shown") == [("I", {"id": "1", "n": "1"}), ("U", {"id": "1", "n": "2"})]


def test_an_identity_that_comes_to_lack_the_key_is_refused_while_streaming(shop: Shop) -> None:
    shop.declare("CREATE TABLE lacking (id integer PRIMARY KEY, code integer NOT NULL UNIQUE)",
                 Table("lacking", ("id",)))  # fmt: skip
    shop.run("INSERT INTO lacking VALUES (1, 1)")
    shop.lab.capture()
    shop.run("ALTER TABLE lacking REPLICA IDENTITY USING INDEX lacking_code_key",
             "UPDATE lacking SET code = 2")  # fmt: skip
    message = shop.refused()
    assert 'which row of "public"."lacking" a change is of' in message
    assert [op for op, _ in shop.landed("lacking")] == ["I"]
    shop.follow(message)
    shop.run("DELETE FROM lacking")
    shop.lab.capture()
    assert shop.landed("lacking") == [("D", {"id": "1", "code": "2"})]


def test_a_table_that_the_log_has_nothing_of_is_refused(shop: Shop) -> None:
    declared = Table("half_logged", ("id",))
    with pytest.raises(MedallionError) as caught:
        shop.declare("CREATE TABLE half_logged (id integer PRIMARY KEY) PARTITION BY RANGE (id); "
                     "CREATE UNLOGGED TABLE half_1 PARTITION OF half_logged FOR VALUES FROM (1) TO (9)",
                     declared)  # fmt: skip
    assert "The log has nothing of half_1" in str(caught.value)
    shop.follow(str(caught.value))
    shop.run("INSERT INTO half_logged VALUES (1)")
    shop.lab.capture()
    assert shop.landed("half_logged") == [("I", {"id": "1"})]


def test_a_foreign_partition_is_refused(shop: Shop) -> None:
    with pytest.raises(MedallionError, match="The log has nothing of far_1, which is a foreign table"):
        shop.declare("CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw; "
                     "CREATE TABLE far (id integer) PARTITION BY RANGE (id); "
                     "CREATE FOREIGN TABLE far_1 PARTITION OF far FOR VALUES FROM (1) TO (9) SERVER far",
                     Table("far", ("id",)))  # fmt: skip


def test_a_partition_is_not_captured_by_itself(shop: Shop) -> None:
    with pytest.raises(MedallionError, match=r"is a partition of whole\. Declare that"):
        shop.declare("CREATE TABLE whole (id integer PRIMARY KEY) PARTITION BY RANGE (id); "
                     "CREATE TABLE whole_1 PARTITION OF whole FOR VALUES FROM (1) TO (9)",
                     Table("whole_1", ("id",)))  # fmt: skip


# Partitions and TRUNCATE

REGIONS = """
    CREATE TABLE {t} (id integer, region text, n integer) PARTITION BY LIST (region);
    CREATE TABLE {t}_north PARTITION OF {t} FOR VALUES IN ('north', 'far north');
    CREATE TABLE {t}_south PARTITION OF {t} FOR VALUES IN ('south') PARTITION BY HASH (id);
    CREATE TABLE {t}_south_0 PARTITION OF {t}_south FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE {t}_south_1 PARTITION OF {t}_south FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY RANGE (n);
    CREATE TABLE {t}_south_1_low PARTITION OF {t}_south_1 FOR VALUES FROM (MINVALUE) TO (5);
    CREATE TABLE {t}_south_1_high PARTITION OF {t}_south_1 FOR VALUES FROM (5) TO (MAXVALUE);
    CREATE TABLE {t}_other PARTITION OF {t} DEFAULT;
    DO $$ DECLARE leaf regclass; BEGIN
        FOR leaf IN SELECT relid FROM pg_partition_tree('{t}') WHERE isleaf LOOP
            EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', leaf);
        END LOOP;
    END $$
"""
REGION_ROWS = """
    ('1', 'north', 1), (2, 'far north', 2), (3, 'south', 3), (4, 'south', 4), (5, 'south', 7),
    (6, 'south', 9), (10, 'south', 1), (12, 'south', 6), (7, 'west', 1), (8, NULL, NULL)
"""
LEAVES = ("north", "south_0", "south_1_low", "south_1_high", "other")


@pytest.mark.first(3)
@pytest.mark.parametrize("emptied", [
    *LEAVES, "south", "south_1", "north, {t}_other", "south_0, {t}_south_1_low", "north, {t}_south",
])  # fmt: skip
def test_truncating_partitions_deletes_exactly_their_rows(shop: Shop, emptied: str) -> None:
    t = "from_" + re.sub(r"\W+", "_", emptied.replace("{t}_", "and "))
    shop.declare(REGIONS.format(t=t), Table(t, ("id",)))
    shop.run(f"INSERT INTO {t} VALUES {REGION_ROWS}", f"UPDATE {t} SET n = n + 1 WHERE id IN (1, 4)")
    before = dict(shop.ask(f"SELECT id::text, to_jsonb(t)::text FROM public.{t} AS t"))
    shop.run(f"DELETE FROM {t} WHERE id = 2; TRUNCATE {t}_{emptied.format(t=t)}; "
             f"INSERT INTO {t} VALUES (9, 'north', 0)")  # fmt: skip
    shop.lab.capture()
    changes = [(op, row and row["id"]) for op, row in shop.landed(t)]
    last = changes[changes.index(("D", "2")) + 1 :]  # in the transaction that truncates
    kept = {row for (row,) in shop.ask(f"SELECT id::text FROM public.{t}")}
    assert sorted(last) == [("D", number) for number in sorted(before.keys() - kept - {"2"})] + [("I", "9")]
    assert 2 <= len(last) <= 9, "some rows go, and not all"
    assert shop.live(t) == shop.at_source(t)


def test_a_truncated_table_is_emptied_once_also_where_partitions_were_added_since(shop: Shop) -> None:
    shop.declare(REGIONS.format(t="whole_t"), Table("whole_t", ("id",)))
    shop.run(f"INSERT INTO whole_t VALUES {REGION_ROWS}", "TRUNCATE whole_t")
    shop.lab.capture()
    assert [op for op, _ in shop.landed("whole_t")] == ["I"] * 10 + ["T"]
    shop.run(f"INSERT INTO whole_t VALUES {REGION_ROWS}", "TRUNCATE ONLY whole_t_north; DELETE FROM whole_t WHERE id = 3",
             "CREATE TABLE whole_t_east PARTITION OF whole_t FOR VALUES IN ('east'); "
             "ALTER TABLE whole_t_east REPLICA IDENTITY FULL",
             "INSERT INTO whole_t VALUES (1, 'east', 1), (2, 'north', 1)")  # fmt: skip
    shop.lab.capture()
    assert shop.live("whole_t") == shop.at_source("whole_t")
    shop.run("TRUNCATE whole_t_north, whole_t_south, whole_t_other, whole_t_east",
             "INSERT INTO whole_t VALUES (1, 'east', 1)")  # fmt: skip
    shop.lab.capture()
    assert [op for op, _ in shop.landed("whole_t")][-2:] == ["T", "I"]
    assert shop.live("whole_t") == shop.at_source("whole_t")


def test_a_default_partition_truncated_and_then_divided_is_refused(shop: Shop) -> None:
    """What the partition for the rest held then is not what its bounds say now."""
    shop.declare(REGIONS.format(t="divided"), Table("divided", ("id",)))
    shop.run(f"INSERT INTO divided VALUES {REGION_ROWS}")
    shop.lab.capture()
    shop.run("TRUNCATE divided_other",
             "CREATE TABLE divided_west PARTITION OF divided FOR VALUES IN ('west'); "
             "ALTER TABLE divided_west REPLICA IDENTITY FULL",
             "INSERT INTO divided VALUES (9, 'west', 1)")  # fmt: skip
    before = shop.live("divided")
    message = shop.refused()
    assert "A partition of divided was truncated" in message
    assert shop.live("divided") == before
    shop.follow(message)
    assert shop.live("divided") == shop.at_source("divided")
    shop.run("TRUNCATE divided_other, divided_west")
    shop.lab.capture()
    assert shop.live("divided") == shop.at_source("divided")


def test_the_partitions_column_may_change_its_name_and_others_their_type(shop: Shop) -> None:
    """Rows landed before have values that would not fit the table as it is now."""
    shop.declare(REGIONS.format(t="altered"), Table("altered", ("id",)))
    shop.run("ALTER TABLE altered ADD size text", "INSERT INTO altered VALUES (1, 'north', 1, 'large'), (2, 'west', 1, 'small')")
    shop.lab.capture()
    shop.run("ALTER TABLE altered ALTER size TYPE integer USING length(size)",
             "CREATE DOMAIN present AS text NOT NULL DEFAULT 'x'; ALTER TABLE altered ADD extra present",
             "TRUNCATE altered_north")  # fmt: skip
    shop.lab.capture()
    assert [row["id"] for row in shop.live("altered")] == ["2"]
    shop.run("ALTER TABLE altered RENAME region TO area", "TRUNCATE altered_other")
    message = shop.refused()
    assert "A partition of altered was truncated" in message
    shop.follow(message)
    assert shop.live("altered") == shop.at_source("altered") == []


def test_a_partition_truncated_whose_bounds_nobody_can_read_is_refused(shop: Shop) -> None:
    """PostgreSQL has no operator for what it prints: a domain over an enum, beside another."""
    shop.declare("CREATE TYPE size AS ENUM ('small', 'large'); CREATE DOMAIN fit AS size; "
                 "CREATE TABLE sized (id integer, fit fit) PARTITION BY RANGE (fit); "
                 "CREATE TABLE sized_small PARTITION OF sized FOR VALUES FROM ('small') TO ('large'); "
                 "CREATE TABLE sized_rest PARTITION OF sized DEFAULT; ALTER TABLE sized_small REPLICA IDENTITY FULL; "
                 "ALTER TABLE sized_rest REPLICA IDENTITY FULL", Table("sized", ("id",)))  # fmt: skip
    shop.run("INSERT INTO sized VALUES (1, 'small'), (2, 'large')", "TRUNCATE sized_small")
    message = shop.refused()
    assert "its bounds can't be read: operator does not exist: fit pg_catalog." in message
    shop.follow(message)
    assert [row["id"] for row in shop.live("sized")] == ["2"]
    assert shop.live("sized") == shop.at_source("sized")


@pytest.mark.first(1)
@pytest.mark.parametrize("end", ["DROP TABLE {t}_north", "ALTER TABLE {t} DETACH PARTITION {t}_north"])
@pytest.mark.parametrize("written", ["TRUNCATE {t}_north", "UPDATE {t} SET n = 0 WHERE id = 1"])
def test_a_partition_changed_and_then_gone_is_refused(shop: Shop, end: str, written: str) -> None:
    t = f"gone_{end.split()[0]}_{written.split()[0]}".lower()
    shop.declare(REGIONS.format(t=t), Table(t, ("id",)))
    shop.run(f"INSERT INTO {t} VALUES {REGION_ROWS}")
    shop.lab.capture()
    before = shop.live(t)
    shop.run(written.format(t=t), end.format(t=t))
    message = shop.refused()
    assert f'"public"."{t}_north", which is not captured, or was dropped or detached' in message
    assert f"    {REMEDY} capture --resnapshot" in message
    assert shop.live(t) == before
    shop.follow(message)
    assert [row["id"] for row in shop.live(t)] == ["10", "12", "3", "4", "5", "6", "7", "8"]
    assert shop.live(t) == shop.at_source(t)


def test_a_partition_that_goes_while_its_end_is_read_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.declare(REGIONS.format(t="going"), Table("going", ("id",)))
    shop.run(f"INSERT INTO going VALUES {REGION_ROWS}")
    shop.lab.capture()
    shop.run("TRUNCATE going_north")
    look_up = Catalog.captured

    def gone_since(catalog: Catalog, relation: Relation) -> Table:
        table = look_up(catalog, relation)
        shop.run(f"ALTER TABLE going DETACH PARTITION {relation.name}")
        return table

    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "captured", gone_since)
        message = shop.refused()
    assert "A partition of going was truncated. Which rows it held is not known: a partition was dropped" in message
    assert len(shop.live("going")) == 10
    shop.follow(message)
    assert shop.live("going") == shop.at_source("going") != []


def test_partitions_added_later_or_attached_with_columns_in_another_order_land_alike(shop: Shop) -> None:
    shop.declare(REGIONS.format(t="grown"), Table("grown", ("id",)))
    shop.run("CREATE TABLE grown_east PARTITION OF grown FOR VALUES IN ('east'); "
             "ALTER TABLE grown_east REPLICA IDENTITY FULL",
             "CREATE TABLE grown_up (n integer, dropped text, region text, id integer); "
             "ALTER TABLE grown_up DROP dropped, REPLICA IDENTITY FULL; "
             "ALTER TABLE grown ATTACH PARTITION grown_up FOR VALUES IN ('up')",
             "INSERT INTO grown VALUES (1, 'north', 5), (2, 'east', 6), (3, 'up', 7)",
             "UPDATE grown SET region = 'up' WHERE id = 1",
             "UPDATE grown SET region = 'south' WHERE id = 3; UPDATE grown SET n = 8 WHERE id = 2")  # fmt: skip
    shop.lab.capture()
    assert [(op, row["id"], row["region"], row["n"]) for op, row in shop.landed("grown")] == [
        ("I", "1", "north", "5"), ("I", "2", "east", "6"), ("I", "3", "up", "7"),
        ("D", "1", "north", "5"), ("I", "1", "up", "5"),
        ("D", "3", "up", "7"), ("I", "3", "south", "7"), ("U", "2", "east", "8"),
    ]  # fmt: skip
    assert shop.live("grown") == shop.at_source("grown")
    assert {tuple(sorted(row)) for row in shop.live("grown")} == {("id", "n", "region")}


def test_a_row_moves_between_partitions_that_log_their_old_rows_in_other_ways(shop: Shop) -> None:
    shop.declare("CREATE TABLE moving (id integer, region text, long text STORAGE EXTERNAL, "
                 "PRIMARY KEY (region, id)) PARTITION BY LIST (region); "
                 "CREATE TABLE moving_a PARTITION OF moving FOR VALUES IN ('a'); "
                 "CREATE TABLE moving_b PARTITION OF moving FOR VALUES IN ('b'); "
                 "ALTER TABLE moving_a REPLICA IDENTITY FULL", Table("moving", ("region", "id")))  # fmt: skip
    shop.run("INSERT INTO moving VALUES (1, 'a', repeat('x', 3000)), (2, 'b', repeat('y', 3000))",
             "UPDATE moving SET region = CASE region WHEN 'a' THEN 'b' ELSE 'a' END",
             "UPDATE moving SET region = CASE region WHEN 'a' THEN 'b' ELSE 'a' END; "
             "UPDATE moving SET id = id + 2; DELETE FROM moving WHERE id = 3")  # fmt: skip
    shop.lab.capture()
    changes = shop.landed("moving")
    assert shop.live("moving") == shop.at_source("moving")
    assert [row["id"] for row in shop.live("moving")] == ["4"]
    assert {(row["id"], row["long"][0], len(row["long"])) for _, row in changes} == {
        ("1", "x", 3000), ("2", "y", 3000), ("3", "x", 3000), ("4", "y", 3000)}  # fmt: skip
    assert [op for op, _ in changes].count("D") == 7


def test_several_tables_are_truncated_at_once_and_with_cascade(shop: Shop) -> None:
    shop.declare("CREATE TABLE parent (id integer PRIMARY KEY); "
                 "CREATE TABLE child (id integer PRIMARY KEY, of integer REFERENCES parent); "
                 "CREATE TABLE alone (id integer PRIMARY KEY); CREATE TABLE unseen (id integer REFERENCES parent)",
                 *(Table(name, ("id",)) for name in ("parent", "child", "alone")))  # fmt: skip
    fill = "INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1); INSERT INTO alone VALUES (1)"
    shop.run(fill, "TRUNCATE parent CASCADE", "DELETE FROM alone", fill,
             "TRUNCATE alone, parent, child, unseen RESTART IDENTITY; INSERT INTO alone VALUES (2)")  # fmt: skip
    shop.lab.capture()
    ops = {name: "".join(op for op, _ in shop.landed(name)) for name in ("parent", "child", "alone")}
    assert ops == {"parent": "ITIT", "child": "ITIT", "alone": "IDITI"}


# Types: streamed, in a snapshot, and as the source prints it

PLANES = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0x20, 0xE9, 0x3042, 0xFFFD))
TYPES = {  # a column of each, and values of it as SQL
    "small": ("smallint", "-32768", "32767"),
    "wide": ("bigint", "-9223372036854775808", "9007199254740993"),
    "exact": ("numeric", "'NaN'", "'-Infinity'", "'Infinity'", "-0.00", "1.50", "1e-100", "1e40 + 0.1",
              "repeat('9', 5000)::numeric / 1e300"),
    "scaled": ("numeric(6, 2)", "0.10", "-9999.99"),
    "double": ("double precision", "'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "5e-324", "1.7976931348623157e308",
               "0.1", "1e15", "1e16"),
    "single": ("real", "'NaN'", "'-0'", "1e-45", "3.4028235e38", "0.1"),
    "truth": ("boolean", "true", "false"),
    "letters": ("text", "''", "' '", "'null'", "E'\\\\N \\\\ \\b\\f\\n\\r\\t\\x01\\x7f \"q\" ''q'' {} % %s'", f"'{PLANES}'"),
    "padded": ("char(5)", "''", "'ab'", "'ab   '"),
    "capped": ("varchar(9)", "''", "'grüße 😀'"),
    "one": ('"char"', "'x'", "''"),
    "called": ("name", "'a b'"),
    "bytes": ("bytea", "'\\x'", "'\\x00ff5c27'"),
    "day": ("date", "'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'2024-02-29'"),
    "moment": ("timestamptz", "'infinity'", "'-infinity'", "'0044-03-15 12:00:00.000001 BC'", "'294276-12-31'"),
    "local": ("timestamp", "'infinity'", "'-infinity'", "'0001-01-01 BC'", "'2023-07-01 00:00:00.1'"),
    "hour": ("time", "'24:00'", "'00:00:00.000001'"),
    "zoned": ("timetz", "'23:59:59.999999-11:30'"),
    "span": ("interval", "'1 year -2 days 03:04:05.678'", "'infinity'", "'-178000000 years'"),
    "cash": ("money", "'-$92,233,720,368,547,758.08'", "0.01::money"),
    "bits": ("bit(3)", "B'101'"),
    "more_bits": ("varbit", "B''", "B'10'"),
    "host": ("inet", "'::1/64'", "'10.0.0.1'"),
    "card": ("macaddr8", "'08:00:2b:01:02:03:04:05'"),
    "uid": ("uuid", "'c0ffee00-0000-0000-0000-000000000000'"),
    "as_text": ("json", "'null'", "'{\"b\": 1,  \"a\":[1.0, null], \"a\": \"\\u00e9\"}'", "'\"\"'"),
    "as_tree": ("jsonb", "'null'", "'{\"b\": 1.00, \"a\": [1e400, null, \"\\\\\"]}'", "'\"null\"'", "'[]'"),
    "words": ("tsvector", "'fat:2A cat:3 ''it''''s'':4'", "''"),
    "query": ("tsquery", "'fat & !cat'"),
    "feeling": ("typed.mood", "'so so'", "'it''s, {\"great\"}'"),
    "feelings": ("typed.mood[]", "'{}'", "ARRAY['so so', NULL, 'it''s, {\"great\"}']::typed.mood[]"),
    "grid": ("integer[]", "'[0:1][2:3]={{1,2},{3,NULL}}'"),
    "texts": ("text[]", "ARRAY['', NULL, 'NULL', 'a,b', '{\"c\"}', E'\\\\']"),
    "pair": ("typed.pair", "ROW(1, '')", "ROW(NULL, NULL)", "ROW(2, 'a \"b\", (c)')"),
    "pairs": ("typed.pair[]", "ARRAY[ROW(1, 'x'), NULL]::typed.pair[]"),
    "whole": ("typed.positive", "7"),
    "wholes": ("typed.positive[]", "'{7,8}'"),
    "few": ("typed.few", "'{1,2}'"),
    "deep": ("typed.deep", "'1.50'"),
    "yes": ("typed.yes", "true"),
    "span_of": ("int4range", "'[1,5)'", "'empty'", "'(,)'"),
    "spans_of": ("tstzmultirange", "'{[2023-01-01,2023-02-01),(2024-01-01,)}'", "'{}'"),
    "relation": ("regclass", "'pg_class'", "'public.customer'"),
    "number": ("oid", "4294967295"),
    "at": ("pg_lsn", "'16/B374D848'"),
    "spot": ("point", "'(1.5,-0)'"),
}  # fmt: skip
TYPED = """
    CREATE SCHEMA typed;
    CREATE TYPE typed.mood AS ENUM ('so so', 'it''s, {{"great"}}');
    CREATE TYPE typed.pair AS (a integer, b text);
    CREATE DOMAIN typed.positive AS integer CHECK (VALUE > 0);
    CREATE DOMAIN typed.few AS integer[] CHECK (cardinality(VALUE) < 9);
    CREATE DOMAIN typed.deeper AS numeric;
    CREATE DOMAIN typed.deep AS typed.deeper CHECK (VALUE > 0);
    CREATE DOMAIN typed.yes AS boolean;
    CREATE TABLE typed.every_type (id integer PRIMARY KEY, {columns},
        stored text GENERATED ALWAYS AS (id || ' stored') STORED,
        computed text GENERATED ALWAYS AS (id || ' computed') VIRTUAL)
"""


def test_a_row_of_every_type_is_the_same_streamed_snapped_and_at_the_source(shop: Shop) -> None:
    assert len({kind for kind, *_ in TYPES.values()}) == 46, "as the book says"
    columns = ", ".join(f"{name} {kind}" for name, (kind, *_) in TYPES.items())
    shop.declare(TYPED.format(columns=columns), Table("every_type", ("id",), "typed"))
    count = max(len(values) for _, *values in TYPES.values())
    for number in range(count + 1):  # the first row is null in every column
        values = {name: values[(number - 1) % len(values)] for name, (_, *values) in TYPES.items() if number}
        names = ", ".join(["id", *values])
        shop.run(f"INSERT INTO typed.every_type ({names}) VALUES ({', '.join([str(number), *values.values()])})")
    shop.run("INSERT INTO typed.every_type (id, letters, bytes, as_tree) VALUES (100, repeat('é\"\\😀', 800000), "
             "decode(repeat('00ff', 1500000), 'hex'), jsonb_build_object('a', repeat('x\"', 1000000)))")  # fmt: skip
    shop.lab.capture()
    kept = "(SELECT * FROM bronze.br_every_type_cdc WHERE op = '{}') AS {}"
    streamed = shop.landed("every_type")
    shop.resnapshot()
    snapped = shop.bronze("every_type", "op = 'R'")
    assert [row for _, row in streamed] == [row for _, row in snapped]
    assert len(snapped) == count + 2
    with server.session(shop.lab.warehouse_url) as cursor:
        cursor.execute(f"SELECT count(*) FROM {kept.format('I', 'a')} JOIN {kept.format('R', 'b')} USING (full_row)")
        assert cursor.fetchone() == (count + 2,), "the same jsonb"
    names = ["id", *TYPES, "stored"]
    assert {tuple(sorted(row)) for _, row in snapped} == {tuple(sorted(names))}
    for name in names:
        is_there = f"NOT {name} IS NULL OR pg_column_size({name}) > 0"  # a row of nulls is, too
        printed = shop.ask(f"SELECT CASE WHEN {is_there} THEN format('%s', {name}) END FROM typed.every_type ORDER BY id")
        found = [row[name] for _, row in snapped]
        if TYPES.get(name, ("",))[0] in BY_VALUE:
            found = shop.printed(found, TYPES[name][0])
        assert found == [text for (text,) in printed], name


BY_VALUE = ("boolean", "double precision", "real", "typed.yes")  # JSON writes 1e15 and t its own way


def test_a_domain_dropped_before_its_values_are_captured_was_what_it_was(shop: Shop) -> None:
    shop.declare("CREATE DOMAIN cents AS integer; CREATE DOMAIN price AS cents; CREATE DOMAIN fair AS boolean; "
                 "CREATE TABLE priced (id integer PRIMARY KEY, price price, fair fair)",
                 Table("priced", ("id",)))  # fmt: skip
    shop.run("INSERT INTO priced VALUES (1, 5, true)",
             "ALTER TABLE priced DROP price, DROP fair; DROP DOMAIN price, cents, fair",
             "INSERT INTO priced VALUES (2)")  # fmt: skip
    shop.lab.capture()
    with server.session(shop.lab.warehouse_url) as cursor:
        cursor.execute(f"SELECT full_row FROM bronze.br_priced_cdc WHERE lsn >= {shop.begun} ORDER BY lsn")
        assert cursor.fetchall() == [({"id": 1, "price": 5, "fair": True},), ({"id": 2},)]


# Names

HOSTILE = (
    "o'clock \"x\" \\ 100%% %s %(key)s {} {0} $1", "select", "Größe 😀 ﷽", "line\nbreak\ttab -- ;", ":x %", "-",
    "ü" * 28, "x" * 56,
)  # fmt: skip


def quoted(*names: str) -> str:
    return ".".join('"{}"'.format(name.replace('"', '""')) for name in names)


@pytest.mark.first(1)
@pytest.mark.parametrize("name", [HOSTILE[0], HOSTILE[-1], *(pytest.param(name, marks=pytest.mark.slow) for name in HOSTILE[1:-1])])
def test_names_of_any_kind_are_captured_snapped_verified_and_refused(shop: Shop, name: str) -> None:
    """Of the schema, the table, its key and other columns, its partitions and the silver table."""
    schema, silver = name[:30] + " s", name.encode()[:41].decode(errors="ignore")
    table, part = quoted(schema, name), quoted(schema, name[:20] + " part")
    key, other = quoted(name), quoted(name[:20] + " other")
    columns = Column(name, "text"), Column(name[:20] + " other", "integer"), Column("short", "varchar(3000)")
    captured = Table(name, (name[:20] + " other", name), schema, history=silver, columns=columns,
                     renamed={"short": ("long", "longer")})  # fmt: skip
    shop.declare(
        f"CREATE SCHEMA {quoted(schema)}; "
        f"CREATE TABLE {table} ({key} text, {other} integer, long text STORAGE EXTERNAL, "
        f"PRIMARY KEY ({other}, {key})) PARTITION BY RANGE ({other}); "
        f"CREATE TABLE {part} PARTITION OF {table} FOR VALUES FROM (1) TO (10); "
        f"CREATE TABLE {quoted(schema, name[:20] + ' rest')} PARTITION OF {table} DEFAULT; "
        f"INSERT INTO {table} VALUES ('snapped', 1, repeat('x', 3000)), ('kept', 11, '')", captured)  # fmt: skip
    shop.run(f"UPDATE {table} SET {key} = 'moved' WHERE {other} = 1",
             f"DELETE FROM {table} WHERE {other} = 1",
             f"INSERT INTO {table} VALUES ('it', 2, repeat('y', 3000)); TRUNCATE {part}",
             f"INSERT INTO {table} VALUES ('live', 3, '')")  # fmt: skip
    shop.lab.capture()
    assert [(op, row[name], len(row["long"])) for op, row in shop.bronze(name, "op <> 'T'")] == [
        ("R", "snapped", 3000), ("R", "kept", 0), ("D", "snapped", 3000), ("I", "moved", 3000),
        ("D", "moved", 3000), ("I", "it", 3000), ("D", "it", 3000), ("I", "live", 0)]  # fmt: skip
    shop.lab.rebuild()
    assert shop.lab.verify() == []
    shop.in_warehouse(f"UPDATE silver.{quoted(silver)} SET short = 'more' WHERE {key} = 'kept'")
    assert shop.lab.verify() == [f'{silver}, {name[:20]} other 11, {name} kept: short is "" at the source, "more" in silver']
    shop.in_warehouse(f"UPDATE silver.{quoted(silver)} SET short = '' WHERE {key} = 'kept'")
    assert shop.lab.verify() == []
    shop.run(f"ALTER TABLE {table} ALTER {key} TYPE varchar(90); ALTER TABLE {table} RENAME long TO longer",
             f"UPDATE {table} SET longer = repeat('z', 3001) WHERE {other} = 3")  # fmt: skip
    shop.lab.capture()
    with pytest.raises(MedallionError, match=r"short is character varying\(3000\) there, and the source has 'z{99}…'") as caught:
        shop.lab.merge()
    assert f"does not fit {silver}: " in str(caught.value)
    shop.run(f"ALTER TABLE {table} RENAME {other} TO moved_on", f"DELETE FROM {table}")
    assert f"{name} has lost its key column {captured.key[0]}" in shop.refused()
    shop.run(f"ALTER TABLE {table} RENAME moved_on TO {other}; ALTER TABLE {part} REPLICA IDENTITY NOTHING")
    message = shop.refused(resnapshot=True, yes=True)
    assert "would not log which row of" in message
    shop.follow(message)
    shop.run(f"ALTER TABLE {part} REPLICA IDENTITY NOTHING", f"INSERT INTO {table} VALUES ('blind', 4, '')")
    message = shop.refused()
    assert f"which row of {part} a change is of" in message
    shop.follow(message)
    shop.lab.capture()
    assert [(op, row[name]) for op, row in shop.bronze(name, "op = 'R'")][-1] == ("R", "blind")
    wider = replace(captured, columns=(*columns[:2], Column("short", "varchar(3001)")))
    shop.lab.declared = Tables((wider,))
    shop.lab.rebuild()
    assert shop.lab.verify() == []


def test_a_statement_to_paste_has_every_name_whole_in_its_line(shop: Shop) -> None:
    names = *HOSTILE, "\\ \\+00000A \n", "\r\x0b\x1c\x85\u2028 \x1b[2J\u202e"
    (line, second) = to_paste("SELECT {}\n    FROM (SELECT) AS one".format(", ".join(f"1 AS {quoted(name)}" for name in names)))
    assert line.isprintable()
    with server.session(shop.lab.source_url) as cursor:
        cursor.execute(line + second)
        assert [column.name for column in cursor.description] == [*names]


def test_a_name_that_leaves_bronze_no_room_is_refused(shop: Shop) -> None:
    name = "ü" * 28 + "x"
    with pytest.raises(MedallionError, match=r"too long to capture: 56 bytes"):
        shop.declare(f"CREATE TABLE {name} (id integer PRIMARY KEY)", Table(name, ("id",)))


def test_a_name_that_leaves_its_history_no_room_is_refused_and_a_shorter_one_taken(shop: Shop) -> None:
    captured = Table("brief", ("id",), history="ü" * 20 + "xx")
    shop.declare("CREATE TABLE brief (id integer PRIMARY KEY)", captured)
    with pytest.raises(MedallionError, match=r'silver\."ü+xx" is too long.*at most 41 bytes'):
        shop.lab.rebuild()
    shop.lab.declared = Tables((replace(captured, history="ü" * 20 + "x"),))
    shop.lab.rebuild()
    shop.resnapshot()
    assert shop.lab.verify() == []


@pytest.mark.slow
def test_histories_of_long_names_that_begin_alike_are_rebuilt(shop: Shop) -> None:
    """Also in a schema whose name SQL must quote."""
    names = ["begins alike " * 3 + end for end in "ab"]
    tables = [Table(name, ("id",), history=name, silver_schema="S %" * 16) for name in names]
    shop.declare("; ".join(f'CREATE TABLE "{name}" (id integer PRIMARY KEY)' for name in names), *tables)
    shop.lab.rebuild()
    shop.run(f'INSERT INTO "{names[1]}" VALUES (1), (2)', f'DELETE FROM "{names[1]}" WHERE id = 2')
    shop.lab.capture(merging=True)
    assert [(each.rows, each.lost, each.gained) for each in shop.lab.rebuild()[:2]] == [(0, 0, 0), (2, 0, 0)]
    assert shop.lab.verify() == []


@pytest.mark.slow
def test_a_file_of_any_name_is_loaded_or_refused(shop: Shop, tmp_path: Path) -> None:
    dump = "COPY public.language (name) FROM stdin;\nLatin\n\\.\n"
    not_unicode = b"\xff\xfe.sql".decode(errors="surrogateescape")
    for name in ("it's \"100%\" {0} %s; -- $1.sql", "line\nbreak.sql", "größe 😀.sql", not_unicode, "-"):
        file = tmp_path / name
        with pytest.raises(MedallionError, match="There is no file") as caught:
            shop.lab.load(file)
        assert str(file) in str(caught.value)
        file.write_text(dump, encoding="utf-8")
        with pytest.raises(MedallionError, match="is not a whole dump") as caught:
            shop.lab.load(file)
        assert str(file) in str(caught.value)
        file.write_text(dump + LAST_LINE, encoding="utf-8")
        assert shop.lab.load(file) == 1


def test_a_declaration_without_a_table_is_refused(shop: Shop, tmp_path: Path) -> None:
    """Also a file that has another word for them, whose tables would go unseen."""
    lab, file = shop.lab, tmp_path / "tables.toml"
    with pytest.raises(MedallionError, match="No table is declared"):
        Medallion(lab.place, lab.name, Tables())
    file.write_text('[[tables]]\nname = "customer"\nkey = ["customer_id"]\n', encoding="utf-8")
    with pytest.raises(MedallionError, match=r"can't be read as a file of tables: it has tables\n"):
        Tables.from_toml(file)
    file.write_text('silver = []\n', encoding="utf-8")
    with pytest.raises(MedallionError, match="No table is declared"):
        Medallion(lab.place, lab.name, Tables.from_toml(file))


def test_a_file_that_cannot_be_read_is_refused(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(MedallionError, match="There is no file"):
        shop.lab.load(tmp_path / ("x" * 300))
    with pytest.raises(MedallionError, match="There is no file"):
        shop.lab.load(tmp_path)
    unreadable = Path("/proc/self/mem")
    if unreadable.exists():
        with pytest.raises(MedallionError, match=r"/proc/self/mem.*\nNothing was loaded"):
            shop.lab.load(unreadable)
