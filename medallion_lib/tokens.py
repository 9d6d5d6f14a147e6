"""PostgreSQL's SQL as tokens, and where names and expressions in it begin and end.

Enough to find one clause in any statement; sqlglot does the scanning, and nothing here parses
or prints a statement.
"""

import re
from typing import NamedTuple

from sqlglot.dialects.postgres import Postgres
from sqlglot.tokens import TokenType

# pg_get_keywords() with catcode R or T (PostgreSQL 18): the words that are no table's alias.
RESERVED = frozenset(
    """ALL ANALYSE ANALYZE AND ANY ARRAY AS ASC ASYMMETRIC AUTHORIZATION BINARY BOTH CASE CAST
    CHECK COLLATE COLLATION COLUMN CONCURRENTLY CONSTRAINT CREATE CROSS CURRENT_CATALOG
    CURRENT_DATE CURRENT_ROLE CURRENT_SCHEMA CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DEFAULT
    DEFERRABLE DESC DISTINCT DO ELSE END EXCEPT FALSE FETCH FOR FOREIGN FREEZE FROM FULL GRANT
    GROUP HAVING ILIKE IN INITIALLY INNER INTERSECT INTO IS ISNULL JOIN LATERAL LEADING LEFT LIKE
    LIMIT LOCALTIME LOCALTIMESTAMP NATURAL NOT NOTNULL NULL OFFSET ON ONLY OR ORDER OUTER OVERLAPS
    PLACING PRIMARY REFERENCES RETURNING RIGHT SELECT SESSION_USER SIMILAR SOME SYMMETRIC
    SYSTEM_USER TABLE TABLESAMPLE THEN TO TRAILING TRUE UNION UNIQUE USER USING VARIADIC VERBOSE
    WHEN WHERE WINDOW WITH""".split()
)
_VALUES = frozenset(  # the reserved words that can begin an instant
    """ARRAY CASE CAST CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP
    NULL""".split()
)
_FIELDS = frozenset(["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"])
# Words that carry an expression on, and whether an operand must then follow.
_PHRASES = {
    ("AT", "TIME", "ZONE"): True,
    ("AT", "LOCAL"): False,
    ("WITH", "TIME", "ZONE"): False,
    ("WITHOUT", "TIME", "ZONE"): False,
}
_PLACEHOLDER = re.compile(r"%%|%\([^()'\"]*\)s|%s|(?<![\w$])\$\d+")


class _Postgres(Postgres):
    """PostgreSQL's words, strings and comments, and no more: no statement is a mere command."""

    NUMBERS_CAN_BE_UNDERSCORE_SEPARATED = True

    class Tokenizer(Postgres.Tokenizer):
        KEYWORDS = {"::": TokenType.DCOLON}
        COMMANDS: set[TokenType] = set()
        BIT_STRINGS: list[str] = []
        HEX_STRINGS: list[str] = []


class Token(NamedTuple):
    """A piece of a statement, `sql[start:end]`; `text` is upper-cased when it is a bare word."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        """Whether it can name a table or be its alias."""
        return self.kind == "quoted" or self.kind == "word" and self.text not in RESERVED

    @property
    def identifier(self) -> str:
        """The name as the catalog has it (for `U&"…"`, with its escapes)."""
        if self.kind == "quoted":
            return self.text[self.text.index('"') + 1 : -1].replace('""', '"')
        return self.text.lower()


_KINDS = {TokenType.VAR: "word", TokenType.IDENTIFIER: "quoted"}
_LITERALS = ("STRING", "NUMBER")
_OUTSIDE = Token("end", "", 0, 0)


def tokenize(sql: str) -> list[Token]:
    """The tokens of `sql` between two that stand for its outside, so that looking around is safe.

    Placeholders (`%(x)s`, `%s`, `$1`) are read as `@9…` of the same length: an operand that can
    be no alias. Raises sqlglot's TokenError where PostgreSQL would not find the end of a string.
    """
    masked = _PLACEHOLDER.sub(_mask, sql)
    tokens = [_OUTSIDE]
    for raw in _Postgres().tokenize(masked):
        start, end = raw.start, raw.end + 1
        literal = raw.token_type.name.endswith(_LITERALS)
        kind = _KINDS.get(raw.token_type, "literal" if literal else "symbol")
        if kind == "quoted" and sql[start - 2 : start].upper() == "U&":
            start -= 2
            del tokens[-2:]
        text = sql[start:end]
        tokens.append(Token(kind, text.upper() if kind == "word" else text, start, end))
    return [*tokens, _OUTSIDE, _OUTSIDE]


def _mask(placeholder: re.Match[str]) -> str:
    text = placeholder[0]
    return text if text == "%%" else "@" + "9" * (len(text) - 1)


def name_start(tokens: list[Token], i: int) -> int:
    """Index of the first token of the dotted name that ends with tokens[i]."""
    while tokens[i - 1].text == "." and tokens[i - 2].kind in ("word", "quoted"):
        i -= 2
    return i


def expression_end(tokens: list[Token], i: int) -> int:
    """Index of the token after the expression that starts at tokens[i]; i when none is complete.

    Operands and operators alternate; what fits neither ends it, an alias for example.
    """
    start, wants_operand = i, True
    while step := (_operand if wants_operand else _operator)(tokens, i):
        i, wants_operand = step
    return start if wants_operand else i


def _operand(tokens: list[Token], i: int) -> tuple[int, bool] | None:
    token = tokens[i]
    if token.text in ("(", "CASE"):
        return _closing(tokens, i), False
    if token.kind == "literal" or token.text == "?" or token.is_name or token.text in _VALUES:
        return i + 1, False
    if token.text == ":":  # a bind, whose name may be any word
        return i + 2, False
    if token.text == "NOT" or _is_operator(token):
        return i + 1, True
    return None


def _operator(tokens: list[Token], i: int) -> tuple[int, bool] | None:
    token, previous = tokens[i], tokens[i - 1]
    if token.kind == "literal":  # date '2023-07-01', or a string in two parts
        return i + 1, False
    if token.text == "[" or token.text == "(" and previous.kind in ("word", "quoted"):
        return _closing(tokens, i), False
    if token.text in (".", "::"):
        return i + 2, False
    if _is_operator(token):
        return i + 1, True
    if token.text == "OPERATOR" and tokens[i + 1].text == "(":
        return _closing(tokens, i + 1), True
    if token.text in _FIELDS and "INTERVAL" in (tokens[i - 2].text, tokens[i - 3].text):
        return _interval_end(tokens, i), False
    if (previous.text, token.text) == ("DOUBLE", "PRECISION"):
        return i + 1, False
    for phrase, wants_operand in _PHRASES.items():
        if tuple(token.text for token in tokens[i : i + len(phrase)]) == phrase:
            return i + len(phrase), wants_operand
    return None


def _is_operator(token: Token) -> bool:
    return token.kind == "symbol" and token.text not in ("(", ")", "[", "]", ",", ";", ".", ":")


def _interval_end(tokens: list[Token], i: int) -> int:
    """After the fields of interval '1' DAY TO SECOND (3), from the first."""
    if tokens[i + 1].text == "TO":
        i += 2
    return _closing(tokens, i + 1) if tokens[i + 1].text == "(" else i + 1


def _closing(tokens: list[Token], i: int) -> int:
    """Index after what closes the bracket or CASE at tokens[i]."""
    depth = 0
    for j in range(i, len(tokens) - 2):
        depth += tokens[j].text in ("(", "[", "CASE")
        depth -= tokens[j].text in (")", "]", "END")
        if not depth:
            return j + 1
    return len(tokens) - 2
