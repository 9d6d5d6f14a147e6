"""What peers' own test suites ask, where a machine has them: nothing of theirs is here.

PEERS=directory names where to look beside the places that packages use: a source tree of PostgreSQL
(src/test/regress/sql), or MariaDB's tests (the package mariadb-test).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection, cursor as Cursor
from sqlalchemy import URL

from medallion_lib import databases, server
from medallion_lib.errors import MedallionError
from medallion_lib.system_time import functions, rewrite
from medallion_lib.system_time.tokens import Edit, edited, quoted, tokenize

pytestmark = pytest.mark.slow

PLACES = [Path(place) for place in ("/usr/src", "/usr/share/postgresql", "/usr/lib/postgresql")]
ASKED = os.environ.get("PEERS")
MISSING = "no {} is on this machine: name a directory that has one by PEERS=…"
PHRASE = re.compile("system_time|system.versioning|delete.history|for.timestamp", re.IGNORECASE)
CLAUSE = " FOR SYSTEM_TIME AS OF now()"
# What of an answer is no row's value, and differs between two tables of the same rows.
UNSTEADY = re.compile(r"\b(ctid|xmin|xmax|cmin|cmax|tableoid|random|now|clock_timestamp|tablesample|nextval|currval|explain"
                      r"|pg_\w+|txid_\w+|regclass|into|for (no key )?(update|share|key share))\b", re.IGNORECASE)  # fmt: skip


def files(below: str) -> list[Path]:
    """All of a directory of this name, in the first place that has it."""
    for place in [Path(ASKED)] if ASKED else PLACES:
        for found in sorted(place.glob(f"**/{below}")):
            if texts := sorted(each for each in found.iterdir() if each.suffix in (".sql", ".test", ".inc")):
                return texts
    return []


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


REGRESS, VERSIONING = files("src/test/regress/sql"), files("suite/versioning/t")
with_postgresqls = pytest.mark.skipif(not REGRESS, reason=MISSING.format("source tree of PostgreSQL"))
with_mariadbs = pytest.mark.skipif(not VERSIONING, reason=MISSING.format("package mariadb-test"))


def statements(text: str) -> Iterator[str]:
    """Those of a file's text, without psql's own commands, comments before them, and what is copied in."""
    text = re.sub(r"(?ims)^copy [^;]* from stdin.*?^\\\.$", "", text)
    text = re.sub(r"(?m)^\\.*$|\\g\w*.*$", ";", text)
    since = 0
    for before, token in pairwise(tokenize(text)[:-2]):
        since = token.start if before.text in (";", "") and before.kind != "string" else since
        if token.text == ";" and since < token.start:
            yield text[since : token.start]


@with_postgresqls
def test_a_statement_without_the_phrase_is_left_as_it_is() -> None:
    seen = 0
    for path in REGRESS:
        for sql in statements(read(path)):
            if not PHRASE.search(sql):
                assert rewrite(sql) is sql, (path.name, sql)
                seen += 1
    assert seen > 10_000, seen


@with_mariadbs
def test_what_mariadbs_suite_says_is_taken_or_refused_in_our_words() -> None:
    """Any of its statements is rewritten, left alone or refused: nothing else is raised."""
    taken = refused = 0
    for path in VERSIONING:
        for sql in statements(read(path)):
            try:
                taken += rewrite(sql) != sql
            except MedallionError:
                refused += 1
    assert taken > 100, (taken, refused)


@pytest.fixture(scope="module")
def suite(spare_url: URL) -> Iterator[Connection]:
    """PostgreSQL's tables in schema public, and of each a view in `twins` of one that versions itself.

    Its rows are there for the second time: those of the first are closed versions.
    """
    databases.build_warehouse(spare_url)
    with closing(server.connect(spare_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("CREATE SCHEMA twins; SET search_path = public; SET statement_timeout = '20s'")
        load(cursor, REGRESS[0].parents[1])
        cursor.execute(COLUMNS)
        for name, columns in cursor.fetchall():
            table, twin = f"public.{quoted(name)}", f"scratch.{quoted(name)}"
            cursor.execute(f"CREATE TABLE {twin} AS SELECT * FROM {table}; ALTER TABLE {twin} ADD our_key serial PRIMARY KEY")
            cursor.execute(f"SELECT meta.scd_system_versioned('{twin}')")
            cursor.execute(f"DELETE FROM {twin}")
            cursor.execute(f"INSERT INTO {twin} SELECT * FROM {table}")
            current = f"scratch.{quoted(name + '_current')}"
            cursor.execute(f"CREATE VIEW twins.{quoted(name)} AS SELECT {columns} FROM {current}")
        functions.regenerate(connection)
        yield connection


COLUMNS = """SELECT relname, string_agg(quote_ident(attname), ', ' ORDER BY attnum)
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') GROUP BY 1"""


def load(cursor: Cursor, folder: Path) -> None:
    """What its set-up makes; the functions of its library in C stay away."""
    filled = re.split(r"\\set filename :abs_srcdir '([^']+)'", (folder / "sql/test_setup.sql").read_text(encoding="utf-8"))
    for file, text in zip([None, *filled[1::2]], filled[::2], strict=True):
        for sql in statements(text):
            if (found := re.match(r"COPY (\w+) FROM :", sql)) and file:
                with (folder / file.lstrip("/")).open(encoding="utf-8") as rows:
                    cursor.copy_expert(f"COPY {found[1]} FROM STDIN", rows)
            else:
                with suppress(psycopg2.Error):
                    cursor.execute(sql)


def with_clause(sql: str, twins: set[str]) -> str:
    """The statement with the clause behind each table of these in a FROM."""
    tokens, edits = tokenize(sql), list[Edit]()
    within = [False]
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.text == "(":
            within.append(False)
        elif token.text == ")" and within[1:]:
            within.pop()
        elif token.text in ("FROM", "JOIN"):
            within[-1] = True
        elif token.text in ("WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "SELECT", "WINDOW", "ON"):
            within[-1] = token.text == "ON" and within[-1]
        is_named = token.kind in ("word", "quoted") and token.identifier in twins and after.text not in (".", "(", "*")
        if within[-1] and is_named and before.text in ("FROM", "JOIN", ","):
            edits.append((token.end, token.end, CLAUSE))
    return edited(sql, edits)


@with_postgresqls
def test_a_select_with_the_clause_behind_every_table_gives_the_rows_without_it(suite: Connection) -> None:
    """What PostgreSQL's grammar or names don't take of a function in a table's place is counted, and little."""
    asked, others, refused = 0, list[str](), Counter[str]()
    with suite.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relnamespace = 'twins'::regnamespace")
        twins = {name for (name,) in cursor.fetchall()}
        cursor.execute(rewrite(f"SELECT (SELECT count(*) FROM twins.tenk1 FOR SYSTEM_TIME ALL), (SELECT count(*) FROM twins.tenk1{CLAUSE})"))
        assert cursor.fetchone() == (20_000, 10_000)
        for sql in (sql for path in REGRESS for sql in statements(read(path))):
            if not re.match(r"(SELECT|WITH|VALUES|\()", sql, re.IGNORECASE) or UNSTEADY.search(sql):
                continue
            if (clause := with_clause(sql, twins)) is sql:
                continue
            plain = answer(cursor, "public", sql)
            if isinstance(plain, list):
                asked += 1
                ours = answer(cursor, "twins, public", clause)
                if isinstance(ours, str):
                    refused[ours] += 1
                elif ours != plain:
                    others.append(clause)
    assert others == []
    assert asked > 500 and refused.total() < asked / 20, (asked, refused)


def answer(cursor: Cursor, path: str, sql: str) -> list[str] | str:
    """Its rows, sorted as text, with what a sum of doubles leaves to their order cut off; or why there are none."""
    cursor.execute(f"BEGIN READ ONLY; SET LOCAL search_path = {path}")
    try:
        cursor.execute(rewrite(sql))
        rows = cursor.fetchall()
    except MedallionError as error:
        return str(error)
    except psycopg2.Error as error:
        return f"{error.pgcode} {error.diag.message_primary}"
    finally:
        cursor.execute("ROLLBACK")
    return sorted(str([float(f"{value:.10g}") if isinstance(value, float) else value for value in row]) for row in rows)
