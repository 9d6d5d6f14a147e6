"""Every test runs on a server of its own run, in a temporary directory; a user's stays untouched."""

from __future__ import annotations

import gc
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

import pytest
from anew import begin_anew
from one_server import OUR_HOME, directory, one_server, settle
from sqlalchemy import URL

from medallion_lib import Medallion, databases, shop
from medallion_lib.tables import Tables

REPORT = Path(".results", "tests.xml")  # below the checkout; of the last make test


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's job in the background has it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if OUR_HOME in os.environ:
        settle()
    else:
        ours = ExitStack()
        ours.enter_context(one_server())
        config.add_cleanup(ours.close)


@pytest.hookimpl(tryfirst=True)  # before those that are not asked for are left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin the longest files: begun last, one would keep the other workers waiting."""
    _leave_to_prove(items)
    took = _took(config.rootpath / REPORT)

    def length(item: pytest.Item) -> tuple[int, float]:
        file = item.nodeid.partition(".py::")[0].replace("/", ".")
        mark = None if file in took else item.get_closest_marker("long")
        return (mark.args[0] if mark else 0), took[file]

    items.sort(key=length, reverse=True)


def _leave_to_prove(items: list[pytest.Item]) -> None:
    """Of a test's cases, those after the `first` ones, as its mark counts them, are slow."""
    seen: Counter[str] = Counter()
    for item in items:
        mark = item.get_closest_marker("first")
        if mark and not item.get_closest_marker("slow"):
            name = item.nodeid.partition("[")[0]
            seen[name] += 1
            if seen[name] > mark.args[0]:
                item.add_marker(pytest.mark.slow)


def _took(report: Path) -> Counter[str]:
    """The seconds that each file's tests took, by the file's name in dots."""
    took: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
        took[case.get("classname")] += float(case.get("time"))
    return took


def pytest_collection_finish() -> None:
    """What is loaded by now stays loaded: the garbage collector need not go through it again.

    It need not look so often for the little that the tests leave, either.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """How many cases Hypothesis tried goes into the JUnit report, for the book to tell."""
    told = getattr(item, "hypothesis_statistics", "")
    if call.when == "call" and (passing := re.findall(r"(\d+) passing,", told)):
        item.user_properties.append(("random cases", sum(map(int, passing))))


@pytest.fixture(scope="session", autouse=True)
def _built_once() -> Iterator[None]:
    """On the run's server, an empty warehouse of tables that had one twice already is a copy.

    That takes a tenth of the time.
    """
    build, seen, ours = databases.build_warehouse, set(), Medallion.open().place.url
    copies: dict[str, str] = {}

    def build_or_copy(url: URL, tables: Tables | None = None) -> None:
        tables = tables or shop.TABLES
        key = f"{tables} {tables.as_json()}"
        if url != ours.set(database=url.database) or key not in seen:
            seen.add(key)
            build(url, tables)
            return
        with databases.administering(ours) as cursor:
            if name := copies.get(key):
                databases.drop(cursor, url.database)
                databases.create(cursor, url.database, name)
            else:
                build(url, tables)
                name = f"built_{len(copies)}_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"
                databases.create(cursor, name, url.database)
                copies[key] = name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(databases, "build_warehouse", build_or_copy)
        yield


@pytest.fixture
def lab_at() -> Iterator[Callable[[str], Medallion]]:
    """What gives a source and its warehouse once the year was replayed, captured and merged so far."""
    opened = Medallion.open(f"t_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")

    def at(until: str) -> Medallion:
        begin_anew(opened, until)
        return opened

    yield at
    opened.close()
    opened.drop()


@pytest.fixture
def lab(lab_at: Callable[[str], Medallion]) -> Medallion:
    """An empty source with its slot and an empty warehouse, removed after the test."""
    return lab_at("")


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
