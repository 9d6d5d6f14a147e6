"""COPY from one server to another, with both at work at once."""

import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import BinaryIO

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

BUFFER = 1 << 20  # bytes that are read and sent together


class _Counted:
    """A file of COPY's rows, in each of which a mark stands once; tells how many have been read."""

    def __init__(self, file: BinaryIO, mark: bytes, told: Callable[[int], object]) -> None:
        self.file, self.mark, self.told = file, mark, told
        self.last = b""  # a mark may be read in two parts

    def read(self, size: int) -> bytes:
        part = self.file.read(size)
        seen = self.last + part
        self.told(seen.count(self.mark))
        self.last = seen[max(0, len(seen) - len(self.mark) + 1) :]
        return part


def copied(
    source: Cursor, sending: sql.Composable, into: Cursor, taking: sql.Composable,
    told: Callable[[int], object], mark: bytes = b"\n",
) -> int:  # fmt: skip
    """Send what one COPY … TO STDOUT gives to a COPY … FROM STDIN elsewhere; the rows.

    `told` hears of each part how many rows it had, by the mark that stands once in each. Raises
    the error of either server; what the other did then is not to be committed.
    """
    out, back = os.pipe()
    with suppress(AttributeError, OSError):  # a small one has each wait
        fcntl.fcntl(back, fcntl.F_SETPIPE_SZ, BUFFER)
    with ThreadPoolExecutor(1) as beside, open(out, "rb", BUFFER) as lines:
        sent = beside.submit(_send, source, sending, back)
        into.copy_expert(taking, _Counted(lines, mark, told), size=BUFFER)
    sent.result()  # half of the rows end like all of them
    return into.rowcount


def _send(source: Cursor, sending: sql.Composable, end: int) -> None:
    with open(end, "wb", BUFFER) as lines:
        source.copy_expert(sending, lines, size=BUFFER)
