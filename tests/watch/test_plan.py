"""A plan finds the tables of any schema, with keys that tell their rows apart."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from other_servers import running
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL

from medallion_lib import MedallionError, databases
from medallion_lib.tables import NONE, Table, Tables
from medallion_lib.watch.plan import GIST, UNSORTED, Asked, Plan, Planned, plan
from medallion_lib.watch.preview import preview

READER = f"watcher_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"
BASE = """
CREATE SCHEMA sales;
CREATE SCHEMA "Odd ""1"" x";
CREATE SCHEMA elsewhere;
CREATE TYPE sales.state AS ENUM ('new', 'paid');
CREATE TYPE sales.place AS (street text, town text);
CREATE DOMAIN sales.price AS numeric(10, 2);
CREATE EXTENSION pg_trgm;

CREATE TABLE person (id uuid PRIMARY KEY, name text);
CREATE TABLE sales.item (
    shop integer, code text, price sales.price, states sales.state[], state sales.state, place sales.place,
    doubled numeric GENERATED ALWAYS AS (price * 2) STORED, tripled integer GENERATED ALWAYS AS (shop * 3) VIRTUAL,
    sys_start date, card text, PRIMARY KEY (code, shop));
CREATE TABLE "Odd ""1"" x"."Ünïcode %s 😀
" ("Key" integer PRIMARY KEY, "a.b" text);
CREATE TABLE sales.person (id integer PRIMARY KEY);

CREATE TABLE sales.parted (day date, id integer, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
CREATE TABLE elsewhere.parted_2025 PARTITION OF sales.parted FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
    PARTITION BY RANGE (day);
CREATE TABLE elsewhere.parted_leaf PARTITION OF elsewhere.parted_2025 DEFAULT;

CREATE VIEW sales.seen AS SELECT 1;
CREATE MATERIALIZED VIEW sales.kept AS SELECT 1;
CREATE FOREIGN DATA WRAPPER none;
CREATE SERVER none FOREIGN DATA WRAPPER none;
CREATE FOREIGN TABLE sales.far (id integer) SERVER none;
CREATE TABLE sales.of_extension (id integer PRIMARY KEY);
ALTER EXTENSION pg_trgm ADD TABLE sales.of_extension;
CREATE TEMP TABLE passing (id integer PRIMARY KEY);
"""
EVERY = ['Odd "1" x.Ünïcode %s 😀\n', "person", "sales.item", "sales.parted", "sales.person"]


@pytest.fixture(scope="module")
def filled(spare_url: URL) -> URL:
    with databases.administering(spare_url) as cursor:
        cursor.execute(BASE)
    return spare_url


@pytest.fixture
def source(filled: URL) -> Iterator[Cursor]:
    """What is done with it is rolled back."""
    connection = psycopg2.connect(host=filled.query["host"], user=filled.username, dbname=filled.database)
    yield connection.cursor()
    connection.close()


def shown(found: Plan) -> list[str]:
    return [each.table.shown for each in found.each]


def one(found: Plan) -> Planned:
    (planned,) = found.each
    return planned


def refused(source: Cursor, asked: Asked, kept: Tables = NONE) -> str:
    with pytest.raises(MedallionError) as caught:
        plan(source, asked, kept)
    return str(caught.value)


def keyed(source: Cursor, made: str, named: bool = True) -> Plan:
    """The plan of a table t, made so."""
    source.execute("CREATE SCHEMA t; SET LOCAL search_path = t")
    source.execute(made)
    source.execute("RESET search_path")
    return plan(source, Asked(("t.t",) if named else ("t.*",)))


# Which tables


def test_without_a_name_every_table_with_a_key_is_taken(source: Cursor) -> None:
    """No view, foreign table, partition or temporary table; and none of an extension."""
    found = plan(source, Asked())
    assert (shown(found), found.wrong, found.skipped) == (EVERY, (), {})
    assert found.tables.each == tuple(each.table for each in found.each)
    assert found.tables.watched == ("*",)


@pytest.mark.parametrize(("names", "tables"), {
    ("sales.item",): ["sales.item"],
    ("SALES.Item",): ["sales.item"],
    ("item",): ["sales.item"],
    ("person",): ["person"],
    ("sales.*",): ["sales.item", "sales.parted", "sales.person"],
    ("sales.person", "sales.*"): ["sales.item", "sales.parted", "sales.person"],
    ('"Odd ""1"" x".*',): ['Odd "1" x.Ünïcode %s 😀\n'],
    ("Ünïcode %s 😀\n",): ['Odd "1" x.Ünïcode %s 😀\n'],
    ('"Ünïcode %s 😀\n"', "public.person"): ['Odd "1" x.Ünïcode %s 😀\n', "person"],
    ("sales.of_extension",): ["sales.of_extension"],
}.items())  # fmt: skip
def test_a_name_is_written_as_in_sql(source: Cursor, names: tuple[str, ...], tables: list[str]) -> None:
    found = plan(source, Asked(names))
    assert (sorted(shown(found)), found.tables.watched) == (tables, names)


@pytest.mark.parametrize(("asked", "told"), [
    (Asked(("sales.itm",)), "no table sales.itm. Names like it: sales.item"),
    (Asked(("zzz.*",)), "no schema zzz with tables"),
    (Asked(("sales.seen",)), "sales.seen is a view"),
    (Asked(("sales.kept",)), "sales.kept is a materialized view"),
    (Asked(("sales.far",)), "sales.far is a foreign table"),
    (Asked(("elsewhere.parted_leaf",)), "elsewhere.parted_leaf is a partition of sales.parted"),
    (Asked(("sales.item",), excluded=("item.crad",)), "Columns like it: sales.item.card"),
    (Asked(excluded=("person.id",)), "person.id is no column of a table that would be watched, or of several"),
    (Asked(("sales.item",), excluded=("person.name",)), "person.name is no column of a table that would be watched"),
    (Asked(("sales.item",), excluded=("sales.item.code",)), "Column code of sales.item is of its key"),
    (Asked(("sales.item",), keys={"sales.person": ("id",)}), "no table sales.person"),
    (Asked(declared=Tables((Table("item", ("Code",), "sales"),))), "sales.item has no column Code. Columns like it: code"),
    (Asked(("sales.item",), keys={"sales.item": ("cod",)}), "sales.item has no column cod. Columns like it: code"),
], ids=lambda each: re.sub(r"\W+", " ", each) if isinstance(each, str) else "")  # fmt: skip
def test_what_is_not_there_or_no_table_is_refused_with_what_is_like_it(source: Cursor, asked: Asked, told: str) -> None:
    assert told in refused(source, asked)


def test_a_name_in_several_schemas_is_refused(source: Cursor) -> None:
    source.execute("CREATE TABLE elsewhere.item (id integer PRIMARY KEY)")
    assert "Name one with its schema: elsewhere.item, sales.item" in refused(source, Asked(("item",)))


def test_what_is_watched_already_is_not_taken_again(source: Cursor) -> None:
    kept = plan(source, Asked(("sales.item",))).tables
    assert "sales.item is watched already" in refused(source, Asked(("sales.item",)), kept)
    assert shown(plan(source, Asked(("sales.*",)), kept)) == ["sales.parted", "sales.person"]


def test_a_table_that_was_watched_before_keeps_its_names(source: Cursor) -> None:
    before = plan(source, Asked(("person",))).tables
    ended = replace(before, each=tuple(replace(each, is_captured=False) for each in before.each))
    assert plan(source, Asked(("sales.person", "public.person")), ended).tables.each[1] == before.each[0]


# Keys


KEYS = {
    "id integer PRIMARY KEY, code text NOT NULL UNIQUE": (["id"], "primary key"),
    "b integer, a integer, PRIMARY KEY (b, a)": (["b", "a"], "primary key"),
    "id integer PRIMARY KEY, n integer); ALTER TABLE t REPLICA IDENTITY FULL; SELECT (1": (["id"], "primary key"),
    "id integer PRIMARY KEY, code text NOT NULL CONSTRAINT u UNIQUE); ALTER TABLE t REPLICA IDENTITY USING INDEX u; SELECT (1":
        (["code"], "index u"),
    "a integer NOT NULL, b integer NOT NULL, c integer NOT NULL CONSTRAINT v UNIQUE, CONSTRAINT u UNIQUE (a, b)); "
    "ALTER TABLE t REPLICA IDENTITY FULL; SELECT (1": (["c"], "index v"),
    "a integer NOT NULL, b integer NOT NULL, c integer NOT NULL CONSTRAINT v UNIQUE, CONSTRAINT u UNIQUE (a, b)); "
    "ALTER TABLE t REPLICA IDENTITY USING INDEX u; SELECT (1": (["a", "b"], "index u"),
    "a integer NOT NULL, b integer); CREATE UNIQUE INDEX u ON t (a) INCLUDE (b); "
    "ALTER TABLE t REPLICA IDENTITY USING INDEX u; SELECT (1": (["a"], "index u"),
}  # fmt: skip


@pytest.mark.parametrize("columns", KEYS)
def test_the_key_is_the_best_that_the_log_has(source: Cursor, columns: str) -> None:
    found = keyed(source, f"CREATE TABLE t ({columns})")
    key, key_from = KEYS[columns]
    assert ([*one(found).table.key], one(found).key_from, found.wrong) == (key, key_from, ())


UNFIT = {
    "id integer UNIQUE": "null is as good as any",
    "id integer PRIMARY KEY DEFERRABLE": "two rows may be alike for a while",
    "id integer NOT NULL); CREATE UNIQUE INDEX ON t (id) WHERE id > 0; SELECT (1": "of some rows only",
    "id integer NOT NULL); CREATE UNIQUE INDEX ON t (abs(id)); SELECT (1": "of an expression",
    "id integer": "nothing is unique",
}


@pytest.mark.parametrize("columns", UNFIT)
def test_what_does_not_tell_rows_apart_is_no_key(source: Cursor, columns: str) -> None:
    made = f"CREATE TABLE t ({columns})"
    found = keyed(source, made)
    ((sentence, statements, _),) = found.wrong
    assert "t.t has no primary key, nor a unique index on NOT NULL columns" in sentence
    source.execute(statements)
    found = plan(source, Asked(("t.t",)))
    assert (one(found).table.key, one(found).table.history, found.wrong) == ((), None, ())
    assert "its changes are kept, and no history" in one(found).told[0]
    assert "changes only" in preview(found, (), ())


@pytest.mark.parametrize("columns", UNFIT)
def test_a_table_without_a_key_that_nobody_named_is_left_out_and_told(source: Cursor, columns: str) -> None:
    found = keyed(source, f"CREATE TABLE t ({columns})", named=False)
    assert [*found.skipped] == ["t.t"]
    assert [each.sentence for each in found.wrong] == ["There is no table to watch."]
    assert "t.t has no primary key" in preview(found, (), ())


@pytest.mark.parametrize("made", [
    "CREATE TABLE t (code text NOT NULL UNIQUE)",
    "CREATE TABLE t (id integer PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY NOTHING",
    "CREATE TABLE t (day date, id integer, PRIMARY KEY (day, id)) PARTITION BY RANGE (day); "
    "CREATE TABLE leaf PARTITION OF t DEFAULT; ALTER TABLE leaf REPLICA IDENTITY NOTHING",
])  # fmt: skip
def test_an_index_that_the_log_lacks_is_to_be_the_replica_identity(source: Cursor, made: str) -> None:
    """Else the table's own updates would fail at the source, once it is published."""
    found = keyed(source, made)
    ((sentence, statements, _),) = found.wrong
    assert "its own changes would fail" in sentence
    assert re.fullmatch(r"ALTER TABLE t\.\w+ REPLICA IDENTITY USING INDEX \w+;", statements)
    source.execute(statements)
    assert (one(plan(source, Asked(("t.t",)))).table.key != (), plan(source, Asked(("t.t",))).wrong) == (True, ())


def test_a_key_that_is_asked_for_needs_whole_old_rows_and_no_nulls(source: Cursor) -> None:
    source.execute('CREATE TABLE sales.log (at date, "N" integer, what json)')
    asked = Asked(("sales.log",), keys={"log": ("AT", "N")})
    statements = [lack.statements for lack in plan(source, asked).wrong]
    assert len(statements) == 3
    source.execute("\n".join(statements))
    found = plan(source, asked)
    assert (one(found).table.key, one(found).key_from, found.wrong) == (("at", "N"), "--key", ())


def test_a_key_that_no_index_takes_is_told(source: Cursor) -> None:
    source.execute("CREATE TABLE sales.log (what json NOT NULL); ALTER TABLE sales.log REPLICA IDENTITY FULL")
    (lack,) = plan(source, Asked(("sales.log",), keys={"sales.log": ("what",)})).wrong
    assert lack.sentence == "sales.log can't have what in its key: no index takes a json."


def test_a_key_of_less_than_is_unique_is_told(source: Cursor) -> None:
    (lack,) = plan(source, Asked(("sales.item",), keys={"sales.item": ("code",)})).wrong[:1]
    assert "code" in lack.sentence


# Names, columns, form


def test_two_tables_of_one_name_land_apart(source: Cursor) -> None:
    found = {each.schema: each for each in plan(source, Asked(("person", "sales.person"))).tables.each}
    assert [found[each].bronze.strings for each in ("public", "sales")] == [
        ("bronze_public", "br_person_cdc"), ("bronze_sales", "br_person_cdc")]  # fmt: skip
    alone = one(plan(source, Asked(("person",)))).table
    assert (alone.bronze.strings, alone.silver.strings) == (("bronze", "br_person_cdc"), ("silver", "person_hist"))


def test_a_schema_whose_tables_are_all_left_out_changes_no_name(source: Cursor) -> None:
    source.execute("CREATE TABLE elsewhere.keyless (id integer)")
    found = plan(source, Asked(("person", "elsewhere.*")))
    assert (one(found).table.silver_schema, [*found.skipped]) == ("silver", ["elsewhere.keyless"])


def test_a_name_that_is_too_long_or_anothers_history_is_shortened_and_told(source: Cursor) -> None:
    long = "é" * 31
    source.execute(f'CREATE TABLE sales."{long}" (id integer PRIMARY KEY); CREATE TABLE sales.item_hist (id integer PRIMARY KEY)')
    found = {each.table.name: each for each in plan(source, Asked(("sales.*",))).each}
    assert found["item"].told == plan(source, Asked(("sales.item",))).each[0].told
    for name in (long, "item_hist"):
        base = found[name].table.history.removesuffix("_hist")
        assert f"Its names here begin with {base}: its own would not do." in found[name].told
        assert found[name].table.bronze.strings[1] == f"br_{base}_cdc"


def test_columns_have_base_types_and_what_is_converted_or_left_out_is_told(source: Cursor) -> None:
    found = one(plan(source, Asked(("sales.item",), excluded=("sales.item.card",))))
    types = {each.name: (each.type, each.number) for each in found.table.columns}
    assert types == {
        "shop": ("integer", 1), "code": ("text", 2), "price": ("numeric(10,2)", 3), "states": ("text", 4),
        "state": ("text", 5), "place": ("text", 6), "doubled": ("numeric", 7), "sys_start_": ("date", 9),
    }  # fmt: skip
    assert found.told == (
        "Kept as numeric(10,2): price (a domain).",
        "Kept as text: states (of type sales.state[]), state (an enum), place (a composite).",
        "Left out, as not in the log: generated when it is read: tripled.",
        "Left out, as asked for: card.",
        "sys_start is sys_start_ in its history, which has a sys_start of its own.",
    )
    assert found.table.excluded == ("card",)


def test_a_small_history_is_strict_where_its_key_can_be(source: Cursor) -> None:
    source.execute("""CREATE TABLE sales.big (id integer PRIMARY KEY);
        INSERT INTO sales.big SELECT generate_series(1, 100000);
        CREATE TABLE sales.tagged (tags text[] PRIMARY KEY)""")
    names = ("sales.big", "sales.tagged", "sales.person")
    found = plan(source, Asked(names))
    assert [each.table.is_strict for each in found.each] == [False, False, True]
    assert found.each[0].rows >= 100_000
    insisted = plan(source, Asked(names, is_strict=True))
    assert [each.table.is_strict for each in insisted.each] == [True, False, True]
    (lack,) = insisted.wrong
    assert "The history of sales.tagged can't be strict" in lack.sentence


def test_rows_are_counted_where_no_one_has_analysed(source: Cursor) -> None:
    source.execute("INSERT INTO sales.parted SELECT '2025-01-01'::date + n, n FROM generate_series(1, 200) AS n")
    assert one(plan(source, Asked(("sales.parted",)))).rows == 200
    source.execute("ANALYZE sales.parted; TRUNCATE sales.parted")
    assert one(plan(source, Asked(("sales.parted",)))).rows in (0, 200)


def takes(source: Cursor, type_: str, index: str) -> bool:
    source.execute("SAVEPOINT before")
    try:
        source.execute(f"CREATE TABLE taken (a {type_}, b tstzrange, {index})")
        return True
    except psycopg2.Error:
        return False
    finally:
        source.execute("ROLLBACK TO before")


def test_which_types_a_key_can_have_is_as_the_server_has_it(source: Cursor) -> None:
    source.execute("CREATE EXTENSION btree_gist")
    source.execute("""SELECT format_type(oid, NULL) FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace
                      AND typtype IN ('b', 'r', 'm') AND typcategory <> 'Z' AND typname !~ '^_|^(xml|reg|gtsvector|pg_)'""")
    types = [type_ for (type_,) in source.fetchall()]
    assert len(types) > 50
    sorted_ones = [each for each in types if takes(source, each, "PRIMARY KEY (a)")]
    assert sorted_ones == [each for each in types if not UNSORTED.fullmatch(each)]
    strict = [each for each in sorted_ones if takes(source, each, "PRIMARY KEY (a, b WITHOUT OVERLAPS)")]
    assert {*strict} ^ {each for each in types if GIST.fullmatch(each)} == set()


# What is declared


def test_what_is_declared_of_a_table_wins_and_the_rest_is_found(source: Cursor) -> None:
    said = Table("item", ("code", "shop"), "sales", history="thing", left_out=("card",), renamed={"cost": ("price",)})
    found = plan(source, Asked(declared=Tables((said,))))
    table = one(found).table
    assert (table.history, table.silver_schema, one(found).key_from) == ("thing", "silver", "declared")
    assert [each.name for each in table.columns][:3] == ["shop", "code", "cost"]
    assert "card" not in {each.name for each in table.columns}
    assert "Left out of its history, as declared: card." in one(found).told
    found = plan(source, Asked(("person",), declared=Tables((Table("item", (), "sales"),))))
    assert [(each.table.history, each.table.silver_schema) for each in found.each] == [
        ("person_hist", "silver_public"), ("item_hist", "silver_sales")]  # fmt: skip


# What stands in the way


@pytest.mark.parametrize(("made", "told"), {
    "CREATE UNLOGGED TABLE t (id integer PRIMARY KEY)": "which is unlogged",
    "CREATE TABLE t (id integer PRIMARY KEY); CREATE TABLE u () INHERITS (t)": "tables that inherit from it",
}.items())  # fmt: skip
def test_a_table_that_the_log_has_not_whole_is_told_or_left_out(source: Cursor, made: str, told: str) -> None:
    (lack,) = keyed(source, made).wrong
    assert told in lack.sentence
    assert told in plan(source, Asked(("t.*",))).skipped["t.t"]


@pytest.fixture
def reading(filled: URL) -> Iterator[Callable[[str], Cursor]]:
    """A cursor of a role that may nothing but read, once statements are made as its superuser."""
    with databases.administering(filled) as cursor:
        cursor.execute(f"CREATE ROLE {READER} LOGIN REPLICATION; GRANT USAGE ON SCHEMA sales TO {READER}")
        connection = psycopg2.connect(host=filled.query["host"], user=READER, dbname=filled.database)

        def made_so(statements: str) -> Cursor:
            cursor.execute(statements)
            return connection.cursor()

        yield made_so
        connection.close()
        cursor.execute(f"DROP TABLE IF EXISTS sales.own; DROP OWNED BY {READER}; DROP ROLE {READER}")


OWN = "CREATE TABLE sales.own (id integer PRIMARY KEY);"
RIGHTS = {
    "": ("may not read sales.own", "GRANT SELECT ON sales.own TO"),
    f"GRANT SELECT ON sales.own TO {READER}; ALTER TABLE sales.own ENABLE ROW LEVEL SECURITY":
        ("Row security hides rows of sales.own", "BYPASSRLS"),
}  # fmt: skip


@pytest.mark.parametrize("given", RIGHTS, ids=["no right", "some rows"])
def test_a_right_that_the_role_lacks_is_told_with_what_to_type(reading: Callable[[str], Cursor], given: str) -> None:
    found = plan(reading(OWN + given), Asked(("sales.own",)))
    (lack,) = found.wrong
    assert RIGHTS[given][0] in lack.sentence
    assert RIGHTS[given][1] in lack.statements
    assert one(found).rows is None


def test_a_publication_that_the_role_may_not_make_is_to_be_pasted(reading: Callable[[str], Cursor]) -> None:
    cursor = reading(f"{OWN} GRANT SELECT ON sales.own TO {READER}")
    (lack,) = plan(cursor, Asked(("sales.own",)), slot="watching", mark="Ours.").wrong
    assert f"Role {READER} may not publish all of these tables" in lack.sentence
    reading(lack.statements)
    assert plan(cursor, Asked(("sales.own",)), slot="watching", mark="Ours.").wrong == ()
    for mark in ("Another's.", None):
        (lack,) = plan(cursor, Asked(("sales.own",)), slot="watching", mark=mark).wrong
        assert lack.sentence.startswith('A publication "watching" is there that this warehouse did not make')
    reading("COMMENT ON PUBLICATION watching IS NULL")
    assert plan(cursor, Asked(("sales.own",)), slot="watching", mark="Ours.").wrong == ()
    reading("DROP PUBLICATION watching")
    reading("SELECT pg_create_logical_replication_slot('watching', 'pgoutput')")
    (lack,) = plan(cursor, Asked(("sales.own",)), slot="watching", mark="Ours.").wrong
    assert lack.sentence.startswith('A replication slot "watching" is there that this warehouse did not make')
    reading("SELECT pg_drop_replication_slot('watching')")


def test_the_source_is_kept_without_its_password(source: Cursor, filled: URL) -> None:
    url = filled.set(password="secret").update_query_dict({"sslmode": "prefer"})
    found = plan(source, Asked(("person",)), url=url)
    assert found.tables.source == found.source.url
    assert "sslmode=prefer" in found.tables.source
    assert "secret" not in preview(found, (), ())


def test_a_source_that_is_too_old_is_told_that_alone(source: Cursor, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("source.slot", "watch.plan"):
        monkeypatch.setattr(f"medallion_lib.{module}.OLDEST", 19)
    found = plan(source, Asked(("no_such",)))
    assert [lack.sentence for lack in found.wrong] == [
        f"It is PostgreSQL {found.source.version}; 19 or newer is needed. Upgrade it, or name another."]  # fmt: skip
    assert "19 or newer" in preview(found, (), ())


@pytest.mark.slow
@pytest.mark.parametrize("version", [14, 15, 16, 17])
def test_a_plan_of_an_older_source_leaves_out_what_its_log_has_not(version: int, parent: Path) -> None:
    with running(version, parent / "home") as place, databases.administering(place.url) as cursor:
        cursor.execute("""CREATE TABLE sum (a integer PRIMARY KEY, b integer, twice integer GENERATED ALWAYS AS (b * 2) STORED);
            CREATE TABLE doubled (id integer NOT NULL, twice integer GENERATED ALWAYS AS (id * 2) STORED PRIMARY KEY);
            CREATE TABLE parted (day date, id integer, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
            CREATE TABLE leaf PARTITION OF parted DEFAULT""")
        found = plan(cursor, Asked())
    assert (shown(found), [*found.skipped], found.wrong) == (["parted", "sum"], ["doubled"], ())
    assert found.each[1].told == ("Left out, as not in the log: generated, before PostgreSQL 18: twice.",)
    assert [each.name for each in found.each[1].table.columns] == ["a", "b"]
    assert found.source.version.startswith(str(version))


def test_a_pooler_is_told(source: Cursor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells its clients another process than the one that answers."""
    monkeypatch.setattr("medallion_lib.watch.plan.sqlfile.run", behind_a_pooler)
    assert plan(source, Asked(("person",))).wrong[0].sentence.startswith("A pooler answers")


def behind_a_pooler(cursor: Cursor, name: str, values: object = None) -> Cursor:
    from medallion_lib import sqlfile

    text = sqlfile.read(name)
    cursor.execute(text.replace("pg_backend_pid()", "0"), values)
    return cursor


def test_a_history_that_would_have_too_many_columns_is_refused_with_what_makes_room(source: Cursor) -> None:
    """PostgreSQL's tables have 1,600, and four of a history's are the system's."""
    columns = ", ".join(f"c{number} integer" for number in range(1, 1597))
    found = keyed(source, f"CREATE TABLE t (id integer PRIMARY KEY, {columns})")
    assert [each.sentence for each in found.wrong] == [
        "t.t has 1,597 columns, and a history has room for 1,596. Leave some out: --exclude schema.table.column"]
    assert plan(source, Asked(("t.t",), excluded=("t.t.c7",))).wrong == ()
