"""Tables of the user's own: watched from now on, more of them, fewer of them, none."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import NamedTuple

from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor

from medallion_lib import databases, server, sqlfile
from medallion_lib.bronze import capture, layout
from medallion_lib.errors import ConnectionLost, MedallionError, Unconfirmed, refusal
from medallion_lib.pair import SETUP, Pair
from medallion_lib.progress import shown
from medallion_lib.silver import merge
from medallion_lib.source import slot
from medallion_lib.source.catalog import Catalog
from medallion_lib.source.watermark import Watermark
from medallion_lib.steps import step
from medallion_lib.tables import NONE, Table, Tables
from medallion_lib.watch import adding, asking
from medallion_lib.watch.plan import Asked, Plan, plan
from medallion_lib.watch.preview import preview


class Begun(NamedTuple):
    """What a watch began with."""

    tables: Tables
    rows: int  # in bronze
    since: datetime  # when history begins
    example: str | None  # a function that says what a table was at an instant


class Watching(Pair):
    """What is done with a source of the user's own, beside capture and merge."""

    def preview(self, asked: Asked | None = None, adding: bool = False) -> str:
        """What `watch` would make, at the source and here, and what it would cost; makes nothing.

        `asked` says which tables; those that `open` was told, if not given. `adding`: to those
        that are watched. Raises MedallionError where the source or a name can't be watched.
        """
        return self._told(self._planned(asked, adding), adding)

    def _told(self, found: Plan, adding: bool) -> str:
        if adding:
            altered = [f"publication {self.slot}, which is altered"]
            return preview(found, ["the tables alone"], altered)
        here = [f"database {self.warehouse_name}, at {self.place.place}"]
        here += [] if self._has_role() else [f"role {server.NOTEBOOK_ROLE}, which reads it"]
        there = [f"publication {self.slot}", f"replication slot {self.slot}"]
        return preview(found, here, there)

    def _has_role(self) -> bool:
        if not self._runs():
            return False
        with databases.administering(self.place.url) as cursor:
            return _has_role(cursor)

    def watch(
        self, asked: Asked | None = None, yes: bool = False, made: Callable[[], None] = lambda: None
    ) -> Begun:
        """Make a warehouse of tables at the source: bronze with their rows, silver, and functions.

        Raises Unconfirmed, with the preview, unless `yes`. Raises MedallionError where something
        is missing, with the statements that mend it. What fails or is interrupted leaves nothing
        behind. `made` is called when all is there; if it raises, all is undone, too.
        """
        found = self._sure(asked, yes)
        with self._undone_unless_made():
            self._build_warehouse(found.tables)
            largest = max(found.each, key=lambda each: bool(each.table.history) * (each.rows or 1))
            begun = self._snapshot(largest.table)
            made()
            step("all made")
        return begun

    def _sure(self, asked: Asked | None, yes: bool, adding: bool = False) -> Plan:
        """The plan. Raises MedallionError where it can't be made, Unconfirmed unless `yes`."""
        found = self._planned(asked, adding)
        if found.wrong:
            raise refusal("watch unfit", preview=self._told(found, adding))
        if not yes:
            raise refusal("watch unconfirmed", Unconfirmed, preview=self._told(found, adding))
        return found

    def _planned(self, asked: Asked | None, adding: bool) -> Plan:
        if not self.own_source:
            raise refusal("no source named")
        asked = asked or Asked(self.named, declared=self.declared or NONE)
        mark, name = None, None if adding else self.slot
        if not adding and self._runs():
            with databases.administering(self.place.url) as cursor:
                self._check_new(cursor)
                mark = slot.marked(cursor, self.warehouse_name)
        kept = self._tables() if adding else NONE
        with server.session(self.own_source, autocommit=True) as at_source:
            return plan(at_source, asked, kept, self.own_source, name, mark)

    def _check_new(self, cursor: Cursor) -> None:
        """Raise MedallionError where the warehouse is there already."""
        if databases.exists(cursor, self.warehouse_name):
            rows, since = databases.held(self.warehouse_url)[2:]
            of = {"database": self.warehouse_name, "name": self.name}
            raise refusal("warehouse there", **of, rows=rows, since=since or "now")

    @contextmanager
    def _undone_unless_made(self) -> Iterator[None]:
        """Make the warehouse's database. What fails or is interrupted takes along what it made."""
        self.place.start()
        with self._setting_up() as cursor:
            self._check_new(cursor)
            slot.check_reading(self.own_source)
            had_role = _has_role(cursor)
            try:
                databases.create(cursor, self.warehouse_name)
                databases.unlock(cursor, SETUP)  # a snapshot may take long
                self._let_notebooks_in()
                yield
            except BaseException as problem:
                self._clear(cursor, problem)
                if not had_role:
                    _drop_role(cursor)
                if isinstance(problem, MedallionError) and "--resnapshot" in str(problem):
                    raise refusal("watch undone", problem=str(problem).splitlines()[0]) from None
                raise

    def _clear(self, cursor: Cursor, problem: BaseException) -> None:
        """The source first: while the warehouse is there, `unwatch` knows what was made for it."""
        try:
            with databases.administering(self.own_source) as at_source:
                slot.drop(at_source, self.slot)  # the plan found none, so it is ours
                slot.unpublish(at_source, None, slot.marked(cursor, self.warehouse_name))
        except ConnectionLost as lost:
            raise refusal("watch left", name=self.name, problem=problem, lost=lost) from problem
        databases.drop(cursor, self.warehouse_name)

    def _snapshot(self, example: Table) -> Begun:
        with self._connected(self.warehouse_url) as cursor, shown("snapshot", "rows") as show:
            server.only_one_session(cursor, "capture")
            tables, into = Tables.read(cursor), cursor.connection
            facts = self.own_source, into, self.slot, tables, None, show, self._known()[1]

            def merged(at_source: Cursor) -> None:
                captured = Tables.read(cursor).captured
                with layout.indexing(into, captured, Catalog(at_source, captured).searched()):
                    merge.merge(into, None, at_source)

            taken = capture.snapshot(*facts, merged)
            since, asked = Watermark.read(cursor).commit_ts, None
            if example.history:
                named = (example.silver.as_string(cursor),)
                (asked,) = sqlfile.run(cursor, "watch/example", named).fetchone()
            return Begun(tables, taken.rows, since, asked)

    def add(self, asked: Asked, yes: bool = False) -> list[str]:
        """Watch these tables, too, without a gap for the others; their names.

        Raises Unconfirmed, with the preview, unless `yes`. See `adding.add`.
        """
        found = self._sure(asked, yes, adding=True)
        with self._connected(self.warehouse_url) as cursor, shown("snapshot", "rows") as show:
            adding.add(self.own_source, cursor.connection, found.tables.each, show)
        return [each.shown for each in found.tables.each]

    def remove(self, names: Sequence[str], yes: bool = False) -> list[str]:
        """Watch tables no more; bronze and history stay as they are. Their names.

        Raises Unconfirmed unless `yes`: to watch one again takes a snapshot, which marks the gap.
        """
        kept = self._tables()
        tables = [asking.watched(kept, name) for name in names]
        if not yes:
            raise refusal("removal unconfirmed", Unconfirmed, tables=", ".join(names))
        with self._connected(self.warehouse_url) as cursor:
            adding.remove(self.own_source, cursor.connection, tables)
        return [each.shown for each in tables]

    def unwatch(self, drop_warehouse: bool = False, yes: bool = False) -> list[str]:
        """Remove the slot and the publication from the source; what was removed, a line each.

        With `drop_warehouse` the warehouse goes, too, with all its history, and the notebooks'
        role where no warehouse is left for it. Raises Unconfirmed unless `yes`.
        """
        if not self.own_source:
            raise refusal("nothing watched", name=self.name)
        if not yes and drop_warehouse:
            self._ask(yes)
        if not yes:
            raise refusal("unwatch unconfirmed", Unconfirmed, slot=self.slot, url=self.own_source)
        with self._setting_up() as cursor:
            if drop_warehouse:
                databases.check_unused(cursor, [self.warehouse_name], self.slot)
            removed = [f"{each} {self.slot}, at the source" for each in self._withdrawn()]
            if drop_warehouse:
                self.close()
                if databases.exists(cursor, self.warehouse_name):
                    removed.append(f"database {self.warehouse_name}")
                databases.drop(cursor, self.warehouse_name)
                if not databases.labs(cursor) and _drop_role(cursor):
                    removed.append(f"role {server.NOTEBOOK_ROLE}")
        return removed


def _has_role(cursor: Cursor) -> bool:
    cursor.execute("SELECT to_regrole(%s) IS NOT NULL", (server.NOTEBOOK_ROLE,))
    return cursor.fetchone()[0]


def _drop_role(cursor: Cursor) -> bool:
    """Drop the notebooks' role, unless it has rights in some database still; whether it is gone."""
    with suppress(errors.DependentObjectsStillExist):
        cursor.execute(f"DROP ROLE IF EXISTS {server.NOTEBOOK_ROLE}")
        return True
    return False
