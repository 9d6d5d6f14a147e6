"""Tables that come to a publication that is being read, and tables that leave it."""

from collections.abc import Sequence
from dataclasses import replace

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import refusal, refusing
from medallion_lib.source import slot
from medallion_lib.source.slot import Publication
from medallion_lib.source.watermark import Watermark
from medallion_lib.tables import Table


def join(cursor: Cursor, watermark: Watermark, tables: Sequence[Table]) -> list[Table]:
    """Have the publication send their changes, too; the tables with what that is told by.

    Raises MedallionError, with the statement, where this role may not alter it.
    """
    missing = [each for each in _told(cursor, watermark, tables) if not each.published]
    _alter(cursor, watermark, "ADD", missing)
    return _told(cursor, watermark, tables)


def leaving(cursor: Cursor, watermark: Watermark, table: Table) -> tuple[str, Table]:
    """What tells the publication of the others alone, and the table with what tells it."""
    (told,) = _told(cursor, watermark, [table])
    others = replace(watermark, tables=watermark.tables.put(told))
    return _read(cursor, others).version, told


def leave(cursor: Cursor, watermark: Watermark, table: Table) -> None:
    """Have the publication send nothing of the table any more, where it does."""
    there = [each for each in _told(cursor, watermark, [table]) if each.published]
    _alter(cursor, watermark, "DROP", there)


def _read(cursor: Cursor, watermark: Watermark) -> Publication:
    name = slot.named(watermark.slot, watermark.tables)
    if found := slot.publication(cursor, name, watermark.tables.each):
        return found
    raise refusal("no publication", publication=name)


def _told(cursor: Cursor, watermark: Watermark, tables: Sequence[Table]) -> list[Table]:
    """These tables, each with what tells its membership now, if it is a member."""
    these = replace(watermark.tables, each=tuple(tables))
    members = _read(cursor, replace(watermark, tables=these)).members
    pairs = zip(tables, members, strict=True)
    return [replace(table, published=member) for table, member in pairs]


def _alter(cursor: Cursor, watermark: Watermark, how: str, tables: Sequence[Table]) -> None:
    if not tables:
        return
    name = sql.Identifier(slot.named(watermark.slot, watermark.tables))
    members = sqlfile.each(table.source for table in tables)
    statement = sql.SQL(f"ALTER PUBLICATION {{}} {how} TABLE {{}}").format(name, members)
    shown = f"    {statement.as_string(cursor)};"
    with refusing("publication not altered", errors.InsufficientPrivilege, statement=shown):
        cursor.execute(statement)
