"""Values that `=` takes for equal stay apart.

What silver would cut is refused, and rows may be as wide as PostgreSQL holds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from declaring import declaring, with_silver
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor
from test_live import asked
from year import own_lab

from medallion_lib import Medallion, MedallionError, databases, rebuild, server, sqlfile
from medallion_lib.silver.shape import Shape
from medallion_lib.system_time import functions
from medallion_lib.tables import Table, Tables

pytestmark = pytest.mark.long(2)

TYPES = """
    CREATE EXTENSION citext;
    CREATE EXTENSION hstore;
    CREATE DOMAIN document AS json;
    CREATE DOMAIN short AS varchar(5);
    CREATE DOMAIN cents AS numeric(8, 2);
    CREATE DOMAIN odd AS integer CHECK (value % 2 = 1);
    CREATE TYPE pair AS (a json, b numeric);
    CREATE TYPE part AS (a text, b numeric);
    CREATE TYPE wide_pair AS (a double precision, b text);
    CREATE TYPE narrow_pair AS (a real, b text);
"""

# Of each type, values that differ and are alike: in a nested null, in digits, blanks or a sign, in
# what their type's = leaves out, or in what JSON does.
NEAR = {
    "json": ['{"a":1,"b":null}', '{"a":1}', '{"a": 1}', '{"a":1,"a":1}', "null", None],
    "jsonb": ['{"a":1,"b":null}', '{"a":1}', '{"a":1.0}', "null", None, "[null]", "[]"],
    "document": ['{"a":null}', "{}", "null", None],
    "hstore": ["a=>null", "a=>1", "", 'a=>"NULL"', None],
    "pair": ['("{""a"":null}",1.0)', '("{}",1.0)', '("{}",1.00)', "(,)", None],
    "json[]": ["{null}", '{"null"}', "{}", None, '[0:0]={"1"}', '{"1"}'],
    "pair[]": ['{"(,1.0)"}', '{"(,1.00)"}', "{NULL}"],
    "point": ["(0,0)", "(-0,0)", "(1e-7,0)", None],
    "polygon": ["((0,0),(1,1),(2,0))", "((1,1),(2,0),(0,0))"],
    "lseg": ["[(0,0),(1,1)]", "[(1,1),(0,0)]"],
    "line": ["{1,-1,0}", "{2,-2,0}"],
    "box": ["(1,1),(0,0)", "(3,3),(2,2)"],
    "circle": ["<(0,0),1>", "<(5,5),1>"],
    "path": ["[(0,0),(1,1)]", "((0,0),(1,1))", "[(0,0),(2,2)]"],
    "point[]": ['{"(0,0)"}', '{"(-0,0)"}'],
    "double precision": ["0", "-0", "NaN", "1e-300", "1e300"],
    "real": ["0", "-0", "0.1"],
    "numeric": ["1.0", "1.00", "1", "NaN", "0", "0.000"],
    "numeric[]": ["{1.0}", "{1.00}"],
    "numrange": ["[1.0,2)", "[1.00,2)"],
    "numeric(10, 2)": ["1.0", "1.01"],
    "cents": ["1.0", "1.01"],
    "citext": ["a", "A", "ä", "Ä"],
    "character(5)": ["ab", "abc", ""],
    "varchar(5)": ["ab", "ab ", ""],
    "short": ["ab", "ab "],
    "interval": ["1 day", "24:00:00", "1 mon", "30 days"],
    "integer[]": ["{1,2}", "[0:1]={1,2}", "{}", None, "{NULL}"],
    "bytea": ["\\x00", "\\x0000", ""],
    "time with time zone": ["12:00+00", "13:00+01"],
    "tsquery": ["a & b", "b & a"],
    "jsonpath": ["$.a", '$."b"'],
    "boolean": ["t", "f", None],
    "text": ["1", "null", "", None, " ", "\\", '"'],
}
# The same of key types: each list has one key in several spellings.
KEYS = {
    "integer": [["1"], ["2"]],
    "numeric": [["1.0", "1.00", "1"], ["2", "2.0"]],
    "double precision": [["0", "-0"], ["NaN"]],
    "citext": [["a", "A"], ["b", "B"]],
    "character(5)": [["a", "a "], [""]],
    "interval": [["1 day", "24:00:00"], ["2 days"]],
    "jsonb": [['{"a":1.0}', '{"a":1.00}'], ["null"]],
    "numrange": [["[1.0,2)", "[1.00,2)"], ["empty"]],
    "numeric[]": [["{1.0}", "{1.00}"], ["{}"]],
    "part": [["(,1.0)", "(,1.00)"], ["(a-b,)"]],
    "uuid": [["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"], ["0" * 32]],
    "bytea": [["\\x00"], ["\\x0000"]],
    "timestamp with time zone": [["2020-01-01 00:00+00", "2020-01-01 01:00+01"], ["-infinity"]],
}  # fmt: skip


@dataclass
class Shop:
    """A source with a table `thing` of any columns, and its history, `silver.thing_hist`."""

    lab: Medallion

    @property
    def table(self) -> Table:
        return self.lab.declared.each[0]

    def begin(self, source: str, silver: str = "", key: tuple[str, ...] = ("k",)) -> None:
        """Make both anew and capture from here on. `silver` has its columns, where they are others."""
        self.change("DROP TABLE IF EXISTS thing CASCADE", f"CREATE TABLE thing ({source})")
        self.declare(Table("thing", key, history="thing_hist"), silver or source.replace("PRIMARY KEY", ""))

    def declare(self, table: Table, columns: str, end: str = "") -> None:
        """Make its history of these columns, without its bronze."""
        self.lab.declared = Tables((table,))
        with server.session(self.lab.warehouse_url) as cursor:
            functions.drop(cursor.connection)
            cursor.execute("DROP TABLE IF EXISTS silver.thing_hist, bronze.br_thing_cdc")
            cursor.execute(f"CREATE TABLE {table.silver.as_string(cursor)} ({columns}, row_hash bigint NOT NULL, "
                           f"sys_start timestamptz NOT NULL, sys_end timestamptz NOT NULL DEFAULT 'infinity') {end}")
            functions.regenerate(cursor.connection)
        self.lab.capture(resnapshot=True, yes=True)

    def change(self, *statements: str, **values: object) -> None:
        """One transaction at the source."""
        with server.session(self.lab.source_url) as cursor:
            for statement in statements:
                cursor.execute(statement, values or None)

    def merged(self) -> None:
        self.lab.capture()
        self.lab.merge()

    def asked(self, query: str, at_source: bool = False) -> list[tuple]:
        with server.session(self.lab.source_url if at_source else self.lab.warehouse_url) as cursor:
            cursor.execute(query)
            return cursor.fetchall()


@pytest.fixture(scope="module")
def near() -> Iterator[Medallion]:
    with own_lab("near_equal", Tables((Table("film", ("film_id",)),))) as lab:
        for url in (lab.source_url, lab.warehouse_url):
            with databases.administering(url) as cursor:
                cursor.execute(TYPES)
        yield lab


@pytest.fixture
def shop(near: Medallion) -> Shop:
    return Shop(near)


# Random histories

some_types = st.lists(st.sampled_from(list(NEAR)), min_size=1, max_size=5)
some_values = st.lists(st.integers(0, 6), min_size=5, max_size=5)
wish = st.tuples(st.sampled_from(["put"] * 4 + ["delete", "truncate"]), st.integers(0, 1), st.integers(0, 2), some_values)
histories = st.lists(st.tuples(st.lists(wish, min_size=1, max_size=3), st.booleans()), min_size=4, max_size=9)


def play(shop: Shop, key: str, types: list[str], wishes: list[tuple]) -> None:
    """One transaction. A row that is there gets the key in another spelling, as what = finds it by."""
    names = [f"c{number}" for number in range(len(types))]
    values = ", ".join(f"%({name})s::{type_}" for name, type_ in zip(names, types, strict=True))
    insert = f"INSERT INTO thing VALUES (%(key)s::{key}, {values})"
    pairs = ", ".join(f"{name} = excluded.{name}" for name in names)
    put = f"{insert} ON CONFLICT (k) DO UPDATE SET k = excluded.k, {pairs}"
    delete = f"DELETE FROM thing WHERE k = %(key)s::{key}"
    with server.session(shop.lab.source_url) as cursor:
        for what, group, spelling, picks in wishes:
            spellings = KEYS[key][group]
            picked = zip(types, picks, strict=False)
            row = [NEAR[type_][pick % len(NEAR[type_])] for type_, pick in picked]
            given = dict(zip(names, row, strict=True)) | {"key": spellings[spelling % len(spellings)]}
            cursor.execute({"put": put, "delete": delete, "truncate": "TRUNCATE thing"}[what], given)


def check_random_tables(shop: Shop, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True)
    @given(st.sampled_from(list(KEYS)), some_types, histories)
    def holds(key: str, types: list[str], history: list) -> None:
        columns = "".join(f", c{number} {type_}" for number, type_ in enumerate(types))
        shop.begin(f"k {key} PRIMARY KEY{columns}")
        states: dict[str, list[str | None]] = defaultdict(lambda: [None])
        for wishes, is_merged in history:
            play(shop, key, types, wishes)
            now = dict(shop.asked(f"SELECT {group(key)}, thing::text FROM thing", at_source=True))
            for known in states.keys() | now.keys():
                if states[known][-1] != now.get(known):
                    states[known].append(now.get(known))
            if is_merged:
                shop.merged()
        assert shop.lab.verify() == []
        assert told(shop, key, types) == {known: state[1:] for known, state in states.items() if state[1:]}
        with server.session(shop.lab.warehouse_url) as cursor:
            shape = Shape.read(cursor, shop.table)
            again = sqlfile.compose("rebuild_keep", silver=shape.table.silver, kept=rebuild._kept(shape.table))
            cursor.execute(again)
            cursor.execute("DELETE FROM silver.thing_hist")
            cursor.execute(shape.statement(), {"since": 0, "upto": 1 << 62})
            assert rebuild._compared(cursor, shape, is_earlier=False)[2:] == (0, 0), "in one batch or many"
            cursor.connection.rollback()

    holds()


def group(key: str) -> str:
    """SQL for which of the keys a row has, by PostgreSQL's =."""
    first = [f"WHEN k = $k${spellings[0]}$k$::{key} THEN '{number}'" for number, spellings in enumerate(KEYS[key])]
    return f"CASE {' '.join(first)} END"


def told(shop: Shop, key: str, types: list[str]) -> dict[str, list[str | None]]:
    """By key, the rows that silver has had, and None where and while there was none."""
    names = ", ".join(["k", *(f"c{number}" for number in range(len(types)))])
    found: dict[str, list[str | None]] = defaultdict(list)
    ended: dict[str, str] = {}
    for known, row, start, end in shop.asked(
        f"SELECT {group(key)}, ROW({names})::text, sys_start::text, sys_end::text "
        "FROM silver.thing_hist ORDER BY thing_hist.sys_start"
    ):
        gap = [None] if ended.get(known, start) != start else []
        found[known] += [*gap, row]
        ended[known] = end
    return {known: rows + [None] * (ended[known] != "infinity") for known, rows in found.items()}


def test_random_tables_of_values_that_are_nearly_equal_keep_every_version(shop: Shop) -> None:
    check_random_tables(shop, 3)


@pytest.mark.slow
def test_a_hundred_random_tables_of_values_that_are_nearly_equal_keep_every_version(shop: Shop) -> None:
    check_random_tables(shop, 100)


# Each type


@pytest.mark.slow
def test_each_difference_opens_a_version_and_is_told_by_verify_life_and_changed(shop: Shop) -> None:
    """Also what JSON shows alike: null in a document's place and no document, the bounds of an array."""
    names = {type_: f"c{number}" for number, type_ in enumerate(NEAR)}
    shop.begin("k integer PRIMARY KEY, " + ", ".join(f"{name} {type_}" for type_, name in names.items()))
    shop.change("INSERT INTO thing (k) VALUES (1)")
    expected = 1
    for type_, name in names.items():
        for value in NEAR[type_]:
            before = shop.asked(f"SELECT ROW({name})::text FROM thing", at_source=True)
            shop.change(f"UPDATE thing SET {name} = %(value)s", value=value)
            expected += before != shop.asked(f"SELECT ROW({name})::text FROM thing", at_source=True)
    shop.merged()
    versions = shop.asked("SELECT sys_start::text FROM silver.thing_hist ORDER BY thing_hist.sys_start")
    assert len(versions) == expected > 110
    life = shop.lab.life("thing_hist", 1).rows
    assert len(life) == expected
    changes = [row[3].split(": ", 1)[1].split(" -> ") for row in life[1:]]
    assert not [was for was, became in changes if was == became]
    assert [each for each in changes if each[0].startswith("(")][:2] == [["(null)", "()"], ["(null)", "()"]]
    assert ['("{1,2}")', '("[0:1]={1,2}")'] in changes, "bounds of an array, which JSON has not"
    between = list(pairwise(versions))[:25]
    told = [len(shop.lab.changed("thing_hist", old, new, ["k"]).rows) for (old,), (new,) in between]
    assert told == [1] * 25
    assert shop.lab.verify() == []
    tampered = {name: NEAR[type_][-2] for type_, name in names.items()}
    pairs = ", ".join(f"{name} = %({name})s" for name in tampered)
    with server.session(shop.lab.warehouse_url) as cursor:
        cursor.execute("CREATE TABLE public.kept AS TABLE silver.thing_hist")
        cursor.execute(f"UPDATE silver.thing_hist SET {pairs} WHERE sys_end = 'infinity'", tampered)
    lines = shop.lab.verify()
    assert [line.split(" is ")[0] for line in lines] == [f"thing_hist, k 1: {name}" for name in sorted(names.values())]
    assert all(at_source != in_silver for line in lines
               for at_source, in_silver in [line.split(" is ", 1)[1].removesuffix(" in silver").split(" at the source, ")])  # fmt: skip


def slow(cases: list[tuple[str, ...]]) -> list[object]:
    return [pytest.param(*case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.first(4)
@pytest.mark.parametrize(("source", "silver", "value", "told"), [
    ("text", "short", "abcdef", "c is character varying(5) there, and the source has 'abcdef'"),
    ("numeric", "cents", "1.239", "c is numeric(8,2) there, and the source has '1.239'"),
    ("integer", "odd", "2", 'value for domain odd violates check constraint "odd_check"'),
    ("timestamptz[]", "date[]", "{2020-01-01 10:00}", "c is date[] there"),
    ("tstzrange", "daterange", "[2020-01-01 10:00,2020-01-02)", "c is daterange there"),
    ("timestamptz", "time", "2020-01-01 10:00", "c is time without time zone there"),
    ("time", "time(3)", "10:00:00.123456", r"c is time(3) without time zone there"),
    ("text", "name", "x" * 64, "c is name there"),
    ("text", '"char"', "ab", 'c is "char" there'),
    ("double precision", "real", "0.12345678901", "c is real there, and the source has '0.12345678901'"),
    ("numeric", "double precision", "0.1234567890123456789", "c is double precision there"),
    ("numeric", "money", "1.239", "c is money there, and the source has '1.239'"),
    ("text", "timestamp", "2020-01-01 10:00+02", "c is timestamp without time zone there"),
    *slow([("double precision[]", "real[]", "{0.1,0.12345678901}", "c is real[] there"),
    ("numeric[]", "money[]", "{1.239}", "c is money[] there"), ("numeric[]", "cents[]", "{1.239}", "c is cents[] there"),
    ("text", "timestamptz", "2020-01-01 10:00:00.1234567", "c is timestamp with time zone there"),
    ("text", "timestamptz", "today 10:00", "c is timestamp with time zone there, and the source has 'today 10:00'"),
    ("text", "date", "now", "c is date there"), ("text", "tsrange[]", '{"[today,)"}', "c is tsrange[] there"),
    ("text", "interval", "0.1234567 s", "c is interval there"), ("interval", "interval month", "1 mon 1 day -24:00", "c is interval month"),
    ("timestamptz", "timetz", "2020-01-01 10:00+00", "c is time with time zone there"),
    ("text", "tstzrange", "[2020-01-01 10:00:00.1234567+00,)", "c is tstzrange there"),
    ("numrange", "int4range", "[1,5]", "c is int4range there"), ("varbit", "bit(3)", "10101", "c is bit(3) there"),
    ("varbit", "bit(5)", "101", "c is bit(5) there"), ("text[]", "varchar(3)[]", "{abcd}", "c is character varying(3)[] there"),
    ("text", "point", "(0.12345678901234567890,1)", "c is point there"), ("text", "tsvector", "b a b", "c is tsvector there"),
    ("json", "jsonb", '{"a":1,"a":2}', "c is jsonb there"), ("bigint", "oid", "-1", "c is oid there"),
    ("text[]", "name[]", "{" + "x" * 64 + "}", "c is name[] there"), ("wide_pair", "narrow_pair", "(0.12345678901,)", "c is narrow_pair there")]),
])  # fmt: skip
def test_what_silver_would_cut_is_refused(shop: Shop, source: str, silver: str, value: str, told: str) -> None:
    shop.begin(f"k integer PRIMARY KEY, c {source}", f"k integer, c {silver}")
    shop.change("INSERT INTO thing VALUES (1, %(value)s)", value=value)
    with pytest.raises(MedallionError) as problem:
        shop.merged()
    assert f"A value does not fit thing_hist: {told}" in str(problem.value)


@pytest.mark.first(2)
@pytest.mark.parametrize(("source", "silver", "value", "kept"), [
    ("numeric", "numeric(10, 2)", "1.0", "1.00"), ("numeric[]", "numeric(10, 2)[]", "{1.0}", "{1.00}"),
    ("text", "character(5)", "ab", "ab   "), ("json", "jsonb", '{"a":1}', '{"a": 1}'),
    ("double precision", "double precision", "5e-324", "5e-324"), ("real", "double precision", "0.1", "0.1"),
    ("text", "uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    *slow([("numeric", "money", "1234.50", "$1,234.50"), ("money", "money", "-$1,234.50", "-$1,234.50"),
    ("numeric[]", "real[]", "{0.10,NaN}", "{0.1,NaN}"), ("timestamptz", "timestamp", "2020-01-01 10:00+02", "2020-01-01 08:00:00"),
    ("date", "timestamptz", "0044-03-15 BC", "0044-03-15 00:00:00+00 BC"), ("timestamptz", "timestamp", "infinity", "infinity"),
    ("tstzrange", "tsrange", "[2020-01-01 10:00+02,)", '["2020-01-01 08:00:00",)'),
    ("text", "interval", "2 hours", "02:00:00"), ("interval", "interval", "infinity", "infinity"),
    ("json", "jsonb", '{"b":1,"a":{"a":2}}', '{"a": {"a": 2}, "b": 1}'), ("json", "jsonb", "null", "null"),
    ("character(8)", "character(5)", "ab", "ab   "), ("text", "boolean", "yes", "t"), ("double precision", "numeric", "1e-30", "0." + "0" * 29 + "1")]),
])  # fmt: skip
def test_what_silver_writes_otherwise_and_holds_is_the_same(
    shop: Shop, source: str, silver: str, value: str, kept: str
) -> None:
    shop.begin(f"k {source} PRIMARY KEY" if source == "numeric" else f"k integer PRIMARY KEY, c {source}",
               f"k {silver}" if source == "numeric" else f"k integer, c {silver}")  # fmt: skip
    shop.change("INSERT INTO thing VALUES (" + ("" if source == "numeric" else "1, ") + "%(value)s)", value=value)
    shop.merged()
    column = "k" if source == "numeric" else "c"
    assert shop.asked(f"SELECT format('%s', {column}) FROM silver.thing_hist") == [(kept,)]
    assert shop.lab.verify() == []
    shop.change("UPDATE thing SET k = k")
    shop.merged()
    assert shop.asked("SELECT count(*) FROM silver.thing_hist") == [(1,)]


# Types that may hold less than others do: a value must come through as it is, or not at all.
WIDTHS = {
    "numeric": ["1.239", "1.5", "0", "1e30", "NaN", "123456789.123456789", "-5"],
    "double precision": ["0.1", "1e300", "-0", "0.1234567890123", "NaN", "16777217"],
    "real": ["0.1", "1e30", "3"], "bigint": ["5", "9007199254740993", "2147483648"], "integer": ["7"],
    "numeric(8, 2)": ["1.50"], "money": ["1.50"],
    "timestamptz": ["2020-01-01 10:00+00", "2020-01-01 00:00+00", "infinity", "2020-06-01 00:00:00.000001+00"],
    "timestamp": ["2020-01-01 10:00", "2020-01-01", "-infinity", "0044-03-15 12:00 BC"],
    "date": ["2020-01-01", "5874897-12-31"], "timestamp(0)": ["2020-01-01 10:00"],
    "time": ["10:00", "24:00", "10:00:00.5"], "timetz": ["10:00+00", "10:00-08", "24:00+15"], "interval": ["1 mon", "25:00", "1 day"],
    "text": ["ab", "f"], "varchar(2)": ["ab"], "character(3)": ["ab"], "name": ["ab"], '"char"': ["a"],
    "bit(3)": ["101"], "varbit": ["10", "10101"], "boolean": ["t"],
    "tstzrange": ["[2020-01-01 10:00+00,)"], "tsrange": ["[2020-01-01 10:00,)"], "daterange": ["[2020-01-01,2020-02-01)"],
    "numrange": ["[1.5,2)", "[1,5]"], "int4range": ["[1,5)"], "jsonb": ['{"a": 1}', "null"], "json": ['{"a":1,"a":2}', "null"],
}  # fmt: skip


@pytest.mark.parametrize("brackets", ["", pytest.param("[]", marks=pytest.mark.slow)])
def test_a_value_comes_back_from_silver_as_it_was_or_is_refused(near: Medallion, brackets: str) -> None:
    """Every pair of types: where the merge takes a value, what silver has, read as the source's type, is the value."""
    kept, lost = 0, []
    with server.session(near.warehouse_url) as cursor:
        for narrow in WIDTHS:
            cursor.execute(f"CREATE TEMP TABLE held (c {narrow}{brackets})")
            shape = Shape.read(cursor, Table("thing", ("k",), history="held", silver_schema="pg_temp"))
            for wide, values in WIDTHS.items():
                for value in values:
                    found = came_back(cursor, shape, wide, wide + brackets, value)
                    kept += found is True
                    lost += [(wide, narrow, value)] if found is False else []
            cursor.execute("DROP TABLE held")
    assert kept > 200
    assert lost == []


def came_back(cursor: Cursor, shape: Shape, wide: str, source: str, value: str) -> bool | None:
    """Whether the value is what it was after silver held it; None where silver refuses it."""
    value = "{" + json.dumps(value) + "}" if source.endswith("]") else value
    said = sql.SQL("(SELECT jsonb_build_object('c', format('%s', {}::{})) AS full_row) AS event")
    said = said.format(sql.Literal(value), sql.SQL(source))
    held = sql.SQL("{}::{}").format(shape.value("c"), sql.SQL(shape.types["c"]))
    brackets = source.removeprefix(wide)
    plain = shape.plain["c"].removesuffix("[]")
    as_text = {"money": f"::numeric{brackets}", "bpchar": f"::text{brackets}"}.get(plain, "")
    printed = f"format('%s', {{}}{as_text})"
    back = sql.SQL(f"SELECT format('%s', {printed}::{source}), full_row ->> 'c' FROM {{}}").format(held, said)
    cursor.execute("SAVEPOINT before")
    try:
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(shape._is_exact("c") or sql.SQL("true"), said))
        if not cursor.fetchone()[0]:
            return None
        if plain == wide == "money":
            return True
        cursor.execute(back)
        silver, was = cursor.fetchone()
        same = {"json": "jsonb", "numeric": "numeric", "double precision": "numeric"}.get(wide, "text") + brackets
        cursor.execute(f"SELECT %s::{same} = %s::{same}", (silver, was))  # 1.50 is 1.5
        return cursor.fetchone()[0]
    except errors.DataError:
        cursor.execute("ROLLBACK TO before")
        return None


# What the statements call their own, in their parts and their parameters, and what a text could be taken for.
OWN = ["lsn", "seq", "op", "commit_ts", "load_ts", "full_row", "row_key", "is_fit", "row_before", "hash_before", "key_before",
       "row_key_1", "looked_up", "final_event", "is_newest", "is_newest_", "first_change", "merge_action", "is_key_closed", "count", "merge_is_done", "expected", "found", "row", "its",
       "value", "v", "key", "before", "after", "now", "newest", "old", "new", "hist", "event", "version", "carried", "name",
       "said", "said_before", "ended", "next", "shown", "is_alike", "field", "was", "became", "change", "column_name", "is_alone", "side",
       "since", "until", "at", "instant", "source", "source_row", "kept", "silver", "each", "later", "was_there", "in_gap",
       "is%s", "%(upto)s", "a{0}", "{}", 'quo"te', "it's", ":at", "Ä.ö", "x" * 63]  # fmt: skip


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


@pytest.mark.slow
def test_columns_may_have_the_names_that_the_statements_use(shop: Shop) -> None:
    columns = ", ".join(f"{quoted(name)} text" for name in OWN)
    shop.begin("k integer PRIMARY KEY, " + columns.replace("%%", "%"))
    shop.change(f"INSERT INTO thing VALUES (1, {', '.join(['NULL'] * len(OWN))}), (2, {', '.join(['NULL'] * len(OWN))})")
    shop.merged()
    (at,) = shop.asked("SELECT clock_timestamp()", at_source=True)[0]
    sets = ", ".join(f"{quoted(name)} = 'x'" for name in OWN)
    shop.change(f"UPDATE thing SET {sets}".replace("%%", "%"), "DELETE FROM thing WHERE k = 2")
    shop.change("TRUNCATE thing", "INSERT INTO thing (k, now) VALUES (1, 'y')")
    assert shop.lab.verify() == []
    assert len(shop.lab.life("thing_hist", 1).rows) == 3
    (now,) = shop.asked("SELECT clock_timestamp()", at_source=True)[0]
    assert [row[2:] for row in shop.lab.changed("thing_hist", at, now, ["k"]).rows if row[0] == 1] == [("now", None, "y")]
    with server.session(shop.lab.warehouse_url) as cursor:
        cursor.execute(f"UPDATE silver.thing_hist SET {', '.join(f'{quoted(name)} = 0' for name in OWN)}".replace("%%", "%"))
    assert len(shop.lab.verify()) == len(OWN)


@pytest.mark.parametrize("key", ["lsn"])
def test_a_key_may_have_any_such_name(shop: Shop, key: str) -> None:
    check_key(shop, key)


@pytest.mark.slow
@pytest.mark.parametrize("key", OWN)
def test_a_key_may_have_each_name_that_the_statements_use(shop: Shop, key: str) -> None:
    check_key(shop, key)


def check_key(shop: Shop, key: str) -> None:
    name = quoted(key).replace("%%", "%")
    shop.begin(f"{name} text PRIMARY KEY, c integer", key=(key,))
    shop.change(f"INSERT INTO thing ({name}, c) VALUES ('a', 1), ('b', 1)")
    (at,) = shop.asked("SELECT clock_timestamp()", at_source=True)[0]
    shop.merged()
    shop.change("UPDATE thing SET c = 2", f"DELETE FROM thing WHERE {name} = 'b'")
    assert shop.lab.verify() == []
    (now,) = shop.asked("SELECT clock_timestamp()", at_source=True)[0]
    assert shop.lab.changed("thing_hist", at, now, key).rows == [("a", "changed", "c", "1", "2"), ("b", "gone", "c", "1", None)]
    assert shop.lab.undo("thing_hist", "b", at).startswith("INSERT")
    assert [row[2] for row in shop.lab.life("thing_hist", "b").rows] == ["begins, then ends", "is back"]
    shop.change("TRUNCATE thing")
    shop.merged()
    with server.session(shop.lab.warehouse_url) as cursor:
        shape = Shape.read(cursor, shop.table)
        kept = {"silver": shape.table.silver, "kept": rebuild._kept(shape.table)}
        cursor.execute(sqlfile.compose("rebuild_keep", **kept))
        assert rebuild._lost(cursor, shape) == ""
        cursor.execute("DELETE FROM silver.thing_hist")
        cursor.execute(shape.statement(), {"since": 0, "upto": 1 << 62})
        assert rebuild._lost(cursor, shape) == ""
        assert rebuild._compared(cursor, shape, is_earlier=False)[1:] == (4, 0, 0)
        cursor.execute("UPDATE silver.thing_hist SET sys_end = 'infinity', c = 7")
        assert "thing_hist: 4 rows" in rebuild._lost(cursor, shape)
        cursor.connection.rollback()
    with server.session(shop.lab.warehouse_url) as cursor:
        cursor.execute("UPDATE silver.thing_hist SET sys_end = 'infinity'")
    assert sum("current rows" in line or "before the one before" in line for line in shop.lab.verify()) > 2


@pytest.mark.slow
def test_a_history_by_month_has_any_names_and_dates_and_dots_in_its_own(shop: Shop) -> None:
    names = ["now", "row_before", "is_newest", "count", "hist"]
    columns = ", ".join(["id integer", "d timestamptz", *(f'"{name}" text' for name in names)])
    shop.change("DROP TABLE IF EXISTS thing", f"CREATE TABLE thing ({columns}, PRIMARY KEY (id))")
    with server.session(shop.lab.warehouse_url) as cursor:
        cursor.execute('DROP TABLE IF EXISTS silver."a.thing"')
    shop.declare(Table("thing", ("id",), history="a.thing", by_month="d"), columns,
                 'PARTITION BY RANGE (d); CREATE TABLE silver.rest PARTITION OF silver."a.thing" DEFAULT')  # fmt: skip
    shop.change("INSERT INTO thing VALUES (1, '2023-01-05'), (2, 'infinity'), (3, '0044-01-01 BC'), (4, NULL)")
    (at,) = shop.asked("SELECT clock_timestamp()", at_source=True)[0]
    shop.merged()
    shop.change("UPDATE thing SET d = '2023-02-05', now = 'x', count = 'y'")
    assert shop.lab.verify() == []
    (now,) = shop.asked("SELECT clock_timestamp()", at_source=True)[0]
    rows = shop.lab.changed("silver.a.thing", at, now, "id").rows
    assert sorted({row[0] for row in rows}) == [1, 2, 3, 4]
    assert {row[2] for row in rows} == {"d", "now", "count"}
    for key in (1, 2, 3, 4):
        shop.lab.undo("a.thing", key, at)
    shop.change("TRUNCATE thing")
    assert shop.lab.verify() == []
    assert {row[2] for row in shop.lab.life("a.thing", 4).rows} == {"begins", "changes", "changes, then ends"}
    with server.session(shop.lab.warehouse_url) as cursor:
        functions.drop(cursor.connection)
        cursor.execute('DROP TABLE silver."a.thing"')


# A snapshot


def test_a_snapshot_takes_domains_as_text_too(shop: Shop) -> None:
    shop.begin("k integer PRIMARY KEY, a cents, b document, c short")
    shop.change("INSERT INTO thing VALUES (1, 1.5, '{\"a\": null}', 'ab')")
    shop.lab.capture(resnapshot=True, yes=True)
    shop.lab.merge()
    assert shop.asked("SELECT a::text, b::text, c::text FROM silver.thing_hist") == [("1.50", '{"a": null}', "ab")]
    assert shop.lab.verify() == []


# Keys of several columns

texts = st.text("-\\a1", max_size=5)


def test_no_two_tuples_of_texts_are_one_key(shop: Shop) -> None:
    names = ("a", "b", "c")
    text = dict.fromkeys(names, "text")
    shape = Shape(Table("thing", names, history="thing_hist"), text, text)

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(st.lists(st.tuples(texts, texts, texts), min_size=2, max_size=30, unique=True))
    def holds(tuples: list[tuple[str, str, str]]) -> None:
        rows = sql.SQL("(SELECT jsonb_build_object('a', a, 'b', b, 'c', c) AS full_row "
                       "FROM unnest(%s, %s, %s) AS given (a, b, c)) AS event")  # fmt: skip
        keys = sqlfile.each(map(shape.value, shape.keys))
        cursor.execute(sql.SQL("SELECT DISTINCT {} FROM {}").format(keys, rows),
                       [list(each) for each in zip(*tuples, strict=True)])  # fmt: skip
        assert sorted(cursor) == sorted(tuples)

    with server.session(shop.lab.warehouse_url) as cursor:
        holds()


@pytest.mark.slow
def test_keys_that_hyphens_would_confuse_are_kept_apart(shop: Shop) -> None:
    shop.begin("doc text, line text, amount integer, PRIMARY KEY (doc, line)", "doc text, line text, amount integer",
               ("doc", "line"))  # fmt: skip
    parts = [("1-2", "3"), ("1", "2-3"), ("1\\", "2-3"), ("1\\-2", "3"), ("1", "\\2-3"), ("", "-"), ("-", "")]
    for number, (doc, line) in enumerate(parts):
        shop.change("INSERT INTO thing VALUES (%(doc)s, %(line)s, %(amount)s)", doc=doc, line=line, amount=number)
    shop.merged()
    shop.change("DELETE FROM thing WHERE doc = '1-2'")
    shop.merged()
    current = "SELECT doc, line FROM silver.thing_hist WHERE sys_end = 'infinity' ORDER BY amount"
    assert shop.asked(current) == parts[1:]
    assert shop.lab.verify() == []
    for key, told in ((("1-2", "3"), "begins, then ends"), (("1", "2-3"), "begins")):
        assert [row[2] for row in shop.lab.life("thing_hist", key).rows] == [told]


# As wide as PostgreSQL holds


# Rows that the source tells apart by more than silver's key

of_two_columns = st.lists(st.tuples(st.lists(st.tuples(
    st.sampled_from(["put"] * 4 + ["move", "move", "delete", "truncate"]), st.integers(0, 1), st.integers(0, 2),
    st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=4), st.booleans()), min_size=3, max_size=8)  # fmt: skip
WRITES = {
    "put": "INSERT INTO thing VALUES (%(k)s, %(day)s, %(n)s) ON CONFLICT (day, k) DO UPDATE SET n = excluded.n",
    "move": "UPDATE thing SET day = %(to)s WHERE (k, day) = (%(k)s, %(day)s) "
            "AND NOT EXISTS (SELECT FROM thing WHERE (k, day) = (%(k)s, %(to)s))",
    "delete": "DELETE FROM thing WHERE (k, day) = (%(k)s, %(day)s)",
    "truncate": "TRUNCATE thing",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("examples", [4, pytest.param(300, marks=pytest.mark.slow)])
def test_rows_of_one_key_that_the_source_tells_apart_stay_apart(shop: Shop, examples: int) -> None:
    shop.begin("k integer, day integer, n integer, PRIMARY KEY (day, k)", "k integer, day integer, n integer",
               key=("day", "k"))  # fmt: skip

    @settings(max_examples=examples, deadline=None, derandomize=True)
    @given(of_two_columns)
    def holds(history: list) -> None:
        shop.change("TRUNCATE thing")
        ((since,),) = shop.asked("SELECT clock_timestamp()", at_source=True)
        states: list[list[tuple]] = [[]]
        for wishes, is_merged in history:
            with server.session(shop.lab.source_url) as cursor:
                for what, k, day, to, n in wishes:
                    cursor.execute(WRITES[what], {"k": k, "day": day, "to": to, "n": n})
            states.append(shop.asked("SELECT k, day, n FROM thing ORDER BY 1, 2", at_source=True))
            if is_merged:
                shop.merged()
        assert shop.lab.verify() == []
        instants = "SELECT DISTINCT sys_start AS at FROM silver.thing_hist UNION SELECT sys_end FROM silver.thing_hist"
        found = shop.asked(
            f"""SELECT (SELECT json_agg((k, day, n)::text ORDER BY k, day) FROM silver.thing_hist
                WHERE sys_start <= at AND at < sys_end) FROM ({instants}) AS i
                WHERE at > '{since}' AND at < 'infinity' ORDER BY at""")
        said = [[f"({k},{day},{n})" for k, day, n in rows] for rows in states]
        assert [rows or [] for (rows,) in found] == [now for then, now in pairwise(said) if then != now]

    holds()


def test_a_silver_table_without_a_column_of_the_sources_key_is_told_and_the_remedy_goes_on(shop: Shop) -> None:
    shop.begin("k integer, day integer, n integer, PRIMARY KEY (day, k)", "k integer, n integer", key=("day", "k"))
    shop.change("INSERT INTO thing VALUES (1, 1, 1), (1, 2, 2)")
    with pytest.raises(MedallionError, match="thing_hist has no column for day, and rows of thing are told apart by day, k"):
        shop.merged()
    assert shop.asked("SELECT count(*) FROM bronze.br_thing_cdc WHERE op = 'I'") == [(2,)], "bronze goes on"
    with server.session(shop.lab.warehouse_url) as cursor:
        cursor.execute("ALTER TABLE silver.thing_hist ADD day integer")
    assert shop.lab.verify() == []
    assert shop.asked("SELECT k, day, n FROM silver.thing_hist ORDER BY day") == [(1, 1, 1), (1, 2, 2)]


@pytest.mark.parametrize(("source", "key", "told"), [
    ("k integer, day integer, PRIMARY KEY (day, k)", ("k",), r"same \(k\).*what is unique: \(day, k\)"),
    ("k integer PRIMARY KEY DEFERRABLE", ("k",), r"several rows .* same \(k\): its key is DEFERRABLE"),
    ("k integer UNIQUE, day integer PRIMARY KEY", ("k",), r"what is unique: \(day\) or \(k\)"),
])  # fmt: skip
def test_a_key_that_is_not_unique_at_the_source_is_told(
    shop: Shop, source: str, key: tuple[str, ...], told: str
) -> None:
    with pytest.raises(MedallionError, match=told):
        shop.begin(source, "k integer, day integer", key=key)


@pytest.mark.slow
@pytest.mark.parametrize("tracked", [
    51, pytest.param(200, marks=pytest.mark.slow), pytest.param(1596, marks=pytest.mark.slow),
])  # fmt: skip
def test_rows_of_many_columns_are_merged_verified_and_told_of(shop: Shop, tracked: int) -> None:
    """With its key and three columns of the system's, a table of 1,596 tracked ones has PostgreSQL's 1,600."""
    names = [f"c{number}" for number in range(tracked)]
    shop.begin("k integer PRIMARY KEY, " + ", ".join(f"{name} boolean" for name in names))
    shop.change("INSERT INTO thing (k) VALUES (1), (2)", f"UPDATE thing SET {names[-1]} = true WHERE k = 2")
    shop.merged()
    for name in (names[0], names[-1]):
        shop.change(f"UPDATE thing SET {name} = true")
        shop.merged()
    shop.change("DELETE FROM thing WHERE k = 2")
    assert shop.lab.verify() == []
    assert [row[2:] for row in shop.lab.life("thing_hist", 1).rows] == [
        ("begins", None), ("changes", f"{names[0]}: null -> true"), ("changes", f"{names[-1]}: null -> true")]  # fmt: skip
    assert [row[2:] for row in shop.lab.life("thing_hist", 2).rows] == [
        ("begins", None), ("changes, then ends", f"{names[0]}: null -> true")]  # fmt: skip
    instants = [str(row[0]) for row in shop.lab.life("thing_hist", 1).rows]
    assert [row[2] for row in shop.lab.changed("thing_hist", instants[0], instants[2], ["k"]).rows if row[0] == 1] == [
        names[0], names[-1]]  # fmt: skip


def test_the_hash_of_a_row_is_of_the_texts_that_it_has(shop: Shop) -> None:
    """Another one in a later version would open a false version of every row."""
    shop.begin("k integer PRIMARY KEY, " + ", ".join(f"c{number} integer" for number in range(60)))
    shop.change("INSERT INTO thing (k, c0, c1, c59) VALUES (1, 1, 2, 3)")
    shop.merged()
    before = "SELECT hashtextextended(jsonb_build_object('k', '1', 'c0', '1', 'c1', '2', 'c59', '3')::text, 0)"
    assert shop.asked("SELECT row_hash FROM silver.thing_hist") == shop.asked(before)


@pytest.mark.slow
def test_a_row_that_is_larger_than_a_page_is_told(shop: Shop) -> None:
    columns = ", ".join(f"c{number} text" for number in range(1000))
    shop.begin(f"k integer PRIMARY KEY, {columns}", f"k bigint, {columns.replace('text', 'name')}")
    shop.change("INSERT INTO thing (k, " + ", ".join(f"c{number}" for number in range(200)) + ") "
                "SELECT 1, " + ", ".join(["'x'"] * 200))  # fmt: skip
    with pytest.raises(MedallionError, match=r"A row of thing_hist is larger than PostgreSQL allows: row is too big"):
        shop.merged()
    shop.change("DELETE FROM thing")


def test_a_silver_table_of_too_many_columns_is_told(lab: Medallion, tmp_path: Path) -> None:
    more = "CREATE TABLE silver.wide (" + ", ".join(f"c{number} integer" for number in range(1601)) + ");"
    film = "CREATE TABLE dim_film_hist"
    other = declaring(lab, with_silver(tmp_path, (film, more + film)))
    with pytest.raises(errors.TooManyColumns), databases.administering(lab.warehouse_url) as cursor:
        cursor.execute(more)
    with pytest.raises(MedallionError, match=r"A row of a table of silver is larger .* tables can have at most 1600 columns"):
        other.rebuild()
    assert asked(lab.warehouse_url, "SELECT count(*) FROM silver.dim_film") == 0
