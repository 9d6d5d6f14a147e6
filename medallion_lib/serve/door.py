"""Who comes in, and by which door: a Unix socket of ours, and TCP where it is asked for.

The server lets clients in, as it does without us. But it sees this process, and not who speaks to
it: so over TCP nobody comes in without a password, be it the server that asks for it or we.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import resource
import signal
import socket
import ssl
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from medallion_lib.serve.messages import fatal, message
from medallion_lib.serve.session import Session
from medallion_lib.serve.wire import Wire

Address = str | tuple[str, int]  # of a Unix socket or of TCP
PATIENCE = 60.0  # seconds until a client is in, as PostgreSQL's authentication_timeout has it
_CANCEL, _TLS, _GSS = 80877102, 80877103, 80877104  # in the place of a version
_LONGEST = 10_000  # bytes of what a client says first, as PostgreSQL has it
_OFF = ("", "0", "false", "off", "no")


class Warehouse(NamedTuple):
    """Where the server is, and what is known of it beside the clients' connections."""

    address: Address
    search_path: str  # for who does not set one
    others: Callable[[str], Iterable[str]]  # the relations of a database that have history
    verifier: Callable[[str], str | None]  # of a role's password, as pg_authid has it


class Door:
    """What a client has to pass before its session begins."""

    def __init__(self, to: Warehouse, is_tcp: bool, tls: ssl.SSLContext | None) -> None:
        self.to, self.is_tcp, self.tls = to, is_tcp, tls

    def wire(self) -> Wire:
        return Wire(self._come_in)

    async def _come_in(self, client: Wire) -> None:
        """What goes wrong until it is in, ends this client's connection, and no other."""
        server = Wire()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._let_in(client, server)
        except (ConnectionError, TimeoutError, ssl.SSLError):
            client.close()
            server.close()
        except Exception as problem:
            client.transport.write(fatal("08004", str(problem)))
            client.close()
            server.close()

    async def _let_in(self, client: Wire, server: Wire) -> None:
        packet = await self._first(client)
        if packet is None or not await self._reach(client, server):
            return client.close()
        if int.from_bytes(packet[4:8]) == _CANCEL:
            server.other = client  # closed once the server has heard it
            return server.transport.write(packet)
        names = packet[8:].decode("utf-8", "surrogateescape").split("\0")
        asked = dict(zip(names[::2], names[1::2], strict=False))
        server.transport.write(self._with_path(packet))
        if self.is_tcp and not await self._has_password(client, server, asked.get("user", "")):
            server.close()
            return client.close()
        reads = asked.get("replication", "").lower() in _OFF
        database = asked.get("database") or asked.get("user", "")
        Session(client, server, reads, partial(self.to.others, database))
        return None

    async def _first(self, client: Wire) -> bytes | None:
        """The packet that begins a session, once TLS is settled; None for what is none."""
        while True:
            head = await client.exactly(8)
            length, code = int.from_bytes(head[:4]), int.from_bytes(head[4:])
            if not 8 <= length <= _LONGEST:
                return None
            packet = head + await client.exactly(length - 8)
            if code not in (_TLS, _GSS):
                return packet
            if client.held:  # nothing may be said before the answer
                return None
            client.transport.write(b"S" if code == _TLS and self.tls else b"N")
            if code == _TLS and self.tls:
                client.transport = await asyncio.get_running_loop().start_tls(
                    client.transport, client, self.tls, server_side=True
                )

    async def _reach(self, client: Wire, server: Wire) -> bool:
        loop, address = asyncio.get_running_loop(), self.to.address
        try:
            if isinstance(address, str):
                await loop.create_unix_connection(lambda: server, address)
            else:
                await loop.create_connection(lambda: server, *address)
        except OSError as problem:
            client.transport.write(fatal("08006", f"The server is not reached: {problem}"))
            return False
        return True

    def _with_path(self, packet: bytes) -> bytes:
        """With the notebooks' search_path, unless the client says anything of one."""
        if int.from_bytes(packet[4:6]) != 3 or b"search_path" in packet:
            return packet
        named = packet[4:-1] + f"search_path\0{self.to.search_path}\0\0".encode()
        return (len(named) + 4).to_bytes(4) + named

    async def _has_password(self, client: Wire, server: Wire, user: str) -> bool:
        """Whether the server asks for one; if it lets in whom it takes for us, ask here."""
        while True:
            head = await server.exactly(5)
            told = head + await server.exactly(int.from_bytes(head[1:]) - 4)
            if told != message(b"R", bytes(4)):
                if head[:1] == b"v":  # of the protocol's version
                    client.transport.write(told)
                    continue
                server.held[:0] = told
                return True
            client.transport.write(message(b"R", (3).to_bytes(4)))
            head = await client.exactly(5)
            length = int.from_bytes(head[1:])
            if head[:1] != b"p" or not 4 < length <= _LONGEST:
                return False
            password = (await client.exactly(length - 4)).rstrip(b"\0")
            verifier = await asyncio.to_thread(self.to.verifier, user)
            if verifier and await asyncio.to_thread(verifies, verifier, password):
                server.held[:0] = told
                return True
            refused = f'password authentication failed for user "{user}"'
            client.transport.write(fatal("28P01", refused))
            return False


def verifies(verifier: str, password: bytes) -> bool:
    """Whether the password is that of a verifier of SCRAM-SHA-256 (RFC 5803)."""
    kind, _, rest = verifier.partition("$")
    if kind != "SCRAM-SHA-256":
        return False
    (rounds, salt), (stored, _) = (part.split(":") for part in rest.split("$"))
    with suppress(UnicodeDecodeError):
        password = unicodedata.normalize("NFKC", password.decode()).encode()
    salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(salt), int(rounds))
    key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(key).digest(), base64.b64decode(stored))


def is_served(path: Path) -> bool:
    """Whether somebody listens on this Unix socket."""
    with socket.socket(socket.AF_UNIX) as trying:
        return trying.connect_ex(str(path)) == 0


async def serve(
    to: Warehouse, path: Path, listen: tuple[str, int] | None, tls: ssl.SSLContext | None,
    ready: Callable[[], None],
) -> None:  # fmt: skip
    """Serve until interrupted. Raises OSError where it can't listen."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two for each client
    async with AsyncExitStack() as stack:
        before = os.umask(0o077)
        unix = Door(to, False, tls)
        path.unlink(missing_ok=True)  # of one that was killed
        stack.callback(partial(path.unlink, missing_ok=True))
        stack.push_async_exit(await loop.create_unix_server(unix.wire, path, backlog=1000))
        os.umask(before)
        if os.geteuid() == 0:  # whose directory it is, may come in
            os.chown(path, path.parent.stat().st_uid, path.parent.stat().st_gid)
        if listen:
            tcp = Door(to, True, tls)
            stack.push_async_exit(await loop.create_server(tcp.wire, *listen, backlog=1000))
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, stopped.set)
        ready()
        await stopped.wait()
