"""What `install` sets on an engine: it rewrites each statement, and keeps the functions up to it.

The functions behind FOR SYSTEM_TIME hold on to their tables. So they are dropped before a table or
view that has some loses what they read, and made again after anything that makes, alters or drops
relations.

Of a driver it asks what psycopg 2 and 3 have alike: cursors with %(name)s, `connection.info` with
libpq's `transaction_status` and `parameter_status`, and `diag` of an error.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext, ExecutionContext
from sqlalchemy.engine.base import OptionEngine

from medallion_lib import sqlfile
from medallion_lib.errors import MedallionError, refusal
from medallion_lib.system_time import functions, option
from medallion_lib.system_time.clause import Call, Parsed, SystemTimeError, parse
from medallion_lib.system_time.forms import FORMS
from medallion_lib.system_time.tokens import Edit, Token, edited, tokenize

if TYPE_CHECKING:  # it brings the whole ORM along, a quarter of what a command takes to start
    from sqlalchemy.ext.asyncio import AsyncEngine

# SQLSTATEs: of a function that only says why its view has no history, and of meta.refusal()
_NO_HISTORY, _REFUSED = "ST001", "ST002"
_ENGINES = ("postgresql+psycopg2", "postgresql+psycopg", "postgresql+psycopg_async")
_TRANSLATED = (_NO_HISTORY, "22007", "22008", "42P13", "42883")
_IN_ERROR = 3  # libpq's PQTRANS_INERROR
Context = ExecutionContext | None
_CALL = re.compile("(" + "|".join(form.suffix for form in FORMS) + r")\"?\(")


def install(engine: "Engine | AsyncEngine") -> None:
    """Let every statement `engine` sends say FOR SYSTEM_TIME, and CREATE TABLE system_versioning.

    Installing twice is once. Raises SystemTimeError for what is no engine of PostgreSQL with
    psycopg2 or psycopg: on another driver half of this would be off without a word.
    """
    engine = getattr(engine, "sync_engine", engine)
    while isinstance(engine, OptionEngine):
        engine = engine._proxied  # whose events are its own
    kind = f"a {type(engine).__name__}"
    if isinstance(engine, Engine):
        kind = f"{engine.dialect.name}+{engine.driver}"
    if kind not in _ENGINES:
        raise refusal("no engine", SystemTimeError, kind=kind)
    if not event.contains(engine, "before_cursor_execute", before_execute):
        event.listen(engine, "before_cursor_execute", before_execute, retval=True)
        event.listen(engine, "after_cursor_execute", after_ddl)
        event.listen(engine, "handle_error", translate, retval=True)


# Both this and after_ddl look for a few letters first: most statements are neither about history
# nor make or alter anything, and cost a millionth of a second.
def before_execute(
    connection: Connection, _: object, sql: str, values: Any, context: Context, *more: Any
) -> tuple[str, Any]:
    low = sql.lower()
    if any(word in low for word in (*option.TOLD, "alter", "drop")):
        asked = connection.connection.dbapi_connection
        if not is_read_here(asked, sql):
            return sql, values
        parsed = parse(sql)
        sql = edited(sql, edits(asked, parsed))
        if context:
            context.system_time = {sql: parsed}
    return sql, values


def is_read_here(asked: Any, sql: str) -> bool:
    """Whether its strings end where they are taken to end."""
    return "\\" not in sql or asked.info.parameter_status("standard_conforming_strings") != "off"


def edits(asked: Any, parsed: Parsed) -> list[Edit]:
    """What makes the text one that PostgreSQL runs: its own edits, and what the catalog adds.

    Raises SystemTimeError where a name means another table.
    """
    found = [*parsed.edits]
    if asked.info.transaction_status != _IN_ERROR:
        _check_names(asked, parsed.calls)
        found += before_ddl(asked, option.changes(parsed.sql, parsed.tokens))
    return found


def _parsed(context: Context, sent: str) -> Parsed:
    """The statement as it was read before it was sent; if it was not, its tokens."""
    return getattr(context, "system_time", {}).get(sent) or Parsed(sent, tokenize(sent))


def _check_names(connection: Any, calls: Sequence[Call]) -> None:
    """Raise where a name means a relation that hides the one whose function would answer.

    A name without its schema is a TEMP table's first, and then that of the first schema of the
    search_path; functions are found apart from tables.
    """
    if called := dict.fromkeys((c.function, c.name) for c in calls if not c.is_qualified):
        each = ", ".join([sqlfile.read("system_time/hidden")] * len(called))
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"SELECT coalesce({each})", [*chain(*(pair * 2 for pair in called))])
            if hidden := cursor.fetchone()[0]:
                raise refusal("name hidden", SystemTimeError, meant=hidden[0], table=hidden[1])


def before_ddl(connection: Any, changes: Iterable[option.Change]) -> list[Edit]:
    """What drops what hangs on each table or view before it is altered or dropped.

    In one text, since a connection may commit each: all of it happens, or nothing.
    """
    edits = list[Edit]()
    for change in changes:
        with closing(connection.cursor()) as cursor:
            found, before = _relations(cursor, change.names), list[str]()
            plain = [oid for oid, is_versioned in found if not is_versioned]
            if plain and change.reshapes:
                drops = functions.stale(cursor, None, plain)
                before = [drop.replace("%", "%%") for drop in drops]
        versioned = [oid for oid, is_versioned in found if is_versioned]
        if versioned and change.computes:
            facts = {"table": change.names[0], "said": change.computes}
            raise refusal("versions computed", option.SystemVersioningError, **facts)
        if change.reshapes:
            before += [f"CALL meta.set_aside({oid}, {change.is_alter})" for oid in versioned]
        edits.append((change.start, change.start, "".join(f"{command};\n" for command in before)))
        after = [f"; CALL meta.renew_current_view({oid})" for oid in versioned]
        if not change.is_alter:
            after = ["; CALL meta.drop_orphaned_history()"] if versioned else []
        edits.append((change.end, change.end, "".join(after)))
    return edits


def _relations(cursor: Any, names: Iterable[str]) -> list[tuple[int, bool]]:
    """Those a statement names that have triggers or functions: oid, and if it versions itself."""
    given = [name.replace("%%", "%") for name in names]
    return sqlfile.run(cursor, "system_time/named", {"names": given}).fetchall()


def after_ddl(
    connection: Connection, _: object, sql: str, __: object, context: Context, *more: Any
) -> None:
    """After a statement that made, altered or dropped relations: the functions of what has history.

    Those of the connection's own role, in scratch for the notebooks'.
    """
    low = sql.lower()
    if (
        "create" in low or "alter" in low or "drop" in low or "into" in low or "system_v" in low
    ) and option.is_ddl(_parsed(context, sql).tokens):
        functions.regenerate(connection.connection.dbapi_connection)


def translate(context: ExceptionContext) -> MedallionError | None:
    """PostgreSQL's complaint about a statement, in the words of who wrote it."""
    diagnosis = getattr(context.original_exception, "diag", None)
    if diagnosis is None:
        return None
    parsed = partial(_parsed, context.execution_context, context.statement or "")
    others = partial(with_history, context.engine) if context.engine else list
    return translated(diagnosis, parsed, others)


def translated(
    diagnosis: Any, read: Callable[[], Parsed], others: Callable[[], Iterable[str]]
) -> MedallionError | None:
    """The same of what libpq's drivers call `diag`, of the statement `read`.

    `others` says which relations have history.
    """
    message, state = diagnosis.message_primary or "", diagnosis.sqlstate
    if state == _REFUSED:
        return option.SystemVersioningError(message)
    if state == "22023" and '"system_versioning"' in message:
        return refusal("option elsewhere", option.SystemVersioningError)
    if state == "42601" and '"system_time"' in message.lower():
        return refusal("clause in a body", SystemTimeError)
    if state not in _TRANSLATED:
        return None
    parsed = read()
    if not parsed.calls and not _calls(parsed.tokens):
        return None
    if state in ("22007", "22008"):
        return refusal("instant not read", SystemTimeError, reason=message)
    if state == "42P13":
        return refusal("functions too old", SystemTimeError)
    if state == _NO_HISTORY:
        return SystemTimeError(f"{message}\n{diagnosis.message_hint}")
    return _of_function(message, others)


def _of_function(message: str, others: Callable[[], Iterable[str]]) -> MedallionError | None:
    """There is no function of this name, or none of these types."""
    found = re.search(rf"function (.+){_CALL.pattern}(.*?)\)", message)
    if found is None:
        return None
    table, types = found[1], found[3].split(", ") if found[3] else []
    form = next(form.clause.format("…", "…") for form in FORMS if form.suffix == found[2])
    for type_ in types:
        if type_ not in ("unknown", "date") and not type_.startswith("timestamp"):
            facts = {"table": table, "form": form, "type": type_}
            return refusal("instant of another type", SystemTimeError, **facts)
    there = ", ".join(others()) or "nothing yet"
    return refusal("no history", SystemTimeError, table=table, others=there)


def _calls(tokens: list[Token]) -> bool:
    """Whether a function of ours is called, and not only named in a string or comment."""
    return any(_CALL.search(token.text.lower() + "(")
               for token, after in pairwise(tokens) if after.text == "(")  # fmt: skip


def with_history(engine: Engine) -> list[str]:
    """The tables and views that answer FOR SYSTEM_TIME, asked on a connection of its own."""
    with own_connection(engine) as cursor:
        return [name for (name,) in sqlfile.run(cursor, "system_time/functions")]


@contextmanager
def own_connection(engine: Engine) -> Iterator[Any]:
    """A cursor on a connection of its own: the caller's has failed, and its pool may be full."""
    with closing(engine.pool.recreate().connect()) as connection:
        connection.detach()
        yield connection.cursor()
