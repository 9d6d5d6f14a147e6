"""A notebook outlives the server."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pandas
import psutil
import pytest
from IPython.core.interactiveshell import InteractiveShell
from one_server import directory
from pandas.errors import DatabaseError
from test_server import asked, kill_server, postmaster
from traitlets.config import Config

import cells
from medallion_lib import Medallion, MedallionError, databases, server
from medallion_lib.__main__ import up
from medallion_lib.errors import ConnectionLost
from medallion_lib.server.embedded import Embedded

pytestmark = pytest.mark.long(1)

FILMS = "SELECT count(*) AS films FROM dim_film"


@pytest.fixture(scope="module")
def ours() -> Iterator[Medallion]:
    """A lab on a server of its own, with two days of the year, captured and merged."""
    with directory() as parent, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDALLION_HOME", str(parent / "home"))
        lab = Medallion.open("survivor")
        lab.reset()
        lab.replay("2023-01-03")
        lab.capture()
        lab.merge()
        yield lab
        lab.close()
        Embedded(parent / "home").stop()


@pytest.fixture
def magic(ours: Medallion) -> Iterator[Callable[[], int]]:
    """A `%%sql` cell of a notebook that was begun before the server is killed."""
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    cells.start(ours)

    def films() -> int:
        ran = shell.run_cell(f"%%sql\n{FILMS}")
        ran.raise_error()
        return ran.result.DataFrame().at[0, "films"]

    assert films() == 1000
    yield films
    InteractiveShell.clear_instance()


def survives(lab: Medallion, cell: Callable[[], object]) -> object:
    """What the cell gives after a kill; it has 10 seconds."""
    killed = kill_server(lab.place)
    began = time.monotonic()
    answer = cell()
    assert time.monotonic() - began < 10
    assert int((lab.place.data / "postmaster.pid").read_text().split("\n")[0]) != killed
    return answer


def test_a_sql_cell_goes_on(ours: Medallion, magic: Callable[[], int]) -> None:
    assert survives(ours, magic) == 1000


@pytest.mark.slow
def test_pandas_goes_on(ours: Medallion) -> None:
    assert survives(ours, lambda: pandas.read_sql(FILMS, ours.warehouse).at[0, "films"]) == 1000


def test_capture_and_merge_go_on_and_nothing_committed_is_lost(ours: Medallion) -> None:
    with ours.source.begin() as shop:
        shop.exec_driver_sql("UPDATE film SET length = length + 1 WHERE film_id = 1")
    assert survives(ours, ours.capture).rows == 1
    merged = {done.table: done.updated for done in survives(ours, ours.merge)}
    assert merged["dim_film_hist"] == 1
    length = "SELECT length FROM {} WHERE film_id = 1"
    at_the_source = pandas.read_sql(length.format("film"), ours.source)
    assert pandas.read_sql(length.format("dim_film"), ours.warehouse).equals(at_the_source)


@pytest.mark.slow
def test_the_source_and_the_status_go_on(ours: Medallion) -> None:
    films = "SELECT count(*) AS films FROM film"
    assert survives(ours, lambda: pandas.read_sql(films, ours.source).at[0, "films"]) == 1000
    assert survives(ours, ours.status)["events_not_merged"] == 0


def test_a_cell_that_was_running_fails_and_runs_again(ours: Medallion) -> None:
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
    with ThreadPoolExecutor(1) as kernel:
        cell = kernel.submit(pandas.read_sql, "SELECT pg_sleep(60)", ours.warehouse)
        while asked(ours.place, running) == 0:
            assert not cell.done()
        kill_server(ours.place)
        with pytest.raises(DatabaseError, match="server closed the connection"):
            cell.result(timeout=10)
    assert pandas.read_sql(FILMS, ours.warehouse).at[0, "films"] == 1000


def test_a_server_of_ones_own_is_not_started(
    ours: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded one's socket stands for it."""
    kill_server(ours.place)
    monkeypatch.setenv("MEDALLION_SERVER_URL", server.libpq(ours.place.url))
    with pytest.raises(MedallionError, match="your own server"):
        pandas.read_sql(FILMS, ours.warehouse)
    assert not ours.place.running()


def child(lab: Medallion, title: str) -> psutil.Process | None:
    """The process of the server that has this title, if there is one."""
    for process in psutil.Process(postmaster(lab.place)).children():
        with suppress(psutil.Error):
            if title in " ".join(process.cmdline()):
                return process
    return None


@pytest.mark.slow
def test_opening_waits_for_a_recovery_and_starts_nothing(
    ours: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend's death has the server recover; its recovery is held up for as long as it is looked at."""
    with databases.administering(ours.place.url) as cursor:
        cursor.execute("CHECKPOINT; CREATE TABLE much AS SELECT generate_series(1, 500000) AS n; DROP TABLE much")
        os.kill(cursor.connection.info.backend_pid, signal.SIGKILL)
        while not (recovery := child(ours, "startup")):
            pass
        recovery.suspend()
    monkeypatch.setattr(Embedded, "_postgres", lambda *_: pytest.fail("a program of PostgreSQL was run"))
    with ThreadPoolExecutor(2) as beside:
        opening = beside.submit(Medallion.open, "survivor")
        reading = beside.submit(pandas.read_sql, FILMS, ours.warehouse)
        time.sleep(1)
        try:
            assert recovery.status() == psutil.STATUS_STOPPED
            assert not opening.done() and not reading.done()
        finally:
            recovery.resume()
        lab = opening.result(timeout=10)
        assert not lab.was_started
        lab.close()
        assert reading.result(timeout=10).at[0, "films"] == 1000


INVALID = "SELECT count(*) FROM pg_database WHERE datconnlimit = -2"


@pytest.mark.slow
@pytest.mark.parametrize("which", ["source_name", "warehouse_name"])
def test_reset_gets_over_a_kill_within_its_drop_of_a_database(ours: Medallion, which: str) -> None:
    """DROP DATABASE marks it first, and then waits for a checkpoint, which is held up here."""
    lab = Medallion.open("dropped")
    lab.reset()
    lab.close()
    database, held_up = getattr(lab, which), child(ours, "checkpointer")

    def dropping() -> None:
        with databases.administering(lab.place.url) as cursor:
            databases.drop(cursor, database)

    held_up.suspend()
    with ThreadPoolExecutor(1) as beside:
        dropped = beside.submit(dropping)
        while asked(ours.place, INVALID) == 0:
            assert not dropped.done()
        os.kill(postmaster(ours.place), signal.SIGKILL)
        held_up.kill()
        with pytest.raises(ConnectionLost):
            dropped.result(timeout=10)
    lab = Medallion.open("dropped")
    assert asked(ours.place, INVALID) == 1
    with pytest.raises(MedallionError, match="There is no database"):
        lab.address(which.removesuffix("_name"))
    lab.reset()
    assert asked(ours.place, INVALID) == 0
    assert lab.replay("2023-01-02") and lab.capture().rows > 5000
    lab.drop()
    lab.close()


def test_up_makes_what_only_an_invalid_database_is_there_of(ours: Medallion) -> None:
    """As a kill within DROP DATABASE leaves them; `watch` and `unwatch` take them for none, too."""
    lab = Medallion.open("dropped")
    with databases.administering(ours.place.url) as cursor:
        for name in (lab.source_name, lab.warehouse_name):
            databases.create(cursor, name)
            cursor.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = %s", (name,))
        assert "dropped" not in databases.labs(cursor)
    assert "was made now, empty" in up(lab)
    assert asked(ours.place, INVALID) == 0
    lab.drop()
    lab.close()
