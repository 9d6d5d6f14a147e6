"""Rows on their way into bronze, and the watermark that is committed with them."""

import io
import struct
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib.bronze import erasing, layout, piped
from medallion_lib.errors import refusal
from medallion_lib.progress import say
from medallion_lib.source import pgoutput
from medallion_lib.source.evolution import Found, evolved
from medallion_lib.source.pgoutput import Reader, Relation, Row, Writer
from medallion_lib.source.watermark import Watermark
from medallion_lib.steps import step
from medallion_lib.tables import Table

BATCH_ROWS = 20_000  # rows that are sent, and land, together
COPY = sql.SQL("COPY {} (lsn, seq, op, full_row, commit_ts) FROM STDIN")
BINARY = sql.SQL(" (FORMAT binary)")
MARK = struct.Struct("!hiq")  # a binary row begins with the number of columns, lsn's bytes and lsn


@dataclass
class Landed:
    """What one capture brought: rows in bronze, source transactions, and how far it is now."""

    rows: int = 0
    transactions: int = 0
    lsn: int = 0


@dataclass
class Target:
    """One bronze table, and how the rows of a source relation are written while they look so."""

    table: Table
    relation: Relation
    columns: tuple[str, ...]
    is_whole: bool  # whether the log has the whole old row
    places: list[int] | None  # of its columns in the log's rows, where not all of those land
    key: list[int]  # where the key's columns are
    write: Writer
    write_key: Writer
    read: Reader | None  # where the log has whole rows, and all of them lands
    lines: list[str]  # COPY lines that have not been sent yet

    def landing(self, values: Row) -> Row:
        """Those of a row's values that land."""
        return values if self.places is None else [values[place] for place in self.places]

    @property
    def lacks_old_rows(self) -> bool:
        """Whether the log has no old rows, nor yet bronze: the table is just being added."""
        return self.table.is_pending and not self.is_whole

    def key_of(self, values: Row) -> str:
        """The key's columns and their values, as JSON."""
        return self.write_key([values[place] for place in self.key])


@dataclass
class Landing:
    """Collects rows as COPY lines, sends them in batches, lands them with the watermark.

    With a thread `beside` this one, that sends and commits while more is collected: a batch at a
    time, in order. Meanwhile the connection is that thread's own; `warehouse` waits for it.
    """

    connection: Connection
    watermark: Watermark
    total: Landed
    lines: dict[Table, list[str]] = field(default_factory=lambda: defaultdict(list))
    waiting: int = 0  # rows collected, not yet sent to the warehouse
    since_commit: int = 0  # rows sent since the last landing
    touched: set[tuple[Table, str]] = field(default_factory=set)  # keys waiting, if looked up
    news: list[str] = field(default_factory=list)  # on columns, told once what has them has landed
    is_erasing: bool = False  # whether rows are looked at that were erased before
    tables_version: str = ""  # of what the warehouse keeps of its tables, as last read
    beside: ThreadPoolExecutor | None = None
    sending: Future[None] | None = None
    begun: tuple[Landed, list[str]] | None = None  # what is being committed, and its news

    @property
    def warehouse(self) -> Connection:
        """The connection, which no other thread uses now. Raises what was raised there."""
        if self.sending:
            self.sending.result()
            self.sending = None
        return self.connection

    @property
    def since_landing(self) -> int:
        """Rows that are yet to land."""
        return self.waiting + self.since_commit

    @property
    def is_full(self) -> bool:
        return self.since_landing >= BATCH_ROWS

    @property
    def is_busy(self) -> bool:
        """Whether the connection is the other thread's."""
        return self.sending is not None and not self.sending.done()

    @contextmanager
    def with_thread(self, is_wanted: bool) -> Iterator[None]:
        """Send and commit beside this thread; what is under way at the end is waited for."""
        with ThreadPoolExecutor(1) if is_wanted else nullcontext() as self.beside:
            try:
                yield
            except KeyboardInterrupt:
                if self.is_busy:
                    self.connection.cancel()
                raise

    def target(
        self, table: Table, relation: Relation, base_types: Mapping[int, int],
        left_out: Collection[str] = (),
    ) -> Target:  # fmt: skip
        """How the relation's rows go into bronze. MedallionError where a key column is gone."""
        named, key_names = enumerate(relation.columns), table.source_key
        places = [place for place, name in named if name not in left_out]
        columns, types = (tuple(each[place] for place in places)
                          for each in (relation.columns, relation.types))  # fmt: skip
        missing = [name for name in key_names if name not in columns]
        if missing:
            raise refusal("key column gone", table=table.shown, column=missing[0])
        key = [columns.index(name) for name in key_names]
        key_types = tuple(types[place] for place in key)
        write = pgoutput.json_writer(columns, types, base_types, table.landed_as_null)
        write_key = pgoutput.json_writer(key_names, key_types, base_types)
        is_whole, landing = relation.identity == "f", places if left_out else None
        read = pgoutput.json_reader(relation, key, base_types, table.landed_as_null)
        read = None if left_out or not is_whole else read
        facts = (columns, is_whole, landing, key, write, write_key, read, self.lines[table])
        return Target(table, relation, *facts)

    def add(self, target: Target, position: str, op: str, row: str | None, tail: str) -> None:
        """One row as JSON: `position` is lsn and seq, `tail` the time, both as COPY has them."""
        text = "\\N" if row is None else row.replace("\\", "\\\\")
        target.lines.append(f"{position}\t{op}\t{text}\t{tail}\n")
        self.waiting += 1
        if self.waiting >= BATCH_ROWS:
            self._do(self._copy, self._taken())

    def send(self) -> None:
        """COPY what waits into the open warehouse transaction."""
        self._do(self._copy, self._taken())
        self.warehouse  # noqa: B018  # waits

    def _taken(self) -> list[tuple[Table, str]]:
        """What waits, which is about to be sent."""
        taken = [(table, "".join(lines)) for table, lines in self.lines.items() if lines]
        for lines in self.lines.values():
            lines.clear()
        self.since_commit += self.waiting
        self.waiting = 0
        self.touched.clear()
        return taken

    def _do(self, work: Callable[..., None], *given: object) -> None:
        """Do it once the work before it is done; in the other thread, if there is one."""
        self.warehouse  # noqa: B018  # waits
        if self.beside:
            self.sending = self.beside.submit(work, *given)
        else:
            work(*given)

    def _copy(self, taken: list[tuple[Table, str]]) -> None:
        with self.connection.cursor() as cursor:
            for table, lines in taken:
                with layout.fitting(table):
                    rows = io.BytesIO(lines.encode())
                    cursor.copy_expert(COPY.format(table.bronze), rows, size=1 << 20)
            if taken:
                sent = {table: int(lines.partition("\t")[0]) for table, lines in taken}
                self.is_erasing |= erasing.erase_again(cursor, sent)

    def _commit(self, taken: list[tuple[Table, str]], watermark: Watermark) -> None:
        self._copy(taken)
        step("copied")
        with self.connection.cursor() as cursor:
            watermark.write(cursor)
            if self.is_erasing:
                erasing.end(cursor)
        self.connection.commit()

    def touch(self, target: Target, values: Row) -> None:
        """Note that a row of this key is about to wait, so that looking it up sends it first."""
        self.touched.add((target.table, target.key_of(values)))

    def begin_search(self, table: Table) -> None:
        """Let a table's rows be found by their key: where the log was whole, no key was noted."""
        self.send()
        with self.warehouse.cursor() as cursor:
            layout.index_missing(cursor, [table])

    def copy(
        self, table: Table, source: Cursor, query: sql.Composable, told: Callable[[int], object]
    ) -> int:
        """COPY a table's rows from the source straight into the open transaction; how many."""
        taking, mark = COPY.format(table.bronze) + BINARY, MARK.pack(5, 8, self.watermark.lsn - 1)
        with layout.fitting(table), self.warehouse.cursor() as cursor:
            rows = piped.copied(source, query, cursor, taking, told, mark)
            self.is_erasing |= erasing.erase_again(cursor, {table: self.watermark.lsn - 1})
        self.since_commit += rows
        return rows

    def land(self) -> None:
        """Commit rows and watermark in one transaction."""
        self.begin()
        self.finish()

    def begin(self) -> None:
        """Commit rows and watermark, as they are now, in one transaction; `finish` waits for it."""
        taken = self._taken()
        self._do(self._commit, taken, replace(self.watermark))
        self.watermark.is_kept, self.watermark.changes = True, []
        self.begun = Landed(rows=self.since_commit, lsn=self.watermark.lsn), self.news
        self.since_commit, self.news = 0, []

    def finish(self) -> int:
        """Wait until what was begun has landed; up to which position."""
        self.warehouse  # noqa: B018  # waits
        (landed, news), self.begun = self.begun, None
        self.total.rows += landed.rows
        self.total.lsn = landed.lsn
        for sentence in news:
            say(sentence)
        step("landed")
        return self.total.lsn

    def evolve(
        self, table: Table, found: Sequence[Found], at: datetime, anew: bool = False
    ) -> Table:  # fmt: skip
        """The table with the columns that its source had at a time, for the rows that follow."""
        now, told = evolved(table, found, anew)
        if told or now != table:
            self.send()
            self.news += self.watermark.evolve(now, told, at)
            if now.source_key[-1:] != table.source_key[-1:]:
                with self.warehouse.cursor() as cursor:
                    layout.index_key(cursor, now)
        return now
