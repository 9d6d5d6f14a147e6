"""Random tables with random keys, names and changes keep their history to the row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from kinds import KEYS, MADE, quoted
from random_tables import Plan, plans
from sqlalchemy import URL
from world import World, world

from medallion_lib import Medallion, databases, server
from medallion_lib.watch.plan import Asked, plan

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "one")


def random_plans(count: int, number: int) -> list[Plan]:
    """As many for each type of a key, within one."""
    made: list[Plan] = []
    for place, kind in enumerate(KEYS):
        share = (count + len(KEYS) - 1 - place) // len(KEYS)

        @seed(1000 * number + place)
        @settings(max_examples=share + 1, deadline=None, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))
        @given(plans(kind))
        def take(plan: Plan) -> None:
            found.append(plan)  # noqa: B023 -- called at once

        found: list[Plan] = []
        take()
        made += found[1:]  # the first is the simplest
    return made


@contextmanager
def source_of(name: str) -> Iterator[URL]:
    """An empty database on the tests' server."""
    url = Medallion.open().place.url
    source = url.set(database=f"{name}_{WORKER}")
    with databases.administering(url) as cursor:
        databases.create(cursor, source.database)
    try:
        yield source
    finally:
        with databases.administering(url) as cursor:
            databases.drop(cursor, source.database)


@contextmanager
def played(plans: list[Plan], number: int) -> Iterator[World]:
    """The tables of these plans in a source of their own, watched from their first rows on."""
    with source_of("random") as source:
        lab = Medallion.find(f"random_{WORKER}", source=source)
        try:
            with world(lab, source, plans, number) as made:
                made.make()
                lab.watch(Asked(tuple(quoted(each.schema, each.name) for each in made.tables)), yes=True)
                made.begin()
                yield made
        finally:
            clear(lab)


def clear(lab: Medallion) -> None:
    """Remove what watch made, but for the role, which other tests use."""
    lab.close()
    lab.unwatch(yes=True)
    with databases.administering(lab.place.url) as cursor:
        databases.drop(cursor, lab.warehouse_name)


def test_a_history_is_to_be_strict_only_where_the_server_can_keep_it_so() -> None:
    """By each of the 78 types of a key: WITHOUT OVERLAPS takes 58 of them, some as text."""
    with source_of("keys") as source, server.session(source) as cursor:
        cursor.execute(MADE + "CREATE EXTENSION btree_gist")
        for number, kind in enumerate(KEYS):
            cursor.execute(f"CREATE TABLE t{number} (k {kind} PRIMARY KEY)")
        strict = [each.table.columns[0].type for each in plan(cursor, Asked()).each if each.table.is_strict]
        for number, kind in enumerate(strict):
            cursor.execute(f"CREATE TABLE s{number} (k {kind}, p tstzrange, PRIMARY KEY (k, p WITHOUT OVERLAPS))")
    assert len(strict) == 58


def check(number: int, is_whole: bool) -> None:
    """A hundred tables, captured and merged in batches as they come, and made anew where `is_whole`."""
    with played(random_plans(100, number), number) as made:
        for _ in made.play():
            if made.random.random() < 0.5:
                made.capture()
                made.merge()
        assert not (found := made.differences()), "\n".join(found)
        versions = made.versions()
        assert sum(versions.values()) > 100
        made.lab.capture(resnapshot=True, yes=True)
        made.lab.merge()
        assert made.versions() == versions, "a snapshot reads each row as the log had it"
        if is_whole:
            assert [each for each in made.lab.rebuild() if each.lost or each.gained] == []
            assert made.lab.verify() == []


def test_a_hundred_random_tables_keep_their_history() -> None:
    """With keys of 78 types and columns that change, they are as of any instant as their source was."""
    check(1, is_whole=False)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2, 22))
def test_two_thousand_random_tables_keep_their_history(number: int) -> None:
    check(number, is_whole=True)
