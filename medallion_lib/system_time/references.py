"""Where a statement names the tables that it reads, and which of its names are no table's.

`references` goes through the tokens once, with a level for each bracket that is open. What it
knows of PostgreSQL's grammar is where a FROM list begins and ends, and whom WITH names.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from medallion_lib.system_time.tokens import (
    BEFORE_NAME, Token, after_bracket, after_name, name_start, says,
)  # fmt: skip

_LIST_ENDS = frozenset([
    "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR", "UNION",
    "INTERSECT", "EXCEPT", "RETURNING",
])  # fmt: skip
_WRITING = ("DELETE", "MERGE", "UPDATE", "INSERT")
_MAKE = BEFORE_NAME | {"CREATE", "ALTER", "DROP", "REPLACE", "FOREIGN", "MATERIALIZED", "RECURSIVE"}
_BEFORE_NEW = BEFORE_NAME | {"TABLE", "TO"}


class Reference(NamedTuple):
    """A name with FOR SYSTEM_TIME behind it."""

    name: int  # which token the name ends with
    clause: int  # which token its FOR is
    is_read: bool  # as a table of a FROM list
    in_call: str  # the word before the bracket it stands in, if that holds no query
    hidden_by: str | None  # what the name means here, if not a table: WITH or CREATE


@dataclass
class _Level:
    """What one bracket holds, or a statement."""

    opened_by: str = ""
    part: str = ""  # of a query: its verb, SELECT, FROM, or OTHER
    table: int = 0  # which token may begin a table's name
    verb: str = ""
    with_names: frozenset[str] = frozenset()
    coming: dict[int, str] = field(default_factory=dict)  # names of WITH, by where they begin


def references(tokens: list[Token]) -> Iterator[Reference]:
    """Each name in the tokens that has FOR SYSTEM_TIME, or FOR TIMESTAMP, behind it."""
    levels, made, making = [_Level()], set[str](), set[str]()
    for i in range(1, len(tokens) - 2):
        token, level = tokens[i], levels[-1]
        if i in level.coming:
            level.with_names |= {level.coming.pop(i)}
        if token.text in ("(", "["):
            inside = _Level(tokens[i - 1].text, with_names=level.with_names)
            if level.table == i:
                inside.part, inside.table = "FROM", i + 1
            levels.append(inside)
        elif token.text in (")", "]"):
            if len(levels) > 1:
                levels.pop()
        elif token.text == ";":
            outer = levels[-2].with_names if len(levels) > 1 else frozenset()
            levels[-1] = _Level(with_names=outer)
            if len(levels) == 1:
                made, making = made | making, set()
        elif token.text == ",":
            level.table = i + 1 if level.part == "FROM" else 0
        elif token.text == "FOR" and tokens[i + 1].text in ("SYSTEM_TIME", "TIMESTAMP"):
            yield _reference(tokens, i, level, made)
        elif token.kind == "word" and tokens[i - 1].text != ".":
            making |= _made(tokens, i, level)
            _enter(tokens, i, level)


def _made(tokens: list[Token], i: int, level: _Level) -> set[str]:
    """The name that CREATE, ALTER, DROP, RENAME TO or SELECT INTO gives a meaning at tokens[i]."""
    word, before = tokens[i].text, tokens[i - 1].text
    if (
        (word in ("TABLE", "VIEW") and before in _MAKE)
        or says(tokens, i, "RENAME", "TO")
        or (word == "INTO" and level.part == "SELECT" and before != "AS")
    ):
        i += 1
        while tokens[i].text in _BEFORE_NEW:
            i += 1
        return {tokens[after_name(tokens, i) - 1].identifier}
    return set()


def _reference(tokens: list[Token], i: int, level: _Level, made: set[str]) -> Reference:
    last = i - 2 if tokens[i - 1].text == "*" else i - 1
    first = name_start(tokens, last)
    name, hidden_by = tokens[last].identifier, None
    if first == last and name in made | level.with_names:
        hidden_by = "WITH" if name in level.with_names else "CREATE"
    is_read = level.table == first and tokens[first].is_name
    return Reference(last, i, is_read, "" if level.part else level.opened_by, hidden_by)


def _enter(tokens: list[Token], i: int, level: _Level) -> None:
    """Note which part of a query begins with the word tokens[i]."""
    word, before = tokens[i].text, tokens[i - 1].text
    if before == "AS" and level.part in ("SELECT", "OTHER"):
        return  # a label, which any word can be
    if word == "SELECT":
        level.part = "SELECT"
    elif word in _WRITING and level.part not in ("SELECT", "FROM"):
        level.part = level.verb = word
    elif word == "FROM" and level.part and not _is_comparison(tokens, i):
        if level.part != "DELETE" and not (level.part == "FROM" and before == "ROWS"):
            level.part, level.table = "FROM", i + 1
    elif word == "USING" and level.part in ("DELETE", "MERGE"):
        level.part, level.table = "FROM", i + 1
    elif (word == "JOIN" and level.part == "FROM") or (
        word in ("LATERAL", "ONLY") and level.table == i
    ):
        level.table = i + 1
    elif level.part == "FROM" and _ends_list(tokens, i, level):
        level.part = "OTHER"
    elif word == "WITH":
        _name(tokens, i, level)
    elif word == "VIEW" and before == "RECURSIVE":
        level.with_names |= {tokens[after_name(tokens, i + 1) - 1].identifier}


def _is_comparison(tokens: list[Token], i: int) -> bool:
    """Whether tokens[i] is the FROM of IS DISTINCT FROM."""
    return tokens[i - 1].text == "DISTINCT" and tokens[i - 2].text in ("IS", "NOT")


def _ends_list(tokens: list[Token], i: int, level: _Level) -> bool:
    word = tokens[i].text
    if word in ("ON", "WHEN"):
        return tokens[i + 1].text == "CONFLICT" or (word == "WHEN" and level.verb == "MERGE")
    return word in _LIST_ENDS and tokens[i - 1].text != "WITHIN"


def _name(tokens: list[Token], i: int, level: _Level) -> None:
    """Note what the WITH that is tokens[i] names, from where on; if RECURSIVE, from here on."""
    recursive = tokens[i + 1].text == "RECURSIVE" and tokens[i + 2].is_name
    named = dict(_named(tokens, i + 1 + recursive))
    if recursive:
        level.with_names |= {*named.values()}
    else:
        level.coming |= named


def _named(tokens: list[Token], i: int) -> Iterator[tuple[int, str]]:
    """Each name in a WITH whose first is tokens[i], and the token after its query."""
    while tokens[i].is_name and (body := _query(tokens, i)):
        after = after_bracket(tokens, body)
        yield after, tokens[i].identifier
        while tokens[after].text not in ("(", ";", "", "SELECT", *_WRITING):
            after += 1  # SEARCH and CYCLE have commas of their own
            if tokens[after - 1].text == "," and _query(tokens, after):
                break
        i = after


def _query(tokens: list[Token], i: int) -> int:
    """Which token is the bracket of the query that WITH names tokens[i]; 0 if it names none."""
    i += 1
    if tokens[i].text == "(":
        i = after_bracket(tokens, i)
    if tokens[i].text != "AS":
        return 0
    while tokens[i + 1].text in ("NOT", "MATERIALIZED"):
        i += 1
    return i + 1 if tokens[i + 1].text == "(" else 0
