"""A source and its warehouse on a server: their names, their connections, their end."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import cached_property
from typing import Self

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL, Engine

from medallion_lib import databases, server, sqlfile, system_time
from medallion_lib.errors import ConnectionLost, MedallionError, Unconfirmed, refusal
from medallion_lib.server.embedded import Embedded
from medallion_lib.source import catalog, slot
from medallion_lib.source.watermark import Watermark
from medallion_lib.tables import KEPT_SINCE, Table, Tables, is_there

SEARCH_PATH = "scratch, gold, silver, bronze, meta, public"
COMMAND = "python -m medallion_lib "
SETUP = "medallion.setup"  # who has this lock makes and drops databases


class Pair:
    """One source database, one warehouse database and the replication slot between them.

    Several can live side by side on one server under different names. A source of the user's own
    is captured from and otherwise left as it is.
    """

    def __init__(
        self, place: Embedded | server.Server, name: str,
        tables: Tables | Sequence[str] | None = None, source: URL | str | None = None,
    ) -> None:  # fmt: skip
        declared = tables if isinstance(tables, Tables) else None
        if declared and not declared.captured:
            raise refusal("no tables")
        suffix = "" if name == "medallion" else f"_{name}"
        self.place = place
        self.was_started = False  # by `open`
        self.declared = declared  # those of the warehouse, where this process says so
        self.named = () if declared or not tables else tuple(tables)  # what `watch` is to take
        self.said_source = server.own_url(source, "source") if source else server.own_source()
        self.name = name
        self.source_name = f"pagila{suffix}"
        self.warehouse_name = f"medallion{suffix}"
        self.slot = f"medallion{suffix}"
        # As the server's own role: what capture and merge use.
        self.warehouse_url = place.url.set(database=self.warehouse_name)
        # As the notebooks' role, which reads everything and writes only schema scratch.
        username, password = server.NOTEBOOK_ROLE, place.notebook_password
        self.notebook_url = self.warehouse_url._replace(username=username, password=password)
        self.warehouse = databases.engine(self.notebook_url, SEARCH_PATH)
        system_time.install(self.warehouse)

    @cached_property
    def own_source(self) -> URL | None:
        """A source of the user's own: as said, by MEDALLION_SOURCE_URL, or as the warehouse knows.

        The warehouse knows no password: libpq asks a password file or PGPASSWORD for that.
        """
        said = self.said_source
        if said is None and (kept := self._kept()) and kept.source:
            said = server.own_url(kept.source, "source")
        return said

    def _kept(self) -> Tables | None:
        """The tables that the warehouse keeps; None where it is not there, or can't be read."""
        with suppress(MedallionError):  # who works with the warehouse will be told
            self.must_run()
            with databases.administering(self.place.url) as cursor:
                if not databases.exists(cursor, self.warehouse_name):
                    return None
            with server.session(self.warehouse_url) as cursor:
                return Tables.read(cursor, oldest=KEPT_SINCE)
        return None

    @cached_property
    def source_url(self) -> URL:
        return self.own_source or self.place.url.set(database=self.source_name)

    @cached_property
    def source(self) -> Engine:
        return databases.engine(self.source_url, "public")

    @classmethod
    def open(
        cls, name: str | None = None, making: bool = True,
        tables: Tables | Sequence[str] | None = None, source: URL | str | None = None,
    ) -> Self:  # fmt: skip
        """Start or find the server. `name` is MEDALLION_NAME, else "medallion", if not given.

        `tables` are those that `reset` makes the warehouse for; the sample's, if not given. An
        existing warehouse knows its own, and refuses work where others are declared. Or they are
        names, as `watch` takes them, of tables of `source`, the URL of a database.
        Raises MedallionError when the server can't be started, reached or used, or, unless
        `making`, there never was one.
        """
        # A name or URL that can't be one starts nothing.
        place = cls.find(name, None, tables, source).place
        if not making and isinstance(place, Embedded) and not os.path.isdir(place.data):
            raise refusal("server stopped", place=place.place)
        was_started = place.start()
        lab = cls.find(name, place, tables, source)
        lab.was_started = was_started
        lab._let_notebooks_in()
        return lab

    @classmethod
    def find(
        cls, name: str | None = None, place: Embedded | server.Server | None = None,
        tables: Tables | Sequence[str] | None = None, source: URL | str | None = None,
    ) -> Self:  # fmt: skip
        """The same, but nothing is started or written."""
        name = name or os.environ.get("MEDALLION_NAME") or "medallion"
        if not re.fullmatch(r"[a-z0-9][a-z0-9_]{0,39}", name):
            raise refusal("bad name", name=name)
        return cls(place or server.locate(), name, tables, source)

    def typed(self, text: str) -> str:
        """The text, with this warehouse named in its commands, which then run in any shell."""
        needs_name = self.name != "medallion" or "MEDALLION_NAME" in os.environ
        named = f"{COMMAND}--name {self.name} "
        return re.sub(f"{COMMAND}(?!--name)", named, text) if needs_name else text

    def _let_notebooks_in(self) -> None:
        """Make the notebooks' role, or give it its password, unless it can connect."""
        anywhere = self.notebook_url.set(database=self.place.url.database)
        if not server.connects(anywhere):
            with self._setting_up() as cursor:
                server.set_notebook_role(cursor, self.place.notebook_password)

    def _runs(self) -> bool:
        return not isinstance(self.place, Embedded) or self.place.running("FATAL:")

    def must_run(self) -> None:
        """Raise MedallionError where the embedded server does not run; it stays so."""
        if not self._runs():
            raise refusal("server stopped", place=self.place.place)

    def address(self, which: str) -> URL:
        """The URL of the source or the warehouse. MedallionError when it isn't there."""
        return self._existing(self.source_url if which == "source" else self.warehouse_url)

    def _only_with_ours(self, command: str) -> None:
        """Refuse what would replace or write data in a source of the user's own."""
        if self.own_source:
            raise refusal("own source", command=command, url=self.own_source)

    def down(self) -> bool:
        """Stop the server; whether it was ours and running. Data and slots stay."""
        self.close()
        return self.place.stop()

    def forget(self, yes: bool = False) -> None:
        """Remove the slot, and the publication if it is ours, from a source of the user's own."""
        if self.own_source:
            if not yes:
                raise refusal("slot forgotten", Unconfirmed, slot=self.slot, url=self.own_source)
            self._withdrawn()

    def _withdrawn(self) -> list[str]:
        """Remove the slot and the publication from a source of the user's own; what there was."""
        known = self._known()
        with databases.administering(self.source_url) as at_source:
            removed = ["slot"] if slot.drop(at_source, self.slot, *known) else []
            return removed + ["publication"] * slot.unpublish(at_source, *known)

    def _ask(self, yes: bool) -> None:
        """Raise Unconfirmed where more than the sample would go, with both databases: say what."""
        from medallion_lib import shop

        with databases.administering(self.place.url) as cursor:
            system, _ = sqlfile.run(cursor, "source/identity").fetchone()
            there = databases.exists(cursor, self.warehouse_name)
            sample = not self.own_source and databases.exists(cursor, self.source_name)
        if not yes and there:
            held = databases.held(self.warehouse_url)
            is_of_sample = not self.own_source and held[:2] == (system, self.source_name)
            if held[2] and not is_of_sample:
                of = {"name": held[1], "rows": held[2], "since": held[3]}
                raise refusal("history dropped", Unconfirmed, database=self.warehouse_name, **of)
        if not yes and sample and (tables := shop.strangers(self)):
            of = {"database": self.source_name, "tables": tables}
            raise refusal("database not ours", Unconfirmed, **of)

    def _build_warehouse(self, tables: Tables) -> None:
        """In its database, which is there and empty."""
        with server.session(self.source_url) as at_source:
            tables = catalog.completed(at_source, tables)
        if own := self.own_source:
            told = own._replace(password=None)
            tables = replace(tables, source=str(told.difference_update_query(["sslpassword"])))
        databases.build_warehouse(self.warehouse_url, tables)

    def close(self) -> None:
        """Give the engines' connections back."""
        for engine in (vars(self).get("source"), self.warehouse):
            if engine:
                engine.dispose()

    def drop(self) -> None:
        """Remove the slot and both databases; a source of the user's own stays."""
        with self._setting_up() as cursor:
            self._drop(cursor)

    def _drop(self, cursor: Cursor) -> None:
        """The slot first: only the warehouse knows it. What keeps a database keeps all as it is."""
        ours = [self.warehouse_name, *([] if self.own_source else [self.source_name])]
        databases.check_unused(cursor, ours, self.slot)
        if self.own_source or databases.exists(cursor, self.source_name):
            known = self._known()
            with databases.administering(self.source_url) as at_source:
                slot.drop(at_source, self.slot, *known)
        for database in ours:
            databases.drop(cursor, database)

    def _known(self) -> tuple[Watermark | None, str | None]:
        """What tells what is ours at a source of the user's own: the watermark, and our mark."""
        if not self.own_source:
            return None, None
        with databases.administering(self.place.url) as cursor:
            mark = slot.marked(cursor, self.warehouse_name)
            if not databases.exists(cursor, self.warehouse_name):
                return None, mark
        with server.session(self.warehouse_url) as cursor:
            is_built = is_there(cursor, sql.Identifier("meta", "watermark"))
            return Watermark.read(cursor) if is_built else None, mark

    def _tables(self) -> Tables:
        """Those of the warehouse."""
        with self._connected(self.warehouse_url) as cursor:
            return Tables.read(cursor)

    def _history(self, name: str) -> Table:
        """The table of a history that is there. Raises MedallionError where there is none."""
        with self._connected(self.warehouse_url) as cursor:
            table = Tables.read(cursor).history(name)
            if not is_there(cursor, table.silver):
                raise refusal("history not made", table=table.shown_history)
        return table

    def _take_reading(self, cursor: Cursor) -> None:
        """Let the warehouse know how this process declares that columns are read.

        Raises MedallionError where other tables are declared than the warehouse has.
        """
        kept = Tables.read(cursor)
        if self.declared:
            self.declared.check(kept, self.warehouse_name)
            Tables.change(cursor, lambda now: now.reading(self.declared))
        cursor.connection.commit()

    def _setting_up(self) -> AbstractContextManager[Cursor]:
        """A cursor for making and dropping databases, one process at a time."""
        return databases.administering(self.place.url, lock=SETUP)

    @contextmanager
    def _connected(self, url: URL, autocommit: bool = False) -> Iterator[Cursor]:
        """A cursor of the server's own role on a database that must be there."""
        with ExitStack() as stack:
            try:
                cursor = stack.enter_context(server.session(url, autocommit))
            except ConnectionLost:
                self._existing(url)  # says so where it isn't there
                raise
            yield cursor

    def _existing(self, url: URL, at_server: Cursor | None = None) -> URL:
        """The same URL. Raises MedallionError when its database isn't there."""
        if url == self.own_source:
            return url
        asking = nullcontext(at_server) if at_server else databases.administering(self.place.url)
        with asking as cursor:
            if not databases.exists(cursor, url.database):
                there = ", ".join(databases.labs(cursor)) or "none"
                raise refusal("no database", database=url.database, there=there)
        return url
