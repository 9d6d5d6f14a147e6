"""dbt's `scd_system_versioned` keeps the model's versions, killed or not.

Starting dbt takes seconds, so one test often does what would be several.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from psycopg2.extras import execute_values
from sqlalchemy import URL, text

from medallion_lib import Medallion, databases, server, system_time
from medallion_lib.system_time import functions
from medallion_lib.system_time import rewrite

pytest.importorskip("dbt.include.postgres", reason="dbt is not installed (requirements-star.txt)")

from versioned_project import READER, Project

FOREVER = datetime.max.replace(tzinfo=UTC)  # as psycopg2 has infinity
KEYS = ("plain", 'with "quotes"', "O'Brien", "%s {x}", "")
COLUMNS = 'id, "Key ""2""", "select", "Mixed Case", doc::text, tags'
FEED = '''
    CREATE EXTENSION btree_gist;
    CREATE SCHEMA feed;
    CREATE TABLE feed.thing (
        id integer, "Key ""2""" text, "select" numeric(6, 2), "Mixed Case" timestamptz, doc jsonb, tags text[]);
    CREATE TABLE feed.plain (id integer, name text, price numeric(4, 2));
    INSERT INTO feed.plain SELECT n, 'n ' || n, n FROM generate_series(1, 20) AS n;
    CREATE SCHEMA kept AUTHORIZATION {builder};
    GRANT USAGE ON SCHEMA feed TO {builder};
    GRANT SELECT ON ALL TABLES IN SCHEMA feed TO {builder};
    GRANT USAGE ON SCHEMA kept TO {reader};
    CREATE VIEW kept.view_taken AS SELECT 1'''
GOOD = ("--exclude", "path:models/broken")
Key = tuple[int, str]
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def builder() -> Iterator[str]:
    """A role that dbt connects as; it may do nothing but what it is granted."""
    name = f"versioned_builder_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"
    url = Medallion.open().place.url
    with databases.administering(url) as cursor:
        cursor.execute(f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD 'versioned'")
    yield name
    with databases.administering(url) as cursor:
        cursor.execute(f"DROP ROLE {name}")


@pytest.fixture(scope="module")
def project(
    builder: str, spare_url: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    with server.session(spare_url) as cursor:
        cursor.execute(FEED.format(builder=builder, reader=READER))
    databases.add_versions(spare_url.render_as_string(hide_password=False))
    yield Project(
        spare_url.set(username=builder, password="versioned"), tmp_path_factory.mktemp("dbt"))


@pytest.fixture(scope="module")
def run(spare_url: URL) -> Iterator[Any]:
    """A statement, committed, as the owner of the feed."""
    with closing(server.connect(spare_url)) as connection:
        connection.autocommit = True

        def run(sql: str, *parameters: object) -> list[Row]:
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters or None)
                return cursor.fetchall() if cursor.description else []

        yield run


# --- What is kept ------------------------------------------------------------------------------


@dataclass
class Model:
    """Versions by the rules alone: [key, row, begin, end], in no order."""

    versions: list[list[Any]] = field(default_factory=list)

    def see(self, rows: dict[Key, Row], instant: datetime) -> None:
        """A run at this instant, with this result."""
        current = {version[0]: version for version in self.versions if version[3] == FOREVER}
        for key in current.keys() | rows.keys():
            was = current.get(key)
            if was is not None and was[1] == rows.get(key):
                continue
            if was is not None:
                was[3] = instant
            if key in rows:
                self.versions.append([key, rows[key], instant, FOREVER])

    def as_of(self, instant: datetime) -> list[Row]:
        return [key + row for key, row, begin, end in self.versions if begin <= instant < end]

    def kept(self) -> list[Row]:
        return [(*key, *row, begin, end) for key, row, begin, end in self.versions]


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=repr)


def some_row(dice: random.Random) -> Row:
    """Nulls, values that look alike, and documents with nulls of their own."""
    return (
        dice.choice([None, Decimal("1.00"), Decimal("1.50"), Decimal("-2.25")]),
        dice.choice([None, datetime(2023, 3, 26, 1, 30, tzinfo=UTC), datetime(2023, 7, 1, tzinfo=UTC)]),
        dice.choice([None, "{}", '{"a": null}', '{"a": 1}', "null"]),
        dice.choice([None, [], ["a"], [None], ["a", None]]),
    )  # fmt: skip


def change(rows: dict[Key, Row], dice: random.Random) -> None:
    """Insert, update, update to the same, delete; a key may come back."""
    for _ in range(dice.randint(1, 8)):
        key = (dice.randint(1, 6), dice.choice(KEYS))
        match dice.randint(1, 5):
            case 1 if key in rows:
                del rows[key]
            case 2 if key in rows:
                rows[key] = tuple(rows[key])
            case _:
                rows[key] = some_row(dice)


def write(spare_url: URL, rows: dict[Key, Row]) -> None:
    with server.session(spare_url) as cursor:
        cursor.execute("TRUNCATE feed.thing")
        values = [key + row for key, row in rows.items()]
        template = "(%s, %s, %s, %s, %s::jsonb, %s::text[])"
        if values:
            execute_values(cursor, "INSERT INTO feed.thing VALUES %s", values, template)


def the_instant(run: Any, before: datetime, known: list[datetime]) -> datetime | None:
    """Of the run just made: the one there is that was not there before. None if nothing changed."""
    found = [at for (at,) in run(
        "SELECT sys_start FROM kept.thing_hist UNION SELECT sys_end FROM kept.thing_hist WHERE sys_end < 'infinity'"
    ) if at not in known]  # fmt: skip
    assert len(found) <= 1, "a run has one instant"
    assert all(before < at < datetime.now(UTC) for at in found)
    return found[0] if found else None


def play(project: Project, run: Any, spare_url: URL, seed: int, runs: int) -> None:
    """Runs over random changes: all that is kept is what the rules say, at every instant."""
    run("DROP TABLE IF EXISTS kept.thing_hist, kept.sizes CASCADE")
    dice, rows, model, instants = random.Random(seed), {}, Model(), []
    for number in range(runs):
        change(rows, dice)
        write(spare_url, rows)
        before = datetime.now(UTC)
        words = ["--full-refresh"] if number == 2 else []  # which keeps the history
        zone = {"PGTZ": dice.choice(["UTC", "Asia/Kolkata", "America/Los_Angeles"])}
        done = project.here("run", "--select", "thing_hist", "sizes", *words, **zone)
        assert all(said.startswith("SELECT") for said in done.values()), done
        if instant := the_instant(run, before, instants):
            instants.append(instant)
            model.see(rows, instant)
        now = [key + row for key, row in rows.items()]
        assert in_order(run(f"SELECT {COLUMNS} FROM kept.thing")) == in_order(now)
    kept = run(f"SELECT {COLUMNS}, sys_start, sys_end FROM kept.thing_hist")
    assert in_order(kept) == in_order(model.kept())
    names = ("id", 'Key "2"', "select", "Mixed Case", "doc", "tags")
    named = ", ".join("'" + name + "', " + '"' + name.replace('"', '""') + '"::text' for name in names)
    assert run(f"SELECT * FROM kept.thing_hist WHERE row_hash <> meta.row_hash(jsonb_build_object({named}))") == [], "as silver's"
    for instant in instants:
        for relation in ("thing", "thing_hist"):
            then = run(rewrite(f"SELECT {COLUMNS} FROM kept.{relation} FOR SYSTEM_TIME AS OF %s"), instant)
            assert in_order(then) == in_order(model.as_of(instant))
        # A model that reads another is of the same instant: AS OF never shows half a run.
        assert run(rewrite(
            'SELECT "Key ""2""", things FROM kept.sizes FOR SYSTEM_TIME AS OF %s EXCEPT '
            'SELECT "Key ""2""", count(*) FROM kept.thing_hist FOR SYSTEM_TIME AS OF %s GROUP BY 1'
        ), instant, instant) == []  # fmt: skip


def test_random_changes_are_kept_by_the_rules(project: Project, run: Any, spare_url: URL) -> None:
    play(project, run, spare_url, seed=1, runs=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_more_random_changes_are(project: Project, run: Any, spare_url: URL, seed: int) -> None:
    play(project, run, spare_url, seed, runs=12)


# A value before and after: each of them, in a type of its own, is another value.
OTHER = {
    "hstore": ("a=>NULL", ""), "doc": ('{"a": null}', "{}"), "pair": ('(1,"{""a"": null}")', '(1,"{}")'),
    "pair[]": ('{"(1,\\"{\\"\\"a\\"\\": null}\\")"}', '{"(1,{})"}'), "hstore[]": ('{"a=>NULL"}', '{""}'),
    "jsonb": ('{"a": null}', "{}"), "jsonb[]": ('{"{\\"a\\": null}"}', "{{}}"), "json": ('{"a": 1}', '{"a":  1}'), "doc[]": ('{"null"}', "{NULL}"),
    "text[]": ("{NULL}", "{}"), "int[]": ("{1}", "[0:0]={1}"), "int4range": ("empty", "(,)"), "point": ("(0,0)", "(0,-0)"), "mood": ("so", "good"),
    "text": ("", None), "char(3)": ("", None), "bytea": ("\\x", None), "interval": ("30 days", "1 mon"), "numeric": ("1.0", "1.00"), "float8": ("0", "-0"),
    "date": ("infinity", "9999-12-31"), "timestamptz": ("-infinity", "0044-03-15 12:00 BC"), "time": ("24:00", "00:00"), "bit(2)": ("01", "10"),
}  # fmt: skip


def test_another_value_is_a_version_and_the_same_is_none(project: Project, run: Any) -> None:
    """Of every type. Two rows of each: one changes, and the other's number, or bytes, are made in another way."""
    columns = ", ".join(f'"{type_}" {type_}' for type_ in OTHER)
    run("CREATE EXTENSION hstore; CREATE DOMAIN doc AS jsonb; CREATE TYPE pair AS (n integer, j jsonb); CREATE TYPE mood AS ENUM ('so', 'good')")
    run(f"CREATE TABLE feed.nested (id integer, {columns}); GRANT SELECT ON feed.nested TO {project.url.username}")
    for number, (type_, (before, _)) in enumerate(OTHER.items()):
        run(f'INSERT INTO feed.nested (id, "{type_}") VALUES (%s, %s), (%s, %s)', number, before, -1 - number, before)
    assert project.here("run", "--select", "nested") == {"nested": f"SELECT {2 * len(OTHER)}"}
    for number, (type_, (_, after)) in enumerate(OTHER.items()):
        run(f'UPDATE feed.nested SET "{type_}" = %s WHERE id = %s', after, number)
    run('UPDATE kept."Nested Values" SET row_hash = row_hash + 1')
    run("UPDATE feed.nested SET \"int[]\" = array_remove(ARRAY[1, NULL], NULL) WHERE \"int[]\" = '{1}' AND id < 0")
    project.here("run", "--select", "nested")
    versions = dict(run('SELECT id, count(*) FROM kept."Nested Values" GROUP BY id'))
    assert versions == {number: 1 + (number >= 0) for number in range(-len(OTHER), len(OTHER))}


@pytest.mark.slow
def test_a_table_may_have_as_many_columns_as_there_is_room_for(project: Project, run: Any) -> None:
    run("CREATE TABLE feed.wide AS SELECT n AS id, n::smallint AS value FROM generate_series(1, 3) AS n")
    run(f"GRANT SELECT ON feed.wide TO {project.url.username}")
    for change in ("", "UPDATE feed.wide SET value = NULL WHERE id = 2"):
        run(change or "SELECT 1")
        assert project.here("run", "--select", "wide")["wide"].startswith("SELECT")
    assert run("SELECT id, c1594, sys_end = 'infinity' FROM kept.wide ORDER BY 1, 3") == [
        (1, 1, True), (2, 2, False), (2, None, True), (3, 3, True)]  # fmt: skip


FUNCTIONS = """SELECT oid, xmin::text <> '0', pg_get_functiondef(oid), obj_description(oid, 'pg_proc')
    FROM pg_proc WHERE pronamespace = 'kept'::regnamespace ORDER BY oid"""


def test_the_functions_are_those_of_regenerate(project: Project, run: Any, builder: str) -> None:
    project.here("run", "--select", "plain")
    made = run(FUNCTIONS)
    assert len(made) >= 10
    with server.session(project.url) as cursor:
        assert functions.regenerate(cursor.connection) == {}
    assert run(FUNCTIONS) == made
    # Where something else has dropped them, the next run makes them again.
    run("DROP FUNCTION kept.plain_current__as_of, kept.plain__all, kept.plain_current__all")
    project.here("run", "--select", "plain")
    assert {row[2:] for row in run(FUNCTIONS)} == {row[2:] for row in made}


def test_the_notebooks_role_reads_history_and_alters_none(
    project: Project, run: Any, spare_url: URL
) -> None:
    project.here("run", "--select", "plain")
    (then, count), = run("SELECT max(sys_start), count(*) FROM kept.plain_current")
    password = Medallion.open().place.notebook_password
    engine = databases.engine(spare_url._replace(username=READER, password=password), "public")
    system_time.install(engine)
    for relation in ("plain", "plain_current"):
        with engine.begin() as connection:
            clause = f"kept.{relation} FOR SYSTEM_TIME AS OF :then"
            asked = connection.execute(text(f"SELECT count(*) FROM {clause}"), {"then": then})
            assert asked.scalar() == count > 0
    for statement in (
        "INSERT INTO kept.plain (id, row_hash, sys_start) VALUES (99, 0, now())", "TRUNCATE kept.plain",
        "UPDATE kept.plain SET name = ''", "DELETE FROM kept.plain", "DROP TABLE kept.plain",
        "UPDATE kept.plain_current SET name = ''", "DELETE FROM kept.plain_current",
    ):  # fmt: skip
        with engine.begin() as connection, pytest.raises(Exception, match=r"permission denied|must be owner"):
            connection.execute(text(statement))
    engine.dispose()


# --- What a run may not do ---------------------------------------------------------------------


def everything(run: Any) -> list[Row]:
    return run("SELECT *, xmin::text FROM kept.plain ORDER BY id, sys_start")


def test_what_cannot_be_kept_is_refused_and_changes_nothing(project: Project, run: Any) -> None:
    project.here("run", "--select", "plain")
    before = everything(run)
    run("UPDATE feed.plain SET name = name || '!' WHERE id <> 3")
    run("INSERT INTO feed.plain SELECT * FROM feed.plain WHERE id = 3")  # both as kept
    said = project.here("run", "--select", "plain", "path:models/broken")
    assert everything(run) == before
    expected = {
        "plain": "the result has the key (id) = (3), in 2 rows; a key has one row",
        "no_key": "say in its config which columns tell its rows apart: unique_key='id'",
        "other_key": "the result has no column line, which unique_key names; it has id.",
        "own_column": "the result has a column sys_end, which the history itself needs",
        "no_instant": "instant is 'now': it can be 'run'",
        "plain_current": "is there, but is no table that this materialisation made",
        "view_taken_hist": "the view of its current rows would be view_taken, and there is one",
        "a_name_of_forty_two_bytes_leaves_no_room__": "leaves no room",
        "key_of_json": "its versions can't go by unique_key (id): data type json has no default operator class",
        "key_of_array": "its versions can't go by unique_key (line, id): data type text[] has no default operator class",
    }
    assert said.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in said[name], said[name]
    run("DELETE FROM feed.plain WHERE id = 3; INSERT INTO feed.plain VALUES (NULL, 'nobody', 1), (NULL, 'no one', 2)")
    assert "a key is null: (id) is (null), in 2 rows" in project.here("run", "--select", "plain")["plain"]
    run("DELETE FROM feed.plain WHERE id IS NULL")
    run("ALTER TABLE kept.plain DROP CONSTRAINT plain_pkey, ADD PRIMARY KEY (id, name, sys_period WITHOUT OVERLAPS)")
    assert "its history goes by another unique_key" in project.here("run", "--select", "plain")["plain"]
    run("ALTER TABLE kept.plain DROP CONSTRAINT plain_pkey, ADD PRIMARY KEY (id, sys_period WITHOUT OVERLAPS)")
    # A run that began later was faster: what it wrote stands.
    run("UPDATE kept.plain SET sys_start = now() + interval '1 hour' WHERE id = 1 AND sys_end = 'infinity'")
    before = everything(run)
    assert "it holds a version of" in project.here("run", "--select", "plain")["plain"]
    assert everything(run) == before
    run("DROP TABLE kept.plain CASCADE")


def test_a_database_that_is_not_prepared_is_refused_with_what_prepares_it(project: Project, run: Any) -> None:
    run("ALTER SCHEMA meta RENAME TO away")
    said = project.here("run", "--select", "plain")["plain"]
    run("ALTER SCHEMA away RENAME TO meta")
    assert "its database lacks what makes a table versioned" in said
    assert "databases.add_versions('postgresql://…')" in said


@pytest.mark.slow
def test_a_run_killed_in_its_merge_leaves_nothing_and_the_next_does_it(
    project: Project, run: Any, spare_url: URL
) -> None:
    """The merge waits at a row that is locked, having written others; there dbt is killed."""
    run("TRUNCATE feed.plain; INSERT INTO feed.plain SELECT n, 'n ' || n, n FROM generate_series(1, 20) AS n")
    project.here("run", "--select", "plain")
    before = everything(run)
    run("UPDATE feed.plain SET name = name || '?' WHERE id < 10; DELETE FROM feed.plain WHERE id = 9")
    with closing(server.connect(spare_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM kept.plain WHERE id = 8 AND sys_end = 'infinity' FOR UPDATE")
        process = project.start("run", "--select", "plain")
        wait_for(run, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'", 1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        other.rollback()
    wait_for(run, "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'versioned_builder%'", 0)
    assert everything(run) == before
    assert project.here("run", "--select", "plain")["plain"].startswith("SELECT 9")
    assert run("SELECT id, name, price FROM kept.plain_current ORDER BY id") == run("SELECT * FROM feed.plain ORDER BY id")
    assert run("SELECT count(*) FROM kept.plain")[0][0] == len(before) + 8


@pytest.mark.slow
def test_a_run_killed_at_any_moment_is_made_good_by_the_next(project: Project, run: Any) -> None:
    dice = random.Random(7)
    project.here("run", "--select", "plain")
    for _ in range(20):
        run("UPDATE feed.plain SET price = 1 + price %% 9 WHERE id < %s", dice.randint(3, 20))
        versions = run("SELECT count(*) FROM kept.plain")[0][0]
        process = project.start("run", "--select", "plain")
        time.sleep(dice.uniform(1.5, 3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        changed = run("SELECT count(*) FROM feed.plain AS f JOIN kept.plain AS k USING (id) "
                      "WHERE k.sys_end = 'infinity' AND f.price <> k.price")[0][0]
        wait_for(run, "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'versioned_builder%'", 0)
        project.here("run", "--select", "plain")
        assert run("SELECT id, name, price FROM kept.plain_current ORDER BY id") == run("SELECT * FROM feed.plain ORDER BY id")
        assert changed == 0 or run("SELECT count(*) FROM kept.plain")[0][0] == versions + changed


def wait_for(run: Any, query: str, value: int) -> None:
    give_up = time.monotonic() + 20
    while run(query)[0][0] != value:
        assert time.monotonic() < give_up, f"{query} is not {value}"
        time.sleep(0.02)


# --- Columns that change -----------------------------------------------------------------------


@pytest.mark.slow
def test_columns_come_go_and_change_their_type(project: Project, run: Any) -> None:
    """A new column is null in the past; one that is gone is null from then on; a type may widen."""
    run("TRUNCATE feed.plain; INSERT INTO feed.plain VALUES (1, 'one', 1.50), (2, 'two', NULL), (3, 'three', 3)")
    run("DROP TABLE IF EXISTS kept.plain CASCADE")
    project.here("run", "--select", "plain")
    run("CREATE VIEW kept.their_own AS SELECT id, name FROM kept.plain_current")

    def after(change: str) -> list[Row]:
        """What the run says, and the versions it opened or closed."""
        run(change)
        before = run("SELECT id, sys_start, sys_end FROM kept.plain")
        said = project.here("run", "--select", "plain")["plain"]
        now = run("SELECT id, sys_start, sys_end FROM kept.plain")
        return said, sorted(row[0] for row in set(now) - set(before))

    said, opened = after("ALTER TABLE feed.plain ADD note text; UPDATE feed.plain SET note = 'x' WHERE id = 2")
    assert opened == [2, 2], said  # one closed, one opened; null as before opens none
    assert run("SELECT id, note FROM kept.plain_current WHERE note IS NOT NULL") == [(2, "x")]
    (before,) = run("SELECT max(sys_end) FROM kept.plain WHERE sys_end < 'infinity'")[0]
    then = rewrite("SELECT id, note FROM kept.plain FOR SYSTEM_TIME AS OF %s WHERE id = 2")
    assert run(then, before - timedelta(microseconds=1)) == [(2, None)]
    assert run(then, before) == [(2, "x")]

    said, opened = after("ALTER TABLE feed.plain DROP note")
    assert opened == [2, 2], said
    assert run("SELECT note FROM kept.plain WHERE id = 2 ORDER BY sys_start") == [(None,), ("x",), (None,)]

    # A view of another's stands on the column: that is said, and nothing is dropped.
    said, opened = after("ALTER TABLE feed.plain ALTER price TYPE numeric(8, 4)")
    assert "others read it. Drop them" in said and "view kept.their_own" in said
    assert opened == []
    run("DROP VIEW kept.their_own")
    said, opened = after("UPDATE feed.plain SET price = 1234.5678 WHERE id = 3")
    assert opened == [3, 3], said  # 1.50 is 1.5000: no version of row 1
    assert run("SELECT price FROM kept.plain ORDER BY id, sys_start") == [
        (Decimal("1.5000"),), (None,), (None,), (None,), (Decimal("3.0000"),), (Decimal("1234.5678"),)]  # fmt: skip

    said, opened = after("ALTER TABLE feed.plain ALTER price TYPE integer")
    assert "column price is integer now, and history has values of numeric(8,4)" in said
    assert opened == []
    said, opened = after(
        "ALTER TABLE feed.plain ALTER price TYPE numeric(8, 4), ALTER id TYPE bigint;"
        "UPDATE feed.plain SET price = CASE id WHEN 1 THEN 1.5 ELSE 1234.5678 END WHERE id <> 2")
    assert opened == [], said  # a key may widen too
    assert run("SELECT pg_typeof(id)::text FROM kept.plain__as_of(now())")[0] == ("bigint",)
    assert run("SELECT count(*) FROM kept.plain_current__as_of(now())") == [(3,)]


# --- What dbt's own snapshot keeps of the same -------------------------------------------------

SNAPSHOT = """SELECT id, name, price, dbt_valid_to IS NULL, row_number() OVER (PARTITION BY id ORDER BY dbt_valid_from)
    FROM kept.plain_snapshot ORDER BY id, 5"""
OURS = """SELECT id, name, price, sys_end = 'infinity', row_number() OVER (PARTITION BY id ORDER BY sys_start)
    FROM kept.plain ORDER BY id, 5"""


@pytest.mark.slow
def test_dbt_snapshot_keeps_the_same_rows_and_less_where_it_differs(project: Project, run: Any) -> None:
    run("DROP TABLE feed.plain; CREATE TABLE feed.plain (id integer, name text, price numeric(4, 2))")
    run(f"GRANT SELECT ON feed.plain TO {project.url.username}")
    run("DROP TABLE IF EXISTS kept.plain, kept.plain_snapshot CASCADE")
    for statement in (
        "INSERT INTO feed.plain VALUES (1, 'one', 1), (2, 'two', NULL), (3, 'three', 3)",
        "UPDATE feed.plain SET price = 2 WHERE id < 3; DELETE FROM feed.plain WHERE id = 3",
        "INSERT INTO feed.plain VALUES (3, 'three', 3); UPDATE feed.plain SET name = NULL WHERE id = 1",
    ):  # fmt: skip
        run(statement)
        done = project.here("build", "--select", "plain", "plain_snapshot")
        assert len(done) == 2
    assert run(OURS) == run(SNAPSHOT)
    assert len(run(OURS)) == 3 + 2 + 2
    # A wider type: the snapshot keeps its own and rounds, so the value differs in every later run,
    # which opens a version each. A key twice: it takes both for current; ours refuses.
    run("ALTER TABLE feed.plain ALTER price TYPE numeric(8, 4); UPDATE feed.plain SET price = 1.2345 WHERE id = 1")
    assert project.here("build", "--select", "plain", "plain_snapshot")["plain"] == "SELECT 1"
    run("INSERT INTO feed.plain VALUES (4, 'four', 4), (4, 'vier', 4)")
    refused = project.here("build", "--select", "plain", "plain_snapshot")["plain"]
    assert "the result has the key (id) = (4), in 2 rows" in refused
    exact, rounded = Decimal("1.2345"), Decimal("1.23")
    assert [row[2:] for row in run(OURS) if row[0] == 1][3:] == [(exact, True, 4)]
    assert [row[2:] for row in run(SNAPSHOT) if row[0] == 1][3:] == [(rounded, False, 4), (rounded, True, 5)]
    assert [row[1:4] for row in run(SNAPSHOT) if row[0] == 4] == [("four", 4, True), ("vier", 4, True)]
