"""Whether the log goes on exactly where bronze ends, and what the source has no longer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.errors import MedallionError, refusal
from medallion_lib.source import slot
from medallion_lib.source.catalog import Catalog
from medallion_lib.source.watermark import Watermark
from medallion_lib.tables import Table


class TablesGone(MedallionError):
    """Captured tables were dropped at the source; all else is as it was, without them."""

    def without(self, tables: Sequence[Table], version: str) -> Self:
        """The error, with these as captured no more, and what tells the publication then."""
        self.tables, self.version = tables, version
        return self


def check(cursor: Cursor, watermark: Watermark) -> str:
    """The publication to read; raise MedallionError unless the slot continues where bronze ends.

    That is TablesGone where nothing stands in the way but tables that are gone.
    """
    name = slot.named(watermark.slot, watermark.tables)
    facts = vars(watermark) | {"publication": name, "lsn": watermark.at_source}
    problem, found = sqlfile.run(cursor, "source/slot_check", facts).fetchone()
    if problem:
        raise refusal(problem, **facts, **found)
    tables = watermark.tables.published
    every = {each.version: each for each in slot.publications(cursor, tables, watermark.names)}
    published = every.get(watermark.publication)
    if published is None or not published.is_as_told:
        is_there = any(each.name == facts["publication"] for each in every.values())
        raise refusal("publication changed" if is_there else "no publication", **facts)
    if published.others:
        raise refusal("table not declared", publication=published.name, others=published.others)
    if published.gone:
        raise _gone(cursor, published, tables, watermark)
    names = Catalog(cursor, watermark.tables.captured).names(watermark.names)
    watermark.names = names | published.known
    return published.name


def _gone(
    cursor: Cursor, found: slot.Publication, tables: Sequence[Table], watermark: Watermark
) -> MedallionError:
    left = [*tables]
    for number, member in found.gone:
        facts = {"is_captured": False, "published": member, "adding": None}
        left[number - 1] = replace(left[number - 1], **facts)
    gone = [left[number - 1] for number, _ in found.gone]
    every = {each.name: each.version for each in slot.publications(cursor, left, watermark.names)}
    shown = ", ".join(table.shown for table in gone)
    return refusal("table gone", TablesGone, tables=shown).without(gone, every[found.name])
