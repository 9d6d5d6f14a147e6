"""Is silver what the source says? Answered row by row."""

import io
import re
from collections.abc import Iterator
from itertools import islice

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL

from medallion_lib import server, sqlfile
from medallion_lib.bronze import capture
from medallion_lib.bronze.erasing import key_of_row
from medallion_lib.bronze.landing import BATCH_ROWS
from medallion_lib.errors import refusal
from medallion_lib.progress import Progress
from medallion_lib.silver import merge
from medallion_lib.silver.shape import Shape
from medallion_lib.source import continuity, slot
from medallion_lib.source.catalog import Catalog
from medallion_lib.source.rows import rows
from medallion_lib.source.watermark import Watermark
from medallion_lib.tables import Table, Tables, by_source


def verify(source: URL, warehouse: Connection, progress: Progress) -> list[str]:
    """Capture and merge up to one position, and compare silver's current rows with the source's.

    Each difference is a line of text: a row that is missing, one too many, a value that differs;
    and a key with two current rows, or with versions that overlap.
    """
    with warehouse.cursor() as cursor:
        for work in ("capture", "merge"):  # nobody else may move silver on
            server.only_one_session(cursor, work)
        if (watermark := Watermark.read(cursor, Tables.read(cursor))) is None:
            raise refusal("nothing captured")
        with server.session(source, autocommit=True) as at_source:
            continuity.check(at_source, watermark)
        with slot.replicating(source) as stream:
            point, exported = slot.create(stream, f"{watermark.slot}_verify", "TEMPORARY")
            with capture.exporting(source, exported) as shop:
                cursor.execute("CREATE TEMP TABLE source_row (source text, full_row jsonb)")
                copied = [each for each in watermark.tables.captured if not each.is_pending]
                _copy(Catalog(shop, copied, watermark.names), cursor)
        warehouse.commit()
        capture.capture(source, warehouse, watermark, progress)
        merge.merge(warehouse, upto=watermark.here(point))
        here = by_source(copied)
        merged = [table for table in Tables.read(cursor).made(cursor) if table.is_captured
                  and table.source.strings in here]  # fmt: skip
        with server.session(source, autocommit=True) as at_source:
            now = Catalog(at_source, merged)
            found = [line for table in merged for line in _differences(cursor, now.as_it_is(table))]
        cursor.execute("DROP TABLE source_row")
        warehouse.commit()
        return found


def _copy(catalog: Catalog, into: Cursor) -> None:
    """The source's rows, as JSON like bronze's, into the warehouse's temporary table."""
    for table in catalog.tables:
        if not table.history:
            continue
        bronze = table.bronze.as_string(into)
        name = re.sub(r"[\t\n\r\\]", lambda found: f"\\x{ord(found[0]):02x}", bronze)
        lines = ("{}\t{}\n".format(name, row.replace("\\", "\\\\")) for row in rows(catalog, table))
        while part := "".join(islice(lines, BATCH_ROWS)):
            into.copy_expert("COPY source_row FROM STDIN", io.StringIO(part), size=1 << 20)


def _differences(cursor: Cursor, table: Table) -> Iterator[str]:
    shape = Shape.read(cursor, table)
    keys = shape.keys
    columns = [name for name in shape.from_source if not table.follows or name not in table.gone]
    compared = sql.SQL("({}, ROW(expected.{name})::text, ROW(found.{name})::text)")
    values = [compared.format(sql.Literal(name), name=sql.Identifier(name)) for name in columns]
    places = {
        "silver": table.silver,
        "key": sqlfile.identifiers(keys, "{}::text"),
        "either_key": sqlfile.identifiers(keys, "coalesce(expected.{0}, found.{0})::text"),
        "keys": sqlfile.identifiers(keys),
        "is_pair": sqlfile.identifiers(keys, "found.{0} = expected.{0}", " AND "),
        "columns": sqlfile.identifiers(columns),
        "expected": sqlfile.each(map(shape.expected, columns)),
        "values": sqlfile.each(values),
        "source": sql.Literal(table.bronze.as_string(cursor)),
    }
    erased = {"key": key_of_row(table), "source": places["source"]}
    cursor.execute(sqlfile.compose("silver/verify_erased", **erased))
    cursor.execute(sqlfile.compose("silver/verify_current", **places))
    for key, column, at_source, in_silver in cursor.fetchall():
        row = _row(table, keys, key)
        if column is None:
            yield f"{row}: {'missing in silver' if at_source else 'not at the source'}"
        else:
            yield f"{row}: {column} is {at_source} at the source, {in_silver} in silver"
    cursor.execute(sqlfile.compose("silver/verify_history", **places))
    for key, problem in cursor.fetchall():
        yield f"{_row(table, keys, key)}: {problem}"


def _row(table: Table, keys: list[str], key: list[str]) -> str:
    """A row to a person: its history and its key."""
    pairs = (f"{name} {value}" for name, value in zip(keys, key, strict=True))
    return ", ".join([table.shown_history, *pairs])
