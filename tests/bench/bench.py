"""How fast it is, as ratios from alternating runs: capture, merge, the whole year, system time,
dbt; and how late gold is behind a source that goes on changing.

Runs on a server of its own in a temporary directory. The table is for stdout, progress for stderr.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import bench_capture
import bench_dbt
import bench_first
import bench_follow
import bench_lake
import bench_merge
import bench_parts
import bench_scale
import bench_serve
import bench_system_time
import bench_versioned
import mariadb
from bench_pairs import Pairs, autocommit, seconds_of, spread

from medallion_lib import Medallion
from medallion_lib.server.embedded import CHECKOUT, Embedded

PAIRS = 5
YEARS = 3
ADDED_AIM = 100  # microseconds, at most
SCALES = 2  # runs of the year at each scale
GOALS: dict[str, dict] = tomllib.loads(Path(__file__).with_name("goals.toml").read_text("utf-8"))
YEAR_AIM = 15  # seconds, at most
RATES, DELAY_SECONDS, DELAY_RUNS = (50, 2000), 10, 3
MEMORY_SIZES = [10_000, 100_000, 1_000_000]  # changes; a full batch has 20,000
YEAR, BLOCKS = "a change a transaction", "500 changes a transaction"
LAST = CHECKOUT / ".results" / "bench.json"  # what the page "When to use which" is made of
FOUND: dict[str, Any] = {"compared": [], "alone": [], "growth": []}  # as book/made/costs.json has it
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


def compared(what: str, unit: str, here: list[float], beside: dict[str, list[float]]) -> None:
    """For the page: what it is faster or slower than, by medians."""
    others = {name: rounded(median(values)) for name, values in beside.items()}
    facts = {"what": what, "unit": unit, "here": rounded(median(here)), "beside": others}
    FOUND["compared"].append(facts)


def rounded(value: float) -> float:
    """To three digits: those after them differ from run to run."""
    return float(f"{value:.3g}")


def alone(what: str, took: str) -> None:
    FOUND["alone"].append({"what": what, "took": took})


def leave() -> None:
    """Leave the figures where the book is built from them."""
    LAST.parent.mkdir(exist_ok=True)
    LAST.write_text(json.dumps(FOUND, indent=1) + "\n", encoding="utf-8")


def goal(name: str, values: list[float], digits: int = 2) -> None:
    """Prints a row against its goal; where that is missed, why, and what to try next."""
    asked, found = GOALS[name], median(values)
    is_met = found >= asked["least"] if "least" in asked else found <= asked["most"]
    aim = f">= {asked['least']}" if "least" in asked else f"<= {asked['most']}"
    row(f"  {name}", spread(values, digits), aim, is_met)
    if not is_met:
        print(f"      why:  {asked['why']}\n      next: {asked['next']}", flush=True)


def row(what: str, figure: str, aim: str = "", met: bool | None = None) -> None:
    verdict = "" if met is None else "met" if met else "missed"
    print(f"{what:<52}{figure:>26}  {aim:<10}{verdict}".rstrip(), flush=True)


def machine(lab: Medallion) -> None:
    with autocommit(lab.place.url) as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    today = datetime.now(UTC)
    FOUND["measured"] = f"{today.day} {today:%B %Y}"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    FOUND["machine"] = (f"{cores} cores ({platform.machine()}, {platform.system()}) "
                        f"with PostgreSQL {version}")  # fmt: skip
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
    others = {"pg_recvlogical": runs.received, "native subscription": runs.applied}
    speeds = {name: [rows / seconds for seconds in taken]
              for name, taken in {"capture": runs.capture, **others}.items()}  # fmt: skip
    row(f"capture, {changes}, of {rows:,}: changes/s", spread(speeds["capture"], 0))
    for other, taken in others.items():
        row(f"  {other}", spread(speeds[other], 0))
        goal(f"capture / {other}, {changes}", Pairs(runs.capture, taken).ratios)
    beside = {"native subscription": speeds["native subscription"],
              "pg_recvlogical, not stored": speeds["pg_recvlogical"]}  # fmt: skip
    compared(f"Capture, {changes}", "changes/s", speeds["capture"], beside)


def parts(changes: str, stretch: bench_capture.Stretch) -> None:
    """Prints where capture's time goes, in one more run."""
    say(f"capture, {changes}: with a stopwatch")
    with stretch.again():
        shares, seconds = bench_parts.shares(stretch.landed)
    row("  with a stopwatch, once: seconds", f"{seconds:.2f}")
    for part, share in shares.items():
        row(f"    {part}", f"{share:.0%}")


def delay(lab: Medallion) -> None:
    """Prints how late bronze and gold are, on top of the sample year: of runs, each one's."""
    for rate in RATES:
        middle, late = {}, {}
        for number in range(DELAY_RUNS):
            for layer in ("bronze", "gold"):  # in turn
                say(f"from commit to {layer}: {DELAY_SECONDS} s of {rate:,} changes/s, run {number + 1}")
                seen, _ = bench_follow.delays(lab, rate, DELAY_SECONDS, layer)
                middle.setdefault(layer, []).append(median(seen))
                late.setdefault(layer, []).append(quantiles(seen, n=20)[-1])
        row(f"commit to bronze, at {rate:,} changes/s: median seconds", spread(middle["bronze"], 3))
        row("  95 %", spread(late["bronze"], 3))
        row(f"commit to gold, at {rate:,} changes/s: median seconds", spread(middle["gold"], 3))
        row("  95 %", spread(late["gold"], 3))
        if rate == RATES[0]:
            goal("commit to gold, median seconds", middle["gold"], 3)
            goal("commit to gold, 95 % of seconds", late["gold"], 3)
        within = f"{1e3 * median(middle['gold']):.0f} ms (95% within {1e3 * median(late['gold']):.0f} ms)"
        alone(f"from commit to gold, with capture and merge running: {rate:,} changes per second", within)


def memory(lab: Medallion) -> None:
    """Prints the resident memory of a capture that follows."""
    say(f"memory of a following capture: {MEMORY_SIZES[-1]:,} changes")
    held = bench_follow.memory(lab, MEMORY_SIZES)
    for size, megabytes in zip(MEMORY_SIZES, held, strict=True):
        row(f"memory (RSS) after {size:,} changes: MB", f"{megabytes:.0f}")
    row("  the last / the first", f"{held[-1] / held[0]:.2f}")
    row("  the last / the one before", f"{held[-1] / held[-2]:.2f}")
    goal("memory of a capture that follows, MB", [max(held)], 0)
    alone("memory of a capture that follows", f"{min(held):.0f} to {max(held):.0f} MB")


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
    took = ", ".join(f"{median(taken):.2f} s" for taken in steps.values())
    alone("the year: replay, capture, merge", took)
    return stretch


def merges(lab: Medallion) -> None:
    with bench_merge.prepared(lab, say) as race:
        race.run(PAIRS, say)
        for table, measured in race.pairs.items():
            row(f"merge, 10,000 changes, {table}: seconds", spread(measured.ours))
            row("  bare UPDATE and INSERT of the rows it wrote", spread(measured.bare))
            goal(f"bare statements / merge, {table}", measured.ratios)
        system_time(race)


def first(lab: Medallion) -> None:
    measured = bench_first.race(lab, PAIRS, say)
    row(f"{bench_first.ROWS:,} rows to the first AS OF: seconds", spread(measured.as_of.ours))
    row("  until all of them are in bronze", spread(measured.snapshot.ours))
    row("  COPY of them through a pipe", spread(measured.as_of.bare))
    goal("COPY through a pipe / initial snapshot", measured.snapshot.ratios)
    times = [1 / ratio for ratio in measured.as_of.ratios]
    goal("first AS OF, our seconds / COPY's", times)


def hook(lab: Medallion) -> None:
    for name, measured in bench_system_time.hook(lab, PAIRS).items():
        micros = [1e6 * seconds for seconds in measured.hook]
        row(f"the hook, {name}: microseconds", spread(micros, 1))
        row("  the statement's round trip", spread([1e6 * seconds for seconds in measured.trip], 0))
        if (named := f"the hook / a round trip, {name}") in GOALS:
            goal(named, measured.shares, 4)
        else:
            row("  the hook / a round trip", spread(measured.shares, 4))
        if name == "AS OF":
            alone("the hook, for each statement with `AS OF`", f"{median(micros) / 1e3:.2f} ms")


def scale(lab: Medallion) -> None:
    small, large = bench_scale.race(lab, SCALES, say)
    for what in ("capture", "merge"):
        each = [getattr(measured, what) for measured in (small, large)]
        row(f"{what}, an event: microseconds at scale 1", spread([1e6 * one for one in each[0]]))
        row(f"  at scale {bench_scale.SCALE}", spread([1e6 * one for one in each[1]]))
        goal(f"{what} per event, scale 20 / scale 1", Pairs(*each).slower)
    row("a mart now: seconds at scale 1", spread(small.mart, 4))
    row(f"  at scale {bench_scale.SCALE}", spread(large.mart, 4))
    goal("a mart now, scale 20 / scale 1", Pairs(small.mart, large.mart).slower)


def serve(lab: Medallion) -> None:
    say("serve: pgbench's select-only")
    lab.reset(yes=True)
    taken, each = bench_serve.measured(lab, PAIRS), bench_serve.STATEMENTS
    row(f"{each:,} selects of pgbench, by serve: seconds", spread(taken.serve.ours))
    row("  past it", spread(taken.serve.bare))
    goal("selects by serve / past it", taken.serve.ratios)
    row("  by a relay that looks at nothing / past it", spread(taken.relay.ratios))
    pairs = zip(taken.serve.ours, taken.serve.bare, strict=True)
    added = [(ours - bare) / each * 1e6 for ours, bare in pairs]
    row("  added to each: microseconds", spread(added, 0), f"<= {ADDED_AIM}", median(added) <= ADDED_AIM)


def system_time(race: bench_merge.Race) -> None:
    """Prints both's seconds and the ratios: which is faster depends on what is asked."""
    if not mariadb.installed():
        row("system time against MariaDB", "skipped")
        say(mariadb.MISSING)
        return
    look_ups = f"{bench_system_time.LOOKUPS:,} look-ups by key, AS OF"
    named = {"aggregate": ("Aggregate AS OF, a million versions", "AS OF aggregate / MariaDB's"),
             "look-ups": (look_ups, "AS OF look-up / MariaDB's, as text"),
             "prepared": (f"{look_ups}, prepared", "AS OF look-up / MariaDB's, prepared"),
             "changes": ("10,000 changes, ours from bronze", "")}  # fmt: skip
    for name, measured in bench_system_time.against_mariadb(race, PAIRS, say).items():
        what, aim = named[name]
        row(f"{what}: seconds", spread(measured.ours, 3))
        row("  MariaDB", spread(measured.bare, 3))
        if aim:  # a merge begins with JSON in bronze; what is compared like for like is below
            goal(aim, measured.ratios)
            compared(what, "s", measured.ours, {"MariaDB": measured.bare})


def versioned(lab: Medallion) -> None:
    """Prints the ratios; an aim there is for typed rows changed here and in MariaDB, like for like."""
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
            if name == "UPDATE":
                goal("changes / MariaDB's", theirs.ratios)


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
    goal("scd_system_versioned / dbt snapshot", measured.node.ratios)
    compared(what, "s", measured.node.ours, {"dbt snapshot": measured.node.bare})
    row("  the whole command, dbt's start included", spread(measured.whole.ours))
    row("  dbt snapshot's", spread(measured.whole.bare))


def growth(lab: Medallion) -> None:
    """Prints what silver of all of bronze costs, PostgreSQL's and an engine's, as bronze grows."""
    found: dict[int, dict[str, float]] = {}
    for cost in bench_lake.growth(lab, bench_lake.sizes(), say):
        what = f"silver of {cost.events:,} changes, {cost.way}"
        row(f"{what}: seconds", f"{cost.seconds:.1f}")
        row("  seconds of the processors", f"{cost.cpu:.1f}")
        row("  the same for each change: microseconds", f"{1e6 * cost.cpu / cost.events:.1f}")
        row("  memory at most: MB", f"{cost.megabytes:,.0f}")
        found.setdefault(cost.events, {})[cost.way.lower()] = rounded(cost.cpu)
    FOUND["growth"] = [{"changes": events, **seconds} for events, seconds in found.items()]


def main() -> None:
    with own_server() as lab:
        machine(lab)
        stretch = year(lab)
        lab.regenerate()
        hook(lab)
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
        scale(lab)
        leave()
        say(f"done; the book is built from {LAST}, which may be kept as book/made/costs.json")


if __name__ == "__main__":
    main()
