"""What a user can cause: a clear message that names the remedy, exit status 1, nothing lost."""

from __future__ import annotations

import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_commands import REMEDY, begin, bronze_count, change, command, refused, wait_until

from medallion_lib import Medallion, MedallionError, databases, slot, source, steps
from medallion_lib.embedded import Embedded
from medallion_lib.server import libpq

def bronze(lab: Medallion) -> list[tuple]:
    """How far bronze is, and what it holds."""
    with lab.warehouse.connect() as connection:
        return connection.exec_driver_sql(
            "SELECT stage, lsn, commit_ts, (SELECT count(*) FROM bronze.br_customer_cdc) "
            "FROM meta.watermark ORDER BY stage"
        ).all()


def customers_now(lab: Medallion) -> list[tuple]:
    with lab.warehouse.connect() as connection:
        return connection.exec_driver_sql(
            "SELECT customer_id, email, active FROM silver.dim_customer ORDER BY 1"
        ).all()


def customers_at_source(lab: Medallion) -> list[tuple]:
    with lab.source.connect() as connection:
        return connection.exec_driver_sql(
            "SELECT customer_id, email, activebool FROM customer ORDER BY 1"
        ).all()


@pytest.fixture
def parent() -> Iterator[Path]:
    """A new directory that the server's account can pass through."""
    made = Path(tempfile.mkdtemp(prefix="me-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def begun(lab: Medallion) -> Medallion:
    """A shop of a few days, captured and merged, with a live edit that is not."""
    lab.replay("2023-01-03")
    lab.capture()
    lab.merge()
    change(lab.source, "UPDATE customer SET email = 'live@example' WHERE customer_id = 1")
    return lab


def resnapshot_brings_everything(lab: Medallion) -> None:
    change(lab.source, "DELETE FROM customer WHERE customer_id = "
                       "(SELECT max(customer_id) FROM customer)")  # fmt: skip
    lab.capture(resnapshot=True)
    change(lab.source, "UPDATE customer SET email = 'later@example' WHERE customer_id = 2")
    lab.capture()
    lab.merge()
    assert customers_now(lab) == customers_at_source(lab)


# What was taken away behind our back


def drop_slot(lab: Medallion) -> None:
    change(lab.source, "SELECT pg_drop_replication_slot(%s)", lab.slot)


def remake_slot(lab: Medallion) -> None:
    drop_slot(lab)
    change(lab.source, "UPDATE customer SET email = 'unseen@example' WHERE customer_id = 3")
    change(lab.source, "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", lab.slot)


def advance_slot(lab: Medallion) -> None:
    change(lab.source, "SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", lab.slot)


def drop_publication(lab: Medallion) -> None:
    change(lab.source, f"DROP PUBLICATION {slot.PUBLICATION}")


@pytest.mark.parametrize(("take_away", "told"), [
    (drop_slot, "No replication slot"), (remake_slot, "made anew or moved on behind our back"),
    (advance_slot, "made anew or moved on behind our back"), (drop_publication, "No publication"),
])  # fmt: skip
def test_a_gap_is_told_and_a_new_snapshot_closes_it(begun: Medallion, take_away, told: str) -> None:  # noqa: ANN001
    before = bronze(begun)
    take_away(begun)
    message = refused(begun, "capture")
    assert told in message
    assert f"{REMEDY} capture --resnapshot" in message
    assert bronze(begun) == before
    resnapshot_brings_everything(begun)


def test_a_source_that_is_not_the_captured_one_is_refused(begun: Medallion) -> None:
    with databases.administering(begun.warehouse_url) as cursor:
        cursor.execute("UPDATE meta.watermark SET source_system = 1 WHERE stage = 'capture'")
    before = bronze(begun)
    assert f"{REMEDY} capture --resnapshot" in refused(begun, "capture")
    assert bronze(begun) == before


# Two at once


def test_a_second_capture_is_refused(begun: Medallion) -> None:
    first = begin(begun, "capture", "--follow")
    try:
        wait_until(lambda: bronze_count(begun, "customer", "full_row ->> 'email' = 'live@example'"))
        message = refused(begun, "capture")
        assert "Another capture is running" in message
        assert f"{REMEDY} capture" in message
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=10)
    assert command(begun, "capture").returncode == 0


def test_a_second_merge_is_refused(begun: Medallion, monkeypatch: pytest.MonkeyPatch) -> None:
    half_way, go_on = threading.Event(), threading.Event()

    def wait(name: str) -> None:
        if name == "merged dim_film_hist":
            half_way.set()
            go_on.wait(20)

    begun.capture()
    monkeypatch.setattr(steps, "on_step", wait)
    first = threading.Thread(target=begun.merge)
    first.start()
    try:
        assert half_way.wait(20)
        message = refused(begun, "merge")
    finally:
        go_on.set()
        first.join()
    assert "Another merge is running" in message
    assert f"{REMEDY} merge" in message
    assert customers_now(begun) == customers_at_source(begun)


# Replay


def test_a_replay_after_a_live_edit_is_refused(begun: Medallion) -> None:
    before = customers_at_source(begun)
    message = refused(begun, "replay")
    assert "changed live at" in message
    assert f"{REMEDY} reset" in message
    assert customers_at_source(begun) == before
    assert command(begun, "capture").returncode == 0


def test_a_live_edit_that_was_rolled_back_does_not_count(lab: Medallion) -> None:
    lab.replay("2023-01-02")
    with lab.source.connect() as connection:
        connection.exec_driver_sql("DELETE FROM payment")
        connection.rollback()
    assert command(lab, "replay", "--until", "2023-01-03").returncode == 0


def test_a_replay_at_another_scale_is_refused(lab: Medallion) -> None:
    lab.replay("2023-01-02")
    message = refused(lab, "replay", "--scale", "2")
    assert "scale 1" in message
    assert f"{REMEDY} reset" in message
    assert command(lab, "replay", "--until", "2023-01-03", "--scale", "1").returncode == 0


@pytest.mark.parametrize("name", ["events.csv", "customer.csv"])
@pytest.mark.parametrize("missing", [False, True])
def test_a_data_file_that_is_not_whole_is_refused(
    lab: Medallion, tmp_path: Path, name: str, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(source.DATA, tmp_path / "data"))
    whole = (copy / name).read_bytes()
    (copy / name).unlink() if missing else (copy / name).write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(source, "DATA", copy)
    with pytest.raises(MedallionError, match=f"data/{name}.*") as refusal:
        lab.replay()
    assert "python data/generate.py" in str(refusal.value)
    (copy / name).write_bytes(whole)
    assert lab.replay("2023-01-02") > 0


# Which server


def test_a_server_that_does_not_answer_is_told_and_its_password_is_not() -> None:
    url = "postgresql://somebody:se%2Fcret@127.0.0.1:1/postgres"
    for words in (["up"], ["status"], ["url", "source"]):
        message = refused(None, *words, MEDALLION_SERVER_URL=url)
        assert "postgresql" in message
        assert "127.0.0.1:1" in message
        assert "MEDALLION_SERVER_URL" in message
        assert "se/cret" not in message
        assert "se%2Fcret" not in message


@pytest.mark.parametrize("url", [
    "nonsense", "postgresql://me:secret@host:port/x", "://", "postgresql://me:secret@[::1/x",
])  # fmt: skip
def test_a_url_that_is_none_is_told(url: str) -> None:
    message = refused(None, "status", MEDALLION_SERVER_URL=url)
    assert "MEDALLION_SERVER_URL" in message
    assert "postgresql://user@host:5432/postgres" in message
    assert "secret" not in message


@contextmanager
def another_server(home: Path, **settings: str) -> Iterator[Embedded]:
    """An embedded server of ours with other settings."""
    place = Embedded(home)
    try:
        place.start()
        with databases.administering(place.url) as cursor:
            for name, value in settings.items():
                cursor.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        place.stop()
        place.start()
        yield place
    finally:
        place.stop()


def test_a_server_that_lacks_something_is_told_with_each_remedy(parent: Path) -> None:
    with another_server(parent / "home", wal_level="replica") as place:
        with databases.administering(place.url) as cursor:
            cursor.execute("CREATE ROLE plain LOGIN")
        url = libpq(place.url)
        message = refused(None, "up", MEDALLION_SERVER_URL=url)
        assert "wal_level is replica" in message
        assert "ALTER SYSTEM SET wal_level = 'logical';" in message
        assert "ALTER ROLE" not in message
        plain = refused(None, "up", MEDALLION_SERVER_URL=libpq(place.url.set(username="plain")))
        assert re.search(r'ALTER ROLE "?plain"? CREATEDB CREATEROLE REPLICATION;', plain)
        with databases.administering(place.url) as cursor:
            cursor.execute("SELECT count(*) FROM pg_database WHERE NOT datistemplate")
            assert cursor.fetchone() == (1,)


OLD = Path("/usr/lib/postgresql/15/bin")


@pytest.mark.skipif(not OLD.exists(), reason="there is no PostgreSQL 15 here to refuse")
def test_a_server_that_is_too_old_is_told(parent: Path) -> None:
    helper = Embedded(parent / "home")
    run = helper._run
    data, log = str(helper.home / "old"), str(helper.home / "old.log")
    assert run(str(OLD / "initdb"), "-D", data, "-U", "old", "-A", "trust").returncode == 0
    options = f"-k {helper.home} -c listen_addresses="
    assert run(str(OLD / "pg_ctl"), "-D", data, "-l", log, "-w", "-o", options, "start").returncode == 0
    try:
        message = refused(None, "up", MEDALLION_SERVER_URL=f"postgresql://old@/postgres?host={helper.home}")
    finally:
        run(str(OLD / "pg_ctl"), "-D", data, "-m", "fast", "-w", "stop")
    assert "PostgreSQL 15" in message
    assert "18 or newer is needed" in message
    assert "unset MEDALLION_SERVER_URL" in message
    assert "wal_level is replica" in message
