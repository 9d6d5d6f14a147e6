"""One client and its connection to the server: messages pass as they are, and texts are read."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable

from sqlalchemy.util import greenlet_spawn

from medallion_lib.errors import MedallionError
from medallion_lib.serve import text
from medallion_lib.serve.exchange import Exchange
from medallion_lib.serve.inside import Complaint, Diagnosis, Inside
from medallion_lib.serve.messages import Fields, encoded, error, fatal, fields, message
from medallion_lib.serve.text import Said
from medallion_lib.serve.wire import Wire
from medallion_lib.system_time import functions

LONGEST = 64 << 20  # bytes of one message, but for the data of COPY, which is not held
_UNKNOWN = 1 << 16  # of one before the server has let the client in
_QUERY, _READY = b"QZ"
_LOOKED_AT = b"ZT123nCIsEGS"  # of what the server says; the rest passes
# States of errors that may be said in the hook's words.
_EXPLAINED = ("22023", "42601", "22007", "22008", "42P13", "42883")


class Session(Exchange):
    """It begins as it is made. `others` says which relations have history, for an error's text."""

    def __init__(
        self, client: Wire, server: Wire, reads: bool, others: Callable[[], Iterable[str]]
    ) -> None:
        super().__init__(server)
        self.client, self.reads, self.others = client, reads, others
        self.inside = Inside(self)
        self.is_explaining = False
        self.to_server = self.to_client = 0  # bytes that pass yet of what is longer than held
        self.tasks: set[asyncio.Task[None]] = set()
        client.other, server.other = server, client
        client.take, server.take = self.from_client, self.from_server
        client.lost = server.lost = self.end
        self.from_server()
        self.from_client()
        client.passes, server.passes = self._is_query_passed, self._is_answer_passed

    # Most arrivals are one Query that is of no concern to the hook, and its whole answer. These two
    # do with them what those below do, in half the time.
    def _is_query_passed(self, data: bytes) -> bool:
        if data[0] != _QUERY or int.from_bytes(data[1:5]) != len(data) - 1:
            return False
        if self.is_busy or self.to_server or (self.reads and text.CONCERNS.search(data)):
            return False
        self.note(b"Q", data, 5, len(data))
        self.server.transport.write(data)
        return True

    def _is_answer_passed(self, data: bytes) -> bool:
        if self.is_explaining or self.to_client or not self.is_plain:
            return False
        at, last = 0, len(data) - 6
        while at < last and data[at] not in b"ESG":
            at += 1 + int.from_bytes(data[at + 1 : at + 5])
        if at != last or data[at] != _READY:
            return False
        self.answered(b"Z", data[-1:])
        self.client.transport.write(data)
        return True

    def from_client(self) -> None:
        """Pass on what is held, up to a text that has to be read first."""
        held, at = self.client.held, 0
        while not self.is_busy and len(held) > at:
            if self.to_server:
                passed = min(self.to_server, len(held) - at)
                self.to_server, at = self.to_server - passed, at + passed
                continue
            if len(held) < at + 5:
                break
            kind, end = bytes(held[at : at + 1]), at + 1 + int.from_bytes(held[at + 1 : at + 5])
            most = LONGEST if self.status else _UNKNOWN
            if end - at < 5 or (end - at > most and kind != b"d"):
                return self.refuse("08P01", f"A message of {end - at - 1:,} bytes is not taken.")
            if kind == b"d":
                self.to_server = end - at
                continue
            if len(held) < end:
                break
            if kind in b"QP" and self.reads and text.CONCERNS.search(held, at + 5, end):
                body = bytes(held[at + 5 : end])
                _pass(self.server, held, at)
                del held[: end - at]
                at = 0
                self.is_busy = True
                self._begin(self._text(kind, body))
                continue
            self.note(kind, held, at + 5, end)
            at = end
        _pass(self.server, held, at)
        has_room = not (self.server.is_full or self.is_busy)
        return self.client.read_on(has_room)

    async def _text(self, kind: bytes, body: bytes) -> None:
        """Read the text of a Query or Parse, and send what the hook makes of it."""
        name, rest = body.split(b"\0", 1) if kind == b"P" else (b"", body)
        raw, _, after = rest.partition(b"\0")
        said, is_told = None, False
        await self.settled()
        try:
            given = raw.decode(self.codec, "surrogateescape")
            said = await greenlet_spawn(text.read, self.inside, given)
            if said.sent is not given:
                raw, after = encoded(said.sent, self.codec), text.untyped(said.sent, after)
        except Complaint:
            is_told = True  # and the server hears nothing more of this series
        except ConnectionAbortedError:
            pass  # an earlier message failed, and the server skips this one, too
        self.is_busy = False
        if kind == b"P":
            self.keep(name, said)
            raw = name + b"\0" + raw
        if not is_told:
            self.send(kind, raw + b"\0" + after, said)
        self.from_client()

    def from_server(self) -> None:
        """Pass on what is held, but for answers to the hook and errors in need of its words."""
        held, at = self.server.held, 0
        while not self.is_explaining and len(held) > at:
            if self.to_client:
                passed = min(self.to_client, len(held) - at)
                self.to_client, at = self.to_client - passed, at + passed
                continue
            if len(held) < at + 5:
                break
            kind, end = bytes(held[at : at + 1]), at + 1 + int.from_bytes(held[at + 1 : at + 5])
            is_ours = self.is_ours(kind)
            if not is_ours and kind not in _LOOKED_AT:
                self.to_client = end - at
                continue
            if len(held) < end:
                break
            body = bytes(held[at + 5 : end])
            instead = (self._asked_for if is_ours else self._instead)(kind, body)
            if instead is None:
                at = end
                continue
            _pass(self.client, held, at)
            del held[: end - at]
            at = 0
            self.client.transport.write(instead)
        _pass(self.client, held, at)
        self.server.read_on(not self.client.is_full)

    def _asked_for(self, kind: bytes, body: bytes) -> bytes:
        problem = self.collect(kind, body)
        return error(problem.diag.fields, self.codec) if problem else b""

    def _instead(self, kind: bytes, body: bytes) -> bytes | None:
        """What the client is told in the place of this; None for just this."""
        said = self.head
        self.answered(kind, body)
        if kind == b"Z" and self.has_made and self.is_settled:
            self._begin(self._make())
            return b""
        if said and kind == b"E":
            found = fields(body, self.codec)
            if found.get("C") not in _EXPLAINED:
                return error(text.placed(said, found), self.codec)
            self.is_explaining = True
            self._begin(self._explain(said, found))
            return b""
        if said and kind == b"C" and said.tag:
            return message(kind, said.tag.encode() + b"\0")
        return None

    async def _make(self) -> None:
        """After DDL: the functions, in the client's own transaction where it has one open."""
        try:
            if self.status != b"E" and not self.has_failed:
                await greenlet_spawn(functions.regenerate, self.inside)
        except Complaint as problem:
            self._tell(problem.diag.fields)
        except MedallionError as problem:
            self._tell({"C": "55000"} | text.told(problem))
        self.has_made = self.is_busy = False
        self.client.transport.write(message(b"Z", self.status))
        self.from_client()

    async def _explain(self, said: Said, found: Fields) -> None:
        """Tell an error in the words of who wrote the statement; who has history, is asked."""
        told = text.explained, said, found, Diagnosis(found), self.others
        self._tell(await asyncio.to_thread(*told))
        self.is_explaining = False
        self.from_server()

    def _tell(self, found: Fields) -> None:
        self.client.transport.write(error(found, self.codec))

    def refuse(self, state: str, told: str) -> None:
        """End this client's session, and no other."""
        self.client.transport.write(fatal(state, told))
        self.client.close()
        self.server.close()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        """What has to wait for answers; a mistake in it ends this session."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()):
            self.refuse("XX000", f"{type(problem).__name__}: {problem}")

    def end(self) -> None:
        for task in self.tasks:
            task.cancel()


def _pass(to: Wire, held: bytearray, upto: int) -> None:
    if upto:
        to.transport.write(bytes(held[:upto]))
        del held[:upto]
