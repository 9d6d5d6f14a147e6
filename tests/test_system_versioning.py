"""Tables that keep their versions themselves, against a plain Python model of what they hold."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import DBAPIError

from medallion_lib import Medallion, databases, server, system_time, versioned
from medallion_lib.errors import TEXTS, MedallionError
from medallion_lib.pair import SEARCH_PATH
from medallion_lib.system_time import rewrite

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
    for (kind, name) in run(LEFT):
        run(f"DROP {kind} IF EXISTS {name} CASCADE")
    connection.close()


LEFT = """SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, format('scratch.%I', relname)
    FROM pg_class WHERE relnamespace = CAST('scratch' AS regnamespace) AND relkind IN ('r', 'v', 'p')"""


@pytest.fixture(scope="module")
def plain(notebook_url: URL) -> Iterator[Connection]:
    """A connection of the notebooks' role with nothing of ours between."""
    with other(notebook_url) as connection:
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
]  # fmt: skip
UNTOUCHED = [
    "SELECT 'CREATE TABLE t (a int) WITH (system_versioning = true)'",
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
    "upsert": "INSERT INTO t (id, v) VALUES (%(a)s, %(b)s) ON CONFLICT (id) WHERE sys_end = 'infinity' DO UPDATE SET v = excluded.v",
    "merge": """MERGE INTO t_current AS t USING (VALUES (%(a)s, %(b)s)) AS s (id, v) ON t.id = s.id
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


def played(connection: Connection, transactions: list[Any]) -> list[Version]:
    """What the table must hold after these transactions: which are run, and followed in the model.

    It is emptied first, with its triggers off, which its owner may do.
    """
    do(connection, "ALTER TABLE t DISABLE TRIGGER USER; TRUNCATE t; ALTER TABLE t ENABLE TRIGGER USER")
    connection.commit()
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


# Each form, as SQL Server's documentation has it, of a version's start and end.
FORMS = {
    "AS OF a.at": lambda s, e, a, b: s <= a < e,
    "FROM a.at TO b.at": lambda s, e, a, b: s < b and e > a,
    "BETWEEN a.at AND b.at": lambda s, e, a, b: s <= b and e > a,
    "CONTAINED IN (a.at, b.at)": lambda s, e, a, b: s >= a and e <= b,
    "ALL": lambda s, e, a, b: True,
}


@pytest.fixture
def table(run: Any, plain: Connection) -> Iterator[Connection]:
    """A connection, with an empty table t."""
    run(TABLE)
    yield plain
    plain.rollback()


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(transactions=TRANSACTIONS)
def test_every_version_in_every_form_at_and_beside_every_boundary(
    table: Connection, transactions: list[Any]
) -> None:
    versions = played(table, transactions)
    held = "SELECT id, v, sys_start, sys_end, twice, sys_period = tstzrange(sys_start, sys_end) FROM t"
    assert sorted(do(table, held)) == [(*row, row[1] * 2, True) for row in versions]
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
        held = do(table, "SELECT * FROM t ORDER BY id, sys_start")
        table.commit()
        with pytest.raises(psycopg2.errors.SerializationFailure) as error:
            do(early, sql)
        assert "Roll back, and run the transaction again." in str(error.value)
        early.rollback()
        assert do(early, "SELECT * FROM t ORDER BY id, sys_start") == held
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
        rows = do(one, "SELECT v, sys_start, sys_end FROM t ORDER BY sys_start")
        assert [row[0] for row in rows] == ([0, 1, 11] if first_began else [0, 1])
        assert [row[2] for row in rows] == [*(row[1] for row in rows[1:]), FOREVER]


def test_what_alters_nothing_leaves_even_the_row_that_is_returned(table: Connection, notebook_url: URL) -> None:
    with other(notebook_url) as early:
        do(early, "SELECT")
        inserted = do(table, "INSERT INTO t (id, v) VALUES (1, 1) RETURNING *")
        table.commit()
        for connection in (table, early):
            assert do(connection, "UPDATE t SET v = v RETURNING *") == inserted
            connection.commit()
        assert do(table, "SELECT * FROM t") == inserted


# --- Closed versions ---------------------------------------------------------------------------

FORGED = ["UPDATE t SET v = 7", "DELETE FROM t", "INSERT INTO t (id) VALUES (8)",
          "UPDATE t SET v = 7 WHERE sys_end < 'infinity'", "DELETE FROM t WHERE sys_end < 'infinity'",
          "MERGE INTO t USING (SELECT) AS s ON t.sys_end < 'infinity' WHEN MATCHED THEN UPDATE SET v = 7"]  # fmt: skip


@pytest.mark.parametrize("sql", FORGED)
def test_a_session_of_the_role_leaves_closed_versions_as_they_are(table: Connection, sql: str) -> None:
    do(table, "INSERT INTO t (id, v) VALUES (1, 1)")
    table.commit()
    do(table, "UPDATE t SET v = 2")
    table.commit()
    closed = "SELECT * FROM t WHERE sys_end < now() ORDER BY sys_start LIMIT 1"
    before = do(table, closed)
    do(table, "SET medallion.keeping_history = %s", str(do(table, "SELECT 't'::regclass::oid")[0][0]))
    do(table, sql)
    table.commit()
    assert do(table, closed) == before
    assert do(table, "SELECT count(*) FROM t GROUP BY sys_start, id HAVING count(*) > 1") == []
    do(table, "RESET medallion.keeping_history")


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
    ("constraint on versions", f"{SOME}, y int REFERENCES x) {WITH}", "DROP CONSTRAINT x_y_fkey"),
    ("constraint on versions", f"{SOME}, EXCLUDE USING gist (v WITH =)) {WITH}", "DROP CONSTRAINT x_v_excl"),
    ("period written", f"{ROWS}; INSERT INTO x (id, sys_start) VALUES (1, '2020-01-01')", "Leave them out"),
    ("period written", f"{ROWS}; INSERT INTO x (id, sys_end) VALUES (1, now())", "DELETE FROM scratch.x_current"),
    ("period written", f"{ROWS}; INSERT INTO x VALUES (1); UPDATE x SET sys_end = now()", "delete it"),
    ("period written", f"{ROWS}; INSERT INTO x VALUES (1); UPDATE x_current SET sys_start = '2020-01-01'", "Leave them out"),
    ("history truncated", f"{ROWS}; TRUNCATE x", "DELETE FROM scratch.x"),
    ("history merged", f"{ROWS}; MERGE INTO x USING (SELECT 1 AS id) AS s ON x.id = s.id WHEN MATCHED THEN DELETE", "MERGE INTO scratch.x_current"),
    ("conflict with history", f"{ROWS}; INSERT INTO x VALUES (1) ON CONFLICT (id) DO NOTHING", "ON CONFLICT (id) WHERE sys_end = 'infinity'"),
    ("versioning taken apart", f"{ROWS}; ALTER TABLE x DROP COLUMN sys_start CASCADE", "sys_start"),
    ("versioning taken apart", f"{ROWS}; ALTER TABLE x DROP CONSTRAINT x_pkey", "WITHOUT OVERLAPS"),
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
    ours = names[names.index("option not read") :]
    assert {*ours} == {"transaction began before", *(name for name, _, _ in REFUSED)}


def test_what_is_no_refusal_stays_postgresqls(run: Any) -> None:
    run(ROWS)
    run("INSERT INTO x VALUES (1, 1)")
    run("CREATE TABLE y (a int)")
    for sql, state in [("INSERT INTO x VALUES (1)", "23505"), ("INSERT INTO x VALUES (2, 1)", "23505"),
                       ("INSERT INTO y VALUES (1) ON CONFLICT (a) DO NOTHING", "42P10")]:  # fmt: skip
        with pytest.raises(DBAPIError) as error:
            run(sql)
        assert error.value.orig.pgcode == state


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
    assert run("SELECT film_id, title FROM like_it ORDER BY sys_start, title") == [(1, "A"), (1, "B"), (2, "C")]
    hashed = "hashtextextended(jsonb_strip_nulls(jsonb_build_object('film_id', film_id, 'title', title))::text, 0)"
    assert run(f"SELECT DISTINCT row_hash = {hashed} FROM like_it".replace("::text", " :: text")) == [(True,)]


def test_a_table_that_is_there_keeps_its_rows_and_versions(run: Any) -> None:
    run("CREATE TABLE old (id int PRIMARY KEY, v int UNIQUE)")
    run("INSERT INTO old SELECT n, n FROM generate_series(1, 3) AS n")
    assert run("SELECT CAST(scd_system_versioned('old') AS text)") == [("old_current",)]
    assert run("SELECT CAST(scd_system_versioned('old') AS text)") == [("old_current",)]
    run("UPDATE old SET v = 10 * v")
    run("UPDATE old SET v = v / 10")
    assert run("SELECT id, v FROM old FOR SYSTEM_TIME AS OF now() ORDER BY 1") == [(1, 1), (2, 2), (3, 3)]
    assert run("SELECT count(*) FROM old") == [(9,)]
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
    assert run("SELECT CAST(reloptions AS text) FROM pg_class WHERE relname LIKE 'My%T'") == [("{fillfactor=70}",)]


def test_if_not_exists_makes_one_once(run: Any) -> None:
    for _ in range(2):
        run(ROWS.replace("TABLE", "TABLE IF NOT EXISTS"))
        run("UPDATE x SET v = 1; INSERT INTO x VALUES (1) ON CONFLICT DO NOTHING")
    assert run("SELECT v FROM x ORDER BY sys_start") == [(None,), (1,)]


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
    with pytest.raises(DBAPIError, match="of_x depends on"):
        run("ALTER TABLE x DROP COLUMN note")
    assert run("SELECT id, note FROM x FOR SYSTEM_TIME AS OF now()") == [(1, "new")]
    run("DROP VIEW of_x")
    run("ALTER TABLE x DROP COLUMN note, ALTER v TYPE bigint")
    with pytest.raises(MedallionError, match="DROP CONSTRAINT x_v_fkey"):
        run("ALTER TABLE x ADD FOREIGN KEY (v) REFERENCES y")
    run("ALTER TABLE x ADD UNIQUE (v)")
    assert run("SELECT count(*) FROM pg_index WHERE indrelid = CAST('x' AS regclass) AND indpred IS NOT NULL") == [(3,)]
    run("UPDATE x SET v = 5000000000")
    run("ALTER TABLE x RENAME v TO w")
    run("ALTER TABLE scratch.x RENAME TO x_hist")
    assert run("SELECT w FROM x FOR SYSTEM_TIME ALL ORDER BY sys_start") == [(1,), (5000000000,)]
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
        versioned.drop(owner)
        versioned.regenerate(owner)
        owner.commit()
    assert versioned.regenerate(plain) == {}
    plain.commit()
    assert run("SELECT * FROM films FOR SYSTEM_TIME AS OF now()") == []
    owners = "SELECT DISTINCT CAST(CAST(proowner AS regrole) AS text) FROM pg_proc WHERE pronamespace = CAST('scratch' AS regnamespace)"
    assert run(owners) == [(server.NOTEBOOK_ROLE,)]


def test_its_objects_say_what_they_are(run: Any) -> None:
    run(ROWS)
    assert run("""SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE pronamespace = CAST('meta' AS regnamespace)
        AND obj_description(p.oid, 'pg_proc') IS NULL""".replace("::", " :: ")) == []
    assert run("SELECT obj_description(oid, 'pg_class') FROM pg_class WHERE relname = 'x_current'") == [("The rows of scratch.x as they are now.",)]
