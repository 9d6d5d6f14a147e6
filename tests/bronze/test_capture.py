"""Whatever sessions commit, bronze has it; silver `AS OF` each copy is the copy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from shop import BASE, EXTRA, KEY, TEXTS, TRUNCATED, Shop, in_json
from test_commands import change
from test_faults import own_server, without_fsync

from medallion_lib import Medallion
from medallion_lib.server.embedded import Embedded
from medallion_lib.source.watermark import Watermark

pytestmark = pytest.mark.long(3)

__all__ = ["own_server"]  # the fixture

sessions = st.integers(0, 2)
tables = st.sampled_from(list(KEY))
keys = st.integers(0, 2)
picks = st.integers(0, len(TEXTS) - 1)
SLACK = timedelta(milliseconds=5)  # a commit's time is taken a little before it is told


class Business(RuleBasedStateMachine):
    """Sessions write, the schema changes, capture is stopped and goes on, all in any order."""

    shop: Shop
    seen: Counter[str]

    @initialize()
    def open(self) -> None:
        self.shop.begin()
        for who, key in ((0, 0), (1, 1), (2, 2)):
            for table in ("film", "inventory", "customer", "rental", "payment"):
                self.shop.sessions[who].put(table, 3 * key + who, key)

    @rule(who=sessions, table=tables, key=keys, pick=picks)
    def put(self, who: int, table: str, key: int, pick: int) -> None:
        self.shop.sessions[who].put(table, 3 * key + who, pick)

    @rule(who=sessions, table=tables, key=keys, pick=picks)
    def put_another(self, who: int, table: str, key: int, pick: int) -> None:
        self.shop.sessions[who].put(table, 3 * key + who, pick)

    @rule(who=sessions, what=st.sampled_from(["touch", "touch", "delete", "rekey"]), table=tables,
          key=keys, pick=picks)  # fmt: skip
    def edit(self, who: int, what: str, table: str, key: int, pick: int) -> None:
        getattr(self.shop.sessions[who], what)(table, 3 * key + who, pick)

    @rule(who=sessions, what=st.sampled_from(["savepoint", "rollback_to", "rollback"]))
    def think_better(self, who: int, what: str) -> None:
        getattr(self.shop.sessions[who], what)()

    @rule(who=sessions)
    def commit(self, who: int) -> None:
        self.shop.commit(self.shop.sessions[who])

    @rule(what=st.sampled_from([*TRUNCATED, 1, 2, 3]))
    def truncate(self, what: str | int) -> None:
        if isinstance(what, int):
            self.shop.truncate_month(what)
        else:
            self.shop.truncate(what)

    @rule(table=st.sampled_from(["customer", "film"]), name=st.sampled_from(list(EXTRA)))
    def evolve(self, table: str, name: str) -> None:
        self.shop.evolve(table, name)
        self.seen["schema changes"] += 1

    @rule(table=tables, identity=st.sampled_from(["FULL", "DEFAULT", "DEFAULT"]))
    def identify(self, table: str, identity: str) -> None:
        self.shop.identify(table, identity)

    @rule(stop_at=st.sampled_from(["", "copied", "landed", "confirmed"]), count=st.integers(1, 2))
    def capture(self, stop_at: str, count: int) -> None:
        self.shop.capture(stop_at, count)

    @rule()
    def merge(self) -> None:
        self.shop.merge()

    @rule()
    def copy(self) -> None:
        self.shop.copy()

    def teardown(self) -> None:
        shop = self.shop
        shop.copy()
        shop.capture()
        shop.merge()
        landed = shop.bronze()
        assert [in_json(events) for _, _, events in landed] == [in_json(e) for e in shop.truth]
        times = [time for _, time, _ in landed]
        assert times == sorted(set(times)), "system time goes up with every transaction"
        for time, (before, after) in zip(times, shop.committed, strict=True):
            assert before - SLACK <= time <= after + SLACK
        for copy in shop.copies:
            assert shop.silver(copy.instant) == copy.rows, copy.instant
        changes = sum(len(events) for _, _, events in landed)
        self.seen.update({"random histories": 1, "transactions": len(landed), "changes": changes,
                          "instants": len(shop.copies)})  # fmt: skip


@pytest.fixture
def shop(lab: Medallion) -> Iterator[Shop]:
    change(lab.source, BASE)
    made = Shop(lab)
    yield made
    made.close()


def check_random_business(
    shop: Shop, examples: int, steps: int, record: Callable[[str, object], None], begin_at: int = 0
) -> None:
    machine = seed(begin_at)(type("Machine", (Business,), {"shop": shop, "seen": Counter()}))
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None,
                          derandomize=True, database=None),
    )  # fmt: skip
    for name, count in (machine.seen | Counter({"captures stopped": shop.stops})).items():
        record(name, count)


def test_random_business_lands_as_committed_and_silver_is_the_source_at_every_copy(
    shop: Shop, record_property: Callable[[str, object], None]
) -> None:
    check_random_business(shop, 15, 10, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("begin_at", range(7))
def test_much_random_business_does_too(
    own_server: Embedded, shop: Shop, begin_at: int, record_property: Callable[[str, object], None]
) -> None:
    """In parts: a table has at most 1,600 columns in its life, those dropped since included.

    On a server of its own: all tests' slots would wait for what its sessions have not committed.
    """
    without_fsync(own_server)
    check_random_business(shop, 6_300 // 7, 15, record_property, begin_at)


def test_a_commit_time_that_goes_back_is_landed_a_microsecond_after_the_last() -> None:
    """The server takes the time before the commit's place in the log is settled."""
    noon, tick = datetime(2023, 7, 1, 12, tzinfo=UTC), timedelta(microseconds=1)
    watermark = Watermark(lsn=0, commit_ts=None, slot="", source_system=0, source_name="", publication="", business_time=False)
    given = [noon, noon, noon - 1400 * tick, noon + tick, noon + 9 * tick]
    assert [watermark.advance(at) for at in given] == [noon + n * tick for n in (0, 1, 2, 3, 9)]
