"""A capture that follows keeps gold current and outlives the server."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from one_server import directory
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from test_commands import REMEDY, begin, bronze_count, change, command, done, wait_until
from test_server import kill_server

from medallion_lib import Medallion, MedallionError, databases, server, steps
from medallion_lib.source import slot
from medallion_lib.server.embedded import CHECKOUT, Embedded

pytestmark = pytest.mark.long(1)

STOPPED = "Stopped. What was landed is kept.\n"

# The command, with another pause between two markers of an idle source.
COMMAND = """
import sys
from medallion_lib import __main__
from medallion_lib.bronze import capture
capture.HEARTBEAT = float(sys.argv.pop(1))
sys.exit(__main__.main())
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Medallion]:
    """A day of the year, captured and merged, on a server of its own that may be stopped."""
    with directory() as parent, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDALLION_HOME", str(parent / "home"))
        lab = Medallion.open("live")
        with databases.administering(lab.place.url) as cursor:
            cursor.execute("ALTER SYSTEM SET fsync = off")
            cursor.execute("SELECT pg_reload_conf()")
        lab.reset()
        lab.replay("2023-01-02")
        lab.capture()
        lab.merge()
        yield lab
        lab.close()
        Embedded(parent / "home").stop()


@contextmanager
def following(
    lab: Medallion, *words: str, heartbeat: float = 10.0
) -> Iterator[subprocess.Popen[str]]:
    """`capture --follow` in a process of its own, that reads its slot by now."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(heartbeat), "--name", lab.name, "capture", "--follow", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    try:
        wait_until(lambda: is_read(lab) or process.poll() is not None, 30)
        assert process.poll() is None, process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def stopped(process: subprocess.Popen[str], by: int = signal.SIGINT) -> str:
    """What the command said besides that it stopped, once it is shown to have ended well."""
    process.send_signal(by)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, STOPPED), err
    assert "Traceback" not in err
    return err


def asked(url: URL, statement: str, *parameters: object) -> object:
    connection = server.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchone()[0]
    finally:
        connection.close()


def is_read(lab: Medallion) -> object:
    return asked(
        lab.source_url, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s AND active", lab.slot)


def length(lab: Medallion) -> int:
    """Of the first film, as silver has it."""
    return asked(lab.warehouse_url, "SELECT length FROM silver.dim_film WHERE film_id = 1")


def set_length(lab: Medallion, minutes: int) -> None:
    change(lab.source, "UPDATE film SET length = %s WHERE film_id = 1", minutes)


def arrives(lab: Medallion, minutes: int) -> float:
    """Change the first film; the seconds until silver has it."""
    set_length(lab, minutes)
    return wait_until(lambda: length(lab) == minutes, 30)


class Writer(threading.Thread):
    """Numbers a film and a customer alike, in one transaction each time, until it is told to end."""

    def __init__(self, lab: Medallion) -> None:
        super().__init__()
        self.lab, self.ending, self.written = lab, threading.Event(), 0

    def run(self) -> None:
        for number in itertools.count(1):
            if self.ending.is_set():
                return
            with suppress(DBAPIError, MedallionError), self.lab.source.begin() as connection:
                connection.exec_driver_sql("UPDATE film SET description = %s WHERE film_id = 2", (str(number),))
                connection.exec_driver_sql("UPDATE customer SET email = %s WHERE customer_id = 2", (str(number),))
                self.written = number

    def __enter__(self) -> Writer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.join()


PAIR = """
SELECT ARRAY[(SELECT description FROM silver.dim_film WHERE film_id = 2),
             (SELECT email FROM silver.dim_customer WHERE customer_id = 2)]
"""
HALVES = """
SELECT count(*) FROM (
    SELECT lsn FROM (SELECT lsn FROM bronze.br_film_cdc WHERE op = 'U' AND full_row ->> 'film_id' = '2'
                     UNION ALL SELECT lsn FROM bronze.br_customer_cdc
                     WHERE op = 'U' AND full_row ->> 'customer_id' = '2' AND full_row ->> 'email' ~ '^[0-9]+$') AS each
    GROUP BY lsn HAVING count(*) <> 2) AS half
"""
DOUBLE = """
SELECT count(*) - count(DISTINCT (full_row ->> 'email')) FROM bronze.br_customer_cdc
WHERE op = 'U' AND full_row ->> 'customer_id' = '2' AND commit_ts > %s
"""


def nothing_is_half_done(lab: Medallion) -> None:
    """Silver and bronze have each of the writer's transactions whole, or not at all."""
    film, customer = asked(lab.warehouse_url, PAIR)
    assert film == customer
    assert asked(lab.warehouse_url, HALVES) == 0


# Current


def test_gold_shows_a_payment_within_two_seconds_of_its_commit(shop: Medallion) -> None:
    pay = ("INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date) "
           "SELECT customer_id, staff_id, rental_id, 1.23, rental_date FROM rental ORDER BY 1, 3 LIMIT 1")  # fmt: skip
    took = []
    with following(shop, "--merge") as process:
        for _ in range(3):
            change(shop.source, pay)
            total = asked(shop.source_url, "SELECT sum(amount) FROM payment")
            revenue = "SELECT sum(total_revenue) FROM gold.vw_monthly_revenue"
            took.append(wait_until(lambda: asked(shop.warehouse_url, revenue) == total))  # noqa: B023
        assert stopped(process) == ""
    assert min(took) < 2
    assert shop.verify() == []


def test_what_waited_in_bronze_is_merged_when_it_begins(shop: Medallion) -> None:
    set_length(shop, 31)
    shop.capture()
    assert length(shop) != 31
    with following(shop, "--merge", heartbeat=1000):
        wait_until(lambda: length(shop) == 31)


def test_without_merge_silver_stays_where_it_is(shop: Medallion) -> None:
    before = length(shop)
    with following(shop) as process:
        set_length(shop, before + 1)
        wait_until(lambda: bronze_count(shop, "film", f"full_row ->> 'length' = '{before + 1}'"))
        stopped(process)
    assert length(shop) == before
    assert shop.status()["events_not_merged"] > 0
    shop.merge()
    assert length(shop) == before + 1


# Stopping


@pytest.mark.parametrize("by", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_idle_one_stops_cleanly(shop: Medallion, by: int) -> None:
    with following(shop, "--merge") as process:
        arrives(shop, 40 + by)
        assert stopped(process, by) == ""
    assert "being read" not in str(shop.status()["slot_state"])
    assert shop.capture().rows == 0


def interrupted(lab: Medallion, by: int, after: int) -> None:
    """Stop a busy one once so many transactions are in silver; then all that was committed comes."""
    before = asked(lab.warehouse_url, PAIR)
    with following(lab, "--merge") as process, Writer(lab) as writer:
        wait_until(lambda: writer.written >= after and asked(lab.warehouse_url, PAIR) != before, 60)
        assert stopped(process, by) == ""
        nothing_is_half_done(lab)
    assert lab.verify() == []
    nothing_is_half_done(lab)
    assert asked(lab.warehouse_url, PAIR) == [str(writer.written)] * 2


@pytest.mark.parametrize("by", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_busy_one_stops_cleanly_and_nothing_is_half_done(shop: Medallion, by: int) -> None:
    interrupted(shop, by, 20)


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(30))
def test_a_busy_one_stops_cleanly_at_any_moment(shop: Medallion, turn: int) -> None:
    interrupted(shop, (signal.SIGINT, signal.SIGTERM)[turn % 2], 7 * turn)


# The server goes away


@pytest.mark.slow
def test_it_outlives_a_server_that_is_killed_and_starts_it_again(shop: Medallion) -> None:
    with following(shop, "--merge") as process:
        arrives(shop, 51)
        kill_server(shop.place)
        wait_until(shop.place.running, 30)
        arrives(shop, 52)
        assert "connection to the server was lost" in stopped(process)
    assert shop.verify() == []


def test_it_outlives_a_server_killed_under_its_hands_and_loses_nothing(shop: Medallion) -> None:
    began = asked(shop.warehouse_url, "SELECT commit_ts FROM meta.watermark WHERE stage = 'capture'")
    with following(shop, "--merge") as process, Writer(shop) as writer:
        wait_until(lambda: writer.written > 10, 30)
        kill_server(shop.place)
        at_kill = writer.written
        wait_until(lambda: writer.written > at_kill + 10, 30)
        assert process.poll() is None
        writer.ending.set()
        writer.join()
        wait_until(lambda: asked(shop.warehouse_url, PAIR) == [str(writer.written)] * 2, 30)
        stopped(process)
    nothing_is_half_done(shop)
    assert asked(shop.warehouse_url, DOUBLE, began) == 0
    assert shop.verify() == []


@pytest.mark.slow
def test_a_server_that_was_stopped_stays_so_until_somebody_starts_it(shop: Medallion) -> None:
    with following(shop, "--merge") as process:
        arrives(shop, 61)
        shop.close()
        assert done(shop, "down") == "PostgreSQL is stopped.\n"
        began = time.monotonic()
        while time.monotonic() - began < 3.5:  # three attempts of capture
            assert not shop.place.running()
            assert process.poll() is None
            time.sleep(0.05)
        assert done(shop, "up").startswith("PostgreSQL runs")
        wait_until(lambda: is_read(shop), 30)
        arrives(shop, 62)
        told = stopped(process).splitlines()
    assert len(told) == 3, "the loss, that it waits, and that it is back: once each"
    assert "was lost" in told[0]
    assert all(line.endswith("Waiting for it.") for line in told[:2])
    assert all(re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ WARNING ", line) for line in told[:2])
    assert re.fullmatch(r"20\S+Z INFO Back again: capture goes on, and loses nothing\.", told[2])
    assert shop.verify() == []


@pytest.mark.slow
def test_a_stop_while_it_is_busy_loses_nothing(shop: Medallion) -> None:
    began = asked(shop.warehouse_url, "SELECT commit_ts FROM meta.watermark WHERE stage = 'capture'")
    with following(shop, "--merge") as process:
        with Writer(shop) as writer:
            wait_until(lambda: writer.written > 10, 30)
            shop.place.stop()
            assert not shop.place.running()
        shop.place.start()
        committed = asked(shop.source_url, "SELECT description FROM film WHERE film_id = 2")
        wait_until(lambda: asked(shop.warehouse_url, PAIR) == [committed] * 2, 30)
        stopped(process)
    nothing_is_half_done(shop)
    assert asked(shop.warehouse_url, DOUBLE, began) == 0
    assert shop.verify() == []


@pytest.mark.slow
def test_a_stop_after_only_other_databases_wrote_is_no_gap(shop: Medallion) -> None:
    """The server asks its readers for a last reply, and psycopg2 gives it whatever we think."""
    with following(shop, "--merge", heartbeat=1000) as process:
        arrives(shop, 71)
        with databases.administering(shop.place.url) as cursor:
            cursor.execute("CREATE TABLE noise AS SELECT repeat('x', 500) FROM generate_series(1, 3000)")
            cursor.execute("DROP TABLE noise")
        time.sleep(0.5)
        shop.close()
        shop.place.stop()
        shop.place.start()
        arrives(shop, 72)
        stopped(process)
    assert shop.status()["slot_state"] == "reserved"
    assert shop.verify() == []


# Beside others


@pytest.mark.slow
def test_another_merge_beside_it_does_not_end_it(
    shop: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_way, go_on = threading.Event(), threading.Event()

    def wait(name: str) -> None:
        if name == "merged dim_film_hist":
            half_way.set()
            go_on.wait(30)

    with following(shop, "--merge", heartbeat=0.5) as process:
        arrives(shop, 81)
        monkeypatch.setattr(steps, "on_step", wait)
        other = threading.Thread(target=shop.merge)
        other.start()
        try:
            assert half_way.wait(30)
            set_length(shop, 82)
            wait_until(lambda: bronze_count(shop, "film", "full_row ->> 'length' = '82'"))
            time.sleep(server.connections.LOCK_PATIENCE + 0.5)
            assert process.poll() is None
            assert length(shop) == 81
        finally:
            go_on.set()
            other.join()
        wait_until(lambda: length(shop) == 82)
        assert stopped(process) == ""


@pytest.mark.slow
def test_a_publication_altered_meanwhile_ends_it_with_the_remedy(shop: Medallion) -> None:
    with following(shop, "--merge", heartbeat=0.3) as process:
        arrives(shop, 91)
        change(shop.source, f"ALTER PUBLICATION {slot.PUBLICATION} DROP TABLE customer")
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert "was altered since capture began" in err
    assert f"{REMEDY} --name {shop.name} capture --resnapshot" in err
    assert command(shop, "capture", "--resnapshot", "--yes").returncode == 0
    assert shop.verify() == []


# What it costs


def resident(process: subprocess.Popen[str]) -> int:
    """Kilobytes of memory that the process holds."""
    told = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", told)[1])


def memory_grown(lab: Medallion, early_on: int, times: int) -> int:
    """Kilobytes more after so many thousand changes than after the fewer early on.

    Those are there before it begins, so that its batches have been full, however fast it is.
    """
    def update(turns: Iterable[int]) -> None:
        for turn in turns:
            change(lab.source, "UPDATE film SET length = 100 + %s", turn % 2)

    before = bronze_count(lab, "film")
    update(range(early_on))
    with following(lab) as process:
        wait_until(lambda: bronze_count(lab, "film") >= before + 1000 * early_on, 300)
        early = resident(process)
        update(range(early_on, times))
        wait_until(lambda: bronze_count(lab, "film") >= before + 1000 * times, 600)
        late = resident(process)
        stopped(process)
    return late - early


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to ask")
def test_its_memory_stays_as_it_is_once_batches_have_been_full(lab: Medallion) -> None:
    change(lab.source, "INSERT INTO language (name) VALUES ('Latin')")
    change(lab.source, "INSERT INTO film (title, language_id) SELECT 'Film ' || n, 1 "
                       "FROM generate_series(1, 1000) AS n")  # fmt: skip
    assert memory_grown(lab, 250, 1250) < 15_000


def test_an_idle_source_lets_the_log_go_that_other_databases_write(
    lab: Medallion, spare_url: URL
) -> None:
    change(lab.source, "INSERT INTO language (name) VALUES ('Latin')")
    lab.capture()
    with following(lab, heartbeat=0.3) as process, databases.administering(spare_url) as cursor:
        cursor.execute("CREATE TABLE noise AS SELECT repeat('x', 1000) FROM generate_series(1, 8000)")
        cursor.execute("DROP TABLE noise")
        cursor.execute("SELECT pg_current_wal_flush_lsn()")
        (written,) = cursor.fetchone()

        def let_go() -> bool:
            cursor.execute("SELECT pg_log_standby_snapshot()")  # as the checkpointer does now and then
            cursor.execute("SELECT confirmed_flush_lsn >= %s AND restart_lsn >= %s "
                           "FROM pg_replication_slots WHERE slot_name = %s", (written, written, lab.slot))  # fmt: skip
            return cursor.fetchone()[0]

        wait_until(let_go, 20)
        retained = lab.status()["wal_bytes_retained"]
        stopped(process)
    assert retained < 8_000_000
    assert lab.capture().rows == 0


# What status says of it


def test_status_tells_the_slot_and_what_the_server_keeps_for_it(lab: Medallion) -> None:
    lab.capture()
    before = lab.status()
    change(lab.source, "INSERT INTO language (name) SELECT 'L' || n FROM generate_series(1, 5000) AS n")
    for facts in (lab.status(), json.loads(done(lab, "status", "--json"))):
        assert facts["slot_state"] == "reserved"
        assert facts["wal_bytes_not_captured"] > before["wal_bytes_not_captured"] + 100_000
        assert facts["wal_bytes_retained"] >= facts["wal_bytes_not_captured"]
    told = done(lab, "status")
    assert re.search(r"^slot state +reserved$", told, re.MULTILINE)
    for name in ("wal bytes not captured", "wal bytes retained"):
        assert int(re.search(rf"^{name} +(\d+)$", told, re.MULTILINE)[1]) > 100_000
    with following(lab):
        assert lab.status()["slot_state"] == "reserved, being read"
    wait_until(lambda: lab.status()["slot_state"] == "reserved")
    change(lab.source, "SELECT pg_drop_replication_slot(%s)", lab.slot)
    facts = json.loads(done(lab, "status", "--json"))
    assert (facts["slot_state"], facts["wal_bytes_retained"], facts["wal_bytes_not_captured"]) == ("missing", None, None)
    assert re.search(r"^wal bytes retained +nothing yet$", done(lab, "status"), re.MULTILINE)


@pytest.mark.slow
def test_a_merge_that_is_refused_is_told_once_and_bronze_goes_on(lab: Medallion) -> None:
    lab.replay("2023-01-02")
    lab.capture(merging=True)
    change(lab.source, "ALTER TABLE film ALTER COLUMN length TYPE integer")
    change(lab.source, "UPDATE film SET length = 99999 WHERE film_id = 1")
    following = begin(lab, "capture", "--follow", "--merge")
    try:
        wait_until(lambda: bronze_count(lab, "film", "full_row ->> 'length' = '99999'"))
        change(lab.source, "UPDATE film SET length = 99998 WHERE film_id = 1")
        wait_until(lambda: bronze_count(lab, "film", "full_row ->> 'length' = '99998'"))
        assert following.poll() is None
        assert lab.status()["merge_refused"].startswith("A value does not fit dim_film_hist")
        change(lab.source, "UPDATE film SET length = 98 WHERE film_id = 1")
    finally:
        following.terminate()
        _, told = following.communicate(timeout=10)
    assert told.count("A value does not fit dim_film_hist: length is smallint there") == 1
    assert f"{REMEDY} --name {lab.name} rebuild" in told
