"""`FOR SYSTEM_TIME AS OF`, which PostgreSQL does not have, spliced on its way to the server.

    SELECT * FROM dim_customer_hist FOR SYSTEM_TIME AS OF '2023-07-01' AS c
    SELECT * FROM dim_customer_hist__as_of('2023-07-01') AS c

Only the reference changes; the rest of the statement stays byte for byte. The functions it
calls are made by `medallion_lib.versioned`.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlglot.errors import TokenError

from medallion_lib import sqlfile
from medallion_lib.errors import MedallionError
from medallion_lib.tokens import Token, expression_end, name_start, tokenize

AS_OF = "__as_of"  # what the function's name adds to the relation's
REFUSED = "ST001"  # SQLSTATE of a function that only says why its view has no history

# What follows FOR SYSTEM_TIME, by its first word: how it is spelled, and the ending of the
# function that answers it. Only the form with an ending is there yet.
FORMS = {
    "AS": ("AS OF", AS_OF),
    "FROM": ("FROM … TO …", ""),
    "BETWEEN": ("BETWEEN … AND …", ""),
    "CONTAINED": ("CONTAINED IN (…, …)", ""),
    "ALL": ("ALL", ""),
}
EXAMPLE = "FOR SYSTEM_TIME AS OF '2023-07-01'"

_TABLE_FOLLOWS = frozenset(["FROM", "JOIN", "USING", "LATERAL", ",", "("])


class SystemTimeError(MedallionError):
    """A FOR SYSTEM_TIME that cannot be answered; the text says what to write instead."""


def rewrite(sql: str) -> str:
    """`sql` with each `t FOR SYSTEM_TIME AS OF x` as `t__as_of(x) AS t`, or with its own alias.

    The same object when nothing is to do. What stands in strings, dollar quotes, comments and
    quoted names is not the clause. With a sub-query or clock_timestamp() for an instant
    PostgreSQL does not inline the function: it makes all rows of that instant first.
    """
    lower = sql.lower()
    if "system_time" not in lower and "timestamp as of" not in lower:
        return sql
    try:
        tokens = tokenize(sql)
    except TokenError:
        return sql  # an unfinished string or comment: PostgreSQL says so
    places = [i for i in range(1, len(tokens) - 2) if _is_clause(tokens, i)]
    edits = sorted(edit for i in places for edit in _edits(sql, tokens, i))
    for start, end, text in reversed(edits):
        sql = sql[:start] + text + sql[end:]
    return sql


def _is_clause(tokens: list[Token], i: int) -> bool:
    """Whether tokens[i] is the FOR of a clause, and not that of substring(s FOR system_time)."""
    if tokens[i].text != "FOR":
        return False
    if tokens[i + 1].text == "TIMESTAMP":  # as %sqlplot has it
        return [token.text for token in tokens[i + 2 : i + 4]] == ["AS", "OF"]
    return tokens[i + 1].text == "SYSTEM_TIME" and not _in_substring(tokens, i)


def _in_substring(tokens: list[Token], i: int) -> bool:
    depth = 0
    for j in range(i - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(tokens[j].text, 0)
        if depth < 0:
            return tokens[j - 1].text in ("SUBSTRING", "OVERLAY")
    return False


def _edits(sql: str, tokens: list[Token], i: int) -> Iterator[tuple[int, int, str]]:
    """The two edits (start, end, new text) for the reference whose FOR is tokens[i]."""
    _check_table(sql, tokens, i)
    name = tokens[i - 1]
    ending = _form(tokens, i + 2)
    if len((name.identifier + ending).encode()) > 63:
        raise SystemTimeError(
            f"The name {name.identifier} is too long for {EXAMPLE}: with {ending} it would pass "
            "the 63 bytes PostgreSQL keeps. Ask a view on it with a shorter name."
        )
    first = i + 4
    last = expression_end(tokens, first)
    if last == first:
        raise SystemTimeError(f"FOR SYSTEM_TIME AS OF needs an instant. Write {EXAMPLE}.")
    quote = '"' if name.kind == "quoted" else ""
    yield name.end - len(quote), tokens[first].start, f"{ending}{quote}("
    has_alias = tokens[last].text == "AS" or tokens[last].is_name
    end = tokens[last - 1].end
    yield end, end, ")" if has_alias else f") AS {sql[name.start : name.end]}"


def _form(tokens: list[Token], i: int) -> str:
    """The ending of the function that answers the form beginning at tokens[i]."""
    form, ending = FORMS.get(tokens[i].text, ("", ""))
    if form and not ending:
        raise SystemTimeError(f"FOR SYSTEM_TIME {form} is not there yet. AS OF is: {EXAMPLE}.")
    if not form or tokens[i + 1].text != "OF":
        raise SystemTimeError(f"FOR SYSTEM_TIME must go on with AS OF. Write {EXAMPLE}.")
    return ending


def _check_table(sql: str, tokens: list[Token], i: int) -> None:
    """Raise, with what to write instead, unless a table to read stands before tokens[i]."""
    name, first = tokens[i - 1], name_start(tokens, i - 1)
    before = tokens[first - 1]
    target = "FROM" if tokens[first - 2].text == "DELETE" else "INTO"
    if before.text in ("UPDATE", target):
        raise SystemTimeError(
            "History is read, never written. Leave FOR SYSTEM_TIME out to change today's rows, "
            f"or read: SELECT … FROM {sql[tokens[first].start : name.end]} {EXAMPLE}"
        )
    if name.is_name and before.text in _TABLE_FOLLOWS:
        return
    table = first - 2 if before.text == "AS" else first - 1
    if ")" in (name.text, tokens[table].text):
        raise SystemTimeError(
            "FOR SYSTEM_TIME follows a bracket, but only a table or view has history. Put the "
            f"clause inside, after the name: (SELECT … FROM dim_customer_hist {EXAMPLE}) AS c"
        )
    if name.is_name and tokens[table].is_name:
        named = sql[tokens[name_start(tokens, table)].start : tokens[table].end]
        alias = sql[name.start : name.end]
        raise SystemTimeError(
            f"FOR SYSTEM_TIME stands after the alias {alias}. The alias comes last: "
            f"{named} {EXAMPLE} AS {alias}"
        )
    raise SystemTimeError(
        "FOR SYSTEM_TIME stands where no table is named. It goes directly after the name of a "
        f"table or view in FROM or JOIN: SELECT … FROM dim_customer_hist {EXAMPLE}"
    )


_sent: WeakKeyDictionary[Dialect, str] = WeakKeyDictionary()


def install(engine: Engine) -> None:
    """Let every statement `engine` sends say FOR SYSTEM_TIME. Installing twice is once."""
    if not event.contains(engine, "before_cursor_execute", _on_execute):
        event.listen(engine, "before_cursor_execute", _on_execute, retval=True)
        event.listen(engine, "handle_error", _on_error, retval=True)


def sent(engine: Engine) -> str | None:
    """The last statement of `engine` that was rewritten, as the server got it."""
    return _sent.get(engine.dialect)


def _on_execute(
    connection: Connection, cursor: Any, sql: str, parameters: Any, context: Any, many: bool
) -> tuple[str, Any]:
    rewritten = rewrite(sql)
    if rewritten is not sql:
        _sent[connection.dialect] = rewritten
    return rewritten, parameters


def _on_error(context: ExceptionContext) -> SystemTimeError | None:
    """PostgreSQL's complaint about a rewritten statement, in the words of who wrote it."""
    error, diagnosis = context.original_exception, getattr(context.original_exception, "diag", None)
    if diagnosis is None or AS_OF not in (context.statement or ""):
        return None
    message = diagnosis.message_primary or str(error)
    if diagnosis.sqlstate == "42883" and AS_OF in message:
        return SystemTimeError(_no_function(context.engine, message))
    if diagnosis.sqlstate in ("22007", "22008"):
        return SystemTimeError(
            f"{message}\nAn instant is written like '2023-07-01', '2023-07-01 18:30' (UTC) or "
            f"'2023-07-01 18:30+02': {EXAMPLE}"
        )
    if diagnosis.sqlstate == REFUSED:
        return SystemTimeError(f"{message}\n{diagnosis.message_hint}")
    return None


def _no_function(engine: Engine | None, message: str) -> str:
    """What to do about `function x__as_of(type) does not exist`."""
    found = re.search(rf"function (.+){AS_OF}\((.*?)\)", message)
    if engine is None or found is None:
        return message
    name, type_ = found[1], found[2]
    if type_ not in ("unknown", "date") and not type_.startswith("timestamp"):
        cast = f"{name} FOR SYSTEM_TIME AS OF (…)::timestamptz"
        return f"The instant is of type {type_}. Cast it: {cast}"
    names = ", ".join(with_history(engine)) or "nothing yet"
    return (
        f"{name} has no history. What has: {names}. A view of these that is new gets its own "
        "with lab.regenerate()."
    )


def with_history(engine: Engine) -> list[str]:
    """The tables and views that answer FOR SYSTEM_TIME, asked on a connection of its own."""
    pool = engine.pool.recreate()  # the caller's transaction has failed; its pool may be full
    try:
        with closing(pool.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(sqlfile.read("system_time_functions"))
            return [name for _, name, _, _, _, answers in cursor if answers]
    finally:
        pool.dispose()
