"""How far everything is, for a person and for a program."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from medallion_lib import slot, sqlfile
from medallion_lib.tables import CAPTURED, VERSIONED

if TYPE_CHECKING:
    from medallion_lib.lab import Medallion

MARTS = ("vw_monthly_revenue", "vw_top_titles", "vw_store_scorecard")


@dataclass(frozen=True)
class Status:
    """`str()` gives a table, `json()` the same for programs. Instants are UTC."""

    server: str
    rows: dict[str, int]  # by schema.table, gold's marts included
    captured_until: datetime | None  # system time of the last transaction in bronze
    captured_lsn: str | None
    merged_lsn: str | None
    final_until: datetime | None  # AS OF up to here will never change
    wal_bytes_not_captured: int | None  # None without a slot
    events_not_merged: int
    last_landing_age_s: float | None

    def json(self) -> str:
        return json.dumps(asdict(self), indent=2, default=lambda at: at.isoformat())

    def __str__(self) -> str:
        facts = [
            ("server", self.server),
            ("captured until", _shown(self.captured_until, self.captured_lsn)),
            ("history is final until", _shown(self.final_until, self.merged_lsn)),
            ("WAL not yet captured", _bytes(self.wal_bytes_not_captured)),
            ("events not yet merged", f"{self.events_not_merged:,}"),
            ("age of the last landing", _age(self.last_landing_age_s)),
        ]
        lines = [f"{name:<26}{value}" for name, value in facts] + [""]
        return "\n".join(lines + [f"{name:<32}{count:>12,} rows" for name, count in self.rows.items()])


def read(warehouse: Connection, source: Connection, lab: Medallion) -> Status:
    with warehouse, warehouse.cursor() as cursor, source.cursor() as at_source:
        cursor.execute(sqlfile.compose(
            "status",
            newest=_over_bronze("SELECT max(load_ts) FROM ({}) AS landed",
                                "(SELECT load_ts FROM {} ORDER BY lsn DESC, seq DESC LIMIT 1)"),
            unmerged=_over_bronze("SELECT sum(events)::bigint FROM ({}) AS waiting",
                                  "SELECT count(*) AS events FROM {} "
                                  "WHERE lsn > coalesce(merged.lsn, 0)"),
        ))  # fmt: skip
        captured, captured_until, merged, final_until, slot_name, landed_at, unmerged = (
            cursor.fetchone()
        )
        return Status(
            server=lab.place.place,
            rows=_row_counts(cursor),
            captured_until=captured_until,
            captured_lsn=_lsn(captured),
            merged_lsn=_lsn(merged),
            final_until=final_until,
            wal_bytes_not_captured=slot.lag(at_source, slot_name or lab.slot),
            events_not_merged=unmerged,
            last_landing_age_s=landed_at and (datetime.now(UTC) - landed_at).total_seconds(),
        )


def _over_bronze(whole: str, part: str) -> sql.Composed:
    parts = sql.SQL(" UNION ALL ").join(sql.SQL(part).format(table.bronze) for table in CAPTURED)
    return sql.SQL(whole).format(parts)


def _row_counts(cursor: Cursor) -> dict[str, int]:
    names = [
        *(f"bronze.br_{table.name}_cdc" for table in CAPTURED),
        *(f"silver.{table.name}" for table in VERSIONED),
        *(f"gold.{mart}" for mart in MARTS),
    ]
    counts = {}
    for name in names:
        table = sql.Identifier(*name.split("."))
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table))
        counts[name] = cursor.fetchone()[0]
    return counts


def _lsn(position: int | None) -> str | None:
    return None if position is None else f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def _shown(at: datetime | None, lsn: str | None) -> str:
    if lsn is None:
        return "nothing yet"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC (LSN {lsn})" if at else f"no change yet (LSN {lsn})"


def _bytes(count: int | None) -> str:
    return "no slot" if count is None else f"{count:,} bytes"


def _age(seconds: float | None) -> str:
    return "nothing landed yet" if seconds is None else f"{seconds:,.0f} s"
