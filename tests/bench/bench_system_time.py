"""What the hook costs, and AS OF and changes against MariaDB's native versioning."""

from __future__ import annotations

import io
import random
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import bench_merge
from bench_pairs import Pairs, seconds_of
from mariadb import MariaDB, own_mariadb

from medallion_lib.silver import merge
from medallion_lib.system_time import rewrite
from medallion_lib.system_time.hook import after_ddl, before_execute

PLAIN = """
    SELECT store_id, revenue_month, total_revenue
    FROM vw_monthly_revenue WHERE revenue_month = %(month)s AND store_id <> 7
    ORDER BY total_revenue DESC LIMIT 5"""
CLAUSE = PLAIN.replace(" WHERE", " FOR SYSTEM_TIME AS OF '2023-07-01' WHERE")
PERIOD = PLAIN.replace(" WHERE", " FOR SYSTEM_TIME BETWEEN %(a)s AND now() - interval '1 day' AS v WHERE")

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


# A connection, as far as the hook asks it: its transaction goes on, and no name is hidden.
CURSOR = SimpleNamespace(execute=lambda *_: None, fetchall=list, close=lambda: None)
DRIVER = SimpleNamespace(info=SimpleNamespace(transaction_status=2), cursor=lambda: CURSOR)
CONNECTION = SimpleNamespace(connection=SimpleNamespace(dbapi_connection=DRIVER))


def hook(runs: int) -> dict[str, list[float]]:
    """Seconds that the hook takes of one statement: without the phrase, AS OF, and BETWEEN.

    Each is new, as an application's are, and what two listeners that do nothing take is left out.
    """
    found = {}
    for name, sql, times in [("without the phrase", PLAIN, 50_000), ("AS OF", CLAUSE, 300),
                             ("BETWEEN … AND", PERIOD, 300)]:  # fmt: skip
        idle = min(_taken(_nothing, _nothing, sql, times) for _ in range(runs))
        found[name] = [_taken(before_execute, after_ddl, sql, times) - idle for _ in range(runs)]
    return found


def _taken(before: Callable, after: Callable, sql: str, times: int) -> float:
    """Seconds of a statement that two listeners take."""
    values = {"month": "2023-06-01", "a": "2023-01-01"}
    each = iter([f"{sql} -- {number}" for number in range(times)])

    def call() -> None:
        context = SimpleNamespace()
        sent, _ = before(CONNECTION, None, next(each), values, context, False)
        after(CONNECTION, None, sent, values, context, False)

    return timeit.timeit(call, number=times) / times


def _nothing(_: object, __: object, sql: str, values: object, *more: object) -> tuple[str, object]:
    return sql, values


def against_mariadb(
    race: bench_merge.Race, pairs: int, say: Callable[[str], None]
) -> dict[str, Pairs]:
    """Seconds of each, ours and MariaDB's ("bare") in turn, on the same million versions."""
    found = {"aggregate": Pairs(), "look-ups": Pairs(), "changes": Pairs()}
    with own_mariadb("--innodb-buffer-pool-size=512M") as theirs:
        say("system time: loading MariaDB")
        theirs.run(TABLE)
        _copy(race, theirs, VERSIONS, "versions")
        theirs.run(LOAD)  # LOAD DATA itself leaves the given times out
        for number in range(pairs + 1):
            say(f"system time: pair {number} of {pairs}")
            _aggregate(race, theirs, found["aggregate"])
            _look_ups(race, theirs, found["look-ups"], number)
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
