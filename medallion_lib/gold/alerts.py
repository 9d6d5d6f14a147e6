"""Rules: a view of gold whose name begins with alert_ returns rows when something is wrong.

A row that is new there is told of in the log, and by NOTIFY to who listens. Of what was wrong at
an instant, the view tells by FOR SYSTEM_TIME AS OF.
"""

import time
from dataclasses import dataclass, field

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from medallion_lib import sqlfile
from medallion_lib.errors import refusal
from medallion_lib.progress import say

CHANNEL = "medallion_alert"
PAUSE = 10  # times as long as rules took: they take about a tenth of the time at most


@dataclass
class Alerts:
    """What each rule has told of by now."""

    told: dict[str, set[str]] = field(default_factory=dict)
    due: float = 0.0  # by the monotonic clock

    def look(self, warehouse: Connection) -> None:
        """Say which rows are new to a rule, and which rule fails, if rules are due again.

        Listeners are notified of a row before it is said.
        """
        began = time.monotonic()
        if began < self.due:
            return
        with warehouse, warehouse.cursor() as cursor:
            names = [name for (name,) in sqlfile.run(cursor, "gold/alerts")]
        for name in names:
            known = self.told.get(name, set())
            found = self._found(warehouse, name, known)
            self.told[name] = {*found}
            for row in found.keys() - known:
                say(found[row])
        self.due = time.monotonic() + PAUSE * (time.monotonic() - began)

    def _found(self, warehouse: Connection, name: str, known: set[str]) -> dict[str, str]:
        """A sentence for each row of a rule, by the row; for one that fails, by its reason."""
        rule = sqlfile.compose("gold/alert_rows", view=sql.Identifier("gold", name))
        try:
            with warehouse, warehouse.cursor() as cursor:
                facts = {"channel": CHANNEL, "rule": name, "known": [*known]}
                cursor.execute(rule, facts)
                return {row: f"gold.{name} at {at}: {row}" for row, at in cursor.fetchall()}
        except psycopg2.Error as problem:
            if warehouse.closed:
                raise
            reason = str(problem).splitlines()[0]
            fails = str(refusal("rule fails", rule=name, reason=reason))
            return dict.fromkeys(known, "") | {reason: fails}  # its rows may be there still
