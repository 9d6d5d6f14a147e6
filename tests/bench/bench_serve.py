"""pgbench's select-only through serve, through a relay that looks at nothing, and past both."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench_pairs import Pairs, seconds_of
from serving import serving

from medallion_lib import Medallion, databases

STATEMENTS = 10_000
DATABASE = "bench_serve"
SERVER, RELAY = 5432, 5434  # what names their sockets


class Taken(NamedTuple):
    """Seconds of serve and of the relay, each beside those of the server alone."""

    serve: Pairs
    relay: Pairs


@contextmanager
def relaying(directory: Path) -> Iterator[None]:
    paths = [str(directory / f".s.PGSQL.{port}") for port in (SERVER, RELAY)]
    command = [sys.executable, str(Path(__file__).with_name("relay.py")), *paths]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "Relaying.\n"
        yield
    finally:
        process.terminate()
        process.wait()
        Path(paths[1]).unlink(missing_ok=True)


def measured(lab: Medallion, pairs: int) -> Taken:
    """Seconds of so many statements of one client, each with its own transaction."""
    bare: list[float] = []
    found = Taken(Pairs(bare=bare), Pairs(bare=bare))
    with databases.administering(lab.place.url) as cursor:
        databases.create(cursor, DATABASE)

    def pgbench(port: int, *options: str) -> None:
        at = "-h", str(lab.place.socket_dir), "-p", str(port), "-U", "medallion"
        command = [str(lab.place.binaries / "pgbench"), *at, *options, DATABASE]
        subprocess.run(command, check=True, capture_output=True)

    pgbench(SERVER, "-i", "-q")
    with serving(lab) as served, relaying(lab.place.socket_dir):
        for _ in range(pairs):
            for port, taken in ((served.port, found.serve.ours), (SERVER, bare), (RELAY, found.relay.ours)):
                with seconds_of(taken):
                    pgbench(port, "-S", "-n", "-t", str(STATEMENTS))
    with databases.administering(lab.place.url) as cursor:
        databases.drop(cursor, DATABASE)
    return found
