"""The clause for any client: PostgreSQL's protocol passes through, and texts go through the hook.

    python -m medallion_lib serve &
    psql -h … -p 5433 -U medallion_notebook medallion

Authentication, COPY, notifications and cancel requests are the client's and the server's own. Only
the text of a Query or Parse is read. Replication connections pass unread.
"""

import os
import ssl
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import uvloop
from sqlalchemy import URL

from medallion_lib import server, system_time
from medallion_lib.errors import refusal
from medallion_lib.serve import door
from medallion_lib.server.databases import engine
from medallion_lib.server.embedded import Embedded

PORT = 5433  # which names the Unix socket, too


def place(at: Embedded | server.Server) -> Path:
    """A directory that only who runs this may open: the embedded server's own, else one of ours."""
    if isinstance(at, Embedded):
        return at.socket_dir
    found = Path(tempfile.gettempdir(), f"medallion-serve-{os.geteuid()}")
    found.mkdir(mode=0o700, exist_ok=True)
    told = found.lstat()
    if told.st_uid != os.geteuid() or stat.S_IMODE(told.st_mode) != 0o700:
        raise refusal("no socket directory", path=found)
    return found


def read_address(text: str) -> tuple[str, int]:
    """HOST:PORT. Raises MedallionError for what is none."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise refusal("listen not read", listen=text)
    return host.strip("[]"), int(port)


def context(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    """What --cert and --key make. Raises MedallionError where they are none."""
    if not cert:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        made.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as problem:
        raise refusal("certificate not read", reason=problem) from None
    return made


def warehouse(at: Embedded | server.Server, search_path: str) -> door.Warehouse:
    """How the server is reached, as libpq finds it."""
    with server.session(at.url) as cursor:
        info = cursor.connection.info
        if info.ssl_in_use:
            raise refusal("serve in clear", url=at.place)
        unix = f"{info.host}/.s.PGSQL.{info.port}"
        address = unix if info.host.startswith("/") else (info.host, info.port)

    def others(database: str) -> list[str]:
        return system_time.with_history(engine(at.url.set(database=database), search_path))

    def verifier(role: str) -> str | None:
        with server.session(at.url) as cursor:
            cursor.execute(
                "SELECT rolpassword FROM pg_authid WHERE rolname = %s "
                "AND (rolvaliduntil IS NULL OR rolvaliduntil > now())", (role,))  # fmt: skip
            return (cursor.fetchone() or (None,))[0]

    return door.Warehouse(address, search_path, others, verifier)


async def serve(
    at: Embedded | server.Server, search_path: str, listen: str | None = None,
    cert: str | None = None, key: str | None = None, ready: Callable[[Path, int], None] = print,
) -> None:  # fmt: skip
    """Let any client of PostgreSQL say FOR SYSTEM_TIME, until interrupted; `ready`, once it can."""
    address = read_address(listen) if listen else None
    tls = context(cert, key)
    if address and not tls and not _is_here(address[0]):
        raise refusal("listen in clear", listen=listen)
    port = address[1] if address else PORT
    path = place(at) / f".s.PGSQL.{port}"
    if door.is_served(path):
        raise refusal("served already", path=path)
    to = warehouse(at, search_path)
    try:
        await door.serve(to, path, address, tls, lambda: ready(path.parent, port))
    except OSError as problem:
        raise refusal("not listening", listen=listen or path, reason=problem) from None


def _is_here(host: str) -> bool:
    """Whether only who is on this machine gets there."""
    return host in ("localhost", "::1") or host.startswith("127.")


def run(
    at: Embedded | server.Server, search_path: str, url: URL, listen: str | None = None,
    cert: str | None = None, key: str | None = None,
) -> None:  # fmt: skip
    """Serve, and print how psql gets by it to where `url` leads."""

    def ready(directory: Path, port: int) -> None:
        by = {"host": str(directory), "port": str(port)}
        found = server.libpq(url.set(host=None, port=None, query=by)._replace(password=None))
        print(f"Serving. To ask, in another terminal:\n    psql '{found}'", flush=True)

    uvloop.run(serve(at, search_path, listen, cert, key, ready))
