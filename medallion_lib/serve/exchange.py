"""What a client and its server have said: which message each answer belongs to.

The server answers in order. So an error is that of one text, and between the client's statements
the hook can ask on the same connection: its answers are told from the client's.
"""

import asyncio
import codecs
from collections import deque
from typing import NamedTuple

from medallion_lib.serve.inside import Complaint
from medallion_lib.serve.messages import encoded, fields, message, row, types
from medallion_lib.serve.text import Said
from medallion_lib.serve.wire import Wire

_STATUS = {b"I": 0, b"T": 2, b"E": 3}  # libpq's
# What ends the server's answer to each kind of message.
_ENDS = {b"Q": b"Z", b"F": b"Z", b"S": b"Z", b"P": b"1", b"B": b"2", b"C": b"3", b"D": b"Tn",
         b"E": b"CIs"}  # fmt: skip
_NAME = 64  # bytes of a name with its end
_OURS = b"medallion_lib\0"  # the statement and portal of what the hook asks
_Rows = list[list[str | None]]


class Request(NamedTuple):
    """A message that the server will answer."""

    kind: bytes
    said: Said | None = None
    is_ours: bool = False


_PLAIN = {kind: Request(kind) for kind in _ENDS}


class Exchange:
    """From when the server was asked to let the client in."""

    def __init__(self, server: Wire) -> None:
        self.server = server
        self.status = b""  # of the transaction; none until the client was let in
        self.codec = "utf-8"
        self.is_busy = False  # so that nothing of the client's passes
        self.has_made = False  # DDL, by what was sent; its functions are to be made
        self._parameters: dict[str, str] = {}
        self._pending: deque[Request] = deque()
        self._statements: dict[bytes, Said] = {}
        self._portals: dict[bytes, Said | None] = {}
        self._is_open = False  # messages have passed since the last Sync
        self._is_skipping = False  # as the server does, up to Sync
        self._is_copying = False
        self.has_failed = self._is_failing = False  # what was answered last, and what is being
        self._settled = asyncio.Event()
        self._asked: asyncio.Future[tuple[list[int], _Rows]]

    # --- What is sent -----------------------------------------------------------------------

    def note(self, kind: bytes, held: bytes | bytearray, at: int, end: int) -> None:
        """That a message of the client's passes, whose body is held from `at` up to `end`."""
        request = _PLAIN.get(kind)
        if request is None:
            self._is_copying = self._is_copying and kind not in b"cf"
            return
        if self._statements and kind in b"PBEC":
            first, *more = bytes(held[at : min(end, at + 2 * _NAME)]).split(b"\0")[:2]
            if kind == b"B":
                said = self._statements.get(*more) if more else None
                request, self._portals[first] = Request(kind, said), said
            elif kind == b"E":
                request = Request(kind, self._portals.get(first))
            else:  # a new statement, or none: of Close, the name stands behind an S
                self._statements.pop(first.removeprefix(b"S") if kind == b"C" else first, None)
        self._sent(request)

    def send(
        self, kind: bytes, body: bytes, said: Said | None = None, is_ours: bool = False
    ) -> None:
        self._sent(Request(kind, said, is_ours))
        self.server.transport.write(message(kind, body))

    def keep(self, name: bytes, said: Said | None) -> None:
        """What was said by a Parse of this name."""
        self._statements.pop(name, None)
        if said:
            self._statements[name] = said

    def _sent(self, request: Request) -> None:
        is_end = request.kind in b"QSF"
        if self._is_copying or (self._is_skipping and request.kind != b"S"):
            return
        self._is_skipping = False
        self._is_open = not is_end
        self._pending.append(request)
        if request.said and request.said.is_ddl and request.kind in b"QE":
            self.has_made = True
        if is_end and self.has_made:
            self.is_busy = True  # until the functions are made

    async def settled(self) -> None:
        """Wait until the state of the transaction is known, or a series is open in it."""
        while self._pending and not self._is_open:
            self._settled.clear()
            await self._settled.wait()

    # --- What is answered -------------------------------------------------------------------

    def is_ours(self, kind: bytes) -> bool:
        """Whether the next answer is one to the hook."""
        return bool(self._pending) and self._pending[0].is_ours and kind != b"A"

    @property
    def head(self) -> Said | None:
        """The text that the next answer is about."""
        return self._pending[0].said if self._pending else None

    @property
    def is_plain(self) -> bool:
        """Whether one Query is to be answered, which is of no concern to the hook."""
        return len(self._pending) == 1 and self._pending[0] is _PLAIN[b"Q"] and not self.has_made

    @property
    def is_settled(self) -> bool:
        return not self._pending

    def answered(self, kind: bytes, body: bytes) -> None:
        """What an answer says of the session."""
        head = self._pending[0] if self._pending else None
        if kind == b"Z":
            self._ended(body)
        elif kind == b"E":
            self._is_failing = True
            self._skip(head)
        elif kind == b"S":
            name, value = (part.decode(errors="replace") for part in body.split(b"\0")[:2])
            self._parameter(name, value)
        elif kind == b"G":  # what was sent of Sync by now is not heard
            self._is_copying = True
            self._pending = deque(each for each in self._pending if each.kind != b"S")
        elif head and kind in _ENDS[head.kind]:
            self._pending.popleft()

    def _ended(self, status: bytes) -> None:
        """The server has answered all up to a Sync or Query."""
        self.status = status
        self.has_failed, self._is_failing, self._is_copying = self._is_failing, False, False
        while self._pending and self._pending.popleft().kind not in b"QSF":
            pass
        self._settled.set()

    def _skip(self, head: Request | None) -> None:
        """After an error, but in a Query, the server hears nothing until Sync."""
        self._is_copying = False
        if head is None or head.kind in b"QSF":
            return
        while self._pending and self._pending[0].kind != b"S":
            if self._pending.popleft().is_ours and not self._asked.done():
                self._asked.set_exception(ConnectionAbortedError())
        self._is_skipping = not self._pending

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
        return 2 if self._is_open else _STATUS[self.status]

    def parameter_status(self, name: str) -> str | None:
        return self._parameters.get(name)

    async def ask(self, sql: str) -> tuple[list[int], _Rows]:
        """Types and rows of a statement, asked in between; in an open series as a part of it.

        Raises Complaint, and ConnectionAbortedError where the series has failed before.
        """
        if self._is_skipping:
            raise ConnectionAbortedError
        self._types, self._rows, self._problem = list[int](), _Rows(), None
        self._asked = asyncio.get_running_loop().create_future()
        raw = encoded(sql, self.codec) + b"\0"
        if not self._is_open:
            self.send(b"Q", raw, is_ours=True)
            return await self._asked
        series = {b"P": _OURS + raw + bytes(2), b"B": _OURS + _OURS + bytes(6),
                  b"D": b"P" + _OURS, b"E": _OURS + bytes(4), b"C": b"S" + _OURS}  # fmt: skip
        for kind, body in series.items():
            self.send(kind, body, is_ours=True)
        self.server.transport.write(message(b"H"))
        return await self._asked

    def collect(self, kind: bytes, body: bytes) -> Complaint | None:
        """Take an answer to what is asked: rows, or a complaint; return what fails the client's."""
        head = self._pending[0]
        if kind == b"T":
            self._types = [*types(body)]
        elif kind == b"D":
            self._rows.append([*row(body, self.codec)])
        elif kind == b"E":
            self._problem = Complaint(fields(body, self.codec))
            if head.kind != b"Q":
                self._asked.set_exception(self._problem)
                self._skip(head)
                return self._problem
        if kind in _ENDS[head.kind]:
            self.answered(kind, body)
            if head.kind in b"QC":
                self._answer()
        return None

    def _answer(self) -> None:
        if self._asked.done():
            return
        if self._problem:
            self._asked.set_exception(self._problem)
        else:
            self._asked.set_result((self._types, self._rows))
