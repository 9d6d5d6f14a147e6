"""Whatever its key, replica identity, partitions, types and name, a declared table lands exactly."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg2 import sql
from test_commands import REMEDY

from medallion_lib import Medallion, MedallionError, databases, landing, server, steps, tables
from medallion_lib.tables import Captured

Change = tuple[str, dict[str, Any]]


class Shop:
    """One source and warehouse for all of these tests; each declares tables of its own."""

    def __init__(self, lab: Medallion, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lab, self.monkeypatch = lab, monkeypatch

    def declare(self, ddl: str, *captured: Captured) -> None:
        """Make source tables, and capture them and no other from now on."""
        self.run(ddl)
        self.monkeypatch.setattr(tables, "CAPTURED", captured)
        self.monkeypatch.setattr(tables, "VERSIONED", ())
        with server.session(self.lab.warehouse_url) as cursor:
            for table in captured:
                databases.make_bronze(cursor, table)
        self.resnapshot()

    def resnapshot(self) -> None:
        self.begun = self.lab.capture(resnapshot=True).lsn

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

    def refused(self, resnapshot: bool = False) -> str:
        """What a capture that must fail says."""
        with pytest.raises(MedallionError) as caught:
            self.lab.capture(resnapshot=resnapshot)
        return str(caught.value)


@pytest.fixture(scope="module")
def opened() -> Iterator[Medallion]:
    lab = Medallion.open(f"identity_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    lab.reset()
    yield lab
    lab.close()
    lab.drop()


@pytest.fixture
def shop(opened: Medallion, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(opened, monkeypatch)


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


@pytest.mark.parametrize("captured", ["once", "after each transaction", "in batches of one row"])
def test_every_change_lands_whole_whatever_the_log_leaves_out(shop: Shop, captured: str) -> None:
    ddl, declared, facts = [], [], []
    for identity, alter in IDENTITIES.items():
        for kind, (columns, names, (a, b)) in KEYS.items():
            t, key = f"{captured[0]}{captured[-1]}_{identity}_{kind}", ", ".join(names)
            ddl.append(f"CREATE TABLE {t} ({columns}, long text STORAGE EXTERNAL, note text, "
                       f"n integer NOT NULL, PRIMARY KEY ({key}))")  # fmt: skip
            ddl.append(alter.format(t=t, key=key))
            declared.append(Captured(t, names))
            facts.append({"t": t, "key": key, "a": a, "b": b})
    shop.declare(";\n".join(ddl), *declared)
    if captured == "in batches of one row":
        shop.monkeypatch.setattr(landing, "BATCH_ROWS", 1)
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
