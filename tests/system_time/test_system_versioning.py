"""Tables made `WITH (system_versioning = true)` keep the model's versions."""

from __future__ import annotations

import io
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import DBAPIError

from medallion_lib import Medallion, databases, server, system_time
from medallion_lib.system_time import clause, functions, hook, tokens
from medallion_lib.errors import TEXTS, MedallionError
from medallion_lib.pair import SEARCH_PATH
from medallion_lib.system_time import rewrite

pytestmark = pytest.mark.long(2)

FOREVER = datetime.max.replace(tzinfo=UTC)  # as psycopg2 has infinity
STEP = timedelta(microseconds=1)
TABLE = """CREATE TABLE t (
    id integer PRIMARY KEY, v integer, twice integer GENERATED ALWAYS AS (v * 2) STORED
) WITH (system_versioning = true)"""


@pytest.fixture(scope="module")
def notebook_url(spare_url: URL) -> URL:
    """An empty warehouse, as the notebooks' role connects to it."""
    databases.build_warehouse(spare_url)
    return spare_url._replace(
        username=server.NOTEBOOK_ROLE, password=Medallion.open().place.notebook_password)


@pytest.fixture(scope="module")
def engine(notebook_url: URL) -> Iterator[Engine]:
    engine = databases.engine(notebook_url, SEARCH_PATH)
    system_time.install(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def run(engine: Engine) -> Iterator[Any]:
    """A statement on the hooked engine as a cell sends it: each commits. Scratch is left empty."""
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def run(sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        result = connection.execute(text(sql), parameters)
        return [tuple(row) for row in result] if result.returns_rows else []

    yield run
    for left in (LEFT, LEFT_BEHIND):  # each at once, as the functions are made anew after each statement
        if drops := "; ".join(f"DROP {what} CASCADE" for (what,) in run(left)):
            run(drops)
    connection.close()


LEFT = """SELECT format('%s IF EXISTS scratch.%I', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, relname)
    FROM pg_class WHERE relnamespace = CAST('scratch' AS regnamespace) AND relkind IN ('r', 'v', 'p')"""


LEFT_BEHIND = """SELECT format('FUNCTION %s', CAST(oid AS regprocedure)) FROM pg_proc WHERE pronamespace = CAST('scratch' AS regnamespace)
    UNION ALL SELECT format('%s scratch.%I', CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, typname) FROM pg_type
    WHERE typnamespace = CAST('scratch' AS regnamespace) AND (typtype IN ('d', 'e', 'r') OR typtype = 'c' AND EXISTS (
        SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind = 'c'))"""


@pytest.fixture(scope="module")
def plain(notebook_url: URL) -> Iterator[Connection]:
    """A connection of the notebooks' role with nothing of ours between."""
    with other(notebook_url) as connection:
        yield connection


@pytest.fixture(scope="module")
def maker(spare_url: URL, engine: Engine) -> Iterator[Connection]:
    """A connection of who made the warehouse."""
    with closing(server.connect(spare_url)) as connection:
        yield connection


@contextmanager
def other(url: URL) -> Iterator[Connection]:
    """Another such connection."""
    with closing(server.connect(url)) as connection:
        do(connection, f"SET search_path = {SEARCH_PATH}")
        connection.commit()
        yield connection


def do(connection: Connection, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []


# --- The statement -----------------------------------------------------------------------------

CALL = "; CALL meta.created_system_versioned('{}')"
MADE = [
    ("CREATE TABLE t (a int) WITH (system_versioning = true)", "CREATE TABLE t (a int) ", "t"),
    ("create table t (a int) with (SYSTEM_VERSIONING=on)", "create table t (a int) ", "t"),
    ("CREATE TABLE t (a int) WITH ( system_versioning )", "CREATE TABLE t (a int) ", "t"),
    ("CREATE TABLE t (a int) WITH (system_versioning = 1)", "CREATE TABLE t (a int) ", "t"),
    ("CREATE TABLE t (a int) WITH (\"system_versioning\" = 'true')", "CREATE TABLE t (a int) ", "t"),
    ("CREATE TABLE scratch.\"My ' T\" (a int) WITH (system_versioning)", "CREATE TABLE scratch.\"My ' T\" (a int) ", "scratch.\"My '' T\""),
    ("CREATE TABLE t (a int) WITH (fillfactor = 70, system_versioning = true)", "CREATE TABLE t (a int) WITH (fillfactor = 70)", "t"),
    ("CREATE TABLE t (a int) WITH (system_versioning = true, fillfactor = 70)", "CREATE TABLE t (a int) WITH (fillfactor = 70)", "t"),
    ("CREATE TABLE t (a int) WITH (a = 1 , system_versioning, b.c = 2) TABLESPACE x", "CREATE TABLE t (a int) WITH (a = 1 , b.c = 2) TABLESPACE x", "t"),
    ("CREATE UNLOGGED TABLE IF NOT EXISTS t (a int) USING heap WITH (system_versioning) TABLESPACE x", "CREATE UNLOGGED TABLE IF NOT EXISTS t (a int) USING heap  TABLESPACE x", "t"),
    ("CREATE TABLE t (a int UNIQUE WITH (fillfactor = 9), b text DEFAULT 'WITH (system_versioning)') -- WITH (system_versioning)\nWITH /* all */ (system_versioning)",
     "CREATE TABLE t (a int UNIQUE WITH (fillfactor = 9), b text DEFAULT 'WITH (system_versioning)') -- WITH (system_versioning)\n", "t"),
    ("CREATE TABLE t (a int) WITH SYSTEM VERSIONING", "CREATE TABLE t (a int) ", "t"),
    ("CREATE TABLE scratch.t (a int, sys_start timestamptz GENERATED ALWAYS AS ROW START, sys_end timestamptz NOT NULL GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (sys_start, sys_end)) with system versioning",
     "CREATE TABLE scratch.t (a int, sys_start timestamptz , sys_end timestamptz NOT NULL ) ", "scratch.t"),
    ("CREATE TABLE t (PERIOD FOR SYSTEM_TIME (sys_start, sys_end), a int) WITH SYSTEM VERSIONING TABLESPACE x", "CREATE TABLE t ( a int)  TABLESPACE x", "t"),
]  # fmt: skip
UNTOUCHED = [
    "SELECT 'CREATE TABLE t (a int) WITH (system_versioning = true)'",
    "SELECT 'ALTER TABLE t ADD SYSTEM VERSIONING' -- WITH SYSTEM VERSIONING",
    "SELECT period FOR versioning FROM system",
    "CREATE TABLE t (a int) -- WITH (system_versioning = true)",
    "CREATE TABLE t (a int PRIMARY KEY WITH (system_versioning = true))",
    "CREATE TABLE t (a int) WITH (toast.system_versioning = true)",
    "CREATE TABLE t AS WITH system_versioning AS (SELECT 1) SELECT * FROM system_versioning",
    "CREATE INDEX ON t (a) WITH (system_versioning = true)",
    "CREATE TABLE t (a int) WITH (system_versioning = true",
    "CREATE TABLE (a int) WITH (system_versioning = true)",
    "CREATE TABLE t (a text DEFAULT 'x) WITH (system_versioning = true)",
    "DO $$ BEGIN CREATE TABLE t (a int) WITH (system_versioning = true); END $$",
]


@pytest.mark.parametrize(("written", "sent", "name"), MADE)
def test_only_the_option_is_taken_out(written: str, sent: str, name: str) -> None:
    assert rewrite(written) == sent + CALL.format(name)
    several = f"SELECT ';'; {written}; -- and\n{written} ;\nTABLE t"
    assert rewrite(several) == (
        f"SELECT ';'; {sent}{CALL.format(name)}; -- and\n{sent}{CALL.format(name)} ;\nTABLE t")


def test_a_table_that_is_not_to_keep_versions_is_a_plain_one() -> None:
    for no in ("false", "OFF", "'0'", "no"):
        assert rewrite(f"CREATE TABLE t (a int) WITH (system_versioning = {no})") == "CREATE TABLE t (a int) "


@pytest.mark.parametrize("sql", UNTOUCHED)
def test_what_is_not_the_option_stays(sql: str) -> None:
    assert rewrite(sql) is sql


@given(st.lists(st.sampled_from(["CREATE", "TABLE", "t", "(", ")", "WITH", "system_versioning", "=", "on",
                                 ",", ";", "AS", ".", "TEMP", "x", "'s'"]), max_size=14))
def test_any_text_is_rewritten_or_refused(words: list[str]) -> None:
    sql = " ".join(words)
    try:
        assert rewrite(sql) is sql or "system_versioning" in sql
    except MedallionError as error:
        assert "Write" in str(error)


# --- What the table holds ----------------------------------------------------------------------

KEYS, VALUES = st.integers(1, 3), st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["insert", "update", "upsert", "merge"]), KEYS, VALUES),
    st.tuples(st.sampled_from(["delete", "replace"]), KEYS, st.none()),
    st.tuples(st.just("rekey"), KEYS, KEYS),
    st.tuples(st.sampled_from(["all", "same", "clear"]), st.none(), st.none()),
)
BLOCKS = st.tuples(st.booleans(), st.lists(STEPS, min_size=1, max_size=4))  # kept or rolled back
TRANSACTIONS = st.lists(st.tuples(st.booleans(), st.lists(BLOCKS, min_size=1, max_size=3)), max_size=6)

SQL = {
    "insert": "INSERT INTO t (id, v) VALUES (%(a)s, %(b)s)",
    "update": "UPDATE t SET v = %(b)s WHERE id = %(a)s",
    "upsert": "INSERT INTO t (id, v) VALUES (%(a)s, %(b)s) ON CONFLICT (id) DO UPDATE SET v = excluded.v",
    "merge": """MERGE INTO t USING (VALUES (%(a)s, %(b)s)) AS s (id, v) ON t.id = s.id
        WHEN MATCHED AND s.v = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v
        WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)""",
    "delete": "DELETE FROM t WHERE id = %(a)s",
    "replace": "WITH gone AS (DELETE FROM t WHERE id = %(a)s RETURNING *) INSERT INTO t (id, v) SELECT id, v FROM gone",
    "rekey": "UPDATE t SET id = %(b)s WHERE id = %(a)s",
    "all": "UPDATE t SET v = (v + 1) %% 3",
    "same": "UPDATE t SET v = v",
    "clear": "DELETE FROM t",
}  # fmt: skip


def after(now: dict[int, int], step: tuple[str, int, int]) -> dict[int, int] | None:
    """The model: the rows after a step; None for one that PostgreSQL would refuse anyway."""
    verb, a, b = step
    if (verb == "insert" and a in now) or (verb == "rekey" and a in now and b in now):
        return None
    if verb == "delete" or (verb == "merge" and a in now and b == 0):
        return {k: v for k, v in now.items() if k != a}
    if verb == "rekey" and a in now:
        return {k: v for k, v in now.items() if k != a} | {b: now[a]}
    if verb in ("insert", "upsert", "merge") or (verb == "update" and a in now):
        return now | {a: b}
    if verb == "all":
        return {k: (v + 1) % 3 for k, v in now.items()}
    return {} if verb == "clear" else now


Version = tuple[int, int, datetime, datetime]  # key, value, start, end


def emptied(connection: Connection, maker: Connection, table: str, *others: str) -> None:
    """With its triggers off, which its owner may do, and its history by who made the warehouse."""
    tables = ", ".join([table, *others])
    do(connection, f"ALTER TABLE {table} DISABLE TRIGGER USER; TRUNCATE {tables}; ALTER TABLE {table} ENABLE TRIGGER USER")
    ((history,),) = do(connection, "SELECT meta.history_of(%s::regclass)::text", table)  # another, after one that was dropped
    connection.commit()
    do(maker, f"TRUNCATE {history}; UPDATE history.tables SET triggers = meta.triggers_as_made(versioned)")
    maker.commit()


def played(connection: Connection, maker: Connection, transactions: list[Any]) -> list[Version]:
    """What the table must hold after these transactions: which are run, and followed in the model.

    It is emptied first.
    """
    emptied(connection, maker, "t")
    now: dict[int, int] = {}
    began: dict[int, datetime] = {}
    history: list[Version] = []
    for committed, blocks in transactions:
        ((instant,),) = do(connection, "SELECT transaction_timestamp()")
        then = now
        for kept, steps in blocks:
            do(connection, "SAVEPOINT block")
            inside = then
            for step in steps:
                if (next_ := after(inside, step)) is not None:
                    with connection.cursor() as cursor:
                        cursor.execute(SQL[step[0]], {"a": step[1], "b": step[2]})
                    inside = next_
            do(connection, f"{'RELEASE' if kept else 'ROLLBACK TO'} SAVEPOINT block")
            then = inside if kept else then
        if not committed:
            connection.rollback()
            continue
        connection.commit()
        for key in {*now, *then}:
            if now.get(key) != then.get(key):
                if key in now:
                    history.append((key, now[key], began[key], instant))
                began[key] = instant
        now = then
    return sorted([*history, *((k, v, began[k], FOREVER) for k, v in now.items())])


# Each form, of a version's start and end; a period that ends before it begins has none.
FORMS = {
    "AS OF a.at": lambda s, e, a, b: s <= a < e,
    "FROM a.at TO b.at": lambda s, e, a, b: a < b and s < b and e > a,
    "BETWEEN a.at AND b.at": lambda s, e, a, b: a <= b and s <= b and e > a,
    "BETWEEN SYMMETRIC a.at AND b.at": lambda s, e, a, b: s <= max(a, b) and e > min(a, b),
    "CONTAINED IN (a.at, b.at)": lambda s, e, a, b: s >= a and e <= b,
    "ALL": lambda s, e, a, b: True,
}


@pytest.fixture(autouse=True)
def _begun(plain: Connection, maker: Connection) -> None:
    """No test goes on with what another's transaction left."""
    plain.rollback()
    maker.rollback()


@pytest.fixture
def table(run: Any, plain: Connection) -> Iterator[Connection]:
    """A connection, with an empty table t."""
    run(TABLE)
    yield plain
    plain.rollback()


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(transactions=TRANSACTIONS)
def test_every_version_in_every_form_at_and_beside_every_boundary(
    table: Connection, maker: Connection, transactions: list[Any]
) -> None:
    versions = played(table, maker, transactions)
    held = "SELECT id, v, sys_start, sys_end, twice FROM {}"
    assert sorted(do(table, held.format("t__all()"))) == [(*row, row[1] * 2) for row in versions]
    assert sorted(do(table, held.format("t"))) == [(*row, row[1] * 2) for row in versions if row[3] == FOREVER]
    bounds = {bound for row in versions for bound in row[2:] if bound != FOREVER}
    instants = sorted({bound + i * STEP for bound in bounds for i in (-1, 0, 1)})[-15:]
    for form, holds in FORMS.items():
        expected = sorted(
            (i, j, *row[:3])
            for (i, a), (j, b) in product(enumerate(instants, 1), repeat=2)
            if "b." in form or i == j
            for row in versions if holds(*row[2:], a, b)
        )  # fmt: skip
        for relation in ("t", "t_current"):
            got = do(table, rewrite(f"""SELECT a.n, b.n, x.id, x.v, x.sys_start
                FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS a (at, n)
                JOIN unnest(%s::timestamptz[]) WITH ORDINALITY AS b (at, n) ON {'true' if 'b.' in form else 'a.n = b.n'}
                CROSS JOIN LATERAL (SELECT * FROM {relation} FOR SYSTEM_TIME {form}) AS x"""), instants, instants)  # fmt: skip
            assert sorted(got) == expected, (form, relation)
    table.rollback()


# --- Two at once -------------------------------------------------------------------------------

def test_an_answer_as_of_an_instant_within_a_long_transaction_changes_when_that_commits(
    table: Connection, notebook_url: URL
) -> None:
    """A version begins with its transaction, as in SQL Server. Capture goes by commits: there each copy
    of the source stays what it was, in tests/bronze/test_capture.py."""
    do(table, "INSERT INTO t (id, v) VALUES (1, 1)")
    table.commit()
    asked = rewrite("SELECT v FROM t FOR SYSTEM_TIME AS OF %s")
    with other(notebook_url) as long:
        do(long, "UPDATE t SET v = 2")
        ((within,),) = do(table, "SELECT clock_timestamp()")
        assert do(table, asked, within) == [(1,)]
        long.commit()
    assert do(table, asked, within) == [(2,)]
    table.rollback()


LATE = ["UPDATE t SET v = 9 WHERE id = 1", "DELETE FROM t WHERE id = 1", "UPDATE t SET id = 3 WHERE id = 1",
        "INSERT INTO t (id) VALUES (2)", "UPDATE t SET id = 2 WHERE id = 4"]  # fmt: skip


@pytest.mark.parametrize("sql", LATE)
def test_a_transaction_that_began_before_the_last_version_is_to_run_again(
    table: Connection, notebook_url: URL, sql: str
) -> None:
    do(table, "INSERT INTO t (id, v) VALUES (1, 1), (2, 2), (4, 4)")
    table.commit()
    with other(notebook_url) as early:
        do(early, "SELECT")
        do(table, "UPDATE t SET v = 5 WHERE id = 1; DELETE FROM t WHERE id = 2")
        table.commit()
        held = do(table, "SELECT * FROM t__all() ORDER BY id, sys_start")
        table.commit()
        with pytest.raises(psycopg2.errors.SerializationFailure) as error:
            do(early, sql)
        assert "Roll back, and run the transaction again." in str(error.value)
        early.rollback()
        assert do(early, "SELECT * FROM t__all() ORDER BY id, sys_start") == held
        early.rollback()
        do(early, sql)  # again, and now it goes
        early.commit()


@pytest.mark.parametrize("first_began", [True, False])
def test_one_that_waits_for_the_other_follows_it_or_is_to_run_again(
    table: Connection, notebook_url: URL, first_began: bool
) -> None:
    do(table, "INSERT INTO t (id, v) VALUES (1, 0)")
    table.commit()
    with other(notebook_url) as one, other(notebook_url) as two:
        for connection in (one, two) if first_began else (two, one):
            do(connection, "SELECT")
        do(one, "UPDATE t SET v = 1 WHERE id = 1")
        failed = []

        def update() -> None:
            try:
                do(two, "UPDATE t SET v = v + 10 WHERE id = 1")
            except psycopg2.Error as error:
                failed.append(error.pgcode)
            two.commit()

        waiting = threading.Thread(target=update)
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        one.commit()
        waiting.join()
        assert failed == ([] if first_began else ["40001"])
        rows = do(one, "SELECT v, sys_start, sys_end FROM t__all() ORDER BY sys_start")
        assert [row[0] for row in rows] == ([0, 1, 11] if first_began else [0, 1])
        assert [row[2] for row in rows] == [*(row[1] for row in rows[1:]), FOREVER]


TAKES = ["INSERT INTO t (id) VALUES (1)", "UPDATE t SET id = 1 WHERE id = 2", "INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET v = 3"]


@pytest.mark.parametrize("isolation", ["READ COMMITTED", pytest.param("REPEATABLE READ", marks=pytest.mark.slow), "SERIALIZABLE"])
@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("sql", TAKES)
def test_who_takes_a_key_that_a_later_transaction_deletes_is_to_run_again(
    table: Connection, notebook_url: URL, isolation: str, waits: bool, sql: str
) -> None:
    """Whether that has committed or is waited for, and whether it is seen or not."""
    do(table, "INSERT INTO t (id, v) VALUES (1, 1), (2, 2)")
    table.commit()
    with other(notebook_url) as early:
        do(early, f"SET TRANSACTION ISOLATION LEVEL {isolation}; TABLE t")
        do(table, "DELETE FROM t WHERE id = 1")
        found: list[str | None] = []
        taking = threading.Thread(target=lambda: found.append(fault(early, sql)))
        if waits:
            taking.start()
            taking.join(0.1)
        table.commit()
        if not waits:
            taking.start()
        taking.join()
        assert found == ["40001"]
        early.rollback()
        do(early, f"SET TRANSACTION ISOLATION LEVEL {isolation}; {sql}")
        early.commit()
        overlaps = "SELECT FROM t__all() AS a JOIN t__all() AS b USING (id) WHERE a.sys_start < b.sys_start AND b.sys_start < a.sys_end"
        assert do(table, f"{overlaps} OR a.sys_start = b.sys_start AND a.sys_end <> b.sys_end") == []


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
def test_who_takes_a_key_that_is_checked_late_waits_for_who_deletes_it(table: Connection, notebook_url: URL, isolation: str) -> None:
    """The key itself is looked at when the transaction ends, so the row would be there already."""
    do(table, "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED; INSERT INTO t (id, v) VALUES (1, 1)")
    table.commit()
    with other(notebook_url) as early:
        do(early, f"SET TRANSACTION ISOLATION LEVEL {isolation}; TABLE t")
        do(table, "DELETE FROM t WHERE id = 1")
        found: list[str | None] = []
        taking = threading.Thread(target=lambda: found.append(fault(early, "INSERT INTO t (id, v) VALUES (1, 2)")))
        taking.start()
        taking.join(0.1)
        table.commit()
        taking.join()
        assert found == ["40001"]
        early.rollback()
        do(early, "INSERT INTO t (id, v) VALUES (2, 2), (2, 3); DELETE FROM t WHERE v = 3")
        early.commit()


def test_who_takes_such_a_key_by_a_row_that_names_itself_is_to_run_again(table: Connection, notebook_url: URL) -> None:
    """What cascades changes the row once more, under its new key."""
    do(table, "ALTER TABLE t ADD FOREIGN KEY (v) REFERENCES t ON UPDATE CASCADE; INSERT INTO t (id, v) VALUES (1, 1), (2, 2)")
    table.commit()
    with other(notebook_url) as early:
        do(early, "SELECT")
        do(table, "DELETE FROM t WHERE id = 1")
        table.commit()
        assert fault(early, "UPDATE t SET id = 1 WHERE id = 2") == "40001"
        early.rollback()
        do(early, "UPDATE t SET id = 1 WHERE id = 2")
        early.commit()
    assert do(table, "SELECT id, v FROM t__all() ORDER BY sys_start, id") == [(1, 1), (2, 2), (1, 1)]


def test_a_transaction_that_sees_no_others_deletes_and_inserts_keys_of_its_own(table: Connection, notebook_url: URL) -> None:
    do(table, "INSERT INTO t (id, v) VALUES (1, 1), (2, 2)")
    table.commit()
    do(table, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; DELETE FROM t WHERE id = 1; INSERT INTO t (id, v) VALUES (1, 2), (3, 3)")
    with other(notebook_url) as later:
        do(later, "DELETE FROM t WHERE id = 2")
        later.commit()
    do(table, "UPDATE t SET v = 4 WHERE id = 3")
    table.commit()
    assert do(table, "SELECT id, v FROM t__all() ORDER BY id, sys_start") == [(1, 1), (1, 2), (2, 2), (3, 4)]


def test_what_alters_nothing_leaves_even_the_row_that_is_returned(table: Connection, notebook_url: URL) -> None:
    with other(notebook_url) as early:
        do(early, "SELECT")
        inserted = do(table, "INSERT INTO t (id, v) VALUES (1, 1) RETURNING *")
        table.commit()
        for connection in (table, early):
            assert do(connection, "UPDATE t SET v = v RETURNING *") == inserted
            connection.commit()
        assert do(table, "SELECT * FROM t") == inserted


# --- Triggers of the user's --------------------------------------------------------------------

# What one does to a row or to the table, and the events it may have. Of those that write to the
# table again, a WHEN keeps the table's own changes out.
ROW = "ON {table} FOR EACH ROW"
DOES = {
    "counts": ("BEFORE", ROW, "NEW.hits := coalesce(NEW.hits, 0) + 1; RETURN NEW", ["INSERT OR UPDATE", "INSERT", "UPDATE"]),
    "rounds": ("BEFORE", ROW, "NEW.v := NEW.v / 2 * 2; RETURN NEW", ["INSERT OR UPDATE", "UPDATE"]),
    "reverts": ("BEFORE", ROW, "RETURN OLD", ["UPDATE"]),
    "rekeys": ("BEFORE", f"{ROW} WHEN (NEW.sys_end = 'infinity')", "NEW.id := NEW.id + 1; RETURN NEW", ["INSERT"]),
    "forbids": ("BEFORE", ROW, "RETURN CASE WHEN OLD.v <> 1 THEN coalesce(NEW, OLD) END", ["DELETE", "UPDATE"]),
    "again": ("AFTER", f"{ROW} WHEN (OLD.v IS DISTINCT FROM NEW.v)",
              "EXECUTE format('UPDATE %I SET hits = 7 WHERE id = $1', TG_TABLE_NAME) USING NEW.id; RETURN NULL", ["UPDATE"]),
    "takes back": ("AFTER", f"{ROW} WHEN (OLD.v < NEW.v)",
                   "EXECUTE format('UPDATE %I SET v = $2 WHERE id = $1', TG_TABLE_NAME) USING NEW.id, OLD.v; RETURN NULL", ["UPDATE"]),
    "comes back": ("AFTER", f"{ROW} WHEN (OLD.sys_end = 'infinity')",
                   "EXECUTE format('INSERT INTO %I (id, v, hits) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', TG_TABLE_NAME) "
                   "USING OLD.id, OLD.v, OLD.hits; RETURN NULL", ["DELETE"]),
    "goes": ("AFTER", f"{ROW} WHEN (OLD.v < NEW.v AND NEW.v = 2)",
             "EXECUTE format('DELETE FROM %I WHERE id = $1', TG_TABLE_NAME) USING NEW.id; RETURN NULL", ["UPDATE"]),
    "also": ("AFTER", "ON {table} FOR EACH STATEMENT",
             "IF pg_trigger_depth() = 1 THEN EXECUTE format('UPDATE %I SET hits = 5 WHERE hits > 3', TG_TABLE_NAME); END IF; RETURN NULL",
             ["INSERT OR UPDATE"]),
}  # fmt: skip
NAMED = st.sampled_from(["!a", "a", "system_versioning_r", "system_versioning_updatee", "touch", "~"])
TRIGGERS = st.lists(
    st.one_of([st.tuples(NAMED, st.just(does), st.sampled_from(one[-1])) for does, one in DOES.items()]),
    min_size=1, max_size=3, unique_by=lambda one: one[0])  # fmt: skip
CHANGES = {name: SQL[name].replace(" t ", " {} ", 1) for name in ("update", "upsert", "delete", "same")} | {
    "insert": "INSERT INTO {} (id, v) VALUES (%(a)s, %(b)s) ON CONFLICT DO NOTHING",
    "merge": SQL["merge"].replace("INTO t ", "INTO {} AS t "),
    "join": "UPDATE {} AS t SET v = s.v FROM (VALUES (%(a)s, %(b)s), (%(a)s, %(b)s)) AS s (id, v) WHERE t.id = s.id",
    "more": "UPDATE {} SET v = v + 1",
}  # fmt: skip
CHANGED = st.lists(st.lists(st.tuples(st.sampled_from([*CHANGES]), KEYS, VALUES), min_size=1, max_size=4), max_size=5)


@pytest.fixture
def twins(plain: Connection) -> Iterator[Connection]:
    """A connection with an empty table one that keeps its versions, and an ordinary one, two."""
    for name in ("one", "two"):
        do(plain, f"CREATE TABLE {name} (id int PRIMARY KEY, v int, hits int, sys_end timestamptz NOT NULL DEFAULT 'infinity')")
    do(plain, "SELECT meta.scd_system_versioned('one'); CREATE VIEW two_current AS TABLE two")
    do(plain, "CREATE UNIQUE INDEX ON two (id) WHERE sys_end = 'infinity'")
    plain.commit()
    yield plain
    plain.rollback()
    do(plain, "DROP TABLE one, two CASCADE")
    plain.commit()


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(triggers=TRIGGERS, changes=CHANGED)
def test_triggers_lose_and_invent_no_version(
    twins: Connection, maker: Connection, triggers: list[Any], changes: list[Any]
) -> None:
    kept_together(twins, maker, triggers, changes)


@pytest.mark.slow
@settings(deadline=None, max_examples=2_050, suppress_health_check=list(HealthCheck))
@given(triggers=TRIGGERS, changes=CHANGED)
def test_two_thousand_sets_of_triggers(
    twins: Connection, maker: Connection, triggers: list[Any], changes: list[Any]
) -> None:
    kept_together(twins, maker, triggers, changes)


CONSTRAINTS = st.sampled_from(["CHECK (v <> 2)", "CHECK (v < 2 OR id > 1)", "FOREIGN KEY (v) REFERENCES {} ON DELETE CASCADE",
                               "FOREIGN KEY (v) REFERENCES {} ON DELETE SET NULL", "FOREIGN KEY (v) REFERENCES {} DEFERRABLE"])  # fmt: skip
RIGHTS = st.sets(st.sampled_from(["SELECT", "INSERT", "UPDATE", "DELETE"]), min_size=2)


@settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck))
@given(changes=CHANGED, constraint=CONSTRAINTS, rights=RIGHTS)
def test_constraints_and_rights_are_an_ordinary_tables(
    twins: Connection, maker: Connection, changes: list[Any], constraint: str, rights: set[str]
) -> None:
    kept_together(twins, maker, [], changes, constraint, rights)


@pytest.mark.slow
@settings(deadline=None, max_examples=500, suppress_health_check=list(HealthCheck))
@given(changes=CHANGED, constraint=CONSTRAINTS, rights=RIGHTS)
def test_five_hundred_constraints_and_rights(
    twins: Connection, maker: Connection, changes: list[Any], constraint: str, rights: set[str]
) -> None:
    kept_together(twins, maker, [], changes, constraint, rights)


def kept_together(
    twins: Connection, maker: Connection, triggers: list[Any], changes: list[Any], constraint: str = "", rights: set[str] | None = None
) -> None:
    """Both get the triggers and the changes: what the ordinary table held after each transaction is the history.

    With `rights`, it is another who changes them, and has no more than these.
    """
    twins.rollback()
    do(twins, "".join(f"DROP FUNCTION IF EXISTS does_{i} CASCADE;" for i in range(3)))
    for table in ("one", "two") if constraint else ():
        do(twins, f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS its, ADD CONSTRAINT its {constraint.format(table)} NOT VALID")
        do(twins, f"REVOKE ALL ON {table} FROM pg_monitor; GRANT {', '.join(sorted(rights or ['SELECT']))} ON {table} TO pg_monitor")
    emptied(twins, maker, "one", "two")
    for i, (name, does, events) in enumerate(triggers):
        when, header, body, _ = DOES[does]
        do(twins, f"CREATE FUNCTION does_{i}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; END$$")
        for table in ("one", "two"):
            do(twins, f'CREATE TRIGGER "{name}" {when} {events} {header.format(table=table)} EXECUTE FUNCTION does_{i}()')
    twins.commit()
    hinders = any(does in ("forbids", "reverts") for _, does, _ in triggers)
    now: dict[int, tuple[Any, ...]] = {}
    began: dict[int, datetime] = {}
    history: list[tuple[Any, ...]] = []
    for steps in changes:
        by = maker if rights else twins
        ((instant,),) = do(by, "SELECT transaction_timestamp()")
        if rights:
            do(by, "GRANT USAGE ON SCHEMA scratch TO pg_monitor; SET LOCAL search_path = scratch; SET LOCAL ROLE pg_monitor")
        faults = [[fault(by, CHANGES[verb].format(table), a=a, b=b) for table in ("two", "one")] for verb, a, b in steps]
        if rights:
            do(by, "RESET ROLE")
        if hinders and any(one == "ST002" for _, one in faults):
            twins.rollback()  # told that a version would be lost
            continue
        assert all(two == one for two, one in faults), faults
        then = {row[0]: row for row in do(by, "SELECT id, v, hits FROM two")}
        by.commit()
        for key in {*now, *then}:
            if now.get(key) != then.get(key):
                if key in now:
                    history.append((*now[key], began[key], instant))
                began[key] = instant
        now = then
    expected = [*history, *((*row, began[key], FOREVER) for key, row in now.items())]
    held = do(twins, "SELECT id, v, hits, sys_start, sys_end FROM one__all()")
    assert Counter(held) == Counter(expected)
    assert Counter(do(twins, "TABLE one")) == Counter((*row, FOREVER, began[key]) for key, row in now.items())


def fault(connection: Connection, sql: str, **parameters: int) -> str | None:
    """What a statement is refused with; nothing is left of it then."""
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT this")
        try:
            cursor.execute(sql, parameters)
        except psycopg2.Error as error:
            cursor.execute("ROLLBACK TO this")
            return error.pgcode
    return None


def test_a_trigger_that_touches_a_row_opens_a_version_and_alters_no_closed_one(run: Any) -> None:
    run("CREATE TABLE item (id int PRIMARY KEY, price int, hits int, at timestamptz) WITH (system_versioning = true)")
    run("CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.hits = coalesce(NEW.hits, 0) + 1; NEW.at = clock_timestamp(); RETURN NEW; END'")
    run("CREATE TRIGGER zzz BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION touch()")
    found = run("INSERT INTO item VALUES (1, 5) RETURNING hits, at, sys_start")
    for _ in range(2):
        found += run("UPDATE item SET price = 5 RETURNING hits, at, sys_start")
    assert [hits for hits, _, _ in found] == [1, 2, 3]
    assert run("SELECT hits, at, sys_start FROM item FOR SYSTEM_TIME ALL ORDER BY hits") == found


def test_triggers_find_what_the_statement_would(run: Any) -> None:
    run("CREATE TABLE log (v int, ended timestamptz)")
    run("CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'")
    run("CREATE FUNCTION doubles() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v = twice(NEW.v); RETURN NEW; END'")
    run("CREATE FUNCTION logs() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO log VALUES (NEW.v, NEW.sys_end); RETURN NULL; END'")
    run(ROWS)
    run("CREATE TRIGGER doubles BEFORE INSERT OR UPDATE ON x FOR EACH ROW EXECUTE FUNCTION doubles()")
    run("CREATE TRIGGER logs AFTER INSERT OR UPDATE ON x FOR EACH ROW EXECUTE FUNCTION logs()")
    run("INSERT INTO x VALUES (1, 1)")
    run("UPDATE x SET v = 2")
    assert run("SELECT v FROM x FOR SYSTEM_TIME ALL ORDER BY v") == [(2,), (4,)]
    assert run("SELECT v, ended = 'infinity' FROM log ORDER BY 1, 2") == [(2, True), (4, True)]


@pytest.mark.parametrize("type_", ["int", "text", "varchar(9)[]"])
def test_a_table_that_lost_a_column_keeps_its_versions(run: Any, type_: str) -> None:
    run(f"CREATE TABLE old (id int PRIMARY KEY, gone {type_}, v int); INSERT INTO old VALUES (1, NULL, 1)")
    run("ALTER TABLE old DROP COLUMN gone")
    run("SELECT scd_system_versioned('old')")
    run("UPDATE old SET v = 2")
    assert run("SELECT id, v FROM old FOR SYSTEM_TIME ALL ORDER BY v") == [(1, 1), (1, 2)]


def test_a_table_with_triggers_keeps_its_versions_as_it_is(run: Any) -> None:
    run("CREATE TABLE old (id int PRIMARY KEY, v int)")
    run("INSERT INTO old VALUES (1, 1)")
    run("CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v = NEW.v + 1; RETURN NEW; END'")
    run("CREATE TRIGGER counts BEFORE UPDATE ON old FOR EACH ROW EXECUTE FUNCTION counts()")
    run("SELECT scd_system_versioned('old')")
    assert run("SELECT id, v FROM old FOR SYSTEM_TIME ALL") == [(1, 1)]


# --- Closed versions ---------------------------------------------------------------------------

FORGED = ["UPDATE history.t SET v = 7", "TRUNCATE history.t", "DROP TABLE history.t",
          "INSERT INTO history.t (id, v, sys_start, sys_end) VALUES (8, 8, '2020-01-01', '2021-01-01')",
          "MERGE INTO history.t USING (SELECT) AS s ON true WHEN MATCHED THEN UPDATE SET v = 7",
          "ALTER TABLE history.t DISABLE ROW LEVEL SECURITY", "CREATE TRIGGER x BEFORE INSERT ON history.t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
          "INSERT INTO history.tables VALUES ('t', 't')", "UPDATE history.tables SET history = 't'",
          "CREATE TABLE history.x (a int)"]  # fmt: skip


@pytest.mark.parametrize("sql", FORGED)
def test_not_even_the_tables_owner_has_rights_to_closed_versions(table: Connection, sql: str) -> None:
    do(table, "INSERT INTO t (id, v) VALUES (1, 1)")
    table.commit()
    do(table, "UPDATE t SET v = 2")
    table.commit()
    before = do(table, "SELECT * FROM history.t")
    table.commit()
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        do(table, sql)
    table.rollback()
    assert do(table, "SELECT * FROM history.t") == before != []
    do(table, "DELETE FROM history.t")  # which takes none from after the horizon
    assert do(table, "SELECT * FROM history.t") == before


@pytest.mark.parametrize("sql", ["UPDATE t SET v = 7", "DELETE FROM t", "INSERT INTO t (id) SELECT 5 + count(*) FROM t"])
def test_no_setting_switches_versioning_off(table: Connection, sql: str) -> None:
    do(table, "INSERT INTO t (id, v) VALUES (1, 1)")
    table.commit()
    before = do(table, "SELECT id, v, sys_start FROM t")
    table.commit()
    for depth in range(4):
        do(table, "SELECT set_config('medallion.going_on', 't'::regclass::oid || ' ' || %s, false)", depth)
        do(table, sql)
        table.commit()
    assert do(table, "SELECT id, v, sys_start FROM t__all() WHERE id = 1 ORDER BY sys_start LIMIT 1") == before
    do(table, "RESET medallion.going_on")
    table.commit()


# A user's trigger on another table sets what our triggers look at, and then writes to t.
SLY = """CREATE TABLE bait (id int);
    CREATE FUNCTION sly() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        PERFORM set_config('medallion.going_on', 't'::regclass::oid || ' ' || pg_trigger_depth(), true);
        UPDATE t SET v = 9, sys_start = sys_start; DELETE FROM t WHERE id = 2; RETURN NULL; END$$;
    CREATE TRIGGER sly AFTER INSERT ON bait FOR EACH ROW EXECUTE FUNCTION sly()"""


def test_who_may_write_rewrites_no_closed_version_by_a_trigger(run: Any, table: Connection) -> None:
    do(table, "INSERT INTO t (id, v) VALUES (1, 1), (2, 2)")
    table.commit()
    do(table, SLY)
    table.commit()
    before = do(table, "SELECT id, v, sys_start FROM t ORDER BY id")
    table.commit()
    do(table, "INSERT INTO bait VALUES (1)")
    table.commit()
    ((since,),) = do(table, "SELECT min(sys_start) FROM t__all()")
    assert do(table, "SELECT id, v, sys_start FROM t__as_of(%s) ORDER BY id", since) == before
    assert do(table, "SELECT id FROM t") == [(1,)]


def test_what_a_trigger_writes_as_the_period_is_written_over(run: Any) -> None:
    run(ROWS)
    run("CREATE FUNCTION sets() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.sys_start = CAST(''2001-01-01'' AS timestamptz); NEW.sys_end = now(); NEW.v = coalesce(NEW.v, 0) + 1; RETURN NEW; END'")
    run("CREATE TRIGGER sets BEFORE INSERT OR UPDATE ON x FOR EACH ROW EXECUTE FUNCTION sets()")
    found = run("INSERT INTO x VALUES (1, 1) RETURNING v, sys_start")
    found += run("UPDATE x SET v = v RETURNING v, sys_start")
    assert [v for v, _ in found] == [2, 3] and found[0][1] < found[1][1]
    assert run("SELECT v, sys_start FROM x FOR SYSTEM_TIME ALL ORDER BY v") == found


# --- Refusals ----------------------------------------------------------------------------------

SOME = "CREATE TABLE x (id int PRIMARY KEY, v int UNIQUE"
WITH = "WITH (system_versioning = true)"
ROWS = f"{SOME}) {WITH}"
REFUSED = [
    ("option not read", f"{SOME}) WITH (system_versioning = maybe)", "not maybe"),
    ("option not read", f"{SOME}) WITH (system_versioning = on (history_table = y))", "not on (history"),
    ("option elsewhere", f"{SOME}); ALTER TABLE x SET (system_versioning = true)", "scd_system_versioned"),
    ("option on another", f"CREATE TEMP TABLE x (id int PRIMARY KEY) {WITH}", "temporary"),
    ("option on another", f"CREATE TABLE silver.x (id int PRIMARY KEY) {WITH}", "schema silver"),
    ("option on a query", f"CREATE TABLE x {WITH} AS SELECT 1 AS id", "ALTER TABLE x ADD PRIMARY KEY"),
    ("exists without versions", f"{SOME}); CREATE TABLE IF NOT EXISTS x (a int) {WITH}", "scd_system_versioned('scratch.x')"),
    ("period without versioning", f"{SOME}, sys_start timestamptz, sys_end timestamptz, PERIOD FOR SYSTEM_TIME (sys_start, sys_end))", "system_versioning = true"),
    ("period of other names", f"{SOME}, s timestamptz, e timestamptz, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING", "system_versioning = true"),
    ("period added", f"{SOME}); ALTER TABLE x ADD PERIOD FOR SYSTEM_TIME (s, e)", "scd_system_versioned('x')"),
    ("not in scratch", "SELECT scd_system_versioned('silver.dim_customer_hist')", "silver.dim_customer_hist"),
    ("versioned in parts", f"CREATE TABLE x (id int PRIMARY KEY) PARTITION BY RANGE (id) {WITH}", "PARTITION BY"),
    ("versioned in parts", f"{SOME}); CREATE TABLE y (PRIMARY KEY (id)) INHERITS (x) {WITH}", "INHERITS"),
    ("not a table", "CREATE VIEW y AS SELECT 1; SELECT scd_system_versioned('y')", "scratch.y is not a table"),
    ("no primary key", f"CREATE TABLE x (id int) {WITH}", "ALTER TABLE scratch.x ADD PRIMARY KEY"),
    ("no room for versions", f"CREATE TABLE {'x' * 42} (id int PRIMARY KEY) {WITH}", "at most 41"),
    ("view name taken", f"CREATE VIEW x_current AS SELECT 1; {ROWS}", "scratch.x_current"),
    ("period column unfit", f"{SOME}, sys_end date) {WITH}", "sys_end date"),
    ("period column unfit", f"{SOME}, sys_period tstzrange) {WITH}", "sys_period tstzrange"),
    ("period to come", f"{SOME}, sys_end timestamptz); INSERT INTO x VALUES (1, 1, '9999-12-31'); SELECT scd_system_versioned('x')", "9999-12-31"),
    ("trigger after ours", f"{ROWS}; CREATE TRIGGER \"ähnlich\" BEFORE UPDATE ON x FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); INSERT INTO x VALUES (1)", 'ALTER TRIGGER "ähnlich" ON scratch.x'),
    ("versioned in parts", f"{ROWS}; INSERT INTO x VALUES (1); CREATE TABLE y () INHERITS (x); UPDATE x SET v = 2", "INHERITS"),
    ("versioned in parts", f"{ROWS}; INSERT INTO x VALUES (1); CREATE TABLE y (v int); ALTER TABLE x INHERIT y; UPDATE y SET v = 2", "INHERITS"),
    ("versioned in parts", f"{ROWS}; INSERT INTO x VALUES (1); CREATE TABLE y (LIKE x INCLUDING GENERATED) PARTITION BY LIST (id); ALTER TABLE y ATTACH PARTITION x DEFAULT; DELETE FROM y", "PARTITION BY"),
    ("period written", f"{ROWS}; INSERT INTO x (id, sys_start) VALUES (1, '2020-01-01')", "Leave them out"),
    ("period written", f"{ROWS}; INSERT INTO x (id, sys_end) VALUES (1, now())", "DELETE FROM scratch.x"),
    ("period written", f"{ROWS}; INSERT INTO x VALUES (1); UPDATE x SET sys_end = now()", "delete it"),
    ("period written", f"{ROWS}; INSERT INTO x VALUES (1); UPDATE x_current SET sys_start = '2020-01-01'", "Leave them out"),
    ("history truncated", f"{ROWS}; TRUNCATE x", "DELETE FROM scratch.x"),
    ("versioning taken apart", f"{ROWS}; ALTER TABLE x DROP COLUMN sys_start CASCADE", "sys_start"),
    ("versioning taken apart", f"{ROWS}; ALTER TABLE x DROP CONSTRAINT x_pkey", "PRIMARY KEY"),
    ("versioning taken apart", f"{ROWS}; ALTER TABLE x DISABLE TRIGGER ALL", "DROP SYSTEM VERSIONING"),
    ("versioning taken apart", f"{ROWS}; ALTER TABLE x DISABLE TRIGGER system_versioning_updated", "system_versioning_updated"),
    ("versioning taken apart", f"{ROWS}; DROP TRIGGER system_versioning_updated ON x", "system_versioning_updated"),
    ("versioning taken apart", f"{ROWS}; DROP TRIGGER IF EXISTS \"~~~system_versioning_row\" ON scratch.x CASCADE", "system_versioning_row"),
    ("versioning taken apart", f"{ROWS}; ALTER TRIGGER \"~~~system_versioning_row\" ON x RENAME TO a", "system_versioning_row"),
    ("versioning taken apart", f"{ROWS}; ALTER TABLE x ENABLE REPLICA TRIGGER system_versioning_deleted", "system_versioning_deleted"),
    ("versions computed", f"{ROWS}; ALTER TABLE x ALTER v TYPE bigint USING v * 10", "USING v * 10 would"),
    ("versions computed", f"{ROWS}; ALTER TABLE x ADD EXCLUDE USING gist (v WITH =), ALTER COLUMN v SET DATA TYPE text USING CAST(v AS bigint)", "ADD COLUMN"),
    ("versions computed", f"{ROWS}; ALTER TABLE x ADD w int, ALTER v TYPE text USING (SELECT 'a')", "would change"),
    ("view reads it", f"{ROWS}; CREATE VIEW mine AS SELECT id, v FROM x_current; ALTER TABLE x DROP COLUMN v", "DROP VIEW scratch.mine"),
    ("versions overlap", "CREATE TABLE x (id int, v int, sys_start timestamptz, sys_end timestamptz, PRIMARY KEY (id, sys_start)); INSERT INTO x VALUES (1, 1, '2020-01-01', '2021-01-01'), (1, 2, '2020-06-01', NULL); SELECT scd_system_versioned('x')", "SELECT * FROM history.x"),
    ("versions overlap", "CREATE TABLE x (id int PRIMARY KEY, sys_start timestamptz, sys_end timestamptz); INSERT INTO x VALUES (1, '2021-01-01', '2020-01-01'); SELECT scd_system_versioned('x')", "(1)"),
    ("not versioned", f"{SOME}); SELECT set_system_time('x', now())", "scd_system_versioned('scratch.x')"),
    ("time to come", f"{ROWS}; SELECT set_system_time('x', '9999-01-01')", "9999-01-01"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sql", "advice"), REFUSED)
def test_a_refusal_says_what_to_write_instead(run: Any, name: str, sql: str, advice: str) -> None:
    *before, last = sql.split("; ")
    for statement in before:
        run(statement)
    left = run(LEFT)
    with pytest.raises(MedallionError) as error:
        run(last)
    assert advice in str(error.value)
    assert re.fullmatch(re.sub(r"\\{\w+\\}", ".+", re.escape(TEXTS[name])), str(error.value), re.DOTALL)
    assert run(LEFT) == left


def test_every_refusal_of_the_file_is_refused_above() -> None:
    names = list(TEXTS)
    ours = names[names.index("option not read") : names.index("no lake there")]
    shown_elsewhere = {"transaction began before", "deleted meanwhile", "trigger missing", "trigger skips versions",
                       "versions of another type", "time of another"}  # fmt: skip  -- by tests below
    of_merged_tables = {"constraint on versions", "key unfit"}
    assert {*ours} == shown_elsewhere | of_merged_tables | {name for name, _, _ in REFUSED}


def test_what_is_no_refusal_stays_postgresqls(run: Any) -> None:
    run(ROWS)
    run("INSERT INTO x VALUES (1, 1)")
    run("CREATE TABLE y (a int)")
    for sql, state in [("INSERT INTO x VALUES (1)", "23505"), ("INSERT INTO x VALUES (2, 1)", "23505"),
                       ("INSERT INTO y VALUES (1) ON CONFLICT (a) DO NOTHING", "42P10")]:  # fmt: skip
        with pytest.raises(DBAPIError) as error:
            run(sql)
        assert error.value.orig.pgcode == state


# --- Keys and columns of every type ------------------------------------------------------------

# Two values of each, as text; what has no such is no key of an ordinary table either, or none that people make.
OF_TYPE = {
    "bool": "ft", "char": "ab", "bpchar": "ab", "name": "ab", "text": "ab", "varchar": "ab", "bytea": [r"\x00", r"\x01"],
    "date": ["infinity", "0044-03-15 BC"], "time": ["24:00", "12:00"], "timetz": ["24:00+00", "12:00+02"],
    "timestamp": ["-infinity", "2023-07-01"], "timestamptz": ["infinity", "2023-07-01"], "interval": ["1 mon", "-1 day 02:03"],
    "uuid": ["00000000-0000-0000-0000-00000000000" + c for c in "01"], "inet": ["10.0.0.1/8", "::1"], "cidr": ["10.0.0.0/8", "::1"],
    "macaddr": ["08:00:2b:01:02:03", "08:00:2b:01:02:04"], "macaddr8": ["08:00:2b:01:02:03:04:05", "08:00:2b:01:02:03:04:06"],
    "bit": "01", "varbit": ["0101", "01"], "jsonb": ["{}", '{"a": null}'], "pg_lsn": ["0/1", "1/0"], "tid": ["(0,1)", "(0,2)"],
    "tsvector": "ab", "tsquery": "ab", "oidvector": ["1 2", "2"], "int4range": ["empty", "[1,)"], "int8range": ["[1,2)", "(,)"],
    "numrange": ["[1.0,2)", "[1,3)"], "daterange": ["[2023-01-01,)", "empty"], "tsrange": ["[2023-01-01,)", "empty"],
    "tstzrange": ["[2023-01-01,)", "empty"], "int4multirange": ["{}", "{[1,2)}"], "int8multirange": ["{}", "{[1,2)}"],
    "nummultirange": ["{}", "{[1,2)}"], "datemultirange": ["{}", "{[2023-01-01,)}"], "tsmultirange": ["{}", "{(,)}"],
    "tstzmultirange": ["{}", "{(,)}"], "mood": ["glad", "sad"], "pair": ["(1,a)", "(2,)"], "posint": "12", "pg_snapshot": ["1:1:", "1:2:"],
    "float8": ["NaN", "-0"], "float4": ["Infinity", "0.1"], "numeric": ["NaN", "1.00"], "txid_snapshot": ["1:1:", "1:2:"],
    "regclass": ["pg_class", "pg_proc"], "regtype": ["int4", "text"], "regrole": ["pg_monitor", "pg_read_all_data"],
    "regnamespace": ["meta", "silver"], "regproc": ["now", "meta.refusal"], "regprocedure": ["now()", "version()"],
    "regcollation": ['"C"', '"POSIX"'], "regconfig": ["english", "simple"], "regdictionary": ["simple", "english_stem"],
    "regoper": ["pg_catalog.|/", "pg_catalog.||/"], "regoperator": ["+(integer,integer)", "-(integer,integer)"],
}  # fmt: skip
OWN_TYPES = "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN posint AS int NOT NULL CHECK (VALUE > 0)"
KEY_TYPES = """SELECT typname, CAST(pg_type.oid AS regtype)::text FROM pg_type
    WHERE typtype IN ('b', 'r', 'm', 'e', 'd', 'c') AND typisdefined AND typcategory <> 'A' AND typrelid NOT IN (
        SELECT pg_class.oid FROM pg_class WHERE relkind <> 'c') AND typnamespace IN ('pg_catalog'::regnamespace, 'scratch'::regnamespace)"""


@pytest.mark.slow
def test_a_key_of_any_type_works(plain: Connection) -> None:
    do(plain, OWN_TYPES)
    types = do(plain, KEY_TYPES)
    types += [("_" + name, f"{type_}[]") for name, type_ in types if name in ("int4", "text", "mood")]
    worked = set()
    for name, type_ in types:
        given_ = OF_TYPE.get(name, ["{}", "{NULL}"] if name[0] == "_" else "12")
        values = {"a": f"CAST('{given_[0]}' AS {type_})", "b": f"CAST('{given_[1]}' AS {type_})"}
        plain.rollback()  # while a transaction that has written is open, no other test gets a slot
        do(plain, OWN_TYPES)
        if fault(plain, f"CREATE TABLE k (id {type_} PRIMARY KEY, v int)") or fault(plain, "INSERT INTO k SELECT {a}, 1".format(**values)):
            continue  # nor is it a key elsewhere
        do(plain, "TRUNCATE k")
        assert fault(plain, "SELECT meta.scd_system_versioned('k')") is None, name
        for sql in ("INSERT INTO k VALUES ({a}, 1), ({b}, 1)", "UPDATE k SET v = 2 WHERE id = {a}", "UPDATE k SET id = {b} WHERE id = {b}",
                    "UPDATE k SET id = id", "DELETE FROM k WHERE id = {b}", "INSERT INTO k VALUES ({b}, 1)"):  # fmt: skip
            do(plain, sql.format(**values))
        now = "SELECT v, sys_end - sys_start > '0' FROM k__all() WHERE id = {} ORDER BY 1"
        assert [do(plain, now.format(values[key])) for key in "ab"] == [[(2, True)], [(1, True)]], name
        assert fault(plain, "INSERT INTO k VALUES ({a}, 3)".format(**values)) == "23505", name
        worked.add(name)
    plain.rollback()
    assert {"int8", "text", "uuid", "numeric", "bytea", "date", "interval", "inet", "mood", "posint", "tstzrange", "bool", "money",
            "cidr", "name", "jsonb", "xid8", "pg_lsn", "tsvector", "tsquery", "pair", "_int4", "_text", "_mood", "tid", "char"} <= worked


def test_unique_columns_of_every_kind_are_so_among_current_rows(run: Any) -> None:
    run("""CREATE TABLE x (id text COLLATE "C", a int UNIQUE NULLS NOT DISTINCT, b int, note text,
        g int UNIQUE GENERATED ALWAYS AS (b + 1) STORED, virtual int GENERATED ALWAYS AS (b + 2) VIRTUAL, s serial UNIQUE,
        i int GENERATED ALWAYS AS IDENTITY, "sys_end " text UNIQUE,
        PRIMARY KEY (id) INCLUDE (note), UNIQUE (a, b) INCLUDE (note) WITH (fillfactor = 70))""")
    run("CREATE UNIQUE INDEX of_note ON x (lower(note) text_pattern_ops DESC, (lower(note) || 'sys_end')) WHERE b > 0 OR a IS NULL")
    run("SELECT scd_system_versioned('x')")
    run("INSERT INTO x (id, a, b, note, \"sys_end \") VALUES ('A', NULL, 1, 'N', 's')")
    for again in ("('A', 2, 2, 'M', 'r')", "('B', NULL, 2, 'M', 'r')", "('B', 2, 1, 'M', 'r')", "('B', 2, 2, 'M', 's')"):
        with pytest.raises(DBAPIError, match="duplicate key value"):
            run(f'INSERT INTO x (id, a, b, note, "sys_end ") VALUES {again}')
    run("UPDATE x SET note = 'n'")
    run("UPDATE x SET b = 2")
    run("DELETE FROM x WHERE id = 'A'")
    run("INSERT INTO x (id, a, b, note, \"sys_end \") VALUES ('a', NULL, 1, 'N', 's')")
    assert run("SELECT id, note, g, virtual, i FROM x FOR SYSTEM_TIME ALL ORDER BY sys_start") == [
        ("A", "N", 2, 3, 1), ("A", "n", 2, 3, 1), ("A", "n", 3, 4, 1), ("a", "N", 2, 3, 6)]  # fmt: skip
    with pytest.raises(DBAPIError, match="of_note"):
        run("INSERT INTO x (id, a, b, note) VALUES ('c', 3, 3, 'n')")


# What comes to a table later is of its current rows, which break none of it: id, a, b.
LATER = [
    "CREATE UNIQUE INDEX ON o ((a + 1))", "ALTER TABLE o ADD UNIQUE (a)", "ALTER TABLE o ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED",
    "ALTER TABLE o ADD CHECK (a > 0)", "ALTER TABLE o ALTER a SET NOT NULL", "ALTER TABLE o ADD EXCLUDE USING gist (a WITH =)",
    "ALTER TABLE o ADD FOREIGN KEY (a) REFERENCES p", "CREATE RULE r AS ON INSERT TO o DO ALSO SELECT 1",
]  # fmt: skip


@pytest.mark.parametrize("sql", LATER)
def test_what_a_table_gets_later_is_of_its_current_rows(run: Any, sql: str) -> None:
    run("CREATE TABLE p (id int PRIMARY KEY)")
    run("INSERT INTO p VALUES (1), (2), (3)")
    run(f"CREATE TABLE o (id int PRIMARY KEY, a int) {WITH}")
    run("INSERT INTO o VALUES (1, 0), (2, NULL), (3, 1), (4, 1)")
    run("DELETE FROM o WHERE id IN (1, 2, 4)")
    run(sql)
    run("UPDATE o SET a = 2")
    run("UPDATE o SET a = 3")
    assert run("SELECT a FROM o") == [(3,)]
    assert run("SELECT id, a FROM o FOR SYSTEM_TIME ALL ORDER BY sys_start, id") == [(1, 0), (2, None), (3, 1), (4, 1), (3, 2), (3, 3)]


def test_constraints_hold_as_in_any_table(run: Any) -> None:
    run(f"""CREATE TABLE o (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, a int UNIQUE CHECK (a > 0), p daterange,
        EXCLUDE USING gist (p WITH &&), UNIQUE (a, p WITHOUT OVERLAPS)) {WITH}""")
    run("INSERT INTO o VALUES (1, 1, '[2023-01-01,)')")
    for values, told in [("(1, 2, NULL)", "o_pkey"), ("(2, 1, NULL)", "o_a_key"), ("(2, 0, NULL)", "o_a_check"), ("(2, 2, '[2023-07-01,)')", "o_p_excl")]:
        with pytest.raises(DBAPIError, match=told):
            run(f"INSERT INTO o VALUES {values}")
    run("DELETE FROM o")
    run("INSERT INTO o VALUES (1, 1, '[2023-01-01,)') ON CONFLICT (a) DO NOTHING")
    assert run("SELECT count(*), count(DISTINCT sys_start) FROM o FOR SYSTEM_TIME ALL") == [(2, 2)]


@pytest.mark.first(1)
@pytest.mark.parametrize("deleted", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_foreign_keys_from_and_to_it_act_as_in_any_table(run: Any, deleted: str) -> None:
    run(f"CREATE TABLE p (id int PRIMARY KEY, v int) {WITH}")
    run(f"CREATE TABLE o (id int PRIMARY KEY, p int DEFAULT 2 REFERENCES p ON UPDATE CASCADE ON DELETE {deleted}) {WITH}")
    run("INSERT INTO p VALUES (1), (2)")
    run("INSERT INTO o VALUES (7, 1)")
    with pytest.raises(DBAPIError, match="o_p_fkey"):
        run("INSERT INTO o VALUES (8, 3)")
    ((then,),) = run("SELECT clock_timestamp()")
    run("UPDATE p SET id = 3 WHERE id = 1")
    run("DELETE FROM p WHERE id = 3")
    left = {"CASCADE": [], "SET NULL": [(7, None)], "SET DEFAULT": [(7, 2)]}[deleted]
    assert run("SELECT id, p FROM o") == left
    assert run("SELECT id, p FROM o FOR SYSTEM_TIME AS OF :then", then=then) == [(7, 1)]
    assert run("SELECT id, p FROM o FOR SYSTEM_TIME ALL ORDER BY sys_start") == [(7, 1), (7, 3), *left]
    with pytest.raises(DBAPIError, match="o_p_fkey") if deleted == "SET DEFAULT" else nullcontext():
        run("DELETE FROM p")


def test_rights_to_a_table_are_rights_to_what_belongs_to_it(run: Any, plain: Connection, maker: Connection) -> None:
    run(ROWS)
    run("INSERT INTO x VALUES (1, 1)")
    run("UPDATE x SET v = 2")
    do(maker, "CREATE ROLE versioning_reader; GRANT USAGE ON SCHEMA scratch TO versioning_reader")
    maker.commit()
    try:
        every = ["TABLE scratch.x_current", "SELECT v FROM scratch.x__all()", "SELECT v FROM scratch.x_current__all()", "TABLE history.x"]
        seen = {}
        for grant in ("", "GRANT SELECT ON x TO versioning_reader", "REVOKE SELECT ON x FROM versioning_reader"):
            if grant:
                do(plain, grant)
                plain.commit()
            do(maker, "SET ROLE versioning_reader")
            for sql in every:
                do(maker, "SAVEPOINT one")
                try:
                    seen[grant, sql] = len(do(maker, sql))
                except psycopg2.errors.InsufficientPrivilege:
                    do(maker, "ROLLBACK TO one")
                    seen[grant, sql] = 0
            for sql in ("UPDATE scratch.x_current SET v = 3", "DELETE FROM scratch.x"):
                assert fault(maker, sql) == "42501"
            maker.rollback()
        assert [*seen.values()] == [0, 0, 0, 0, 1, 2, 2, 1, 0, 0, 0, 0]
        do(plain, "GRANT SELECT ON x TO versioning_reader; ALTER TABLE x ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON x USING (id = 2)")
        plain.commit()
        do(maker, "SET ROLE versioning_reader")
        assert do(maker, "SELECT v FROM scratch.x__all()") == []
        maker.rollback()
    finally:
        do(maker, "DROP OWNED BY versioning_reader; DROP ROLE versioning_reader")
        maker.commit()


def test_a_generated_column_may_be_of_a_domain_without_null_and_of_the_key(run: Any) -> None:
    run("CREATE DOMAIN posint AS int NOT NULL CHECK (VALUE > 0)")
    run(f"CREATE TABLE x (a int, g posint GENERATED ALWAYS AS (a + 1) STORED, v posint, row_hash bigint, PRIMARY KEY (g)) {WITH}")
    run("INSERT INTO x (a, v) VALUES (1, 1), (2, 1)")
    run("UPDATE x SET a = a")
    run("UPDATE x SET v = a")
    run("UPDATE x SET a = 5 WHERE a = 1")
    assert run("SELECT a, g, v FROM x FOR SYSTEM_TIME ALL ORDER BY sys_start, g") == [(1, 2, 1), (2, 3, 1), (2, 3, 2), (5, 6, 1)]


@pytest.mark.slow
def test_a_table_of_as_many_columns_as_there_can_be(plain: Connection) -> None:
    columns = ", ".join(f"c{i} json" for i in range(1596))
    do(plain, f"CREATE TABLE x (id int PRIMARY KEY, {columns}); SELECT meta.scd_system_versioned('x')")
    do(plain, """INSERT INTO x (id, c0, c1595) VALUES (1, '{"a": null}', '1')""")
    plain.commit()
    ((since,),) = do(plain, "SELECT sys_start FROM x")
    do(plain, "UPDATE x SET c1594 = c1594; UPDATE x SET c0 = '{}'; UPDATE x SET c0 = c1595")
    do(plain, """UPDATE x SET c0 = '{"a": null}'""")
    plain.commit()
    assert do(plain, "SELECT sys_start, sys_end FROM x") == [(since, FOREVER)]
    do(plain, "UPDATE x SET c1595 = '1 '")
    plain.commit()
    assert do(plain, "SELECT c0::text, c1595::text FROM x__all() ORDER BY sys_start") == [('{"a": null}', "1"), ('{"a": null}', "1 ")]
    do(plain, "DROP TABLE x CASCADE")
    plain.commit()


DOCUMENTS = st.recursive(st.none() | st.integers(0, 1), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
    st.sampled_from("ab"), inner, max_size=2), max_leaves=4)  # fmt: skip


@pytest.fixture
def documents(plain: Connection) -> Iterator[Connection]:
    do(plain, "CREATE TYPE pair AS (n int, doc json)")
    do(plain, "CREATE TABLE doc (id int PRIMARY KEY, a json, b jsonb, c json[], d pair, p point, row_hash bigint)")
    do(plain, "SELECT meta.scd_system_versioned('doc')")
    plain.commit()
    yield plain
    plain.rollback()
    do(plain, "DROP TABLE doc CASCADE; CALL meta.drop_orphaned_history(); DROP TYPE pair")
    plain.commit()


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(one=DOCUMENTS, two=DOCUMENTS, of=st.sampled_from("abcdp"))
@example(one={"a": None, "b": None}, two={"b": None, "a": None}, of="a")
def test_columns_without_equality_open_a_version_where_they_differ(documents: Connection, one: Any, two: Any, of: str) -> None:
    do(documents, "DELETE FROM doc")
    documents.commit()
    before = do(documents, "SELECT count(*) FROM doc__all()")
    made = {"a": "%s::json", "b": "%s::jsonb", "c": "ARRAY[%s::json]", "d": "ROW(1, %s)::pair", "p": "point(length(%s), 'NaN')"}[of]
    do(documents, f"INSERT INTO doc (id, {of}) SELECT 1, {made}", json.dumps(one))
    documents.commit()
    do(documents, f"UPDATE doc SET {of} = {made}", json.dumps(two))
    documents.commit()
    versions = do(documents, f"SELECT {of}::text, row_hash FROM doc__all() ORDER BY sys_start OFFSET %s", before[0][0])
    texts = [do(documents, f"SELECT {made}::text", json.dumps(value))[0][0] for value in (one, two)]
    assert [text_ for text_, _ in versions] == (texts if texts[0] != texts[1] else texts[:1])
    assert len({hash_ for _, hash_ in versions}) == len(versions)


# --- MERGE ------------------------------------------------------------------------------------

MERGE = "MERGE INTO {} USING (SELECT 1 AS id, 'infinity'::timestamptz AS sys_end WHERE 'sys_end' <> '') AS s ON x.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (1)"
MERGES = [
    MERGE.format("x"),
    MERGE.format("/* a */ ONLY -- b\n scratch . \"x\" AS x"),
    MERGE.format("X *"),
    f"SELECT 1; {MERGE.format('x')}",
    f"WITH done AS ({MERGE.format('x')} RETURNING 1) SELECT * FROM done",
    f"EXPLAIN ANALYZE {MERGE.format('x')}",
    f"DO $$ BEGIN {MERGE.format('x')}; END $$",
    f"DO $$ BEGIN EXECUTE $q$ {MERGE.format('scratch.x')} $q$; END $$",
    f"PREPARE merging AS {MERGE.format('x')}; EXECUTE merging",
    f"CREATE FUNCTION merging() RETURNS void LANGUAGE sql AS $$ {MERGE.format('x')} $$; SELECT merging()",
    f"CREATE FUNCTION merging() RETURNS void LANGUAGE sql BEGIN ATOMIC {MERGE.format('x')}; END; SELECT merging()",
]


@pytest.mark.first(4)
@pytest.mark.parametrize("sql", MERGES)
def test_a_merge_meets_current_rows_only(run: Any, engine: Engine, sql: str) -> None:
    run(ROWS)
    run("INSERT INTO x VALUES (1, 1)")
    run("DELETE FROM x")
    with engine.begin() as connection:
        connection.exec_driver_sql(sql)
    assert run("SELECT id, v FROM x FOR SYSTEM_TIME ALL ORDER BY sys_start") == [(1, 1), (1, None)]


# --- Tables of many kinds, and what becomes of them --------------------------------------------


def test_the_designs_own_statements(run: Any) -> None:
    run("""CREATE TABLE dim_customer_hist (
            customer_id int, email text, row_hash text,
            sys_start timestamptz, sys_end timestamptz DEFAULT '9999-12-31',
            PRIMARY KEY (customer_id, sys_start)
        ) WITH (system_versioning = true)""")
    run("INSERT INTO dim_customer_hist (customer_id, email) VALUES (42, 'a@x'), (43, 'b@x')")
    ((then, first),) = run("SELECT sys_start, row_hash FROM dim_customer WHERE customer_id = 42")
    run("UPDATE dim_customer_hist SET email = 'c@x' WHERE customer_id = 42")
    run("DELETE FROM dim_customer_hist WHERE customer_id = 43")
    assert run("SELECT * FROM dim_customer_hist FOR SYSTEM_TIME AS OF CAST(:then AS timestamptz) WHERE customer_id = 42;", then=then)[0][:4] == (42, "a@x", first, then)
    ((email, second),) = run("SELECT email, row_hash FROM dim_customer")
    assert email == "c@x" and None not in (first, second) and first != second
    assert run("SELECT count(*) FROM dim_customer_hist FOR SYSTEM_TIME ALL") == [(3,)]
    assert run("SELECT customer_id FROM dim_customer FOR SYSTEM_TIME AS OF :then ORDER BY 1", then=then) == [(42,), (43,)]


def test_one_like_silvers(run: Any) -> None:
    run("CREATE TABLE like_it (LIKE silver.dim_film_hist INCLUDING ALL) WITH (system_versioning = true)")
    run("INSERT INTO like_it (film_id, title) VALUES (1, 'A')")
    run("MERGE INTO like_it AS t USING (VALUES (1, 'B'), (2, 'C')) AS s (film_id, title) "
        "ON t.film_id = s.film_id AND t.sys_end = 'infinity' WHEN MATCHED THEN UPDATE SET title = s.title "
        "WHEN NOT MATCHED THEN INSERT (film_id, title) VALUES (s.film_id, s.title)")
    assert run("SELECT film_id, title FROM like_it FOR SYSTEM_TIME ALL ORDER BY sys_start, title") == [(1, "A"), (1, "B"), (2, "C")]
    hashed = "meta.row_hash(jsonb_build_object('film_id', film_id::text, 'title', title))"
    assert run(f"SELECT DISTINCT row_hash = {hashed}, sys_period = tstzrange(sys_start, sys_end) FROM like_it FOR SYSTEM_TIME ALL".replace("::text", " :: text")) == [(True, True)]


def test_a_table_that_is_there_keeps_its_rows_and_versions(run: Any) -> None:
    run("CREATE TABLE old (id int PRIMARY KEY, v int UNIQUE)")
    run("INSERT INTO old SELECT n, n FROM generate_series(1, 3) AS n")
    assert run("SELECT CAST(scd_system_versioned('old') AS text)") == [("old_current",)]
    assert run("SELECT CAST(scd_system_versioned('old') AS text)") == [("old_current",)]
    run("UPDATE old SET v = 10 * v")
    run("UPDATE old SET v = v / 10")
    assert run("SELECT id, v FROM old FOR SYSTEM_TIME AS OF now() ORDER BY 1") == [(1, 1), (2, 2), (3, 3)]
    assert run("SELECT count(*) FROM old FOR SYSTEM_TIME ALL") == [(9,)]
    run("CREATE TABLE kept (id int, v int, sys_start timestamptz, sys_end timestamptz, PRIMARY KEY (id, sys_start))")
    run("INSERT INTO kept VALUES (1, 1, '2020-01-01', '2021-01-01'), (1, 2, '2021-01-01', NULL)")
    run("SELECT scd_system_versioned('kept')")
    assert run("SELECT v FROM kept FOR SYSTEM_TIME AS OF '2020-06-01'") == [(1,)]
    assert run("SELECT v FROM kept_current") == [(2,)]


def test_identities_odd_names_and_types_without_equality(run: Any) -> None:
    run("""CREATE TABLE "My '%% T" ("select" text, "1@$" int, n int GENERATED ALWAYS AS IDENTITY, doc json,
        PRIMARY KEY ("select", "1@$")) WITH (fillfactor = 70, system_versioning = on)""".replace("%%", "%"))
    name, view = '"My \'% T"', '"My \'% T_current"'
    run(f"""INSERT INTO {name} ("select", "1@$", doc) VALUES ('a', 1, '{{"x":  1}}')""")
    run(f"""UPDATE {view} SET doc = '{{"x": 1}}'""")
    run(f"DELETE FROM {name}")
    assert run(f"SELECT n, CAST(doc AS text) FROM {view} FOR SYSTEM_TIME ALL ORDER BY sys_start") == [(1, '{"x":  1}'), (1, '{"x": 1}')]
    run(f"ALTER TABLE {name} ADD COLUMN more int, DROP COLUMN doc")
    assert run(f"SELECT n, more FROM {name} FOR SYSTEM_TIME ALL") == [(1, None), (1, None)]
    assert run("SELECT CAST(reloptions AS text) FROM pg_class WHERE relname LIKE 'My%T' AND relnamespace = CAST('scratch' AS regnamespace)") == [("{fillfactor=70}",)]


def test_if_not_exists_makes_one_once(run: Any) -> None:
    for _ in range(2):
        run(ROWS.replace("TABLE", "TABLE IF NOT EXISTS"))
        run("UPDATE x SET v = 1; INSERT INTO x VALUES (1) ON CONFLICT DO NOTHING")
    assert run("SELECT v FROM x FOR SYSTEM_TIME ALL ORDER BY sys_start") == [(None,), (1,)]


def test_in_a_transaction_it_is_there_at_once_and_gone_with_it(run: Any, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SAVEPOINT s")
        connection.exec_driver_sql(ROWS.replace("TABLE", "TABLE IF NOT EXISTS"))
        connection.exec_driver_sql("INSERT INTO x VALUES (1, 1); UPDATE x SET v = 2; DELETE FROM x; INSERT INTO x VALUES (1, 3)")
        assert connection.exec_driver_sql("SELECT v FROM x FOR SYSTEM_TIME ALL").all() == [(3,)]
        connection.rollback()
    assert run(LEFT) == []


def test_columns_come_and_go_with_view_and_functions(run: Any) -> None:
    run(ROWS)
    run("CREATE TABLE y (id int PRIMARY KEY)")
    run("INSERT INTO y VALUES (1); INSERT INTO x VALUES (1, 1)")
    run("CREATE VIEW of_x AS SELECT id FROM x_current")
    run("ALTER TABLE x ADD COLUMN note text DEFAULT 'new'")
    assert run("SELECT id, note FROM x_current FOR SYSTEM_TIME AS OF now()") == [(1, "new")]
    assert run("SELECT id FROM of_x FOR SYSTEM_TIME AS OF now()") == [(1,)]
    run("ALTER TABLE x DROP COLUMN note, ALTER v TYPE bigint")
    assert run("SELECT id FROM of_x FOR SYSTEM_TIME AS OF now()") == [(1,)]
    with pytest.raises(DBAPIError, match="of_x depends on"):
        run("DROP TABLE x")
    run("ALTER TABLE x ADD UNIQUE (v)")
    run("UPDATE x SET v = 5000000000")
    run("ALTER TABLE x RENAME v TO w")
    run("ALTER TABLE scratch.x RENAME TO x_hist")
    assert run("SELECT w FROM x FOR SYSTEM_TIME ALL ORDER BY sys_start") == [(1,), (5000000000,)]
    assert run("SELECT id FROM of_x FOR SYSTEM_TIME AS OF now()") == [(1,)]
    run("DROP VIEW of_x")
    run("DROP TABLE x_hist")
    assert run("SELECT proname FROM pg_proc WHERE pronamespace = CAST('scratch' AS regnamespace)") == []
    run("DROP TABLE IF EXISTS x, y")


def test_a_view_of_a_notebook_is_asked_at_once_and_dropped_as_ever(run: Any) -> None:
    run("CREATE VIEW revenue AS SELECT store_id, sum(total_revenue) AS total FROM vw_monthly_revenue GROUP BY 1")
    assert run("SELECT * FROM revenue FOR SYSTEM_TIME AS OF '2023-07-01'") == []
    run("CREATE OR REPLACE VIEW revenue AS SELECT store_id, sum(total_revenue) AS total, 1 AS one FROM vw_monthly_revenue GROUP BY 1")
    assert run("SELECT one FROM revenue FOR SYSTEM_TIME AS OF '2023-07-01'") == []
    assert run("BEGIN READ ONLY; SELECT 'create table'") == [("create table",)]
    run("ROLLBACK")
    run("DROP VIEW revenue")
    run("CREATE TABLE mine (a int); DROP TABLE mine")


def test_the_owners_functions_and_the_notebooks_are_made_apart(run: Any, spare_url: URL, plain: Connection) -> None:
    run(ROWS)
    run("CREATE VIEW films AS SELECT x.id, f.title FROM x_current AS x JOIN dim_film AS f ON f.film_id = x.id")
    with closing(server.connect(spare_url)) as owner:
        functions.drop(owner)
        functions.regenerate(owner)
        owner.commit()
    assert functions.regenerate(plain) == {}
    plain.commit()
    assert run("SELECT * FROM films FOR SYSTEM_TIME AS OF now()") == []
    owners = "SELECT DISTINCT CAST(CAST(proowner AS regrole) AS text) FROM pg_proc WHERE pronamespace = CAST('scratch' AS regnamespace)"
    assert run(owners) == [(server.NOTEBOOK_ROLE,)]


def test_a_column_added_past_the_hook_is_told(run: Any, plain: Connection) -> None:
    run(ROWS)
    do(plain, "ALTER TABLE x ADD COLUMN w int")
    plain.commit()
    with pytest.raises(MedallionError, match=r"has a column that .*\n    lab\.regenerate\(\)"):
        run("SELECT w FROM x FOR SYSTEM_TIME ALL")
    functions.regenerate(plain)
    plain.commit()
    assert run("SELECT w FROM x FOR SYSTEM_TIME ALL") == []


# --- Views above it ----------------------------------------------------------------------------

ABOVE = ["CREATE VIEW mine (id, worth) AS SELECT id, v FROM x_current", "CREATE VIEW higher AS SELECT id FROM mine",
         "CREATE VIEW then_ AS SELECT id FROM x FOR SYSTEM_TIME AS OF '2099-01-01'",
         "CREATE VIEW then_current AS SELECT id FROM x_current FOR SYSTEM_TIME ALL"]  # fmt: skip
CHANGES_BELOW = ["ALTER TABLE x RENAME COLUMN y TO z", "ALTER TABLE x RENAME COLUMN v TO w", "ALTER TABLE x DROP COLUMN y", "ALTER TABLE x ALTER y TYPE bigint",
                 "ALTER TABLE x ADD COLUMN more int", "ALTER TABLE x RENAME CONSTRAINT x_pkey TO xk", "ALTER TABLE x RENAME TO x9",
                 "ALTER TABLE o DROP COLUMN a", "DROP TABLE o", "ALTER TABLE o ADD COLUMN b int", "DROP VIEW then_", "DROP VIEW then_current"]  # fmt: skip


@pytest.mark.first(2)
@pytest.mark.parametrize("sql", CHANGES_BELOW)
def test_views_above_a_table_keep_no_unrelated_change_from_it(run: Any, sql: str) -> None:
    run(f"CREATE TABLE x (id int PRIMARY KEY, v int, y int) {WITH}")
    run(f"CREATE TABLE o (id int PRIMARY KEY, a int) {WITH}")
    run("INSERT INTO x VALUES (1, 1, 1)")
    for view in ABOVE:
        run(view)
    run("COMMENT ON VIEW mine IS 'It''s mine'; COMMENT ON COLUMN mine.worth IS 'What it is worth'; GRANT SELECT ON mine TO PUBLIC")
    run(sql)
    for name in ("mine", "higher", "then_", "then_current"):
        if name not in sql:
            assert run(f"SELECT id FROM {name}") == [(1,)]
    assert run("SELECT id, worth FROM mine FOR SYSTEM_TIME AS OF now()") == [(1, 1)]
    assert run("SELECT id FROM higher FOR SYSTEM_TIME AS OF now()") == [(1,)]
    ((told, of_column, rights),) = run("""SELECT obj_description(oid, 'pg_class'), col_description(oid, 2), has_table_privilege('pg_monitor', oid, 'SELECT')
        FROM pg_class WHERE relname = 'mine'""")
    assert (told, of_column, rights) == ("It's mine", "What it is worth", True)
    if "TABLE x" in sql:
        run(f"INSERT INTO {'x9' if 'x9' in sql else 'x'} (id) VALUES (2)")
        assert run("SELECT id FROM higher ORDER BY 1") == [(1,), (2,)]


STANDARD = {
    "ALTER TABLE t ADD SYSTEM VERSIONING": "SELECT meta.scd_system_versioned('t')",
    "alter table only scratch.\"T '\" /* */ drop system versioning": "CALL meta.end_system_versioning('scratch.\"T ''\"')",
}


@pytest.mark.parametrize(("written", "sent"), STANDARD.items())
def test_the_standards_words_are_taken_where_they_mean_the_same(written: str, sent: str) -> None:
    assert rewrite(written) == sent
    assert rewrite(f"SELECT 1; {written} ;") == f"SELECT 1; {sent} ;"


# --- Its triggers, its end, its history of before, its time ------------------------------------

PAST_THE_HOOK = ["ALTER TABLE x DISABLE TRIGGER system_versioning_updated",
                 "ALTER TABLE x DISABLE TRIGGER USER; UPDATE x SET v = 0; ALTER TABLE x ENABLE TRIGGER USER", "DROP TRIGGER system_versioning_updated ON x",
                 'ALTER TABLE x DISABLE TRIGGER "~~~system_versioning_row"']  # fmt: skip


@pytest.mark.parametrize("sql", PAST_THE_HOOK)
def test_a_trigger_taken_away_past_the_hook_is_noticed_and_comes_back(run: Any, plain: Connection, sql: str) -> None:
    run(ROWS)
    do(plain, sql)
    plain.commit()
    with pytest.raises(MedallionError, match=re.escape(TEXTS["trigger missing"].split("{fact}")[1].splitlines()[0])):
        run("INSERT INTO x VALUES (1, 1)")
    assert functions.unkept(plain.cursor())[0].startswith("x: trigger ")
    plain.rollback()
    if "ENABLE" not in sql:
        with pytest.raises(MedallionError, match="needs its trigger"):
            run("ALTER TABLE x ADD COLUMN w int")
    run("SELECT scd_system_versioned('x')")
    run("INSERT INTO x VALUES (1, 1)")
    run("UPDATE x SET v = 2")
    assert functions.unkept(plain.cursor()) == []
    assert run("SELECT v FROM x FOR SYSTEM_TIME ALL ORDER BY 1") == [(1,), (2,)]


def test_versions_whose_table_was_dropped_past_the_hook_are_told_until_they_go_too(run: Any, plain: Connection) -> None:
    run(ROWS)
    do(plain, "DROP TABLE x CASCADE")
    plain.commit()
    assert functions.unkept(plain.cursor()) == ["history.x: its table was dropped, and these versions are left"]
    plain.commit()
    run("CREATE TABLE y (a int)")
    assert functions.unkept(plain.cursor()) == []


def test_versioning_ends_and_is_taken_up_again(run: Any) -> None:
    run(ROWS)
    run("INSERT INTO x VALUES (1, 1), (2, 2), (3, 3)")
    ((before,),) = run("SELECT clock_timestamp()")
    run("ALTER TABLE x DROP SYSTEM VERSIONING")
    ((between,),) = run("SELECT clock_timestamp()")
    run("UPDATE x SET v = 10 WHERE id = 1")
    run("DELETE FROM x WHERE id = 2")
    run("INSERT INTO x VALUES (4, 4)")
    assert run("SELECT id, v FROM x FOR SYSTEM_TIME AS OF :at ORDER BY 1", at=before) == [(1, 1), (2, 2), (3, 3)]
    assert run("SELECT id FROM x FOR SYSTEM_TIME AS OF :at", at=between) == []
    run("ALTER TABLE x ADD SYSTEM VERSIONING")
    run("UPDATE x SET v = 11 WHERE id = 1")
    assert run("SELECT id, v FROM x FOR SYSTEM_TIME AS OF :at ORDER BY 1", at=before) == [(1, 1), (2, 2), (3, 3)]
    assert run("SELECT id, v FROM x_current ORDER BY 1") == [(1, 11), (3, 3), (4, 4)]
    assert run("SELECT id, v FROM x FOR SYSTEM_TIME ALL ORDER BY 1, sys_start") == [
        (1, 1), (1, 10), (1, 11), (2, 2), (3, 3), (3, 3), (4, 4)]  # fmt: skip
    assert run("SELECT id FROM x FOR SYSTEM_TIME AS OF :at", at=between) == []
    with pytest.raises(MedallionError, match="DROP SYSTEM VERSIONING"):
        run("ALTER TABLE x DISABLE TRIGGER ALL")


def test_history_that_somebody_has_is_loaded_while_versioning_has_ended(run: Any, plain: Connection) -> None:
    run(ROWS)
    run("INSERT INTO x VALUES (1, 3)")
    load = "INSERT INTO history.x (id, v, sys_start, sys_end) VALUES "
    with pytest.raises(DBAPIError, match="row-level security"):
        run(f"{load} (1, 1, '2020-01-01', '2021-01-01')")
    run("ALTER TABLE x DROP SYSTEM VERSIONING")
    run(f"{load} (1, 1, '2020-01-01', '2021-01-01'), (1, 2, '2021-01-01', '2022-01-01'), (5, 5, '2020-01-01', '2021-01-01')")
    do(plain, "BEGIN")
    do(plain, f"{load} (1, 9, '2020-06-01', '2020-07-01')")
    assert "versions of (1) at one time" in told(plain, "SELECT meta.scd_system_versioned('x')")
    plain.rollback()
    assert fault(plain, "UPDATE history.x SET v = 7") == "42501"
    plain.rollback()
    run("ALTER TABLE x ADD SYSTEM VERSIONING")
    assert run("SELECT id, v FROM x FOR SYSTEM_TIME AS OF '2020-07-01' ORDER BY 1") == [(1, 1), (5, 5)]
    assert run("SELECT id, v FROM x FOR SYSTEM_TIME AS OF '2021-07-01'") == [(1, 2)]
    assert run("SELECT id, v FROM x FOR SYSTEM_TIME AS OF '2023-07-01'") == []


def run_(connection: Connection, sql: str, **parameters: int) -> None:
    assert fault(connection, sql, **parameters) is None


def told(connection: Connection, sql: str) -> str:
    with pytest.raises(psycopg2.Error) as error:
        do(connection, sql)
    return str(error.value)


@pytest.mark.slow
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(transactions=TRANSACTIONS)
def test_changes_are_replayed_at_their_times(table: Connection, maker: Connection, transactions: list[Any]) -> None:
    """The model's instants are transactions' own, so those of the replay are put in their place."""
    versions = played(table, maker, transactions)
    emptied(table, maker, "t")
    began = sorted({row[2] for row in versions} | {row[3] for row in versions if row[3] != FOREVER})
    at = {instant: datetime(2020, 1, 1 + i, tzinfo=UTC) for i, instant in enumerate(began)} | {FOREVER: FOREVER}
    for instant in began:
        do(table, "SELECT meta.set_system_time('t', %s)", at[instant])
        ends = {row[0] for row in versions if row[3] == instant}
        begins = {row[0]: row[1] for row in versions if row[2] == instant}
        for key in ends - begins.keys():
            do(table, "DELETE FROM t WHERE id = %s", key)
        for key, v in begins.items():
            run_(table, SQL["upsert"], a=key, b=v)
        do(table, "SELECT meta.set_system_time('t', NULL)")
        table.commit()
    held = do(table, "SELECT id, v, sys_start, sys_end FROM t__all()")
    assert sorted(held) == sorted((key, v, at[start], at[end]) for key, v, start, end in versions)
    table.rollback()


def test_only_the_owner_sets_the_time_and_no_statement_goes_back(table: Connection, maker: Connection) -> None:
    do(table, "INSERT INTO t (id, v) VALUES (1, 1)")
    do(table, "GRANT SELECT, INSERT, UPDATE, DELETE ON t TO pg_monitor")
    table.commit()
    do(maker, "GRANT USAGE ON SCHEMA scratch TO pg_monitor; SET ROLE pg_monitor")
    assert "Only the owner of scratch.t" in told(maker, "SELECT meta.set_system_time('scratch.t', '2020-01-01')")
    maker.rollback()
    do(maker, "GRANT USAGE ON SCHEMA scratch TO pg_monitor; SET ROLE pg_monitor")
    do(maker, "UPDATE history.tables SET system_time = '2020-01-01'")  # of no row
    do(maker, "RESET ROLE")
    assert do(maker, "SELECT count(*) FROM history.tables WHERE system_time IS NOT NULL") == [(0,)]
    maker.rollback()
    do(table, "SELECT meta.set_system_time('t', '2020-01-01')")
    assert fault(table, "UPDATE t SET v = 2") == "40001"
    table.rollback()


def test_a_statement_that_goes_on_is_of_one_time(table: Connection, notebook_url: URL) -> None:
    """Who sets another meanwhile waits."""
    times = ["2020-01-01", "2020-02-01", "2020-03-01"]
    set_ = "SELECT set_system_time('t', '{}')"
    do(table, f"{set_.format(times[0])}; INSERT INTO t (id, v) VALUES (1, 1), (2, 2)")
    table.commit()
    do(table, set_.format(times[1]))
    table.commit()
    with other(notebook_url) as one, other(notebook_url) as two:
        do(table, "SELECT FROM t WHERE id = 2 FOR UPDATE")
        both = [threading.Thread(target=lambda on=on, sql=sql: (do(on, sql), on.commit()))
                for on, sql in ((one, "UPDATE t SET v = 9"), (two, set_.format(times[2])))]  # fmt: skip
        for each in both:
            each.start()
            each.join(0.2)
            assert each.is_alive()
        table.commit()
        for each in both:
            each.join()
    held = do(table, "SELECT id, sys_start::date::text, isfinite(sys_end) FROM t__all() ORDER BY id, sys_start")
    assert held == [(id_, at, at == times[0]) for id_ in (1, 2) for at in times[:2]]


@pytest.mark.parametrize("sql", ["UPDATE x SET v = 2 WHERE back()", "DELETE FROM x WHERE back()"])
def test_no_version_is_lost_to_a_time_that_is_set_while_a_statement_goes_on(run: Any, sql: str) -> None:
    run(f"{ROWS}; INSERT INTO x VALUES (1, 1)")
    run("CREATE FUNCTION back() RETURNS boolean LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM set_system_time('x', '2020-01-01'); RETURN true; END$$")
    with pytest.raises(DBAPIError, match="a version of"):
        run(sql)
    assert run("SELECT v FROM x FOR SYSTEM_TIME ALL") == [(1,)]


def test_a_statement_that_sets_the_time_itself_is_of_that_time(run: Any) -> None:
    run(ROWS)
    for month, sql in enumerate(["INSERT INTO x SELECT 1, 1 FROM it", "UPDATE x SET v = 2 FROM it", "DELETE FROM x USING it"], 1):
        run(f"WITH it AS MATERIALIZED (SELECT set_system_time('x', '2020-0{month}-01')) {sql}")
        run("SELECT set_system_time('x', NULL)")
    held = run("SELECT v, sys_start::date::text, sys_end::date::text FROM x FOR SYSTEM_TIME ALL ORDER BY v")
    assert held == [(1, "2020-01-01", "2020-02-01"), (2, "2020-02-01", "2020-03-01")]


def test_a_copy_that_waited_for_who_sets_the_time_is_of_that_time(run: Any, plain: Connection, notebook_url: URL) -> None:
    """Its snapshot is of before it waited."""
    run(ROWS)
    do(plain, "SELECT set_system_time('x', '2020-01-01')")
    with other(notebook_url) as one, one.cursor() as cursor:
        copying = threading.Thread(target=cursor.copy_expert, args=("COPY x (id, v) FROM STDIN", io.StringIO("1\t1\n")))
        copying.start()
        copying.join(0.2)
        assert copying.is_alive()
        plain.commit()
        copying.join()
        one.commit()
    assert run("SELECT id, sys_start::date::text FROM x") == [(1, "2020-01-01")]


@pytest.mark.parametrize("sql", ["UPDATE x SET v = late(id)", "INSERT INTO x SELECT id + 2, late(id) FROM x ORDER BY id"])
def test_a_time_that_is_set_after_a_statements_first_row_is_refused(run: Any, sql: str) -> None:
    run(f"{ROWS}; SELECT set_system_time('x', '2020-01-01'); INSERT INTO x VALUES (1, 1), (2, 2); SELECT set_system_time('x', NULL)")
    run("CREATE FUNCTION late(id int) RETURNS int LANGUAGE plpgsql AS "
        "$$BEGIN IF id = 2 THEN PERFORM set_system_time('x', '2021-01-01'); END IF; RETURN id + 8; END$$")
    with pytest.raises(DBAPIError, match="a version of"):
        run(sql)
    assert run("SELECT v FROM x FOR SYSTEM_TIME ALL ORDER BY v") == [(1,), (2,)]


def test_what_a_function_puts_back_while_a_statement_goes_on_goes_on(run: Any) -> None:
    run(f"{ROWS}; INSERT INTO x VALUES (1, 1), (2, 2)")
    before = run("SELECT id, sys_start FROM x ORDER BY id")
    run("CREATE FUNCTION reverts() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE x SET v = 1 WHERE id = 1; RETURN 2; END'")
    run("UPDATE x SET v = CASE id WHEN 1 THEN 5 ELSE reverts() END")
    assert run("SELECT id, sys_start FROM x FOR SYSTEM_TIME ALL ORDER BY id") == before


def test_rows_that_change_places_go_on_where_they_are_alike(run: Any) -> None:
    run(f"CREATE TABLE x (id int PRIMARY KEY DEFERRABLE, v int) {WITH}; INSERT INTO x VALUES (1, 1), (2, 1), (3, 3)")
    before = run("SELECT id, v, sys_start FROM x ORDER BY id")
    run("UPDATE x SET id = 3 - id WHERE id < 3")
    assert run("SELECT id, v, sys_start FROM x FOR SYSTEM_TIME ALL ORDER BY id") == before
    run("UPDATE x SET id = 4 - id WHERE id <> 2")
    assert run("SELECT id, v FROM x FOR SYSTEM_TIME ALL ORDER BY id, v") == [(1, 1), (1, 3), (2, 1), (3, 1), (3, 3)]


def test_what_each_statement_asks_of_the_catalog_is_of_its_own_time(run: Any, plain: Connection) -> None:
    """On one connection, whose plans are kept."""
    run(f"{ROWS}; INSERT INTO x VALUES (1, 1)")
    did = ["", "ALTER TABLE x ADD COLUMN twice int GENERATED ALWAYS AS (2 * v) STORED", "ALTER TABLE x DROP COLUMN twice",
           "SELECT meta.set_system_time('x', clock_timestamp())", "SELECT meta.set_system_time('x', NULL)"]  # fmt: skip
    for v, sql in enumerate(did, 2):
        for change in (sql, "UPDATE x SET v = v", f"UPDATE x SET v = {v}", "UPDATE x SET v = v"):
            do(plain, change or "SELECT")
            plain.commit()
    assert run("SELECT v, isfinite(sys_end) FROM x FOR SYSTEM_TIME ALL ORDER BY v") == [(v, v < 6) for v in range(1, 7)]
    run("CREATE TABLE above (LIKE x)")
    do(plain, "ALTER TABLE x INHERIT above")
    plain.commit()
    for table in ("x", "above"):
        assert fault(plain, f"UPDATE {table} SET v = 9") == "ST002"


# As an earlier version had it: one trigger of all rows, and none of those that it makes way for.
EARLIER = """DROP TRIGGER "~~~system_versioning_row_deleted" ON x; DROP TRIGGER "~~~system_versioning_row_inserted" ON x;
    DROP TRIGGER "~~~system_versioning_row_updated" ON x;
    CREATE OR REPLACE TRIGGER "~~~system_versioning_row" BEFORE INSERT OR UPDATE OR DELETE ON x
        FOR EACH ROW EXECUTE FUNCTION meta.versioned_before_row();
    UPDATE history.tables SET triggers = meta.triggers_as_made(versioned)"""


@pytest.mark.parametrize("since", ["", "ALTER TABLE x DISABLE TRIGGER USER; ALTER TABLE x ENABLE TRIGGER USER",
                                   "DROP TRIGGER system_versioning_updated ON x"])  # fmt: skip
def test_the_triggers_of_an_earlier_version_get_others_unless_one_was_taken_away(
    run: Any, plain: Connection, spare_url: URL, since: str
) -> None:
    run(f"{ROWS}; INSERT INTO x VALUES (1, 1)")
    do(plain, EARLIER)
    plain.commit()
    do(plain, since or "SELECT")
    plain.commit()
    with closing(server.connect(spare_url)) as owner, owner, owner.cursor() as cursor:
        databases.make_procedures(cursor)
    with pytest.raises(MedallionError, match="trigger") if since else nullcontext():
        run("UPDATE x SET v = 2")
    assert run("SELECT v FROM x FOR SYSTEM_TIME ALL") == [(1,)] if since else [(1,), (2,)]


def test_a_trigger_that_stops_a_row_from_going_on_is_told(run: Any) -> None:
    run(ROWS)
    run("CREATE FUNCTION stops() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    run("INSERT INTO x VALUES (1, 1)")
    run("CREATE TRIGGER stops BEFORE UPDATE ON x FOR EACH ROW WHEN (NEW IS NOT DISTINCT FROM OLD) EXECUTE FUNCTION stops()")
    with pytest.raises(MedallionError, match=r"WHEN \(NEW IS DISTINCT FROM OLD\)"):
        run("WITH gone AS (DELETE FROM x RETURNING *) INSERT INTO x (id, v) SELECT id, v FROM gone")


def test_closed_versions_of_a_users_type_are_not_converted(run: Any) -> None:
    run("CREATE TYPE mood AS ENUM ('glad'); CREATE TYPE feeling AS ENUM ('glad')")
    run(f"CREATE TABLE x (id int PRIMARY KEY, m mood, d numeric) {WITH}")
    run("INSERT INTO x VALUES (1, 'glad', 1.5)")
    run("UPDATE x SET d = 2.5")
    with pytest.raises(MedallionError, match="closed versions with a column m of type"):
        run("ALTER TABLE x ALTER m TYPE text")
    run("ALTER TABLE x ALTER d TYPE text USING CAST(d AS text), ALTER m TYPE mood USING m")
    assert run("SELECT d FROM x FOR SYSTEM_TIME ALL ORDER BY 1") == [("1.5",), ("2.5",)]


def test_who_was_granted_to_write_keeps_versions_too(run: Any, spare_url: URL) -> None:
    run(ROWS)
    with closing(server.connect(spare_url)) as owner:
        do(owner, "CREATE ROLE versioning_colleague; GRANT USAGE ON SCHEMA scratch TO versioning_colleague")
        do(owner, "GRANT SELECT, INSERT, UPDATE, DELETE ON scratch.x TO versioning_colleague; SET ROLE versioning_colleague")
        do(owner, "INSERT INTO scratch.x VALUES (1, 1); UPDATE scratch.x SET v = 2; DELETE FROM scratch.x")
        do(owner, "INSERT INTO scratch.x VALUES (1, 3)")
        assert do(owner, "SELECT v FROM scratch.x") == [(3,)]
        owner.rollback()


def test_installed_on_an_engine_and_on_its_options_it_works_once(run: Any, engine: Engine) -> None:
    run(ROWS)
    again = engine.execution_options(isolation_level="AUTOCOMMIT").execution_options(logging_token="x")
    for each in (again, engine, again):
        system_time.install(each)
        with each.connect() as connection:
            connection.exec_driver_sql("ALTER TABLE x ADD COLUMN w int, DROP COLUMN IF EXISTS y")
            assert connection.exec_driver_sql("SELECT w FROM x FOR SYSTEM_TIME ALL").all() == []
            connection.exec_driver_sql("ALTER TABLE x DROP COLUMN w; ALTER TABLE x ADD COLUMN y int")
            connection.exec_driver_sql("COMMIT")


@pytest.mark.parametrize(("sql", "problem"), [
    ("ALTER TABLE x ADD COLUMN w int; DROP TABLE IF EXISTS y", None),
    ("SELECT v FROM x FOR SYSTEM_TIME ALL", None),
    ("SELECT v INTO y FROM x", None),
    ("SELECT v FROM x FOR SYSTEM_TIME AS OF 'never'", "instant"),
    ("SELECT v FROM x__as_of('never')", "instant"),
    ("ALTER TABLE x DISABLE TRIGGER ALL", "needs its trigger"),
    (f"CREATE TABLE x (id int PRIMARY KEY) {WITH}", "already exists"),
])  # fmt: skip
def test_a_statement_is_read_once(
    run: Any, monkeypatch: pytest.MonkeyPatch, sql: str, problem: str | None
) -> None:
    run(ROWS)
    texts = []

    def read(text: str) -> list[tokens.Token]:
        texts.append(text)
        return tokens.tokenize(text)

    for module in (clause, hook):
        monkeypatch.setattr(module, "tokenize", read)
    with pytest.raises((MedallionError, DBAPIError), match=problem) if problem else nullcontext():
        run(f"{sql} /* once */")
    assert [text.endswith("/* once */") for text in texts].count(True) == 1


def test_strings_end_where_the_session_has_them_end(run: Any) -> None:
    run("SET standard_conforming_strings = off")
    run("SET escape_string_warning = off")
    try:
        assert run(r"SELECT 'a\' FROM t FOR SYSTEM_TIME ALL', 'b\'c'") == [("a' FROM t FOR SYSTEM_TIME ALL", "b'c")]
        assert run(r"SELECT 'it\'s t FOR SYSTEM_TIME', 'ALTER TABLE \''") == [("it's t FOR SYSTEM_TIME", "ALTER TABLE '")]
    finally:
        run("RESET standard_conforming_strings")


def test_its_objects_say_what_they_are(run: Any) -> None:
    run(ROWS)
    assert run("""SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE pronamespace = CAST('meta' AS regnamespace)
        AND obj_description(p.oid, 'pg_proc') IS NULL""".replace("::", " :: ")) == []
    assert run("SELECT obj_description(oid, 'pg_class') FROM pg_class WHERE relname = 'x_current'") == [("The rows of scratch.x as they are now.",)]
