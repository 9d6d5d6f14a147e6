"""What was taken away or started twice is refused, with a remedy."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL
from test_commands import REMEDY, begin, bronze_count, change, command, refused, wait_until
from test_live import asked

from medallion_lib import Medallion, MedallionError, databases, server, sqlfile, steps
from medallion_lib.shop import year
from medallion_lib.source import slot
from medallion_lib.server.embedded import Embedded
from medallion_lib.server import libpq

pytestmark = pytest.mark.long(3)

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
def begun(lab_at: Callable[[str], Medallion]) -> Medallion:
    """A shop of a few days, captured and merged, with a live edit that is not."""
    lab = lab_at("2023-01-03")
    change(lab.source, "UPDATE customer SET email = 'live@example' WHERE customer_id = 1")
    return lab


def resnapshot_brings_everything(lab: Medallion) -> None:
    change(lab.source, "DELETE FROM customer WHERE customer_id = "
                       "(SELECT max(customer_id) FROM customer)")  # fmt: skip
    lab.capture(resnapshot=True, yes=True)
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


@pytest.mark.first(1)
@pytest.mark.parametrize(("take_away", "told"), [
    (drop_slot, "No replication slot"), (remake_slot, "made anew or moved on by something else"),
    (advance_slot, "made anew or moved on by something else"), (drop_publication, "No publication"),
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


def drop_from_publication(lab: Medallion) -> None:
    change(lab.source, f"ALTER PUBLICATION {slot.PUBLICATION} DROP TABLE customer")
    change(lab.source, "UPDATE customer SET email = 'unsent@example' WHERE customer_id = 4")


def drop_and_add_again(lab: Medallion) -> None:
    drop_from_publication(lab)
    change(lab.source, f"ALTER PUBLICATION {slot.PUBLICATION} ADD TABLE customer")


def add_to_publication(lab: Medallion) -> None:
    change(lab.source, f"ALTER PUBLICATION {slot.PUBLICATION} ADD TABLE category")


def publish_inserts_only(lab: Medallion) -> None:
    change(lab.source, f"ALTER PUBLICATION {slot.PUBLICATION} SET (publish = 'insert')")
    change(lab.source, "UPDATE customer SET email = 'unsent@example' WHERE customer_id = 4")


def publish_less_for_a_while(lab: Medallion) -> None:
    publish_inserts_only(lab)
    every = "insert, update, delete, truncate"
    change(lab.source, f"ALTER PUBLICATION {slot.PUBLICATION} SET (publish = '{every}')")


def make_table_again(lab: Medallion) -> None:
    change(lab.source, "CREATE TABLE kept AS TABLE payment")
    change(lab.source, "DROP TABLE payment")
    change(lab.source, "ALTER TABLE kept RENAME TO payment")
    change(lab.source, "ALTER TABLE payment ADD PRIMARY KEY (payment_date, payment_id)")
    change(lab.source, "DELETE FROM payment WHERE payment_id = (SELECT min(payment_id) FROM payment)")


@pytest.mark.first(1)
@pytest.mark.parametrize("alter", [
    drop_and_add_again, make_table_again,
    *(pytest.param(each, marks=pytest.mark.slow) for each in (
        drop_from_publication, add_to_publication, publish_inserts_only, publish_less_for_a_while)),
])  # fmt: skip
def test_a_publication_altered_meanwhile_is_told_and_a_new_snapshot_repairs_it(
    begun: Medallion, alter: Callable[[Medallion], None]
) -> None:
    before = bronze(begun)
    alter(begun)
    with pytest.raises(MedallionError, match='publication "medallion" was altered since') as told:
        begun.capture()
    assert f"{REMEDY} capture --resnapshot" in str(told.value)
    assert bronze(begun) == before
    resnapshot_brings_everything(begun)
    assert begun.verify() == []


# Two at once


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_slot_that_another_program_reads_is_told(begun: Medallion) -> None:
    before = bronze(begun)
    with slot.replicating(begun.source_url) as stream:
        slot.start(stream, begun.slot, 0)
        message = refused(begun, "capture")
    assert f'The replication slot "{begun.slot}" is in use: ' in message
    assert re.search(r"is active for PID \d+", message)
    assert message.endswith(f"    {REMEDY} capture\n")
    assert bronze(begun) == before
    assert begun.capture().rows == 1


@pytest.mark.slow
def test_a_second_replay_is_refused(lab: Medallion) -> None:
    with databases.administering(lab.source_url) as cursor:
        server.only_one_session(cursor, "replay")
        assert "Another replay is running on this source. Wait" in refused(lab, "replay")
    assert lab.replay("2023-01-02") > 0


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


@pytest.mark.slow
def test_a_reader_that_keeps_a_new_month_waiting_is_told(lab: Medallion) -> None:
    lab.replay("2023-01-03")
    lab.capture()
    with lab.warehouse.connect() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM fact_rental")
        message = refused(lab, "merge")
        assert "A lock was not granted" in message
        assert "('silver.fact_rental', 'AccessShareLock'" in shown_by(message, lab.warehouse_url)
        assert customers_now(lab) == []
    lab.merge()
    assert customers_now(lab) == customers_at_source(lab)


# The slot can't be made


def sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are waited for a second, where it would be 30."""
    read = sqlfile.read
    monkeypatch.setattr(sqlfile, "read", lambda name: read(name).replace("'30s'", "'1s'"))


@pytest.mark.slow
def test_a_transaction_that_keeps_the_slot_waiting_is_found_by_the_remedy(
    begun: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bronze(begun)
    sooner(monkeypatch)
    with begun.source.begin() as writer:
        writer.exec_driver_sql("UPDATE film SET length = 1 WHERE film_id = 1")
        writing = writer.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with pytest.raises(MedallionError, match="waits for the writing transactions of all databases") as told:
            begun.capture(resnapshot=True, yes=True)
        query = "\n".join(re.findall("^    (.*)$", str(told.value), re.MULTILINE))
        with databases.administering(begun.source_url) as cursor:
            cursor.execute(query)
            assert cursor.fetchone()[0] == writing
    assert bronze(begun) == before
    resnapshot_brings_everything(begun)


@pytest.fixture
def two_phased(parent: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Medallion]:
    """A shop of two days on a server that takes prepared transactions, which have no session."""
    with another_server(parent / "home", max_prepared_transactions="5", fsync="off"):
        monkeypatch.setenv("MEDALLION_HOME", str(parent / "home"))
        lab = Medallion.open("held")
        lab.reset()
        lab.replay("2023-01-03")
        lab.capture(merging=True)
        yield lab
        lab.close()


@contextmanager
def prepared(url: URL, statement: str) -> Iterator[None]:
    with databases.administering(url) as cursor:
        cursor.execute("BEGIN")
        cursor.execute(statement)
        cursor.execute("PREPARE TRANSACTION 'it''s held'")
        yield
        cursor.execute("ROLLBACK PREPARED 'it''s held'")


def shown_by(message: str, url: URL) -> str:
    """What its SELECT gives."""
    query = "\n".join(re.findall("^    ((?!python).*)$", message, re.MULTILINE))
    with databases.administering(url) as cursor:
        cursor.execute(query)
        return str(cursor.fetchall())


@pytest.mark.slow
def test_a_prepared_transaction_in_the_way_is_found_by_what_each_refusal_says(
    two_phased: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot waits for its number; reads, writes and DDL for its locks; its database can't be dropped."""
    lab = two_phased
    sooner(monkeypatch)
    ways: list[tuple[URL, str, Callable[[], object], str]] = [
        (lab.source_url, "UPDATE film SET length = 1", lambda: lab.capture(resnapshot=True, yes=True), "The slot .* was not made"),
        (lab.warehouse_url, "LOCK TABLE bronze.br_customer_cdc IN SHARE MODE", lab.capture, "A lock was not granted"),
        (lab.warehouse_url, "LOCK TABLE silver.dim_film_hist IN SHARE MODE", lab.merge, "A lock was not granted"),
        (lab.warehouse_url, "SELECT count(*) FROM silver.dim_film", lab.rebuild, "A lock was not granted"),
        (lab.warehouse_url, "SELECT 1", lab.reset, "The database medallion_held can't be dropped"),
        (lab.source_url, "SELECT 1", lab.reset, "The database pagila_held can't be dropped"),
    ]
    for url, statement, work, told in ways:
        change(lab.source, "UPDATE customer SET email = 'live@example' WHERE customer_id = 1")
        if work == lab.merge:
            lab.capture(resnapshot=True, yes=True)
        before = bronze(lab)
        with prepared(url, statement):
            with pytest.raises(MedallionError, match=told) as refused_:
                work()
            assert "it's held" in shown_by(str(refused_.value), url).replace("''", "'"), told
        if url == lab.warehouse_url:
            assert bronze(lab) == before
            assert lab.status()["slot_state"] != "missing", "what keeps the warehouse keeps the slot"
        if work == ways[0][2]:
            lab.capture(resnapshot=True, yes=True)
    lab.reset()
    assert lab.capture().rows == 0


@pytest.mark.slow
def test_a_slot_and_a_session_that_keep_a_database_are_found(lab: Medallion) -> None:
    """A slot that is read, of another name, keeps the source from being dropped; a session, from a copy."""
    with databases.administering(lab.place.url) as cursor, server.session(lab.source_url):
        with pytest.raises(MedallionError, match="can't be dropped, copied or renamed") as told:
            databases.create(cursor, f"{lab.source_name}_copy", lab.source_name)
        assert "'session'" in shown_by(str(told.value), lab.place.url)
    other = f"other_{lab.slot}"
    change(lab.source, "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", other)
    lab.close()
    with slot.replicating(lab.source_url) as stream:
        slot.start(stream, other, 0)
        with pytest.raises(MedallionError, match="is used by an active logical replication slot") as told:
            lab.reset()
        assert f"('slot', '{other}')" in shown_by(str(told.value), lab.place.url)
    lab.reset()
    with databases.administering(lab.place.url) as cursor:
        cursor.execute("SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s", (other,))
        assert cursor.fetchone() == (0,), "one that nobody reads goes with its database"


def test_a_slot_that_a_role_may_not_take_from_its_reader_is_told(lab: Medallion) -> None:
    """A superuser's session that reads it; who may not end that session is shown it."""
    role = f"plain_{lab.name}"
    with databases.administering(lab.source_url) as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN REPLICATION")
        try:
            with slot.replicating(lab.source_url) as stream:
                slot.start(stream, lab.slot, 0)
                with (databases.administering(lab.source_url.set(username=role)) as plain,
                      pytest.raises(MedallionError, match="is in use: permission denied to terminate") as told):  # fmt: skip
                    slot.drop(plain, lab.slot)
                assert lab.slot in shown_by(str(told.value), lab.source_url)
        finally:
            cursor.execute(f"DROP ROLE {role}")


@pytest.fixture
def narrow(parent: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Medallion]:
    """On a server with room for one slot, and for little log."""
    room = {"max_replication_slots": "1", "max_slot_wal_keep_size": "32MB", "max_wal_size": "48MB",
            "min_wal_size": "32MB", "fsync": "off"}  # fmt: skip
    with another_server(parent / "home", **room):
        monkeypatch.setenv("MEDALLION_HOME", str(parent / "home"))
        lab = Medallion.open("narrow")
        lab.reset()
        yield lab
        lab.close()


PEOPLE = """
INSERT INTO country (country) VALUES ('Here');
INSERT INTO city (city, country_id) VALUES ('Here', 1);
INSERT INTO address (address, district, city_id, phone) VALUES ('1 Street', '', 1, '');
WITH first AS (INSERT INTO store (manager_staff_id, address_id) VALUES (1, 1))
INSERT INTO staff (first_name, last_name, address_id, store_id, username) VALUES ('A', 'B', 1, 1, 'a');
INSERT INTO customer (customer_id, store_id, first_name, last_name, email, address_id)
SELECT n, 1, 'First', 'Last', n || '@example', 1 FROM generate_series(1, 4) AS n;
"""


@pytest.mark.slow
def test_a_slot_invalidated_by_too_much_log_is_told_and_its_repair_shows_in_history(
    narrow: Medallion,
) -> None:
    with databases.administering(narrow.source_url) as cursor:
        cursor.execute(PEOPLE)
        narrow.capture(merging=True)
        cursor.execute("UPDATE customer SET email = 'unseen@example' WHERE customer_id = 2")
        cursor.execute("DELETE FROM customer WHERE customer_id = 3")
        cursor.execute("INSERT INTO customer SELECT 5, store_id, 'New', last_name, email, address_id "
                       "FROM customer WHERE customer_id = 4")  # fmt: skip
        for _ in range(8):  # a segment of 16 MB each
            cursor.execute("SELECT pg_logical_emit_message(false, 'noise', 'x'); SELECT pg_switch_wal()")
        cursor.execute("CHECKPOINT")
        assert narrow.status()["slot_state"] == "lost"
        before = bronze(narrow)
        message = refused(narrow, "capture")
        assert f'The replication slot "{narrow.slot}" is invalid (wal_removed)' in message
        assert message.endswith(f"    {REMEDY} capture --resnapshot\n")
        assert bronze(narrow) == before
        cursor.execute("SELECT now()")
        (repaired,) = cursor.fetchone()
        narrow.capture(resnapshot=True, merging=True, yes=True)
    assert customers_now(narrow) == customers_at_source(narrow)
    assert narrow.status()["slot_state"] == "reserved"
    with narrow.warehouse.connect() as connection:
        ops = connection.exec_driver_sql(
            "SELECT string_agg(op, '' ORDER BY lsn, seq) FROM bronze.br_customer_cdc").scalar_one()
        versions = connection.exec_driver_sql(
            "SELECT customer_id, email, sys_start > %s, CASE WHEN sys_end < 'infinity' THEN sys_end > %s END "
            "FROM dim_customer_hist ORDER BY customer_id, sys_start", (repaired, repaired)).all()
        ends = connection.exec_driver_sql(
            "SELECT count(DISTINCT at) FROM (SELECT sys_end AS at FROM dim_customer_hist WHERE sys_end < 'infinity' "
            "UNION SELECT sys_start FROM dim_customer_hist WHERE sys_start > %s) AS each", (repaired,)).scalar_one()
    assert ops == "IIIITRRRR"
    assert versions == [
        (1, "1@example", False, None),  # unchanged, untouched
        (2, "2@example", False, True), (2, "unseen@example", True, None),
        (3, "3@example", False, True),  # gone: closed when that was found out
        (4, "4@example", False, None),
        (5, "4@example", True, None),
    ]  # fmt: skip
    assert ends == 1, "the snapshot's time"


@pytest.mark.slow
def test_a_server_without_room_for_a_slot_is_told(narrow: Medallion) -> None:
    other = Medallion.open("other")
    with pytest.raises(MedallionError, match="The server has no room for a slot: all rep") as told:
        other.reset()
    assert "ALTER SYSTEM SET max_replication_slots = 40;" in str(told.value)
    narrow.capture()
    message = refused(narrow, "verify")  # it takes a second one, for as long as it runs
    assert "The server has no room for a slot" in message
    narrow.close()
    other.close()
    with databases.administering(narrow.place.url) as cursor:
        cursor.execute(re.search("ALTER SYSTEM.*;", message)[0])
    narrow.place.stop()
    narrow.place.start()
    assert narrow.verify() == []
    other.reset()


# Business time


@pytest.mark.first(1)
@pytest.mark.parametrize(("order", "told"), [
    (("2022-06-01", None), r"A transaction of business time 2022-06-01 00:00:00 follows one of 2023-01-02"),
    (("2023-01-03", "2023-01-03", None), "must say its business time once, before its rows"),
    pytest.param((None, "2023-01-03"), "must say its business time once, before its rows", marks=pytest.mark.slow),
])  # fmt: skip
def test_a_business_time_out_of_order_is_told_and_nothing_of_it_lands(
    lab_at: Callable[[str], Medallion], order: tuple[str | None, ...], told: str
) -> None:
    lab = lab_at("2023-01-03")
    before = bronze(lab)
    with lab.source.begin() as shop:
        for time in order:
            if time is None:
                shop.exec_driver_sql("UPDATE customer SET email = 'odd@example' WHERE customer_id = 1")
            else:
                shop.exec_driver_sql("SELECT pg_logical_emit_message(true, 'medallion.system_time', %s)",
                                     (f"{time} 00:00:00+00",))  # fmt: skip
    message = refused(lab, "capture")
    assert re.search(told, message)
    assert f"    {REMEDY} reset\n" in message
    assert bronze(lab) == before
    the_remedy_goes_on(lab, message)


def the_remedy_goes_on(lab: Medallion, message: str) -> None:
    """After what it says to type, the source as it is has landed, and what comes next does."""
    assert f"    {REMEDY} capture --resnapshot" in message
    lab.capture(resnapshot=True, yes=True)
    change(lab.source, "UPDATE customer SET email = 'later@example' WHERE customer_id = 2")
    assert lab.capture(merging=True).rows == 1
    assert lab.verify() == []
    assert customers_now(lab) == customers_at_source(lab)


SYSTEM_TIME = "medallion.system_time"
EMIT = "SELECT pg_logical_emit_message(%s, %s, %s)"


def say(lab: Medallion, content: bytes, transactional: bool = True, prefix: str = SYSTEM_TIME) -> None:
    """A message, then a row, in one transaction."""
    with lab.source.begin() as shop:
        shop.exec_driver_sql(EMIT, (transactional, prefix, content))
        shop.exec_driver_sql("UPDATE customer SET email = md5(%s) WHERE customer_id = 1", (content,))


@pytest.fixture(scope="module")
def replayed() -> Iterator[Medallion]:
    """A shop of three days, whose business time is trusted."""
    opened = Medallion.open(f"said_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    opened.reset()
    opened.replay("2023-01-03")
    opened.capture(merging=True)
    yield opened
    opened.close()
    opened.drop()


def trust_again(lab: Medallion) -> None:
    """As if all that the log has until now were captured, by 3 January, and its time were trusted."""
    with databases.administering(lab.warehouse_url) as cursor:
        cursor.execute("UPDATE meta.watermark SET lsn = ahead + (pg_current_wal_insert_lsn() - '0/0'), "
                       "commit_ts = '2023-01-03', business_time = true WHERE stage = 'capture'")  # fmt: skip


ODD = [
    b"", b"soon", b"2023-01-04 24:00+00", b"infinity", b"-infinity", b"0044-03-15 00:00+00 BC", b"\xff", b"\x00",
    b"10000-01-01 00:00+00", b"0001-01-01 00:00+14", b"9999-12-31 23:59:59.999999+00", b"2023-02-29", b"now",
    b"{content} %s\n\\", "٢٠٢٣-٠١-٠٤".encode(), b"2023-01-04" * 100_000,
]  # fmt: skip


@pytest.mark.first(1)
@pytest.mark.parametrize("content", [b"soon", b"\xff"])
def test_a_business_time_that_cannot_be_read_is_told_and_the_remedy_goes_on(
    lab_at: Callable[[str], Medallion], content: bytes
) -> None:
    lab = lab_at("2023-01-03")
    before = bronze(lab)
    say(lab, content)
    message = refused(lab, "capture")
    assert repr(content.decode(errors="replace")) in message
    assert "of an instant of the years 1 to 9998, in UTC if it names no zone" in message
    assert bronze(lab) == before
    the_remedy_goes_on(lab, message)


# A text that is an instant, or almost one, and bytes of any kind.
ALMOST = st.one_of(
    st.binary(max_size=30), st.text(max_size=30).map(str.encode), st.sampled_from(ODD),
    st.datetimes(timezones=st.sampled_from([None, UTC])).map(lambda at: str(at).encode()),
    st.from_regex(rb"2023-0[1-9]-[0-3][0-9][ T][0-2][0-9]:[0-5][0-9](:[0-6][0-9])?([+-][0-2][0-9](:[0-9]{2})?|Z)?", fullmatch=True),
)  # fmt: skip


def as_postgresql_reads(lab: Medallion, content: bytes) -> datetime | None:
    """The instant; None where it reads none, or one of no year from 1 to 9998."""
    try:
        return asked(lab.source_url, "SELECT CASE WHEN extract(year FROM at AT TIME ZONE 'UTC') BETWEEN 1 AND 9998 THEN at END "
                     "FROM (SELECT %s::timestamptz AS at) AS one", content.decode())  # fmt: skip
    except (psycopg2.DataError, ValueError):
        return None


@pytest.mark.slow
@settings(max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(content=ALMOST, transactional=st.sampled_from([True, True, True, False]))
@example(content=b"2023-01-04 10:00", transactional=True)
@example(content=b"2023-01-04 10:00+02:30", transactional=False)
def test_of_any_content_a_business_time_is_taken_as_postgresql_reads_it_or_refused(
    replayed: Medallion, content: bytes, transactional: bool
) -> None:
    trust_again(replayed)
    say(replayed, content, transactional)
    try:
        replayed.capture()
    except MedallionError as told:
        assert "Send a transactional one, of an instant" in str(told) or "history can't be written backwards" in str(told)
        if "backwards" in str(told):
            assert as_postgresql_reads(replayed, content) < datetime(2023, 1, 3, tzinfo=UTC)
        return
    at = "SELECT commit_ts FROM bronze.br_customer_cdc ORDER BY lsn DESC LIMIT 1"
    last = datetime(2023, 1, 3, tzinfo=UTC) + timedelta(microseconds=1)
    assert transactional
    assert asked(replayed.warehouse_url, at) == max(as_postgresql_reads(replayed, content), last)


@pytest.mark.parametrize("content", ODD[:8])
def test_what_is_no_instant_is_refused(replayed: Medallion, content: bytes) -> None:
    trust_again(replayed)
    say(replayed, content)
    with pytest.raises(MedallionError, match=r"Send a transactional one, of an instant of the years 1 to 9998"):
        replayed.capture()


@pytest.mark.slow
@settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(said=st.lists(st.tuples(
    st.sampled_from([SYSTEM_TIME, "medallion.marker", "medallion.other", "medallion.", "", "grün %s"]),
    st.booleans(), ALMOST), min_size=1, max_size=20))  # fmt: skip
@example(said=[(prefix, kind, content) for content in ODD for kind in (True, False)
               for prefix in (SYSTEM_TIME, "medallion.marker")])  # fmt: skip
def test_a_message_of_ours_from_somebody_else_is_passed_over_where_no_time_is_trusted(
    replayed: Medallion, said: list[tuple[str, bool, bytes]]
) -> None:
    """Whatever is in it, before rows and after; a marker from anybody is one, and says no more."""
    replayed.capture(resnapshot=True, yes=True)
    for prefix, transactional, content in said:
        say(replayed, content, transactional, prefix)
    began = asked(replayed.source_url, "SELECT now() - interval '1 hour'")
    assert replayed.capture().rows == len(said)
    at = "SELECT min(commit_ts) FROM bronze.br_customer_cdc WHERE op = 'U' AND lsn > (SELECT max(lsn) FROM bronze.br_customer_cdc WHERE op = 'R')"
    assert asked(replayed.warehouse_url, at) > began


@pytest.mark.first(1)
@pytest.mark.parametrize(("at", "told"), [
    ("infinity", "infinite or not of the years"), ("2999-01-01", "2999-01-01 00:00:00, in the future"),
    *(pytest.param(*each, marks=pytest.mark.slow) for each in (
        ("-infinity", "infinite"), ("294276-12-31 23:59", "years 1 to 9999"), ("0044-03-15 BC", "years 1 to 9999"))),
])  # fmt: skip
def test_a_commit_of_an_impossible_time_is_told_and_the_remedy_goes_on(begun: Medallion, at: str, told: str) -> None:
    """An origin's time is what the log has of a transaction that came by another replication."""
    begun.capture()
    before, origin = bronze(begun), f"from_{begun.name}"
    with databases.administering(begun.source_url) as cursor:
        cursor.execute("SELECT pg_replication_origin_create(%s)", (origin,))
        try:
            cursor.execute("SELECT pg_replication_origin_session_setup(%s)", (origin,))
            cursor.execute("BEGIN")
            cursor.execute("SELECT pg_replication_origin_xact_setup('0/1', %s)", (at,))
            cursor.execute("UPDATE customer SET email = 'odd@example' WHERE customer_id = 1")
            cursor.execute("COMMIT")
        finally:
            cursor.execute("SELECT pg_replication_origin_session_reset()")
            cursor.execute("SELECT pg_replication_origin_drop(%s)", (origin,))
    message = refused(begun, "capture")
    assert told in message
    assert bronze(begun) == before
    the_remedy_goes_on(begun, message)


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


def test_what_is_no_instant_to_replay_to_or_position_to_merge_to_is_refused(begun: Medallion) -> None:
    begun.capture()
    before = bronze(begun)
    for until in (True, "x", 5, "", [], "2023-13-01"):
        with pytest.raises(MedallionError, match=r"is not an instant\. Write one like 2023-07-01"):
            begun.replay(until)
    for upto in (True, "x", "0/16B3748", 1.5, [], b"1"):
        with pytest.raises(MedallionError, match=r"is no position to merge up to\.(.|\n)*SELECT max\(lsn\)"):
            begun.merge(upto)
    assert bronze(begun) == before
    begun.merge(None)
    assert customers_now(begun) == customers_at_source(begun)


@pytest.mark.first(1)
@pytest.mark.parametrize("name", ["events.csv", "customer.csv"])
@pytest.mark.parametrize("missing", [False, True])
def test_a_data_file_that_is_not_whole_is_refused(
    lab: Medallion, tmp_path: Path, name: str, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(year.DATA, tmp_path / "data"))
    whole = (copy / name).read_bytes()
    (copy / name).unlink() if missing else (copy / name).write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(year, "DATA", copy)
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
    assert helper._have(helper.home)
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
