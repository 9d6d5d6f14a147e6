"""What the hook costs, and AS OF and changes against MariaDB's native versioning."""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from types import SimpleNamespace

import bench_merge
from bench_pairs import Pairs, seconds_of
from mariadb import MariaDB, own_mariadb
from sqlalchemy import Connection

from medallion_lib import Medallion
from medallion_lib.silver import merge
from medallion_lib.system_time import rewrite
from medallion_lib.system_time.hook import after_ddl, before_execute

PLAIN = """
    SELECT store_id, revenue_month, total_revenue
    FROM vw_monthly_revenue WHERE revenue_month = %(month)s AND store_id <> 7
    ORDER BY total_revenue DESC LIMIT 5"""
CLAUSE = PLAIN.replace(" WHERE", " FOR SYSTEM_TIME AS OF '2023-07-01' WHERE")
PERIOD = """
    SELECT store_id, count(*), count(DISTINCT customer_id), min(v.sys_start)
    FROM dim_customer_hist FOR SYSTEM_TIME BETWEEN %(a)s AND now() - interval '1 day' AS v
    WHERE email LIKE '%%2%%' GROUP BY store_id ORDER BY store_id"""
TIMES = 30  # statements in each of the hook's runs

THEN = "2023-02-20 12:00:00"  # three quarters through the versions of bench_history.sql
LOOKUPS = 1_000
COLUMNS = "payment_id, payment_date, amount, customer_id, rental_id, store_id, staff_id, row_hash"
TABLE = """CREATE TABLE fact_payment (
    payment_id int PRIMARY KEY, payment_date datetime(6), amount decimal(10, 2), customer_id int,
    rental_id int, store_id int, staff_id int, row_hash bigint,
    sys_start timestamp(6) GENERATED ALWAYS AS ROW START,
    sys_end timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (sys_start, sys_end)
) WITH SYSTEM VERSIONING;
CREATE TABLE versions AS SELECT * FROM fact_payment;
CREATE TABLE changes (op char(1), payment_id int, payment_date datetime(6), amount decimal(10, 2),
    customer_id int, rental_id int, staff_id int)"""
LOAD = f"""SET system_versioning_insert_history = ON;
    INSERT INTO fact_payment ({COLUMNS}, sys_start, sys_end) SELECT * FROM versions;
    SET system_versioning_insert_history = OFF; DROP TABLE versions; ANALYZE TABLE fact_payment"""
VERSIONS = f"""COPY (SELECT {COLUMNS.replace("payment_date", "payment_date::timestamp")},
    sys_start::timestamp, least(sys_end, '2038-01-19 03:14:07.999999')::timestamp
    FROM silver.fact_payment) TO STDOUT"""
CHANGES = """COPY (
    SELECT op, (full_row ->> 'payment_id')::int, (full_row ->> 'payment_date')::timestamp,
        full_row ->> 'amount', full_row ->> 'customer_id', full_row ->> 'rental_id',
        full_row ->> 'staff_id'
    FROM bronze.br_payment_cdc WHERE lsn > {after}) TO STDOUT"""
APPLY = """START TRANSACTION;
    DELETE p FROM fact_payment AS p JOIN changes USING (payment_id) WHERE op = 'D';
    INSERT INTO fact_payment (payment_id, payment_date, amount, customer_id, rental_id, staff_id)
        SELECT payment_id, payment_date, amount, customer_id, rental_id, staff_id
        FROM changes WHERE op <> 'D'
        ON DUPLICATE KEY UPDATE payment_date = VALUES(payment_date), amount = VALUES(amount),
            customer_id = VALUES(customer_id), rental_id = VALUES(rental_id),
            staff_id = VALUES(staff_id);
    COMMIT"""


@dataclass
class Hooked:
    """What the hook takes of one statement, and the statement's round trip: seconds, a run each."""

    hook: list[float] = field(default_factory=list)
    trip: list[float] = field(default_factory=list)

    @property
    def shares(self) -> list[float]:
        return [hook / trip for hook, trip in zip(self.hook, self.trip, strict=True)]


def hook(lab: Medallion, runs: int) -> dict[str, Hooked]:
    """Of each form, where the text is sent again, and of AS OF also where each text is new.

    On a connection of the notebooks: the question after names that hide others is in it.
    """
    found: dict[str, Hooked] = {}
    asked = {"without the phrase": PLAIN, "AS OF": CLAUSE, "AS OF, a new text": CLAUSE, "BETWEEN": PERIOD}
    with lab.warehouse.connect() as connection:
        for number in range(runs + 1):
            for name, sql in asked.items():
                texts = [f"{sql} -- {number}.{n if name.endswith('new text') else 0}" for n in range(TIMES)]
                taken, trip = zip(*(_once(connection, text) for text in texts), strict=True)
                if number:  # after one to warm up
                    measured = found.setdefault(name, Hooked())
                    measured.hook.append(median(taken))
                    measured.trip.append(median(trip))
    return found


def _once(connection: Connection, sql: str) -> tuple[float, float]:
    """Seconds of the listeners, and of the statement as they send it until its rows are here."""
    values, context = {"month": "2023-06-01", "a": "2023-01-01"}, SimpleNamespace()
    began = perf_counter()
    sent, _ = before_execute(connection, None, sql, values, context, False)
    after_ddl(connection, None, sent, values, context, False)
    hooked = perf_counter()
    with connection.connection.dbapi_connection.cursor() as cursor:
        cursor.execute(sent, values)
        cursor.fetchall()
    return hooked - began, perf_counter() - hooked


def against_mariadb(
    race: bench_merge.Race, pairs: int, say: Callable[[str], None]
) -> dict[str, Pairs]:
    """Seconds of each, ours and MariaDB's ("bare") in turn, on the same million versions."""
    found = {"aggregate": Pairs(), "look-ups": Pairs(), "prepared": Pairs(), "changes": Pairs()}
    with own_mariadb("--innodb-buffer-pool-size=512M") as theirs:
        say("system time: loading MariaDB")
        theirs.run(TABLE)
        _copy(race, theirs, VERSIONS, "versions")
        theirs.run(LOAD)  # LOAD DATA itself leaves the given times out
        for number in range(pairs + 1):
            say(f"system time: pair {number} of {pairs}")
            _aggregate(race, theirs, found["aggregate"])
            _look_ups(race, theirs, found["look-ups"], number)
            _prepared(race, theirs, found["prepared"], number)
            _changes(race, theirs, found["changes"])
    return {name: measured.warm() for name, measured in found.items()}


def _copy(race: bench_merge.Race, theirs: MariaDB, query: str, into: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        rows = io.StringIO()
        with race.merged, race.merged.cursor() as cursor:
            cursor.copy_expert(query, rows)
        path.write_text(rows.getvalue(), encoding="utf-8")
        theirs.run(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {into}")


def _aggregate(race: bench_merge.Race, theirs: MariaDB, measured: Pairs) -> None:
    sql = (f"SELECT staff_id, count(*), sum(amount) FROM {{}}fact_payment "
           f"FOR SYSTEM_TIME AS OF TIMESTAMP '{THEN}' GROUP BY staff_id ORDER BY staff_id")  # fmt: skip
    with race.merged, race.merged.cursor() as cursor, seconds_of(measured.ours):
        cursor.execute(rewrite(sql.format("silver.")))
        ours = cursor.fetchall()
    with seconds_of(measured.bare):
        found = theirs.run(sql.format(""))
    assert [tuple(map(str, row)) for row in ours] == [tuple(row) for row in found]


def _look_ups(race: bench_merge.Race, theirs: MariaDB, measured: Pairs, seed: int) -> None:
    """Many statements in one go, each parsed and planned by itself."""
    keys = random.Random(seed).sample(range(1, 500_001), LOOKUPS)
    sql = [f"SELECT amount FROM {{}}fact_payment FOR SYSTEM_TIME AS OF TIMESTAMP '{THEN}' "
           f"WHERE payment_id = {key}" for key in keys]  # fmt: skip
    ours = ";".join(rewrite(each.format("silver.")) for each in sql)
    with race.merged, race.merged.cursor() as cursor, seconds_of(measured.ours):
        cursor.execute(ours)
        last = cursor.fetchone()
    with seconds_of(measured.bare):
        found = theirs.run(";\n".join(each.format("") for each in sql))
    assert len(found) == LOOKUPS and [str(value) for value in last] == found[-1]


def _prepared(race: bench_merge.Race, theirs: MariaDB, measured: Pairs, seed: int) -> None:
    """The same of a statement that each prepares once, and plans as it sees fit."""
    keys = random.Random(-1 - seed).sample(range(1, 500_001), LOOKUPS)
    sql = f"SELECT amount FROM {{}}fact_payment FOR SYSTEM_TIME AS OF TIMESTAMP '{THEN}' WHERE payment_id = "
    ours = [f"PREPARE look_up (int) AS {rewrite(sql.format('silver.') + '$1')}",
            *(f"EXECUTE look_up ({key})" for key in keys)]  # fmt: skip
    with race.merged, race.merged.cursor() as cursor, seconds_of(measured.ours):
        cursor.execute(";".join(ours))
        last = cursor.fetchone()
    with race.merged, race.merged.cursor() as cursor:
        cursor.execute("DEALLOCATE look_up")
    text = (sql.format("") + "?").replace("'", "''")
    given = [f"SET @key = {key}; EXECUTE look_up USING @key" for key in keys]
    with seconds_of(measured.bare):
        found = theirs.run(";\n".join([f"PREPARE look_up FROM '{text}'", *given]))
    assert len(found) == LOOKUPS and [str(value) for value in last] == found[-1]


def _changes(race: bench_merge.Race, theirs: MariaDB, measured: Pairs) -> None:
    """The next 10,000, landed in our bronze and in a table of theirs before the clock starts."""
    with race.merged, race.merged.cursor() as cursor:
        batch = {"after": race.at, "table": "payment"}
        cursor.execute(bench_merge.BATCH.read_text(encoding="utf-8"), batch)
        bench_merge.reach(cursor, race.at + bench_merge.CHANGES)
    theirs.run("TRUNCATE changes")
    _copy(race, theirs, CHANGES.format(after=race.at), "changes")
    race.at += bench_merge.CHANGES
    bench_merge.checkpoint(race.merged)
    with seconds_of(measured.ours):
        merge.merge(race.merged)
    with seconds_of(measured.bare):
        theirs.run(APPLY)
    count = "SELECT count(*), sum(amount) FROM {}fact_payment"
    with race.merged, race.merged.cursor() as cursor:
        cursor.execute(count.format("silver.") + " WHERE sys_end = 'infinity'")
        assert [*map(str, cursor.fetchone())] == theirs.run(count.format(""))[0]
