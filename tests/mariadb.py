"""A MariaDB of the test's own: data and socket in a temporary directory, and no TCP."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

MISSING = "MariaDB is not installed: apt install mariadb-server --no-install-recommends"
OPTIONS = (
    "--skip-networking", "--skip-grant-tables", "--skip-log-bin", "--default-time-zone=+00:00",
    "--character-set-server=utf8mb4", "--innodb-log-file-size=32M", "--performance-schema=off",
)  # fmt: skip
DONE = "that was all"


def installed() -> bool:
    return _program("mariadbd") is not None and _program("mariadb") is not None


def _program(name: str) -> str | None:
    # An ordinary user's PATH may lack where Debian has it.
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/libexec")


class MariaDB:
    """One session, of the command-line client."""

    def __init__(self, socket: Path) -> None:
        self._client = subprocess.Popen(
            [_program("mariadb"), "--no-defaults", "--batch", "--skip-column-names", "--unbuffered",
             "--quick", "--local-infile", f"--socket={socket}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", bufsize=1 << 20,
        )  # fmt: skip

    def run(self, script: str) -> list[list[str]]:
        """The rows of all its statements. Raises what the server said where one fails."""
        # Beside the reading, since either pipe may be full.
        Thread(target=self._send, args=[f"{script};\nSELECT '{DONE}';\n"], daemon=True).start()
        rows = []
        while (line := self._client.stdout.readline().rstrip("\n")) != DONE:
            rows.append(line.split("\t"))
            if line.startswith("ERROR ") or self._client.poll() is not None:
                raise RuntimeError(line)
        return rows

    def _send(self, script: str) -> None:
        with suppress(BrokenPipeError):
            self._client.stdin.write(script)
            self._client.stdin.flush()

    def close(self) -> None:
        self._client.stdin.close()
        self._client.wait(10)
        self._client.stdout.close()


@contextmanager
def own_mariadb(*options: str) -> Iterator[MariaDB]:
    """A session in a new, empty server, which is killed and removed afterwards."""
    run = Path(tempfile.mkdtemp(prefix="medallion-mariadb-"))
    account = _account()
    if account:
        shutil.chown(run, account)
    socket = run / "socket"
    command = [_program("mariadbd"), "--no-defaults", *OPTIONS, *options, f"--datadir={run}",
               f"--socket={socket}", f"--pid-file={run}/pid", f"--tmpdir={run}"]  # fmt: skip
    with (run / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, f"--user={account}"] if account else command, stdout=log, stderr=log
        )
    try:
        _wait(server, socket, run / "log")
        session = MariaDB(socket)
        try:
            session.run("CREATE DATABASE shop; USE shop")
            yield session
        finally:
            with suppress(OSError, subprocess.TimeoutExpired):
                session.close()
    finally:
        server.kill()  # what it holds is thrown away
        server.wait()
        shutil.rmtree(run)


def _account() -> str | None:
    """Whom it runs as, when this is root."""
    if os.getuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("mysql", "nobody") if name in names)


def _wait(server: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    for _ in range(300):
        if socket.exists():
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"mariadbd did not start:\n{log.read_text(errors='replace')}")
