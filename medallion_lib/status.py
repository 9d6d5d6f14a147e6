"""How far everything is, for a person and for a program."""

from __future__ import annotations

from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import RealDictCursor

from medallion_lib import slot, sqlfile
from medallion_lib.tables import CAPTURED, VERSIONED

MARTS = ("vw_monthly_revenue", "vw_top_titles", "vw_store_scorecard")
TABLES = (
    *(table.bronze for table in CAPTURED),
    *(table.silver for table in VERSIONED),
    *(sql.Identifier("gold", mart) for mart in MARTS),
)


class Status(dict[str, Any]):
    """Facts by name, `rows` by table among them; printed, a table. Instants are UTC, null unknown.

    AS OF an instant up to `history_is_final_until` will never answer otherwise.
    """

    def __str__(self) -> str:
        facts = {name.replace("_", " "): fact for name, fact in self.items() if name != "rows"}
        rows = {name: f"{count:>10,} rows" for name, count in self["rows"].items()}
        return "\n".join(
            f"{name:<28}{'nothing yet' if fact is None else fact}"
            for name, fact in (facts | {"": ""} | rows).items()
        )


def read(warehouse: Cursor, source: Cursor, place: str, slot_name: str) -> Status:
    newest = "(SELECT load_ts FROM {} ORDER BY lsn DESC, seq DESC LIMIT 1)"
    unmerged = "(SELECT count(*) FROM {} WHERE lsn > coalesce(merged.lsn, 0))"
    facts = sqlfile.compose(
        "status",
        newest=sql.SQL("SELECT greatest({})").format(_over_bronze(newest, ", ")),
        unmerged=_over_bronze(unmerged, " + "),
    )
    with warehouse.connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(facts)
        found = dict(cursor.fetchone())
    found["wal_bytes_not_captured"] = slot.lag(source, slot_name)
    rows = {}
    for table in TABLES:
        warehouse.execute(sql.SQL("SELECT count(*) FROM {}").format(table))
        rows[".".join(table.strings)] = warehouse.fetchone()[0]
    return Status(server=place, **found, rows=rows)


def _over_bronze(part: str, between: str) -> sql.Composed:
    return sql.SQL(between).join(sql.SQL(part).format(table.bronze) for table in CAPTURED)
