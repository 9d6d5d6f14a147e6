"""A table is made versioned, and a row hashed, in one way."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import psycopg2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import cursor as Cursor

from medallion_lib import Medallion, server, shop
from medallion_lib.errors import TEXTS
from medallion_lib.system_time import functions
from medallion_lib.system_time.forms import FORMS
from medallion_lib.system_time.tokens import quoted

HASHED = "meta.row_hash(jsonb_object({}, ARRAY[{}]::text[]))"


def ask(lab: Medallion, query: str) -> list[tuple]:
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


# --- The hash ----------------------------------------------------------------------------------


def test_a_row_has_the_hash_of_its_texts(lab_at: Callable[[str], Medallion]) -> None:
    """Also where the table has partitions, and its key other columns than files know a row by."""
    lab = lab_at("2023-01-05")
    lookups = {table.history: table.lookups for table in shop.TABLES.versioned}
    for name, looked_up in lookups.items():
        columns = [column for (column,) in ask(
            lab, f"SELECT attname FROM pg_attribute WHERE attrelid = 'silver.{name}'::regclass AND attnum > 0 "
            "AND attname <> ALL (meta.system_columns())") if column not in looked_up]  # fmt: skip
        texts = HASHED.format(f"'{{{','.join(columns)}}}'", ", ".join(f"{column}::text" for column in columns))
        rows, same = ask(lab, f"SELECT count(*), count(*) FILTER (WHERE row_hash = {texts}) FROM silver.{name}")[0]
        assert rows == same > 20, name


def test_a_column_that_is_null_changes_no_hash_and_a_null_in_a_document_does(lab: Medallion) -> None:
    hashed = "SELECT meta.row_hash(jsonb_build_object({}))"
    one = "'id', '1', 'doc', '{\"a\": 1}'"
    (alone,), (null,), (within,) = (ask(lab, hashed.format(each))[0] for each in (
        one, one + ", 'added', NULL", one.replace("1}", '1, "b": null}')))  # fmt: skip
    assert alone == null != within


def test_the_merge_calls_no_function_for_the_hash(lab: Medallion) -> None:
    """Its body stands in the plan."""
    for table in shop.TABLES.versioned:
        statement = lab.merge_statement(table.history)
        assert "meta.row_hash(" in statement
        with server.session(lab.warehouse_url) as cursor:
            cursor.execute("EXPLAIN (VERBOSE) " + statement, {"since": 0, "upto": 1})
            plan = "\n".join(line for (line,) in cursor)
        assert "hashtextextended" in plan
        assert not re.search(r"row_hash\(", plan)


# --- Any table ---------------------------------------------------------------------------------

SYSTEM = ["row_hash", "sys_start", "sys_end", "sys_period"]
NAMES = st.sampled_from([
    "id", "Mixed Case", 'a"b', "o'clock", "%s {x}", "select", "ünï", "-", "a.b", "table", *SYSTEM, "x" * 63])  # fmt: skip
KEY_TYPES = ("integer", "bigint", "text", "uuid", "date", "timestamptz", "numeric", "boolean", "bytea", "inet", "int4range", "text[]")
TYPES = (*KEY_TYPES, "tstzrange", "jsonb", "xml", "point", "smallint[]", "double precision")
TITLES = ("plain", "Odd Name_hist", 'q"t', "_hist", "per%cent {}", "o'clock_hist", "y" * 42, "z" * 49 + "_hist", "taken", "thing_hist")


@dataclass
class Made:
    """A table of random columns, of which the first are its key."""

    title: str
    columns: dict[str, str]
    keys: list[str]
    by_month: str | None

    @property
    def name(self) -> str:
        return f"odd.{quoted(self.title)}"

    @property
    def view(self) -> str:
        is_hist = self.title.endswith("_hist") and self.title != "_hist"
        return self.title[:-5] if is_hist else self.title + "_current"

    def statement(self) -> str:
        columns = ", ".join(f"{quoted(name)} {type_}" for name, type_ in self.columns.items())
        key = f", PRIMARY KEY ({', '.join(map(quoted, self.keys))})" if self.keys else ""
        parts = f" PARTITION BY RANGE ({quoted(self.by_month)})" if self.by_month else ""
        return f"CREATE TABLE {self.name} ({columns}{key}){parts}"


@st.composite
def tables(draw: st.DrawFn) -> Made:
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    keys = names[: draw(st.sampled_from((1, 2, 3, 0)))]
    columns = {name: draw(st.sampled_from(KEY_TYPES if name in keys else TYPES)) for name in names}
    for name in set(SYSTEM) & set(names):
        if draw(st.booleans()):
            columns[name] = {"row_hash": "bigint", "sys_period": "tstzrange"}.get(name, "timestamptz")
    dated = [name for name in keys if columns[name] in ("date", "timestamptz")]
    by_month = draw(st.sampled_from([*dated, None]))
    return Made(draw(st.sampled_from(TITLES)), columns, keys, by_month)


CATALOG = (
    "SELECT attrelid::regclass::text, attname, attnum, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum), relkind "
    "FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'odd'::regnamespace AND attnum > 0 ORDER BY 1, 3",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'odd'::regnamespace ORDER BY 1, 2",
    "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), relfilenode FROM pg_index JOIN pg_class ON oid = indexrelid "
    "WHERE relnamespace = 'odd'::regnamespace ORDER BY 1",
    "SELECT oid::regclass::text, relfilenode, reloptions::text, obj_description(oid, 'pg_class') FROM pg_class "
    "WHERE relnamespace = 'odd'::regnamespace ORDER BY 1",
)  # fmt: skip


def catalog(cursor: Cursor) -> list[list[tuple]]:
    found = []
    for query in CATALOG:
        cursor.execute(query)
        found.append(cursor.fetchall())
    return found


def is_refusal(message: str) -> bool:
    """Whether it is a text of refusals.txt, with facts filled in."""
    texts = (re.sub(r"\\\{\w+\\\}", "(?s:.*)", re.escape(text)) for text in TEXTS.values())
    return any(re.fullmatch(text, message.strip()) for text in texts)


def promised(made: Made) -> tuple[list[str], str]:
    """The columns and the primary key that a table has once it is versioned."""
    added = [name for name in SYSTEM if name not in made.columns and (name != "sys_period" or not made.by_month)]
    keys = [quoted(name) for name in made.keys if name not in SYSTEM]
    if made.by_month:
        month = quoted(made.by_month)
        keys = [*(key for key in keys if key != month), month, "sys_end"]
    else:
        keys.append("sys_period WITHOUT OVERLAPS")
    return [*made.columns, *added], re.sub(r'"(\w+)"', r"\1", f"PRIMARY KEY ({', '.join(keys)})")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_any_table_is_versioned_as_promised_or_refused(lab: Medallion, made: Made) -> None:
    with closing(server.connect(lab.warehouse_url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA odd; CREATE TABLE odd.taken_current (a integer); CREATE VIEW odd.thing AS SELECT 1 AS a")
        cursor.execute(made.statement())
        try:
            cursor.execute("CALL meta.make_versioned(%s)", (made.name,))
        except psycopg2.Error as error:
            assert error.pgcode == "ST002", error
            assert is_refusal(error.diag.message_primary), error
            return
        columns, key = promised(made)
        before = catalog(cursor)
        assert [row[1] for row in before[0] if row[6] in "rp" and "_default" not in row[0] and row[1] in columns
                and row[0] != "odd.taken_current"] == columns  # fmt: skip
        assert key in [re.sub(r'"(\w+)"', r"\1", row[2]) for row in before[1]]
        cursor.execute(f"SELECT * FROM odd.{quoted(made.view)}")
        assert [each.name for each in cursor.description] == [
            name for name in columns if name not in ("sys_end", "sys_period")]  # fmt: skip
        assert all(row[5] for row in before[0] if row[1] in SYSTEM and row[6] in "rpv")
        cursor.execute("CALL meta.make_versioned(%s)", (made.name,))
        assert catalog(cursor) == before, "twice is as once"


# --- The functions -----------------------------------------------------------------------------


def test_the_procedure_makes_the_functions_that_regenerate_makes(lab: Medallion) -> None:
    made = ("SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc') "
            "FROM pg_proc AS p WHERE pronamespace = 'scratch'::regnamespace AND proname ~ '^seat.*__' ORDER BY 1")  # fmt: skip
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("CREATE TABLE scratch.seat (hall integer, place integer, colour text, PRIMARY KEY (hall, place));"
                       "CALL meta.make_versioned('scratch.seat'); CALL meta.make_functions('scratch.seat')")  # fmt: skip
        cursor.execute(made)
        by_procedure = cursor.fetchall()
        functions.drop(cursor.connection)
        functions.regenerate(cursor.connection)
        cursor.execute(made)
        regenerated = cursor.fetchall()
    assert len(by_procedure) == 2 * len(FORMS) and by_procedure == regenerated
