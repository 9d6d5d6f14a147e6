"""Silver of all of bronze, by PostgreSQL's merge and by an engine, as bronze grows.

Run by itself, it prints the growth: bench_lake.py EVENTS … .
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import psutil
from bench_pairs import autocommit

from medallion_lib import Medallion, lake, server
from medallion_lib.silver import merge

EVENTS = Path(__file__).with_name("bench_lake.sql")
# Gigabytes of memory that each needs, twice what Sail was seen to take: 1.1 of 4 million, 2.4 of 12.
SIZES = {300_000: 1, 1_000_000: 2, 4_000_000: 3, 12_000_000: 5}
DISK = 1_200  # bytes for each event, the log included


class Cost(NamedTuple):
    """Of one way to make silver."""

    way: str
    events: int
    seconds: float
    cpu: float  # seconds of the processors
    megabytes: float  # that its process took at most; PostgreSQL's has the shared buffers it read


def sizes() -> list[int]:
    """Those that this machine has the memory and the disk for."""
    free, disk = psutil.virtual_memory().available / 1e9, psutil.disk_usage(tempfile.gettempdir()).free
    return [events for events, needed in SIZES.items() if needed < free and DISK * events < disk]


def growth(lab: Medallion, sizes: Sequence[int], say: Callable[[str], None]) -> Iterator[Cost]:
    """Each size by each way, in turn."""
    for events in sizes:
        say(f"growth: writing {events:,} changes")
        lab.reset()
        with autocommit(lab.warehouse_url) as cursor:
            cursor.execute(EVENTS.read_text(encoding="utf-8").format(events=events))
        with tempfile.TemporaryDirectory() as place:
            say("growth: PostgreSQL")
            yield by_postgresql(lab, events)
            say("growth: export")
            began, cpu, at_server = time.perf_counter(), time.process_time(), served(lab)
            lake.export(lab, place)
            taken = time.perf_counter() - began
            used = time.process_time() - cpu + served(lab) - at_server
            megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            yield Cost("export", events, taken, used, megabytes)
            say("growth: the engine")
            command = [sys.executable, __file__, "merge", place]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            yield Cost("engine", events, *map(float, told.split()))
            for name in ("fact_rental", "fact_payment"):
                with autocommit(lab.warehouse_url) as cursor:
                    cursor.execute(f"SELECT count(*) FROM silver.{name}")
                    (here,) = cursor.fetchone()
                there = {made.table: made.rows for made in lake.Lake(place).merge()}
                assert here == there[f"silver.{name}"] > events / 4


def served(lab: Medallion) -> float:
    """Seconds of the processors that the server's processes took, of those that have ended."""
    pid = int((lab.place.data / "postmaster.pid").read_text().split()[0])
    time.sleep(0.5)  # until it knows of them
    used = psutil.Process(pid).cpu_times()
    return used.children_user + used.children_system


def by_postgresql(lab: Medallion, events: int) -> Cost:
    with closing(server.connect(lab.warehouse_url)) as connection:
        process = psutil.Process(connection.info.backend_pid)
        began = time.perf_counter()
        merge.merge(connection)
        seconds, used = time.perf_counter() - began, process.cpu_times()
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return Cost("PostgreSQL", events, seconds, used.user + used.system, peak / 1e3)


def merged(place: str) -> None:
    """Prints what a merge costs on the engine, its start apart."""
    there = lake.Lake(place)
    there.session.sql("SELECT 1").collect()
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    there.merge()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(seconds, cpu, after.ru_maxrss / 1e3)


if __name__ == "__main__":
    if sys.argv[1] == "merge":
        merged(sys.argv[2])
    else:
        opened = Medallion.open("growth")
        for cost in growth(opened, [*map(int, sys.argv[1:])], lambda told: print(told, file=sys.stderr)):
            print(cost, flush=True)
        opened.close()
        opened.drop()
