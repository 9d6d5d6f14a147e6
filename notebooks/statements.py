"""The text of a `%%sql` cell: what is quoted in it reaches the server as it was written.

jupysql looks for `<<`, `{{ }}`, `:name`, `;` and options in all of a cell. Here strings, dollar
quotes, quoted names and comments are put aside first, and put back untouched.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from os.path import expandvars
from pathlib import Path
from typing import Any, NamedTuple

from IPython.core.error import UsageError
from jinja2 import Template
from sql import parse
from sql.command import SQLCommand
from sql.connection import ConnectionManager, is_pep249_compliant
from sqlalchemy import Engine

import results

_QUOTE = re.compile(
    r"""(?<![\w$])[eE]'(?:[^'\\]|''|\\.)*'?   # with backslashes
    | '(?:[^']|'')*'? | "(?:[^"]|"")*"?
    | (?<![\w$])(?P<dollar>\$(?:[^\W\d]\w*)?\$).*?(?:(?P=dollar)|\Z)
    | --[^\r\n]* | /\*""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")
_ASIDE = re.compile("\ue000(\\d+)[\ue001\ue003]")
_TEMPLATE = re.compile(r"{{\s*([^\W\d]\w*)\s*}}")
# No cast, and not the colon of a slice or between a name in JSON and its value.
_PARAMETER = re.compile("(?<![:\\w\\])\ue001]):(?=[^\\W\\d])")
_NAMED = re.compile(rf"{_PARAMETER.pattern}(\w+)")
_BOUND = re.compile(r"[();]|\b(?:BEGIN\s+ATOMIC|CASE|END)\b", re.IGNORECASE)
_NAME = re.compile(r"\s*([^\W\d]\w*)\s*(=?)\s*<<")
_REPEATED = ["-w", "--with", "--append", "--interact"]


class Masked(NamedTuple):
    """SQL with each quoted part as a mark, and these parts."""

    code: str
    quotes: list[str]

    @classmethod
    def of(cls, sql: str) -> "Masked":
        code, quotes, at = "", [], 0
        while found := _QUOTE.search(sql, at):
            end = _end_of_comment(sql, found.end()) if found[0] == "/*" else found.end()
            mark = "\ue003" if found[0][:2] in ("--", "/*") else "\ue001"
            code += f"{sql[at : found.start()]}\ue000{len(quotes)}{mark}"
            quotes.append(sql[found.start() : end])
            at = end
        return cls(code + sql[at:], quotes)

    def whole(self, code: str) -> str:
        return _ASIDE.sub(lambda mark: self.quotes[int(mark[1])], code)

    def empty(self, code: str) -> bool:
        """Whether nothing but comments and a semicolon is in it."""
        left = _ASIDE.sub(lambda mark: self.quotes[int(mark[1])][:2], code)
        return not re.sub(r"--|/\*|;", "", left).strip()


def _end_of_comment(sql: str, at: int) -> int:
    """PostgreSQL's comments nest."""
    depth = 1
    while depth and (found := _COMMENT.search(sql, at)):
        depth += 1 if found[0] == "/*" else -1
        at = found.end()
    return len(sql) if depth else at


def rendered(sql: str, names: dict[str, Any]) -> str:
    """`sql` with jupysql's templates filled in.

    In quotes these are only `{{name}}` of a variable there is: JSON and arrays have braces too.
    """
    masked = Masked.of(sql)
    quotes = [_TEMPLATE.sub(lambda found: str(names.get(found[1], found[0])), each)
              if each[:2] not in ("--", "/*") else each for each in masked.quotes]  # fmt: skip
    code = masked.code
    if re.search(r"{[{%#]", code):
        code = Template(code, keep_trailing_newline=True).render(names)
    return masked._replace(quotes=quotes).whole(code)


def split(sql: str) -> list[str]:
    """The statements in `sql`, cut at `;` where PostgreSQL's own psql cuts; at least one."""
    masked = Masked.of(sql)
    pieces = [piece for piece in _pieces(masked.code) if not masked.empty(piece)]
    return [masked.whole(piece).strip() for piece in pieces] or [sql]


def _pieces(code: str) -> Iterator[str]:
    start = brackets = blocks = 0
    for found in _BOUND.finditer(code):
        match word := found[0].upper():
            case "(" | ")":
                brackets = max(brackets + (1 if word == "(" else -1), 0)
            case ";" if not brackets and not blocks:
                yield code[start : found.end()]
                start = found.end()
            case "END":
                blocks = max(blocks - 1, 0)
            case _ if word != ";" and (blocks or word != "CASE"):
                blocks += 1
    yield code[start:]


def as_text(sql: str) -> str:
    """`sql` for `sqlalchemy.text`, in which each colon that begins no parameter is escaped."""
    masked = Masked.of(sql)
    code = _PARAMETER.sub("\ue002", masked.code).replace(":", r"\:").replace("\ue002", ":")
    return masked._replace(quotes=[q.replace(":", r"\:") for q in masked.quotes]).whole(code)


def with_values(sql: str, written: Callable[[str], str]) -> str:
    """`sql` with each of its parameters as `written` has it."""
    masked = Masked.of(sql)
    return masked.whole(_NAMED.sub(lambda found: written(found[1]), masked.code))


class Head(NamedTuple):
    """What stands before the SQL of a cell: options, a connection, and the result's name."""

    options: str
    connection: str
    name: str
    shows: bool
    sql: str


def read(
    line: str, cell: str, connects: Callable[[str], bool], options: Mapping[str, bool]
) -> Head:
    """Take a cell apart. `connects` knows connections' names, `options` which have a value."""
    given, connection = [], ""
    while found := re.match(r"\s*(\S+)", line):
        word = found[1]
        if re.match(r"--?[A-Za-z]", word):
            if word not in options:
                raise UsageError(f"%sql has no option {word}. A comment is written: -- {word[2:]}")
            value = re.match(r"\s+('[^']*'|\"[^\"]*\"|\S+)", line[found.end() :])
            end = found.end() + (value.end() if value and options[word] else 0)
            given.append(line[:end])
        elif not connection and connects(word):
            connection, end = word, found.end()
        else:
            break
        line = line[end:]
    sql = f"{line}\n{cell}"
    if named := _NAME.match(sql):
        return Head("".join(given), connection, named[1], bool(named[2]), sql[named.end() :])
    return Head("".join(given), connection, "", False, sql)


def _connection(word: str, names: dict[str, Any]) -> Any:
    """What jupysql connects to by this word: an alias it has, an engine of the notebook, a URL."""
    if word in ConnectionManager.connections:
        return word
    held = names.get(word)
    if isinstance(held, Engine) or (held is not None and is_pep249_compliant(held)):
        return held
    url = expandvars(word)
    return url if re.match(r"\w[\w+.-]*://", url) else None


class Command(SQLCommand):
    """A cell as jupysql's magic wants it, with its text as it was written.

    What the name before `<<` was bound to is gone from here on, whether the statement succeeds
    or not: no cell after it can take an older result for this one.
    """

    def __init__(self, magic: Any, user_ns: dict[str, Any], line: str, cell: str) -> None:
        self._line, self._cell = line, cell
        actions = magic.execute.parser._actions
        options = {option: each.nargs != 0 for each in actions for option in each.option_strings}
        head = read(line, cell, lambda word: _connection(word, user_ns) is not None, options)
        results.forget(magic.shell.user_ns, [head.name] if head.name else [])
        self.args = parse.magic_args(magic.execute, head.options, "sql", _REPEATED)
        sql = head.sql.strip()
        if self.args.file:
            try:
                sql = f"{Path(self.args.file).read_text(encoding='utf-8')}\n{sql}".strip()
            except OSError as error:
                raise UsageError(str(error)) from error
        self.parsed = {
            "connection": _connection(head.connection, user_ns) or "",
            "result_var": head.name or None,
            "return_result_var": head.shows,
        }
        self.parsed["sql"] = self.parsed["sql_original"] = rendered(sql, user_ns)
        if self.args.with_:
            self.set_sql_with(self.args.with_)
