"""Killed at the worst moments: nothing lost, nothing twice, nothing half done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from test_commands import change
from test_server import kill_server

from medallion_lib import Medallion, MedallionError, landing, server, steps
from medallion_lib.embedded import CHECKOUT, Embedded
from medallion_lib.tables import CAPTURED, VERSIONED

BRONZE = " UNION ALL ".join(
    f"SELECT lsn, seq, '{table.name}' AS source, op, full_row::text, commit_ts::text "
    f"FROM bronze.br_{table.name}_cdc" for table in CAPTURED
)  # fmt: skip

# Kills itself as soon as the step has been passed so many times.
DOOMED = """
import os, signal, sys
from medallion_lib import Medallion, landing, steps
name, work, at, count = sys.argv[1:]
landing.BATCH_ROWS = 2000
left = int(count)
def on_step(step):
    global left
    left -= step == at
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
steps.on_step = on_step
getattr(Medallion.open(name), work)()
"""


kills: list[str] = []  # of the test that runs


@pytest.fixture(autouse=True)
def _told(record_property: Callable[[str, object], None]) -> Iterator[None]:
    kills.clear()
    yield
    record_property("kills", len(kills))


def killed(lab: Medallion, work: str, at: str, count: int = 1) -> None:
    """Run capture or merge in a process of its own that dies at a step, the count-th time."""
    done = subprocess.run(
        [sys.executable, "-c", DOOMED, lab.name, work, at, str(count)], cwd=CHECKOUT, timeout=60,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    kills.append(at)


def read(lab: Medallion, query: str) -> list[tuple]:
    connection = server.connect(lab.warehouse_url, options="-c timezone=UTC")
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        connection.close()


def bronze(lab: Medallion) -> list[tuple]:
    """All of it in order, the transaction's number in place of its lsn, without load_ts."""
    return read(lab, f"SELECT dense_rank() OVER (ORDER BY lsn), seq, source, op, full_row, commit_ts "
                     f"FROM ({BRONZE}) AS landed ORDER BY lsn, seq")  # fmt: skip


def silver(lab: Medallion) -> list[list[tuple]]:
    return [read(lab, f"SELECT row.*::text FROM silver.{table.name} AS row ORDER BY 1")
            for table in VERSIONED]  # fmt: skip


def same(left: list, right: list) -> None:
    """Equal; if not, fail with the first difference rather than with all of it."""
    for number, pair in enumerate(zip(left, right, strict=False)):
        assert pair[0] == pair[1], f"row {number}"
    assert len(left) == len(right)


def reached(lab: Medallion, stage: str = "capture") -> list[tuple]:
    return read(lab, f"SELECT lsn, commit_ts FROM meta.watermark WHERE stage = '{stage}'")


@pytest.fixture
def second(lab: Medallion) -> Iterator[Medallion]:
    """Another pair of databases, for what nobody interrupts."""
    other = Medallion.open(f"{lab.name}_calm")
    other.reset()
    yield other
    other.close()
    other.drop()


def test_capture_killed_ten_times_lands_everything_once_and_in_order(
    lab: Medallion, second: Medallion
) -> None:
    lab.replay("2023-07-01")
    second.replay("2023-07-01")
    second.capture()
    for turn in range(10):
        before = reached(lab)
        if turn % 2:
            killed(lab, "capture", "copied", 2)  # between the second landing's COPY and its commit
        else:
            killed(lab, "capture", "landed", 1)  # landed, not confirmed
        assert reached(lab) > before, "each comes after a further landing"
    rest = lab.capture()
    assert rest.rows > 2000
    same(bronze(lab), bronze(second))
    assert lab.capture().rows == 0


def test_a_landing_that_was_not_confirmed_is_not_landed_again(lab: Medallion) -> None:
    lab.replay("2023-01-05")
    killed(lab, "capture", "landed", 1)
    count = len(bronze(lab))
    killed(lab, "capture", "copied", 1)
    assert len(bronze(lab)) == count
    lab.capture()
    order = read(lab, f"SELECT lsn, seq FROM ({BRONZE}) AS landed")
    assert len(order) == len(set(order)) > count


@pytest.mark.parametrize("at", ["merged dim_customer_hist", "merged fact_rental",
                                "merge watermark written"])  # fmt: skip
def test_merge_killed_half_way_has_done_nothing_and_is_right_the_next_time(
    lab: Medallion, second: Medallion, at: str
) -> None:
    for each in (lab, second):
        each.replay("2023-01-10")
        each.capture()
        each.merge()
        each.replay("2023-02-05")
        each.capture()
    before, position = silver(lab), reached(lab, "merge")
    killed(lab, "merge", at)
    assert silver(lab) == before
    assert reached(lab, "merge") == position
    lab.merge()
    second.merge()
    for ours, theirs in zip(silver(lab), silver(second), strict=True):
        same(ours, theirs)


def test_merge_killed_after_its_commit_is_done(lab: Medallion) -> None:
    lab.replay("2023-01-10")
    lab.capture()
    killed(lab, "merge", "merge committed")
    assert not any(any(done[1:]) for done in lab.merge())
    assert reached(lab, "merge") == reached(lab)


@pytest.mark.parametrize("at", ["slot made", "copied"])
def test_a_snapshot_killed_half_way_is_done_again_from_the_start(lab: Medallion, at: str) -> None:
    change(lab.source, "INSERT INTO language (name) VALUES ('Latin')")
    change(lab.source, "INSERT INTO film (title, language_id) SELECT 'Film ' || n, 1 "
                       "FROM generate_series(1, 3000) AS n")  # fmt: skip
    change(lab.source, "SELECT pg_drop_replication_slot(%s)", lab.slot)
    connection = server.connect(lab.warehouse_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM meta.watermark")  # as `load` leaves a warehouse
    connection.close()
    killed(lab, "capture", at)
    change(lab.source, "DELETE FROM film WHERE film_id = 3000")
    lab.capture()
    change(lab.source, "UPDATE film SET length = 90 WHERE film_id = 1")
    lab.capture()
    lab.merge()
    ops = "SELECT op, count(*) FROM bronze.br_film_cdc GROUP BY op ORDER BY op"
    assert read(lab, ops) == [("R", 2999), ("U", 1)]
    current = "SELECT count(*), count(length) FROM silver.dim_film"
    assert read(lab, current) == [(2999, 1)]


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedded]:
    """A server that may be killed: nobody else's databases are on it."""
    parent = Path(tempfile.mkdtemp(prefix="mf-", dir="/tmp"))
    parent.chmod(0o711)
    monkeypatch.setenv("MEDALLION_HOME", str(parent / "home"))
    place = Embedded(parent / "home")
    yield place
    place.stop()
    shutil.rmtree(parent)


def test_the_server_killed_under_capture_is_found_again_and_nothing_is_lost(
    own_server: Embedded, lab: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lab` is on that server too: its fixture opens it under the same home."""
    assert lab.place.home == own_server.home
    lab.replay("2023-02-01")
    landings = []

    def kill_at_the_third(step: str) -> None:
        landings.extend([step] if step == "landed" else [])
        if len(landings) == 3:
            landings.append("killed")
            kill_server(own_server)
            kills.append("server")

    monkeypatch.setattr(landing, "BATCH_ROWS", 500)
    monkeypatch.setattr(steps, "on_step", kill_at_the_third)
    try:
        with pytest.raises(MedallionError, match=r"connection to the s.* was lost"):
            lab.capture()
    finally:
        monkeypatch.setattr(steps, "on_step", lambda step: None)
        own_server.start()
    again = Medallion.open(lab.name)
    assert len(bronze(again)) >= 6000
    again.capture()
    again.merge()
    interrupted = bronze(again)
    again.reset()
    again.replay("2023-02-01")
    again.capture()
    same(interrupted, bronze(again))
    with lab.warehouse.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1, "engines connect again"


def test_a_connection_lost_under_merge_loses_nothing(
    lab: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.replay("2023-01-02")
    lab.capture()

    def end_the_session(step: str) -> None:
        if step == "merged dim_film_hist":
            change(lab.source, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE datname = %s AND pid <> pg_backend_pid() "
                               "AND usename = current_user", lab.warehouse_name)  # fmt: skip

    monkeypatch.setattr(steps, "on_step", end_the_session)
    with pytest.raises((MedallionError, psycopg2.Error)):
        lab.merge()
    monkeypatch.setattr(steps, "on_step", lambda step: None)
    assert lab.merge()[1].inserted == 1000
