"""Which PostgreSQL: the embedded one, or one of the user's own."""

import hmac
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import encrypt_password
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from medallion_lib import sqlfile
from medallion_lib.errors import Busy, ConnectionLost, MedallionError, refusal
from medallion_lib.server.embedded import CHECKOUT, Embedded

LOCK_PATIENCE = 2.0  # seconds
NOTEBOOK_ROLE = "medallion_notebook"  # as sql/notebook_role.sql makes it


@dataclass(frozen=True)
class Server:
    """A server of the user's own. We make databases, a role and slots there, and nothing else."""

    url: URL

    @property
    def place(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @property
    def notebook_password(self) -> str | None:
        """Made from the user's own, so that every process knows it and no file holds it."""
        own = self.url.password
        return own and hmac.new(str(own).encode(), b"medallion_notebook", "sha256").hexdigest()

    def start(self) -> bool:
        """Return False: it runs. Raises MedallionError, naming all that it lacks and the remedy."""
        with session(self.url) as cursor:
            if wrong := "\n".join(text for (text,) in sqlfile.run(cursor, "server/preflight")):
                raise refusal("server unfit", url=self.place, wrong=wrong)
        return False

    def stop(self) -> bool:
        """Leave it running: it is not ours to stop."""
        return False


def connect(url: URL, about: str | None = None, **options: object) -> Connection:
    """A psycopg2 connection with our settings. One that can't be made is the refusal `about` it.

    The embedded server, where it does not run, is started first: one that was killed is back.
    """
    asked = _asked(url) | options
    try:
        try:
            return _connect(asked)
        except psycopg2.OperationalError:
            embedded = _embedded(url)
            if embedded is None or not embedded.was_killed():  # one that was stopped stays so
                raise
            embedded.start()
            return _connect(asked)
    except psycopg2.OperationalError as problem:
        reason = str(problem).strip().replace(str(url.password or "\0"), "***")
        about = "no connection" if _embedded(url) else about or "no connection to yours"
        about = "no password" if "no password supplied" in reason else about
        reason = [line for line in reason.splitlines() if not line.startswith("\t")][-1]  # no hint
        raise refusal(about, ConnectionLost, url=url, reason=reason) from problem


def _asked(url: URL) -> dict[str, object]:
    """What psycopg2 is asked for."""
    asked = url.translate_connect_args(username="user", database="dbname") | url.query
    return {"client_encoding": "utf8", "connect_timeout": 10, **asked}


def _embedded(url: URL) -> Embedded | None:
    """The embedded server, where this is a URL of it."""
    place = locate()
    ours = isinstance(place, Embedded) and place.url.query == url.query
    return place if ours else None


def _connect(asked: Mapping[str, object]) -> Connection:
    connection = psycopg2.connect(**asked)
    with connection, connection.cursor() as cursor:
        cursor.execute(sqlfile.read("server/session"))
    return connection


@contextmanager
def beside(connection: Connection) -> Iterator[Cursor]:
    """A cursor on another connection to the same database."""
    asked = {**connection.get_dsn_parameters(), "password": connection.info.password or None}
    with closing(_connect(asked)) as other, other.cursor() as cursor:
        yield cursor


@contextmanager
def session(url: URL, autocommit: bool = False) -> Iterator[Cursor]:
    """A cursor on a connection of its own; what it did is committed at the end.

    A connection that is lost meanwhile is a MedallionError, and so is what meta refuses.
    """
    try:
        with closing(connect(url)) as connection:
            connection.autocommit = autocommit
            with connection.cursor() as cursor:
                yield cursor
            connection.commit()
    except psycopg2.Error as problem:
        if problem.pgcode == "ST002":  # a procedure of meta refuses, with a text of refusals.txt
            raise MedallionError(problem.diag.message_primary) from None
        if isinstance(problem, errors.UntranslatableCharacter):
            raise refusal("text not converted", reason=problem.diag.message_primary) from None
        if isinstance(problem, errors.LockNotAvailable):
            # It may be that of a session around this one, which is open still.
            of = problem.cursor.connection.info.dbname or url.database
            reason = problem.diag.message_primary
            raise refusal("lock not granted", Busy, database=of, reason=reason) from None
        if problem.pgcode and not problem.pgcode.startswith(("08", "57P")):
            raise
        raise refusal("connection lost", ConnectionLost, reason=str(problem).strip()) from problem


def only_one(cursor: Cursor, work: str) -> None:
    """Refuse to do this work twice at once, until the transaction ends."""
    _lock(cursor, work, "SELECT pg_try_advisory_xact_lock(hashtext(%s))")


def only_one_session(cursor: Cursor, work: str) -> None:
    """The same, until the session ends."""
    _lock(cursor, work, "SELECT pg_try_advisory_lock(hashtext(%s))")


def _lock(cursor: Cursor, work: str, trying: str) -> None:
    """A lock held is tried for a while: a session's end is heard of after its client has gone."""
    give_up = time.monotonic() + LOCK_PATIENCE
    while True:
        cursor.execute(trying, (f"medallion.{work}",))
        if cursor.fetchone()[0]:
            return
        if time.monotonic() > give_up:
            raise refusal(f"second {work}", Busy)
        time.sleep(0.05)


def interruptibly(cursor: Cursor, statement: sql.Composable) -> None:
    """Execute it, or end it when this process is interrupted; the driver's own wait would go on."""
    with ThreadPoolExecutor(1) as beside:
        done = beside.submit(cursor.execute, statement)
        try:
            done.result()
        except KeyboardInterrupt:
            cursor.connection.cancel()
            raise


def libpq(url: URL) -> str:
    """The URL as psql takes it: a space is %20 there, never +."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    front, mark, query = plain.partition("?")
    return front.replace(" ", "%20") + mark + query.replace("+", "%20")


def connects(url: URL) -> bool:
    """Whether the server lets somebody in by this URL."""
    try:
        psycopg2.connect(**_asked(url)).close()
        return True
    except psycopg2.OperationalError:
        return False


def set_notebook_role(cursor: Cursor, password: str | None) -> None:
    """Make the notebooks' role, or its password anew. A server may log this: it gets a verifier."""
    if password:
        scope = cursor.connection
        password = encrypt_password(password, NOTEBOOK_ROLE, scope, "scram-sha-256")
    cursor.execute(sqlfile.read("server/notebook_role"), (password,))


def locate() -> Server | Embedded:
    """The server of `MEDALLION_SERVER_URL` where that is set, else the embedded one."""
    if url := _named("MEDALLION_SERVER_URL"):
        return Server(url)
    return Embedded(Path(os.environ.get("MEDALLION_HOME") or CHECKOUT / ".medallion"))


def own_source() -> URL | None:
    """The source database of the user's own, of `MEDALLION_SOURCE_URL`."""
    return _named("MEDALLION_SOURCE_URL")


def _named(variable: str) -> URL | None:
    url = os.environ.get(variable)
    return own_url(url, variable) if url else None


def own_url(url: URL | str, said_by: str) -> URL:
    """A URL of the user's own as our driver takes it. MedallionError where it is none."""
    try:
        found = make_url(url).set(drivername="postgresql")
        if password := found.query.get("password"):  # where it would be shown
            found = found.difference_update_query(["password"]).set(password=password)
        return found
    except (ArgumentError, ValueError) as problem:
        raise refusal("bad url", variable=said_by, reason=type(problem).__name__) from None
