"""The clause for any client: PostgreSQL's protocol passes through, and texts go through the hook.

    python -m medallion_lib serve &
    psql -h … -p 5433 -U medallion_notebook medallion

Authentication, COPY, notifications and cancel requests are the client's and the server's own. Only
the text of a Query or Parse is read. Replication connections pass unread.
"""

import asyncio
import os
import resource
import signal
import socket
import ssl
import stat
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import uvloop
from sqlalchemy import URL

from medallion_lib import server
from medallion_lib.errors import refusal
from medallion_lib.serve.door import Door
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


async def serve(
    at: Embedded | server.Server, search_path: str, listen: str | None = None,
    cert: str | None = None, key: str | None = None, ready: Callable[[Path, int], None] = print,
) -> None:  # fmt: skip
    """Let any client of PostgreSQL say FOR SYSTEM_TIME, until interrupted; `ready`, once it can."""
    tls, tcp, port = context(cert, key), None, PORT
    if listen:
        host, port = tcp = read_address(listen)
        if not (tls or host in ("localhost", "::1") or host.startswith("127.")):
            raise refusal("listen in clear", listen=listen)
    path = place(at) / f".s.PGSQL.{port}"
    with socket.socket(socket.AF_UNIX) as trying:
        if trying.connect_ex(str(path)) == 0:
            raise refusal("served already", path=path)
    door = Door(at.url, search_path, tls)
    async with AsyncExitStack() as stack:
        try:
            await _listen(stack, door, path, tcp)
        except OSError as problem:
            raise refusal("not listening", listen=listen or path, reason=problem) from None
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, stopped.set)
        ready(path.parent, port)
        await stopped.wait()


async def _listen(
    stack: AsyncExitStack, door: Door, path: Path, tcp: tuple[str, int] | None
) -> None:
    loop = asyncio.get_running_loop()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two for each client
    path.unlink(missing_ok=True)  # of one that was killed
    stack.callback(partial(path.unlink, missing_ok=True))
    before = os.umask(0o077)
    stack.push_async_exit(await loop.create_unix_server(door.unix, path, backlog=1000))
    os.umask(before)
    if os.geteuid() == 0:  # whose directory it is, may come in
        os.chown(path, path.parent.stat().st_uid, path.parent.stat().st_gid)
    if tcp:
        stack.push_async_exit(await loop.create_server(door.tcp, *tcp, backlog=1000))


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
