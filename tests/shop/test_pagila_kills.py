"""The real Pagila changes under kills: nothing is lost or twice (in make prove)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import pytest
from pagila_changes import Shop
from test_commands import change, done, wait_until
from test_faults import BRONZE, own_server, reached, read, same, without_fsync
from test_pagila import DUMP, revenues
from test_server import kill_server

from medallion_lib import Medallion
from medallion_lib.server.embedded import CHECKOUT, Embedded
from medallion_lib.shop import TABLES
from medallion_lib.tables import Table

pytestmark = pytest.mark.long(3)

__all__ = ["own_server"]  # the fixture

SEED = 20220801
SERVER_KILLS = 0.05  # of all
# A command that kills itself as soon as the step has been passed so many times.
DOOMED = """
import os, signal, sys
from medallion_lib import __main__, steps
from medallion_lib.bronze import landing
at, count, *words = sys.argv[1:]
sys.argv[1:] = words
landing.BATCH_ROWS = 200
left = int(count)
def on_step(step):
    global left
    left -= step == at
    if at and not left:
        os.kill(os.getpid(), signal.SIGKILL)
steps.on_step = on_step
print("begun", flush=True)
sys.exit(__main__.main())
"""
CAPTURE = ["copied", "landed", "confirmed"]
MERGE = [*(f"merged {table.history}" for table in TABLES.versioned), "merge watermark written",
         "merge committed"]  # fmt: skip
WORK = {
    ("capture",): CAPTURE,
    ("capture", "--merge"): CAPTURE + MERGE,
    ("capture", "--follow", "--merge"): CAPTURE + MERGE,
    ("merge",): MERGE,
}
FOLLOWING = ("capture", "--follow", "--merge")


@dataclass
class Killer:
    """Runs commands and kills them; says where, in the order it did."""

    lab: Medallion
    random: Random
    shop: Shop
    share: float  # the changes for each kill
    kills: list[str] = field(default_factory=list)

    def begin(self, words: tuple[str, ...], at: str = "", count: int = 1) -> subprocess.Popen[str]:
        """A command that has been imported and is about to begin; the shop's changes begin too."""
        process = subprocess.Popen(
            [sys.executable, "-c", DOOMED, at, str(count), "--name", self.lab.name, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        )  # fmt: skip
        assert process.stdout.readline() == "begun\n", process.stderr.read()
        self.shop.allowed = round(self.share * (len(self.kills) + 1))
        return process

    def end(self, process: subprocess.Popen[str], at: str, seconds: float) -> None:
        """Kill it after so long, unless it has killed itself, or is done."""
        try:
            _, told = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            _, told = process.communicate()
            at = ""
        if process.returncode == -signal.SIGKILL:
            self.kills.append(at or "a moment")
        else:
            assert process.returncode == 0, told

    def one(self) -> None:
        """Kill some command at one of its steps, or at a random moment."""
        words = self.random.choice(list(WORK))
        at = self.random.choice([*WORK[words], "", "", ""])
        process = self.begin(words, at, self.random.choice((1, 1, 2, 3)))
        longest = 1.5 if "--follow" in words else 0.5
        self.end(process, at, 3 if at else self.random.uniform(0, longest))

    def the_server(self, place: Embedded) -> None:
        """Kill it under a following capture, which finds it again and goes on; then kill that."""
        process = self.begin(FOLLOWING)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(self.random.uniform(0.3, 1.5))
        kill_server(place)
        self.kills.append("server")
        wait_until(place.running, 30)
        before = reached(self.lab)
        change(self.lab.source, "WITH updated AS (UPDATE film SET length = 90 WHERE film_id = 1) "
               "INSERT INTO ledger.committed (source, op, rows) VALUES ('film', 'U', 1)")  # fmt: skip
        wait_until(lambda: reached(self.lab) > before, 30)
        self.end(process, "", self.random.uniform(0, 0.5))


@pytest.mark.skipif(not DUMP.exists(), reason="the real Pagila's data is not beside the checkout")
@pytest.mark.slow
@pytest.mark.parametrize(("changes", "kills"), [(3_000, 5), (100_000, 100)])
def test_of_pagila_changing_under_kills_nothing_is_lost_or_twice(
    own_server: Embedded, lab: Medallion, record_property: Callable[[str, object], None],
    changes: int, kills: int,
) -> None:  # fmt: skip
    """`lab` is on that server too: its fixture opens it under the same home."""
    without_fsync(own_server)
    lab.load(DUMP)
    shop = Shop(lab.source_url, SEED)
    killer = Killer(lab, Random(SEED), shop, changes / kills)
    for at in ("slot made", "copied"):  # the snapshot is done again from the start
        killer.end(killer.begin(("capture",), at), at, 60)
    done(lab, "capture")
    with shop.working():
        while (number := len(killer.kills)) < kills:
            if killer.kills.count("server") < SERVER_KILLS * number:
                killer.the_server(own_server)
            else:
                killer.one()
        shop.allowed = changes
    done(lab, "capture")
    done(lab, "merge")
    committed = bronze_is_what_was_committed(lab)
    silver_and_gold_are_the_source(lab)
    assert committed.changes >= changes
    record_property("changes", committed.changes)
    record_property("transactions", committed.transactions)
    record_property("kills", len(killer.kills))
    record_property("killed at", ", ".join(f"{at}: {n}" for at, n in Counter(killer.kills).items()))


class Committed(NamedTuple):
    changes: int
    transactions: int


def at_source(lab: Medallion, query: str) -> list[tuple]:
    with lab.source.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


# A transaction as a text: how many changes of which table and kind it made.
SHAPES = ("SELECT string_agg(format('%%s %%s %%s', source, op, rows), ', ' ORDER BY source, op) "
          "AS shape FROM ({}) AS tally GROUP BY transaction ORDER BY shape")  # fmt: skip


def bronze_is_what_was_committed(lab: Medallion) -> Committed:
    """Change for change in number, each transaction whole, each key's last row the source's."""
    ledger = ("SELECT transaction, source, op, sum(rows) AS rows FROM ledger.committed "
              "GROUP BY 1, 2, 3")  # fmt: skip
    landed = (f"SELECT lsn AS transaction, source, op, count(*) AS rows FROM ({BRONZE}) AS landed "
              "WHERE op <> 'R' GROUP BY 1, 2, 3")  # fmt: skip
    totals = "SELECT source, op::text, sum(rows) FROM ({}) AS tally GROUP BY 1, 2 ORDER BY 1, 2"
    committed = at_source(lab, totals.format(ledger))
    assert read(lab, totals.format(landed)) == committed
    transactions = at_source(lab, SHAPES.format(ledger))
    same(read(lab, SHAPES.format(landed) % ()), transactions)
    twice = f"SELECT lsn, seq FROM ({BRONZE}) AS landed GROUP BY 1, 2 HAVING count(*) > 1"
    assert read(lab, twice) == []
    for table in TABLES.captured:
        last_rows_are_the_source(lab, table)
    return Committed(int(sum(rows for *_, rows in committed)), len(transactions))


def last_rows_are_the_source(lab: Medallion, table: Table) -> None:
    """All columns, as the text that PostgreSQL prints."""
    of = f"FROM pg_attribute WHERE attrelid = '{table.name}'::regclass AND attnum > 0"
    names = [name for (name,) in at_source(lab, f"SELECT attname {of} ORDER BY attnum")]
    theirs = ", ".join(f"{name}::text" for name in names)
    ours = ", ".join(f"full_row ->> '{name}'" for name in names)
    key = ", ".join(f"full_row ->> '{name}'" for name in table.key)
    last = (f"SELECT DISTINCT ON ({key}) op, full_row FROM bronze.br_{table.name}_cdc "
            f"ORDER BY {key}, lsn DESC, seq DESC")  # fmt: skip
    now = read(lab, f"SELECT {ours} FROM ({last}) AS last WHERE op <> 'D'")
    there = at_source(lab, f"SELECT {theirs} FROM {table.name}")
    same(sorted(now, key=str), sorted(there, key=str))


def silver_and_gold_are_the_source(lab: Medallion) -> None:
    assert lab.verify() == []
    ((revenue,),) = at_source(lab, "SELECT sum(amount) FROM payment")
    assert revenues(lab) == [revenue] * 3
