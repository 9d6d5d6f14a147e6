"""What a row was, read from bronze, where the source's log has its key alone."""

from psycopg2 import sql

from medallion_lib import sqlfile
from medallion_lib.bronze.landing import Landing, Target
from medallion_lib.errors import refusal
from medallion_lib.source.pgoutput import UNCHANGED, Column, Row
from medallion_lib.tables import Table


def last_row(into: Landing, target: Target, key: Row, new: Row = ()) -> tuple[str, list[Column]]:
    """The last row of a key, landed or on its way: as JSON, and its values as text.

    Raises MedallionError when bronze has none, or has no value that `new` says is UNCHANGED.
    """
    found_by = target.key_of(key)
    if (target.table, found_by) in into.touched:
        into.send()
    lookup = sql.Literal(target.table.key[-1])
    query = sqlfile.compose("bronze/last", bronze=target.table.bronze, lookup=lookup)
    with into.warehouse.cursor() as cursor:
        cursor.execute(query, {"key": found_by})
        row, values = cursor.fetchone() or (None, {})
    pairs = zip(target.columns, new, strict=False)
    needed = {name for name, value in pairs if value is UNCHANGED}
    if row is None or not values.keys() >= needed:
        raise refusal("old row unknown", table=target.source, key=found_by)
    return row, [values.get(name) for name in target.columns]


def live_rows(into: Landing, table: Table) -> list[str]:
    """Each row that bronze, with what is on its way, has of a table, as JSON."""
    into.send()
    if not table.key:
        return _counted_rows(into, table)
    key = sqlfile.each(map(sql.Literal, table.key), "full_row ->> {}")
    with into.warehouse.cursor() as cursor:
        cursor.execute(sqlfile.compose("bronze/live", bronze=table.bronze, key=key))
        return [row for (row,) in cursor]


def _counted_rows(into: Landing, table: Table) -> list[str]:
    """The same where rows have no key: what came less what went, as often as it is there.

    Raises MedallionError where a row went that had not come so: a column was added in between.
    """
    with into.warehouse.cursor() as cursor:
        cursor.execute(sqlfile.compose("bronze/live_counted", bronze=table.bronze))
        counted = cursor.fetchall()
    if any(count < 0 for _, count in counted):
        raise refusal("partition gone", table=table.shown)
    return [row for row, count in counted for _ in range(count)]
