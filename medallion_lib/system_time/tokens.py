"""PostgreSQL's SQL as tokens, and where names and expressions in it begin and end.

Enough to find one clause in any statement: no statement is parsed or printed. The scanner knows
what PostgreSQL's scan.l does, and the placeholders of drivers; an expression is read as operands
and operators in turn, whatever binds tighter.
"""

import re
import string
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

# pg_get_keywords() with catcode R or T (PostgreSQL 18): the words that are no table's alias. Those
# that are values stand first, and then those that are called as functions are.
_WORDS = Path(__file__).with_name("reserved_words.txt").read_text("utf-8").split("\n\n")
_VALUES, _CALLED, _OTHERS = (frozenset(words.split()) for words in _WORDS)
RESERVED = _VALUES | _CALLED | _OTHERS
# What may stand between CREATE, ALTER or DROP TABLE and the name, or in the middle of them.
BEFORE_NAME = frozenset(
    ["TEMP", "TEMPORARY", "GLOBAL", "LOCAL", "UNLOGGED", "IF", "NOT", "EXISTS", "ONLY"]
)

_LETTER = r"[A-Z_\x80-\U0010ffff]"
_NAME = rf"{_LETTER}[\w$\x80-\U0010ffff]*+"
_SPACE = r"(?:[ \t\n\r\f\v]|--[^\n\r]*+)*+"
# After a line's end a string goes on.
_MORE = r"(?:(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+"
_TEXT, _ESCAPED = r"'(?:[^']|'')*+'", r"'(?:[^'\\]|\\.|'')*+'"
_ESCAPE = rf"(?:{_SPACE}UESCAPE{_SPACE}{_TEXT})?"
_PLACEHOLDER = r"%\([^()'\"]*\)s|%s(?![\w\x80-\U0010ffff])"
# ASCII: PostgreSQL's digits and spaces are these only, and every byte beyond is a letter.
_TOKEN = re.compile(
    rf"""{_SPACE}(?:
    (?P<string>E{_ESCAPED}{_MORE}{_ESCAPED})*+|[BXN]?{_TEXT}{_MORE}{_TEXT})*+
        |U&{_TEXT}{_MORE}{_TEXT})*+{_ESCAPE}
        |\$(?P<tag>(?:{_LETTER}[\w\x80-\U0010ffff]*)?)\$.*?\$(?-i:(?P=tag))\$)
    |(?P<quoted>"(?:[^"]|"")++"|U&"(?:[^"]|"")++"{_ESCAPE})
    |(?P<word>{_NAME})
    |(?P<number>0[XOB][\dA-F_]+|(?:\d[\d_]*(?:\.(?!\.)[\d_]*)?|\.\d[\d_]*)(?:E[+-]?\d[\d_]*)?)
    |(?P<parameter>\$\d+|{_PLACEHOLDER}|:{_LETTER}[\w\x80-\U0010ffff]*)
    |(?P<comment>/\*)
    |(?P<unfinished>['"]|\$(?:{_LETTER}[\w\x80-\U0010ffff]*)?\$)
    |(?P<other>::|:=|=>(?![~!@\#^&|`?+*<>=/%-])|[^~!@\#^&|`?+*<>=/%\s-]|$)
    |(?P<operator>(?:[~!@\#^&|`?+*<>=]|-(?!-)|/(?!\*)|%%|(?!{_PLACEHOLDER})%)++)
    )""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE | re.ASCII,
)
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_PREFIX = re.compile(r"(?!\?$)[~!@#&|`?]|[+)-]$")  # a ? alone is a driver's placeholder
# The units of intervals, each with those up to which it goes: DAY TO SECOND.
_UNITS = {
    "YEAR": ["MONTH"], "MONTH": [], "DAY": ["HOUR", "MINUTE", "SECOND"],
    "HOUR": ["MINUTE", "SECOND"], "MINUTE": ["SECOND"], "SECOND": [],
}  # fmt: skip


class Unfinished(ValueError):
    """A string, quoted name, comment or bracket has no end, which PostgreSQL will say."""


class Token(NamedTuple):
    """A piece of a statement, `sql[start:end]`; `text` is upper-cased when it is a bare word."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        """Whether it can name a table or be its alias."""
        return self.kind == "quoted" or (self.kind == "word" and self.text not in RESERVED)

    @property
    def identifier(self) -> str:
        """The name as the catalog has it (for `U&"…"`, with its escapes)."""
        if self.kind != "quoted":
            return self.text.translate(_LOWER)
        return self.text[self.text.index('"') + 1 : self.text.rindex('"')].replace('""', '"')


def quoted(text: str, mark: str = '"') -> str:
    """The text as a quoted name, or between other marks."""
    return mark + text.replace(mark, 2 * mark) + mark


Edit = tuple[int, int, str]  # from where, up to where, and what stands there instead

DEPTH = {"(": 1, "[": 1, ")": -1, "]": -1}  # by how much a token changes it
_OUTSIDE = Token("end", "", 0, 0)


def tokenize(sql: str) -> list[Token]:
    """The tokens of `sql` between two that stand for its outside, so that looking around is safe.

    None where PostgreSQL would not find the end of a string or comment.
    """
    try:
        return [_OUTSIDE, *_tokens(sql), _OUTSIDE, _OUTSIDE]
    except Unfinished:
        return [_OUTSIDE, _OUTSIDE, _OUTSIDE]


def _tokens(sql: str) -> Iterator[Token]:
    at, length = 0, len(sql)
    while at < length:
        found = _TOKEN.match(sql, at)
        if found is None or (kind := found.lastgroup) == "unfinished":
            raise Unfinished
        start, at = found.span(kind)
        if kind == "comment":
            at = _comment_end(sql, at)
        elif start < at:
            text = sql[start:at]
            text = text.upper() if kind == "word" and text.isascii() else text
            yield Token(kind, text, start, at)


def edited(sql: str, edits: Iterable[Edit]) -> str:
    """`sql` with these edits, which do not overlap; the same object when there are none."""
    pieces, at = [], 0
    for start, end, text in sorted(edits, key=lambda edit: edit[0]):
        pieces += [sql[at:start], text]
        at = end
    return "".join([*pieces, sql[at:]]) if pieces else sql


def _comment_end(sql: str, at: int) -> int:
    """Where the comment ends whose beginning ends at `at`: they nest."""
    depth = 1
    for found in re.compile(r"/\*|\*/").finditer(sql, at):
        depth += 1 if found[0] == "/*" else -1
        if depth == 0:
            return found.end()
    raise Unfinished


def name_start(tokens: list[Token], i: int) -> int:
    """Index of the first token of the dotted name that ends with tokens[i]."""
    while tokens[i - 1].text == "." and tokens[i - 2].kind in ("word", "quoted"):
        i -= 2
    return i


def after_name(tokens: list[Token], i: int) -> int:
    """Index of the token after the dotted name that begins at tokens[i]."""
    while tokens[i + 1].text == "." and tokens[i + 2].kind in ("word", "quoted"):
        i += 2
    return i + 1


def after_bracket(tokens: list[Token], i: int) -> int:
    """Index of the token after the bracket that begins at tokens[i].

    Raises Unfinished where it has no end.
    """
    depth = 0
    for j in range(i, len(tokens) - 2):
        depth += DEPTH.get(tokens[j].text, 0)
        if depth == 0:
            return j + 1
    raise Unfinished


def says(tokens: list[Token], i: int, *words: str) -> bool:
    """Whether these words stand at tokens[i]."""
    return [token.text for token in tokens[i : i + len(words)]] == list(words)


def after_expression(tokens: list[Token], i: int) -> int:
    """Index of the token after the expression that begins at tokens[i]; `i` if none is complete.

    Comparisons in words are no part of it, as BETWEEN and AND may be the clause's.
    """
    begin, end = i, 0
    while i != end:
        while (after := _after_operator(tokens, i)) > i and _PREFIX.search(tokens[after - 1].text):
            i = after
        operand = _after_operand(tokens, i)
        if operand == i:
            return begin
        end = _after_suffixes(tokens, operand)
        i = end + 3 if says(tokens, end, "AT", "TIME", "ZONE") else _after_operator(tokens, end)
    return end


def _after_operator(tokens: list[Token], i: int) -> int:
    if tokens[i].kind == "operator":
        return i + 1
    after = after_bracket(tokens, i + 1) if says(tokens, i, "OPERATOR", "(") else 0
    return after if tokens[after - 2].kind == "operator" else i


def _after_operand(tokens: list[Token], i: int) -> int:
    token = tokens[i]
    if token.text == "(":
        return after_bracket(tokens, i)
    if token.text == "CASE":
        return _after_case(tokens, i)
    if token.kind in ("number", "string", "parameter") or token.text == "?":
        return i + 1
    if not token.is_name and token.text not in _CALLED | _VALUES:
        return i
    typed, named = _after_type(tokens, i), after_name(tokens, i)
    if tokens[typed].kind in ("string", "parameter"):
        has_units = token.text == "INTERVAL" and tokens[typed - 1] is token
        return _after_units(tokens, typed + 1) if has_units else typed + 1
    if tokens[named].text == "(" or says(tokens, i, "ARRAY", "["):
        return _after_aggregate(tokens, after_bracket(tokens, named))
    return i if token.text in _CALLED else named


def _after_case(tokens: list[Token], i: int) -> int:
    depth, j = 0, i
    while j < len(tokens) - 2:
        if tokens[j].text in ("(", "["):
            j = after_bracket(tokens, j)
            continue
        if tokens[j - 1].text != ".":
            depth += {"CASE": 1, "END": -1}.get(tokens[j].text, 0)
        j += 1
        if depth == 0:
            return j
    return i


def _after_aggregate(tokens: list[Token], i: int) -> int:
    """Index after what may follow a call, and is no alias with the names of its columns."""
    for words in (["WITHIN", "GROUP"], ["FILTER"], ["OVER"]):
        inside = i + len(words) + 1
        if says(tokens, i, *words, "(") and not (
            tokens[inside].is_name and tokens[inside + 1].text in (",", ")")
        ):
            i = after_bracket(tokens, inside - 1)
    named = says(tokens, i, "OVER") and tokens[i + 1].is_name
    return i + 2 if named and not says(tokens, i + 1, "FORMAT", "JSON") else i


def _after_suffixes(tokens: list[Token], i: int) -> int:
    """Index after subscripts, fields, casts, COLLATE and AT LOCAL."""
    while True:
        text, more = tokens[i].text, tokens[i + 1]
        if text == "[":
            i = after_bracket(tokens, i)
        elif text == "." and (more.kind in ("word", "quoted") or more.text == "*"):
            i += 2
        elif text == "::" and more.kind in ("word", "quoted"):
            i = _after_type(tokens, i + 1)
        elif text == "COLLATE" and more.kind in ("word", "quoted"):
            i = after_name(tokens, i + 1)
        elif text == "AT" and more.text == "LOCAL":
            i += 2
        elif text == "%s":
            i += 1  # in text that no driver fills in, % and a column
        else:
            return i


def _after_type(tokens: list[Token], i: int) -> int:
    text = tokens[i].text
    if text == "NATIONAL" and tokens[i + 1].text in ("CHARACTER", "CHAR"):
        i, text = i + 1, "CHAR"
    i = i + 2 if says(tokens, i, "DOUBLE", "PRECISION") else after_name(tokens, i)
    if text in ("CHARACTER", "CHAR", "NCHAR", "BIT") and tokens[i].text == "VARYING":
        i += 1
    if tokens[i].text == "(":
        i = after_bracket(tokens, i)
    if text in ("TIMESTAMP", "TIME") and says(tokens, i + 1, "TIME", "ZONE"):
        i += 3 if tokens[i].text in ("WITH", "WITHOUT") else 0
    if text == "INTERVAL" and tokens[i - 1].text != ")":
        i = _after_units(tokens, i)
    i += tokens[i].text == "ARRAY"
    while tokens[i].text == "[":
        i = after_bracket(tokens, i)
    return i


def _after_units(tokens: list[Token], i: int) -> int:
    """Index after what may follow interval '1': DAY, or DAY TO SECOND (3)."""
    if tokens[i].text not in _UNITS:
        return i
    if tokens[i + 1].text == "TO" and tokens[i + 2].text in _UNITS[tokens[i].text]:
        i += 2
    with_places = says(tokens, i, "SECOND", "(")
    return after_bracket(tokens, i + 1) if with_places else i + 1
