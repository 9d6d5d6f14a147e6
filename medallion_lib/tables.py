"""Which tables are captured and which are versioned. A new one is a declaration here.

The columns of a versioned table and their types stand in sql/silver.sql and are read from there.
A warehouse keeps what was declared when it was begun, and last merged. That holds for it whatever
this process declares: `captured_in` and `versioned_in` say which tables it has.
"""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal


class Captured(NamedTuple):
    """A source table whose every change lands in bronze. Its name has at most 56 bytes."""

    name: str
    key: tuple[str, ...]  # its primary key, ending with the id that bronze is searched by
    schema: str = "public"
    bronze_schema: str = "bronze"

    @property
    def shown(self) -> str:
        """Its name to a person, with its schema unless that is public."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def source(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def bronze(self) -> sql.Identifier:
        return sql.Identifier(self.bronze_schema, f"br_{self.name}_cdc")


class Versioned(NamedTuple):
    """A versioned table made from one captured table, of schema silver unless it says otherwise."""

    name: str
    source: str
    key: str
    # silver column: the source's column, or all the names it has had there
    renamed: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    gone: tuple[str, ...] = ()  # columns the source has no longer: null where a row lacks them
    carried: tuple[str, ...] = ()  # columns that carry_NAME.sql looks up in bronze
    by_month: str | None = None  # the date its partitions go by
    schema: str = "silver"
    events: tuple[str, str] | None = None  # schema and name, if not bronze.br_SOURCE_cdc
    key_of: tuple[str, ...] = ()  # the source's columns that the key, a text, joins by hyphens

    @property
    def shown(self) -> str:
        """Its name to a person, with its schema unless that is silver."""
        return self.name if self.schema == "silver" else f"{self.schema}.{self.name}"

    @property
    def silver(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def bronze(self) -> sql.Identifier:
        return sql.Identifier(*(self.events or ("bronze", f"br_{self.source}_cdc")))

    def in_bronze(self, name: str) -> tuple[str, ...]:
        """The keys of this column's value in bronze's full_row, over time."""
        return self.renamed.get(name, (name,))


# In the order of a snapshot: an item lands before its rentals, a rental before its payments.
CAPTURED = (
    Captured("inventory", ("inventory_id",)),
    Captured("film", ("film_id",)),
    Captured("customer", ("customer_id",)),
    Captured("rental", ("rental_id",)),
    Captured("payment", ("payment_date", "payment_id")),
)
SHOP = CAPTURED  # whose bronze carry.sql reads, whatever else is declared

VERSIONED = (
    Versioned("dim_customer_hist", "customer", "customer_id", renamed={"active": ("activebool",)}),
    Versioned("dim_film_hist", "film", "film_id"),
    Versioned("fact_rental", "rental", "rental_id", by_month="rental_date",
              carried=("film_id", "store_id")),
    Versioned("fact_payment", "payment", "payment_id", by_month="payment_date",
              carried=("store_id",)),
)  # fmt: skip

# The parts that add to these, by name: the file, without .sql, of their schemas and silver tables.
FURTHER: dict[str, str] = {}


def versioned(name: str) -> Versioned:
    """The declaration of a silver table, by its name or as schema.name.

    Raises MedallionError where there is none, or the name alone is that of several.
    """
    found = [each for each in VERSIONED if name in (each.name, f"{each.schema}.{each.name}")]
    if len(found) == 1:
        return found[0]
    if not found:
        named = ", ".join(each.shown for each in VERSIONED)
        raise refusal("no such history", table=name, named=named)
    named = ", ".join(f"{each.schema}.{each.name}" for each in found)
    raise refusal("several histories", table=name, named=named)


def captured_of(table: Versioned, captured: Iterable[Captured]) -> Captured | None:
    """The captured table that a versioned one is made from: that whose bronze it reads."""
    return next((each for each in captured if each.bronze == table.bronze), None)


def captured_in(cursor: Cursor) -> tuple[Captured, ...]:
    """What the warehouse captures, as its last snapshot or reset took it.

    Where that was by an earlier version, which kept none: what is declared and has its bronze.
    """
    kept = [Captured(**each | {"key": tuple(each["key"])}) for each in _kept(cursor, "captured")]
    return tuple(kept or (each for each in CAPTURED if is_there(cursor, each.bronze)))


def versioned_in(cursor: Cursor) -> list[Versioned]:
    """The silver tables that are there, with their bronze: those declared, then others it keeps.

    Those that another process declared are among them, as that one did.
    """
    kept = (Versioned(**each) for each in _kept(cursor, "versioned"))
    found: dict[tuple[str, ...], Versioned] = {}
    for each in (*VERSIONED, *kept):
        if is_there(cursor, each.silver) and is_there(cursor, each.bronze):
            found.setdefault(each.silver.strings, each)
    return [*found.values()]


def keep(cursor: Cursor, stage: str, **declared: Iterable[Captured | Versioned]) -> None:
    """Let the warehouse know its tables, `captured` and `versioned`, from this stage's row on."""
    facts = {kind: [each._asdict() for each in tables] for kind, tables in declared.items()}
    kept = json.dumps(facts, default=dict)
    cursor.execute(sqlfile.read("source/watermark_columns"))
    cursor.execute(sqlfile.read("source/watermark_tables"), {"stage": stage, "tables": kept})


def _kept(cursor: Cursor, kind: str) -> list[dict]:
    cursor.execute(sqlfile.read("source/watermark_kept"), {"kind": kind})
    return [each for (each,) in cursor.fetchall()]


def is_there(cursor: Cursor, relation: sql.Identifier) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (relation.as_string(cursor),))
    return cursor.fetchone()[0]
