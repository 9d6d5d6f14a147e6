"""Rows of whole tables as bronze has them, in JSON that the source itself makes."""

import json
from collections.abc import Iterator, Sequence

from psycopg2 import sql

from medallion_lib import sqlfile
from medallion_lib.source.catalog import Catalog
from medallion_lib.tables import Table

EVERY = sql.SQL("")
# A column's text as PostgreSQL prints it. A cast to text is not that, for example of an inet or
# character(5).
PRINTED = "CASE WHEN {0} IS DISTINCT FROM NULL THEN pg_catalog.concat({0}) END"
ZERO = "CASE WHEN {0}::text = '-0' THEN '\"-0\"' ELSE pg_catalog.to_json({0})::text END"
# How a column is written for its row to be as `pgoutput.json_writer` writes it, by the oid of its
# type. row_to_json takes half as long again: it looks up each type for each row.
WRITTEN = {
    **dict.fromkeys((16, 20, 21, 23), "{0}::text"),  # boolean, int8, int2, int4
    **dict.fromkeys((25, 1042, 1043, 1700, 2950), "pg_catalog.to_json({0})::text"),  # NaN is a text
    **dict.fromkeys((700, 701), ZERO),  # float4, float8
    26: "{0}::bigint::text",  # oid
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
    other = f"pg_catalog.to_json({PRINTED})::text"
    texts = {name: sql.SQL(WRITTEN.get(oid, other)).format(sql.Identifier(name))
             for name, oid in zip(relation.columns, types, strict=True)
             if name not in left_out}  # fmt: skip
    texts |= dict.fromkeys(table.landed_as_null, sql.SQL("NULL"))
    starts = ("," * (place > 0) + json.dumps(name, ensure_ascii=False) + ":"
              for place, name in enumerate(texts))  # fmt: skip
    member = sql.SQL("{} || coalesce({}, 'null')")
    members = map(member.format, map(sql.Literal, starts), texts.values())
    row = joined([sql.Literal("{"), *members, sql.Literal("}")])
    return sqlfile.compose("source/rows", row=row, table=table.source, only=only)


def joined(texts: Sequence[sql.Composable]) -> sql.Composable:
    """Texts one after another: in pairs, and pairs of those, or each would be copied many times."""
    while len(texts) > 1:
        pairs = (texts[at : at + 2] for at in range(0, len(texts), 2))
        texts = [sql.SQL("({})").format(sqlfile.each(pair, between=" || ")) for pair in pairs]
    return texts[0]
