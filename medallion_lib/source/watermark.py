"""How far bronze is, as the warehouse knows it: where the source's log goes on."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.tables import NONE, Table, Tables


@dataclass
class Watermark:
    """How far bronze is, as the warehouse's meta.watermark has it.

    Bronze's positions only go up. Those of a source that went back, or of another one whose log is
    shorter, are counted on from where bronze was: they are `ahead` of the source's own.
    """

    lsn: int
    commit_ts: datetime | None
    slot: str
    source_system: int
    source_name: str
    publication: str
    business_time: bool
    ahead: int = 0
    names: dict[str, str] | None = None  # what they mean at the source; see `catalog.names`
    tables: Tables = NONE
    is_kept: bool = True  # whether the warehouse knows these tables
    changes: list[tuple[Table, list[str], str]] = field(default_factory=list)  # of their columns

    @property
    def at_source(self) -> int:
        """The same position, in the source's log."""
        return self.lsn - self.ahead

    def here(self, at_source: int) -> int:
        """A position of the source's log, as bronze counts it."""
        return at_source + self.ahead

    @classmethod
    def read(cls, cursor: Cursor, tables: Tables = NONE) -> Self | None:
        row = sqlfile.run(cursor, "source/watermark_read").fetchone()
        return row and cls(*row, tables)

    def write(self, cursor: Cursor) -> None:
        """Let the warehouse know how far bronze is, and of what; the tables first, as others do."""
        if self.is_kept and self.changes:
            Tables.change(cursor, self.with_changes)
        facts = vars(self) | {"names": self.names and json.dumps(self.names)}
        sqlfile.run(cursor, f"source/watermark_{'land' if self.is_kept else 'write'}", facts)
        if not self.is_kept:
            self.tables.keep(cursor)
        self.is_kept, self.changes = True, []

    def with_changes(self, tables: Tables) -> Tables:
        """The tables with the changes of columns that the warehouse is yet to be told."""
        for change in self.changes:
            tables = tables.evolved(*change)
        return tables

    def evolve(self, table: Table, told: list[str], at: datetime) -> list[str]:
        """Take a table as its columns are now; the sentences on that which are new."""
        change, before = (table, told, f"{at:%Y-%m-%d %H:%M:%S}"), self.tables
        self.tables = before.evolved(*change)
        self.changes.append(change)
        return [line[1] for line in self.tables.news if line not in before.news]

    def advance(self, source_time: datetime) -> datetime:
        """The system time of a transaction: the source's, but later than the one before."""
        if self.commit_ts and source_time <= self.commit_ts:
            source_time = self.commit_ts + timedelta(microseconds=1)
        self.commit_ts = source_time
        return source_time
