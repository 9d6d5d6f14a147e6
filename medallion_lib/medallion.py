"""`Medallion`: a source, its warehouse, and the way between them. What the notebooks use."""

import os
import time
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import URL

from medallion_lib import databases, server, sqlfile
from medallion_lib.bronze import capture, layout
from medallion_lib.bronze.landing import Landed
from medallion_lib.errors import Busy, ConnectionLost, MedallionError, Unconfirmed, refusal
from medallion_lib.gold import marts, questions, receipt, undo
from medallion_lib.gold.alerts import Alerts
from medallion_lib.gold.marts import Applied
from medallion_lib.gold.questions import Answer
from medallion_lib.instants import instant
from medallion_lib.operating import Operating
from medallion_lib.progress import Told, say, shown
from medallion_lib.silver import merge, verify
from medallion_lib.silver.merge import Merged
from medallion_lib.silver.shape import Shape
from medallion_lib.source import catalog, continuity, slot
from medallion_lib.source.watermark import Watermark
from medallion_lib.tables import Tables, by_source

RETRY = 1.0  # seconds between attempts to find a lost server again


class Medallion(Operating):
    """What is done with a source and its warehouse, from the first replay to the last question."""

    def reset(self, year: bool = False, yes: bool = False) -> None:
        """Start again: an empty source with its slot and an empty warehouse.

        With `year`: the whole sample year, replayed, captured and merged, cloned from a prepared
        copy in under a second; the first time the copy is made, which takes some seconds more.
        A source of the user's own stays as it is: the slot is dropped, the warehouse emptied.
        Raises Unconfirmed, unless `yes`, where more would go than the sample and its history.
        """
        if self.own_source:
            self._begin_with_own_source(year, yes)
            return
        from medallion_lib import shop

        self._ask(yes)
        tables = self.declared or shop.TABLES
        templates = shop.prepared_year(self, tables) if year else ("template0", "template0")
        with self._setting_up() as cursor:
            self._drop(cursor)
            databases.create(cursor, self.source_name, templates[0])
            databases.create(cursor, self.warehouse_name, templates[1])
        if not year:
            with server.session(self.source_url) as cursor:
                shop.build(cursor)
            self._build_warehouse(tables)
        with self._connected(self.warehouse_url) as cursor:
            tables, before = Tables.read(cursor), Watermark.read(cursor)
            begun = slot.made(self.source_url, self.slot, tables, before, business_time=True)
            with begun as (first, _):
                layout.index_missing(cursor, tables.captured)  # no snapshot is needed
                first.write(cursor)

    def _begin_with_own_source(self, year: bool, yes: bool) -> None:
        """An empty warehouse without a watermark, so that the next capture takes a snapshot."""
        from medallion_lib import shop

        if year:
            self._only_with_ours("reset --year")
        tables = self.declared or self._kept() or shop.TABLES
        with databases.administering(self.source_url) as at_source:
            slot.preflight(at_source, self.source_url, tables.captured, self.slot)
            slot.check_reading(self.source_url)
            self._ask(yes)
        with self._setting_up() as cursor:
            self._drop(cursor)
            databases.create(cursor, self.warehouse_name)
        self._build_warehouse(tables)

    def replay(self, until: str | date | None = None, scale: int | None = None) -> int:
        """Play the sample year through the source, up to but without `until`; the events played."""
        from medallion_lib import shop

        self._only_with_ours("replay")
        with self._connected(self.source_url, True) as cursor, shown("replay", "months") as show:
            return shop.replay(cursor, until, scale, show)

    def load(self, path: str | Path, yes: bool = False) -> int:
        """Replace the source's data by a Pagila dump's and empty the warehouse; tables filled.

        Nothing is replaced unless the whole file loads. The next capture takes a snapshot.
        Raises Unconfirmed, unless `yes`, where more would go than the sample and its history.
        """
        from medallion_lib import shop

        self._only_with_ours("load")
        path = Path(path)
        if not os.path.isfile(path):  # unlike Path.is_file, also where the name is too long
            raise refusal("no file", path=path)
        self._ask(yes)
        incoming = Medallion(self.place, "_loading")
        with self._setting_up() as cursor:
            databases.drop(cursor, incoming.source_name)
            databases.create(cursor, incoming.source_name)
            try:
                with server.session(incoming.source_url) as at_source:
                    shop.build(at_source)
                    filled = shop.load(at_source, path)
                self._drop(cursor)
                databases.rename(cursor, incoming.source_name, self.source_name)
            finally:
                databases.drop(cursor, incoming.source_name)
            databases.create(cursor, self.warehouse_name)
        self._build_warehouse(self.declared or shop.TABLES)
        return filled

    def capture(
        self, follow: bool = False, resnapshot: bool = False, merging: bool = False,
        yes: bool = False,
    ) -> Landed:  # fmt: skip
        """Land in bronze what the source has committed: a snapshot the first time, else the log.

        `resnapshot` takes the source over anew, after a gap; `merging` merges after each landing,
        and tells of what is new in gold's rules (see `alerts`).
        `follow` goes on until interrupted, and when the server is lost until it is back.
        Raises MedallionError, with a remedy, when the slot does not continue where bronze ends, and
        Unconfirmed, unless `yes`, where it does and a snapshot would leave its changes out.
        """
        told, alerts = Told(), Alerts()
        while True:
            try:
                return self._capture(follow, resnapshot, merging, yes, told, alerts)
            except ConnectionLost as problem:
                if not follow:
                    raise
                told(f"{problem.args[0].splitlines()[0]} Waiting for it.")
                resnapshot = False
                time.sleep(RETRY)

    def _capture(
        self, follow: bool, resnapshot: bool, merging: bool, yes: bool, told: Told, alerts: Alerts
    ) -> Landed:
        with self._connected(self.warehouse_url) as cursor, shown("capture", "rows") as show:
            into = cursor.connection
            server.only_one_session(cursor, "capture")

            def landed(rows: int) -> None:
                show(rows)
                try:
                    if merging:
                        merge.merge(into)
                    if merging and follow:
                        alerts.look(into)
                    told.over("Back again: capture goes on, and loses nothing.")
                except ConnectionLost:
                    raise
                except MedallionError as problem:
                    if not follow:
                        raise
                    into.rollback()
                    if not isinstance(problem, Busy):  # the next merge will do it
                        told(str(problem))  # bronze goes on
                        merge.note_refusal(into, str(problem))

            url, kept, taken = self._existing(self.source_url, cursor), Tables.read(cursor), None
            known = Watermark.read(cursor, kept)
            if known is None or resnapshot:
                if known and not yes:
                    self._ask_for_snapshot(url, known)
                kept = self._to_snapshot(url, kept)
                taken = capture.snapshot(url, into, self.slot, kept, known, show, self._known()[1])
                landed(taken.rows)
                known = Watermark.read(cursor, kept)
            else:
                self._take_reading(cursor)
            if taken is None or follow:
                taken = capture.capture(url, into, known, landed, follow, merging)
            return taken

    def _ask_for_snapshot(self, source: URL, known: Watermark) -> None:
        """Raise Unconfirmed where the log goes on, so that only the snapshot would make a gap."""
        with server.session(source, autocommit=True) as at_source:
            try:
                continuity.check(at_source, known)
            except MedallionError:
                return  # the gap is there already
            facts = {"slot": self.slot}
            (found,) = sqlfile.run(at_source, "source/slot_status", facts).fetchone()
            until, size = known.commit_ts or "the beginning", found["wal_bytes_not_captured"]
            raise refusal("snapshot unconfirmed", Unconfirmed, until=until, size=size)

    def _to_snapshot(self, source: URL, kept: Tables) -> Tables:
        """The tables that a snapshot takes: those declared now, if any are."""
        if self.declared is None:
            return kept
        with server.session(source) as at_source:
            wanted = catalog.completed(at_source, self.declared, kept).taken_over(kept)
        here = by_source(wanted.captured)
        if left := [each.shown for each in kept.captured if each.source.strings not in here]:
            say(f"No longer captured, as it is not declared: {', '.join(left)}.")
        return wanted

    def merge(self, upto: int | None = None) -> list[Merged]:
        """Bring silver to where bronze is, or to what commits before an LSN; see `merge.merge`."""
        if isinstance(upto, bool) or not isinstance(upto, int | None):
            raise refusal("no position", upto=upto)
        with self._connected(self.warehouse_url) as cursor:
            self._take_reading(cursor)
            return merge.merge(cursor.connection, upto)

    def verify(self) -> list[str]:
        """Capture, merge, and compare silver's current rows with the source at one instant.

        Returns each difference as a line of text; none when all is well.
        """
        with self._connected(self.warehouse_url) as cursor, shown("verify", "rows") as show:
            url = self._existing(self.source_url, cursor)
            self._take_reading(cursor)
            return verify.verify(url, cursor.connection, show)

    def merge_statement(self, table: str) -> str:
        """The SQL that merges one silver table, by name, as it is sent."""
        with self._connected(self.warehouse_url) as cursor:
            history = Tables.read(cursor).history(table)
            return Shape.read(cursor, history).statement().as_string(cursor)

    def marts(self, directory: str | Path) -> Applied:
        """Make the views of a directory's SQL files in gold; see `marts.apply`."""
        with self._connected(self.warehouse_url) as cursor:
            return marts.apply(cursor.connection, Path(directory))

    def _reach(self, *instants: str | date) -> list[datetime]:
        """The instants, once history is final up to them, or where there is none, up to now.

        What is yet to be captured and merged is; `capture --follow` elsewhere is waited for.
        """
        read = [instant(each) for each in instants]
        with self._connected(self.warehouse_url, True) as into:
            into.execute("SELECT commit_ts FROM meta.watermark WHERE stage = 'merge'")
            (reached,) = into.fetchone() or (None,)
            if read and reached and max(read) <= reached:
                return read
            if (known := Watermark.read(into)) is None:
                raise refusal("nothing captured")
            with self._connected(self.source_url, True) as shop:
                now, position = sqlfile.run(shop, "source/clock").fetchone()
                if read and max(read) > now:
                    raise refusal("instant to come", at=max(read), now=now)
                try:
                    self.capture()
                except Busy:
                    if not capture.awaited(shop, into, known.here(position)):
                        raise
        self.merge()
        return read

    def changed(
        self, relation: str, since: str | date, until: str | date,
        by: str | Sequence[str] | None = None,
    ) -> Answer:  # fmt: skip
        """What changed between two instants; see `questions.changed`."""
        instants = self._reach(since, until)
        return questions.changed(self.warehouse, self._tables(), relation, *instants, by)

    def receipt(self, mart: str, at: str | date, /, **cell: object) -> Answer:
        """The rows that one number of a mart adds up, by its grain; see `receipt.receipt`."""
        return receipt.receipt(self.warehouse, mart, *self._reach(at), cell)

    def life(self, table: str, key: object) -> Answer:
        """The versions of one key up to now, and what each changed; see `questions.life`.

        `key` are the values of the whole key, a tuple in its order or a mapping by column, or the
        value of its last column alone.
        """
        self._reach()
        return questions.life(self.warehouse, self._history(table), key)

    def undo(self, table: str, key: object, at: str | date) -> str:
        """Bring a row of the source back to what it was as of an instant; the SQL sent.

        `key` is as `life` takes it. The next capture and merge bring that change into history like
        any other.
        """
        self._only_with_ours("undo")
        at, tables, history = instant(at), self._tables(), self._history(table)
        with self._connected(self.warehouse_url) as into, self._connected(self.source_url) as shop:
            return undo.undo(into, shop, tables, history, key, at, lambda: self._reach(at))
