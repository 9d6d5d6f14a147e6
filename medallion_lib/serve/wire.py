"""A connection's bytes: PostgreSQL's messages, version 3 of its protocol, and how they pass on."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Self

Fields = dict[str, str]  # of an ErrorResponse, by their letters
_HELD = 1 << 16  # bytes; where more wait to be looked at, no more are read


class Refused(Exception):
    """What ends a client's connection, and no other: an SQLSTATE, and what is said of it."""


class Wire(asyncio.Protocol):
    """One end of a connection. What arrives passes to the other end, up to where it is stopped.

    `look` is called for each message of a kind that is `seen`: its kind, the bytes it is in, where
    its body begins and ends. It returns what passes in its place, None for just that. Or it calls
    `stop`: then that message and all after it are held for `take`, until `go_on`. A message that is
    seen is held until it is whole; one longer than `most` stops what arrives.
    Until the first `go_on` all is held, for `exactly`.
    Where the other end takes its bytes too slowly, no more are read of this one.
    """

    transport: asyncio.Transport | None = None
    other: Self | None = None
    task: asyncio.Task[None] | None = None  # of who is served; it ends with the connection
    look: Callable[[int, bytes | bytearray, int, int], bytes | None]
    seen, most = b"", 0

    def __init__(self, begin: Callable[[Self], Awaitable[None]] | None = None) -> None:
        self._begin, self.awake = begin, asyncio.Event()
        self.held = bytearray()
        self._passing = self._wanted = 0  # bytes to come: of what has passed in part, or of a whole
        self.is_stopped, self.is_full, self.is_lost = True, False, False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        if self._begin:
            self.task = asyncio.ensure_future(self._begin(self))

    def data_received(self, data: bytes) -> None:
        if not (self.held or self.is_stopped):
            return self._pass(data)
        self.held += data
        if not self.is_stopped:
            return self._pass(self.held)
        self.awake.set()
        return self._read_on()

    def _pass(self, data: bytes | bytearray) -> None:
        begin, at, size = 0, self._passing, len(data)
        while size - at > 4:
            kind, length = data[at], int.from_bytes(data[at + 1 : at + 5])
            end = at + 1 + length
            if length < 4 or (kind in self.seen and end > size):
                if not 4 <= length <= self.most:
                    self.stop()
                break
            if kind in self.seen:
                instead = self.look(kind, data, at + 5, end)
                if self.is_stopped:
                    break
                if instead is not None:
                    self.other.transport.write(data[begin:at] + instead)
                    begin = end
            at = end
        if at > begin:
            self.other.transport.write(bytes(data[begin:at]))
        self._passing = max(at - size, 0)
        if data is self.held:
            del data[:at]
        elif at < size:
            self.held += data[at:]

    def stop(self) -> None:
        self.is_stopped = True
        self.awake.set()

    def take(self) -> tuple[int, bytes]:
        """The message at which it is stopped."""
        length = int.from_bytes(self.held[1:5])
        if not 4 <= length < len(self.held):
            raise Refused("08P01", f"A message of {length:,} bytes is not taken.")
        kind, body = self.held[0], bytes(self.held[5 : length + 1])
        del self.held[: length + 1]
        return kind, body

    def go_on(self) -> None:
        self.is_stopped = False
        self._pass(self.held)
        self._read_on()

    async def whole(self, most: int = 1 << 30) -> bytes:
        """The next message, which is held: what is longer ends the connection."""
        head = await self.exactly(5)
        length = int.from_bytes(head[1:])
        if not 4 <= length <= most:
            raise ConnectionAbortedError
        return head + await self.exactly(length - 4)

    async def exactly(self, count: int) -> bytes:
        """The next bytes. Raises ConnectionError where the other side ends before them."""
        self._wanted = count
        while len(self.held) < count:
            if self.is_lost:
                raise ConnectionResetError
            self._read_on()
            self.awake.clear()
            await self.awake.wait()
        taken = bytes(self.held[:count])
        del self.held[:count]
        return taken

    def _read_on(self) -> None:
        """Read more, or for now no more than what is held."""
        is_full = self.other and self.other.is_full
        goes_on = not (is_full or (self.is_stopped and len(self.held) > _HELD + self._wanted))
        if goes_on != self.transport.is_reading() and not self.transport.is_closing():
            (self.transport.resume_reading if goes_on else self.transport.pause_reading)()

    def pause_writing(self) -> None:
        self.is_full = True
        if self.other:
            self.other._read_on()

    def resume_writing(self) -> None:
        self.is_full = False
        if self.other:
            self.other._read_on()

    def close(self) -> None:
        """Once all is written."""
        if self.transport:
            self.transport.close()

    def eof_received(self) -> None:
        """Close: nothing is said after that."""

    def connection_lost(self, _: Exception | None) -> None:
        self.is_lost = True
        self.awake.set()
        if self.other:
            self.other.close()
        if self.task:
            self.task.cancel()


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


def encoded(text: str, codec: str) -> bytes:
    """As the client reads text; bytes that were no text come back as they were."""
    try:
        return text.encode(codec, "surrogateescape")
    except UnicodeEncodeError:
        return text.encode(codec, "replace")


def error(fields: Mapping[str, str], codec: str = "utf-8") -> bytes:
    """An ErrorResponse; of severity ERROR, if not given."""
    told = {"S": "ERROR", "V": "ERROR", **fields}
    each = (name.encode() + encoded(text, codec) + b"\0" for name, text in told.items())
    return message(b"E", b"".join(each) + b"\0")


def fields(body: bytes, codec: str) -> Fields:
    each = (field.decode(codec, "surrogateescape") for field in body.split(b"\0") if field)
    return {field[0]: field[1:] for field in each}
