"""In over 600 statements, the rewriter changes only the clause."""

import re
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL

from medallion_lib import server
from medallion_lib.system_time.forms import FORMS
from medallion_lib.system_time import rewrite

MARK = re.compile(r"/\*[@=]\*/")
NAMED = re.compile(r'((?:U&)?"(?:[^"]|"")*"|[\w$]+)$')
INSTANTS = ("'2023-07-01'", "now() - interval '1' day", ":at", "$$2023-07-01$$::date", "(SELECT max(a) FROM u)")


def statements() -> Iterator[str]:
    text = Path(__file__).with_name("statements.sql").read_text(encoding="utf-8")
    for lines in re.findall(r"^\S.*(?:\n[ \t].*)*", text, re.MULTILINE):
        if not lines.startswith("-- "):
            yield lines


STATEMENTS = list(statements())
assert len(STATEMENTS) > 600, "as the book says"


def with_clauses(sql: str, marks: Iterable[re.Match[str]]) -> tuple[str, str]:
    """The statement with a clause at each of these marks, as it is written and as it is sent."""
    written, sent, end = "", "", 0
    for mark in marks:
        form, before, end = next(FORM), sql[end : mark.start()], mark.end()
        given = [next(INSTANT) for _ in range(form.count)]
        name = NAMED.search(before)[1]
        called = f'{name[:-1]}{form.suffix}"' if name.endswith('"') else name + form.suffix
        alias = f" AS {name}" if "@" in mark[0] else ""
        space = "\n" if sql[end : end + 1].isalpha() else ""
        written += f"{before} FOR SYSTEM_TIME {form.clause.format(*given)}{space}"
        sent += f"{before.removesuffix(name)}{called}({', '.join(given)}){alias}{space}"
    return written + sql[end:], sent + sql[end:]


FORM, INSTANT = cycle(FORMS), cycle(INSTANTS)
ONE_CLAUSE = [with_clauses(sql, [mark]) for sql in STATEMENTS for mark in MARK.finditer(sql)]


@pytest.fixture(scope="module")
def parser(spare_url: URL) -> Iterator[Connection]:
    connection = server.connect(spare_url)
    connection.autocommit = True
    yield connection
    connection.close()


def complaint(parser: Connection, sql: str) -> str | None:
    """What PostgreSQL's grammar says: of a body whose types are open, the server reads no more."""
    create = "CREATE OR REPLACE FUNCTION parsed(anyelement) RETURNS void LANGUAGE sql AS %s"
    with parser.cursor() as cursor:
        try:
            cursor.execute(create, [sql])
        except psycopg2.Error as error:
            return f"{error.diag.message_primary}: {sql}"
    return None


def test_there_are_many_and_each_is_another() -> None:
    assert len(STATEMENTS) == len(set(STATEMENTS)) >= 500
    assert len(ONE_CLAUSE) >= 300
    assert len([sql for sql in STATEMENTS if "system_time" in sql.lower()]) >= 50


def test_they_are_postgresqls(parser: Connection) -> None:
    found = [complaint(parser, sql) for sql in STATEMENTS]
    assert [said for said in found if said] == []


def test_a_statement_without_the_clause_is_the_same_object() -> None:
    assert [sql for sql in STATEMENTS if rewrite(sql) is not sql] == []


def test_only_the_reference_with_the_clause_differs() -> None:
    found = [(rewrite(written), sent) for written, sent in ONE_CLAUSE]
    assert [pair for pair in found if pair[0] != pair[1]] == []


def test_only_the_references_with_a_clause_differ_where_there_are_several() -> None:
    found = [with_clauses(sql, MARK.finditer(sql)) for sql in STATEMENTS]
    assert [pair for pair in found if rewrite(pair[0]) != pair[1]] == []


def test_the_server_parses_what_is_sent(parser: Connection) -> None:
    found = [complaint(parser, sent.replace(":at", "$1")) for _, sent in ONE_CLAUSE]
    assert [said for said in found if said] == []
