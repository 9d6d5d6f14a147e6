"""What keeping versions costs a table that versions itself, beside an ordinary table and MariaDB's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import mariadb
from bench_pairs import Pairs, autocommit, seconds_of
from mariadb import MariaDB, own_mariadb
from psycopg2.extensions import cursor as Cursor

from medallion_lib import Medallion
from medallion_lib.system_time import rewrite

ROWS, CHANGES = 100_000, 10_000
COLUMNS = "(id int PRIMARY KEY, film_id int, rate decimal(8, 2), note varchar(80))"
MADE = f"SET search_path = scratch; CREATE TABLE kept {COLUMNS} WITH (system_versioning = true); CREATE TABLE plain {COLUMNS}"
FILL = "INSERT INTO {} SELECT n, n % 1000, n % 900, concat('The price of number ', n) FROM {}"
STATEMENTS = {
    "UPDATE": "UPDATE {} SET rate = rate + 1 WHERE id BETWEEN {} AND {}",
    "DELETE": "DELETE FROM {} WHERE id BETWEEN {} AND {}",
}


@dataclass
class Costs:
    """By statement, seconds of ours with those of an ordinary table, and with MariaDB's if it is there."""

    plain: dict[str, Pairs] = field(default_factory=dict)
    theirs: dict[str, Pairs] = field(default_factory=dict)


def race(lab: Medallion, turns: int, say: Callable[[str], None]) -> Costs:
    """`turns` of each, after one to warm up. Each deletes what it inserted, and nothing is left."""
    found = Costs()
    with _tables(lab) as cursor, ExitStack() as stack:
        theirs = stack.enter_context(_theirs()) if mariadb.installed() else None
        for number in range(turns + 1):
            say(f"tables that version themselves: turn {number} of {turns}")
            _turn(cursor, theirs, found, ROWS + number * CHANGES)
        cursor.execute("SELECT count(*), count(*) FILTER (WHERE sys_end <> 'infinity') FROM kept__all()")
        assert cursor.fetchone() == (ROWS + 2 * CHANGES * (turns + 1), 2 * CHANGES * (turns + 1))
        for measured in (found.plain, found.theirs):
            measured.update({name: pairs.warm() for name, pairs in measured.items()})
    return found


@contextmanager
def _tables(lab: Medallion) -> Iterator[Cursor]:
    with autocommit(lab.warehouse_url) as cursor:
        cursor.execute(rewrite(MADE))
        for table in ("kept", "plain"):
            cursor.execute(FILL.format(table, f"generate_series(1, {ROWS}) AS n"))
            cursor.execute(f"VACUUM ANALYZE {table}")
        yield cursor
        cursor.execute("DROP TABLE kept, plain CASCADE; CALL meta.drop_orphaned_history()")


@contextmanager
def _theirs() -> Iterator[MariaDB]:
    with own_mariadb("--innodb-buffer-pool-size=512M") as session:
        session.run(f"CREATE TABLE kept {COLUMNS} WITH SYSTEM VERSIONING; {FILL.format('kept', f'(SELECT seq AS n FROM seq_1_to_{ROWS}) AS s')}")
        yield session


def _turn(cursor: Cursor, theirs: MariaDB | None, found: Costs, last: int) -> None:
    rows = f"{last + 1} AND {last + CHANGES}".split(" AND ")
    insert = FILL.format("{}", f"generate_series({rows[0]}, {rows[1]}) AS n")
    in_theirs = FILL.format("{}", f"(SELECT seq AS n FROM seq_{rows[0]}_to_{rows[1]}) AS s")
    for name, sql in {"INSERT": insert, **STATEMENTS}.items():
        ours, bare, mariadbs = [], [], []
        for table, taken in (("kept", ours), ("plain", bare)):
            cursor.execute("CHECKPOINT")
            with seconds_of(taken):
                cursor.execute(sql.format(table, *rows))
        if theirs:
            with seconds_of(mariadbs):
                theirs.run((in_theirs if name == "INSERT" else sql).format("kept", *rows))
        for pairs, others in ((found.plain, bare), (found.theirs, mariadbs)):
            if others:
                measured = pairs.setdefault(name, Pairs())
                measured.ours += ours
                measured.bare += others
