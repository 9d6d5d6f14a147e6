"""What a row was, read from bronze, where the source's log has its key alone."""

from psycopg2 import sql

from medallion_lib import sqlfile
from medallion_lib.bronze import erasing
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
    query = _last(target.table)
    with into.warehouse.cursor() as cursor:
        cursor.execute(query, {"key": found_by})
        row, values = cursor.fetchone() or (None, {})
        if row is None and erasing.is_erased(cursor, target.table, found_by):
            return found_by, [None for _ in target.columns]  # it is erased as it lands
    values = {name: values[each] for name in target.columns
              for each in target.table.names_at_source(name) if each in values}  # fmt: skip
    pairs = zip(target.columns, new, strict=False)
    needed = {name for name, value in pairs if value is UNCHANGED}
    if row is None or not values.keys() >= needed:
        raise refusal("old row unknown", table=target.relation.quoted, key=found_by)
    return row, [values.get(name) for name in target.columns]


def _last(table: Table) -> sql.Composed:
    """The query of a key's last row, which is there under the names that its columns had then."""
    names = [sql.Literal(name) for name in table.source_key]
    earlier = [[sql.Literal(each) for each in table.names_at_source(name)] for name in table.key]
    is_found = sql.SQL("full_row ->> {} = given.key ->> {}")
    has_key = sql.SQL("coalesce({}) = given.key -> {}")
    return sqlfile.compose(
        "bronze/last",
        bronze=table.bronze,
        is_found=sql.SQL(" OR ").join(is_found.format(each, names[-1]) for each in earlier[-1]),
        has_key=sql.SQL(" AND ").join(
            has_key.format(sqlfile.each(each, "full_row -> {}"), name)
            for each, name in zip(earlier, names, strict=True)
        ),
    )


def live_rows(into: Landing, table: Table) -> list[str]:
    """Each row that bronze, with what is on its way, has of a table, as JSON."""
    into.send()
    if not table.key:
        return _counted_rows(into, table)
    names = ([sql.Literal(each) for each in table.names_at_source(name)] for name in table.key)
    key = sqlfile.each((sqlfile.each(each, "full_row ->> {}") for each in names), "coalesce({})")
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
