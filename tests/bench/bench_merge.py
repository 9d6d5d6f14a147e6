"""Merge against the bare INSERT and UPDATE of the rows that it wrote, on a copy of the tables."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench_pairs import Pairs, autocommit, seconds_of
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import Medallion, server
from medallion_lib.shop import TABLES
from medallion_lib.silver import merge
from medallion_lib.tables import Table

HISTORY = Path(__file__).with_name("bench_history.sql")
BATCH = Path(__file__).with_name("bench_batch.sql")
EVENTS = 1_000_000  # of each of the two tables in bench_history.sql; versions in silver then
CHANGES = 10_000  # in each batch
MEASURED = [table for table in TABLES.versioned if table.history in ("dim_customer_hist", "fact_payment")]
COPY = "medallion_bench_bare"


@dataclass
class Race:
    """Two warehouses that hold the same rows: one is merged into, the other is written bare."""

    merged: Connection
    bare: Connection
    at: int = EVENTS  # how far bronze is
    pairs: dict[str, Pairs] = field(default_factory=lambda: {t.history: Pairs() for t in MEASURED})

    def run(self, pairs: int, say: Callable[[str], None]) -> None:
        """Each pair takes its own changes, so that both warehouses stay the same row for row."""
        for number in range(pairs + 1):
            for table in MEASURED:
                say(f"merge: {table.history}, pair {number} of {pairs}")
                self._pair(table, self.pairs[table.history])
        self.pairs = {name: measured.warm() for name, measured in self.pairs.items()}
        for table in MEASURED:
            assert fingerprint(self.merged, table) == fingerprint(self.bare, table)

    def _pair(self, table: Table, measured: Pairs) -> None:
        with self.merged, self.merged.cursor() as cursor:
            batch = {"after": self.at, "table": table.name}
            cursor.execute(BATCH.read_text(encoding="utf-8"), batch)
            self.at += CHANGES
            reach(cursor, self.at)
        checkpoint(self.merged)
        with seconds_of(measured.ours):
            merge.merge(self.merged)
        with self.bare, self.bare.cursor() as cursor:
            take_over(self.merged, cursor, table, self.at - CHANGES)
        checkpoint(self.bare)
        with seconds_of(measured.bare), self.bare, self.bare.cursor() as cursor:
            write(cursor, table)


def checkpoint(connection: Connection) -> None:
    """So that each run starts with the same: nothing to flush, every page's first image to log."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
    connection.autocommit = False


def reach(cursor: Cursor, lsn: int) -> None:
    """Say that capture has landed everything up to there, this change included."""
    cursor.execute(
        "UPDATE meta.watermark SET lsn = %(lsn)s + 1, commit_ts = bench.commit_ts(%(lsn)s) "
        "WHERE stage = 'capture'", {"lsn": lsn},
    )  # fmt: skip


def columns(cursor: Cursor, table: Table) -> list[sql.Identifier]:
    """All that are written; sys_period is generated."""
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
        "AND attgenerated = '' AND NOT attisdropped ORDER BY attnum",
        (f"silver.{table.history}",),
    )
    return [sql.Identifier(name) for (name,) in cursor.fetchall()]


def take_over(merged: Connection, bare: Cursor, table: Table, after: int) -> None:
    """Prepare, in temporary tables, what the merge wrote: rows to update in place and to insert."""
    names = sql.SQL(", ").join(columns(bare, table))
    parts = {"table": table.silver, "key": sql.Identifier(table.key[-1]), "columns": names}
    rows = io.StringIO()
    with merged, merged.cursor() as cursor:
        cursor.execute("SELECT bench.commit_ts(%s)", (after,))
        since = sql.Literal(cursor.fetchone()[0])
        cursor.copy_expert(sql.SQL(
            "COPY (SELECT {columns} FROM {table} WHERE sys_start > {since} "
            "OR sys_end > {since} AND sys_end < 'infinity') TO STDOUT"
        ).format(since=since, **parts), rows)  # fmt: skip
    rows.seek(0)
    bare.execute(sql.SQL(
        "DROP TABLE IF EXISTS written, updated, inserted;"
        "CREATE TEMP TABLE written AS SELECT {columns} FROM {table} WITH NO DATA"
    ).format(**parts))  # fmt: skip
    bare.copy_expert("COPY written FROM STDIN", rows)
    bare.execute(sql.SQL(
        "ANALYZE written;"
        # The last version written of a key that is live here was an update in place.
        "CREATE TEMP TABLE updated AS SELECT DISTINCT ON ({key}) written.* FROM written "
        "JOIN {table} AS now USING ({key}) WHERE now.sys_end = 'infinity' "
        "ORDER BY {key}, written.sys_end DESC;"
        "CREATE TEMP TABLE inserted AS SELECT * FROM written EXCEPT SELECT * FROM updated;"
        "ANALYZE updated, inserted"
    ).format(**parts))  # fmt: skip


def write(cursor: Cursor, table: Table) -> None:
    """What is compared with: these rows' UPDATE and INSERT, and no more."""
    names = columns(cursor, table)
    values = [sql.SQL("{0} = updated.{0}").format(name) for name in names]
    parts = {"table": table.silver, "key": sql.Identifier(table.key[-1])}
    cursor.execute(sql.SQL(
        "UPDATE {table} AS hist SET {values} FROM updated "
        "WHERE hist.{key} = updated.{key} AND hist.sys_end = 'infinity'"
    ).format(values=sql.SQL(", ").join(values), **parts))  # fmt: skip
    cursor.execute(sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM inserted").format(
        columns=sql.SQL(", ").join(names), **parts
    ))  # fmt: skip


def fingerprint(connection: Connection, table: Table) -> tuple[int, int]:
    with connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL(
            "SELECT count(*), sum(hashtextextended(hist::text, 0)::numeric) FROM {} AS hist"
        ).format(table.silver))  # fmt: skip
        return cursor.fetchone()


@contextmanager
def prepared(lab: Medallion, say: Callable[[str], None]) -> Iterator[Race]:
    """A million versions of each table, made by the merge itself, and a copy of that database."""
    say("merge: landing two million changes in bronze")
    lab.reset()
    with autocommit(lab.warehouse_url) as cursor:
        cursor.execute(HISTORY.read_text(encoding="utf-8"))
        reach(cursor, EVENTS)
    say("merge: making a million versions of each table of them")
    lab.merge()
    with autocommit(lab.warehouse_url) as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    say("merge: copying the warehouse")
    with autocommit(lab.place.url) as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
            sql.Identifier(COPY), sql.Identifier(lab.warehouse_name)
        ))  # fmt: skip
    with (
        closing(server.connect(lab.warehouse_url)) as merged,
        closing(server.connect(lab.place.url.set(database=COPY))) as bare,
    ):
        yield Race(merged, bare)
