"""A bank's tables are watched while pgbench writes them, and nothing is lost."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from one_server import directory
from psycopg2 import sql
from sqlalchemy import URL
from test_commands import begin, wait_until
from test_live import is_read
from test_random_schemas import WORKER, source_of

from medallion_lib import Medallion, databases, server, sqlfile
from medallion_lib.server import libpq
from medallion_lib.tables import Table, Tables
from medallion_lib.watch.plan import Asked

pytestmark = pytest.mark.long(1)

CLIENTS = 4
A_SECOND = 125  # transactions, of four changes each
BRANCHES, TELLERS = 5, 50
FILLED = """
INSERT INTO pgbench_branches (bid, bbalance) SELECT n, 0 FROM generate_series(1, {branches}) AS n;
INSERT INTO pgbench_tellers (tid, bid, tbalance) SELECT n, n % {branches} + 1, 0 FROM generate_series(1, {tellers}) AS n;
INSERT INTO pgbench_accounts (aid, bid, abalance, filler) SELECT n, n % {branches} + 1, 0, '' FROM generate_series(1, {accounts}) AS n;
ALTER TABLE pgbench_history REPLICA IDENTITY FULL;
"""
# One of TPC-B: the row of history says which rows of the other tables its transaction changed.
TRANSACTION = """
\\set aid random(1, {accounts})
\\set bid random(1, {branches})
\\set tid random(1, {tellers})
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, clock_timestamp());
END;
"""
LOG = ("tid", "bid", "aid", "delta", "mtime")
KEYS = {"accounts": "aid", "branches": "bid", "tellers": "tid"}
ALTERED = (
    "ALTER TABLE pgbench_accounts RENAME filler TO note",
    "ALTER TABLE pgbench_branches ADD opened date DEFAULT '2026-01-01'",
    "ALTER TABLE pgbench_accounts RENAME note TO remark; ALTER TABLE pgbench_accounts ADD rating integer DEFAULT 5",
)


class Copy(NamedTuple):
    """What a table of the source was at an instant."""

    at: str
    table: str
    columns: dict[int, str]  # their names then, by number
    rows: list[tuple[str]]


class Bank:
    """pgbench's tables in a database of their own, and the warehouse that watches them."""

    def __init__(self, source: URL, accounts: int) -> None:
        self.source = source
        self.lab = Medallion.find(f"bank_{WORKER}", source=source)
        self.size = {"accounts": accounts, "branches": BRANCHES, "tellers": TELLERS}
        self.copies: list[Copy] = []
        self.pgbench = self.lab.place.binaries / "pgbench"
        subprocess.run([self.pgbench, "-q", "-i", "-I", "dtp", libpq(source)], check=True, capture_output=True)
        self.run(FILLED.format(**self.size))

    def run(self, statement: str) -> None:
        with databases.administering(self.source) as cursor:
            cursor.execute(statement)

    @contextmanager
    def loaded(self) -> Iterator[None]:
        """Transactions come at a rate, unless the machine is too slow for it."""
        with directory() as place:
            script = Path(place, "transaction.sql")
            script.write_text(TRANSACTION.format(**self.size))
            how = ["-n", "-f", script, "-R", str(A_SECOND), "-c", str(CLIENTS), "-T", "600"]
            process = subprocess.Popen([self.pgbench, *how, libpq(self.source)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                yield
                assert process.poll() is None, process.stderr.read()
            finally:
                process.kill()
                process.communicate()

    def copy(self, *names: str) -> None:
        """What these tables are, while no transaction writes any."""
        with server.session(self.source) as cursor:
            cursor.execute("LOCK TABLE pgbench_accounts, pgbench_tellers, pgbench_branches IN SHARE MODE")
            cursor.execute("SELECT clock_timestamp()::text")
            (at,) = cursor.fetchone()
            for name in [f"pgbench_{each}" for each in names]:
                cursor.execute("SELECT attnum, attname FROM pg_attribute WHERE attrelid = %s::regclass "
                               "AND attnum > 0 AND NOT attisdropped ORDER BY attnum", (name,))  # fmt: skip
                columns = dict(cursor.fetchall())
                cursor.execute(texts_of([*columns.values()], sql.Identifier(name)))
                self.copies.append(Copy(at, name, columns, cursor.fetchall()))

    def as_of(self, copy: Copy, table: Table) -> list[tuple[str]]:
        """The same from its history."""
        names = {each.number: each.name for each in table.columns}
        of = sql.SQL("{} FOR SYSTEM_TIME AS OF {}").format(table.silver, sql.Literal(copy.at))
        with server.session(self.lab.warehouse_url) as cursor:
            query = texts_of([names[number] for number in copy.columns], of).as_string(cursor)
        with self.lab.warehouse.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def check(self) -> int:
        """That bronze has each transaction once, and silver what was; how many there were."""
        assert self.lab.verify() == []
        log = rows(self.source, f"SELECT {', '.join(f'{name}::text' for name in LOG)} FROM pgbench_history")
        values = ", ".join(f"full_row ->> '{name}'" for name in LOG)
        assert rows(self.lab.warehouse_url, f"SELECT {values} FROM bronze.br_pgbench_history_cdc") == log
        for name, key in KEYS.items():
            self._check_changes(f"bronze.br_pgbench_{name}_cdc", key, self.size[name])
        with server.session(self.lab.warehouse_url) as cursor:
            tables = {table.name: table for table in Tables.read(cursor).each}
        for copy in self.copies:
            assert self.as_of(copy, tables[copy.table]) == copy.rows, copy
        return len(log)

    def _check_changes(self, bronze: str, key: str, size: int) -> None:
        """Each row is there once, and then a change of each transaction after that, in its place."""
        # Whatever was added begins with a truncation, too.
        began = f"(SELECT max(lsn) FROM {bronze} WHERE op = 'R')"
        assert rows(self.lab.warehouse_url, f"SELECT count(*) FROM {bronze} WHERE op = 'R'") == [(size,)]
        changed, logged = (
            rows(self.lab.warehouse_url, f"SELECT lsn, full_row ->> '{key}' FROM {of} WHERE {which}")
            for of, which in ((bronze, "op NOT IN ('R', 'T')"), ("bronze.br_pgbench_history_cdc", f"op = 'I' AND lsn > {began}")))
        assert changed == logged


def rows(url: URL, query: str) -> list[tuple]:
    with databases.administering(url) as cursor:
        cursor.execute(query)
        return sorted(cursor.fetchall())


def texts_of(columns: list[str], of: sql.Composable) -> sql.Composed:
    names = sqlfile.identifiers(columns)
    return sql.SQL("SELECT ROW({})::text FROM {} ORDER BY 1").format(names, of)


class Killed(threading.Thread):
    """Captures in a process of its own, which is killed at random and begun again, until the end."""

    def __init__(self, lab: Medallion, seed: int) -> None:
        super().__init__()
        self.lab, self.random, self.is_over, self.kills = lab, random.Random(seed), threading.Event(), 0

    def run(self) -> None:
        while not self.is_over.is_set():
            process = begin(self.lab, "capture", "--follow", "--merge")
            try:
                wait_until(lambda: is_read(self.lab) or process.poll() is not None, 60)  # noqa: B023 -- called at once
                self.is_over.wait(self.random.uniform(0, 2))
                self.kills += process.poll() is None  # it may be refused, while `--add` captures
            finally:
                process.kill()
                process.communicate()

    def __enter__(self) -> Killed:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.join()


@contextmanager
def bank(accounts: int) -> Iterator[Bank]:
    with source_of("bank") as source:
        made = Bank(source, accounts)
        try:
            yield made
        finally:
            made.lab.close()
            made.lab.unwatch(yes=True)
            with databases.administering(made.lab.place.url) as cursor:
                databases.drop(cursor, made.lab.warehouse_name)


def check(seed: int, accounts: int, pause: float, record: Callable[[str, object], None]) -> None:
    """Everything at once: transactions, a first snapshot, kills, a table added, columns changed."""
    chance = random.Random(seed)
    with bank(accounts) as made:
        with made.loaded():
            made.lab.watch(Asked(tuple(f"public.pgbench_{name}" for name in ("accounts", "branches", "history"))), yes=True)
            with Killed(made.lab, seed) as capture:
                changes = [*ALTERED]
                added_before = chance.randrange(len(changes) + 1)
                for place in range(len(changes) + 1):
                    if place == added_before:
                        made.lab.add(Asked(("public.pgbench_tellers",)), yes=True)
                    made.copy("accounts", "branches", *["tellers"] * (place >= added_before))
                    time.sleep(chance.uniform(0, pause))
                    if place < len(changes):
                        made.run(changes[place])
        transactions = made.check()
    assert capture.kills
    record("transactions", transactions)
    record("kills", capture.kills)


def test_nothing_is_lost_under_load(record_property: Callable[[str, object], None]) -> None:
    """pgbench writes 500 changes a second while tables are added, columns change and capture is killed."""
    check(1, 1_000, 1, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_nothing_is_lost_under_a_longer_load(record_property: Callable[[str, object], None], seed: int) -> None:
    check(seed, 100_000, 10, record_property)
