"""Which tables are captured and which are versioned. A new one is a declaration here.

The columns of a versioned table and their types stand in sql/silver.sql and are read from there.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from psycopg2 import sql

from medallion_lib.errors import refusal


class Captured(NamedTuple):
    """A source table whose every change lands in bronze. Its name has at most 56 bytes."""

    name: str
    key: tuple[str, ...]  # its primary key, ending with the id that bronze is searched by
    schema: str = "public"
    bronze_schema: str = "bronze"

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
    key_of: tuple[str, ...] = ()  # the source's columns that the key, a text, joins with hyphens

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
    """The declaration of a silver table. Raises MedallionError where there is none."""
    for table in VERSIONED:
        if table.name == name:
            return table
    raise refusal("no such history", table=name, named=", ".join(each.name for each in VERSIONED))
