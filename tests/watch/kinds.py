"""The types of random columns, each with values that are near each other, as PostgreSQL reads them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

SCHEMA = '"types of %s, ""ours"""'  # of the types that PostgreSQL does not bring
MADE = f"""
    CREATE SCHEMA {SCHEMA};
    CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
    SET search_path = {SCHEMA};
    CREATE TYPE "Mood" AS ENUM ('so so', 'it''s, {{"great"}}', '', 'Ä%');
    CREATE TYPE pair AS (a numeric, "b %" text);
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE DOMAIN code AS varchar(9) COLLATE "C" CHECK (VALUE <> 'no');
    CREATE DOMAIN few AS integer[] CHECK (cardinality(VALUE) < 9);
    CREATE DOMAIN deeper AS numeric(8, 3);
    CREATE DOMAIN deep AS deeper NOT NULL DEFAULT 7;
    CREATE DOMAIN document AS jsonb;
    CREATE DOMAIN feeling AS "Mood";
    CREATE DOMAIN grid AS real[][];
    CREATE TYPE spans AS RANGE (subtype = time);
    CREATE TYPE nested AS (one pair, many pair[], mood "Mood");
    RESET search_path;
"""
TEXTS = ("", " ", "a", "A", "a ", "ä", "a\u0308", "\\N", "'\"%s{}", "null", "é\n\t\r", "😀\x7f\u2028", "ﬀ", "SS", "ß", "0")

# Those of a btree key. Values beside each other are one key to some types, written otherwise.
KEYS: dict[str, tuple[str, ...]] = {
    "smallint": ("0", "-32768", "32767"),
    "integer": ("0", "1", "-2147483648", "2147483647"),
    "bigint": ("0", "9007199254740993", "9007199254740992", "-9223372036854775808"),
    "numeric": ("1.0", "1.00", "1", "0", "-0.000", "NaN", "Infinity", "-Infinity", "1e-90", "1e131071"),
    "numeric(6, 2)": ("0", "1.1", "-9999.99", "NaN"),
    "numeric(3, -2)": ("100", "99900", "0"),
    "real": ("0", "-0", "NaN", "Infinity", "0.1", "1e-45", "16777217"),
    "double precision": ("0", "-0", "NaN", "-Infinity", "0.1", "1e22", "5e-324", "9007199254740993"),
    "money": ("0", "-0.01", "92233720368547758.07", "1000000"),
    "boolean": ("true", "false"),
    "text": TEXTS,
    'text COLLATE "C"': TEXTS,
    "varchar(9)": TEXTS,
    "character varying": TEXTS,
    "char(5)": ("", "a", "a ", "A", "ä", "\n", "ﬀ"),
    "bpchar": ("", "a", "a ", "a  b ", "\t"),
    "char": ("a", " ", ""),
    "name": ("", "a b", "x" * 63, "\\"),
    '"char"': ("x", "", " ", "\\303", "'", "\\001"),
    "bytea": ("\\x", "\\x00", "\\x0000", "\\xff5c27"),
    "bit(3)": ("101", "000"),
    "bit varying": ("", "0", "00", "101"),
    "bit varying(4)": ("", "1", "0101"),
    "date": ("2024-02-29", "infinity", "-infinity", "4713-01-01 BC", "5874897-12-31", "0001-01-01 BC"),
    "timestamp": ("2023-07-01 00:00:00.1", "infinity", "-infinity", "0044-03-15 12:00 BC", "294276-12-31"),
    "timestamp(0)": ("2023-07-01 00:00:00.5", "2023-07-01 00:00:01", "-infinity"),
    "timestamptz": ("2023-07-01 02:00+02", "2023-07-01 00:00Z", "0044-03-15 12:00:00.000001 BC", "infinity", "10000-01-01"),
    "time": ("24:00", "00:00", "12:00:00.000001"),
    "timetz": ("12:00+00", "13:00+01", "24:00-15:59", "23:59:59.999999-11:30"),
    "interval": ("30 days", "1 mon", "720:00", "1 year -2 days 03:04:05.678", "infinity", "-178000000 years", "0"),
    "interval day to second(1)": ("1 day", "24:00:00.1", "-1 day +24:00"),
    "uuid": ("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "0" * 32),
    "inet": ("::1/64", "::1", "10.0.0.1", "10.0.0.1/8"),
    "cidr": ("::/0", "10.0.0.0/8", "10.0.0.0/9"),
    "macaddr": ("08:00:2b:01:02:03", "08002b010204"),
    "macaddr8": ("08:00:2b:01:02:03:04:05", "0"*16),
    "oid": ("0", "4294967295"),
    "regtype": ("integer", "pg_class", "0"),
    "oidvector": ("", "1 2", "4294967295"),
    "pg_lsn": ("16/B374D848", "0/0", "FFFFFFFF/FFFFFFFF"),
    "xid8": ("0", "18446744073709551615"),
    "tid": ("(0,1)", "(4294967295,65535)"),
    "jsonb": ('{"a":1.0}', '{"a":1.00}', '{"a":1}', "null", "[]", '"null"', '{"b":1,"a":null}', "1e400", '"\\u00e9"'),
    "int4range": ("[1,5)", "(0,4]", "empty", "(,)", "[3,3]"),
    "int8range": ("[1,5)", "[,9223372036854775807)", "empty"),
    "numrange": ("[1.0,2)", "[1.00,2)", "empty", "(,2.0]", "[NaN,NaN]"),
    "daterange": ("[2024-02-28,2024-02-29]", "[,infinity)", "[-infinity,infinity]", "empty"),
    "tsrange": ("[2023-07-01 00:00,infinity]", "empty", "(,)"),
    "tstzrange": ("[2023-07-01 02:00+02,)", "[2023-07-01 00:00Z,)", "empty"),
    "int4multirange": ("{}", "{[1,5),[5,7)}", "{[1,7)}", "{(,)}"),
    "nummultirange": ("{[1.0,2)}", "{[1.00,2)}", "{}"),
    "datemultirange": ("{[2024-02-28,2024-02-29]}", "{}"),
    "tstzmultirange": ("{[2023-01-01,2023-02-01),(2024-01-01,)}", "{}"),
    f"{SCHEMA}.spans": ("[12:00,24:00)", "empty"),
    "integer[]": ("{}", "{1,NULL}", "[0:0]={1}", "{1}", "[0:1][2:3]={{1,2},{3,NULL}}", "{{1},{1}}"),
    "numeric[]": ("{1.0}", "{1.00}", "{}", "{NULL,NaN}"),
    "text[]": ("{}", '{""}', '{NULL,"NULL","a,b"}', '{"{\\"c\\"}","\\\\"}', "{a}", "{A}"),
    "varchar(3)[]": ("{}", "{ab,abc}", "[2:2]={x}"),
    "timestamptz[]": ("{2023-07-01 02:00+02}", "{infinity,NULL}", "{2023-07-01 00:00Z}"),
    "jsonb[]": ('{"{\\"a\\":1.0}"}', '{"null",NULL}', "{}"),
    f'{SCHEMA}."Mood"': ("so so", "it's, {\"great\"}", "", "Ä%"),
    f'{SCHEMA}."Mood"[]': ('{"so so",NULL,""}', "{}", '{Ä%}'),
    f"{SCHEMA}.positive": ("1", "7"),
    f"{SCHEMA}.positive[]": ("{1,7}", "{}", "{NULL}"),
    f"{SCHEMA}.code": ("", "a", "A", "ü" * 9),
    f"{SCHEMA}.few": ("{}", "{1,2}", "[5:5]={1}", "{NULL}"),
    f"{SCHEMA}.deep": ("1.5", "1.500", "0", "-0"),
    f"{SCHEMA}.document": ('{"a":1.0}', '{"a":1.00}', "null"),
    f"{SCHEMA}.feeling": ("so so", ""),
    f"{SCHEMA}.grid": ("{}", "{{0},{-0}}", "{{-0},{0}}", "{{NaN,NULL}}"),
    f"{SCHEMA}.pair": ("(1.0,)", "(1.00,)", '(,"")', '(NaN,"a ""b"", (c)")', "(,)"),
    f"{SCHEMA}.pair[]": ('{"(1.0,x)",NULL}', '{"(1.00,x)",NULL}', "{}"),
    f"{SCHEMA}.nested": ('("(1.0,a)","{""(1,b)"",NULL}","so so")', '("(1.00,a)","{""(1,b)"",NULL}","so so")', "(,,)"),
    "tsvector": ("", "fat:2A cat:3", "'it''s':4 'a b'"),
    "tsquery": ("", "a & b", "b & a", "!a <-> 'b c'"),
    "citext": ("a", "A", "ä", "Ä", ""),
    "hstore": ("", "a=>1", "a=>NULL", 'a=>"NULL"'),
    "ltree": ("", "Top.Science", "top.science"),
}  # fmt: skip

# Those that are in no key, beside all of the above.
FURTHER: dict[str, tuple[str, ...]] = {
    "json": ("null", '{"b": 1,  "a":[1.0, null], "a": "\\u00e9"}', '{"b":1}', '""'),
    "xml": (),  # null alone: the embedded server is built without libxml
    "jsonpath": ("$.a", '$."b"'),
    "point": ("(1.5,-0)", "(0,0)", "(-0,0)", "(NaN,Infinity)"),
    "line": ("{1,-1,0}", "{2,-2,0}"),
    "lseg": ("[(0,0),(1,1)]", "[(1,1),(0,0)]"),
    "box": ("(1,1),(0,0)", "(3,3),(2,2)"),
    "path": ("[(0,0),(1,1)]", "((0,0),(1,1))"),
    "polygon": ("((0,0),(1,1),(2,0))", "((1,1),(2,0),(0,0))"),
    "circle": ("<(0,0),1>", "<(5,5),1>"),
    "point[]": ('{"(0,0)","(-0,0)"}', "{}"),
    "box[]": ("{(1,1),(0,0);(3,3),(2,2)}", "{}"),
    "json[]": ("{null}", '{"null"}', '[0:0]={"1"}'),
    "xml[]": ("{NULL}", "{}"),
    "xid": ("7", "4294967295"),
    "cid": ("0", "7"),
    "int2vector": ("", "1 2"),
    "regclass": ("pg_class", "0", "pg_catalog.pg_am"),
    "regprocedure": ("lower(text)", "0"),
    "regrole": ("pg_monitor", "0"),
    "pg_snapshot": ("10:20:10,14", "1:1:"),
    "txid_snapshot": ("10:20:10,14",),
    "aclitem": ("=r/pg_monitor", "pg_monitor=arw*/pg_monitor"),
    "aclitem[]": ("{=r/pg_monitor}", "{}"),
    "lquery": ("Top.*{1,2}", "*"),
    "refcursor": ("a", ""),
    '"char"[]': ("{x,NULL}", '{""}'),
    "bit(3)[]": ("{101,NULL}", "{}"),
    "numeric(6, 2)[]": ("{1.10,NaN}", "{}"),
    "interval[]": ("{30 days,1 mon}", "{1 mon,30 days}"),
    "real[]": ("{0,-0}", "{-0,0}", "{NaN,0.1}"),
    "money[]": ('{"$1,000.00",-0.01}', "{}"),
    "bytea[]": ('{"\\\\x00",NULL}', "{}"),
    "int4range[]": ('{"[1,5)",empty}', "{}"),
    f"{SCHEMA}.few[]": ('{"{1,2}","{}"}', "{}"),
}  # fmt: skip
ALL = KEYS | FURTHER
UNREADABLE = (f"{SCHEMA}.feeling",)  # no operator reads the bounds of partitions by a domain over an enum

# Added to a table with rows, a column of these is written into each, which no log has; a default
# may besides be no role, which may be dropped.
FILLING = (f"{SCHEMA}.deep",)
NO_DEFAULT = (*FILLING, *(f"{SCHEMA}.{name}" for name in ("few", "code", "positive")), "regrole")

_LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\x01\x02")  # two stand for names
# Beside their lists: values that nobody thought of.
AT_RANDOM: dict[str, SearchStrategy[str]] = {
    "text": st.text(_LETTERS, max_size=8),
    "varchar(9)": st.text(_LETTERS, max_size=9),
    "integer": st.integers(-(2**31), 2**31 - 1).map(str),
    "bigint": st.integers(-(2**63), 2**63 - 1).map(str),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False).map(str),
    "double precision": st.floats().map(repr),
    "real": st.floats(width=32).map(repr),
    "bytea": st.binary(max_size=6).map(lambda value: "\\x" + value.hex()),
    "date": st.dates().map(str),
    "timestamptz": st.datetimes().map(str),
    "interval": st.tuples(*[st.integers(-999, 999)] * 3).map("{0[0]} mon {0[1]} days {0[2]} s".format),
}  # fmt: skip


def values(kind: str) -> SearchStrategy[str]:
    """Texts that are read as values of a type."""
    listed = st.sampled_from(ALL[kind])
    return st.one_of(listed, AT_RANDOM[kind]) if kind in AT_RANDOM else listed


def literal(text: str | None) -> str:
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)
