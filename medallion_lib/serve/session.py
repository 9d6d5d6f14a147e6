"""One client and its connection to the server: messages pass as they are, and texts are read.

The server answers in order. So an error is that of one text, and between the client's statements
the hook can ask on the same connection: its answers are told from the client's.
"""

import asyncio
import codecs
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sqlalchemy.util import greenlet_spawn

from medallion_lib.errors import MedallionError
from medallion_lib.serve import text
from medallion_lib.serve.text import Complaint, Inside, Rows, Said
from medallion_lib.serve.wire import Wire, encoded, error, fields, message
from medallion_lib.system_time import functions

LONGEST = 64 << 20  # bytes of a text
_UNKNOWN = 1 << 16  # of one before the server has let the client in
_STATUS = dict(zip(b"ITE", (0, 2, 3), strict=True))  # libpq's
# What ends the server's answer to each kind of message.
_ENDS = dict(zip(b"QFSPBDEC", (b"Z", b"Z", b"Z", b"1", b"2", b"Tn", b"CIs", b"3"), strict=True))
_SAID = b"QFSPBDECcf"  # what is looked at of the client's, and of the server's
_ANSWERED = b"ZT123nCIsEGSAN"  # of those that may come at any time, none passes in part
# States of errors that may be said in the hook's words.
_EXPLAINED = ("22023", "42601", "22007", "22008", "42P13", "42883")
_NAME = 64  # bytes of a name with its end
_OURS = b"medallion_lib\0"  # the statement and portal of what the hook asks


class Request(NamedTuple):
    """A message that the server will answer."""

    kind: int
    said: Said | None = None


_PLAIN = {kind: Request(kind) for kind in _ENDS}


class Session:
    """From when the server was asked to let the client in.

    `others` says which relations have history, for an error's text.
    """

    def __init__(
        self, client: Wire, server: Wire, reads: bool, others: Callable[[], Iterable[str]]
    ) -> None:
        self.client, self.server, self.others = client, server, others
        self.inside = Inside(self, self.ask)
        self.codec = "utf-8"
        self._status = 0  # of the transaction; none until the client was let in
        self._parameters: dict[str, str] = {}
        self.parameter_status = self._parameters.get
        self._pending: deque[Request] = deque()
        self._named: dict[bytes, Said] = {}  # S and a statement's name, P and a portal's
        self._is_open = False  # messages have passed since the last Sync
        self._is_skipping = False  # as the server does, up to Sync
        self._is_copying = False
        self._has_made = False  # DDL, by what was sent; its functions are to be made
        self._complained: Said | None = None  # about which the server stopped at an error
        client.look, server.look = self._look_at_said, self._look_at_answer
        client.seen, server.seen = (_SAID, _ANSWERED) if reads else (b"", b"")
        client.most, server.most = _UNKNOWN, 1 << 32
        server.awake = self.awake = client.awake

    async def run(self) -> None:
        """Until it is cancelled."""
        self.server.go_on()
        self.client.go_on()
        while True:
            await self._until(lambda: self.client.is_stopped)
            kind, body = self.client.take()
            if kind in b"QP":
                await self._text(kind, body)
            else:  # the end of a series that has made something
                self._send(kind, body)
            if self._has_made and kind in b"QSF":
                await self._make()
            self.client.go_on()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Wait, and see meanwhile to errors that need the hook's words."""
        while not is_so():
            if self.server.is_stopped:
                await self._explain()
            else:
                self.awake.clear()
                await self.awake.wait()

    async def _settled(self) -> None:
        """Wait until the state of the transaction is known, or a series is open in it."""
        await self._until(lambda: not self._pending or self._is_open)

    async def _text(self, kind: int, body: bytes) -> None:
        """Read the text of a Query or Parse, and send what the hook makes of it."""
        name, rest = body.split(b"\0", 1) if kind in b"P" else (b"", body)
        raw, _, after = rest.partition(b"\0")
        said, is_told = None, False
        await self._settled()
        try:
            given = raw.decode(self.codec, "surrogateescape")
            said = await greenlet_spawn(text.read, self.inside, given)
            if said.sent is not given:
                raw = encoded(said.sent, self.codec)
            after = text.untyped(said.sent, after)
        except Complaint:
            is_told = True  # and the server hears nothing more of this series
        except ConnectionAbortedError:
            pass  # an earlier message failed, and the server skips this one, too
        if kind in b"P":
            self._keep(b"S" + name, said)
            raw = name + b"\0" + raw
        if not is_told:
            self._send(kind, raw + b"\0" + after, said)

    async def _make(self) -> None:
        """After DDL: the functions, in the client's own transaction where it has one open."""
        await self._settled()
        if not self._has_made:
            return
        told = b""
        try:
            await greenlet_spawn(functions.regenerate, self.inside)
        except Complaint as problem:
            told = error(problem.diag.fields, self.codec)
        except MedallionError as problem:
            told = error({"C": "55000"} | text.told(problem), self.codec)
        self._has_made = False
        self.client.transport.write(told + message(b"Z", bytes([self._status])))

    async def _explain(self) -> None:
        """Tell an error in the words of who wrote the statement; who has history, is asked."""
        said, found = self._complained, fields(self.server.take()[1], self.codec)
        told = await asyncio.to_thread(text.explained, said, found, self.others)
        self.client.transport.write(error(told, self.codec))
        self.server.go_on()

    # --- What is sent -----------------------------------------------------------------------

    def _look_at_said(self, kind: int, data: bytes | bytearray, at: int, end: int) -> None:
        """Note what passes of the client's, and stop at what has to be read, or to wait."""
        if (kind in b"QP" and text.concerns(data[at:end])) or (self._has_made and kind in b"QSF"):
            return self.client.stop()
        if kind in b"cf":
            self._is_copying = False
            return None
        said = None
        if self._named and kind in b"PBEC":
            name, other = bytes(data[at : min(end, at + 2 * _NAME)] + b"\0").split(b"\0")[:2]
            if kind in b"B":
                said = self._keep(b"P" + name, self._named.get(b"S" + other))
            elif kind in b"E":
                said = self._named.get(b"P" + name)
            else:
                self._keep(name if kind in b"C" else b"S" + name, None)
        return self._sent(Request(kind, said) if said else _PLAIN[kind])

    def _keep(self, name: bytes, said: Said | None) -> Said | None:
        self._named.pop(name, None)
        if said:
            self._named[name] = said
        return said

    def _send(self, kind: int, body: bytes, said: Said | None = None) -> None:
        self._sent(Request(kind, said))
        self.server.transport.write(message(bytes([kind]), body))

    def _sent(self, request: Request) -> None:
        if self._is_copying:
            return
        self._is_open = request.kind not in b"QSF"
        self._pending.append(request)
        if request.said and request.said.is_ddl and request.kind in b"QE":
            self._has_made = not self._is_skipping

    # --- What is answered -------------------------------------------------------------------

    def _look_at_answer(
        self, kind: int, data: bytes | bytearray, at: int, end: int
    ) -> bytes | None:
        """What the client is told in the place of this; None for just this."""
        head = self._pending[0] if self._pending else None
        if self.client.is_stopped:
            self.awake.set()
        if kind in b"Z":
            return self._ended(data[at])
        if kind in b"E":
            return self._failed(head, bytes(data[at:end]))
        if kind in b"S":
            name, value = (part.decode(errors="replace") for part in data[at:end].split(b"\0")[:2])
            self._parameter(name, value)
        elif kind in b"G":  # what was sent of Sync by now is not heard
            self._is_copying = True
            self._pending = deque(each for each in self._pending if each.kind not in b"S")
        elif head and kind in _ENDS[head.kind]:
            self._pending.popleft()
        if head and head.said and head.said.tag and kind in b"C":
            return message(b"C", head.said.tag.encode() + b"\0")
        return None

    def _ended(self, status: int) -> bytes | None:
        """The server has answered all up to a Sync or Query."""
        self._status, self._is_copying = status, False
        self.client.most = LONGEST
        ends, self._is_skipping = b"S" if self._is_skipping else b"QSF", False
        while self._pending and self._pending.popleft().kind not in ends:
            pass
        return b"" if self._has_made and not self._pending else None

    def _failed(self, head: Request | None, body: bytes) -> bytes | None:
        """All since the last Sync is undone, and what is sent up to the next is skipped."""
        ends = sum(each.kind in b"QSF" for each in self._pending)
        self._has_made, self._is_copying = self._has_made and ends > 1, False
        self._is_skipping = bool(head) and head.kind not in b"QSF"
        if not (head and head.said):
            return None
        found = fields(body, self.codec)
        if found.get("C") not in _EXPLAINED:
            return error(text.placed(head.said, found), self.codec)
        self._complained = head.said
        return self.server.stop()

    def _parameter(self, name: str, value: str) -> None:
        self._parameters[name] = value
        if name == "client_encoding":
            try:
                self.codec = codecs.lookup(value).name
            except LookupError:  # by letters of ASCII alone, in whatever is one of its extensions
                self.codec = "utf-8"

    # --- What the hook asks -----------------------------------------------------------------

    @property
    def transaction_status(self) -> int:
        return 2 if self._is_open else _STATUS[self._status]

    async def ask(self, sql: str) -> Rows:
        """The rows of a statement, asked in between; in an open series as a part of it.

        Raises Complaint, and ConnectionAbortedError where the series has failed before.
        """
        raw = encoded(sql, self.codec) + b"\0"
        asked, ends = message(b"Q", raw), b"Z"
        if self._is_open:
            self.server.transport.write(message(b"H"))
            await self._until(lambda: not self._pending or self._is_skipping)
            if self._is_skipping:
                raise ConnectionAbortedError
            series = {b"P": _OURS + raw + bytes(2), b"B": _OURS + _OURS + bytes(6),
                      b"D": b"P" + _OURS, b"E": _OURS + bytes(4), b"C": b"S" + _OURS,
                      b"H": b""}  # fmt: skip
            asked, ends = b"".join(message(*each) for each in series.items()), b"3E"
        self.server.is_stopped = True
        self.server.transport.write(asked)
        types, rows, problem, kind = list[int](), Rows(), None, 0
        while kind not in ends:
            told = await self.server.whole()
            kind, body = told[0], told[5:]
            if kind in b"T":
                types = [*text.types(body)]
            elif kind in b"D":
                rows.append(tuple(text.row(types, body, self.codec)))
            elif kind in b"E":
                problem = Complaint(fields(body, self.codec))
            elif kind in b"A":
                self.client.transport.write(told)
        if kind in b"E":  # which fails the client's own series
            self._is_skipping = True
            self.client.transport.write(told)
        elif kind in b"Z":
            self._status = body[0]
        self.server.go_on()
        if problem:
            raise problem
        return rows
