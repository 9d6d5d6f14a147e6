"""scd_system_versioned against dbt's own snapshot: the same changes to the same rows, in turn."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from bench_pairs import Pairs, autocommit, seconds_of
from psycopg2.extensions import cursor as Cursor
from versioned_project import Project

from medallion_lib import Medallion, databases

ROWS, CHANGES = 200_000, 10_000
DATABASE = "medallion_bench_dbt"
MISSING = "dbt: skipped, it is not installed"
SETUP = f"""
    CREATE SCHEMA feed;
    CREATE SCHEMA kept;
    CREATE SEQUENCE feed.ids;
    CREATE TABLE feed.plain (
        id integer PRIMARY KEY DEFAULT nextval('feed.ids'), store_id integer, name text, email text,
        price numeric(8, 2), active boolean, since date, seen timestamptz);
    INSERT INTO feed.plain (store_id, name, email, price, active, since, seen)
    SELECT n % 7, 'Customer number ' || n, 'customer.' || n || '@example.org', n % 1000 / 100.0,
           n % 5 <> 0, date '2020-01-01' + n % 1000, timestamptz '2023-01-01' + n * interval '1 s'
    FROM generate_series(1, {ROWS}) AS n"""
# A tenth each new and gone, the others in a column that differs from one turn to the next.
CHANGE = f"""
    DELETE FROM feed.plain WHERE id IN (
        SELECT id FROM feed.plain ORDER BY hashint4(id) LIMIT {CHANGES // 10});
    UPDATE feed.plain SET price = price + 1 WHERE id IN (
        SELECT id FROM feed.plain ORDER BY hashint4(id # %(turn)s) LIMIT {CHANGES * 8 // 10});
    INSERT INTO feed.plain (store_id, name, email, price, active, since, seen)
    SELECT n %% 7, 'New customer', 'new.' || n || '@example.org', 1, true, '2023-06-01', '2023-06-01'
    FROM generate_series(1, {CHANGES // 10}) AS n;
    CHECKPOINT"""


def installed() -> bool:
    return find_spec("dbt") is not None and find_spec("dbt.adapters.postgres") is not None


@dataclass
class Race:
    """Seconds of the node alone, as dbt took them, and of the whole command."""

    node: Pairs = field(default_factory=Pairs)
    whole: Pairs = field(default_factory=Pairs)


def race(lab: Medallion, pairs: int, say: Callable[[str], None]) -> Race:
    run = Race()
    with databases.administering(lab.place.url) as cursor, tempfile.TemporaryDirectory() as made:
        databases.drop(cursor, DATABASE)
        databases.create(cursor, DATABASE)
        project = Project(lab.place.url.set(database=DATABASE), Path(made))
        databases.add_versions(project.url.render_as_string(hide_password=False))
        with autocommit(project.url) as feed:
            feed.execute(SETUP)
            for turn in range(-1, pairs + 1):  # the first makes the tables, the next warms up
                say(f"dbt: {CHANGES:,} changes to {ROWS:,} rows, turn {max(turn, 0)} of {pairs}")
                if turn >= 0:
                    for statement in CHANGE.split(";"):
                        feed.execute(statement, {"turn": 7919 * (turn + 1)})
                _one(run.node.ours, run.whole.ours, project, "run", "plain")
                feed.execute("CHECKPOINT")
                _one(run.node.bare, run.whole.bare, project, "snapshot", "plain_snapshot")
            same(feed, pairs)
        databases.drop(cursor, DATABASE)
    return Race(run.node.warm().warm(), run.whole.warm().warm())


def _one(node: list[float], whole: list[float], project: Project, command: str, name: str) -> None:
    with seconds_of(whole):
        taken = project.seconds(command, "--select", name)
    node.append(taken[name])


def same(cursor: Cursor, pairs: int) -> None:
    """Both have kept the same: as many versions, and as many of them current."""
    counts = []
    ends = {"plain": "nullif(sys_end, 'infinity')", "plain_snapshot": "dbt_valid_to"}
    for table, end in ends.items():
        cursor.execute(f"SELECT count(*), count({end}) FROM kept.{table}")
        counts.append(cursor.fetchone())
    closed = (pairs + 1) * CHANGES * 9 // 10
    assert counts == [(ROWS + closed, closed)] * 2, counts
