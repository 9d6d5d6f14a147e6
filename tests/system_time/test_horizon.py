"""From its horizon on, a history whose older versions were deleted answers as before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import product
from math import inf
from typing import Any

import psycopg2
import pytest
from forms_model import CURRENT, Version, histories, versions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import AsIs, connection as Connection
from psycopg2.extras import execute_values
from sqlalchemy import URL, Connection as Hooked
from sqlalchemy.exc import DBAPIError
from test_as_of_functions import moment

from medallion_lib import Medallion, databases, server, system_time
from medallion_lib.errors import MedallionError
from medallion_lib.pair import SEARCH_PATH
from medallion_lib.system_time import functions, rewrite
from medallion_lib.system_time.option import SystemVersioningError

pytestmark = pytest.mark.long(1)

TABLE = "CREATE TABLE silver.kept_hist (id integer, v integer, sys_start timestamptz, sys_end timestamptz)"
VIEW = "CREATE VIEW silver.kept AS SELECT id, v FROM silver.kept_hist WHERE sys_end = 'infinity'"


@pytest.fixture(scope="module")
def url(spare_url: URL) -> URL:
    databases.build_warehouse(spare_url)
    return spare_url


@pytest.fixture(scope="module")
def owner(url: URL) -> Iterator[Connection]:
    """The warehouse's owner, with a history of one table and a view of it."""
    with closing(server.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"{TABLE}; {VIEW}")
        functions.regenerate(connection)
        connection.commit()
        yield connection


@pytest.fixture
def notebook(url: URL) -> Iterator[Hooked]:
    """The notebooks' role, on an engine with the hook; scratch is left empty."""
    place = Medallion.open().place
    theirs = url._replace(username=server.NOTEBOOK_ROLE, password=place.notebook_password)
    engine = databases.engine(theirs, SEARCH_PATH)
    system_time.install(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
        connection.exec_driver_sql("DROP TABLE IF EXISTS scratch.t CASCADE; DROP VIEW IF EXISTS scratch.more")
    engine.dispose()


def asked(connection: Hooked, sql: str) -> list[tuple[Any, ...]]:
    result = connection.exec_driver_sql(sql)
    return [tuple(row) for row in result] if result.returns_rows else []


def now(connection: Hooked) -> str:
    return asked(connection, "SELECT clock_timestamp()::text")[0][0]


def sent(seconds: float) -> object:
    return AsIs("'infinity'") if seconds == inf else moment(seconds)


def since(form: str, instants: tuple[float, ...]) -> float:
    """The first instant that a form is about; ALL is about whatever there is."""
    if "SYMMETRIC" in form and "ASYM" not in form:
        return min(instants)
    return instants[0] if instants else inf


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(history=histories(), at=st.integers(0, 10), again=st.integers(0, 10))
def test_from_the_horizon_on_each_answer_is_what_it_was_and_one_before_it_is_refused(
    owner: Connection, history: dict, at: int, again: int
) -> None:
    """In every form, of the table and of its view, deleted once or twice."""
    rows = [*versions(history)]
    horizon = max(at, again)
    try:
        with owner.cursor() as cursor:
            if rows:
                held = [(each.key, each.value, sent(each.start), sent(each.end)) for each in rows]
                execute_values(cursor, "INSERT INTO silver.kept_hist VALUES %s", held)
            for before in (at, again):
                cursor.execute("CALL meta.delete_history('silver.kept_hist', %s)", (sent(before),))
            cursor.execute("SELECT count(*) FROM silver.kept_hist")
            assert cursor.fetchone() == (sum(each.end > horizon for each in rows),)
            for form, holds in CURRENT.items():
                for instants in product(range(horizon - 1, horizon + 3), repeat=form.count("{}")):
                    told = form.format(*["%s"] * len(instants))
                    wanted = expected(rows, form, holds, instants, horizon)
                    for relation in ("kept_hist", "kept"):
                        query = rewrite(f"SELECT id, v FROM silver.{relation} FOR SYSTEM_TIME {told}")
                        check(cursor, query, [sent(each) for each in instants], wanted)
    finally:
        owner.rollback()


def expected(
    rows: list[Version], form: str, holds: Any, instants: tuple[int, ...], horizon: int
) -> list[tuple[int, int]] | None:
    """What it must answer; None where it must refuse. A period that is empty is so whatever was."""
    empty = {"F": lambda a, b: a >= b, "B": lambda a, b: a > b and "BETWEEN SYM" not in form}
    if form[0] in empty and empty[form[0]](*instants):
        return []
    if since(form, instants) < horizon:
        return None
    every = [each for each in rows if form != "ALL" or each.end > horizon]
    return sorted((each.key, each.value) for each in every if holds(each, *instants))


def check(cursor: Any, query: str, instants: list[Any], wanted: list[tuple[int, int]] | None) -> None:
    if wanted is None:
        cursor.execute("SAVEPOINT asking")
        with pytest.raises(psycopg2.Error, match=r"The history of silver.kept_hist before .* was deleted") as error:
            cursor.execute(query, instants)
        assert error.value.diag.message_hint.startswith("Ask for 2023-01-01 ")
        cursor.execute("ROLLBACK TO asking")
        return
    cursor.execute(query, instants)
    assert sorted(cursor.fetchall()) == wanted, query


def test_what_versions_itself_goes_on_and_is_told_of_after_every_change(notebook: Hooked) -> None:
    asked(notebook, "CREATE TABLE t (id int PRIMARY KEY, v int) WITH (system_versioning = true)")
    asked(notebook, "CREATE VIEW scratch.mine AS SELECT v FROM t_current")
    asked(notebook, "INSERT INTO t VALUES (1, 1)")
    first = now(notebook)
    asked(notebook, "UPDATE t SET v = 2")
    second = now(notebook)
    asked(notebook, "UPDATE t SET v = 3")
    asked(notebook, f"delete History FROM scratch.t BEFORE SYSTEM_TIME '{second}'::timestamptz; SELECT 1")
    for change in ("SELECT 1", "ALTER TABLE t ADD w int", "CREATE VIEW scratch.more AS SELECT 1 AS one"):
        asked(notebook, change)
        for relation in ("t", "t_current", "mine"):
            assert asked(notebook, f"SELECT v FROM {relation} FOR SYSTEM_TIME AS OF '{second}'") == [(2,)], change
            with pytest.raises(MedallionError, match=r"The history of scratch.t before .*\nAsk for"):
                asked(notebook, f"SELECT v FROM {relation} FOR SYSTEM_TIME AS OF '{first}'")
    asked(notebook, "UPDATE t SET v = 4")
    assert asked(notebook, "SELECT v FROM t FOR SYSTEM_TIME ALL ORDER BY sys_start") == [(2,), (3,), (4,)]
    asked(notebook, "DELETE HISTORY FROM t BEFORE SYSTEM_TIME '2000-01-01'")
    with pytest.raises(MedallionError, match="was deleted"):  # still: a horizon never goes back
        asked(notebook, f"SELECT v FROM t FOR SYSTEM_TIME AS OF '{first}'")
    asked(notebook, "DELETE HISTORY FROM t")
    assert asked(notebook, "SELECT v FROM t FOR SYSTEM_TIME ALL") == [(4,)]
    assert asked(notebook, "SELECT v FROM t FOR SYSTEM_TIME AS OF now()") == [(4,)]


def test_of_an_instant_to_come_what_ended_is_deleted_and_today_can_be_asked(notebook: Hooked) -> None:
    asked(notebook, "CREATE TABLE t (id int PRIMARY KEY, v int) WITH (system_versioning = true)")
    asked(notebook, "INSERT INTO t VALUES (1, 1)")
    asked(notebook, "UPDATE t SET v = 2")
    asked(notebook, "DELETE HISTORY FROM t BEFORE SYSTEM_TIME 'infinity'")
    assert asked(notebook, "SELECT v FROM t FOR SYSTEM_TIME AS OF now()") == [(2,)]


def test_its_owner_alone_deletes_history(notebook: Hooked, owner: Connection) -> None:
    with owner.cursor() as cursor:
        cursor.execute("INSERT INTO silver.kept_hist VALUES (1, 1, '2023-01-01', '2023-01-02')")
    owner.commit()
    with pytest.raises(DBAPIError, match=r"must be owner of table silver.kept_hist"):
        asked(notebook, "DELETE HISTORY FROM silver.kept_hist BEFORE SYSTEM_TIME now()")
    with pytest.raises(DBAPIError, match="row-level security"):
        asked(notebook, "INSERT INTO meta.horizon VALUES ('silver.kept_hist', now())")
    assert asked(notebook, "SELECT v FROM silver.kept_hist FOR SYSTEM_TIME AS OF '2023-01-01'") == [(1,)]


@pytest.mark.parametrize(("sql", "sent"), [
    ("DELETE HISTORY FROM t", "CALL meta.delete_history('t')"),
    ("SELECT 1; delete /* all */ history from s.\"o'k\" ;", "SELECT 1; CALL meta.delete_history('s.\"o''k\"') ;"),
    ("DELETE HISTORY FROM t BEFORE SYSTEM_TIME now() - interval '1 year'",
     "CALL meta.delete_history('t', now() - interval '1 year')"),
    ("DELETE HISTORY FROM t BEFORE SYSTEM_TIME (SELECT max(a) FROM u FOR SYSTEM_TIME ALL)",
     "CALL meta.delete_history('t', (SELECT max(a) FROM u__all() AS u))"),
])  # fmt: skip
def test_the_statement_is_sent_as_a_call(sql: str, sent: str) -> None:
    assert rewrite(sql) == sent


@pytest.mark.parametrize("sql", ["DELETE FROM history", "SELECT 'DELETE HISTORY FROM t'", "SELECT history FROM t -- DELETE HISTORY"])
def test_no_other_statement_is(sql: str) -> None:
    assert rewrite(sql) is sql


@pytest.mark.parametrize("more", [" BEFORE SYSTEM_TIME", " BEFORE now()", " WHERE id = 1", " BEFORE SYSTEM_TIME now() x"])
def test_another_way_of_writing_it_is_refused(more: str) -> None:
    with pytest.raises(SystemVersioningError, match="DELETE HISTORY FROM dim_customer_hist BEFORE SYSTEM_TIME '2023"):
        rewrite(f"DELETE HISTORY FROM t{more}")
