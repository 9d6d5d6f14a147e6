"""PostgreSQL's SQL as tokens, and where names and expressions in it begin and end.

Enough to find one clause in any statement. sqlglot does the scanning and reads the one
expression; no statement is parsed or printed.
"""

import re
from pathlib import Path
from typing import NamedTuple

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ErrorLevel, ParseError
from sqlglot.tokens import Token as Scanned, TokenType

# pg_get_keywords() with catcode R or T (PostgreSQL 18): the words that are no table's alias.
RESERVED = frozenset(Path(__file__).with_name("reserved_words.txt").read_text("utf-8").split())
_PLACEHOLDER = re.compile(r"%%|%\([^()'\"]*\)s|%s|(?<![\w$])\$\d+|(?<![:\w]):(?=[^\W\d])\w+")


class _Postgres(Postgres):
    """What sqlglot reads, with the numbers, strings and intervals that PostgreSQL has."""

    NUMBERS_CAN_BE_UNDERSCORE_SEPARATED = True
    VALID_INTERVAL_UNITS = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"}
    DATE_PART_MAPPING: dict[str, str] = {}  # would add its short units, such as d

    class Tokenizer(Postgres.Tokenizer):
        COMMANDS: set[TokenType] = set()
        BIT_STRINGS: list[str] = []
        HEX_STRINGS: list[str] = []

    class Parser(Postgres.Parser):
        """Reads one expression, whatever follows it."""

        def _parse_interval_span(self, this: exp.Expr, *_: object, **__: object) -> exp.Interval:
            """Of the words after interval '1' only a unit belongs to it: others are an alias."""
            if self._curr.text.upper() in _Postgres.VALID_INTERVAL_UNITS:
                self._parse_var(any_token=True)
                # As in DAY TO SECOND, and not as in FROM … TO.
                ranged = self._next and self._next.text.upper() in _Postgres.VALID_INTERVAL_UNITS
                if ranged and self._match_text_seq("TO"):
                    self._parse_var(any_token=True)
                self._parse_wrapped(self._parse_number, optional=True)
            return exp.Interval(this=this)

        def _parse_at_time_zone(self, this: exp.Expr | None) -> exp.Expr | None:
            zoned = super()._parse_at_time_zone(this)
            local = self._match_text_seq("AT", "LOCAL")
            return self._parse_at_time_zone(zoned) if local else zoned


class Token(NamedTuple):
    """A piece of a statement, `sql[start:end]`; `text` is upper-cased when it is a bare word."""

    kind: str
    text: str
    start: int
    end: int
    scanned: Scanned | None = None  # what sqlglot made of it

    @property
    def is_name(self) -> bool:
        """Whether it can name a table or be its alias."""
        return self.kind == "quoted" or (self.kind == "word" and self.text not in RESERVED)

    @property
    def identifier(self) -> str:
        """The name as the catalog has it (for `U&"…"`, with its escapes)."""
        if self.kind == "quoted":
            return self.text[self.text.index('"') + 1 : -1].replace('""', '"')
        return self.text.lower()


_OUTSIDE = Token("end", "", 0, 0)


def tokenize(sql: str) -> list[Token]:
    """The tokens of `sql` between two that stand for its outside, so that looking around is safe.

    Raises sqlglot's TokenError where PostgreSQL would not find the end of a string.
    """
    tokens = [_OUTSIDE]
    for raw in _Postgres().tokenize(_masked(sql)):
        start, text = raw.start, sql[raw.start : raw.end + 1]
        if raw.token_type == TokenType.IDENTIFIER:
            if sql[start - 2 : start].upper() == "U&":
                start -= 2
                del tokens[-2:]
            tokens.append(Token("quoted", sql[start : raw.end + 1], start, raw.end + 1, raw))
        elif text.replace("$", "_").isidentifier():
            tokens.append(Token("word", text.upper(), start, raw.end + 1, raw))
        else:
            tokens.append(Token("other", text, start, raw.end + 1, raw))
    return [*tokens, _OUTSIDE, _OUTSIDE]


def _masked(sql: str) -> str:
    """`sql` with its placeholders (`%(x)s`, `%s`, `$1`, `:x`) as numbers of the same length."""
    return _PLACEHOLDER.sub(lambda found: "% " if found[0] == "%%" else "9" * len(found[0]), sql)


def name_start(tokens: list[Token], i: int) -> int:
    """Index of the first token of the dotted name that ends with tokens[i]."""
    while tokens[i - 1].text == "." and tokens[i - 2].kind in ("word", "quoted"):
        i -= 2
    return i


def after_expression(tokens: list[Token], i: int) -> int:
    """Index of the token after the expression that begins at tokens[i]; `i` if none is complete."""
    parser = _Postgres().parser(error_level=ErrorLevel.IMMEDIATE)
    parser._tokens = [token.scanned for token in tokens[i:-2]]
    parser._tokens_size = len(parser._tokens)
    parser._advance(0)
    try:
        instant = parser._parse_bitwise()  # no comparison: BETWEEN may be an alias
        while parser._match_pair(TokenType.OPERATOR, TokenType.L_PAREN, advance=False):
            parser._advance()
            instant = parser._parse_operator(instant)
    except (ParseError, RecursionError):
        return i
    return i + parser._index
