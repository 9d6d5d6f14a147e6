"""Random versions `AS OF` each of their boundaries are the model's."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from medallion_lib import server, sqlfile, system_time
from medallion_lib.system_time import functions, tokens
from medallion_lib.system_time import SystemTimeError

TABLES = """
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE SCHEMA silver; CREATE SCHEMA gold; CREATE SCHEMA scratch;
CREATE TABLE silver.item_hist (
    id int, name text, "Odd Col" int, sys_start timestamptz, sys_end timestamptz,
    sys_period tstzrange GENERATED ALWAYS AS (tstzrange(sys_start, sys_end)) STORED,
    PRIMARY KEY (id, sys_period WITHOUT OVERLAPS)
);
CREATE TABLE silver.sale (
    id int, sold date, item_id int, amount numeric, sys_start timestamptz, sys_end timestamptz,
    PRIMARY KEY (id, sold, sys_end)
) PARTITION BY RANGE (sold);
CREATE TABLE silver.sale_1 PARTITION OF silver.sale
    FOR VALUES FROM ('2023-01-01') TO ('2023-02-01');
CREATE TABLE silver.sale_rest PARTITION OF silver.sale DEFAULT;
CREATE VIEW silver.item AS
    SELECT id, name AS "Name", "Odd Col", sys_start
    FROM silver.item_hist WHERE sys_end = 'infinity';
CREATE VIEW silver.sale_current AS
    SELECT id, sold, item_id, amount FROM silver.sale s WHERE s.sys_end = 'infinity'::timestamptz;
CREATE VIEW gold.mart AS
    WITH paid AS (
        SELECT item_id, sum(amount) AS amount FROM silver.sale_current GROUP BY item_id
    )
    SELECT item."Name" AS name, coalesce(sum(paid.amount), 0) AS total,
        'FROM silver.item, %s %(x)s' AS noise
    FROM silver.item FULL JOIN paid ON paid.item_id = item.id GROUP BY item."Name";
CREATE VIEW gold.top AS
    SELECT a.name, a.total, (SELECT count(*) FROM gold.mart b WHERE b.total > a.total) AS above
    FROM gold.mart a, LATERAL (SELECT 1) x;
"""
FRESH = "DROP SCHEMA IF EXISTS silver, gold, scratch CASCADE"
PATH = "SET TimeZone = 'UTC'; SET search_path = scratch, gold, silver, public"
HINT = "For today's rows, leave FOR SYSTEM_TIME out."
EPOCH = datetime(2023, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def database(spare_url: URL) -> Iterator[Connection]:
    """A connection to a database with the tables above and their functions."""
    connection = server.connect(spare_url)
    connection.autocommit = True
    execute(connection, f"{PATH}; {FRESH}; {TABLES}")
    functions.regenerate(connection)
    yield connection
    execute(connection, FRESH)
    connection.close()


@pytest.fixture(scope="module")
def engine(database: Connection, spare_url: URL) -> Iterator[Engine]:
    def connect() -> Connection:
        connection = server.connect(spare_url)
        execute(connection, PATH)
        connection.commit()
        return connection

    engine = create_engine("postgresql+psycopg2://", creator=connect, pool_size=2, max_overflow=0)
    system_time.install(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def scratch(database: Connection) -> Iterator[Connection]:
    """The database, for views that are gone again after the test."""
    yield database
    execute(database, "DROP SCHEMA scratch CASCADE; CREATE SCHEMA scratch")
    functions.regenerate(database)


def execute(connection: Connection, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []


def as_of(connection: Connection, relation: str, instant: datetime) -> list[tuple[Any, ...]]:
    sql = system_time.rewrite(f"SELECT * FROM {relation} FOR SYSTEM_TIME AS OF %s ORDER BY 1, 2")
    return execute(connection, sql, instant)


# --- The answers -------------------------------------------------------------------------------

History = dict[int, list[tuple[int, int | None, int]]]  # key: (start, end, value) in seconds


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Versions of up to four keys, with gaps, that share instants across keys."""
    history: History = {}
    for key in range(draw(st.integers(0, 4))):
        times = sorted(draw(st.sets(st.integers(0, 9), max_size=6)))
        ends = [*times[1:], None]
        rows = [(*pair, draw(st.integers(0, 3))) for pair in zip(times, ends, strict=False)]
        history[key] = [row for row in rows if row[2]]  # a value of 0 is a gap
    return history


def live(history: History, at: float) -> dict[int, int]:
    """The model: each key's value at an instant; a start belongs to the version, an end not."""
    return {
        key: value
        for key, versions in history.items()
        for start, end, value in versions
        if start <= at and (end is None or at < end)
    }


def load(connection: Connection, items: History, sales: History) -> None:
    """Both histories into the tables; a sale's month and item follow from its value and key."""
    execute(connection, "TRUNCATE silver.item_hist, silver.sale")
    insert_item = """INSERT INTO silver.item_hist (sys_start, sys_end, id, name, "Odd Col")
        VALUES (%s, coalesce(%s, 'infinity'::timestamptz), %s, %s, %s)"""
    insert_sale = """INSERT INTO silver.sale (sys_start, sys_end, id, sold, item_id, amount)
        VALUES (%s, coalesce(%s, 'infinity'::timestamptz), %s, %s, %s, %s)"""
    for key, start, end, value in versions(items):
        execute(connection, insert_item, start, end, key, f"item {value}", value)
    for key, start, end, value in versions(sales):
        sold = EPOCH.date() + timedelta(days=20 * value)
        execute(connection, insert_sale, start, end, key, sold, key % 3, value)


def versions(history: History) -> Iterator[tuple[int, datetime, datetime | None, int]]:
    for key, rows in history.items():
        for start, end, value in rows:
            yield key, moment(start), None if end is None else moment(end), value


def moment(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def mart(items: dict[int, int], sales: dict[int, int]) -> list[tuple[str | None, Decimal]]:
    paid: dict[int, int] = {}
    for key, amount in sales.items():
        paid[key % 3] = paid.get(key % 3, 0) + amount
    totals: dict[str | None, int] = {f"item {value}": 0 for value in items.values()}
    for key in {*items, *paid}:
        name = f"item {items[key]}" if key in items else None
        totals[name] = totals.get(name, 0) + paid.get(key, 0)
    named = sorted((name, total) for name, total in totals.items() if name)
    return [*named, (None, totals[None])] if None in totals else named


@pytest.mark.slow
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(items=histories(), sales=histories())
def test_every_relation_as_of_every_boundary_equals_the_model(
    database: Connection, items: History, sales: History
) -> None:
    load(database, items, sales)
    for at in (second + beside for second in range(11) for beside in (-1e-6, 0, 1e-6)):
        item, sale, instant = live(items, at), live(sales, at), moment(at)
        assert [row[:3] for row in as_of(database, "item_hist", instant)] == [
            (key, f"item {value}", value) for key, value in item.items()
        ]
        assert [row[:3] for row in as_of(database, "item", instant)] == [
            (key, f"item {value}", value) for key, value in item.items()
        ]
        assert [(row[0], row[3]) for row in as_of(database, "sale", instant)] == list(sale.items())
        assert [row[:2] for row in as_of(database, "mart", instant)] == mart(item, sale)
        above = {name: above for name, _, above in as_of(database, "top", instant)}
        totals = [total for _, total in mart(item, sale)]
        assert list(above.values()) == [sum(x > total for x in totals) for total in totals]


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(items=histories(), sales=histories(), then=st.integers(0, 9), since=st.integers(0, 9))
def test_one_mart_at_two_instants_in_one_statement(
    database: Connection, items: History, sales: History, then: int, since: int
) -> None:
    load(database, items, sales)
    sql = """SELECT coalesce(a.name, b.name), a.total, b.total
        FROM mart FOR SYSTEM_TIME AS OF %s a
        FULL JOIN mart FOR SYSTEM_TIME AS OF %s AS b USING (name)"""
    rows = execute(database, system_time.rewrite(sql), moment(then), moment(since))
    a, b = (dict(mart(live(items, at), live(sales, at))) for at in (then, since))
    expected = {(name, a.get(name), b.get(name)) for name in {*a, *b} if name}
    assert {row for row in rows if row[0]} == expected


def test_now_is_the_view_itself(database: Connection) -> None:
    load(database, {1: [(0, 5, 1), (5, None, 2)]}, {1: [(0, None, 3)], 4: [(2, 3, 1)]})
    for relation in ("item", "sale_current", "mart", "top"):
        today = execute(database, f"SELECT * FROM {relation} ORDER BY 1, 2")
        assert as_of(database, relation, moment(60)) == today != []


# --- How they are computed ---------------------------------------------------------------------


def plan(connection: Connection, sql: str) -> str:
    execute(connection, "SET enable_seqscan = off")
    lines = execute(connection, system_time.rewrite(f"EXPLAIN {sql}"))
    execute(connection, "RESET enable_seqscan")
    return "\n".join(line for (line,) in lines)


def test_the_functions_are_inlined(database: Connection) -> None:
    clause = "FOR SYSTEM_TIME AS OF '2023-07-01'"
    for relation in ("item_hist", "item", "sale", "sale_current", "mart", "top"):
        assert "Function Scan" not in plan(database, f"SELECT * FROM {relation} {clause}")


def test_a_point_query_uses_the_index(database: Connection) -> None:
    for relation in ("item_hist", "item"):
        point = f"SELECT * FROM {relation} FOR SYSTEM_TIME AS OF now() WHERE id = 4"
        assert "Index Cond: (id = 4)" in plan(database, point)


def test_partitions_are_pruned(database: Connection) -> None:
    january = "FOR SYSTEM_TIME AS OF '2023-07-01' WHERE sold BETWEEN '2023-01-05' AND '2023-01-09'"
    for relation in ("sale", "sale_current"):
        shown = plan(database, f"SELECT * FROM {relation} {january}")
        assert "sale_1" in shown and "sale_rest" not in shown


# --- Making them -------------------------------------------------------------------------------

FUNCTIONS = r"""SELECT p.oid, pg_get_functiondef(p.oid), obj_description(p.oid) FROM pg_proc p
    WHERE proname ~ '__(as_of|from_to|between|symmetric|contained_in|all)$' ORDER BY p.oid"""


def names(connection: Connection) -> set[str]:
    return {row[0] for row in execute(connection, FUNCTIONS.replace("p.oid,", "proname,", 1))}


def test_making_them_again_changes_nothing(database: Connection) -> None:
    before = execute(database, FUNCTIONS)
    assert functions.regenerate(database) == {}
    assert execute(database, FUNCTIONS) == before != []
    assert execute(database, "SHOW search_path") == [("scratch, gold, silver, public",)]


def test_it_joins_the_transaction_that_is_open(database: Connection) -> None:
    before = execute(database, FUNCTIONS)
    with database, database.cursor() as cursor:
        functions.regenerate(database)
        cursor.execute("CREATE VIEW scratch.v AS SELECT * FROM mart")
        functions.regenerate(database)
        assert "v__as_of" in names(database)
        cursor.execute("SHOW search_path")
        assert cursor.fetchone() == ("scratch, gold, silver, public",)
        database.rollback()
    assert execute(database, FUNCTIONS) == before


def test_a_renamed_table_and_a_dropped_view(scratch: Connection) -> None:
    execute(
        scratch,
        """CREATE TABLE scratch.a AS SELECT * FROM item_hist WHERE false;
        CREATE VIEW scratch.of_a AS SELECT id FROM scratch.a;
        CREATE VIEW scratch.w AS TABLE item""",
    )
    functions.regenerate(scratch)
    assert {"a__as_of", "of_a__as_of", "w__as_of"} <= names(scratch)
    execute(
        scratch,
        """ALTER TABLE scratch.a RENAME TO b; DROP VIEW scratch.w CASCADE;
        CREATE TABLE scratch.a AS SELECT * FROM sale""",
    )
    assert functions.regenerate(scratch) == {}
    made = names(scratch)
    assert {"a__as_of", "b__as_of", "of_a__as_of"} <= made and "w__as_of" not in made
    assert as_of(scratch, "b", moment(0)) == []


def test_a_column_can_be_dropped_after_drop(scratch: Connection) -> None:
    execute(scratch, "CREATE TABLE scratch.a AS SELECT * FROM item_hist")
    functions.regenerate(scratch)
    with pytest.raises(psycopg2.errors.DependentObjectsStillExist):
        execute(scratch, "ALTER TABLE scratch.a DROP COLUMN name")
    functions.drop(scratch)
    assert names(scratch) == set()
    execute(scratch, "ALTER TABLE scratch.a DROP COLUMN name, ADD COLUMN colour text")
    functions.regenerate(scratch)
    as_of(scratch, "a", moment(0))


def test_odd_names(scratch: Connection) -> None:
    execute(
        scratch,
        '''CREATE TABLE scratch."My ""T%s" ("as of" int, "$1" int, sys_start timestamptz,
            sys_end timestamptz, "select" text);
        INSERT INTO scratch."My ""T%s" VALUES (1, 2, '2023-01-01', '2023-01-02'),
            (3, 4, '2023-01-02', 'infinity');
        CREATE VIEW scratch."V.w" AS SELECT "as of" AS "instant", x."$1"
            FROM scratch."My ""T%s" x WHERE sys_end = 'infinity';
        CREATE VIEW scratch.v AS SELECT silver.instant AS item
            FROM scratch."V.w" silver LEFT JOIN silver.item ON item.id = silver.instant''',
    )
    assert functions.regenerate(scratch) == {}
    for column, table, day, expected in [
        ('"V.w".*', '"V.w"', "2023-01-01", (1, 2)),
        ('"as of"', 'scratch."My ""T%s"', "2023-01-02", (3,)),
        ("v.*", "v", "2023-01-02", (3,)),
    ]:
        sql = f"SELECT {column} FROM {table} FOR SYSTEM_TIME AS OF '{day}'"
        assert execute(scratch, system_time.rewrite(sql)) == [expected]


# Those read no history, so none of them is asked itself.
HELPERS = """
CREATE VIEW scratch.today AS SELECT current_date AS day;
CREATE VIEW scratch.today_1 AS SELECT day FROM scratch.today;
CREATE FUNCTION scratch.today() RETURNS date LANGUAGE sql STABLE RETURN current_date;
CREATE VIEW scratch.today_2 AS SELECT scratch.today() AS day;
CREATE FUNCTION scratch.said() RETURNS date LANGUAGE sql IMMUTABLE RETURN current_date;
CREATE FUNCTION scratch.said_of(text) RETURNS date LANGUAGE sql IMMUTABLE
    BEGIN ATOMIC SELECT CASE WHEN $1 = '' THEN scratch.said() ELSE $1::date END; END;
CREATE FUNCTION scratch.plus_today(int, int) RETURNS int LANGUAGE sql STABLE
    RETURN $1 + $2 + extract(day FROM now())::int;
CREATE OPERATOR scratch.|+| (FUNCTION = scratch.plus_today, LEFTARG = int, RIGHTARG = int);
CREATE AGGREGATE scratch.total(int) (SFUNC = scratch.plus_today, STYPE = int, INITCOND = 0);
"""
REFUSED = [
    ("SELECT * FROM item WHERE sys_start > now() - interval '1 day'", "now()"),
    ("SELECT *, CURRENT_DATE AS today FROM item", "CURRENT_DATE"),
    ("SELECT *, localtimestamp FROM item", "LOCALTIMESTAMP"),
    ("SELECT *, clock_timestamp() FROM item", "clock_timestamp()"),
    ("SELECT id, age(date_trunc('day', sys_start)) FROM item", "age()"),
    ("SELECT id, name::date FROM item_hist", "text::date"),
    ("SELECT id, 'now'::text::timestamptz FROM item", "text::timestamp with time zone"),
    ("SELECT id, 'now'::varchar::time FROM item", "text::time without time zone"),
    ("SELECT id, string_to_array(name, ',')::date[] FROM item_hist", "text::date"),
    ("SELECT id, ('{' || name || '}')::date[] FROM item_hist", "text::date[]"),
    ("SELECT id, ('[today,' || name)::daterange FROM item_hist", "text::daterange"),
    ("SELECT id, ('(1,' || name || ')')::sale_current FROM item_hist", "text::silver.sale_current"),
    ("SELECT id, date_in('today') FROM item", "date_in()"),
    ("SELECT id, JSON_VALUE('{}', '$' RETURNING date) FROM item", "text::date"),
    ("SELECT id, day FROM item, JSON_TABLE('{}', '$' COLUMNS (n int, day date)) AS j", "text::date"),
    ("SELECT id, day FROM item_hist, XMLTABLE('/a' PASSING (name::xml) COLUMNS n int, day date) AS x", "text::date"),
    ("SELECT id, day FROM item, jsonb_to_record('{}') AS j (day date)", "jsonb_to_record()"),
    ("SELECT id, jsonb_populate_record(sale, '{}') FROM item JOIN sale USING (id)", "jsonb_populate_record()"),
    ("SELECT id, time '12:00'::timetz FROM item", "timetz()"),
    ("SELECT id, timetz '12:00+00' AT TIME ZONE 'Europe/Rome' FROM item", "timezone()"),
    ("SELECT id FROM item WHERE random() < 0.5", "random()"),
    ("SELECT id, gen_random_uuid() FROM item ORDER BY uuidv7()", "gen_random_uuid()"),
    ("SELECT id, current_setting('app.today') FROM item", "current_setting()"),
    ("SELECT id, pg_postmaster_start_time() FROM item", "pg_postmaster_start_time()"),
    ("SELECT id, txid_current() - 1 FROM item", "txid_current()"),
    ("SELECT id, age(xmin) FROM item_hist", "age()"),
    ("SELECT id, table_to_xml('item', true, true, '') FROM item", "table_to_xml()"),
    ("SELECT item.id, day FROM item, today_1", "CURRENT_DATE"),
    ("SELECT item.id FROM item, today_2", "scratch.today()"),
    ("SELECT id, scratch.said() FROM item", "CURRENT_DATE"),
    ("SELECT id FROM item WHERE scratch.said_of('2023-01-01') < 'infinity'", "CURRENT_DATE"),
    ("SELECT id, id |+| 1 AS more FROM item", "scratch.plus_today(integer,integer)"),
    ("SELECT scratch.total(id) FROM item", "scratch.plus_today(integer,integer)"),
    ("SELECT item.id FROM item, pg_stat_activity", "pg_stat_get_activity()"),
    ("SELECT id FROM item_hist WHERE sys_end < 'infinity'", "it uses sys_end"),
    ("SELECT id FROM item_hist WHERE sys_end = 'infinity' AND id > 1", "it uses sys_end"),
    ("SELECT id, sys_end FROM item_hist WHERE sys_end = 'infinity'", "it uses sys_end"),
    ("SELECT id FROM item_hist WHERE upper_inf(sys_period)", "it uses sys_end"),
    ("SELECT i.id FROM item_hist FOR SYSTEM_TIME AS OF '2023-01-01', item i", "calls"),
    ("SELECT id FROM ONLY item_hist", "directly after the name"),
]


@pytest.mark.parametrize(("select", "reason"), REFUSED)
def test_a_view_that_cannot_travel_says_why(
    scratch: Connection, engine: Engine, select: str, reason: str
) -> None:
    execute(scratch, HELPERS)
    execute(scratch, system_time.rewrite(f"CREATE VIEW scratch.v AS {select}"))
    execute(scratch, "CREATE VIEW scratch.on_v AS SELECT * FROM v")
    refused = functions.regenerate(scratch)
    assert reason in refused["scratch.v"] and "a view it reads" in refused["scratch.on_v"]
    with engine.connect() as connection, pytest.raises(SystemTimeError) as error:
        connection.execute(text("SELECT * FROM v FOR SYSTEM_TIME AS OF '2023-07-01'"))
    assert str(error.value) == f"{refused['scratch.v']}\n{HINT}"


ACCEPTED = [
    "SELECT id, '{1,2}'::text::int[], '1'::text::numeric, '2 days'::text::interval, session_user,"
    " '{\"a\": 1}'::text::jsonb, '[1,2)'::text::int4range, 'today'::date < sys_start AS is_new FROM item",
    "SELECT id, to_date(substr(\"Name\", 6) || '-2023', 'FMDD-YYYY'), to_timestamp('2023', 'YYYY'),"
    " to_char(sys_start AT TIME ZONE 'UTC', 'Mon'), sys_start::date, date_trunc('day', sys_start),"
    " sys_start + interval '1 day' > '2023-01-01'::date AS is_late FROM item",
    "SELECT \"Name\", json_agg(id), format('%s', max(sys_start)), to_jsonb(array_agg(id)) FROM item GROUP BY 1",
    "SELECT id, age(sys_start, '2023-01-01'), 'now()' AS \"CURRENT_DATE\" FROM item",
    "SELECT * FROM (item JOIN sale_current s USING (id)) NATURAL LEFT JOIN mart",
    "SELECT id FROM item UNION (SELECT id FROM sale_current EXCEPT SELECT id FROM item)",
    "WITH RECURSIVE r AS (SELECT id FROM item UNION SELECT r.id + 1 FROM r, item WHERE r.id < 5)"
    " SELECT * FROM r",
    "SELECT DISTINCT ON (id) id, row_number() OVER (ORDER BY id), item FROM item ORDER BY id",
    "SELECT id, (SELECT max(amount) FROM sale_current WHERE item_id = item.id) FROM item"
    " WHERE EXISTS (SELECT FROM mart) AND id IN (SELECT id FROM sale_current)",
]


@pytest.mark.parametrize("select", ACCEPTED)
def test_views_of_many_shapes_travel(scratch: Connection, select: str) -> None:
    load(scratch, {1: [(0, 5, 1), (5, None, 2)], 2: [(1, 9, 3)]}, {1: [(0, None, 3)]})
    execute(scratch, f"CREATE VIEW scratch.v AS {select}")
    assert functions.regenerate(scratch) == {}
    today = execute(scratch, "SELECT * FROM v")
    then = execute(scratch, "SELECT * FROM v__as_of('2030-01-01')")
    assert sorted(map(str, then)) == sorted(map(str, today)) != []


# Of PostgreSQL's stable functions by name: those whose answer follows from their arguments and from
# how the session writes dates, numbers and text; and those that ask the clock, the catalog or the
# session, or read a text as anything. One of neither is new.
STEADY = """(date|timestamp|timestamptz)_(cmp|eq|ne|lt|le|gt|ge)_(date|timestamp|timestamptz)
    timestamptz_(pl|mi)_interval interval_pl_timestamptz date time timestamp timestamptz timetz timezone
    make_timestamptz date_(add|subtract|part|trunc) extract generate_series in_range overlaps
    to_(char|date|number|timestamp|json|jsonb|tsvector) (plain|phrase|websearch_)?to_tsquery
    concat concat_ws format quote_(literal|nullable) anytextcat textanycat array_to_(string|json)
    convert(_from|_to)? length money numeric row_to_json jsonb?_(build|agg|object_agg)\\w+ jsonb?_agg
    jsonb?_object_agg jsonb?_to_tsvector ts_headline ts_match_t[qt] enum_(first|last|range) xml
    xml_is_well_formed pg_typeof"""
UNSTEADY = """now (statement|transaction)_timestamp (mxid_)?age txid_\\w+ current_(setting|schemas?|database|user)
    session_user system_user getpgusername getdatabaseencoding version inet_\\w+ get_current_ts_config
    jsonb?_(populate|to)_record\\w* jsonb_path_\\w+_tz (database|schema|table)_to_xml\\w* regclass to_reg\\w+
    has_\\w+_privilege row_security_active \\w+_description aclexplode oidvectortypes format_type ts_debug
    ts_parse ts_token_type pg_(?!typeof)\\w+ \\w*_?(in|out|recv|send) \\w+sel \\w+_typanalyze fmgr_\\w+_validator"""
CALLS = r"""SELECT proname, provolatile, format('%s(%s)', proname, string_agg(format(
        'NULL::%s', CASE typname WHEN 'anyelement' THEN 'int' WHEN 'anynonarray' THEN 'int' WHEN 'any' THEN 'text'
            WHEN 'anyarray' THEN 'int[]' WHEN 'anyrange' THEN 'int4range' WHEN 'anymultirange' THEN 'int4multirange'
            WHEN 'anyenum' THEN 'scratch.mood' WHEN 'record' THEN 'silver.item'
            ELSE format_type(types.oid, NULL) END), ', ' ORDER BY place)), bool_or(typname IN ('time', 'timetz'))
    FROM pg_proc
    LEFT JOIN unnest(proargtypes) WITH ORDINALITY AS argument (type, place) ON true
    LEFT JOIN pg_type AS types ON types.oid = argument.type
    WHERE pronamespace = 'pg_catalog'::regnamespace AND provolatile <> 'i' AND prokind = 'f'
      AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype)
    GROUP BY pg_proc.oid
    HAVING count(*) FILTER (WHERE typtype = 'p' AND typname !~ '^any(element|nonarray|array|range|multirange|enum)?$|^record$') = 0"""


def test_every_function_of_postgresql_is_known_to_follow_the_clock_or_not(scratch: Connection) -> None:
    """Each is called in a view. A volatile one is refused, and so is a stable one not known to be steady."""
    execute(scratch, "BEGIN; CREATE TYPE scratch.mood AS ENUM ('glad')")
    expected = {}
    for i, (name, volatility, call, of_time) in enumerate(execute(scratch, CALLS)):
        steady, unsteady = (any(re.fullmatch(each, name) for each in all_.split()) for all_ in (STEADY, UNSTEADY))
        assert steady != unsteady or volatility == "v", f"{call} is of neither or of both"
        execute(scratch, "SAVEPOINT one")
        try:
            execute(scratch, f"CREATE VIEW scratch.v{i} AS SELECT id FROM item WHERE ({call})::text <> ''")
        except psycopg2.Error:
            execute(scratch, "ROLLBACK TO one")  # a set, or of a row: other tests have those
            continue
        travels = steady and volatility == "s" and not (of_time and name in ("timetz", "timezone"))
        expected[f"v{i}"] = (None, None) if travels else ("view reads the clock", f"{name}()")
    with scratch.cursor() as cursor:
        none = {"versioned": [], "sources": [], "histories": []}
        relations = sqlfile.run(cursor, "system_time/relations", none).fetchall()
    assert {row[2]: row[6:8] for row in relations if row[2] in expected} == expected
    assert len(expected) > 400
    execute(scratch, "ROLLBACK")


PICKING = [
    "SELECT id FROM item",
    'SELECT "Name", id % 2 AS odd, sys_start FROM item WHERE id > 0 ORDER BY id',
    "SELECT upper(name) AS name FROM item_hist WHERE name <> 'x'",
    "SELECT CASE WHEN amount > 1 THEN 'much' END AS much, coalesce(item_id, 0) FROM sale_current",
    "TABLE sale_current",
]
ADDING = [
    "SELECT count(*) FROM item",
    "SELECT id FROM item GROUP BY id",
    "SELECT 1 AS one FROM item GROUP BY ()",
    "SELECT 1 AS one FROM item HAVING true",
    "SELECT DISTINCT id FROM item",
    "SELECT DISTINCT ON (id) id FROM item",
    "SELECT id, row_number() OVER () FROM item",
    "SELECT id, generate_series(1, 2) FROM item",
    "SELECT id FROM item ORDER BY id LIMIT 1",
    "SELECT id FROM item OFFSET 1",
    "SELECT id FROM item UNION ALL SELECT id FROM item",
    "WITH x AS (SELECT id FROM item) SELECT id FROM x",
    "SELECT id FROM (SELECT id FROM item) AS x",
    "SELECT item.id FROM item JOIN sale_current USING (id)",
    "SELECT item.id FROM item, LATERAL (SELECT 1) AS x",
    "SELECT id FROM item WHERE id IN (SELECT id FROM sale_current)",
    "SELECT id, (SELECT max(amount) FROM sale_current) FROM item",
]


@pytest.mark.parametrize("select", PICKING)
def test_a_view_that_picks_has_versions_over_a_period(scratch: Connection, select: str) -> None:
    load(scratch, {1: [(0, 5, 1), (5, None, 2)], 2: [(1, 9, 3)]}, {1: [(0, 4, 3), (4, None, 1)]})
    execute(scratch, f"CREATE VIEW scratch.v AS {select}; CREATE VIEW scratch.w AS TABLE scratch.v")
    assert functions.regenerate(scratch) == {}
    table = "silver.sale" if "sale" in select else "silver.item_hist"
    [(versions,)] = execute(scratch, f"SELECT count(*) FROM {table}")
    for view in ("v", "w"):
        asked = system_time.rewrite(f"SELECT count(*) FROM {view} FOR SYSTEM_TIME ALL")
        assert execute(scratch, asked) == [(versions,)]


@pytest.mark.first(6)
@pytest.mark.parametrize("select", [*ADDING, "SELECT name FROM mart"])
def test_a_view_that_adds_up_is_refused_over_a_period(
    scratch: Connection, engine: Engine, select: str
) -> None:
    execute(scratch, f"CREATE VIEW scratch.v AS {select}; CREATE VIEW scratch.w AS TABLE scratch.v")
    assert functions.regenerate(scratch) == {}
    periods = ("FROM '2023-01-01' TO now()", "BETWEEN now() AND now()", "CONTAINED IN (now(), now())", "ALL")
    for period in periods:
        for view in ("v", "w"):
            said = failure(engine, f"SELECT * FROM {view} FOR SYSTEM_TIME {period}")
            reads = view == "w" or "mart" in select
            reason = "a view it reads cannot be asked either" if reads else "never true together"
            assert said.startswith(f"scratch.{view} cannot be asked FOR SYSTEM_TIME") and reason in said
    execute(scratch, system_time.rewrite("SELECT * FROM w FOR SYSTEM_TIME AS OF now()"))


def test_a_materialized_view_and_a_long_name_are_refused(scratch: Connection) -> None:
    execute(scratch, "CREATE MATERIALIZED VIEW scratch.m AS SELECT * FROM item")
    execute(scratch, f"CREATE TABLE scratch.{'x' * 60} AS SELECT * FROM item_hist")
    refused = functions.regenerate(scratch)
    assert "last refresh" in refused["scratch.m"] and "63 bytes" in refused[f"scratch.{'x' * 60}"]


# --- Through SQLAlchemy, pandas and jupysql ----------------------------------------------------


def test_every_way_in(database: Connection, engine: Engine) -> None:
    load(database, {1: [(0, 5, 1), (5, None, 2)]}, {})
    system_time.install(engine)  # a second time
    sql = "SELECT item.* FROM item FOR SYSTEM_TIME AS OF {} WHERE \"Name\" LIKE 'item%'"
    expected = [(1, "item 1", 1)]
    with engine.connect() as connection:
        bound = connection.execute(text(sql.format(":at")), {"at": moment(3)})
        assert [row[:3] for row in bound] == expected
        direct = connection.exec_driver_sql(sql.format("'2023-01-01 00:00:03'").replace("%", "%%"))
        assert [row[:3] for row in direct] == expected
    frame = pandas.read_sql(text(sql.format(":at")), engine, params={"at": moment(3)})
    assert frame.iloc[:, :3].to_records(index=False).tolist() == expected


def test_a_cell_of_a_notebook(database: Connection, engine: Engine) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    load(database, {1: [(0, 5, 1), (5, None, 2)]}, {})
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "sql")
    shell.run_line_magic("config", "SqlMagic.named_parameters = 'enabled'")
    shell.push({"engine": engine, "day": moment(3)})
    shell.run_line_magic("sql", "engine")
    cell = "SELECT * FROM item\nFOR SYSTEM_TIME AS OF :day\nWHERE id = 1;"
    shell.run_cell(f"%%sql\n{cell}").raise_error()
    assert [tuple(row)[:3] for row in shell.user_ns["_"]] == [(1, "item 1", 1)]


def failure(engine: Engine, sql: str, **parameters: object) -> str:
    with engine.connect() as connection, pytest.raises(SystemTimeError) as error:
        connection.execute(text(sql), parameters)
    return str(error.value)


def test_errors_say_what_to_write(engine: Engine) -> None:
    clause = "FOR SYSTEM_TIME AS OF"
    assert failure(engine, f"SELECT * FROM lookup {clause} now()") == (
        "lookup has no history. These have: mart, top, item, item_hist, sale, sale_current. "
        "A new view of these gets its own with lab.regenerate()."
    )
    assert failure(engine, f'SELECT * FROM silver."A b" {clause} now()').startswith(
        "silver.A b has no history."
    )
    assert "Cast it" in failure(engine, f"SELECT * FROM item {clause} 5")
    for wrong in ("2023-13-45", "last week"):
        assert f'"{wrong}"' in failure(engine, f"SELECT * FROM item {clause} '{wrong}'")
        assert "'2023-07-01 18:30'" in failure(engine, f"SELECT * FROM item {clause} :x", x=wrong)
    assert "alias d" in failure(engine, f"SELECT * FROM item d {clause} now()")


def test_other_errors_stay_as_they_are(engine: Engine) -> None:
    for wrong in ("SELECT 1/0", "SELECT nope FROM item FOR SYSTEM_TIME AS OF now()"):
        with engine.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(text(wrong))


def test_the_reserved_words_are_the_servers(database: Connection) -> None:
    reserved = "SELECT upper(word) FROM pg_get_keywords() WHERE catcode IN ('R', 'T')"
    words = execute(database, reserved)
    assert {word for (word,) in words} == tokens.RESERVED
