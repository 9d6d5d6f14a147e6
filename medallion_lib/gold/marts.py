"""Marts of a user's own: a directory of SQL files, each of which makes views in gold.

The warehouse keeps their text, so that a rebuild makes them again without the directory. A file
marts.toml beside them declares what tells the rows of a mart apart, for `receipt` and `changed`.
"""

import json
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import server, sqlfile
from medallion_lib.errors import refusal
from medallion_lib.gold import receipt
from medallion_lib.mart import Mart, Own, Script
from medallion_lib.silver.shape import Shape
from medallion_lib.system_time import functions, rewrite
from medallion_lib.system_time.forms import FORMS
from medallion_lib.system_time.tokens import DEPTH, tokenize
from medallion_lib.tables import Tables

DECLARED = "marts.toml"


class Applied(NamedTuple):
    """Views of gold, by name: those made, those gone, and why the past of one can't be asked."""

    made: tuple[str, ...]
    gone: tuple[str, ...]
    refused: dict[str, str]


def apply(warehouse: Connection, directory: Path) -> Applied:
    """Make the views of a directory in place of those of the directory before: all or nothing.

    Raises MedallionError, and changes nothing, where a file can't be read or its SQL fails, where
    it makes or changes something else in gold, or where somebody else reads what would go.
    """
    own = _read(directory)
    with warehouse, warehouse.cursor() as cursor:
        server.only_one(cursor, "merge")
        tables = Tables.read(cursor)
        before = _made(tables.own)
        _drop(cursor, before)
        own = make(cursor, own)
        made = _made(own)
        refused = functions.regenerate(warehouse)
        for mart in own.marts:
            _check(cursor, tables, mart, made)
        cursor.execute(sqlfile.read("gold/marts_keep"), {"own": json.dumps(own.as_json())})
    gone = tuple(name for name in before if name not in made)
    told = {name: reason for name in made if (reason := refused.get(f"gold.{name}"))}
    return Applied(made, gone, told)


def make(cursor: Cursor, own: Own) -> Own:
    """Run the SQL in order; the same with the views that each file has made."""
    return own._replace(scripts=tuple(_run(cursor, script) for script in own.scripts))


def _read(directory: Path) -> Own:
    try:
        files = sorted(directory.glob("*.sql"))
        scripts = tuple(Script(file.name, file.read_text("utf-8")) for file in files)
        declared = directory / DECLARED
        said = tomllib.loads(declared.read_text("utf-8")) if declared.exists() else {}
        if unknown := said.keys() - {"mart"}:
            raise ValueError(f"{DECLARED} has {', '.join(sorted(unknown))}")
        marts = tuple(map(Mart.of_json, said.get("mart", ())))
    except (OSError, ValueError, TypeError, AttributeError) as problem:
        raise refusal("marts not read", path=directory, reason=problem) from None
    if not scripts:
        raise refusal("marts not read", path=directory, reason="no file there ends in .sql")
    return Own(scripts, marts)


def _made(own: Own) -> tuple[str, ...]:
    return tuple(name for script in own.scripts for name in script.makes)


def _drop(cursor: Cursor, views: tuple[str, ...]) -> None:
    """Drop those of the views that are there, all at once: they may read each other."""
    parameters = [",".join(form.parameters) for form in FORMS]
    commands = sqlfile.run(
        cursor, "gold/marts_drop", {"views": [*views], "parameters": parameters}
    ).fetchone()
    try:
        for command in filter(None, commands):
            cursor.execute(command)
    except errors.DependentObjectsStillExist as problem:
        raise refusal("marts are read", detail=problem.diag.message_detail) from None


def _relations(cursor: Cursor) -> dict[str, tuple[bool, str | None]]:
    """What is in gold, by name: whether it is a view, and of which query."""
    return {name: (*rest,) for name, *rest in sqlfile.run(cursor, "gold/relations")}


def _run(cursor: Cursor, script: Script) -> Script:
    """Run one file, whose names without a schema are of gold, or of silver where gold has none."""
    before = _relations(cursor)
    cursor.execute("SET LOCAL search_path = gold, silver, public")
    for begin, statement in _statements(script.text):
        try:
            block = sql.SQL("BEGIN EXECUTE {}; END").format(sql.Literal(statement))
            body = sql.Literal(block.as_string(cursor))
            cursor.execute(sqlfile.compose("gold/marts_run", block=body))
        except (psycopg2.Error, ValueError) as problem:  # a ValueError: psycopg2 takes no null byte
            raise _refused(problem, script, begin, statement) from None
    cursor.execute("SET LOCAL search_path TO DEFAULT")
    after = _relations(cursor)
    if changed := [name for name in before if after.get(name) != before[name]]:
        raise refusal("mart changes another", file=script.file, names=", ".join(changed))
    makes = tuple(name for name in after if name not in before)
    if others := [name for name in makes if not after[name][0]]:
        raise refusal("mart is no view", file=script.file, names=", ".join(others))
    return script._replace(makes=makes)


def _refused(problem: Exception, script: Script, begin: int, statement: str) -> Exception:
    """The refusal of what the server says. Of a lost connection or a lock, the session tells."""
    code, said = getattr(problem, "pgcode", "22"), getattr(problem, "diag", None)
    if not code or code.startswith(("08", "57P", "55P03")):
        return problem
    at = tokenize(statement)[1].start
    if said and said.internal_query == statement and said.internal_position:
        at = int(said.internal_position) - 1
    line = script.text.count("\n", 0, begin + at) + 1
    reason = said.message_primary if said else problem
    return refusal("mart not made", file=script.file, line=line, reason=reason)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The statements of a file, each with where it begins; all as one where a text has no end."""
    begin = inside = in_body = 0
    for before, token in pairwise(tokenize(text)):
        inside += DEPTH.get(token.text, 0)
        in_body += (before.text, token.text) == ("BEGIN", "ATOMIC")
        if in_body:
            in_body += (token.text == "CASE") - (token.text == "END")
        if token.text == ";" and not inside and not in_body:
            yield begin, text[begin : token.end]
            begin = token.end
    yield begin, text[begin:]


def _check(cursor: Cursor, tables: Tables, mart: Mart, made: tuple[str, ...]) -> None:
    """Raise MedallionError where a mart is declared otherwise than its view and history are."""
    facts = {"mart": mart.name, "of": mart.of}
    if mart.name not in made:
        raise refusal("mart misdeclared", **facts, reason="no file here makes such a view")
    columns = dict(sqlfile.run(cursor, "gold/marts").fetchall())[mart.name]
    if lacking := [name for name in mart.grain if name not in columns]:
        raise refusal("mart misdeclared", **facts, reason=f"it has no {', '.join(lacking)}")
    statement = receipt.statement(Shape.read(cursor, tables.history(mart.of)), mart)
    values = dict.fromkeys(receipt.values(mart, {})) | {"at": "infinity"}
    try:
        cursor.execute("SET LOCAL search_path = gold, silver, public")
        cursor.execute("EXPLAIN " + rewrite(statement.as_string(cursor)), values)
    except (psycopg2.ProgrammingError, psycopg2.DataError) as problem:
        reason = problem.diag.message_primary
        raise refusal("mart misdeclared", **facts, reason=reason) from None
