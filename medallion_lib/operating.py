"""A warehouse in use: kept in form, looked at, and cut back."""

import shutil
from collections.abc import Sequence
from datetime import date

from medallion_lib import earlier, rebuild, server, status
from medallion_lib.errors import MedallionError
from medallion_lib.instants import instant
from medallion_lib.rebuild import Rebuilt
from medallion_lib.server.embedded import Embedded
from medallion_lib.status import Status
from medallion_lib.system_time import functions
from medallion_lib.tables import VERSION
from medallion_lib.upkeep import erase, prune
from medallion_lib.upkeep.alarms import Limits, alarms
from medallion_lib.upkeep.erase import Erased
from medallion_lib.upkeep.prune import Pruned
from medallion_lib.watching import Watching


class Operating(Watching):
    """What is done with a warehouse beside capture, merge and questions."""

    def rebuild(self, yes: bool = False) -> list[Rebuilt]:
        """Make silver and gold anew from bronze, and compare; see `rebuild.rebuild`."""
        with self._connected(self.warehouse_url) as cursor:
            rebuilt = rebuild.rebuild(cursor.connection, self.declared, yes)
        self.regenerate()  # the notebooks' views have lost their functions with silver's
        return rebuilt

    def upgrade(self, yes: bool = False) -> list[Rebuilt]:
        """Bring a warehouse that earlier code made to this code's form, all or nothing.

        Silver is made again from bronze, for its rows are hashed otherwise since. Nothing is done
        to one that has the form. Raises Unconfirmed where versions would be lost and `yes` was not
        said, and MedallionError while a capture is at work, or where later code made the warehouse.
        """
        with self._connected(self.warehouse_url) as cursor:
            server.only_one_session(cursor, "capture")
            if earlier.form(cursor) == VERSION:
                return []
        return self.rebuild(yes)

    def prune(self, before: str | date, yes: bool = False) -> list[Pruned]:
        """Delete what ended by an instant, from bronze and silver; see `prune.prune`."""
        with self._connected(self.warehouse_url) as cursor:
            self._take_reading(cursor)
            return prune.prune(cursor.connection, instant(before), yes)

    def erase(
        self, table: str, key: object, columns: Sequence[str] = (), yes: bool = False
    ) -> list[Erased]:
        """Erase a row's values from bronze, silver and every version; see `erase.erase`."""
        with self._connected(self.warehouse_url) as cursor:
            self._take_reading(cursor)
            return erase.erase(cursor.connection, table, key, columns, yes)

    def regenerate(self) -> dict[str, str]:
        """Make the functions behind FOR SYSTEM_TIME again, after tables or views have changed.

        Returns why a view can't have one, by the view's name.
        """
        refused = {}
        for url in (self.warehouse_url, self.notebook_url):  # each its own
            with self._connected(url) as cursor:
                refused |= functions.regenerate(cursor.connection)
        return refused

    def status(self, exact: bool = False) -> Status:
        """How far everything is. Rows of large tables are estimated, and marts left out.

        `exact` counts all, which reads all.
        """
        with self._connected(self.source_url) as shop, self._connected(self.warehouse_url) as into:
            place = self.place.place, self.slot, self.declared
            found = status.read(into, shop, *place, exact)
        if isinstance(self.place, Embedded):
            found["disk_bytes_free"] = shutil.disk_usage(self.place.home).free
        return found

    def alarms(self, limits: Limits = Limits()) -> list[str]:  # noqa: B008 -- a value
        """What is wrong, or about to be, a line each; none while all is well."""
        try:
            self.must_run()
            return alarms(self.status(), limits)
        except MedallionError as problem:
            return [str(problem)]
