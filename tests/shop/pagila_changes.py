"""Random changes of Pagila, by sessions that outlive their server, and a ledger of what they did.

The ledger is written at the source in the transaction it tells of, so that it is right whatever
becomes of a COMMIT that nobody answered.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psycopg2
from psycopg2.extensions import connection as Connection, cursor as Cursor
from sqlalchemy import URL

from medallion_lib import MedallionError, server

_PARTS = re.split(
    r"^-- (\w+): (\w+)\n", Path(__file__).with_suffix(".sql").read_text("utf-8"), flags=re.MULTILINE
)
CHANGES = dict(zip(zip(_PARTS[1::3], _PARTS[2::3], strict=True), _PARTS[3::3], strict=True))
LEDGER = """
CREATE SCHEMA ledger;
CREATE TABLE ledger.committed (
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(), source text, op "char", rows integer
)
"""
SESSIONS = 3
PAUSE = 0.03  # seconds between a session's transactions, on average


@dataclass
class Shop:
    """Sessions that change the source for as long as `done` is below `allowed`."""

    url: URL
    seed: int
    allowed: int = 0
    done: int = 0  # changes that were committed, as far as a session has heard
    is_open: bool = True
    keys: dict[str, int] = field(default_factory=dict)  # the highest of each table
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run the sessions; at the end they finish what is allowed, unless something has failed."""
        connection = server.connect(self.url)
        with connection, connection.cursor() as cursor:
            cursor.execute(LEDGER)
            for table in {table for table, _ in CHANGES}:
                cursor.execute(f"SELECT max({table}_id) FROM {table}")
                (self.keys[table],) = cursor.fetchone()
        connection.close()
        with ThreadPoolExecutor(SESSIONS) as pool:
            sessions = [pool.submit(self._session, number) for number in range(SESSIONS)]
            try:
                yield
                while self.done < self.allowed and not any(each.done() for each in sessions):
                    time.sleep(0.05)
            finally:
                self.is_open = False
        for session in sessions:
            session.result()

    def _session(self, number: int) -> None:
        random = Random(self.seed * SESSIONS + number)
        while self.is_open:
            with suppress(MedallionError, psycopg2.OperationalError):  # the server was killed
                connection = server.connect(self.url)
                try:
                    self._changes(random, connection)
                finally:
                    connection.close()

    def _changes(self, random: Random, connection: Connection) -> None:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET deadlock_timeout = '20ms'")
        while self.is_open:
            if self.done < self.allowed:
                try:
                    self._transaction(random, connection)
                except (psycopg2.IntegrityError, psycopg2.errors.DeadlockDetected):
                    connection.rollback()
            time.sleep(random.expovariate(1 / PAUSE))

    def _transaction(self, random: Random, connection: Connection) -> None:
        """Changes of one to some hundred rows. One in ten is rolled back, and parts of others."""
        tally: Counter[tuple[str, str]] = Counter()
        with connection.cursor() as cursor:
            for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
                cursor.execute("SAVEPOINT part")
                kind, count = self._change(random, cursor)
                if random.random() < 0.1:
                    cursor.execute("ROLLBACK TO part")
                elif count:
                    tally.update({(kind[0], op): count for op in kind[1]})
            if not tally or random.random() < 0.1:
                return connection.rollback()
            rows = [(*landed, count) for landed, count in tally.items()]
            into = "INSERT INTO ledger.committed (source, op, rows) VALUES (%s, %s, %s)"
            cursor.executemany(into, rows)
        connection.commit()
        with self.lock:
            self.done += tally.total()
        return None

    def _change(self, random: Random, cursor: Cursor) -> tuple[tuple[str, str], int]:
        kind = random.choice(list(CHANGES))
        top, size = self.keys[kind[0]], random.choice((1, 1, 1, 5, 20, 80))
        ids = sorted(random.randint(1, top) for _ in range(size))
        cursor.execute(CHANGES[kind], {"ids": ids, "n": random.randrange(1_000_000)})
        if cursor.description and cursor.rowcount:
            with self.lock:
                self.keys[kind[0]] = max(top, *(key for (key,) in cursor.fetchall()))
        return kind, cursor.rowcount
