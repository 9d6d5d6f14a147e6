"""Whoever has a PostgreSQL names tables, and gets every change, every version and AS OF over them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
import pytest
from sqlalchemy import URL
from test_commands import begin, command, done, refused, to_its_end, wait_until
from test_errors import another_server
from test_faults import WATCH

from medallion_lib import Medallion, MedallionError, databases, server, steps
from medallion_lib.errors import Unconfirmed
from medallion_lib.server import libpq
from medallion_lib.server.embedded import Embedded
from medallion_lib.watch.plan import Asked

pytestmark = pytest.mark.long(2)

# Nobody here designed it: two schemas, a key of two columns, equal names, a partitioned table.
SOURCE = """
CREATE SCHEMA sales;
CREATE SCHEMA support;
CREATE TABLE sales.customer (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, email text);
CREATE TABLE sales.orders (no integer PRIMARY KEY, customer uuid, placed date);
CREATE TABLE sales.order_line (no integer, line integer, price numeric(8, 2), PRIMARY KEY (no, line));
CREATE TABLE support.orders (code text PRIMARY KEY, said text);
CREATE TABLE support.event (id bigint, at timestamptz, said text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE support.event_old PARTITION OF support.event FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE support.event_new PARTITION OF support.event DEFAULT;
INSERT INTO sales.customer (name, email) SELECT 'Name ' || n, n || '@example' FROM generate_series(1, 20) AS n;
INSERT INTO sales.orders SELECT n, id, '2026-01-01' FROM (SELECT row_number() OVER (ORDER BY name) AS n, id FROM sales.customer) AS c;
INSERT INTO sales.order_line SELECT n, l, n + l FROM generate_series(1, 20) AS n, generate_series(1, 3) AS l;
INSERT INTO support.orders VALUES ('a', 'first'), ('b', 'second');
INSERT INTO support.event SELECT n, '2025-12-20'::timestamptz + n * interval '1 day', 'said ' || n FROM generate_series(1, 30) AS n;
"""
# What there is of the whole server and of the source's schemas, but for what changes by itself.
TRACES = (
    "SELECT pubname FROM pg_publication", "SELECT slot_name FROM pg_replication_slots", "SELECT rolname FROM pg_roles",
    "SELECT datname FROM pg_database", "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'",
    "SELECT oid::regclass::text, relreplident::text FROM pg_class WHERE relnamespace >= 16384",
)  # fmt: skip


@pytest.fixture(scope="module")
def place() -> Iterator[Embedded]:
    """A server with neither a warehouse nor our role."""
    from one_server import directory

    with directory() as parent, another_server(parent / "home", fsync="off") as made:
        with databases.administering(made.url) as cursor:
            cursor.execute("CREATE DATABASE crm")
        with server.session(made.url.set(database="crm")) as cursor:
            cursor.execute(SOURCE)
        yield made


@pytest.fixture
def url(place: Embedded, monkeypatch: pytest.MonkeyPatch) -> Iterator[URL]:
    """The source, on a server of the user's own; afterwards it is as it was before."""
    monkeypatch.setenv("MEDALLION_SERVER_URL", libpq(place.url))
    at = place.url.set(database="crm")
    before = traces(at)
    yield at
    assert traces(at) == before


def traces(at: URL) -> list[list[tuple]]:
    return [sorted(run(at, query)) for query in TRACES]


def run(at: URL, statement: str) -> list[tuple]:
    with databases.administering(at) as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def watched(at: URL, name: str, *names: str, **asked: Any) -> Iterator[Medallion]:
    lab = Medallion.find(name, source=at)
    begun = lab.watch(Asked(names, **asked), yes=True)
    assert begun.tables.source == str(at._replace(password=None).set(drivername="postgresql"))
    try:
        yield Medallion.open(name)  # which knows its source
    finally:
        lab.unwatch(drop_warehouse=True, yes=True)


def test_tables_are_named_and_asked_as_of_any_instant(url: URL) -> None:
    """A join of two watched tables AS OF an instant is what the source's join was then."""
    query = "SELECT name, sum(price) FROM {0}customer {1} JOIN {0}orders {1} ON customer.id = customer " \
            "JOIN {0}order_line {1} USING (no) GROUP BY name ORDER BY name"  # fmt: skip
    with watched(url, "crm") as lab:
        (at,), = run(lab.warehouse_url, "SELECT commit_ts FROM meta.watermark WHERE stage = 'capture'")
        then = run(url, query.format("sales.", ""))
        run(url, "UPDATE sales.order_line SET price = price * 2 WHERE line = 2; DELETE FROM sales.customer WHERE name = 'Name 3'")
        assert lab.verify() == []
        now = run(url, query.format("sales.", ""))
        assert then != now
        for instant, rows in ((at, then), ("infinity", now)):
            if instant == "infinity":
                (instant,), = run(lab.warehouse_url, "SELECT commit_ts FROM meta.watermark WHERE stage = 'merge'")
            asked = query.format("silver_sales.", f"FOR SYSTEM_TIME AS OF '{instant}'")
            with lab.warehouse.connect() as connection:
                assert [tuple(row) for row in connection.exec_driver_sql(asked)] == rows


@pytest.mark.slow
def test_the_command_shows_what_it_would_make_asks_and_goes_on(url: URL) -> None:
    shown = command(None, "watch", libpq(url), "sales.*", "--name", "crm", "--dry-run").stdout
    for told in ("medallion_crm", "customer", "order_line", "what the source deletes, personal data too"):
        assert told in shown
    assert "support" not in shown
    asked_for = command(None, "watch", libpq(url), "sales.*", "--name", "crm")
    assert asked_for.returncode == 1 and "Nothing was made" in asked_for.stderr
    ended = command(None, "watch", libpq(url), "sales.*", "--name", "crm", "--yes")
    assert ended.returncode == 0, ended.stderr
    lab = Medallion.open("crm")
    run(url, "INSERT INTO sales.order_line VALUES (1, 4, 1)")
    for line in ended.stdout.splitlines():
        if line.startswith("    python"):
            assert line == "    python -m medallion_lib --name crm capture --follow --merge"
    assert "__as_of('" in ended.stdout
    assert done(lab, "capture", "--merge").startswith("Landed 1 rows")
    assert "source's, and no versions overlap" in done(lab, "verify")
    assert "unwatch" not in refused(lab, "unwatch", "--drop-warehouse")
    removed = done(lab, "unwatch", "--drop-warehouse", "--yes")
    for each in ("slot medallion_crm", "publication medallion_crm", "database medallion_crm", "role medallion_notebook"):
        assert each in removed


def test_tables_are_added_and_removed_by_command(url: URL) -> None:
    with watched(url, "crm", "sales.orders") as lab:
        shown = done(lab, "watch", "--add", "support.orders", "--dry-run")
        assert "silver_support.orders_hist" in shown and "sales.orders " not in shown
        assert "support.orders" in done_with_preview(lab, "watch", "--add", "support.orders")
        run(url, "UPDATE support.orders SET said = 'added'; UPDATE sales.orders SET placed = '2026-03-03'")
        assert lab.verify() == []
        assert "is watched already" in refused(lab, "watch", "--add", "support.orders")
        assert "Nothing was changed" in refused(lab, "watch", "--remove", "sales.orders")
        assert "sales.orders" in done(lab, "watch", "--remove", "sales.orders", "--yes")
        run(url, "UPDATE support.orders SET said = 'more'; UPDATE sales.orders SET placed = '2026-04-04'")
        assert lab.verify() == []
        assert run(lab.warehouse_url, "SELECT DISTINCT placed::text FROM silver_sales.orders") == [("2026-03-03",)]
        assert "No table sales.orders is watched" in refused(lab, "watch", "--remove", "sales.orders", "--yes")


def done_with_preview(lab: Medallion, *words: str) -> str:
    ended = command(lab, *words, "--yes")
    assert ended.returncode == 0 and "Made at the source" in ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_a_table_that_comes_to_a_watched_schema_is_named_and_not_taken(url: URL) -> None:
    with watched(url, "crm", "sales.*", "support.orders") as lab:
        assert "not watched" not in done(lab, "status")
        run(url, "CREATE TABLE sales.later (id integer PRIMARY KEY); CREATE TABLE support.later (id integer PRIMARY KEY)")
        run(url, "INSERT INTO sales.later VALUES (1)")
        try:
            assert lab.capture().rows == 0
            assert lab.status()["not_watched"] == "sales.later"
            done_with_preview(lab, "watch", "--add", "sales.later")
            assert "not_watched" not in lab.status()
            assert lab.verify() == []
        finally:
            run(url, "DROP TABLE sales.later, support.later")


def test_unwatch_leaves_the_warehouse_unless_told(url: URL) -> None:
    with watched(url, "crm", "sales.*") as lab:
        assert len(lab.unwatch(yes=True)) == 2
        count = "SELECT count(*) FROM {}.order_line"
        assert run(lab.warehouse_url, count.format("silver_sales")) == run(url, count.format("sales"))
        assert lab.unwatch(yes=True) == []
        with pytest.raises(MedallionError, match="--resnapshot"):
            lab.capture()
        lab.capture(resnapshot=True, yes=True)
        assert lab.verify() == []


def test_without_a_yes_nothing_is_made(url: URL) -> None:
    lab = Medallion.find("crm", source=url)
    with pytest.raises(Unconfirmed, match="medallion_crm"):
        lab.watch()


def test_python_says_the_same(url: URL) -> None:
    lab = Medallion.open("crm", source=libpq(url), tables=["sales.orders", "support.orders"])
    assert {table.shown for table in lab.watch(yes=True).tables.each} == {"sales.orders", "support.orders"}
    assert lab.verify() == []
    with pytest.raises(Unconfirmed, match="22 changes"):
        lab.unwatch(drop_warehouse=True)
    assert f"database {lab.warehouse_name}" in lab.unwatch(drop_warehouse=True, yes=True)


@pytest.mark.slow
def test_two_warehouses_watch_one_source_with_different_tables(url: URL) -> None:
    with watched(url, "one", "sales.*") as one, watched(url, "two", "support.*") as two:
        run(url, "UPDATE sales.orders SET placed = '2026-02-02'; UPDATE support.orders SET said = 'changed'")
        assert (one.capture().rows, two.capture().rows) == (20, 2)
        one.merge()
        two.merge()
        assert (one.verify(), two.verify()) == ([], [])


def test_a_warehouse_of_that_name_is_refused(url: URL) -> None:
    with watched(url, "crm", "sales.*"):
        message = refused(None, "watch", libpq(url), "--name", "crm", "--yes")
        held = sum(run(url, f"SELECT count(*) FROM sales.{name}")[0][0] for name in ("customer", "orders", "order_line"))
        assert f"medallion_crm is there already, with {held} changes" in message
        assert "--name another watch URL" in message


@pytest.mark.parametrize("taken", ("slot", "publication"))
def test_what_has_the_name_at_the_source_is_never_dropped(url: URL, taken: str) -> None:
    made = {"slot": "SELECT pg_create_logical_replication_slot('medallion_crm', 'pgoutput')",
            "publication": "CREATE PUBLICATION medallion_crm FOR TABLE sales.orders"}  # fmt: skip
    gone = {"slot": "SELECT pg_drop_replication_slot('medallion_crm')", "publication": "DROP PUBLICATION medallion_crm"}
    run(url, made[taken])
    before = traces(url)
    try:
        assert '"medallion_crm"' in refused(None, "watch", libpq(url), "--name", "crm", "--yes")
        assert traces(url) == before
    finally:
        run(url, gone[taken])


@pytest.mark.first(2)
@pytest.mark.parametrize("at", ("slot made", "copied", "landed", "merged order_line_hist", "merge committed", WATCH))
def test_what_is_interrupted_leaves_nothing_behind(url: URL, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No slot, publication, role or database, wherever it was interrupted."""

    def interrupted(step: str) -> None:
        if step == at:
            raise KeyboardInterrupt

    with monkeypatch.context() as doomed:
        doomed.setattr(steps, "on_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Medallion.find("crm", source=url).watch(yes=True)


@pytest.mark.parametrize("by", ([signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]))
def test_who_asks_it_again_and_again_to_end_does_not_end_the_undoing(url: URL, by: list[signal.Signals]) -> None:
    """As a person does who presses Ctrl+C twice."""
    watch = begin(None, "watch", libpq(url), "--name", "crm", "--yes")
    wait_until(lambda: run(url, "SELECT 1 FROM pg_replication_slots"), 60)

    def has_ended() -> bool:
        for each in by:
            watch.send_signal(each)
        return watch.poll() is not None

    wait_until(has_ended, 60)
    ended, out, told = to_its_end(watch)
    assert ended in (130, *(-each for each in by)) and not out and "Traceback" not in told, told


def test_a_watch_that_is_asked_to_end_when_all_is_made_says_so(url: URL) -> None:
    """Nobody would know of the slot otherwise, which keeps log."""
    late = f"import os, signal, sys\nfrom medallion_lib import __main__, steps\n" \
           f"steps.on_step = lambda step: step == {WATCH!r} and os.kill(os.getpid(), signal.SIGTERM)\n" \
           f"sys.argv = ['', '--name', 'crm', 'watch', {libpq(url)!r}, '--yes']\n" \
           f"sys.exit(__main__.main())"  # fmt: skip
    import forked

    ended = forked.run("-c", late, environment=os.environ)
    assert ended.returncode == 0 and "History begins" in ended.stdout, ended.stderr
    Medallion.find("crm", source=url).unwatch(drop_warehouse=True, yes=True)


@pytest.mark.slow
def test_a_watch_that_is_ended_by_a_signal_leaves_nothing_behind(url: URL) -> None:
    """It waits for a transaction at the source when SIGTERM comes."""
    other = psycopg2.connect(libpq(url))
    try:
        with other.cursor() as cursor:
            cursor.execute("INSERT INTO sales.orders VALUES (0)")
        watch = begin(None, "watch", libpq(url), "--name", "crm", "--yes")
        waits = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'walsender' AND wait_event_type = 'Lock'"
        wait_until(lambda: run(url, waits), 60)
        watch.send_signal(signal.SIGTERM)
        wait_until(lambda: watch.poll() is not None)  # long before the wait for a slot is given up
        assert to_its_end(watch)[0] == 130
    finally:
        other.close()


@pytest.mark.slow
@pytest.mark.parametrize("moments", (3, pytest.param(20, marks=pytest.mark.slow)))
def test_a_watch_that_is_ended_at_any_moment_leaves_nothing_behind(url: URL, moments: int) -> None:
    """SIGTERM comes at random moments, from before anything is made to when all is."""
    chance, before, lab = random.Random(moments), traces(url), Medallion.find("crm", source=url)
    whole, began = 0.0, time.monotonic()
    for place in range(moments + 1):
        watch = begin(None, "watch", libpq(url), "--name", "crm", "--yes")
        if place:
            with suppress(subprocess.TimeoutExpired):
                watch.wait(whole * (place - chance.random()) / moments)
            watch.send_signal(signal.SIGTERM)
        ended, out, told = to_its_end(watch)
        assert ended in (0, 130, -signal.SIGTERM) and "Traceback" not in told, told
        if "History begins" in out:  # it had made all, and perhaps was on its way out
            lab.unwatch(drop_warehouse=True, yes=True)
        assert traces(url) == before, f"ended by {ended}, moment {place}"
        whole = whole or time.monotonic() - began


@pytest.mark.parametrize("at", ("copied", WATCH))
def test_a_killed_watch_is_cleared_by_unwatch(url: URL, at: str) -> None:
    """SIGKILL leaves a slot, a publication and a database, which unwatch knows for its own."""
    doomed = f"import os, signal, sys\nfrom medallion_lib import Medallion, steps\n" \
             f"steps.on_step = lambda step: step == {at!r} and os.kill(os.getpid(), signal.SIGKILL)\n" \
             f"Medallion.find('crm', source={libpq(url)!r}).watch(yes=True)"  # fmt: skip
    import forked

    assert forked.run("-c", doomed, environment=os.environ).returncode == -signal.SIGKILL
    removed = done(Medallion.find("crm"), "unwatch", "--drop-warehouse", "--yes")
    for each in ("slot medallion_crm", "publication medallion_crm", "database medallion_crm"):
        assert each in removed
