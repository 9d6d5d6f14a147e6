"""How far everything is, for a person and for a program."""

from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import slot, sqlfile
from medallion_lib.tables import CAPTURED, VERSIONED

MARTS = [
    sql.Identifier("gold", name)
    for name in ("vw_monthly_revenue", "vw_top_titles", "vw_store_scorecard")
]


class Status(dict[str, Any]):
    """Facts by name, `rows` by table among them; printed, a table. Instants are UTC, null unknown.

    AS OF an instant up to `history_is_final_until` will never answer otherwise.
    """

    def __str__(self) -> str:
        rows = {name: f"{count:>10,} rows" for name, count in self["rows"].items()}
        shown = {name.replace("_", " "): fact for name, fact in self.items()} | {"rows": ""} | rows
        unknown = "nothing yet"
        return "\n".join(f"{name:<28}{unknown if x is None else x}" for name, x in shown.items())


def read(warehouse: Cursor, source: Cursor, place: str, slot_name: str) -> Status:
    bronze = [table.bronze for table in CAPTURED]
    every = [*bronze, *(table.silver for table in VERSIONED), *MARTS]
    newest = "(SELECT load_ts FROM {0} ORDER BY lsn DESC, seq DESC LIMIT 1)"
    unmerged = "(SELECT count(*) FROM {0} WHERE lsn > coalesce(merged.lsn, 0))"
    facts = sqlfile.compose(
        "status",
        newest=_each(bronze, newest, ", "),
        unmerged=_each(bronze, unmerged, " + "),
        tables=_each(every, "SELECT {2}, {1}, count(*) FROM {0}", " UNION ALL "),
    )
    warehouse.execute(facts)
    found = zip((column.name for column in warehouse.description), warehouse.fetchone(), strict=True)
    lag = slot.look(source, slot_name).lag
    return Status(server=place, wal_bytes_not_captured=lag, **dict(found))


def _each(tables: list[sql.Identifier], part: str, between: str) -> sql.Composed:
    return sql.SQL(between).join(
        sql.SQL(part).format(name, sql.Literal(".".join(name.strings)), sql.Literal(place))
        for place, name in enumerate(tables)
    )
