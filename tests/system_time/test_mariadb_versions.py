"""MariaDB and a table that versions itself, played the same statements at the same times, agree."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product

import psycopg2
import pytest
from mariadb import MISSING, MariaDB, installed, own_mariadb
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL

from medallion_lib import Medallion, databases, server
from medallion_lib.pair import SEARCH_PATH
from medallion_lib.system_time import rewrite

pytestmark = pytest.mark.skipif(not installed(), reason=MISSING)

EPOCH = datetime(2023, 7, 1, tzinfo=UTC)
STORE = "CREATE TABLE store (id int PRIMARY KEY, name varchar(9) UNIQUE) WITH SYSTEM VERSIONING"
ACCOUNT = """CREATE TABLE account (id int PRIMARY KEY, store int, amount int CHECK (amount < 900),
    FOREIGN KEY (store) REFERENCES store (id) ON DELETE {deleted} ON UPDATE CASCADE) WITH SYSTEM VERSIONING"""
ASKED = "SELECT id, {} FROM {} {}"
COLUMNS = {"store": "name, 0", "account": "store, amount"}


@dataclass
class Both:
    """The two, and after which times something was played."""

    theirs: MariaDB
    ours: Connection
    times: list[datetime] = field(default_factory=list)

    def at(self, at: datetime, *statements: str) -> None:
        """Play statements in both, each in a transaction of its own, all at one time."""
        self.times.append(at)
        self.theirs.run(f"SET @@timestamp = {at.timestamp()}")
        with self.ours.cursor() as cursor:
            for table in COLUMNS:
                cursor.execute("SELECT meta.set_system_time(%s, %s)", (table, at))
            for sql in statements:
                assert self._taken(cursor, sql) == self._theirs_take(sql), sql

    def _taken(self, cursor: psycopg2.extensions.cursor, sql: str) -> bool:
        try:
            cursor.execute(sql)
        except psycopg2.IntegrityError:
            return False
        return True

    def _theirs_take(self, sql: str) -> bool:
        """Their client ends at an error that nothing handles."""
        body = sql.replace("'", "''")
        return self.theirs.run(f"""DELIMITER //
            BEGIN NOT ATOMIC
                DECLARE EXIT HANDLER FOR SQLEXCEPTION SELECT 0;
                EXECUTE IMMEDIATE '{body}';
                SELECT 1;
            END //
            DELIMITER ;
            SELECT 2""")[-2] == ["1"]

    def answers(self, clause: str) -> list[list[list[str]]]:
        """Of each table, what ours and theirs give, which are to be the same."""
        found = []
        with self.ours.cursor() as cursor:
            for table, columns in COLUMNS.items():
                sql = ASKED.format(columns, table, clause)
                cursor.execute(rewrite(sql))
                ours = [["NULL" if value is None else str(value) for value in row] for row in cursor.fetchall()]
                theirs = self.theirs.run(sql)
                assert sorted(ours) == sorted(theirs), sql
                found.append(sorted(ours))
        return found


@pytest.fixture(scope="module")
def url(spare_url: URL) -> URL:
    databases.build_warehouse(spare_url)
    password = Medallion.open().place.notebook_password
    return spare_url._replace(username=server.NOTEBOOK_ROLE, password=password)


@pytest.fixture(params=["CASCADE", *(pytest.param(action, marks=pytest.mark.slow) for action in ("SET NULL", "RESTRICT"))])
def both(request: pytest.FixtureRequest, url: URL) -> Iterator[Both]:
    """Both with tables that a random stretch of changes was played to."""
    with own_mariadb() as theirs, closing(server.connect(url)) as ours, ours.cursor() as cursor:
        ours.autocommit = True
        cursor.execute(f"SET search_path = {SEARCH_PATH}; SET TimeZone = 'UTC'")
        for sql in (STORE, ACCOUNT.format(deleted=request.param)):
            theirs.run(sql)
            cursor.execute(rewrite(sql))
        made = Both(theirs, ours)
        play(made, random.Random(request.param))
        theirs.run("SET @@timestamp = DEFAULT")
        yield made
        cursor.execute("DROP TABLE account, store CASCADE; CALL meta.drop_orphaned_history()")


def play(both: Both, chance: random.Random) -> None:
    both.at(EPOCH, "INSERT INTO store VALUES (1, 'a'), (2, 'b')", "INSERT INTO account VALUES (1, 1, 10), (2, 2, 20), (3, NULL, 30)")
    for quarter in range(1, 13):
        store, other, account = chance.randint(1, 3), chance.randint(1, 4), chance.randint(1, 5)
        both.at(EPOCH + timedelta(seconds=quarter / 4), chance.choice([
            f"INSERT INTO store VALUES ({other}, 'n{other}')",
            f"UPDATE store SET id = {other} WHERE id = {store}",
            f"UPDATE store SET name = 'm{quarter}' WHERE id = {store}",
            f"DELETE FROM store WHERE id = {store}",
            f"INSERT INTO account VALUES ({account}, {store}, {quarter})",
            f"UPDATE account SET amount = amount + {chance.choice([1, 890])} WHERE id <= {account}",
            f"UPDATE account SET store = {other} WHERE id = {account}",
            f"DELETE FROM account WHERE id = {account}",
        ]))  # fmt: skip


def test_what_is_there_now_and_was_at_any_time_and_over_any_period(both: Both) -> None:
    """Plain, locked, in a sub-query; and over periods in both directions, those that are empty too."""
    now = both.answers("")
    assert both.answers("FOR UPDATE") == now == both.answers("WHERE id IN (SELECT id FROM store UNION SELECT id FROM account)")
    beside = [at + timedelta(microseconds=by) for at in both.times for by in (-1, 0, 1)]
    for at in beside:
        both.answers(f"FOR SYSTEM_TIME AS OF TIMESTAMP '{at:%Y-%m-%d %H:%M:%S.%f}'")
    for form, (one, two) in product(("FROM {} TO {}", "BETWEEN {} AND {}"), product(beside[::7], repeat=2)):
        instants = (f"TIMESTAMP '{at:%Y-%m-%d %H:%M:%S.%f}'" for at in (one, two))
        found = both.answers(f"FOR SYSTEM_TIME {form.format(*instants)}")
        assert one <= two or found == [[], []]
    every = both.answers("FOR SYSTEM_TIME ALL")
    assert sum(map(len, every)) > sum(map(len, now))
