"""From the stream's messages to bronze rows: where one transaction ends, and what time it has."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from medallion_lib import sqlfile
from medallion_lib.bronze.landing import Landing, Target
from medallion_lib.bronze.old_rows import last_row, live_rows
from medallion_lib.bronze.pending import EMPTIED, settled, unfinished
from medallion_lib.errors import MedallionError, refusal
from medallion_lib.instants import instant
from medallion_lib.source import pgoutput
from medallion_lib.source.catalog import Catalog
from medallion_lib.source.pgoutput import (
    UNCHANGED, Begin, Column, Commit, Delete, Insert, Message, Relation, Truncate, Type, Update,
)  # fmt: skip
from medallion_lib.source.watermark import Watermark
from medallion_lib.tables import Table, Tables, by_source

BUSINESS_TIME = "medallion.system_time"  # the message's prefix: when a replayed change happened
MARKER = "medallion.marker"
# What Python and PostgreSQL read alike, within PostgreSQL's bounds of a zone; no 24:00, no :60.
INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-](0\d|1[0-5])(:[0-5]\d){0,2})?)?",
    re.ASCII,
)
NEW_ROW = {ord("I"): "I", ord("U"): "U"}  # messages that most often are a new row and no more


@dataclass
class Decoder:
    """Turns the stream's messages into bronze rows. Knows the transaction it is in."""

    landing: Landing
    catalog: Catalog
    targets: dict[int, Target] = field(default_factory=dict)  # by the relation's oid
    ended: dict[int, Relation] = field(default_factory=dict)  # of tables that were removed
    base_types: dict[int, int] = field(default_factory=dict)  # by the domain's oid
    begun: Begin | None = None
    stamp: str = ""  # this transaction's system time; empty before its first row
    here: int = 0  # its position, as bronze counts it
    seq: int = 0
    marker: str | None = None  # the last marker message seen
    until: datetime | None = None  # no commit can be later, as last asked
    is_told_anew: bool = False  # a table, since its names were last looked at

    def feed(self, data: bytes) -> bool:
        """Take one message; whether bronze may be landed after it."""
        op = NEW_ROW.get(data[0])
        target = op and self.targets.get(pgoutput.relation(data))
        try:
            if target and target.read and (row := target.read(data)):
                self._add(target, op, row)
                return False
            match event := pgoutput.decode(data):
                case Begin():
                    self.begun, self.stamp, self.seq = event, "", 0
                case Commit():
                    return self._commit(event)
                case Message():
                    return self._message(event)
                case Insert() if target := self._target(event.relation):
                    self._row(target, "I", target.landing(event.new))
                case Update() if target := self._target(event.relation):
                    self._update(target, event)
                case Delete() if target := self._target(event.relation):
                    self._delete(target, target.landing(event.old))
                case Relation():
                    self._relation(event)
                case Type(oid, int(base)):
                    self.base_types[oid] = base
                case Truncate():
                    self._truncate(event.relations)
        except OverflowError:  # in the only sum there is, of a time
            at = "infinite or not of the years 1 to 9999"
            raise refusal("commit time unknown", at=at) from None
        return False

    def begin_landing(self) -> None:
        """Land all that was fed, once names that were told anew are known to mean what they did.

        Raises MedallionError where one does not: rows can't be told apart by it afterwards.
        """
        watermark = self.landing.watermark
        self._take(settled(self.landing))
        if self.is_told_anew:
            known, watermark.names = watermark.names, self.catalog.names(watermark.names)
            self.tell_filled(known)
            self.is_told_anew = False
        self.landing.begin()

    def read_tables(self) -> bool:
        """Take the tables, and what tells their publication; whether either has changed."""
        watermark = self.landing.watermark
        before = watermark.tables, watermark.publication
        self._take(settled(self.landing))
        with self.landing.warehouse.cursor() as cursor:
            watermark.publication = Watermark.read(cursor).publication
        return before != (watermark.tables, watermark.publication)

    def let_go(self, gone: Sequence[Table], publication: str) -> None:
        """Go on without tables that were dropped; the warehouse is told by what lands next."""
        kept = "was dropped at the source. Its bronze and its history stay as they are."
        self._tell([f"{table.shown}: it {kept}" for table in gone], *gone)
        with self.landing.warehouse.cursor() as cursor:
            sqlfile.run(cursor, "source/watermark_publication", {"publication": publication})
        self.read_tables()

    def tell_filled(self, known: Mapping[str, str] | None) -> None:
        """Tell of columns that earlier rows have a value in since `known`, which is not in the log.

        Of a history that follows its table's columns, the first row that has them tells more. They
        may be dropped by then: what is known of them now is kept for it.
        """
        if not known or (names := self.landing.watermark.names).keys() <= known.keys():
            return
        for each in (come := [*self.catalog.come(known)]):
            names.update(self.catalog.kept(*each))
        lacking = "earlier rows have a value in it that is not in the log. A new snapshot brings it"
        self._tell([f"{table.shown}: column {found.name} was added; {lacking}: "
                    "python -m medallion_lib capture --resnapshot"
                    for table, found in come if not table.evolves])  # fmt: skip

    def _tell(self, sentences: Sequence[str], *changed: Table) -> None:
        if sentences:
            at = f"{self.catalog.clock():%Y-%m-%d %H:%M:%S}"
            with self.landing.warehouse.cursor() as cursor:
                Tables.change(cursor, lambda now: now.put(*changed).telling(at, sentences))
            self.landing.news += sentences

    def _take(self, tables: Tables) -> None:
        """Go on with the tables as the warehouse has them now: some were added, some removed."""
        if tables is not self.landing.watermark.tables:
            self.landing.watermark.tables = tables
            self._retarget()
            self.is_told_anew |= any(table.is_unread for table in tables.captured)

    def _retarget(self) -> None:
        """Let each relation's rows go where the tables of now say."""
        self.catalog.tables = tables = self.landing.watermark.tables.captured
        captured = by_source(tables)
        for oid, target in [*self.targets.items()]:
            if table := captured.get(target.table.source.strings):
                target.table = table
            else:
                self.ended[oid] = self.targets.pop(oid).relation

    def _target(self, oid: int) -> Target | None:
        """Where a relation's rows go; None where its table was removed, and not added again."""
        if target := self.targets.get(oid):
            return target
        self._relation(self.ended.pop(oid))
        return self.targets.get(oid)

    def _add(self, target: Target, op: str, row: str | None) -> None:
        if not self.stamp:
            self._settle_time(self._commit_time(self.begun.commit_ts))
        self.seq += 1
        self.landing.add(target, f"{self.here}\t{self.seq}", op, row, self.stamp)

    def _row(self, target: Target, op: str, values: list[Column]) -> None:
        if not target.is_whole:
            self.landing.touch(target, values)
        self._add(target, op, target.write(values))

    def _update(self, target: Target, event: Update) -> None:
        """A change of key is a delete and an insert; a TOAST value left alone is in the old row.

        So is any change where there is no key: U has the new row alone, which would not tell which
        row it was. D and I, in turn within their transaction, do.
        """
        old, new = event.old and target.landing(event.old), target.landing(event.new)
        row, op = None, "U"
        if UNCHANGED in new and target.lacks_old_rows:
            row = unfinished(target, old or new, new)
        elif UNCHANGED in new:
            before = old if target.is_whole else last_row(self.landing, target, old or new, new)[1]
            new = [b if a is UNCHANGED else a for a, b in zip(new, before, strict=True)]
        if old and (not target.key or any(old[place] != new[place] for place in target.key)):
            self._delete(target, old)
            op = "I"
        if row:
            self._add(target, op, row)
        else:
            self._row(target, op, new)

    def _delete(self, target: Target, old: list[Column]) -> None:
        """Where the log has the key alone, the row is the last that bronze knows."""
        if target.is_whole:
            self._row(target, "D", old)
        elif target.lacks_old_rows:
            self._add(target, "D", unfinished(target, old))
        else:
            row, _ = last_row(self.landing, target, old)
            self.landing.touch(target, old)
            self._add(target, "D", row)

    def _truncate(self, relations: tuple[int, ...]) -> None:
        """A T for a table; where it kept other partitions, a D for each row of the emptied ones."""
        emptied: dict[Table, list[int]] = defaultdict(list)
        for oid in relations:
            if target := self._target(oid):
                emptied[target.table].append(oid)
        for table, leaves in emptied.items():
            target = self.targets[leaves[0]]
            is_whole = self.catalog.is_all_of(table, leaves)
            if is_whole or table.is_pending:
                self._add(target, "T", None if is_whole else EMPTIED)
                continue
            rows = live_rows(self.landing, table)
            for row in self.catalog.rows_in(table, leaves, self.begun.xid, rows):
                self._add(target, "D", row)

    def _commit(self, event: Commit) -> bool:
        if self.stamp:  # PostgreSQL 14 sends transactions that changed other tables, too: empty
            self.landing.total.transactions += 1
        else:
            self._settle_time(self._commit_time(event.commit_ts))
        self.begun = None
        self.landing.watermark.lsn = self.landing.watermark.here(event.end_lsn)
        return True

    def _message(self, event: Message) -> bool:
        watermark = self.landing.watermark
        if event.prefix == MARKER and not event.transactional:
            self.marker = event.content.decode(errors="replace")  # anybody may write one
            watermark.lsn = max(watermark.lsn, watermark.here(event.lsn))
            return self.begun is None
        if event.prefix == BUSINESS_TIME and watermark.business_time:
            self._take_business_time(event, watermark.commit_ts)
        return False

    def _take_business_time(self, event: Message, last: datetime | None) -> None:
        try:
            at = instant(INSTANT.fullmatch(event.content.decode())[0])
        except (ValueError, TypeError, MedallionError):
            at = None
        if at is None or at.year == datetime.max.year or not event.transactional:
            content = event.content[:60].decode(errors="replace")
            raise refusal("time not read", content=content, transactional=event.transactional)
        if self.stamp:
            raise refusal("time comes late")
        if last and last - at > timedelta(seconds=1):
            raise refusal("time runs backwards", at=at, last=last)
        self._settle_time(at)

    def _commit_time(self, at: datetime) -> datetime:
        """The time a commit has in the log: an origin's, where one is replayed, so of any value.

        Raises MedallionError where it is to come: all that follows would be dated after it.
        """
        if self.until is None or at > self.until:
            self.until = self.catalog.clock() + timedelta(days=1)  # it may have been set back
            if at > self.until:
                raise refusal("commit time unknown", at=f"{at:%Y-%m-%d %H:%M:%S}, in the future")
        return at

    def _settle_time(self, source_time: datetime) -> None:
        self.stamp = self.landing.watermark.advance(source_time).isoformat()
        self.here = self.landing.watermark.here(self.begun.lsn)

    def _relation(self, relation: Relation) -> None:
        self.catalog.known = self.landing.watermark.names
        table, self.is_told_anew = self._table(relation), True
        if not table.is_captured:
            self.ended[relation.oid] = relation
            self.targets.pop(relation.oid, None)
            return
        table = self._evolved(table, relation)
        left_out = self.catalog.excluded(table, relation.columns)
        target = self.landing.target(table, relation, self.base_types, left_out)
        # Where nothing of old rows is logged, the source itself refuses to change or delete one.
        is_without_key = not table.key and relation.logged and not target.is_whole
        if is_without_key or not relation.logged.issuperset(table.source_key):
            raise refusal("old rows not logged", table=relation.quoted)
        self.targets[relation.oid] = target
        if not target.is_whole:
            self.landing.begin_search(table)

    def _evolved(self, table: Table, relation: Relation) -> Table:
        """The table with the columns that the relation has, for a history that is made of them."""
        if not table.evolves:
            return table
        found = self.catalog.found_then(table, relation)
        now = self.landing.evolve(table, found, self.begun.commit_ts)
        if now != table:
            self._retarget()
        return now

    def _table(self, relation: Relation) -> Table:
        """The table of a relation, which may have been added or removed since tables were read."""
        try:
            return self.catalog.captured(relation)
        except MedallionError:
            self._take(settled(self.landing))
            every = self.landing.watermark.tables.published
            return replace(self.catalog, tables=every).captured(relation)
