"""`CREATE TABLE … WITH (system_versioning = true)`: a table that keeps its versions itself.

    CREATE TABLE price (film_id int PRIMARY KEY, rate numeric) WITH (system_versioning = true)
    CREATE TABLE price (film_id int PRIMARY KEY, rate numeric) ; CALL meta.created_…('price')

PostgreSQL is not told of the option, and is told to go on: silver/versions.sql makes the columns,
key and view, and triggers.sql the triggers. What else the hook asks of statements about such tables
stands here too, as far as their tokens tell.
"""

import re
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

from medallion_lib.errors import MedallionError, refusal
from medallion_lib.system_time.tokens import (
    BEFORE_NAME, DEPTH, Edit, Token, after_bracket, after_expression,
    after_name, says,
)  # fmt: skip

_KINDS = ("TABLE", "VIEW", "MATERIALIZED")
_MEANING = dict.fromkeys(["true", "on", "yes", "1"], True)
_MEANING |= dict.fromkeys(["false", "off", "no", "0"], False)
_CHANGE = re.compile(r"\b(create|alter|drop)\b", re.IGNORECASE)
_CALLED = "scd_system_versioned"
TOLD = ("system_", "versioning", "for timestamp", "history")  # of what may be rewritten
_STANDARD = {"ADD": "SELECT meta.scd_system_versioned", "DROP": "CALL meta.end_system_versioning"}


class SystemVersioningError(MedallionError):
    """A table that can't keep its versions, or a change it can't take; the text says what to do."""


class Change(NamedTuple):
    """An ALTER or DROP of tables or views, and which part of the text it is."""

    names: list[str]
    start: int
    end: int
    is_alter: bool
    reshapes: bool  # drops or retypes
    computes: str = ""  # what USING says, other than the column in its new type


class _Statement(NamedTuple):
    """One of those in the text `sql`: its tokens as `tokenize` gives them."""

    sql: str
    tokens: list[Token]

    def text(self, part: list[Token]) -> str:
        return self.sql[part[0].start : part[-1].end]

    def outside_brackets(self, since: int = 1) -> Iterator[int]:
        """The indexes of the tokens that no bracket holds; of a bracket, its beginning."""
        depth = 0
        for i in range(since, len(self.tokens) - 2):
            if depth == 0:
                yield i
            depth += DEPTH.get(self.tokens[i].text, 0)

    def names(self, i: int) -> Iterator[list[Token]]:
        """The names that are listed from the token `i` on."""
        while self.tokens[i].text in BEFORE_NAME:
            i += 1
        while self.tokens[i].kind in ("word", "quoted"):
            after = after_name(self.tokens, i)
            yield self.tokens[i:after]
            if self.tokens[after].text != ",":
                return
            i = after + 1


def statements(sql: str, tokens: list[Token]) -> Iterator[_Statement]:
    outside, *inside = tokens[:-2]
    ends = [i for i, token in enumerate(inside) if token.text == ";"]
    for start, end in pairwise([-1, *ends, len(inside)]):
        if start + 1 < end:
            yield _Statement(sql, [outside, *inside[start + 1 : end], outside, outside])


def edits(sql: str, tokens: list[Token]) -> list[Edit]:
    """What takes the option out of each CREATE TABLE in `sql`, and sets a call behind it.

    In a string, comment or index it is not the option. SQL:2011's words mean the same.
    """
    makers = _created, _in_standard_words, _altered, _history_deleted
    return [edit for statement in statements(sql, tokens) for make in makers
            for edit in make(statement)]  # fmt: skip


def _history_deleted(statement: _Statement) -> list[Edit]:
    """What makes DELETE HISTORY FROM t BEFORE SYSTEM_TIME x, as MariaDB has it, a call."""
    tokens = statement.tokens
    name = next(statement.names(4), None) if says(tokens, 1, "DELETE", "HISTORY", "FROM") else None
    if not name:
        return []
    after, text, last = 4 + len(name), statement.text(name), tokens[-3].end
    begin = after + 2 * says(tokens, after, "BEFORE", "SYSTEM_TIME")
    end = after_expression(tokens, begin) if begin > after else after
    if end != len(tokens) - 2 or end == begin > after:
        raise refusal("no history to delete", SystemVersioningError, table=text)
    called, start = text.replace("'", "''"), tokens[1].start
    edits = [(start, name[-1].end, f"CALL meta.delete_history('{called}'"), (last, last, ")")]
    return edits + [(name[-1].end, tokens[begin].start, ", ")] * (end > begin)


def _in_standard_words(statement: _Statement) -> list[Edit]:
    """Of CREATE TABLE … (…, PERIOD FOR SYSTEM_TIME (…)) WITH SYSTEM VERSIONING.

    The period is sys_start and sys_end, which there may be GENERATED ALWAYS AS ROW START and END.
    """
    tokens = statement.tokens
    table = _table_made(statement)
    option = next((i for i in statement.outside_brackets(table)
                   if says(tokens, i, "WITH", "SYSTEM", "VERSIONING")), 0)  # fmt: skip
    name = next(statement.names(table + 1), None)
    period = [i for i in range(table, len(tokens) - 2) if is_period(tokens, i)]
    if not table or not name or not (option or period):
        return []
    if not option:
        raise refusal("period without versioning", SystemVersioningError)
    _check(statement, table, name)
    edits = [(tokens[option].start, tokens[option + 2].end, "")]
    for i in period:
        columns = [token.identifier for token in tokens[i + 4 : i + 7 : 2]]
        if columns != ["sys_start", "sys_end"]:
            raise refusal("period of other names", SystemVersioningError)
        first, last = (i - 1, i + 7) if tokens[i - 1].text == "," else (i, i + 8)
        edits.append((tokens[first].start, tokens[last].end, ""))
    for i in range(table, len(tokens) - 5):
        if says(tokens, i, "GENERATED", "ALWAYS", "AS", "ROW"):
            edits.append((tokens[i].start, tokens[i + 4].end, ""))
    return [*sorted(edits), _call(statement, name, "; CALL meta.created_system_versioned")]


def _altered(statement: _Statement) -> list[Edit]:
    """Of ALTER TABLE … ADD and DROP SYSTEM VERSIONING."""
    tokens = statement.tokens
    name = next(statement.names(3), None) if says(tokens, 1, "ALTER", "TABLE") else None
    if name is None:
        return []
    action = tokens.index(name[-1]) + 1
    if tokens[action].text == "ADD" and is_period(tokens, action + 1):
        raise refusal("period added", SystemVersioningError, table=statement.text(name))
    for word, call in _STANDARD.items():
        its = says(tokens, action, word, "SYSTEM", "VERSIONING")
        if its and tokens[action + 3 :] == tokens[-2:]:
            return [(tokens[1].start, tokens[-3].end, ""), _call(statement, name, call)]
    return []


def is_period(tokens: list[Token], i: int) -> bool:
    """Whether a table's period stands at tokens[i], and no clause."""
    return says(tokens, i, "PERIOD", "FOR", "SYSTEM_TIME", "(")


def _call(statement: _Statement, name: list[Token], call: str) -> Edit:
    """The call, with the table's name, behind the statement."""
    last, text = statement.tokens[-3].end, statement.text(name).replace("'", "''")
    return last, last, f"{call}('{text}')"


def _table_made(statement: _Statement) -> int:
    """Which token is TABLE in a CREATE TABLE; 0 in any other statement."""
    tokens = statement.tokens
    words = [token.text for token in tokens[1:8] if token.text not in BEFORE_NAME]
    if words[:2] != ["CREATE", "TABLE"]:
        return 0
    return next(i for i, token in enumerate(tokens) if token.text == "TABLE")


def _created(statement: _Statement) -> list[Edit]:
    tokens = statement.tokens
    if not (table := _table_made(statement)):
        return []
    bracket = next((i + 1 for i in statement.outside_brackets(table)
                    if says(tokens, i, "WITH", "(")), None)  # fmt: skip
    found = bracket and _option(statement, bracket)
    name = next(statement.names(table + 1), None)
    if not found or not name:
        return []
    is_wanted, start, end = found
    if not is_wanted:
        return [(start, end, "")]
    _check(statement, table, name)
    return [(start, end, ""), _call(statement, name, "; CALL meta.created_system_versioned")]


def _option(statement: _Statement, bracket: int) -> tuple[bool, int, int] | None:
    """What the option in the bracket says, and which part of the text holds it and no other."""
    tokens, close = statement.tokens, after_bracket(statement.tokens, bracket) - 1
    commas = (i for i in statement.outside_brackets(bracket + 1) if tokens[i].text == ",")
    ends = [bracket, *(i for i in commas if i < close), close]
    for n, (before, after) in enumerate(pairwise(ends)):
        name, sign, said = tokens[before + 1], tokens[before + 2], tokens[before + 3 : after]
        if name.identifier != "system_versioning" or sign.text not in ("=", ",", ")"):
            continue
        wanted = _MEANING.get(said[0].text.strip("'").lower() if said else "true")
        if wanted is None or len(said) > 1:
            raise refusal("option not read", SystemVersioningError, value=statement.text(said))
        if len(ends) == 2:
            return wanted, tokens[before - 1].start, tokens[after].end
        if n:
            return wanted, tokens[before].start, tokens[after].start
        return wanted, tokens[before + 1].start, tokens[after + 1].start
    return None


def _check(statement: _Statement, table: int, name: list[Token]) -> None:
    """Raise unless the table of this name can keep its versions."""
    tokens = statement.tokens
    words = {token.text for token in tokens[:table]}
    kind = "temporary" if words & {"TEMP", "TEMPORARY"} else None
    if len(name) > 1 and name[-3].identifier != "scratch":
        kind = f"of schema {name[-3].identifier}"
    if kind:
        facts = {"kind": kind, "table": name[-1].identifier}
        raise refusal("option on another", SystemVersioningError, **facts)
    if any(tokens[i].text == "AS" for i in statement.outside_brackets(table)):
        raise refusal("option on a query", SystemVersioningError, table=statement.text(name))


def changes(sql: str, tokens: list[Token]) -> Iterator[Change]:
    """Each ALTER or DROP in `sql` of tables or views, but for those with CASCADE."""
    for statement in statements(sql, tokens):
        verb, kind, *more = (token.text for token in statement.tokens[1:])
        if verb not in ("ALTER", "DROP") or kind not in (*_KINDS, "TRIGGER"):
            continue
        if _altered(statement):
            continue
        if kind == "TRIGGER":
            yield from _of_trigger(statement)
            continue
        names = [*statement.names(4 if kind == "MATERIALIZED" else 3)]
        if names and (verb == "ALTER" or "CASCADE" not in more):
            reshapes = verb == "DROP" or _reshapes(statement, names[-1][-1])
            start, end = statement.tokens[1].start, statement.tokens[-3].end
            facts = verb == "ALTER", reshapes, _computed(statement)
            yield Change([*map(statement.text, names)], start, end, *facts)


def _of_trigger(statement: _Statement) -> Iterator[Change]:
    """The table whose trigger it is is altered by that."""
    tokens = statement.tokens
    on = next((i for i in statement.outside_brackets() if tokens[i].text == "ON"), 0)
    for name in islice(statement.names(on + 1), 1 if on else 0):
        yield Change([statement.text(name)], tokens[1].start, tokens[-3].end, True, False)


def _reshapes(statement: _Statement, name: Token) -> bool:
    """Whether an action after the name drops or retypes."""
    for i in statement.outside_brackets(3):
        before, first, *more = statement.tokens[i - 1 : i + 7]
        if before is name or before.text == ",":
            words = [token.text for token in more if token.text != "COLUMN"]
            retypes = first.text == "ALTER" and "TYPE" in words[1:2] + words[3:4]
            if first.text == "DROP" or retypes:
                return True
    return False


def _computed(statement: _Statement) -> str:
    """What a column is computed from, if not from itself alone in its new type."""
    tokens, is_altered = statement.tokens, False
    for i in statement.outside_brackets(3):
        if tokens[i - 1].text == "," or tokens[i].text == "ALTER":
            is_altered = tokens[i].text == "ALTER"
        if tokens[i].text == "USING" and is_altered:
            type_ = max(j for j in range(i) if tokens[j].text == "TYPE")
            column = tokens[type_ - (3 if says(tokens, type_ - 2, "SET", "DATA") else 1)].text
            new = [each.text for each in tokens[type_ + 1 : i]]
            expression = tokens[i + 1 : after_expression(tokens, i + 1)]
            said = [each.text for each in expression]
            if said not in ([column], [column, "::", *new], ["CAST", "(", column, "AS", *new, ")"]):
                return statement.text(expression) if said else "…"
    return ""


def is_ddl(tokens: list[Token]) -> bool:
    """Whether one of the statements makes, alters or drops tables or views."""
    return any(map(_is_ddl, statements("", tokens)))


def _is_ddl(statement: _Statement) -> bool:
    """The same of one; what DO does stands in a string."""
    first, *more = statement.tokens[1:-2]
    words = {token.text for token in more}
    if first.text in ("CREATE", "ALTER", "DROP"):
        return bool(words & {*_KINDS, "SCHEMA"})
    if first.text == "DO":
        return any(_CHANGE.search(token.text) or _CALLED in token.text for token in more)
    is_select_into = "INTO" in words and first.text in ("SELECT", "WITH")
    return is_select_into or any(token.identifier == _CALLED for token in more)
