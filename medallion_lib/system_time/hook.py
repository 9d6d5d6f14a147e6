"""`FOR SYSTEM_TIME`, which PostgreSQL does not have, spliced on its way to the server.

    SELECT * FROM dim_customer_hist FOR SYSTEM_TIME AS OF '2023-07-01' AS c
    SELECT * FROM dim_customer_hist__as_of('2023-07-01') AS c

Only the reference changes; the rest of the statement stays byte for byte. `forms.py` has the
other forms; the functions they call are made by `versioned.py`. `system_versioning.py` has what the
same hook does for tables that keep their versions themselves.
"""

import re
from contextlib import closing
from itertools import pairwise
from typing import Any, NamedTuple

from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from psycopg2.sql import Identifier
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.base import OptionEngine
from sqlalchemy.ext.asyncio import AsyncEngine

from medallion_lib import sqlfile
from medallion_lib.errors import MedallionError, refusal
from medallion_lib.system_time import option
from medallion_lib.system_time.forms import FORMS, Form
from medallion_lib.system_time.scope import Reference, references
from medallion_lib.system_time.tokens import (
    RESERVED,
    Edit,
    Token,
    Unfinished,
    after_bracket,
    after_expression,
    edited,
    finished,
    name_start,
    says,
    tokenize,
)  # fmt: skip

REFUSED = "ST001"  # SQLSTATE of a function that only says why its view has no history

_DRIVERS = ("psycopg2", "psycopg", "psycopg_async")
_CALL = re.compile("(" + "|".join(form.suffix for form in FORMS) + r")\"?\(")
_BY_WORD = {form.clause.split()[0]: form for form in FORMS}
_NAMES_FOLLOW = frozenset(["MAPPING", "TRANSFORM", "LABEL", "EXISTS", "OPTION"])  # FOR and a name
_GOES_ON = frozenset([
    "AND", "OR", "NOT", "IS", "ISNULL", "NOTNULL", "IN", "LIKE", "ILIKE", "SIMILAR", "OVERLAPS",
    "TABLESAMPLE",
])  # fmt: skip


class SystemTimeError(MedallionError):
    """A FOR SYSTEM_TIME that cannot be answered; the text says what to write instead."""


class _Call(NamedTuple):
    """A reference with the clause as it is sent: the edits of the text that make it one."""

    name: str  # without a schema
    is_qualified: bool
    function: str  # with the types of what it takes
    edits: list[Edit]


def rewrite(sql: str) -> str:
    """`sql` with each `t FOR SYSTEM_TIME AS OF x` as `t__as_of(x) AS t`, or with its own alias.

    CREATE TABLE … WITH (system_versioning = true) becomes what `system_versioning.py` says.

    Likewise the other forms: `t__from_to(a, b)`, `__between`, `__contained_in`, and `t__all()`.

    The same object when nothing is to do. What stands in strings, dollar quotes, comments and
    quoted names is not the clause. With a sub-query or clock_timestamp() for an instant
    PostgreSQL does not inline the function: it makes all rows of that instant first.
    """
    low = sql.lower()
    return _rewritten(sql, low, None) if "system_" in low or "for timestamp" in low else sql


def _rewritten(sql: str, low: str, asked: Any) -> str:
    """What `rewrite` gives; with a connection to ask, that is also asked what names mean."""
    try:
        tokens = tokenize(sql)
        edits = option.options(sql, tokens) if "system_versioning" in low else []
        calls = []
        if "system_time" in low or "for timestamp" in low:
            found = [each for each in references(tokens) if _is_clause(tokens, each)]
            calls = [_call(sql, tokens, reference) for reference in found]
    except Unfinished:
        return sql  # PostgreSQL says so
    edits += [edit for call in calls for edit in call.edits]
    if asked:
        _check_names(asked, calls)
        edits += option.let_go(sql, tokens, asked)
    return edited(sql, edits)


def _is_clause(tokens: list[Token], reference: Reference) -> bool:
    """Whether these words are a clause, and not in substring(s FOR system_time).

    Nor that of a role, type or provider of this name: CREATE USER MAPPING FOR system_time.
    """
    i = reference.clause
    if tokens[i + 1].text == "TIMESTAMP" and tokens[i + 2].text not in _BY_WORD:
        return False  # as %sqlplot has it
    named = tokens[i - 1].text in _NAMES_FOLLOW or reference.in_call in ("SUBSTRING", "OVERLAY")
    return reference.is_read or not named


def _call(sql: str, tokens: list[Token], reference: Reference) -> _Call:
    """The reference as a call of the function that reads it."""
    _check_table(sql, tokens, reference)
    name = tokens[reference.name]
    form, instants, i, end = _read(tokens, reference.clause + 2)
    if len((name.identifier + form.suffix).encode()) > 63:
        facts = {"table": name.identifier, "suffix": form.suffix}
        raise refusal("name too long", SystemTimeError, **facts)
    own = sql[name.start : name.end] if name.is_name else f'"{name.identifier}"'
    alias = "" if _check_after(tokens, i, form) else f" AS {own}"
    close = name.start + name.text.rindex('"') if name.kind == "quoted" else name.end
    # The text between the instants gives way: before the first, after each, and after the last.
    edits, at, text = list[Edit](), close, f"{form.suffix}{sql[close : name.end]}("
    for before, after in instants:
        edits.append((at, before, text))
        at, text = after, ", "
    edits.append((at, end, f"{'' if instants else text}){alias}"))
    function = f"{sqlfile.text(Identifier(name.identifier + form.suffix))}({form.types})"
    return _Call(name.identifier, tokens[reference.name - 1].text == ".", function, edits)


def _read(tokens: list[Token], i: int) -> tuple[Form, list[tuple[int, int]], int, int]:
    """The form that begins at tokens[i], its instants, and which token and text come after it.

    jupysql's %sqlplot prints two of them with brackets: FROM (a, b), BETWEEN (a, b).
    """
    if (form := _BY_WORD.get(tokens[i].text)) is None:
        raise refusal("clause unfinished", SystemTimeError)
    printed = tokens[i - 1].text == "TIMESTAMP"
    clause = re.sub(r"{} \w+ {}", "({}, {})", form.clause) if printed else form.clause
    written = form.clause.format("…", "…")
    end, instants = 0, []
    for piece in clause.split("{}"):
        if end:
            begin, i = i, after_expression(tokens, i)
            if i == begin:
                raise refusal("no instant", SystemTimeError, form=written)
            end = tokens[i - 1].end
            instants.append((tokens[begin].start, end))
        for word in re.findall(r"\w+|\S", piece):
            if tokens[i].text != word:
                example = form.clause.format("'2023-07-01'", "'2023-08-01'")
                facts = {"form": written, "word": word, "example": example}
                raise refusal("form unfinished", SystemTimeError, **facts)
            i, end = i + 1, tokens[i].end
    return form, instants, i, end


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
        raise refusal("clause after a bracket", SystemTimeError)
    if name.is_name and tokens[table].is_name:
        named = sql[tokens[name_start(tokens, table)].start : tokens[table].end]
        raise refusal("clause after the alias", SystemTimeError, table=named, alias=read)
    raise refusal("clause without a table", SystemTimeError)


def _check_after(tokens: list[Token], i: int, form: Form) -> bool:
    """Whether an alias begins at tokens[i]. Raise where what comes next can't follow the clause."""
    named = i + 1 if tokens[i].text == "AS" else i
    has_alias = named > i or (tokens[i].is_name and not says(tokens, i, "FORMAT", "JSON"))
    after = named + has_alias if tokens[named].text != "(" else named
    if has_alias and tokens[after].text == "(":
        if not tokens[after + 1].is_name:  # TIMESTAMP now(), of which the instant is TIMESTAMP
            raise refusal("no instant", SystemTimeError, form=form.clause.format("…", "…"))
        after = after_bracket(tokens, after)
    next_ = tokens[after].text
    if next_ in RESERVED - _GOES_ON and not says(tokens, after, "WITH", "ORDINALITY"):
        return has_alias
    if next_ in ("", ")", ",", ";") or says(tokens, after, "FORMAT", "JSON"):
        return has_alias
    facts = {"form": form.clause.format("…", "…"), "word": next_}
    raise refusal("clause goes on", SystemTimeError, **facts)


def install(engine: Engine | AsyncEngine) -> None:
    """Let every statement `engine` sends say FOR SYSTEM_TIME, and CREATE TABLE system_versioning.

    Installing twice is once. Raises SystemTimeError for what is no engine of PostgreSQL with
    psycopg2 or psycopg: on another driver half of this would be off without a word.
    """
    engine = getattr(engine, "sync_engine", engine)
    while isinstance(engine, OptionEngine):
        engine = engine._proxied  # whose events are its own
    if not isinstance(engine, Engine):
        raise refusal("no engine", SystemTimeError, kind=f"a {type(engine).__name__}")
    if engine.dialect.name != "postgresql" or engine.driver not in _DRIVERS:
        kind = f"{engine.dialect.name}+{engine.driver}"
        raise refusal("no engine", SystemTimeError, kind=kind)
    if not event.contains(engine, "before_cursor_execute", _on_execute):
        event.listen(engine, "before_cursor_execute", _on_execute, retval=True)
        event.listen(engine, "after_cursor_execute", _on_executed)
        event.listen(engine, "handle_error", _on_error, retval=True)


# Both look for a few letters first: most statements are neither about history nor make or alter
# anything, and cost a millionth of a second.
def _on_execute(
    connection: Connection | None, _: object, sql: str, parameters: Any, *more: Any
) -> tuple[str, Any]:
    low = sql.lower()
    if "system_" in low or "for timestamp" in low or "alter" in low or "drop" in low:
        # There is no connection where the hook's own time is taken.
        asked = connection and connection.connection.dbapi_connection
        told = asked and asked.info
        if told and "\\" in sql and told.parameter_status("standard_conforming_strings") == "off":
            return sql, parameters  # whose strings end elsewhere
        if told and told.transaction_status == TRANSACTION_STATUS_INERROR:
            asked = None
        sql = _rewritten(sql, low, asked)
    return sql, parameters


def _check_names(connection: Any, calls: list[_Call]) -> None:
    """Raise where a name means a relation that hides the one whose function would answer.

    A name without its schema is a TEMP table's first, and then that of the first schema of the
    search_path; functions are found apart from tables.
    """
    named = {(call.name, call.function) for call in calls if not call.is_qualified}
    if not named:
        return
    names, functions = map(list, zip(*named, strict=True))
    with closing(connection.cursor()) as cursor:
        cursor.execute(sqlfile.read("system_time/hidden"), {"names": names, "functions": functions})
        for table, meant in cursor.fetchall():
            raise refusal("name hidden", SystemTimeError, table=table, meant=meant)


def _on_executed(connection: Connection, _: object, sql: str, *more: Any) -> None:
    low = sql.lower()
    if "create" in low or "alter" in low or "drop" in low or "into" in low or "system_v" in low:
        option.went_on(sql, connection)


def _on_error(context: ExceptionContext) -> MedallionError | None:
    """PostgreSQL's complaint about a rewritten statement, in the words of who wrote it."""
    diagnosis = getattr(context.original_exception, "diag", None)
    if diagnosis is None:
        return None
    message = diagnosis.message_primary or str(context.original_exception)
    if error := option.explained(context, diagnosis.sqlstate or "", message):
        return error
    if not _calls(context.statement or ""):
        return None
    if diagnosis.sqlstate in ("22007", "22008"):
        return refusal("instant not read", SystemTimeError, reason=message)
    if diagnosis.sqlstate == "42P13":
        return refusal("functions too old", SystemTimeError)
    if diagnosis.sqlstate == REFUSED:
        return SystemTimeError(f"{message}\n{diagnosis.message_hint}")
    found = re.search(rf"function (.+){_CALL.pattern}(.*?)\)", message)
    if diagnosis.sqlstate != "42883" or found is None or context.engine is None:
        return None
    table, types = found[1], found[3].split(", ") if found[3] else []
    for type_ in types:
        if type_ not in ("unknown", "date") and not type_.startswith("timestamp"):
            return refusal("instant of another type", SystemTimeError, table=table, type=type_)
    others = ", ".join(with_history(context.engine)) or "nothing yet"
    return refusal("no history", SystemTimeError, table=table, others=others)


def _calls(sql: str) -> bool:
    """Whether a function of ours is called in it, and not only named in a string or comment."""
    return any(_CALL.search(token.text.lower() + "(")
               for token, after in pairwise(finished(sql)) if after.text == "(")  # fmt: skip


def with_history(engine: Engine) -> list[str]:
    """The tables and views that answer FOR SYSTEM_TIME, asked on a connection of its own."""
    with option.beside(engine) as cursor:
        cursor.execute(sqlfile.read("system_time/functions"))
        return [name for (name,) in cursor]
