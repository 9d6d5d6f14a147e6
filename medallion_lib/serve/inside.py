"""What the hook asks of a driver's connection, on the connection of the client itself.

There alone its TEMP tables, its search_path and what it has not committed are seen.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, Self

from sqlalchemy.util import await_only

_FIELDS = {"C": "sqlstate", "M": "message_primary", "H": "message_hint"}
_BOOLEAN, _NUMBERS, _LISTS = 16, (20, 21, 23, 26), {1000, 1003, 1009, 1028, 2210}  # oids of types
_OF_NUMBERS = 1028
_PLACE = re.compile(r"%\((\w+)\)s|%s|%%")
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|([^{},]+)', re.DOTALL)


class Diagnosis:
    """What an ErrorResponse says, as drivers of libpq call it."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(fields)
        for field, name in _FIELDS.items():
            setattr(self, name, fields.get(field))


class Complaint(Exception):
    """PostgreSQL's, about a statement of ours."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(fields.get("M", ""))
        self.diag = Diagnosis(fields)


class Asked(Protocol):
    """The session, as far as it is asked here."""

    transaction_status: int  # as libpq has it

    def parameter_status(self, name: str) -> str | None: ...

    async def ask(self, sql: str) -> tuple[list[int], list[list[str | None]]]: ...


class Inside:
    """A connection and, since one thing is asked at a time, its only cursor."""

    def __init__(self, session: Asked) -> None:
        self.session = self.info = session
        self.connection = self
        self._rows: Iterator[tuple[Any, ...]] = iter(())

    def cursor(self) -> Self:
        return self

    def close(self) -> None:
        """Nothing is kept open."""

    def execute(self, sql: str, values: object = None) -> None:
        types, rows = await_only(self.session.ask(_filled(sql, values)))
        self._rows = iter([tuple(map(_read, types, row)) for row in rows])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)


def _filled(sql: str, values: Any) -> str:
    """The statement with each value in its place."""
    if values is None:
        return sql
    given = iter(()) if isinstance(values, Mapping) else iter(values)

    def fill(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        return _literal(values[found[1]] if found[1] else next(given))

    return _PLACE.sub(fill, sql)


def _literal(value: object) -> str:
    """As text, of whatever type its place is; an escape string ends alike under every setting."""
    if value is None:
        return "NULL"
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = (str(item).replace("\\", r"\\").replace('"', r"\"") for item in value)
        value = "{" + ",".join(f'"{item}"' for item in items) + "}"
    told = str(value).replace("\\", r"\\").replace("'", "''")
    return f" E'{told}'"


def _read(type_: int, text: str | None) -> Any:
    if text is None:
        return None
    if type_ in _LISTS:
        items = [re.sub(r"\\(.)", r"\1", inner) or bare for inner, bare in _ITEM.findall(text)]
        return [int(item) for item in items] if type_ == _OF_NUMBERS else items
    if type_ == _BOOLEAN:
        return text == "t"
    return int(text) if type_ in _NUMBERS else text
