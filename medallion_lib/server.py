"""Which PostgreSQL: the embedded one, or one of the user's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from sqlalchemy import URL, make_url

from medallion_lib.embedded import CHECKOUT, Embedded
from medallion_lib.errors import MedallionError


def locate() -> Server | Embedded:
    """The server of `MEDALLION_SERVER_URL` where that is set, else the embedded one."""
    url = os.environ.get("MEDALLION_SERVER_URL")
    if not url:
        return Embedded(Path(os.environ.get("MEDALLION_HOME") or CHECKOUT / ".medallion"))
    try:
        return Server(make_url(url).set(drivername="postgresql+psycopg2"))
    except Exception as problem:
        raise MedallionError(
            f"MEDALLION_SERVER_URL is not a database URL: {type(problem).__name__}.\n"
            "It should look like postgresql://user@host:5432/postgres"
        ) from None


@dataclass(frozen=True)
class Server:
    """A server of the user's own. We make databases, a role and slots there, and nothing else."""

    url: URL

    def start(self) -> None:
        """Raise MedallionError, naming what is missing and its remedy, if it can't serve us."""
        preflight(self.url)

    def stop(self) -> bool:
        """Leave it running: it is not ours to stop."""
        return False

    @property
    def place(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @property
    def secrets(self) -> Path:
        """A directory for what must be kept from others, 0700."""
        home = Path(os.environ.get("MEDALLION_HOME") or CHECKOUT / ".medallion")
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return home


def connect(url: URL, **options: object) -> psycopg2.extensions.connection:
    """A psycopg2 connection. A server that can't be reached is a MedallionError."""
    try:
        return psycopg2.connect(
            libpq(url), client_encoding="utf8", connect_timeout=10, **options  # type: ignore[arg-type]
        )
    except psycopg2.OperationalError as problem:
        hidden = url.render_as_string(hide_password=True)
        reason = str(problem).strip().splitlines()[-1]
        if url.password:
            reason = reason.replace(str(url.password), "***")
        raise MedallionError(
            f"No connection to {hidden}:\n    {reason}\n"
            "Start the server with\n    python -m medallion_lib up\n"
            "or set MEDALLION_SERVER_URL to one that runs."
        ) from problem


def libpq(url: URL) -> str:
    """The URL as libpq and psql take it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def preflight(url: URL) -> None:
    """Raise MedallionError, with every shortcoming and its remedy, unless the server can serve us."""
    connection = connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("""
            SELECT current_setting('server_version_num')::int, current_setting('server_version'),
                   current_setting('wal_level'), r.rolname,
                   r.rolsuper OR (r.rolcreatedb AND r.rolcreaterole AND r.rolreplication),
                   EXISTS (SELECT FROM pg_available_extensions WHERE name = 'btree_gist')
            FROM pg_roles AS r WHERE r.rolname = current_user
        """)
        number, version, wal_level, role, allowed, btree_gist = cursor.fetchone()
    connection.close()
    wrong = []
    if number < 180000:
        wrong.append(
            f"It is PostgreSQL {version}; 18 or newer is needed (WITHOUT OVERLAPS, RETURNING old).\n"
            "    Use a newer server, or unset MEDALLION_SERVER_URL for the embedded one."
        )
    if wal_level != "logical":
        wrong.append(
            f"Its wal_level is {wal_level}; capture needs logical. As a superuser:\n"
            "    ALTER SYSTEM SET wal_level = 'logical';  -- then restart the server"
        )
    if not allowed:
        wrong.append(
            f"Role {role} lacks rights. As a superuser:\n"
            f'    ALTER ROLE "{role}" CREATEDB CREATEROLE REPLICATION;'
        )
    if not btree_gist:
        wrong.append("It lacks the extension btree_gist: install PostgreSQL's contrib package.")
    if wrong:
        hidden = url.render_as_string(hide_password=True)
        raise MedallionError("\n".join([f"The server {hidden} can't be used.", *wrong]))
