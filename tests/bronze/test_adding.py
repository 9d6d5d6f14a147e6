"""Tables are added to a warehouse and removed from it while the others are captured.

The tables that are there already miss nothing, whatever runs or is killed meanwhile.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime

import forked
import pytest
from test_commands import change, wait_until
from test_live import following, stopped

from medallion_lib import Medallion, MedallionError, databases, server, steps
from medallion_lib.source import slot
from medallion_lib.tables import Table, Tables
from medallion_lib.watch import adding

pytestmark = pytest.mark.long(2)

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "one")
LONG = "repeat(md5({}::text), 100)"  # stored apart, so that an update of other columns logs none of it
SOURCE = f"""
CREATE TABLE account (id integer PRIMARY KEY, n integer);
CREATE TABLE item (id integer PRIMARY KEY, n integer, long text);
ALTER TABLE item ALTER long SET STORAGE EXTERNAL;
CREATE TABLE parcel (id integer, place text, n integer, PRIMARY KEY (id, place)) PARTITION BY LIST (place);
CREATE TABLE parcel_here PARTITION OF parcel FOR VALUES IN ('here');
CREATE TABLE parcel_there PARTITION OF parcel FOR VALUES IN ('there');
INSERT INTO account SELECT n, 0 FROM generate_series(1, 9) AS n;
INSERT INTO item SELECT n, 0, {LONG.format("n")} FROM generate_series(1, 30) AS n;
INSERT INTO parcel SELECT n, CASE n % 2 WHEN 0 THEN 'here' ELSE 'there' END, 0 FROM generate_series(1, 10) AS n
"""
ACCOUNT = Table("account", "id", history="account_hist")
ITEM = Table("item", "id", history="item_hist")
PARCEL = Table("parcel", ("id", "place"), history="parcel_hist")
REMOVAL = "removal known"
STEPS = ("table made", "table published", "snapshot made", "snapshot copied", "snapshot landed")


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Medallion]:
    """A source of somebody's, of which one table is captured and merged."""
    place = Medallion.open().place
    database = f"shelf_{WORKER}"
    with databases.administering(place.url) as cursor:
        databases.drop(cursor, database)
        databases.create(cursor, database)
    url = place.url.set(database=database)
    monkeypatch.setenv("MEDALLION_SOURCE_URL", server.libpq(url))
    with server.session(url) as cursor:
        cursor.execute(SOURCE)
    made = Medallion.open(f"adding_{WORKER}", tables=Tables((ACCOUNT,)))
    made.reset(yes=True)
    made.capture(merging=True)
    made.close()
    opened = Medallion.open(made.name)
    yield opened
    opened.close()
    opened.drop()
    with databases.administering(place.url) as cursor:
        slot.drop(cursor, opened.slot)
        databases.drop(cursor, database)


def add(lab: Medallion, *tables: Table) -> None:
    with server.session(lab.warehouse_url) as cursor:
        adding.add(lab.source_url, cursor.connection, tables, lambda *rows: None)


def remove(lab: Medallion, *tables: Table) -> None:
    with server.session(lab.warehouse_url) as cursor:
        adding.remove(lab.source_url, cursor.connection, tables)


def rows(lab: Medallion, query: str, *parameters: object) -> list[tuple]:
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


class Writer(threading.Thread):
    """Changes what is captured and what is added, a transaction at a time, and keeps copies of both."""

    def __init__(self, lab: Medallion) -> None:
        super().__init__()
        self.lab, self.ending, self.written = lab, threading.Event(), 0
        self.copies: list[tuple[datetime, list[tuple], list[tuple]]] = []
        self.problem: BaseException | None = None

    def run(self) -> None:
        chance = random.Random()
        try:
            with server.session(self.lab.source_url, autocommit=True) as cursor:
                for number in itertools.count(1):
                    if self.ending.is_set():
                        return
                    cursor.execute("BEGIN; UPDATE account SET n = %s WHERE id = 1", (number,))
                    cursor.execute(_change(chance, number))
                    cursor.execute("COMMIT")
                    if number % 3 == 0:
                        self._copy(cursor)
                    self.written = number
                    time.sleep(0.003)
        except BaseException as problem:
            self.problem = problem

    def _copy(self, cursor: server.connections.Cursor) -> None:
        cursor.execute("SELECT id, n, md5(long) FROM item ORDER BY 1")
        items = cursor.fetchall()
        cursor.execute("SELECT id, n FROM account ORDER BY 1")
        accounts = cursor.fetchall()
        cursor.execute("SELECT clock_timestamp()")
        self.copies.append((cursor.fetchone()[0], items, accounts))

    def go_on(self, at: str = "") -> None:
        """Wait for some more changes, but where the table's rows are read: a TRUNCATE waits for that."""
        upto = self.written + 6
        if at == "snapshot made":
            time.sleep(0.02)
        else:
            wait_until(lambda: self.written >= upto or self.problem, 30)

    def __enter__(self) -> Writer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.join()
        assert self.problem is None


def _change(chance: random.Random, number: int) -> str:
    """Of one item, or all; those that are by the key alone, and those that leave the long text alone."""
    key = chance.randint(1, 40)
    long = LONG.format(number)
    return chance.choice((
        f"UPDATE item SET n = {number} WHERE id = {key}",
        f"UPDATE item SET n = {number} WHERE id <= {key} AND id % 5 = 0",
        f"DELETE FROM item WHERE id = {key}",
        f"INSERT INTO item VALUES ({key}, {number}, {long}) ON CONFLICT (id) DO UPDATE SET long = {long}",
        f"UPDATE item SET id = id + 100 WHERE id = {key} AND NOT EXISTS (SELECT FROM item WHERE id = {key} + 100)",
        f"INSERT INTO item SELECT n, {number}, {long} FROM generate_series(1, 9) AS n ON CONFLICT DO NOTHING",
        "TRUNCATE item" if number % 4 == 0 else f"UPDATE item SET n = n + 1 WHERE id > {key}",
    ))  # fmt: skip


ITEMS = "SELECT id, n, md5(long) FROM silver.item_hist__as_of(%s) ORDER BY 1"
ACCOUNTS = "SELECT id, n FROM silver.account_hist__as_of(%s) ORDER BY 1"


def all_is_there(lab: Medallion, writer: Writer) -> datetime:
    """Nothing is missing of any table; when the added one's history begins."""
    assert lab.verify() == []
    assert "not_whole_yet" not in lab.status()
    numbers = rows(lab, "SELECT (full_row ->> 'n')::integer FROM bronze.br_account_cdc WHERE op = 'U' ORDER BY lsn")
    assert numbers == [(number,) for number in range(1, writer.written + 1)]
    ((began,),) = rows(lab, "SELECT min(commit_ts) FROM bronze.br_item_cdc")
    later = [copy for copy in writer.copies if copy[0] >= began]
    assert len(later) > 2
    with server.session(lab.warehouse_url) as cursor:
        for at, items, accounts in later:
            cursor.execute(ITEMS, (at,))
            assert cursor.fetchall() == items, at
            cursor.execute(ACCOUNTS, (at,))
            assert cursor.fetchall() == accounts, at
    assert rows(lab, "SELECT count(*) FROM bronze.br_item_cdc WHERE jsonb_typeof(full_row) = 'array'") == [(0,)]
    assert [(each.lost, each.gained) for each in lab.rebuild()] == [(0, 0), (0, 0)]
    return began


@contextmanager
def at_each_step(do: Callable[[str], object]) -> Iterator[None]:
    """Do this at each step of adding."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "on_step", lambda name: do(name) if name in STEPS else None)
        yield


@pytest.mark.first(1)
@pytest.mark.parametrize("follows", [True, False, *(pytest.param(bool(turn % 3), marks=pytest.mark.slow, id=f"turn {turn}")
                                                    for turn in range(20))])  # fmt: skip
def test_a_table_is_added_while_all_are_written_and_nothing_is_lost(lab: Medallion, follows: bool) -> None:
    """Its history from the snapshot on is what copies of the source say; no change of the others is missing."""
    run = following(lab, "--merge", heartbeat=0.2) if follows else nullcontext()
    with run as process:
        with Writer(lab) as writer, at_each_step(writer.go_on):
            add(lab, ITEM)
            ((added,),) = rows(lab, "SELECT clock_timestamp()")
            writer.go_on()
        if follows:
            assert stopped(process) == ""
    assert all_is_there(lab, writer) < added


DOOMED = """
import os, signal, sys
from medallion_lib import Medallion, server, steps
from medallion_lib.tables import Table
from medallion_lib.watch import adding
name, work, at = sys.argv[1:]
def on_step(step):
    if step == at:
        os.kill(os.getpid(), signal.SIGKILL)
steps.on_step = on_step
lab = Medallion.open(name)
known = [lambda *rows: None] if work == "add" else []
with server.session(lab.warehouse_url) as cursor:
    getattr(adding, work)(lab.source_url, cursor.connection, [Table("item", "id", history="item_hist")], *known)
"""


def killed(lab: Medallion, at: str, work: str = "add") -> None:
    done = forked.run("-c", DOOMED, lab.name, work, at, environment=os.environ)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.first(1)
@pytest.mark.parametrize("at", STEPS)
@pytest.mark.parametrize("follows", [pytest.param(True, marks=pytest.mark.slow), False])
def test_adding_that_was_killed_is_done_again_and_nothing_is_lost(lab: Medallion, at: str, follows: bool) -> None:
    """The other tables go on meanwhile, and merge leaves the new one alone."""
    run = following(lab, "--merge", heartbeat=0.2) if follows else nullcontext()
    with run as process:
        with Writer(lab) as writer:
            killed(lab, at)
            writer.go_on()
            lab.capture(merging=True) if not follows else None
            assert at == STEPS[-1] or rows(lab, "SELECT count(*) FROM silver.item_hist") == [(0,)]
            add(lab, ITEM) if at != STEPS[-1] else None
            writer.go_on()
        if follows:
            stopped(process)
    all_is_there(lab, writer)


@pytest.mark.slow
def test_a_removal_that_was_killed_is_done_again(lab: Medallion) -> None:
    """Changes that the log still has of the table are let go meanwhile."""
    add(lab, ITEM)
    killed(lab, REMOVAL, "remove")
    change(lab.source, "UPDATE item SET n = 5")
    assert lab.capture().rows == 0
    remove(lab, ITEM)
    with lab.source.connect() as source:
        published = source.exec_driver_sql("SELECT tablename FROM pg_publication_tables").scalars().all()
    assert published == ["account"]
    change(lab.source, "UPDATE account SET n = 5")
    assert lab.capture(merging=True).rows == 9
    assert lab.verify() == []


@pytest.mark.parametrize("at", STEPS)
@pytest.mark.slow
def test_capture_killed_while_a_table_is_added_loses_nothing(lab: Medallion, at: str) -> None:
    """The one that adds captures by itself then."""
    with following(lab, "--merge", heartbeat=0.2) as process, Writer(lab) as writer:

        def kill(name: str) -> None:
            writer.go_on(name)
            if name == at:
                process.kill()

        with at_each_step(kill):
            add(lab, ITEM)
        writer.go_on()
    all_is_there(lab, writer)


@pytest.mark.slow
def test_a_partition_emptied_while_its_table_is_added_has_the_snapshot_taken_again(lab: Medallion) -> None:
    """Which rows it held is not known to the capture that lands it before those."""
    taken = []

    def empty(name: str) -> None:
        taken.append(name)
        if name == "snapshot copied" and taken.count(name) == 1:
            change(lab.source, "TRUNCATE parcel_here")
            change(lab.source, "INSERT INTO parcel VALUES (2, 'here', 7)")

    with at_each_step(empty):
        add(lab, PARCEL)
    assert taken.count("snapshot landed") == 2
    change(lab.source, "TRUNCATE parcel_there")
    assert lab.verify() == []
    assert rows(lab, "SELECT id, place FROM silver.parcel") == [(2, "here")]


def test_a_table_that_was_removed_keeps_its_history_and_is_added_again(lab: Medallion) -> None:
    """Keys that are gone by then end with the new snapshot; rows that are the same go on."""
    add(lab, ITEM)
    lab.merge()
    before = "SELECT id, n, sys_start FROM silver.item_hist WHERE sys_end = 'infinity' AND id <> ALL (%s) ORDER BY 1"
    known = rows(lab, before, [1, 2])
    remove(lab, ITEM)
    change(lab.source, "DELETE FROM item WHERE id = 1")
    change(lab.source, "UPDATE item SET n = 5 WHERE id = 2")
    change(lab.source, "UPDATE account SET n = 5")
    lab.capture(merging=True)
    assert rows(lab, "SELECT id, n FROM silver.item WHERE id < 3 ORDER BY 1") == [(1, 0), (2, 0)]
    assert lab.verify() == []
    add(lab, ITEM)
    change(lab.source, "UPDATE item SET n = 6 WHERE id = 3")
    assert lab.verify() == []
    assert rows(lab, "SELECT n FROM silver.item_hist WHERE id = 2 ORDER BY sys_start") == [(0,), (5,)]
    assert rows(lab, before, [1, 2, 3]) == [row for row in known if row[0] > 3]
    assert [(each.lost, each.gained) for each in lab.rebuild()] == [(0, 0), (0, 0)]


@pytest.mark.slow
def test_a_table_that_was_removed_and_made_anew_is_added_again_by_the_names_of_its_columns(lab: Medallion) -> None:
    """What a column is told by at the source is another's now."""
    add(lab, ITEM)
    lab.merge()
    remove(lab, ITEM)
    change(lab.source, "DROP TABLE item")
    change(lab.source, "CREATE TABLE item (long text, n integer, more text, id integer PRIMARY KEY)")
    change(lab.source, "INSERT INTO item SELECT 'long', n - n, 'more', n FROM generate_series(1, 5) AS n")
    lab.capture(merging=True)
    add(lab, ITEM)
    change(lab.source, "UPDATE item SET n = 6 WHERE id = 3")
    assert lab.verify() == []
    assert rows(lab, "SELECT id, n, long FROM silver.item ORDER BY 1")[1:3] == [(2, 0, "long"), (3, 6, "long")]
    assert [(each.lost, each.gained) for each in lab.rebuild()] == [(0, 0), (0, 0)]


@pytest.mark.first(1)
@pytest.mark.parametrize("how", ["added", "half added"])
def test_a_table_is_removed_while_capture_goes_on(lab: Medallion, how: str) -> None:
    with following(lab, "--merge", heartbeat=0.1) as process:
        with Writer(lab) as writer:
            add(lab, ITEM) if how == "added" else killed(lab, "table published")
            writer.go_on()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(steps, "on_step", lambda name: (writer.go_on(), time.sleep(0.2)))
                remove(lab, ITEM)
            writer.go_on()
            if how == "half added":
                assert rows(lab, "SELECT count(*) FROM bronze.br_item_cdc") == [(0,)]
                add(lab, ITEM)
                writer.go_on()
        stopped(process)
    if how == "half added":
        all_is_there(lab, writer)
    assert lab.verify() == []
    remove(lab, ACCOUNT)
    change(lab.source, "UPDATE account SET n = 0")
    change(lab.source, "INSERT INTO item VALUES (1000, 0, '')")  # the writer may have left it empty
    landed = lab.capture().rows
    assert landed == 0 if how == "added" else landed > 0


@pytest.mark.slow
def test_a_publication_that_somebody_else_alters_is_noticed_as_before(lab: Medallion) -> None:
    add(lab, ITEM)
    lab.capture()
    change(lab.source, f'ALTER PUBLICATION "{lab.slot}" DROP TABLE item')
    change(lab.source, f'ALTER PUBLICATION "{lab.slot}" ADD TABLE item')
    with pytest.raises(MedallionError, match="was altered since capture began"):
        lab.capture()
    lab.capture(resnapshot=True, yes=True)
    lab.merge()
    assert lab.verify() == []
    change(lab.source, f'ALTER PUBLICATION "{lab.slot}" DROP TABLE account')
    with pytest.raises(MedallionError, match="was altered since capture began"):
        lab.capture()


@pytest.mark.first(1)
@pytest.mark.parametrize("both", [False, True])
def test_a_table_that_was_added_and_is_dropped_is_let_go_and_can_be_added_again(lab: Medallion, both: bool) -> None:
    """While capture goes on, and beside one of the first tables or alone."""
    add(lab, ITEM)
    with following(lab, heartbeat=0.1) as process:
        change(lab.source, f"DROP TABLE item{', account' if both else ''}")
        wait_until(lambda: "columns_changed" in lab.status())
        stopped(process)
    told = [line.partition("  ")[2].partition(":")[0] for line in lab.status()["columns_changed"]]
    assert sorted(told) == ["account", "item"][not both :]
    change(lab.source, "CREATE TABLE item (id integer PRIMARY KEY, n integer, long text)")
    change(lab.source, "INSERT INTO item VALUES (1, 1, 'one')")
    assert lab.capture(merging=True).rows == 0
    add(lab, ITEM)
    change(lab.source, "UPDATE item SET n = 2")
    assert lab.verify() == []
    assert rows(lab, "SELECT id, n FROM silver.item") == [(1, 2)]


@pytest.mark.slow
def test_a_snapshot_of_all_makes_whole_what_was_half_added(lab: Medallion) -> None:
    for at in ("table published", "snapshot copied"):
        killed(lab, at)
        change(lab.source, "UPDATE item SET n = n + 1")
        lab.capture(merging=True)
    assert lab.status()["not_whole_yet"] == "item"
    lab.capture(resnapshot=True, yes=True)
    assert "not_whole_yet" not in lab.status()
    change(lab.source, "DELETE FROM item WHERE id = 1")
    assert lab.verify() == []
    assert [(each.lost, each.gained) for each in lab.rebuild()] == [(0, 0), (0, 0)]


@pytest.mark.slow
def test_a_table_is_added_to_a_source_of_business_time_at_the_last_instant_there(
    lab_at: Callable[[str], Medallion],
) -> None:
    """The replay goes on as if nothing had been."""
    shop = lab_at("2023-01-03")
    add(shop, Table("language", "language_id", history="dim_language_hist"))
    shop.replay("2023-01-04")
    assert shop.verify() == []
    ((began,),) = rows(shop, "SELECT DISTINCT sys_start FROM silver.dim_language_hist")
    assert rows(shop, "SELECT max(commit_ts) FROM bronze.br_rental_cdc WHERE commit_ts <= %s", began)
    assert (began.year, began.month, began.day) == (2023, 1, 2)


@pytest.mark.slow
def test_a_table_of_any_names_is_added_and_changed_meanwhile(lab: Medallion) -> None:
    odd = 'o\'clock "x" 100% %s {} $1'
    name = '"' + odd.replace('"', '""') + '"'

    def run(statement: str) -> None:
        with server.session(lab.source_url) as cursor:
            cursor.execute(statement.format(name))

    def meanwhile(step: str) -> None:
        if step == "snapshot copied":
            run("UPDATE {0} SET n = 1 WHERE {0} = '1'")
            run("DELETE FROM {0} WHERE {0} = '2'")

    run("CREATE TABLE {0} ({0} text PRIMARY KEY, n integer, long text)")
    run("ALTER TABLE {0} ALTER long SET STORAGE EXTERNAL")
    run(f"INSERT INTO {{0}} SELECT n, 0, {LONG.format('n')} FROM generate_series(1, 3) AS n")
    with at_each_step(meanwhile):
        add(lab, Table(odd, odd, history="odd_hist"))
    assert lab.verify() == []
    assert rows(lab, "SELECT n, length(long) FROM silver.odd ORDER BY 1") == [(0, 3200), (1, 3200)]
    with server.session(lab.warehouse_url) as cursor:
        adding.remove(lab.source_url, cursor.connection, [Table(odd, odd, history="odd_hist")])
    assert lab.verify() == []


def test_what_is_captured_already_or_has_another_s_name_is_not_added(lab: Medallion) -> None:
    with pytest.raises(MedallionError, match="account is captured already"):
        add(lab, ACCOUNT)
    with pytest.raises(MedallionError, match="would have the bronze or the history of account"):
        add(lab, Table("item", "id", history="account_hist"))
    with pytest.raises(MedallionError, match="It has no table"):
        add(lab, Table("nothing", "id", history="nothing_hist"))
    with pytest.raises(MedallionError, match="item is not captured"):
        remove(lab, ITEM)
    assert lab.capture().rows == 0
    assert lab.verify() == []
