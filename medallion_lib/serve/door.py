"""Who comes in: on a Unix socket of ours, and over TCP where that is asked for.

The server lets clients in, as it does without us. But it sees this process, and not who speaks to
it: so over TCP nobody comes in without a password, be it the server that asks for it or we.
"""

import asyncio
import base64
import hashlib
import hmac
import ssl
import unicodedata
from contextlib import suppress

from sqlalchemy import URL

from medallion_lib import server, system_time
from medallion_lib.errors import refusal
from medallion_lib.serve.session import Session
from medallion_lib.serve.wire import Refused, Wire, error, message
from medallion_lib.server.databases import engine

PATIENCE = 60.0  # seconds until a client is in, as PostgreSQL's authentication_timeout has it
_CANCEL, _TLS, _GSS = 80877102, 80877103, 80877104  # in the place of a version
_LONGEST = 10_000  # bytes of what a client says first, as PostgreSQL has it
_OFF = ("", "0", "false", "off", "no")


class Door:
    """What a client has to pass before its session with the server of `url` begins.

    `search_path` is for who does not set one.
    """

    def __init__(self, url: URL, search_path: str, tls: ssl.SSLContext | None) -> None:
        self.url, self.search_path, self.tls = url, search_path, tls
        with server.session(url) as cursor:  # which finds the server as libpq does
            info = cursor.connection.info
            if info.ssl_in_use:
                raise refusal("serve in clear", url=url.render_as_string())
            self.host, self.port = info.host, info.port

    def unix(self) -> Wire:
        return Wire(self._come_in)

    def tcp(self) -> Wire:
        return Wire(lambda client: self._come_in(client, is_tcp=True))

    async def _come_in(self, client: Wire, is_tcp: bool = False) -> None:
        """What goes wrong ends this client's connection, and no other."""
        to = Wire()
        try:
            async with asyncio.timeout(PATIENCE):
                session = await self._let_in(client, to, is_tcp)
            await session.run()
        except (ConnectionError, TimeoutError, ssl.SSLError):
            pass
        except Exception as problem:
            state, told = "XX000", f"{type(problem).__name__}: {problem}"
            if isinstance(problem, Refused):
                state, told = problem.args
            client.transport.write(error({"S": "FATAL", "V": "FATAL", "C": state, "M": told}))
        finally:
            client.close()
            to.close()

    async def _let_in(self, client: Wire, to: Wire, is_tcp: bool) -> Session:
        packet = await self._first(client)
        client.other = to
        await self._reach(to)
        if int.from_bytes(packet[4:8]) == _CANCEL:
            to.other = client
            to.transport.write(packet)
            await asyncio.Event().wait()  # until the server, which has heard it, ends this
        names = packet[8:].decode("utf-8", "surrogateescape").split("\0")
        asked = dict(zip(names[::2], names[1::2], strict=False))
        user = asked.get("user", "")
        to.transport.write(self._with_path(packet))
        if is_tcp:
            await self._has_password(client, to, user)
        to.other = client
        of = self.url.set(database=asked.get("database") or user)
        reads = asked.get("replication", "").lower() in _OFF
        return Session(
            client, to, reads, lambda: system_time.with_history(engine(of, self.search_path))
        )

    async def _first(self, client: Wire) -> bytes:
        """The packet that begins a session, once TLS is settled."""
        while True:
            head = await client.exactly(8)
            length, code = int.from_bytes(head[:4]), int.from_bytes(head[4:])
            if not 8 <= length <= _LONGEST:
                raise ConnectionAbortedError
            packet = head + await client.exactly(length - 8)
            if code not in (_TLS, _GSS):
                return packet
            if client.held:  # nothing may be said before the answer
                raise ConnectionAbortedError
            client.transport.write(b"S" if code == _TLS and self.tls else b"N")
            if code == _TLS and self.tls:
                client.transport = await asyncio.get_running_loop().start_tls(
                    client.transport, client, self.tls, server_side=True
                )

    async def _reach(self, to: Wire) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self.host.startswith("/"):
                await loop.create_unix_connection(lambda: to, f"{self.host}/.s.PGSQL.{self.port}")
            else:
                await loop.create_connection(lambda: to, self.host, self.port)
        except OSError as problem:
            raise Refused("08006", f"The server is not reached: {problem}") from None

    def _with_path(self, packet: bytes) -> bytes:
        """With the notebooks' search_path, unless the client says anything of one."""
        if int.from_bytes(packet[4:6]) != 3 or b"search_path" in packet:
            return packet
        named = packet[4:-1] + f"search_path\0{self.search_path}\0\0".encode()
        return (len(named) + 4).to_bytes(4) + named

    async def _has_password(self, client: Wire, to: Wire, user: str) -> None:
        """Leave it to the server to ask for one; if it lets in whom it takes for us, ask here."""
        while (told := await to.whole()).startswith(b"v"):  # of the protocol's version
            client.transport.write(told)
        to.held[:0] = told
        if told != message(b"R", bytes(4)):
            return
        client.transport.write(message(b"R", (3).to_bytes(4)))
        given = await client.whole(_LONGEST)
        verifier = await asyncio.to_thread(self._verifier, user)
        password = given[5:].rstrip(b"\0")
        if given[:1] != b"p" or not await asyncio.to_thread(verifies, verifier, password):
            raise Refused("28P01", f'password authentication failed for user "{user}"')

    def _verifier(self, role: str) -> str:
        """Of a role's password, as pg_authid has it."""
        with server.session(self.url) as cursor:
            cursor.execute(
                "SELECT rolpassword FROM pg_authid WHERE rolname = %s AND rolpassword IS NOT NULL "
                "AND (rolvaliduntil IS NULL OR rolvaliduntil > now())", (role,))  # fmt: skip
            return (cursor.fetchone() or ("",))[0]


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
