"""The key by which a person asks for a row."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple, Self

from psycopg2 import sql

from medallion_lib.errors import refusal
from medallion_lib.tables import Table


class Key(NamedTuple):
    """What a row of a history is asked by: its key, whole or in part."""

    table: Table
    said: object
    texts: dict[str, str]  # as PostgreSQL reads them, by silver's names

    @classmethod
    def read(cls, table: Table, said: object) -> Self:
        """A tuple of all values, in the key's order, or some by silver's names, or the last alone.

        Raises MedallionError for anything else, and where a value is None.
        """
        names, given = table.silver_key, said
        if isinstance(said, tuple | list):  # a list is a value of an array's
            is_whole = isinstance(said, tuple) and len(said) == len(names)
            given = dict(zip(names, said, strict=True)) if is_whole else {}
        elif not isinstance(said, Mapping):
            given = {names[-1]: said}
        is_named = given and given.keys() <= {*names}
        if not is_named or any(value is None for value in given.values()):
            key = cls(table, said, dict.fromkeys(names, ""))
            reason = "no row has none" if is_named else f"its key is ({', '.join(names)})"
            raise refusal("no such key", **key.facts, reason=reason)
        return cls(table, said, {name: text(value) for name, value in given.items()})

    @property
    def is_whole(self) -> bool:
        return len(self.texts) == len(self.table.key)

    @property
    def facts(self) -> dict[str, object]:
        """By the names that refusals have for them."""
        names = {"table": self.table.shown, "history": self.table.shown_history}
        return names | {"column": ", ".join(self.texts), "key": self.said}

    def several(self) -> Exception:
        """The refusal where it is that of several rows."""
        texts = ", ".join(f"'{text}'" for text in self.texts.values())
        whole = ", ".join(self.table.silver_key)
        return refusal("key of several rows", **self.facts, whole=whole, texts=texts)


def text(value: object) -> str:
    """As PostgreSQL reads a value that the driver gives. Python's last day stands for infinity."""
    if isinstance(value, bytes | memoryview):
        return f"\\x{bytes(value).hex()}"
    is_last = value in (date.max, datetime.max, datetime.max.replace(tzinfo=UTC))
    return "infinity" if is_last else str(value)


def equal(values: Iterable[tuple[str, sql.Composable]], *of: str) -> sql.Composed:
    """The condition that these columns, `of` a relation, have these values."""
    pairs = (sql.SQL("{} = {}").format(sql.Identifier(*of, name), value) for name, value in values)
    return sql.SQL(" AND ").join(pairs)
