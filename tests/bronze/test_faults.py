"""Killed half-way, nothing is lost, done twice or half done."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import forked
import psycopg2
import pytest
from anew import begin_anew
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from test_adding import REMOVAL
from test_adding import STEPS as ADDING
from test_commands import change, wait_until
from test_live import following, stopped
from test_server import kill_server

from medallion_lib import Medallion, MedallionError, databases, server, sqlfile, steps
from medallion_lib.bronze import landing
from medallion_lib.bronze.landing import Landing
from medallion_lib.bronze.transactions import Decoder
from medallion_lib.server.embedded import CHECKOUT, Embedded
from medallion_lib.shop import TABLES
from medallion_lib.source import slot

pytestmark = pytest.mark.long(3)

BRONZE = " UNION ALL ".join(
    f"SELECT lsn, seq, '{table.name}' AS source, op, full_row::text, commit_ts::text "
    f"FROM bronze.br_{table.name}_cdc" for table in TABLES.captured
)  # fmt: skip

# Kills itself as soon as the step has been passed so many times.
DOOMED = """
import os, signal, sys
from medallion_lib import Medallion, steps
from medallion_lib.bronze import landing
name, work, at, count = sys.argv[1:]
landing.BATCH_ROWS = 2000
left = int(count)
def on_step(step):
    global left
    left -= step == at
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
steps.on_step = on_step
lab = Medallion.open(name)
lab.capture(resnapshot=True, yes=True) if work == "resnapshot" else getattr(lab, work)()
"""


# Every step, by what it is a step of; a test kills each of them at each, below, in test_adding or, within
# a first merge, in watch/test_first_versions; at those of a prune, upkeep/test_prune stops it.
CAPTURE = ("copied", "landed", "confirmed")
SNAPSHOT = ("slot made", "copied", "landed")
FIRST = "first rows taken"
PRUNE = ("horizon set", "batch pruned")
WATCH = "all made"  # from then on a watch is not undone
MERGE = (*(f"merged {table.history}" for table in TABLES.versioned), "merge watermark written", "merge committed")

kills: list[str] = []  # of the test that runs


def named_steps() -> set[str]:
    """What steps.step(…) is called with in the package; a table's name in it stands for each."""
    found = set()
    for path in Path(steps.__file__).parent.rglob("*.py"):
        if path.parent.name in ("batch", "lake"):  # whose own tests name them
            continue
        if "step(" not in (text := path.read_text("utf-8")):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("step", "steps.step"):
                name = ast.unparse(node.args[0]).removeprefix("f").strip("'\"")
                found |= {name.replace("{table.history}", table.history) for table in TABLES.versioned}
    return found


def test_each_named_step_is_one_at_which_a_test_kills() -> None:
    assert named_steps() == {*CAPTURE, *SNAPSHOT, FIRST, *MERGE, *PRUNE, *ADDING, REMOVAL, WATCH}


@pytest.fixture(autouse=True)
def _told(record_property: Callable[[str, object], None]) -> Iterator[None]:
    kills.clear()
    yield
    record_property("kills", len(kills))


def killed(lab: Medallion, work: str, at: str, count: int = 1) -> None:
    """Run capture, a new snapshot or merge in a process of its own that dies at a step, the count-th time."""
    done = forked.run("-c", DOOMED, lab.name, work, at, str(count), environment=os.environ)
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
    return [read(lab, f"SELECT row.*::text FROM silver.{table.history} AS row ORDER BY 1")
            for table in TABLES.versioned]  # fmt: skip


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
    begin_anew(other)
    yield other
    other.close()
    other.drop()


@pytest.mark.slow
def test_capture_killed_ten_times_lands_everything_once_and_in_order(
    lab: Medallion, second: Medallion
) -> None:
    lab.replay("2023-07-01")
    second.replay("2023-07-01")
    second.capture()
    for turn in range(10):
        before = reached(lab)
        at = CAPTURE[turn % 3]
        killed(lab, "capture", at, 2 if at == "copied" else 1)  # before its commit, or after it
        assert reached(lab) > before, "each comes after a further landing"
    rest = lab.capture()
    assert rest.rows > 2000
    same(bronze(lab), bronze(second))
    assert lab.capture().rows == 0


@pytest.mark.slow
def test_a_landing_that_was_not_confirmed_is_not_landed_again(lab: Medallion) -> None:
    lab.replay("2023-01-05")
    killed(lab, "capture", "landed", 1)
    count = len(bronze(lab))
    killed(lab, "capture", "copied", 1)
    assert len(bronze(lab)) == count
    lab.capture()
    order = read(lab, f"SELECT lsn, seq FROM ({BRONZE}) AS landed")
    assert len(order) == len(set(order)) > count


def test_merge_killed_at_any_step_has_done_nothing_and_is_right_the_next_time(
    lab: Medallion, second: Medallion
) -> None:
    for each in (lab, second):
        begin_anew(each, "2023-01-20")
        each.replay("2023-02-05")
        each.capture()
    before, position = silver(lab), reached(lab, "merge")
    for at in MERGE[:-1]:
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
    killed(lab, "merge", MERGE[-1])
    assert not any(any(done[1:]) for done in lab.merge())
    assert reached(lab, "merge") == reached(lab)


FILMS = ("INSERT INTO film (title, language_id) SELECT 'Film ' || n, 1 FROM generate_series(1, %s) AS n")


def films(lab: Medallion, count: int) -> None:
    change(lab.source, "INSERT INTO language (name) VALUES ('Latin')")
    change(lab.source, FILMS, count)


def ops(lab: Medallion) -> dict[str, int]:
    return dict(read(lab, "SELECT op, count(*)::int FROM bronze.br_film_cdc GROUP BY op"))


@pytest.mark.first(1)
@pytest.mark.parametrize("at", SNAPSHOT)
def test_a_snapshot_killed_at_any_step_is_done_again_unless_it_had_landed(lab: Medallion, at: str) -> None:
    films(lab, 3000)
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
    assert ops(lab) == ({"R": 3000, "D": 1, "U": 1} if at == "landed" else {"R": 2999, "U": 1})
    current = "SELECT count(*), count(length) FROM silver.dim_film"
    assert read(lab, current) == [(2999, 1)]


@pytest.mark.first(1)
@pytest.mark.parametrize("at", SNAPSHOT[:2])
def test_a_new_snapshot_killed_half_way_has_changed_nothing(lab: Medallion, at: str) -> None:
    films(lab, 3000)
    lab.capture()
    before, landed_ = reached(lab), ops(lab)
    killed(lab, "resnapshot", at)
    change(lab.source, "DELETE FROM film WHERE film_id = 3000")
    assert (reached(lab), ops(lab)) == (before, landed_)
    lab.capture()
    assert ops(lab) == {"I": 3000, "D": 1}, "the slot has all since"
    lab.capture(resnapshot=True, yes=True)
    change(lab.source, "DELETE FROM film WHERE film_id = 2999")
    lab.capture()
    assert ops(lab) == {"I": 3000, "D": 2, "T": 1, "R": 2999}
    lab.merge()
    assert lab.verify() == []


def test_a_new_snapshot_that_is_refused_leaves_the_slot(lab: Medallion, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a transaction that writes: a slot, also a temporary one, waits for its end."""
    films(lab, 10)
    lab.capture()
    soon = sqlfile.read("server/session").replace("'30s'", "'300ms'")
    with lab.source.begin() as writer, monkeypatch.context() as patch:
        patch.setattr(sqlfile, "read", lambda name, read=sqlfile.read: soon if name == "server/session" else read(name))
        writer.exec_driver_sql("UPDATE film SET length = 1 WHERE film_id = 1")
        with pytest.raises(MedallionError, match="was not made within"):
            lab.capture(resnapshot=True, yes=True)
    assert lab.capture().rows == 1
    lab.merge()
    assert lab.verify() == []


def test_a_slot_whose_snapshot_is_too_large_is_made_again(own_server: Embedded, lab: Medallion) -> None:
    """It has what was undone from the oldest that is open up to the last that is committed: too much.

    On a server of its own, where no other test's slot waits for the same transactions.
    """
    log, made = lab.place.home / "server.log", []

    def refused() -> int:
        return log.read_text(encoding="utf-8").count("initial slot snapshot too large")

    def make() -> None:
        with slot.replicating(lab.source_url) as stream:
            made.append(slot.create(stream, f"{lab.slot}_large", "TEMPORARY"))

    before, making = refused(), threading.Thread(target=make)
    with ExitStack() as stack, databases.administering(lab.source_url) as cursor:
        first, second, third = (stack.enter_context(closing(server.connect(lab.source_url))) for _ in range(3))
        number = begun(first)
        making.start()
        wait_until(lambda: is_waited_for(cursor, number))
        number = begun(second)
        first.rollback()
        wait_until(lambda: is_waited_for(cursor, number))
        number = begun(third)
        cursor.execute(UNDONE)
        cursor.execute("SELECT txid_current()")
        second.rollback()
        wait_until(lambda: is_waited_for(cursor, number))
        assert refused() == before + 1
        third.rollback()
        making.join()
        wait_until(lambda: not has_slot(cursor, f"{lab.slot}_large"))  # its sender ends a moment later
    assert len(made) == 1


UNDONE = """
CREATE TEMPORARY TABLE undone ();
DO $$BEGIN
    FOR n IN 1 .. 3000 LOOP
        BEGIN
            INSERT INTO undone DEFAULT VALUES;
            RAISE 'undone';
        EXCEPTION WHEN raise_exception THEN
        END;
    END LOOP;
END$$"""


def begun(connection: Connection) -> int:
    """A transaction that has a number as one that writes has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT txid_current()")
        return cursor.fetchone()[0]


def has_slot(cursor: Cursor, name: str) -> bool:
    cursor.execute("SELECT count(*) > 0 FROM pg_replication_slots WHERE slot_name = %s", (name,))
    return cursor.fetchone()[0]


def is_waited_for(cursor: Cursor, number: int) -> bool:
    cursor.execute("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND transactionid = %s::text::xid", (number,))
    return cursor.fetchone()[0]


def test_a_table_that_is_rewritten_just_before_a_snapshot_reads_it_is_not_taken_for_empty(
    lab: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows of then are not to be seen any more: the snapshot is refused, and taken the next time."""
    films(lab, 10)
    lab.capture()
    rewrite = "ALTER TABLE film ALTER COLUMN length TYPE integer"
    monkeypatch.setattr(steps, "on_step", lambda name: change(lab.source, rewrite) if name == "slot made" else None)
    with pytest.raises(MedallionError, match="was emptied or rewritten"):
        lab.capture(resnapshot=True, yes=True)
    monkeypatch.setattr(steps, "on_step", lambda name: None)
    assert lab.capture(resnapshot=True, yes=True).rows > 10
    lab.merge()
    assert read(lab, "SELECT count(*) FROM silver.dim_film_hist") == [(10,)]
    assert lab.verify() == []


@pytest.fixture
def own_server(parent: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedded]:
    """A server that may be killed, or kept busy: nobody else's databases are on it."""
    monkeypatch.setenv("MEDALLION_HOME", str(parent / "home"))
    place = Embedded(parent / "home")
    yield place
    place.stop()


def without_fsync(place: Embedded) -> None:
    """Processes are killed here, not the machine."""
    with databases.administering(place.url) as cursor:
        cursor.execute("ALTER SYSTEM SET fsync = off")
        cursor.execute("SELECT pg_reload_conf()")


@pytest.mark.slow
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


# Connections that are ended while capture uses them

SESSIONS = {
    "to the source": "SELECT pid FROM pg_stat_activity WHERE datname = %(source)s AND backend_type = 'client backend'",
    "of the walsender": "SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = %(slot)s AND active",
    "to the warehouse": "SELECT pid FROM pg_stat_activity WHERE datname = %(warehouse)s AND usename = current_user",
}  # fmt: skip


def sessions(lab: Medallion, which: str, does: str = "pid") -> int:
    """How many connections a running capture has of the kind."""
    names = {"source": lab.source_name, "slot": lab.slot, "warehouse": lab.warehouse_name}
    with databases.administering(lab.place.url) as cursor:
        cursor.execute(f"SELECT count({does}) FROM ({SESSIONS[which]}) AS session", names)
        return cursor.fetchone()[0]


def end(lab: Medallion, which: str) -> int:
    """Terminate them; how many it was."""
    return sessions(lab, which, "pg_terminate_backend(pid)")


@pytest.mark.first(1)
@pytest.mark.parametrize("which", ["of the walsender", "to the warehouse"])
@pytest.mark.parametrize("at", ["copied", "landed"])
def test_a_connection_ended_under_capture_is_told_and_nothing_is_lost_or_twice(
    lab: Medallion, monkeypatch: pytest.MonkeyPatch, which: str, at: str
) -> None:
    for _ in range(6):  # more than is read ahead of what lands
        films(lab, 1000)
    lab.close()
    left = [at, at]

    def on_step(name: str) -> None:
        if name == at and left and left.pop() and not left:
            assert end(lab, which) == 1

    monkeypatch.setattr(landing, "BATCH_ROWS", 500)
    monkeypatch.setattr(steps, "on_step", on_step)
    with pytest.raises(MedallionError, match="connection to the server was lost") as told:
        lab.capture()
    assert "python -m medallion_lib up" in str(told.value)
    assert left == []
    monkeypatch.setattr(steps, "on_step", lambda name: None)
    assert 0 < ops(lab)["I"] < 6000
    lab.capture()
    assert ops(lab) == {"I": 6000}
    lab.merge()
    assert lab.verify() == []


def test_a_batch_lands_while_the_log_is_read_on_and_its_connection_is_nobody_elses(
    lab: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        films(lab, 500)
    copying, fed = threading.Event(), threading.Event()
    seen: dict[str, set[bool]] = {"read": set(), "shared": set()}
    copy, feed, warehouse = Landing._copy, Decoder.feed, Landing.warehouse.fget

    def slowly(into: Landing, taken: list) -> None:
        copying.set()
        fed.clear()
        copy(into, taken)
        fed.wait(0.3)  # at the end, no more comes
        copying.clear()

    def reading(decoder: Decoder, data: bytes) -> bool:
        seen["read"].add(copying.is_set())
        fed.set()
        return feed(decoder, data)

    def given(into: Landing) -> object:
        connection = warehouse(into)
        seen["shared"].add(copying.is_set())
        return connection

    monkeypatch.setattr(landing, "BATCH_ROWS", 500)
    monkeypatch.setattr(Landing, "_copy", slowly)
    monkeypatch.setattr(Decoder, "feed", reading)
    monkeypatch.setattr(Landing, "warehouse", property(given))
    assert lab.capture().rows == 3000
    assert seen == {"read": {False, True}, "shared": {False}}
    assert ops(lab) == {"I": 3000}


def test_a_merge_commits_no_rows_without_their_watermark(
    lab: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches wait while each is merged: killed there, rows would come once more, and be refused."""
    for _ in range(6):
        films(lab, 500)
    ahead = Counter()

    def looking(step: str) -> None:
        if step.startswith("merge"):
            at = "(SELECT lsn FROM meta.watermark WHERE stage = 'capture')"
            found = read(lab, f"SELECT count(*) FROM bronze.br_film_cdc WHERE lsn >= {at}")
            ahead[found[0][0]] += 1

    monkeypatch.setattr(landing, "BATCH_ROWS", 100)
    monkeypatch.setattr(steps, "on_step", looking)
    assert lab.capture(merging=True).rows == 3000
    assert ahead.keys() == {0} and ahead.total() > 6
    assert lab.verify() == []


@pytest.mark.slow
@pytest.mark.parametrize("which", [
    "to the warehouse", *(pytest.param(each, marks=pytest.mark.slow) for each in list(SESSIONS)[:2])])
def test_following_goes_on_over_a_connection_that_is_ended(lab: Medallion, which: str) -> None:
    films(lab, 10)
    lab.capture()
    with following(lab, "--merge") as process:
        for turn in range(1, 3):
            change(lab.source, "UPDATE film SET length = %s", turn)
            wait_until(lambda: ops(lab).get("U") == 10 * turn)  # noqa: B023
            lab.close()
            assert end(lab, which) >= 1  # with one of our own that is still ending
            wait_until(lambda: sessions(lab, which) == 1, 20)
        change(lab.source, "UPDATE film SET length = 3")
        wait_until(lambda: ops(lab).get("U") == 30)
        assert "was lost" in stopped(process)
    assert ops(lab) == {"I": 10, "U": 30}
    assert lab.verify() == []


# Transactions that are large, long, or out of time

MEASURED = """
import resource, sys
from medallion_lib import Medallion
Medallion.open(sys.argv[1]).capture()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def most_memory(lab: Medallion) -> int:
    """Kilobytes that a capture in a process of its own held at most."""
    return int(subprocess.run(
        [sys.executable, "-c", MEASURED, lab.name], cwd=CHECKOUT, check=True, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
    ).stdout)  # fmt: skip


@pytest.mark.parametrize(("few", "rows"), [
    pytest.param(25_000, 100_000, marks=pytest.mark.slow),
    pytest.param(250_000, 1_000_000, marks=pytest.mark.slow),
])  # fmt: skip
def test_a_large_transaction_lands_whole_in_the_memory_of_a_smaller_one(
    own_server: Embedded, lab: Medallion, few: int, rows: int
) -> None:
    """On a server of its own, where no other test's slot waits for its transactions."""
    without_fsync(own_server)
    films(lab, few)
    small = most_memory(lab)
    change(lab.source, FILMS, rows)
    large = most_memory(lab)
    assert ops(lab) == {"I": few + rows}
    last = "SELECT count(*), min(seq), max(seq) FROM bronze.br_film_cdc WHERE lsn = (SELECT max(lsn) FROM bronze.br_film_cdc)"
    assert read(lab, last) == [(rows, 1, rows)]
    assert large - small < 15_000


def test_a_transaction_that_outlives_several_captures_lands_once_when_it_commits(lab: Medallion) -> None:
    films(lab, 3)
    lab.capture(merging=True)
    with lab.source.begin() as long:
        long.exec_driver_sql("UPDATE film SET length = 100 WHERE film_id = 1")
        for turn in range(1, 4):
            change(lab.source, "UPDATE film SET length = %s WHERE film_id = 2", turn)
            assert lab.capture(merging=True).rows == 1
        long.exec_driver_sql("UPDATE film SET length = 300 WHERE film_id = 3")
        assert lab.capture(merging=True).rows == 0
    assert lab.capture(merging=True).rows == 2
    assert lab.capture().rows == 0
    order = "SELECT string_agg(full_row ->> 'length', ' ' ORDER BY lsn, seq) FROM bronze.br_film_cdc WHERE op = 'U'"
    assert read(lab, order) == [("1 2 3 100 300",)]
    at = "SELECT count(DISTINCT commit_ts) FROM bronze.br_film_cdc WHERE full_row ->> 'length' IN ('100', '300')"
    assert read(lab, at) == [(1,)]
    assert lab.verify() == []


GAPS = """
SELECT array_agg(gap ORDER BY lsn) FROM (
    SELECT lsn, commit_ts - lag(commit_ts) OVER (ORDER BY lsn) AS gap FROM bronze.br_film_cdc WHERE op = 'U') AS each
"""


def test_system_time_goes_up_by_a_microsecond_while_the_sources_clock_is_behind(lab: Medallion) -> None:
    """What is known already is an hour ahead."""
    films(lab, 1)
    lab.capture()
    with databases.administering(lab.warehouse_url) as cursor:
        cursor.execute("UPDATE meta.watermark SET commit_ts = now() + interval '1 hour' WHERE stage = 'capture' "
                       "RETURNING commit_ts")  # fmt: skip
        (ahead,) = cursor.fetchone()
    for turn in range(4):
        change(lab.source, "UPDATE film SET length = %s", turn)
        lab.capture(merging=True)
    assert read(lab, GAPS) == [([None, *[timedelta(microseconds=1)] * 3],)]
    # The language's transaction has no row in bronze, and no time of its own.
    (found,) = read(lab, "SELECT min(commit_ts) FROM bronze.br_film_cdc WHERE op = 'U'")[0]
    assert found - ahead in (timedelta(microseconds=1), timedelta(microseconds=2))
    assert read(lab, "SELECT count(*) FROM silver.dim_film_hist") == [(5,)]
    assert lab.verify() == []


LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


@pytest.mark.slow
@pytest.mark.skipif(LIBRARY is None, reason="no libfaketime (Debian's package faketime) to set the clock back")
def test_a_clock_that_is_set_back_leaves_system_time_going_up(
    own_server: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_server.start()
    own_server.stop()
    clock = own_server.home / "clock"
    run = own_server._run

    def set_clock(offset: str) -> None:
        clock.write_text(offset)
        clock.chmod(0o644)

    set_clock("+0")
    monkeypatch.setattr(own_server, "_run", lambda *command: run(
        "env", f"LD_PRELOAD={LIBRARY}", f"FAKETIME_TIMESTAMP_FILE={clock}", "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1", *command))  # fmt: skip
    own_server.start()
    lab = Medallion.open("clock")
    lab.reset()
    films(lab, 1)
    change(lab.source, "UPDATE film SET length = 0")
    lab.capture(merging=True)
    before = read(lab, "SELECT max(commit_ts) FROM bronze.br_film_cdc")[0][0]
    set_clock("-1h")
    (now,) = read(lab, "SELECT clock_timestamp()")[0]
    assert now < before - timedelta(minutes=59), "the server's clock is an hour behind"
    for turn in range(1, 4):
        change(lab.source, "UPDATE film SET length = %s", turn)
        lab.capture(merging=True)
    assert read(lab, GAPS) == [([None, *[timedelta(microseconds=1)] * 3],)]
    assert read(lab, "SELECT count(*) FROM silver.dim_film_hist") == [(5,)]
    assert lab.verify() == []
    lab.close()


def test_a_partition_emptied_while_its_table_had_no_rows_lands_nothing(lab: Medallion) -> None:
    change(lab.source, "TRUNCATE payment_p2023_01")
    films(lab, 1)
    assert lab.capture().rows == 1
    assert ops(lab) == {"I": 1}
