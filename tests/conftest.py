"""Every test runs on a server of its own run, in a temporary directory; a user's stays untouched."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from one_server import OUR_HOME, directory, one_server, settle
from sqlalchemy import URL

from medallion_lib import Medallion, databases, server, slot

# The longest files, the longest first: begun last, one would keep one of two workers waiting.
LONG = (
    "test_pagila_kills", "test_capture", "test_year", "test_star", "test_faults", "test_errors",
    "test_server", "test_forms", "test_failing_notebooks", "test_pagila", "test_commands",
    "test_live", "test_own_source", "test_batches", "test_identity", "test_schema_change",
    "test_survival", "test_zones", "test_story", "test_merge", "test_audit", "test_roles",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    if OUR_HOME in os.environ:
        settle()
    else:
        ours = ExitStack()
        ours.enter_context(one_server())
        config.add_cleanup(ours.close)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_collection_finish() -> None:
    """What is loaded by now stays loaded: the garbage collector need not go through it again."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """How many cases Hypothesis tried goes into the JUnit report, for the book to tell."""
    told = getattr(item, "hypothesis_statistics", "")
    if call.when == "call" and (passing := re.findall(r"(\d+) passing,", told)):
        item.user_properties.append(("random cases", sum(map(int, passing))))


@pytest.fixture(scope="session", autouse=True)
def _no_fsync() -> None:
    """The tests kill processes, not the machine; what a process wrote outlives it without fsync."""
    with databases.administering(Medallion.open().place.url) as cursor:
        cursor.execute("ALTER SYSTEM SET fsync = off")
        cursor.execute("SELECT pg_reload_conf()")


EMPTY: dict[str, Medallion] = {}  # by server: what reset makes, to be cloned


def begin_anew(lab: Medallion) -> None:
    """What `lab.reset()` does, from a copy of what it made: a third of the time, some 300 times."""
    empty = EMPTY.get(lab.place.place)
    if empty is None:
        empty = EMPTY[lab.place.place] = Medallion(lab.place, f"{lab.name}_empty")
        empty.reset()
        empty.close()
        with databases.administering(empty.source_url) as cursor:
            slot.drop(cursor, empty.slot)
    lab.drop()
    with databases.administering(lab.place.url) as cursor:
        databases.create(cursor, lab.source_name, empty.source_name)
        databases.create(cursor, lab.warehouse_name, empty.warehouse_name)
    made = slot.made(lab.source_url, lab.slot, None, business_time=True)
    with made as (first, _), server.session(lab.warehouse_url) as cursor:
        first.write(cursor)


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Medallion]:
    """An empty source with its slot and an empty warehouse, removed after the test."""
    opened = Medallion.open(f"t_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    begin_anew(opened)
    yield opened
    opened.close()
    opened.drop()


@pytest.fixture
def parent() -> Iterator[Path]:
    """A new directory that the server's account can pass through, for a server of a test's own."""
    with directory() as made:
        yield made


@pytest.fixture(scope="module")
def spare_url() -> Iterator[URL]:
    """A spare, empty database, removed after the module's tests."""
    name = f"spare_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"
    url = Medallion.open().place.url
    with databases.administering(url) as cursor:
        databases.drop(cursor, name)
        databases.create(cursor, name)
    yield url.set(database=name)
    with databases.administering(url) as cursor:
        databases.drop(cursor, name)
