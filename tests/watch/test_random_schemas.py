"""Random tables with random keys, names and changes keep their history to the row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from kinds import KEYS
from random_tables import Plan, plans
from world import Played, World, world

from medallion_lib import Medallion, databases
from medallion_lib.server import libpq
from medallion_lib.source import slot
from medallion_lib.tables import Tables

EVOLVES = False
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "one")


def random_plans(count: int, number: int, evolves: bool = False) -> list[Plan]:
    """As many for each type of a key, within one."""
    made: list[Plan] = []
    for place, kind in enumerate(KEYS):
        share = (count + len(KEYS) - 1 - place) // len(KEYS)

        @seed(1000 * number + place)
        @settings(max_examples=share + 1, deadline=None, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))
        @given(plans(kind, evolves))
        def take(plan: Plan) -> None:
            found.append(plan)  # noqa: B023 -- called at once

        found: list[Plan] = []
        take()
        made += found[1:]  # the first is the simplest
    return made


@contextmanager
def played(plans: list[Plan], number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    place = Medallion.open().place
    name = f"random_{WORKER}"
    source = place.url.set(database=f"{name}_source")
    with databases.administering(place.url) as cursor:
        databases.drop(cursor, source.database)
        databases.create(cursor, source.database)
    monkeypatch.setenv("MEDALLION_SOURCE_URL", libpq(source))
    names = Tables(tuple(Played(plan, number).declared for number, plan in enumerate(plans)))
    lab = Medallion(place, name)  # which takes the tables that the warehouse keeps
    try:
        with world(lab, source, plans, number) as made:
            made.make()
            Medallion(place, name, names).reset()
            yield made
    finally:
        lab.close()
        with databases.administering(source) as cursor:
            slot.drop(cursor, lab.slot)
        with databases.administering(place.url) as cursor:
            databases.drop(cursor, lab.warehouse_name)
            databases.drop(cursor, source.database)


def check(number: int, monkeypatch: pytest.MonkeyPatch, evolves: bool = EVOLVES) -> None:
    """A hundred tables, captured and merged in batches as they come."""
    with played(random_plans(100, number, evolves), number, monkeypatch) as made:
        made.begin()
        for _ in made.play():
            if made.random.random() < 0.5:
                made.capture()
                made.merge()
        assert not (found := made.differences()), "\n".join(found)
        versions = made.versions()
        assert sum(versions.values()) > 200
        made.lab.capture(resnapshot=True)
        made.lab.merge()
        assert made.versions() == versions, "a snapshot reads each row as the log had it"
        assert [each for each in made.lab.rebuild() if each.lost or each.gained] == []
        assert made.lab.verify() == []


def test_a_hundred_random_tables_keep_their_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred random tables, with keys of 78 types, are as of any instant as their source was."""
    check(1, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2, 22))
def test_two_thousand_random_tables_keep_their_history(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    check(number, monkeypatch)
