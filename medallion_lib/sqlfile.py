"""The SQL of this package: NAME.sql beside the code that sends it, or a whole path without .sql."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from psycopg2 import sql

DIRECTORY = Path(__file__).resolve().parent


def named(path: Path) -> str:
    """The name of a file: from this package's folder on, or the whole path."""
    path = path.resolve().with_suffix("")
    return str(path.relative_to(DIRECTORY) if path.is_relative_to(DIRECTORY) else path)


@cache
def read(name: str) -> str:
    return (DIRECTORY / f"{name}.sql").read_text(encoding="utf-8")


def run(cursor: Any, name: str, values: object = None) -> Any:
    """Execute the file as it is, by the cursor of any driver; the cursor, which holds the rows."""
    cursor.execute(read(name), values)
    return cursor


def compose(name: str, **parts: sql.Composable) -> sql.Composed:
    """The file with its {places} filled, each quoted as what it is."""
    text = read(name)
    if "%(" in text or "%%" in text or any(map(_has_parameter, parts.values())):
        parts = {place: _beside_parameters(part) for place, part in parts.items()}
    return sql.SQL(text).format(**parts)


class _Doubled(sql.Composable):
    """A name or literal whose percent signs psycopg2 is not to take for parameters."""

    def as_string(self, context: object) -> str:
        return self._wrapped.as_string(context).replace("%", "%%")


def _has_parameter(part: sql.Composable) -> bool:
    if isinstance(part, sql.Composed):
        return any(map(_has_parameter, part))
    return isinstance(part, sql.SQL) and "%(" in part.string


def _beside_parameters(part: sql.Composable) -> sql.Composable:
    if isinstance(part, sql.Composed):
        return sql.Composed(map(_beside_parameters, part))
    return part if isinstance(part, sql.SQL | sql.Placeholder) else _Doubled(part)


def each(parts: Iterable[sql.Composable], one: str = "{}", between: str = ", ") -> sql.Composed:
    """The text `one` for each of the parts, which is {} or {0} in it."""
    return sql.SQL(between).join(sql.SQL(one).format(part) for part in parts)


def identifiers(names: Iterable[str], one: str = "{}", between: str = ", ") -> sql.Composed:
    """Names, quoted, as a list of columns is written."""
    return each(map(sql.Identifier, names), one, between)
