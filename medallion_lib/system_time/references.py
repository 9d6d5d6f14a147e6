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
_LOCKS = (("UPDATE",), ("NO", "KEY", "UPDATE"), ("SHARE",), ("KEY", "SHARE"))
_AFTER_QUERY = ("FOR", "ORDER", "LIMIT", "OFFSET", "FETCH")  # if that is in brackets


class Lock(NamedTuple):
    """FOR UPDATE, or the like, at the end of a query."""

    words: str
    names: list[str]  # of the references that OF names; none if it means all


class Reference(NamedTuple):
    """A name with FOR SYSTEM_TIME behind it."""

    name: int  # which token the name ends with
    clause: int  # which token its FOR is
    is_read: bool  # as a table of a FROM list
    in_call: str  # the word before the bracket it stands in, if that holds no query
    hidden_by: str | None  # what the name means here, if not a table: WITH or CREATE
    level: "_Level"

    def locks(self, alias: str) -> Iterator[Lock]:
        """Those that mean the reference of this alias, once all of the text is read."""
        level: _Level | None = self.level
        while level:
            yield from (lock for lock in level.locks if not lock.names or alias in lock.names)
            alias, level = level.alias or alias, level.outer


@dataclass
class _Level:
    """What one bracket holds, or a statement."""

    opened_by: str = ""
    part: str = ""  # of a query: its verb, SELECT, FROM, or OTHER
    table: int = 0  # which token may begin a table's name
    verb: str = ""
    with_names: frozenset[str] = frozenset()
    coming: dict[int, str] = field(default_factory=dict)  # names of WITH, by where they begin
    outer: "_Level | None" = None  # whose locks mean what this one reads, too
    alias: str | None = None  # of this one in that
    locks: list[Lock] = field(default_factory=list)


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
                inside.part, inside.table, inside.outer = "FROM", i + 1, level
            levels.append(inside)
        elif token.text in (")", "]"):
            if len(levels) > 1:
                _leave(tokens, i, levels.pop(), levels[-1])
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
            level.locks += _locks(tokens, i)
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
    return Reference(last, i, is_read, "" if level.part else level.opened_by, hidden_by, level)


def _leave(tokens: list[Token], i: int, level: _Level, outer: _Level) -> None:
    """Note how the query around the bracket that ends at tokens[i] has what is in it."""
    alias = tokens[i + 1 + (tokens[i + 1].text == "AS")]
    if level.outer and alias.is_name:
        level.alias = alias.identifier
    is_query = tokens[i + 1].text in _AFTER_QUERY or (
        tokens[i + 1].text == ")" and level.opened_by == "(")  # fmt: skip
    if outer.part not in ("SELECT", "FROM", "OTHER") and is_query:
        level.outer = outer


def _locks(tokens: list[Token], i: int) -> Iterator[Lock]:
    """The one that begins at tokens[i], if any."""
    for words in _LOCKS:
        if says(tokens, i, "FOR", *words):
            after, names = i + 1 + len(words), list[str]()
            while tokens[after].text in ("OF", ",") and tokens[after + 1].is_name:
                names.append(tokens[after + 1].identifier)
                after += 2
            yield Lock(" ".join(["FOR", *words]), names)


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
