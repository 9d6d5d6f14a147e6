"""What the source's catalog says of the tables whose changes are in the log."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile, tables
from medallion_lib.errors import refusal
from medallion_lib.pgoutput import Relation
from medallion_lib.tables import Captured


@dataclass
class Catalog:
    """Answers from the catalog as it is now, through a cursor on the source."""

    cursor: Cursor

    def captured(self, relation: Relation) -> Captured:
        """The captured table that a relation is, or is a partition of.

        Raises MedallionError for any other relation: of one dropped since, its table is not known.
        """
        self.cursor.execute(sqlfile.read("relation_root"), {"relation": relation.oid})
        root = self.cursor.fetchone()
        for table in tables.CAPTURED:
            if (table.schema, table.name) == root:
                return table
        raise refusal("relation not captured", relation=f'"{relation.schema}"."{relation.name}"')

    def base_types(self, relation: Relation) -> dict[int, int]:
        """The type that each domain among a relation's columns stands for in the end, by oid."""
        self.cursor.execute(sqlfile.read("domains"), {"types": list(relation.types)})
        return dict(self.cursor.fetchall())

    def relation(self, table: Captured) -> Relation:
        """A table as the stream would describe it."""
        self.cursor.execute(sqlfile.read("relation"), (table.source.as_string(self.cursor),))
        oid, columns, types = self.cursor.fetchone()
        facts = (table.schema, table.name, "f", tuple(columns), tuple(types), frozenset(columns))
        return Relation(oid, *facts)

    def is_all_of(self, table: Captured, leaves: list[int]) -> bool:
        """Whether no partition of the table is missing among these; true where it has none."""
        of = {"table": table.source.as_string(self.cursor), "leaves": leaves}
        self.cursor.execute(sqlfile.read("leaves_missing"), of)
        return not self.cursor.fetchone()[0]

    def rows_in(self, table: Captured, leaves: list[int], rows: Iterable[str]) -> list[str]:
        """Those of the rows, JSON as bronze has it, that belong in these partitions.

        Raises MedallionError when a partition is one no more: what it held is not known then.
        """
        self.cursor.execute(
            "SELECT bool_and(bounds IS NOT NULL), string_agg(bounds, ' OR ') "
            "FROM unnest(%s) AS leaf, pg_get_partition_constraintdef(leaf::oid) AS bounds",
            (leaves,),
        )
        is_known, bounds = self.cursor.fetchone()
        if not is_known:
            raise refusal("partition gone", table=table.name)
        bounds = sql.SQL(bounds.replace("%", "%%"))
        within = sqlfile.compose("rows_within", table=table.source, bounds=bounds)
        self.cursor.execute(within, {"rows": list(rows)})
        return [row for (row,) in self.cursor]


def described() -> str:
    """The captured tables as JSON, for the checks of the source."""
    return json.dumps([table._asdict() for table in tables.CAPTURED])
