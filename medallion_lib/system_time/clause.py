"""`FOR SYSTEM_TIME`, which PostgreSQL does not have, as a call of a function: text in, text out.

    SELECT * FROM dim_customer_hist FOR SYSTEM_TIME AS OF '2023-07-01' AS c
    SELECT * FROM dim_customer_hist__as_of('2023-07-01') AS c

Only the reference changes; the rest of the statement stays byte for byte. `forms.py` has the
other forms, and `functions.py` makes the functions they call.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from medallion_lib.errors import MedallionError, refusal
from medallion_lib.system_time import option
from medallion_lib.system_time.forms import WRITTEN, Form
from medallion_lib.system_time.references import Reference, references
from medallion_lib.system_time.tokens import (
    DEPTH, RESERVED, Edit, Token, Unfinished, after_bracket, after_expression, edited, name_start,
    quoted, says, tokenize,
)  # fmt: skip

LONGEST = 4_000  # characters of a text that stays read
_BEGIN = {clause.split()[0]: (clause, form) for clause, form in WRITTEN}
_NAMES_FOLLOW = frozenset(["MAPPING", "TRANSFORM", "LABEL", "EXISTS", "OPTION"])  # FOR and a name
# What may follow: any reserved word but those of an expression, or the end.
_FOLLOWS = {*RESERVED, "", ")", ",", ";"} - {
    "AND", "OR", "NOT", "IS", "ISNULL", "NOTNULL", "IN", "LIKE", "ILIKE", "SIMILAR", "OVERLAPS",
    "TO", "TABLESAMPLE",
}  # fmt: skip


class SystemTimeError(MedallionError):
    """A FOR SYSTEM_TIME that cannot be answered; the text says what to write instead."""


class Call(NamedTuple):
    """A reference with the clause as it is sent: the edits of the text that make it one."""

    name: str  # without a schema
    is_qualified: bool
    function: str  # with the types of what it takes
    edits: list[Edit]


class Parsed(NamedTuple):
    """A text of SQL, read once."""

    sql: str
    tokens: list[Token]
    calls: Sequence[Call] = ()
    edits: Sequence[Edit] = ()  # those of the calls, and of CREATE TABLE


def rewrite(sql: str) -> str:
    """`sql` with each `t FOR SYSTEM_TIME AS OF x` as `t__as_of(x) AS t`, or with its own alias.

    Likewise the other forms: `t__from_to(a, b)`, `__between`, `__contained_in`, and `t__all()`.
    CREATE TABLE … WITH (system_versioning = true) becomes what `option.py` says.

    The same object when nothing is to do. What stands in strings, dollar quotes, comments and
    quoted names is not the clause. With a sub-query or clock_timestamp() for an instant
    PostgreSQL does not inline the function: it makes all rows of that instant first.
    """
    low = sql.lower()
    if not any(word in low for word in option.TOLD):
        return sql
    return edited(sql, parse(sql).edits)


def parse(sql: str) -> Parsed:
    """`sql` read; as an empty text, where PostgreSQL will say that something has no end.

    A dashboard sends the same text again, and so does who sends instants as parameters: the last
    texts stay read. Nothing but the text decides, so no change of the database makes them wrong.
    """
    return _parsed(sql) if len(sql) <= LONGEST else _parsed.__wrapped__(sql)


@lru_cache(64)
def _parsed(sql: str) -> Parsed:
    tokens, low, calls = tokenize(sql), sql.lower(), list[Call]()
    try:
        has_option = any(word in low for word in ("versioning", "period", "history"))
        edits = option.edits(sql, tokens) if has_option else []
        if "system_time" in low or "for timestamp" in low:
            found = [each for each in references(tokens) if _is_clause(tokens, each)]
            calls = [_call(sql, tokens, reference) for reference in found]
    except Unfinished:
        return parse("")
    return Parsed(sql, tokens, calls, edits + [edit for call in calls for edit in call.edits])


def _is_clause(tokens: list[Token], reference: Reference) -> bool:
    """Whether these words are a clause, and not in substring(s FOR system_time).

    Nor that of a role, type or provider of this name: CREATE USER MAPPING FOR system_time.
    """
    i = reference.clause
    if option.is_period(tokens, i - 1) and not reference.is_read:
        return False
    if tokens[i + 1].text == "TIMESTAMP" and tokens[i + 2].text not in _BEGIN:
        return False  # as %sqlplot has it
    named = tokens[i - 1].text in _NAMES_FOLLOW or reference.in_call in ("SUBSTRING", "OVERLAY")
    return reference.is_read or not named


def _call(sql: str, tokens: list[Token], reference: Reference) -> Call:
    """The reference as a call of the function that reads it."""
    _check_table(sql, tokens, reference)
    name = tokens[reference.name]
    form, instants, i, end = _read(tokens, reference.clause + 2)
    if len((name.identifier + form.suffix).encode(errors="surrogateescape")) > 63:
        facts = {"table": name.identifier, "suffix": form.suffix}
        raise refusal("name too long", SystemTimeError, **facts)
    own = sql[name.start : name.end] if name.is_name else f'"{name.identifier}"'
    given = _check_after(tokens, i, form)
    for lock in reference.locks((given or name).identifier):
        facts = {"table": name.identifier, "lock": lock.words}
        raise refusal("clause with a lock", SystemTimeError, **facts)
    close = name.start + name.text.rindex('"') if name.kind == "quoted" else name.end
    # The text between the instants gives way: before the first, after each, and after the last.
    edits, at, text = list[Edit](), close, f"{form.suffix}{sql[close : name.end]}("
    for before, after in instants:
        edits.append((at, before, text))
        at, text = after, ", "
    edits.append((at, end, f"{'' if instants else text}){'' if given else f' AS {own}'}"))
    function = f"{quoted(name.identifier + form.suffix)}({form.types})"
    return Call(name.identifier, tokens[reference.name - 1].text == ".", function, edits)


def _read(tokens: list[Token], i: int) -> tuple[Form, list[tuple[int, int]], int, int]:
    """The form that begins at tokens[i], its instants, and which token and text come after it.

    jupysql's %sqlplot prints two of them with brackets: FROM (a, b), BETWEEN (a, b).
    """
    if tokens[i].text not in _BEGIN:
        raise refusal("clause unfinished", SystemTimeError)
    clause, form = next((each for each in WRITTEN if says(tokens, i, *_words(each[0])[0])),
                        _BEGIN[tokens[i].text])  # fmt: skip
    written, example = clause.format("…", "…"), clause.format("'2023-07-01'", "'2023-08-01'")
    if tokens[i - 1].text == "TIMESTAMP":
        clause = re.sub(r"{} \w+ {}", "({}, {})", clause)
    end, instants = 0, []
    for words in _words(clause):
        if end:
            begin, i = i, after_expression(tokens, i)
            if i == begin or _introduces(tokens, begin, i, words):
                raise refusal("no instant", SystemTimeError, form=written)
            end = tokens[i - 1].end
            instants.append((tokens[begin].start, end))
        for word in words:
            if tokens[i].text != word:
                facts = {"form": written, "word": word, "example": example}
                raise refusal("form unfinished", SystemTimeError, **facts)
            i, end = i + 1, tokens[i].end
    return form, instants, i, end


def _introduces(tokens: list[Token], i: int, after: int, words: list[str]) -> bool:
    """Whether tokens[i] is a word before what may be an instant: TIMESTAMP now(), TRANSACTION 5."""
    next_ = tokens[i + 1]
    is_value = next_.kind in ("number", "string", "parameter")
    is_name = next_.is_name and bool(words) and next_.text != words[0]
    is_alone = after == i + 1 and (is_value or is_name)
    return tokens[i].is_name and (is_alone or (is_value and tokens[i].text == "TRANSACTION"))


def _words(clause: str) -> list[list[str]]:
    """The words and signs before, between and after its instants."""
    return [re.findall(r"\w+|\S", piece) for piece in clause.split("{}")]


def _check_table(sql: str, tokens: list[Token], reference: Reference) -> None:
    """Raise, with what to write instead, unless what has the clause is a table to read."""
    name, first = tokens[reference.name], name_start(tokens, reference.name)
    read, before = sql[tokens[first].start : name.end], first - 1
    only = "ONLY" in (tokens[before].text, tokens[before - 1].text)
    while only and tokens[before].text in ("(", "ONLY"):
        before -= 1
    target = "FROM" if tokens[before - 1].text == "DELETE" else "INTO"
    if tokens[before].text in ("UPDATE", target):
        raise refusal("history written", SystemTimeError, table=read)
    if tokens[before].text == "TABLE" or (reference.is_read and only):
        raise refusal("clause with TABLE or ONLY", SystemTimeError, table=read)
    if reference.hidden_by:
        about = "clause on a query" if reference.hidden_by == "WITH" else "clause on what is new"
        raise refusal(about, SystemTimeError, table=read)
    if reference.is_read:
        return
    table = first - 2 if tokens[before].text == "AS" else first - 1
    if ")" in (name.text, tokens[table].text):
        about = "with a sample" if _is_sampled(tokens, reference.name) else "after a bracket"
        raise refusal(f"clause {about}", SystemTimeError)
    if name.is_name and tokens[table].is_name:
        named = sql[tokens[name_start(tokens, table)].start : tokens[table].end]
        raise refusal("clause after the alias", SystemTimeError, table=named, alias=read)
    raise refusal("clause without a table", SystemTimeError)


def _is_sampled(tokens: list[Token], i: int) -> bool:
    """Whether TABLESAMPLE … (…), with REPEATABLE (…) or not, ends at tokens[i]."""
    depth = 0
    while i and (depth or tokens[i].kind == "word" or tokens[i].text in (")", ".")):
        depth -= DEPTH.get(tokens[i].text, 0)
        if depth == 0 and tokens[i].text == "TABLESAMPLE":
            return True
        i -= 1
    return False


def _check_after(tokens: list[Token], i: int, form: Form) -> Token | None:
    """The alias that begins at tokens[i]. Raise where what comes next can't follow the clause."""
    named = i + 1 if tokens[i].text == "AS" else i
    has_alias = named > i or (tokens[i].is_name and not says(tokens, i, "FORMAT", "JSON"))
    after = named + has_alias if tokens[named].text != "(" else named
    if has_alias and tokens[after].text == "(":
        if not tokens[after + 1].is_name:  # TIMESTAMP now(), of which the instant is TIMESTAMP
            raise refusal("no instant", SystemTimeError, form=form.clause.format("…", "…"))
        after = after_bracket(tokens, after)
    if tokens[after].text == "TABLESAMPLE" or says(tokens, after, "WITH", "ORDINALITY"):
        raise refusal("clause with a sample", SystemTimeError)
    goes_on = tokens[after].text not in _FOLLOWS
    if goes_on and not says(tokens, after, "FORMAT", "JSON"):
        facts = {"form": form.clause.format("…", "…"), "word": tokens[after].text}
        raise refusal("clause goes on", SystemTimeError, **facts)
    return tokens[named] if has_alias else None
