"""pgbench's select-only through serve, and past it."""

from __future__ import annotations

import subprocess

from bench_pairs import Pairs, seconds_of
from serving import serving

from medallion_lib import Medallion, databases

STATEMENTS = 10_000
DATABASE = "bench_serve"


def measured(lab: Medallion, pairs: int) -> Pairs:
    """Seconds of so many statements of one client, each with its own transaction."""
    found = Pairs()
    with databases.administering(lab.place.url) as cursor:
        databases.create(cursor, DATABASE)

    def pgbench(port: int, *options: str) -> None:
        at = "-h", str(lab.place.socket_dir), "-p", str(port), "-U", "medallion"
        command = [str(lab.place.binaries / "pgbench"), *at, *options, DATABASE]
        subprocess.run(command, check=True, capture_output=True)

    pgbench(5432, "-i", "-q")
    with serving(lab) as served:
        for _ in range(pairs):
            for port, taken in ((served.port, found.ours), (5432, found.bare)):
                with seconds_of(taken):
                    pgbench(port, "-S", "-n", "-t", str(STATEMENTS))
    with databases.administering(lab.place.url) as cursor:
        databases.drop(cursor, DATABASE)
    return found
