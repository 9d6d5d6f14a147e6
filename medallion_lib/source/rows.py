"""Rows of whole tables as bronze has them, in JSON that the source itself makes."""

from collections.abc import Iterator

from psycopg2 import sql

from medallion_lib import sqlfile
from medallion_lib.source.catalog import Catalog
from medallion_lib.tables import Table

EVERY = sql.SQL("")
# How a column is written for row_to_json to give what `pgoutput.json_writer` does, by the oid of
# its type. A cast to text is not what PostgreSQL prints, for example of an inet or character(5).
PRINTED = "CASE WHEN {0} IS DISTINCT FROM NULL THEN pg_catalog.concat({0}) END AS {0}"
ZERO = "CASE WHEN {0}::text = '-0' THEN to_json('-0'::text) ELSE to_json({0}) END AS {0}"
WRITTEN = {
    **dict.fromkeys((16, 20, 21, 23, 1700), "{0}"),  # boolean, int8, int2, int4, numeric
    **dict.fromkeys((25, 1042, 1043, 2950), "{0}"),  # text, character, varchar, uuid
    **dict.fromkeys((700, 701), ZERO),  # float4, float8
    26: "{0}::bigint AS {0}",  # oid
}


def rows(catalog: Catalog, table: Table, only: sql.Composable = EVERY) -> Iterator[str]:
    """Every row, or `only` those WHERE …, as JSON of the texts that PostgreSQL prints."""
    with catalog.cursor.connection.cursor(name="snapshot") as cursor:
        cursor.itersize = 10_000
        cursor.execute(query(catalog, table, only))
        yield from (row for (row,) in cursor)


def query(catalog: Catalog, table: Table, only: sql.Composable = EVERY) -> sql.Composed:
    """What reads them."""
    relation = catalog.relation(table)
    base_types, left_out = catalog.base_types(relation), catalog.excluded(table, relation.columns)
    types = [base_types.get(oid, oid) for oid in relation.types]
    values = [sql.SQL(WRITTEN.get(oid, PRINTED)).format(sql.Identifier(name))
              for name, oid in zip(relation.columns, types, strict=True)
              if name not in left_out]  # fmt: skip
    values += [sql.SQL("NULL AS {}").format(sql.Identifier(name)) for name in table.landed_as_null]
    parts = {"values": sql.SQL(", ").join(values), "table": table.source, "only": only}
    return sqlfile.compose("source/rows", **parts)
