"""`CREATE TABLE … WITH (system_versioning = true)`: a table that keeps its versions itself.

    CREATE TABLE price (film_id int PRIMARY KEY, rate numeric) WITH (system_versioning = true)
    CREATE TABLE price (film_id int PRIMARY KEY, rate numeric) ; CALL meta.created_…('price')

PostgreSQL is not told of the option, and is told to go on: sql/system_versioned.sql makes the
columns, key, triggers and view. Where such a table, or what else has functions behind FOR
SYSTEM_TIME, is altered or dropped, these are dropped before it and made again after it.
"""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import ExceptionContext

from medallion_lib import sqlfile
from medallion_lib.errors import MedallionError, refusal
from medallion_lib.system_time.tokens import BEFORE_NAME, Edit, Token, after_bracket, finished, says

REFUSED = "ST002"  # SQLSTATE of what meta.refusal() says

_TEMPORARY = ("TEMP", "TEMPORARY")
_KINDS = ("TABLE", "VIEW", "MATERIALIZED")
_MEANING = dict.fromkeys(["true", "on", "yes", "1"], True)
_MEANING |= dict.fromkeys(["false", "off", "no", "0"], False)
_CHANGE = re.compile(r"\b(create|alter|drop)\b", re.IGNORECASE)
_CALLED = "scd_system_versioned"


class SystemVersioningError(MedallionError):
    """A table that can't keep its versions, or a change it can't take; the text says what to do."""


class Statement(NamedTuple):
    """One of those in a text: its tokens as `tokenize` gives them."""

    tokens: list[Token]

    @property
    def end(self) -> int:
        return self.tokens[-3].end

    def begins(self, *words: str) -> bool:
        """Whether these are its first words, but for those that may stand before a name."""
        said = [token.text for token in self.tokens[1:8] if token.text not in BEFORE_NAME]
        return said[: len(words)] == list(words)

    def outside_brackets(self, since: int = 1) -> Iterator[int]:
        """The indexes of the tokens that no bracket holds; of a bracket, its beginning."""
        depth = 0
        for i in range(since, len(self.tokens) - 2):
            if depth == 0:
                yield i
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(self.tokens[i].text, 0)

    def names(self, since: int) -> Iterator[tuple[int, int]]:
        """Where the names begin and end that are listed from the token `since` on."""
        i = since
        while self.tokens[i].text in BEFORE_NAME:
            i += 1
        while self.tokens[i].kind in ("word", "quoted"):
            start = i
            while self.tokens[i + 1].text == ".":
                i += 2
            yield self.tokens[start].start, self.tokens[i].end
            if self.tokens[i + 1].text != ",":
                return
            i += 2


def statements(tokens: list[Token]) -> list[Statement]:
    """Those of a text."""
    outside, found = tokens[0], [[tokens[0]]]
    for token in tokens[1:-2]:
        if token.text == ";":
            found.append([outside])
        else:
            found[-1].append(token)
    return [Statement([*each, outside, outside]) for each in found if len(each) > 1]


def options(sql: str, tokens: list[Token]) -> list[Edit]:
    """What takes the option out of each CREATE TABLE in `sql`, and sets a call behind it.

    In a string, comment or index it is not the option.
    """
    made = (each for each in statements(tokens) if each.begins("CREATE", "TABLE"))
    return [edit for statement in made for edit in _created(sql, statement)]


def _created(sql: str, statement: Statement) -> list[Edit]:
    tokens = statement.tokens
    table = next(i for i, token in enumerate(tokens) if token.text == "TABLE")
    bracket = next((i + 1 for i in statement.outside_brackets(table)
                    if says(tokens, i, "WITH", "(")), None)  # fmt: skip
    found = bracket and _option(sql, statement, bracket)
    named = next(statement.names(table + 1), None)
    if not found or not named:
        return []
    is_wanted, start, end = found
    edits = [(start, end, "")]
    if is_wanted:
        name = _checked(sql, statement, table, *named)
        call = f"; CALL meta.created_system_versioned('{name}')"
        edits.append((statement.end, statement.end, call))
    return edits


def _option(sql: str, statement: Statement, bracket: int) -> tuple[bool, int, int] | None:
    """What the option in the bracket says, and which part of `sql` holds it and no other."""
    tokens, close = statement.tokens, after_bracket(statement.tokens, bracket) - 1
    commas = (i for i in statement.outside_brackets(bracket + 1) if tokens[i].text == ",")
    ends = [bracket, *(i for i in commas if i < close), close]
    for n, (before, after) in enumerate(pairwise(ends)):
        if not tokens[before + 1].is_name or tokens[before + 1].identifier != "system_versioning":
            continue
        if after > before + 2 and tokens[before + 2].text != "=":
            continue
        said = tokens[before + 3 : after]
        wanted = _MEANING.get(said[0].text.strip("'").lower() if said else "true")
        if wanted is None or len(said) > 1:
            value = sql[said[0].start : said[-1].end]
            raise refusal("option not read", SystemVersioningError, value=value)
        if len(ends) == 2:
            return wanted, tokens[before - 1].start, tokens[after].end
        if n:
            return wanted, tokens[before].start, tokens[after].start
        return wanted, tokens[before + 1].start, tokens[after + 1].start
    return None


def _checked(sql: str, statement: Statement, table: int, start: int, end: int) -> str:
    """The name of the table that is made, as text in a string; refused where it can't be one."""
    tokens = statement.tokens
    name = sql[start:end]
    words = [token for token in tokens if start <= token.start < end]
    kind = "temporary" if any(t.text in _TEMPORARY for t in tokens[:table]) else None
    if len(words) > 1 and words[-3].identifier != "scratch":
        kind = f"of schema {words[-3].identifier}"
    if kind:
        facts = {"kind": kind, "table": words[-1].identifier}
        raise refusal("option on another", SystemVersioningError, **facts)
    if any(tokens[i].text == "AS" for i in statement.outside_brackets(table)):
        raise refusal("option on a query", SystemVersioningError, table=name)
    return name.replace("'", "''")


def let_go(sql: str, tokens: list[Token], connection: Any) -> list[Edit]:
    """What drops what hangs on each table or view in `sql` before it is altered or dropped.

    In one text, since a connection may commit each: all of it happens, or nothing.
    """
    edits, dropped = list[Edit](), ""
    for statement in statements(tokens):
        words = [token.text for token in statement.tokens]
        if words[1] not in ("ALTER", "DROP") or words[2] not in _KINDS:
            continue
        if words[1] == "ALTER" or "CASCADE" not in words:
            drop, before, after = _around(sql, statement, words, connection)
            start, end = statement.tokens[1].start, statement.end
            edits += [(start, start, before if dropped else drop + before), (end, end, after)]
            dropped = dropped or drop
    return edits


def _around(
    sql: str, statement: Statement, words: list[str], connection: Any
) -> tuple[str, str, str]:
    """What drops the functions, and what comes before and after one that alters or drops."""
    from medallion_lib.system_time import (
        functions,  # which reads with system_time.py, which reads with this
    )

    since = 4 if words[2] == "MATERIALIZED" else 3
    spans = [*statement.names(since)]
    with closing(connection.cursor()) as asking:
        found = named(asking, [sql[start:end].replace("%%", "%") for start, end in spans])
        drop = functions.dropping(asking) if found else None
    before, after = "", ""
    for oid, is_versioned, _ in found:
        if is_versioned and (words[1] == "DROP" or _reshapes(statement, spans[-1][1])):
            before += f"CALL meta.drop_current_view({oid});\n"
        if is_versioned and words[1] == "ALTER":
            after += f"; CALL meta.renew_current_view({oid})"
    return (f"{drop};\n" if drop else "").replace("%", "%%"), before, after


def _reshapes(statement: Statement, named: int) -> bool:
    """Whether an action after the name that ends at `named` drops, renames or retypes."""
    for i in statement.outside_brackets(3):
        first, *more = (token.text for token in statement.tokens[i : i + 6])
        if statement.tokens[i - 1].end == named or statement.tokens[i - 1].text == ",":
            column = more[1:] if more[:1] == ["COLUMN"] else more
            retyped = first == "ALTER" and ["TYPE"] in (column[1:2], column[3:4])
            if first in ("DROP", "RENAME") or retyped:
                return True
    return False


def named(cursor: Any, names: list[str]) -> list[tuple[int, bool, str]]:
    """Those of the names that are of something, and whether it keeps its versions by which key."""
    cursor.execute(sqlfile.read("system_time/named"), {"names": names})
    return cursor.fetchall()


def went_on(sql: str, connection: Connection) -> None:
    """After a statement that made, altered or dropped relations: the functions of what has history.

    Those of the connection's own role, in scratch for the notebooks'.
    """
    from medallion_lib.system_time import functions

    if any(map(_is_news, statements(finished(sql)))):
        functions.regenerate(connection.connection.dbapi_connection)


def _is_news(statement: Statement) -> bool:
    """Whether it makes, alters or drops tables or views; what DO does stands in a string."""
    first, *more = statement.tokens[1:-2]
    words = {token.text for token in more}
    if first.text in ("CREATE", "ALTER", "DROP"):
        return bool(words & {*_KINDS, "SCHEMA"})
    if first.text == "DO":
        return any(_CHANGE.search(token.text) or _CALLED in token.text for token in more)
    if "INTO" in words and first.text in ("SELECT", "WITH"):
        return True
    return any(token.identifier == _CALLED for token in more)


@contextmanager
def beside(engine: Engine) -> Iterator[Any]:
    """A cursor on a connection of its own: the caller's has failed, and its pool may be full."""
    with closing(engine.pool.recreate().connect()) as connection:
        connection.detach()
        yield connection.cursor()


def explained(context: ExceptionContext, state: str, message: str) -> MedallionError | None:
    """PostgreSQL's complaint, where it is about a table that keeps its versions, as a refusal."""
    sql = context.statement or ""
    if state == REFUSED:
        return SystemVersioningError(message)
    if state == "22023" and '"system_versioning"' in message:
        return refusal("option elsewhere", SystemVersioningError)
    if state != "42P10" or context.engine is None:
        return None
    for statement in statements(finished(sql)):
        into = next((i + 2 for i in statement.outside_brackets()
                     if says(statement.tokens, i, "INSERT", "INTO")), 0)  # fmt: skip
        if into and any(token.text == "CONFLICT" for token in statement.tokens):
            start, end = next(statement.names(into))
            with beside(context.engine) as cursor:
                found = named(cursor, [sql[start:end].replace("%%", "%")])
            if found and found[0][1]:
                facts = {"table": sql[start:end], "key": found[0][2]}
                return refusal("conflict with history", SystemVersioningError, **facts)
    return None
