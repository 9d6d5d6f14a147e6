"""PostgreSQL's own logical replication of the captured tables, into another of its databases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench_pairs import autocommit
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL

from medallion_lib import Medallion, databases, server
from medallion_lib.shop import TABLES, year
from medallion_lib.source import slot

NAME = "bench_native"  # of the subscriber's database, and of its subscription


@dataclass
class Subscriber:
    """A database with the source's tables, partitions included, that subscribes to them.

    The subscription is as CREATE SUBSCRIPTION makes it: it commits without waiting for the disk and
    confirms what has reached it.
    """

    source: URL
    url: URL

    def empty(self) -> None:
        with autocommit(self.url) as cursor:
            tables = sql.SQL(", ").join(table.source for table in TABLES.captured)
            cursor.execute(sql.SQL("TRUNCATE {} CASCADE").format(tables))

    @contextmanager
    def subscribed(self, reading: str) -> Iterator[None]:
        """With a subscription that reads this slot as soon as it is enabled."""
        with autocommit(self.url) as cursor:
            cursor.execute(
                f"CREATE SUBSCRIPTION {NAME} CONNECTION %s PUBLICATION {slot.PUBLICATION} "
                "WITH (enabled = false, create_slot = false, slot_name = %s, copy_data = false)",
                (server.libpq(self.source), reading),
            )
            yield
            cursor.execute(f"ALTER SUBSCRIPTION {NAME} DISABLE")
            cursor.execute(f"ALTER SUBSCRIPTION {NAME} SET (slot_name = NONE)")
            cursor.execute(f"DROP SUBSCRIPTION {NAME}")

    def apply(self, reading: str, end: str) -> None:
        """Enable it, and wait until it has confirmed the position `end`."""
        with autocommit(self.url) as cursor, autocommit(self.source) as shop:
            cursor.execute(f"ALTER SUBSCRIPTION {NAME} ENABLE")
            confirmed = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = %s"
            while True:
                shop.execute(f"SELECT ({confirmed}) >= %s", (reading, end))
                if shop.fetchone()[0]:
                    return
                time.sleep(0.005)

    def check(self) -> None:
        """It has applied everything."""
        with autocommit(self.url) as cursor, autocommit(self.source) as shop:
            for table in TABLES.captured:
                count = sql.SQL("SELECT count(*) FROM {}").format(table.source)
                cursor.execute(count)
                shop.execute(count)
                assert cursor.fetchone() == shop.fetchone(), table.name


@contextmanager
def subscriber(lab: Medallion) -> Iterator[Subscriber]:
    """A new one. Commits that do not wait are flushed soon, so that the last is confirmed soon."""
    url = lab.place.url.set(database=NAME)
    with autocommit(lab.place.url) as cursor:
        databases.create(cursor, NAME)
        with server.session(url) as shop:
            year.build(shop)
        _alter_system(cursor, "SET wal_writer_delay = '10ms'")
        try:
            yield Subscriber(lab.source_url, url)
        finally:
            _alter_system(cursor, "RESET wal_writer_delay")
            databases.drop(cursor, NAME)


def _alter_system(cursor: Cursor, setting: str) -> None:
    cursor.execute(f"ALTER SYSTEM {setting}")
    cursor.execute("SELECT pg_reload_conf()")
