"""The clause in JavaScript sends what the one in Python sends, and refuses with the same text."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
import test_rewrite
import test_statements
import test_system_versioning
from hypothesis import given, settings
from hypothesis import strategies as st
from made import clause as generated
from statements_at_random import Maker
from test_statements import MARK, with_clauses

from medallion_lib.errors import MedallionError
from medallion_lib.system_time import hook, rewrite
from medallion_lib.system_time.forms import FORMS

NODE = shutil.which("node")
ASKED = Path(__file__).with_name("clause_asked.mjs")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node runs the clause in JavaScript, and there is none here")

Answer = dict[str, str]  # what is sent, or the refusal
Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script as the site has it, beside what is generated for it."""
    folder = tmp_path_factory.mktemp("ask")
    (folder / "package.json").write_text('{"type": "module"}')
    for path in generated.SCRIPTS.glob("*.js"):
        shutil.copy(path, folder)
    generated.write(folder)
    return folder / "clause.js"


@pytest.fixture(scope="module")
def ask(script: Path) -> Iterator[Ask]:
    """What asks the script, in one process for all."""
    with subprocess.Popen([NODE, ASKED, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          encoding="utf-8") as node:  # fmt: skip

        def ask(sql: str, **more: object) -> Answer:
            node.stdin.write(json.dumps({"sql": sql, **more}) + "\n")
            node.stdin.flush()
            return json.loads(node.stdout.readline())

        yield ask


def ours(sql: str) -> Answer:
    """What Python does, for a statement that a driver fills in."""
    try:
        return {"sent": rewrite(sql)}
    except MedallionError as error:
        return {"refused": str(error)}


def of_plain_text(sql: str) -> Answer:
    """The same where no driver does: then each % stands for itself, as two do for a driver."""
    return {way: text.replace("%%", "%") for way, text in ours(sql.replace("%", "%%")).items()}


def differing(ask: Ask, statements: Iterable[str]) -> list[tuple[str, Answer, Answer]]:
    found = []
    for sql in statements:
        for want, options in ((ours(sql), {"placeholders": True}), (of_plain_text(sql), {})):
            if (got := ask(sql, options=options)) != want:
                found.append((sql, got, want))
    return found


def shared() -> Iterator[str]:
    """The statements that are written down for Python's clause."""
    reading = "SELECT * FROM s, {}\nWHERE x".format
    yield from test_statements.STATEMENTS
    yield from (written for written, _ in test_statements.ONE_CLAUSE)
    yield from (with_clauses(sql, MARK.finditer(sql))[0] for sql in test_statements.STATEMENTS)
    yield from (reading(written) for written, _ in test_rewrite.REFERENCES)
    yield from (sql for sql, _ in test_rewrite.PLACES + test_rewrite.WRONG)
    yield from test_rewrite.UNTOUCHED + test_rewrite.FRAMES
    yield from (sql.replace("§", "t FOR SYSTEM_TIME ALL") for sql in test_rewrite.LOCKED + test_rewrite.NOT_LOCKED)
    for (clause, _), instant, alias in product(PERIODS, test_rewrite.INSTANTS, ["", " AS d(a, b)", " day"]):
        yield reading(f"s.t FOR SYSTEM_TIME {clause.format('now()', instant)}\n{alias}")
        yield reading(f"t FOR SYSTEM_TIME {clause.format(instant, instant)}\n{alias}")
    for frame, (written, _) in product(test_rewrite.FRAMES, test_rewrite.REFERENCES):
        yield frame.replace("{}", written)
    yield from (sql for sql, *_ in test_system_versioning.MADE)
    yield from test_system_versioning.UNTOUCHED
    yield from (sql.split("; ")[-1] for name, sql, _ in test_system_versioning.REFUSED if name.startswith(("period ", "option ")))
    yield from test_system_versioning.STANDARD
    yield from (f"DELETE HISTORY FROM {more}" for more in DELETED)
    yield from (sql.replace("§", "t FOR SYSTEM_TIME ALL") for sql in TWISTED)
    yield from (reading(f"t FOR SYSTEM_TIME AS OF {instant}") for instant in TWISTED_INSTANTS)


DELETED = ["t", "silver.\"My ' T\"; SELECT 1", "t BEFORE SYSTEM_TIME now() - interval '1 year'", "t WHERE id = 1", "ONLY t", "",
           "t BEFORE SYSTEM_TIME (SELECT max(a) FROM u FOR SYSTEM_TIME ALL)", "t BEFORE SYSTEM_TIME", "t BEFORE SYSTEM_TIME a b"]
# Where a rule of the one could be another's and no statement above would tell.
TWISTED = [
    "CREATE VIEW t AS SELECT * FROM §", "WITH RECURSIVE 1 AS (SELECT 1) SELECT * FROM §", "INSERT INTO s SELECT * FROM u ON CONFLICT (a), §",
    "MERGE INTO s USING u ON true WHEN MATCHED THEN UPDATE SET a = 1, §", "SELECT * FROM u JOIN v ON a WHEN b, §", "SELECT * FROM u WHEN CONFLICT, §",
    "SELECT DISTINCT FROM §", "SELECT a IS DISTINCT FROM §", "SELECT * FROM u WHERE a AS select, b FROM §", "SELECT a AS delete, b FROM u, §", "SELECT update FROM §",
    "WITH x AS (SELECT 1) SELECT (SELECT 2), t AS (SELECT 3) FROM §", "WITH x AS (SELECT 1) (SELECT 2), t AS (TABLE u) SELECT * FROM §",
    "SELECT * FROM s, (u) d FOR UPDATE OF d; SELECT * FROM (§) FOR UPDATE OF d", "UPDATE s SET a = (SELECT 1 FROM §) FOR UPDATE", "VALUES (1), (§) FOR UPDATE",
]  # fmt: skip
TWISTED_INSTANTS = ["date '1' day", "interval(3) '1' day", "a::interval(3) day", "a::interval day", "national 'x'", "national x", "character national 'x'",
                    "f() OVER FORMAT JSON", "f() OVER d", "f() WITHIN GROUP (a) FILTER (b) OVER (c, d)", "a.5", "a.* d", "a.'x'", "double 'x'", "a::double d"]
PERIODS = [("AS OF {1}", "as_of"), *test_rewrite.PERIODS]


def test_every_statement_that_is_written_down(ask: Ask, record_property: Callable) -> None:
    statements = {*shared()}
    record_property("statements", len(statements))
    assert len(statements) > 3_000
    assert differing(ask, statements) == []


def at_random(seed: int, count: int) -> list[str]:
    maker = Maker(Random(seed))
    return [maker.statement().written for _ in range(count)]


def test_random_statements(ask: Ask) -> None:
    assert differing(ask, at_random(21, 400)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(22, 32))
def test_thousands_of_random_statements(ask: Ask, seed: int) -> None:
    assert differing(ask, at_random(seed, 2_000)) == []


# Pieces of statements, put together without a plan: what is cut short, said twice or out of place.
PIECES = st.sampled_from([
    "SELECT", "*", "FROM", "t", "s.t", "FOR", "SYSTEM_TIME", "AS OF", "BETWEEN", "AND", "CONTAINED IN", "FROM", "TO", "ALL",
    "FOR SYSTEM_TIME AS OF", "t FOR SYSTEM_TIME ALL", "FROM t FOR SYSTEM_TIME AS OF now()", "t FOR TIMESTAMP", "TIMESTAMP",
    "SYMMETRIC", "ASYMMETRIC", "FOR UPDATE", "FOR SHARE OF", "TABLESAMPLE", "WITH", "RECURSIVE", "t AS (", "(", ")", "[", "]", ",", ";", ".",
    "UPDATE", "DELETE", "INSERT INTO", "MERGE INTO", "USING", "ONLY", "TABLE", "JOIN", "ON", "LATERAL", "AS", "d", "CASE",
    "WHEN", "END", "INTERVAL", "'1'", "DAY", "SECOND", "DATE", "DOUBLE PRECISION", "CHARACTER VARYING", "::", "int", "ARRAY", "AT TIME ZONE",
    "AT LOCAL", "COLLATE", "OPERATOR(", "+", "-", "%", "%%", "%s", "%(a)s", ":a", "?", "$1", "||", "/", "=>", "OVER", "FILTER", "WITHIN GROUP",
    "FORMAT JSON", "ORDINALITY", "substring(", "CREATE", "TEMP", "VIEW", "RENAME TO", "INTO", "DROP", "WITH (system_versioning = true)",
    "CREATE TABLE t (a int)", "DELETE HISTORY FROM t", "BEFORE SYSTEM_TIME", "system_versioning", "=", "on", "'", "''", "E'\\'", "\\", '"', '""', '"a"', "U&\"d!0061\"", "UESCAPE", "'!'", "$$", "$a$",
    "$A$", "$", "--", "\n", "/*", "*/", "é", "\u00a0", "\x1c", "\u2028", "1٣", "1_0", "1..2", ".5", "0x1F", "1e", "\U0001f600", "ſ", "İ", "UEſCAPE",
])  # fmt: skip
SOUP = st.lists(st.tuples(PIECES, st.sampled_from([" ", "", "\n", "\t", "/**/"])), max_size=24).map(
    lambda pieces: "".join(map("".join, pieces)))
NOISE = st.text(alphabet="aE'\"$%;:()[]-/*\\é&U!sfor .,\n01?=<>+\x1c\u00a0", max_size=40)


BEFORE = st.sampled_from(["", "SELECT * FROM ", "SELECT * FROM t FOR SYSTEM_TIME AS OF ", "CREATE TABLE t (a int) WITH (", "DELETE HISTORY FROM t "])
# Queries in each other, each perhaps with a lock, which means what is in it or not.
LOCKS = st.sampled_from(["", "", " FOR UPDATE", " FOR SHARE OF d", " FOR NO KEY UPDATE OF x, t", " FOR KEY SHARE OF s SKIP LOCKED"])
AROUND = st.sampled_from([
    "{}", "({})", "(({}))", "SELECT * FROM ({}) x", "SELECT * FROM ({}) AS d, s", "SELECT * FROM ({})", "WITH x AS ({}) TABLE x", "INSERT INTO s {}",
    "INSERT INTO s ({})", "({}) UNION SELECT 1", "SELECT ({})", "SELECT f(({}))", "SELECT * FROM (t FOR SYSTEM_TIME ALL JOIN ({}) x ON true)",
    "({}) ORDER BY 1", "{} LIMIT 1", "{}; TABLE s", "CREATE VIEW v AS ({})", "SELECT * FROM s WHERE EXISTS ({})", "SELECT * FROM u, LATERAL ({}) AS x",
])  # fmt: skip
LOCKING = st.recursive(
    st.sampled_from(["SELECT * FROM t FOR SYSTEM_TIME ALL", "SELECT * FROM u JOIN t FOR SYSTEM_TIME AS OF now() AS d ON true"]),
    lambda inner: st.builds(lambda around, query, lock: around.format(query) + lock, AROUND, inner, LOCKS))


def check(ask: Ask, soup: str, noise: str, locking: str) -> None:
    assert differing(ask, [soup, f"{noise} FROM t FOR SYSTEM_TIME AS OF {noise}", soup + noise, locking]) == []


PARTS = {"soup": st.builds(str.__add__, BEFORE, SOUP), "noise": NOISE, "locking": LOCKING}


@settings(max_examples=300, deadline=None)
@given(**PARTS)
def test_pieces_put_together_without_a_plan(ask: Ask, soup: str, noise: str, locking: str) -> None:
    check(ask, soup, noise, locking)


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None)
@given(**PARTS)
def test_many_pieces_put_together_without_a_plan(ask: Ask, soup: str, noise: str, locking: str) -> None:
    check(ask, soup, noise, locking)


# What PostgreSQL says of statements with the clause, as code, message and hint.
COMPLAINTS = [
    ("ST001", "gold.m cannot be asked FOR SYSTEM_TIME ALL: it adds up.", "For today's rows, leave FOR SYSTEM_TIME out."),
    ("ST002", "scratch.t has no primary key, and versions need one.", ""),
    ("22023", 'unrecognized parameter "system_versioning"', ""),
    ("22023", "time zone \"x\" not recognized", ""),
    ("22007", 'invalid input syntax for type timestamp with time zone: "x"', ""),
    ("22008", 'date/time field value out of range: "2023-13-01"', ""),
    ("42601", 'syntax error at or near "SYSTEM_TIME"', ""),
    ("42601", 'syntax error at or near "FROM"', ""),
    ("42P01", 'relation "x" does not exist', ""),
    *[("42883", f"function {name}{suffix}({types}) does not exist", "No function matches the given name and argument types.")
      for name in ("t", "silver.t", '"My T') for types in ("unknown", "", "date, text", "timestamp without time zone", "integer")
      for suffix in [form.suffix + '"' * name.startswith('"') for form in FORMS] + ["__else"]],
]  # fmt: skip
COMPLAINED_OF = [
    "SELECT * FROM t FOR SYSTEM_TIME AS OF 'x'", "SELECT * FROM t__as_of('x')", 'SELECT * FROM "My T__all"()', "SELECT 't__as_of('",
    "SELECT * FROM t FOR SYSTEM_TIME AS OF 'x", "DO $$ BEGIN PERFORM * FROM t FOR SYSTEM_TIME ALL; END $$", "SELECT * FROM t", "",
    "ALTER TABLE t SET (system_versioning = true)",
]  # fmt: skip


@pytest.mark.parametrize("others", [[], ["dim_customer", "scratch.t"]])
def test_a_complaint_is_explained_in_the_same_words(ask: Ask, monkeypatch: pytest.MonkeyPatch, others: list[str]) -> None:
    """But for those that take the server to explain, which the script leaves as they are."""
    monkeypatch.setattr(hook, "with_history", lambda engine: others)
    for sql, (code, message, hint) in product(COMPLAINED_OF, COMPLAINTS):
        diagnosis = SimpleNamespace(sqlstate=code, message_primary=message, message_hint=hint)
        error = SimpleNamespace(diag=diagnosis)
        context = SimpleNamespace(original_exception=error, engine=hook, statement=rewrite(sql), execution_context=None)
        want = hook.translate(context)
        told = {"code": code, "message": message, "hint": hint}
        assert ask(sql, error=told, others=others) == {"refused": str(want) if want else None}, (sql, message)
