"""The tables that come by files, and what they are called in the warehouse."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Self

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import shop, sqlfile

NUMBERS = ("smallint", "integer", "bigint", "oid", "real", "double precision", "numeric")

# In the order they are loaded: an item before its rentals, a rental before its payments.
SOURCES = {table.name: table for table in shop.TABLES.each}


def events(source: str) -> tuple[str, str]:
    """Name the view that holds an extract's changes in the form of bronze's tables."""
    return "bronze_batch", f"br_{source}_event"


# An extract tells a row by the last of its key alone.
VERSIONED = tuple(
    replace(table, key=table.key[-1:], bronze_schema="bronze_batch", silver_schema="silver_batch",
            events=f"br_{table.name}_event")
    for table in shop.TABLES.versioned
)  # fmt: skip


class Column(NamedTuple):
    """A column of an extract, and the type that its text must have."""

    name: str
    type: str
    plain: str  # the type without length or precision
    is_required: bool

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.name)

    @property
    def read(self) -> sql.Composed:
        """The value as PostgreSQL prints it, however the file wrote it."""
        is_cast_otherwise = self.plain in ("bpchar", "inet")  # without its blanks, or with a mask
        printed = "CASE WHEN {0} IS NOT NULL THEN concat({0}::{1}) END"
        text = sql.SQL(printed if is_cast_otherwise else "{0}::{1}::text")
        return text.format(self.identifier, sql.SQL(self.type))

    @property
    def read_as(self) -> sql.Composed:
        return sql.SQL("{} AS {}").format(self.read, self.identifier)

    @property
    def json(self) -> sql.Composed:
        """The value as capture writes it: a JSON number or boolean, or else text."""
        value = "{0}::boolean AS {0}" if self.plain == "boolean" else "{0} AS {0}"
        if self.plain in NUMBERS:  # of which JSON has no -0
            value = "CASE {0} WHEN '-0' THEN to_jsonb({0}) ELSE to_jsonb({0}::numeric) END AS {0}"
        return sql.SQL(value).format(self.identifier)

    def fault(self, is_key: bool) -> sql.Composed:
        """An expression for what is wrong with the value: an array for a refusal, or null."""
        missing = sql.SQL("ARRAY['value missing', {}, NULL, NULL]").format(sql.Literal(self.name))
        exact = "timestamp" if self.type == "date" else self.plain  # an instant has an hour
        cut = sqlfile.compose(
            "batch/load_cut", column=self.identifier, type=sql.SQL(self.type),
            exact=sql.SQL(exact), exact_name=sql.Literal(exact),
        )  # fmt: skip
        return sqlfile.compose(
            "batch/load_fault",
            column=self.identifier,
            column_name=sql.Literal(self.name),
            type_name=sql.Literal(self.type),
            if_null=missing if self.is_required or is_key else sql.SQL("NULL"),
            is_cut=sql.SQL("false") if exact == self.type else cut,
            is_time=sql.Literal(self.plain.startswith(("time", "interval"))),
        )


class Landing(NamedTuple):
    """Bronze of one source table, and the statements for its columns."""

    source: str
    columns: Mapping[str, Column]

    @classmethod
    def of(cls, source: str, rows: list[tuple]) -> Self:
        return cls(source, {row[1]: Column(*row[1:]) for row in rows})

    @classmethod
    def read(cls, cursor: Cursor, source: str) -> Self:
        cursor.execute(sqlfile.read("batch/known_columns"), (source,))
        return cls.of(source, cursor.fetchall())

    @property
    def key(self) -> Column:
        """The column that identifies a row: the last of the primary key."""
        return self.columns[SOURCES[self.source].key[-1]]

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier("bronze_batch", f"br_{self.source}_batch")

    def statement(self, name: str) -> sql.Composed:
        """Return a statement of the load, made for this table."""
        each = self.columns.values()
        places = {
            "table": self.table,
            "key": self.key.identifier,
            "key_name": sql.Literal(self.key.name),
            "key_fault": self.key.fault(is_key=True),
            "faults": sqlfile.each(column.fault(column == self.key) for column in each),
            "columns": sqlfile.identifiers(self.columns),
            "names": sql.Literal([*self.columns]),
            "read": sqlfile.each(column.read_as for column in each),
            "read_key": sql.SQL("differing.{}").format(self.key.read),
        }
        return sqlfile.compose(name, **places)

    def definition(self) -> sql.Composed:
        """Return the statements that make the table, its indexes and its view of events."""
        def named(*parts: str) -> sql.Identifier:
            return sql.Identifier("_".join(("br", self.source, "batch", *parts)))

        add = "ADD COLUMN IF NOT EXISTS {} text"
        about = f"Every row that the extracts of {self.source} held, as text, and in which it was."
        changes = f"What each extract of {self.source} changed against the one before it."
        return sqlfile.compose(
            "batch/table",
            table=self.table,
            events=sql.Identifier(*events(self.source)),
            source=sql.Literal(self.source),
            key=self.key.identifier,
            columns=sqlfile.each((column.identifier for column in self.columns.values()), add),
            values=sqlfile.each(column.json for column in self.columns.values()),
            current_index=named("current"),
            key_index=named("key"),
            landed_index=named("landed"),
            ended_index=named("ended"),
            meaning=sql.Literal(about),
            events_meaning=sql.Literal(changes),
        )
