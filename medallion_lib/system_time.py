"""`FOR SYSTEM_TIME`, which PostgreSQL does not have, spliced on its way to the server.

    SELECT * FROM dim_customer_hist FOR SYSTEM_TIME AS OF '2023-07-01' AS c
    SELECT * FROM dim_customer_hist__as_of('2023-07-01') AS c

Only the reference changes; the rest of the statement stays byte for byte. `forms.py` has the
other forms; the functions they call are made by `versioned.py`. `system_versioning.py` has what the
same hook does for tables that keep their versions themselves.
"""

import re
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlglot.errors import TokenError

from medallion_lib import sqlfile, system_versioning
from medallion_lib.errors import MedallionError, refusal
from medallion_lib.forms import FORMS, Form
from medallion_lib.tokens import Token, after_expression, name_start, tokenize

REFUSED = "ST001"  # SQLSTATE of a function that only says why its view has no history

_CALL = re.compile("(" + "|".join(form.suffix for form in FORMS) + r")\"?\(")
_BY_WORD = {form.clause.split()[0]: form for form in FORMS}
_NAMES_FOLLOW = frozenset(["MAPPING", "TRANSFORM", "LABEL", "EXISTS"])  # FOR and a name
_TABLE_FOLLOWS = frozenset(["FROM", "JOIN", "USING", "LATERAL", ",", "("])


class SystemTimeError(MedallionError):
    """A FOR SYSTEM_TIME that cannot be answered; the text says what to write instead."""


def rewrite(sql: str) -> str:
    """`sql` with each `t FOR SYSTEM_TIME AS OF x` as `t__as_of(x) AS t`, or with its own alias.

    CREATE TABLE … WITH (system_versioning = true) becomes what `system_versioning.py` says.

    Likewise the other forms: `t__from_to(a, b)`, `__between`, `__contained_in`, and `t__all()`.

    The same object when nothing is to do. What stands in strings, dollar quotes, comments and
    quoted names is not the clause. With a sub-query or clock_timestamp() for an instant
    PostgreSQL does not inline the function: it makes all rows of that instant first.
    """
    sql = system_versioning.rewrite(sql)
    lower = sql.lower()
    if "system_time" not in lower and "for timestamp" not in lower:
        return sql
    try:
        tokens = tokenize(sql)
    except TokenError:
        return sql  # an unfinished string or comment: PostgreSQL says so
    written = sql
    for i in range(len(tokens) - 3, 0, -1):  # the last first: an instant may hold a clause too
        if _is_clause(tokens, i):
            tokens = tokens if sql is written else tokenize(sql)
            sql = _spliced(sql, tokens, i)
    return sql


def _is_clause(tokens: list[Token], i: int) -> bool:
    """Whether tokens[i] is the FOR of a clause, and not that of substring(s FOR system_time).

    Nor that of a role, type or provider of this name: CREATE USER MAPPING FOR system_time.
    """
    if tokens[i].text != "FOR":
        return False
    if tokens[i - 1].text in _NAMES_FOLLOW and tokens[i + 2].text not in _BY_WORD:
        return False
    if tokens[i + 1].text == "TIMESTAMP":  # as %sqlplot has it
        return tokens[i + 2].text in _BY_WORD and not _in_substring(tokens, i)
    return tokens[i + 1].text == "SYSTEM_TIME" and not _in_substring(tokens, i)


def _in_substring(tokens: list[Token], i: int) -> bool:
    depth = 0
    for j in range(i - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(tokens[j].text, 0)
        if depth < 0:
            return tokens[j - 1].text in ("SUBSTRING", "OVERLAY")
    return False


def _spliced(sql: str, tokens: list[Token], i: int) -> str:
    """`sql` with the reference whose FOR is tokens[i] as a call; only what follows may differ."""
    _check_table(sql, tokens, i)
    name = tokens[i - 1]
    form, instants, j, end = _read(sql, tokens, i + 2)
    if len((name.identifier + form.suffix).encode()) > 63:
        facts = {"table": name.identifier, "suffix": form.suffix}
        raise refusal("name too long", SystemTimeError, **facts)
    has_alias = tokens[j].text == "AS" or tokens[j].is_name
    alias = "" if has_alias else f" AS {sql[name.start : name.end]}"
    quote = '"' if name.kind == "quoted" else ""
    called = sql[: name.end - len(quote)] + form.suffix + quote
    return f"{called}({', '.join(instants)}){alias}{sql[end:]}"


def _read(sql: str, tokens: list[Token], i: int) -> tuple[Form, list[str], int, int]:
    """The form that begins at tokens[i], its instants, and which token and text come after it.

    sqlglot prints two of them with brackets, for %sqlplot: FROM (a, b), BETWEEN (a, b).
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
            instants.append(sql[tokens[begin].start : end])
        for word in re.findall(r"\w+|\S", piece):
            if tokens[i].text != word:
                example = form.clause.format("'2023-07-01'", "'2023-08-01'")
                facts = {"form": written, "word": word, "example": example}
                raise refusal("form unfinished", SystemTimeError, **facts)
            i, end = i + 1, tokens[i].end
    return form, instants, i, end


def _check_table(sql: str, tokens: list[Token], i: int) -> None:
    """Raise, with what to write instead, unless a table to read stands before tokens[i]."""
    name, first = tokens[i - 1], name_start(tokens, i - 1)
    before = tokens[first - 1]
    target = "FROM" if tokens[first - 2].text == "DELETE" else "INTO"
    if before.text in ("UPDATE", target):
        read = sql[tokens[first].start : name.end]
        raise refusal("history written", SystemTimeError, table=read)
    if name.is_name and before.text in _TABLE_FOLLOWS:
        return
    table = first - 2 if before.text == "AS" else first - 1
    if ")" in (name.text, tokens[table].text):
        raise refusal("clause after a bracket", SystemTimeError)
    if name.is_name and tokens[table].is_name:
        named = sql[tokens[name_start(tokens, table)].start : tokens[table].end]
        alias = sql[name.start : name.end]
        raise refusal("clause after the alias", SystemTimeError, table=named, alias=alias)
    raise refusal("clause without a table", SystemTimeError)


def install(engine: Engine) -> None:
    """Let every statement `engine` sends say FOR SYSTEM_TIME, and CREATE TABLE system_versioning.

    Installing twice is once.
    """
    if not event.contains(engine, "before_cursor_execute", _on_execute):
        event.listen(engine, "before_cursor_execute", _on_execute, retval=True)
        event.listen(engine, "after_cursor_execute", _on_executed)
        event.listen(engine, "handle_error", _on_error, retval=True)


# Both look for a few letters first: most statements are neither about history nor make or alter
# anything, and cost a millionth of a second.
def _on_execute(_: object, cursor: Any, sql: str, parameters: Any, *more: Any) -> tuple[str, Any]:
    low = sql.lower()
    if "system_" in low or "for timestamp" in low or "alter" in low or "drop" in low:
        sql = system_versioning.let_go(rewrite(sql), cursor)
    return sql, parameters


def _on_executed(_: object, cursor: Any, sql: str, *more: Any) -> None:
    low = sql.lower()
    if "create" in low or "alter" in low or "drop" in low or "system_versioned" in low:
        system_versioning.went_on(sql, cursor)


def _on_error(context: ExceptionContext) -> MedallionError | None:
    """PostgreSQL's complaint about a rewritten statement, in the words of who wrote it."""
    diagnosis = getattr(context.original_exception, "diag", None)
    if diagnosis is None:
        return None
    message = diagnosis.message_primary or str(context.original_exception)
    if error := system_versioning.explained(context, diagnosis.sqlstate or "", message):
        return error
    if not _CALL.search(context.statement or ""):
        return None
    if diagnosis.sqlstate in ("22007", "22008"):
        return refusal("instant not read", SystemTimeError, reason=message)
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


def with_history(engine: Engine) -> list[str]:
    """The tables and views that answer FOR SYSTEM_TIME, asked on a connection of its own."""
    with system_versioning.beside(engine) as cursor:
        cursor.execute(sqlfile.read("system_time_functions"))
        return [name for (name,) in cursor]
