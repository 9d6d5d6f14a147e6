"""The histories that no guest's SQL makes, of the columns that the source has."""

from dataclasses import replace

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.tables import Table, Tables, is_there


def make_missing(cursor: Cursor, tables: Tables) -> Tables:
    """Make the history of each table that has columns for one, where there is none; the tables.

    A history that is made of columns follows those of the source from then on.
    """
    made = [table for table in tables.versioned
            if table.columns and not is_there(cursor, table.silver)]  # fmt: skip
    for table in made:
        _make(cursor, table)
    each = (replace(table, follows=True) if table in made else table for table in tables.each)
    return replace(tables, each=tuple(each))


def _make(cursor: Cursor, table: Table) -> None:
    column, comment = sql.SQL("{} {}"), sql.SQL("COMMENT ON COLUMN {} IS {};")
    key = table.silver_key
    if table.by_month and table.by_month not in key:  # a partitioned table's key has its date
        key = [*key, table.by_month]
    partitions = sql.SQL("PARTITION BY RANGE ({})").format(sql.Identifier(table.by_month or ""))
    each = [column.format(sql.Identifier(c.name), sql.SQL(c.type)) for c in table.columns]
    told = ((sql.Identifier(*table.silver.strings, c.name), c.comment) for c in table.columns)
    comments = [comment.format(name, sql.Literal(text)) for name, text in told if text]
    statements = sqlfile.compose(
        "silver/history",
        schema=sql.Identifier(table.silver_schema),
        history=table.silver,
        columns=sqlfile.each(each),
        key=sqlfile.identifiers(key),
        partitions=partitions if table.by_month else sql.SQL(""),
        meaning=sql.Literal(f"Every version of every row of the source table {table.shown}."),
        comments=sql.SQL("\n").join(comments),
        meaning_now=sql.Literal(f"The source table {table.shown} as it is now."),
        history_name=sql.Literal(table.silver.as_string(cursor)),
        is_strict=sql.Literal(table.is_strict),
    )
    cursor.execute(statements)
