"""A source makes the same JSON of whole tables as capture makes of its log."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg2 import extensions
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL
from test_pgoutput import awkward, numerics, texts

from medallion_lib import server
from medallion_lib.source import pgoutput
from medallion_lib.source.catalog import Catalog
from medallion_lib.source.rows import rows
from medallion_lib.tables import Table

floats = st.one_of(st.floats(), st.sampled_from([-0.0, 0.0, 1e-7, 1e200, 0.1])).map(repr)
halves = st.floats(width=32).map(repr)
numbers, small = st.integers(-(2**63), 2**63 - 1), st.integers(-(2**15), 2**15 - 1)
plain = texts | awkward
arrays = st.lists(plain | st.none(), max_size=3)
documents = st.recursive(st.none() | numbers | plain, lambda each: st.lists(each, max_size=2)).map(json.dumps)
# Of each type its values, as texts that PostgreSQL reads or what psycopg2 makes such texts of.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "smallint": small, "integer": small, "bigint": numbers, "oid": st.integers(0, 2**32 - 1), "boolean": st.booleans(),
    "numeric": numerics, "real": halves, "double precision": floats, "text": plain, "varchar": plain, "name": plain,
    "character(9)": plain.map(lambda text: text[:9]), '"char"': st.sampled_from(["a", "", " ", "7"]), "bytea": st.binary(max_size=9),
    "json": documents, "jsonb": documents, "text[]": arrays, "boolean[]": st.lists(st.booleans() | st.none(), max_size=3),
    "date": st.sampled_from(["infinity", "0044-03-15 BC", "2024-02-29"]), "time with time zone": st.just("24:00:00-08"),
    "timestamptz": st.sampled_from(["-infinity", "2024-02-29 12:00:00.000001+05:30"]), "timestamp(0)": st.just("2024-01-01 1:02"),
    "interval": st.sampled_from(["1 mon -2 days 03:04:05.006", "0"]), "uuid": st.uuids().map(str),
    "inet": st.sampled_from(["10.0.0.1", "10.0.0.1/8", "::1"]), "cidr": st.just("10.0.0.0/8"), "macaddr": st.just("08:00:2b:01:02:03"),
    "money": st.sampled_from(["-1.5", "12345678.9"]), "bit(3)": st.sampled_from(["101", "000"]), "point": st.just("(-0,1e-7)"),
    "int4range": st.sampled_from(["[1,5)", "empty", "(,)"]), "regclass": st.sampled_from(["pg_class", "other.mood_of"]), "tsvector": st.just("a:1 'b c':2"),
    "other.mood": st.sampled_from(["ok", 'so "so"']), "other.pair": st.sampled_from(['(1,"a,""b")', "(,)"]), "other.pair[]": st.just('{"(,)",NULL}'),
    "other.whole": small, "other.yes": st.booleans(), "other.level": floats, "other.number": st.integers(0, 9), "other.code": plain,
}  # fmt: skip
MADE = """
    CREATE SCHEMA other;
    CREATE TYPE other.mood AS ENUM ('ok', 'so "so"');
    CREATE TYPE other.pair AS (a integer, b text);
    CREATE DOMAIN other.low AS smallint;
    CREATE DOMAIN other.whole AS other.low;
    CREATE DOMAIN other.yes AS boolean;
    CREATE DOMAIN other.level AS double precision;
    CREATE DOMAIN other.number AS oid;
    CREATE DOMAIN other.code AS text;
    CREATE TABLE other.mood_of ();
    CREATE FUNCTION public.concat(other.pair) RETURNS text RETURN 'not this';
    CREATE FUNCTION other.told(other.pair) RETURNS json RETURN '[]'::json;
    CREATE CAST (other.pair AS json) WITH FUNCTION other.told(other.pair);
    CREATE CAST (other.mood AS text) WITH INOUT AS ASSIGNMENT
"""


def as_streamed(cursor: Cursor, catalog: Catalog, table: Table) -> list[str]:
    """Each row by `json_writer`, of the texts that the server prints."""
    relation = catalog.relation(table)
    base_types = catalog.base_types(relation)
    types = (*relation.types, *base_types.values())
    extensions.register_type(extensions.new_type(types, "PRINTED", lambda value, _: value), cursor)
    cursor.execute(f"SELECT * FROM {table.source.as_string(cursor)}")
    return [*map(pgoutput.json_writer(relation.columns, relation.types, base_types), cursor.fetchall())]


def test_the_json_that_a_source_makes_is_that_of_its_log(spare_url: URL, record_property: Callable[[str, object], None]) -> None:
    """Numbers, texts, dates, domains, enums, composites and arrays, under names of any kind."""
    table, written = Table('odd "its" %s', (), "other"), []
    names = [f'its "{kind}" %s\\' if place % 3 else f"c{place}" for place, kind in enumerate(VALUES)]
    row = st.tuples(*(values | st.none() for values in VALUES.values()))
    with server.session(spare_url) as cursor, cursor.connection.cursor() as printing:
        cursor.execute(MADE)
        columns = ", ".join('"{}" {}'.format(name.replace('"', '""'), kind) for name, kind in zip(names, VALUES, strict=True))
        quoted = table.source.as_string(cursor)
        cursor.execute(f"CREATE TABLE {quoted} ({columns}, twice bigint GENERATED ALWAYS AS (1) STORED)")
        cursor.execute("SET search_path = ''")
        places = ", ".join(f"%s::{kind}" for kind in VALUES)

        @settings(max_examples=25, deadline=None, derandomize=True)
        @given(st.lists(row, min_size=1, max_size=3))
        def is_alike(each: list[tuple[Any, ...]]) -> None:
            cursor.execute(f"TRUNCATE {quoted}")
            for values in each:
                cursor.execute(f"INSERT INTO {quoted} VALUES ({places})".replace('%s"', '%%s"'), values)
            catalog = Catalog(cursor, (table,))
            streamed = as_streamed(printing, catalog, table)
            cursor.execute("SELECT jsonb_agg(a::jsonb)::text, jsonb_agg(b::jsonb)::text FROM unnest(%s, %s) AS row (a, b)",
                           ([*rows(catalog, table)], streamed))  # fmt: skip
            ours, theirs = cursor.fetchone()
            assert ours == theirs
            written.append(len(each))

        is_alike()
        cursor.connection.rollback()
    record_property("random rows", sum(written))


def test_a_source_says_about_how_many_rows_are_to_come(spare_url: URL) -> None:
    """Where it has counted none, nothing is said."""
    tables = (Table("whole", ()), Table("parted", ()))
    with server.session(spare_url) as cursor:
        cursor.execute("CREATE TABLE whole (n integer); CREATE TABLE parted (n integer) PARTITION BY LIST (n); "
                       "CREATE TABLE ones PARTITION OF parted FOR VALUES IN (1); CREATE TABLE others PARTITION OF parted DEFAULT; "
                       "INSERT INTO parted SELECT n % 4 FROM generate_series(1, 400) AS n; INSERT INTO whole VALUES (1)")  # fmt: skip
        assert Catalog(cursor, tables).rows_expected() is None
        cursor.execute("ANALYZE parted")
        assert Catalog(cursor, tables).rows_expected() == 400
        cursor.connection.rollback()
