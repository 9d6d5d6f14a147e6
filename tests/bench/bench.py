"""How fast it is, as ratios from alternating runs: capture, merge, the whole year, system time,
dbt; and how late gold is behind a source that goes on changing.

Runs on a server of its own in a temporary directory. The table is for stdout, progress for stderr.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

import bench_capture
import bench_dbt
import bench_first
import bench_follow
import bench_lake
import bench_merge
import bench_parts
import bench_serve
import bench_system_time
import bench_versioned
import mariadb
from bench_pairs import Pairs, autocommit, seconds_of, spread

from medallion_lib import Medallion
from medallion_lib.server.embedded import Embedded

PAIRS = 5
YEARS = 3
RECEIVED_AIM, APPLIED_AIM, MERGE_AIM = 0.4, 1.0, 0.8  # ratios, at least
DBT_AIM = 1.0  # a ratio, at least
SERVE_AIM, ADDED_AIM = 0.7, 100  # a ratio, at least; microseconds, at most
FIRST_AIM = 3  # a ratio, at most
YEAR_AIM = 15  # seconds, at most
RATES, DELAY_SECONDS = (50, 2000), 30
MEMORY_SIZES = [10_000, 100_000, 1_000_000]  # changes; a full batch has 20,000
YEAR, BLOCKS = "the year, a change a transaction", "500 changes a transaction"
HOOK_AIMS = {"without the phrase": 1, "AS OF": 300, "BETWEEN … AND": 300}  # microseconds at most
BEGAN = time.monotonic()


def say(what: str) -> None:
    print(f"{time.monotonic() - BEGAN:4.0f} s  {what}", file=sys.stderr, flush=True)


@contextmanager
def own_server() -> Iterator[Medallion]:
    """A Medallion on a new embedded server, stopped and removed afterwards."""
    run = Path(tempfile.mkdtemp(prefix="medallion-bench-"))
    run.chmod(0o711)  # as root, the server's account has to reach its own directory inside
    os.environ["MEDALLION_HOME"] = str(run / "home")
    os.environ.pop("MEDALLION_SERVER_URL", None)
    try:
        lab = Medallion.open("bench")
        with autocommit(lab.place.url) as cursor:
            cursor.execute("ALTER SYSTEM SET autovacuum = off")  # its moments are nobody's choice
            cursor.execute("SELECT pg_reload_conf()")
        yield lab
        lab.close()
    finally:
        Embedded(run / "home").stop()
        shutil.rmtree(run)


def row(what: str, figure: str, aim: str = "", met: bool | None = None) -> None:
    verdict = "" if met is None else "met" if met else "missed"
    print(f"{what:<52}{figure:>26}  {aim:<10}{verdict}".rstrip(), flush=True)


def machine(lab: Medallion) -> None:
    with autocommit(lab.place.url) as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        f"{cores} cores, {platform.machine()}, {platform.system()}, PostgreSQL {version}, "
        f"Python {platform.python_version()}; load at the start {os.getloadavg()[0]:.1f}\n"
        f"Where runs are compared they take turns: {PAIRS} of each, after one to warm up.\n"
        "Median (lowest to highest); ratios are of the runs of one turn.\n"
    )
    row("", "figure", "aim")


def capture(changes: str, stretch: bench_capture.Stretch) -> None:
    """Prints changes a second of capture and of what it is compared with, and the ratios."""
    runs, rows = bench_capture.race(
        stretch, PAIRS, lambda number: say(f"capture, {changes}: turn {number} of {PAIRS}")
    )
    others = (
        ("pg_recvlogical to /dev/null", runs.received, RECEIVED_AIM),
        ("native subscription", runs.applied, APPLIED_AIM),
    )
    row(f"capture, {changes}: changes/s", spread([rows / taken for taken in runs.capture], 0))
    for other, taken, aim in others:
        row(f"  {other}", spread([rows / seconds for seconds in taken], 0))
        ratio(f"  capture / {other}, of {rows:,}", Pairs(runs.capture, taken), aim)


def parts(changes: str, stretch: bench_capture.Stretch) -> None:
    """Prints where capture's time goes, in one more run."""
    say(f"capture, {changes}: with a stopwatch")
    with stretch.again():
        shares, seconds = bench_parts.shares(stretch.landed)
    row("  with a stopwatch, once: seconds", f"{seconds:.2f}")
    for part, share in shares.items():
        row(f"    {part}", f"{share:.0%}")


def delay(lab: Medallion) -> None:
    """Prints how late gold is, on top of the sample year."""
    for rate in RATES:
        say(f"from commit to gold: {DELAY_SECONDS} seconds of {rate:,} changes a second")
        seen, kept = bench_follow.delays(lab, rate, DELAY_SECONDS)
        row(f"commit to gold, at {kept:,.0f} changes/s: seconds", "")
        row(f"  median of {len(seen)} marked commits", f"{median(seen):.3f}")
        row("  95th percentile", f"{quantiles(seen, n=20)[-1]:.3f}")


def memory(lab: Medallion) -> None:
    """Prints the resident memory of a capture that follows."""
    say(f"memory of a following capture: {MEMORY_SIZES[-1]:,} changes")
    held = bench_follow.memory(lab, MEMORY_SIZES)
    for size, megabytes in zip(MEMORY_SIZES, held, strict=True):
        row(f"memory (RSS) after {size:,} changes: MB", f"{megabytes:.0f}")
    row("  the last / the first", f"{held[-1] / held[0]:.2f}")
    row("  the last / the one before", f"{held[-1] / held[-2]:.2f}")


def ratio(what: str, measured: Pairs, aim: float) -> None:
    row(what, spread(measured.ratios), f">= {aim}", median(measured.ratios) >= aim)


def year(lab: Medallion) -> bench_capture.Stretch:
    """Prints the seconds of the year's three steps; the last run's WAL can be read again."""
    steps: dict[str, list[float]] = {"replay": [], "capture": [], "merge": []}
    for number in range(YEARS):
        say(f"the year: run {number + 1} of {YEARS}")
        lab.reset()
        stretch = bench_capture.Stretch(lab)
        for name, taken in steps.items():
            with seconds_of(taken):
                getattr(lab, name)()
            if name == "replay":
                stretch.finish()
        if number < YEARS - 1:
            stretch.drop()
    for name, taken in steps.items():
        row(f"the year: seconds of {name}", spread(taken))
    together = [sum(run) for run in zip(*steps.values(), strict=True)]
    row("  together", spread(together), f"<= {YEAR_AIM}", median(together) <= YEAR_AIM)
    return stretch


def merges(lab: Medallion) -> None:
    with bench_merge.prepared(lab, say) as race:
        race.run(PAIRS, say)
        for table, measured in race.pairs.items():
            row(f"merge, 10,000 changes, {table}: seconds", spread(measured.ours))
            row("  bare UPDATE and INSERT of the rows it wrote", spread(measured.bare))
            ratio("  bare seconds / merge seconds", measured, MERGE_AIM)
        system_time(race)


def first(lab: Medallion) -> None:
    measured = bench_first.race(lab, PAIRS, say)
    row(f"{bench_first.ROWS:,} rows to the first AS OF: seconds", spread(measured.ours))
    row("  COPY of them through a pipe", spread(measured.bare))
    times = [1 / ratio for ratio in measured.ratios]
    row("  our seconds / COPY's", spread(times), f"<= {FIRST_AIM}", median(times) <= FIRST_AIM)


def hook() -> None:
    for name, taken in bench_system_time.hook(PAIRS).items():
        micros = [1e6 * seconds for seconds in taken]
        aim = HOOK_AIMS[name]
        row(f"the hook, {name}: microseconds", spread(micros), f"<= {aim}", median(micros) <= aim)


def serve(lab: Medallion) -> None:
    say("serve: pgbench's select-only")
    lab.reset(yes=True)
    measured, each = bench_serve.measured(lab, PAIRS), bench_serve.STATEMENTS
    row(f"{each:,} selects of pgbench, by serve: seconds", spread(measured.ours))
    row("  past it", spread(measured.bare))
    ratio("  throughput by serve / past it", measured, SERVE_AIM)
    pairs = zip(measured.ours, measured.bare, strict=True)
    added = [(ours - bare) / each * 1e6 for ours, bare in pairs]
    row("  added to each: microseconds", spread(added, 0), f"<= {ADDED_AIM}", median(added) <= ADDED_AIM)


def system_time(race: bench_merge.Race) -> None:
    """Prints both's seconds, and no aim: which is faster depends on what is asked."""
    if not mariadb.installed():
        row("system time against MariaDB", "skipped")
        say(mariadb.MISSING)
        return
    named = {"aggregate": "AS OF, all of a million versions", "changes": "10,000 changes (ours: from bronze)",
             "look-ups": f"AS OF, {bench_system_time.LOOKUPS:,} look-ups by key"}  # fmt: skip
    for name, measured in bench_system_time.against_mariadb(race, PAIRS, say).items():
        row(f"{named[name]}: seconds", spread(measured.ours, 3))
        row("  MariaDB", spread(measured.bare, 3))
        row("  MariaDB's seconds / ours", spread(measured.ratios))


def versioned(lab: Medallion) -> None:
    """Prints the ratios, and no aim: an ordinary table keeps nothing, and MariaDB is no part of this."""
    costs = bench_versioned.race(lab, PAIRS, say)
    for name, measured in costs.plain.items():
        what = f"{name} of {bench_versioned.CHANGES:,} rows that keep versions: seconds"
        row(what, spread(measured.ours, 3))
        row("  an ordinary table's", spread(measured.bare, 3))
        row("  our seconds / its", spread([1 / each for each in measured.ratios]))
        if name in costs.theirs:
            theirs = costs.theirs[name]
            row("  MariaDB's WITH SYSTEM VERSIONING", spread(theirs.bare, 3))
            row("  our seconds / MariaDB's", spread([1 / each for each in theirs.ratios]))


def dbt(lab: Medallion) -> None:
    """Prints both's seconds and the ratios: of the node alone, and of the whole command."""
    if not bench_dbt.installed():
        row("scd_system_versioned against dbt snapshot", "skipped")
        say(bench_dbt.MISSING)
        return
    measured = bench_dbt.race(lab, PAIRS, say)
    what = f"dbt, {bench_dbt.CHANGES:,} changes to {bench_dbt.ROWS:,} rows"
    row(f"{what}: seconds", spread(measured.node.ours))
    row("  dbt snapshot", spread(measured.node.bare))
    ratio("  dbt snapshot's seconds / ours", measured.node, DBT_AIM)
    row("  the whole command, dbt's start included", spread(measured.whole.ours))
    row("  dbt snapshot's", spread(measured.whole.bare))


def growth(lab: Medallion) -> None:
    """Prints what silver of all of bronze costs, PostgreSQL's and an engine's, as bronze grows."""
    if not bench_lake.installed():
        row("silver on an engine", "skipped")
        say(bench_lake.MISSING)
        return
    for cost in bench_lake.growth(lab, bench_lake.sizes(), say):
        what = f"silver of {cost.events:,} changes, {cost.way}"
        row(f"{what}: seconds", f"{cost.seconds:.1f}")
        row("  seconds of the processors", f"{cost.cpu:.1f}")
        row("  the same for each change: microseconds", f"{1e6 * cost.cpu / cost.events:.1f}")
        row("  memory at most: MB", f"{cost.megabytes:,.0f}")


def main() -> None:
    with own_server() as lab:
        machine(lab)
        hook()
        stretch = year(lab)
        capture(YEAR, stretch)
        parts(YEAR, stretch)
        stretch.drop()
        say("capture: writing 300,000 changes")
        stretch = bench_capture.workload(lab)
        capture(BLOCKS, stretch)
        parts(BLOCKS, stretch)
        stretch.drop()
        delay(lab)
        memory(lab)
        merges(lab)
        first(lab)
        serve(lab)
        versioned(lab)
        dbt(lab)
        growth(lab)
        say("done")


if __name__ == "__main__":
    main()
