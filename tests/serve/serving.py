"""A serve of a test's own, in a process of its own, and a client that speaks bare messages."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from psycopg2.extensions import connection as Connection
from psycopg2 import connect
from sqlalchemy import make_url

from medallion_lib import Medallion
from medallion_lib.pair import SEARCH_PATH

Message = tuple[bytes, bytes]


class Served(NamedTuple):
    """Where it listens."""

    lab: Medallion
    directory: Path
    port: int
    pid: int
    url: str  # as it is printed

    @property
    def asked(self) -> dict[str, object]:
        """What libpq takes, as the notebooks' role."""
        return {"host": str(self.directory), "port": self.port, "user": "medallion_notebook",
                "dbname": self.lab.warehouse_name}  # fmt: skip

    @property
    def psql(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.asked.items())

    def connect(self, **other: object) -> Connection:
        connection = connect(**self.asked | other)
        connection.autocommit = True
        return connection

    @property
    def memory(self) -> int:
        """Bytes that its process holds."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    with socket.socket() as trying:
        trying.bind(("127.0.0.1", 0))
        return trying.getsockname()[1]


@contextmanager
def serving(
    lab: Medallion, *options: str, port: int = 5433, environment: Mapping[str, str] | None = None
) -> Iterator[Served]:
    command = [sys.executable, "-m", "medallion_lib", "--name", lab.name, "serve", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env={**os.environ, **(environment or {})})  # fmt: skip
    try:
        told = process.stdout.readline()
        assert told.startswith("Serving."), told + process.stdout.read()
        printed = shlex.split(process.stdout.readline())[1]
        url = make_url(printed)
        assert url.query["port"] == str(port)
        yield Served(lab, Path(url.query["host"]), port, process.pid, printed)
        assert process.poll() is None, process.stdout.read()
    finally:
        process.terminate()
        said = process.communicate(timeout=60)[0]
    assert "Traceback" not in said and said.endswith("Stopped.\n"), said


class Bare:
    """A client of its own that sends messages, and keeps what comes back."""

    def __init__(self, at: Mapping[str, object], **asked: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(f"{at['host']}/.s.PGSQL.{at['port']}")
        named = {"user": at["user"], "database": at["dbname"], "search_path": SEARCH_PATH} | asked
        self.start(b"".join(f"{name}\0{value}\0".encode() for name, value in named.items()))
        self.until_ready()

    def start(self, named: bytes) -> None:
        packet = (196608).to_bytes(4) + named + b"\0"
        self.socket.sendall((len(packet) + 4).to_bytes(4) + packet)

    def send(self, *messages: Message) -> None:
        self.socket.sendall(b"".join(kind + (len(body) + 4).to_bytes(4) + body for kind, body in messages))

    def exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            if not more:
                raise ConnectionResetError
            got += more
        return got

    def one(self) -> Message:
        head = self.exactly(5)
        return head[:1], self.exactly(int.from_bytes(head[1:]) - 4)

    def until_ready(self) -> list[Message]:
        """What the server says up to ReadyForQuery; it is given no data for a COPY."""
        heard = []
        while not heard or heard[-1][0] != b"Z":
            heard.append(self.one())
            if heard[-1][0] == b"G":
                self.send((b"f", b"none\0"))
        return heard

    def ask(self, sql: str) -> list[Message]:
        self.send((b"Q", sql.encode() + b"\0"))
        return self.until_ready()

    def in_series(self, *texts: str, flush: bool = False) -> list[Message]:
        """Each text as Parse, Bind and Execute, and one Sync for all."""
        for sql in texts:
            self.send((b"P", b"\0" + sql.encode() + b"\0\0\0"), (b"B", bytes(8)), (b"E", bytes(5)))
            if flush:
                self.send((b"H", b""))
                time.sleep(0.05)
        self.send((b"S", b""))
        return self.until_ready()

    def close(self) -> None:
        self.socket.close()


def kinds(heard: list[Message]) -> str:
    return b"".join(kind for kind, _ in heard).decode()


def rows(heard: list[Message]) -> list[str]:
    """The first value of each row, as text."""
    return [body[6:].decode() for kind, body in heard if kind == b"D"]


def complaint(heard: list[Message]) -> dict[str, str]:
    [body] = [body for kind, body in heard if kind == b"E"]
    return {field[:1].decode(): field[1:].decode() for field in body.split(b"\0") if field}
