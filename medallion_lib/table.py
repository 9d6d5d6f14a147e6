"""A table of a warehouse, as a value: what it is called, and its key, in each layer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from psycopg2 import sql

from medallion_lib.errors import refusal
from medallion_lib.mart import check_facts

SYSTEM_COLUMNS = ("row_hash", "sys_start", "sys_end", "sys_period")  # a history's, beside its own


class Column(NamedTuple):
    """A column of a table, by the source's catalog. A type of the source's own is text here."""

    name: str
    type: str
    comment: str | None = None
    number: int | None = None  # the source's own, by which a renamed column is known
    missing: str | None = None  # the text of its value in a row from before it was added
    hashed: str | None = None  # its name in the row's hash, where it has been renamed since


class Adding(NamedTuple):
    """How far a table is that was added to a warehouse which captured others already.

    It is forgotten once all is merged. Positions are as bronze counts them.
    """

    begun: int  # where bronze was: what it has from here to the snapshot is not the table's whole
    merged: int  # where merge is to go on with the table, which need not be where the others are
    snapshot: int | None = None  # of the snapshot's rows, once they have landed
    is_whole: bool = False  # whether bronze has every row of the snapshot and each change since


@dataclass(frozen=True)
class Table:
    """A source table whose every change lands in bronze, and its history in silver, if it has one.

    `key` are the source's columns that tell its rows apart; bronze is searched by the last. Where
    there is none, the table has no history, and its changes alone are kept.
    Raises MedallionError where columns are looked up, and no SQL is named that finds them.
    """

    name: str
    key: tuple[str, ...]
    schema: str = "public"
    bronze_schema: str = "bronze"
    history: str | None = None  # the table of its versions
    silver_schema: str = "silver"
    columns: tuple[Column, ...] = ()  # of its history, where no SQL of a guest makes that
    # whether its history is made of them, and changes as they do; None before it is made
    follows: bool | None = None
    left_out: tuple[str, ...] = ()  # columns that its history has not
    excluded: tuple[str, ...] = ()  # columns that never land: neither bronze nor history has them
    is_strict: bool = True  # whether the server itself keeps its versions from overlapping
    # silver's column: all the names it has had at the source, in order
    renamed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gone: tuple[str, ...] = ()  # columns the source has no longer: null where a row lacks them
    # the source's own of columns that are left out or excluded, by all the names they have had
    numbers: Mapping[str, int] = field(default_factory=dict)
    lookups: tuple[str, ...] = ()  # columns that a row takes from other tables at its first event
    lookup: str | None = None  # the SQL that finds them: a file, without .sql
    by_month: str | None = None  # the date its partitions go by
    events: str | None = None  # what its changes are read from, if not br_NAME_cdc
    is_captured: bool = True  # False where its history only stays
    # What its membership in the publication is told by, where that is not as old as the others'
    published: str | None = None
    adding: Adding | None = None

    def __post_init__(self) -> None:
        renamed = {name: tuple(names) for name, names in self.renamed.items()}
        object.__setattr__(self, "renamed", MappingProxyType(renamed))
        object.__setattr__(self, "numbers", MappingProxyType(dict(self.numbers)))
        for name, fact in vars(self).items():
            if isinstance(fact, list):
                object.__setattr__(self, name, tuple(fact))
        if isinstance(self.key, str):  # of one column
            object.__setattr__(self, "key", (self.key,))
        if self.history and not self.key:
            raise refusal("no key for history", table=self.shown)
        if unfit := [name for name in self.key if name in self.excluded]:
            raise refusal("key excluded", table=self.shown, column=unfit[0])
        if self.lookups and not self.lookup:
            raise refusal("no look-up", table=self.shown, columns=", ".join(self.lookups))

    def __hash__(self) -> int:
        return hash((self.schema, self.name))

    @property
    def is_pending(self) -> bool:
        """Whether it is being added: merge waits until bronze has the whole of it."""
        return self.adding is not None and not self.adding.is_whole

    @property
    def is_unread(self) -> bool:
        """Whether it is being added, and its rows are yet to be read."""
        return self.is_pending and self.adding.snapshot is None

    @property
    def shown(self) -> str:
        """Its name to a person, with its schema unless that is public."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def shown_history(self) -> str:
        """Its history's name to a person, with its schema unless that is silver."""
        is_plain = self.silver_schema == "silver"
        return self.history if is_plain else f"{self.silver_schema}.{self.history}"

    @property
    def current(self) -> str:
        return current(self.history)

    @property
    def source(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def bronze(self) -> sql.Identifier:
        return sql.Identifier(self.bronze_schema, self.events or f"br_{self.name}_cdc")

    @property
    def silver(self) -> sql.Identifier:
        return sql.Identifier(self.silver_schema, self.history)

    def in_bronze(self, name: str) -> tuple[str, ...]:
        """The keys of this column's value in bronze's full_row, over time."""
        return self.renamed.get(name, (name,))

    def in_silver(self, name: str) -> str:
        """What silver calls a column of the source."""
        return next((new for new, names in self.renamed.items() if name in names), name)

    def named(self, name: str | None) -> str | None:
        """What silver calls a column now that it was made with under this name."""
        return next((each.name for each in self.columns if name and each.hashed == name), name)

    @property
    def silver_key(self) -> list[str]:
        return [self.in_silver(name) for name in self.key]

    def names_at_source(self, name: str) -> tuple[str, ...]:
        """All names that a column of the source has had there, in order."""
        return self.in_bronze(self.in_silver(name))

    @property
    def source_key(self) -> tuple[str, ...]:
        """The key's columns by the names that the source has for them now."""
        return tuple(self.names_at_source(name)[-1] for name in self.key)

    @property
    def evolves(self) -> bool:
        """Whether its columns are followed, for its history as it is or will be."""
        is_numbered = any(each.number is not None for each in self.columns)
        return is_numbered and self.follows is not False

    @property
    def landed_as_null(self) -> list[str]:
        """Dropped columns that each row says are null: where one lacks them, it is from before."""
        return [self.in_bronze(each.name)[-1] for each in self.columns
                if each.name in self.gone and each.missing is not None]  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """What is not as it is by default."""
        default = Table(self.name, self.key)
        return {name: dict(fact) if isinstance(fact, Mapping) else fact
                for name, fact in vars(self).items()
                if name in ("name", "key") or fact != getattr(default, name)}  # fmt: skip

    @classmethod
    def of_json(cls, facts: Mapping[str, Any]) -> Self:
        """The same from what `as_json` gives, or a TOML file has."""
        check_facts(cls, facts)
        columns = tuple(Column(*each) for each in facts.get("columns", ()))
        adding = Adding(*facts["adding"]) if facts.get("adding") else None
        return cls(**{**facts, "columns": columns, "adding": adding})


def current(history: str) -> str:
    """The view of a history's current rows, as meta.current_view names it."""
    before = history.removesuffix("_hist")
    return before if before not in ("", history) else f"{history}_current"


def by_source(tables: Iterable[Table]) -> dict[tuple[str, ...], Table]:
    """Tables by their schema and name at the source."""
    return {table.source.strings: table for table in tables}
