"""How far everything is, for a person and for a program."""

from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.system_time import functions
from medallion_lib.tables import Table, Tables, by_source
from medallion_lib.watch import asking


class Status(dict[str, Any]):
    """Facts by name, `rows` by table among them; printed, a table. Instants are UTC, null unknown.

    AS OF an instant up to `history_is_final_until` will never answer otherwise.
    """

    def __str__(self) -> str:
        rows = {name: f"{count:>10,} rows" for name, count in self["rows"].items()}
        shown = {name.replace("_", " "): fact for name, fact in self.items()} | {"rows": ""} | rows
        told = {name: "nothing yet" if x is None else f"\n{'':28}".join(x) if isinstance(x, list)
                else x for name, x in shown.items()}  # fmt: skip
        return "\n".join(f"{name:<28}{fact}" for name, fact in told.items())


def _unmerged(table: Table) -> sql.Composed:
    """How many changes merge has yet to read. An added table has a position of its own."""
    since = sql.SQL("coalesce(merged.lsn, 0)")
    if table.adding:
        since = sql.Literal(table.adding.merged)
    return sql.SQL(" + (SELECT count(*) FROM {} WHERE lsn >= {})").format(table.bronze, since)


def read(
    warehouse: Cursor, source: Cursor, place: str, slot: str, declared: Tables | None
) -> Status:
    """What is declared and not there yet is told, too."""
    kept = Tables.read(warehouse)
    versioned = kept.made(warehouse)
    bronze = [table.bronze for table in kept.captured]
    marts = [sql.Identifier("gold", name) for name, _ in sqlfile.run(warehouse, "gold/marts")]
    every = [*bronze, *(table.silver for table in versioned), *marts]
    count = sql.SQL("{}, (SELECT count(*) FROM {})")
    counts = [count.format(sql.Literal(".".join(name.strings)), name) for name in every]
    newest = ", (SELECT load_ts FROM {} ORDER BY lsn DESC, seq DESC LIMIT 1)"
    unmerged = [_unmerged(table) for table in kept.captured if not table.is_pending]
    facts = sqlfile.compose(
        "status",
        newest=sqlfile.each(bronze, newest, between=""),
        unmerged=sqlfile.each(unmerged, between=""),
        counts=sqlfile.each(counts),
    )
    warehouse.execute(facts)
    (found,) = warehouse.fetchone()
    (at_source,) = sqlfile.run(source, "source/slot_status", {"slot": slot}).fetchone()
    wanted, there = declared or kept, by_source(kept.captured)
    in_silver = {table.silver.strings for table in versioned}
    missing = {
        "not_captured_yet": [t.shown for t in wanted.captured if t.source.strings not in there],
        "not_whole_yet": [t.shown for t in kept.captured if t.is_pending],
        "not_in_silver_yet": [t.shown_history for t in wanted.versioned
                              if t.silver.strings not in in_silver],
        "not_watched": asking.unwatched(source, kept),
    }  # fmt: skip
    found |= {name: ", ".join(names) for name, names in missing.items() if names}
    if unkept := functions.unkept(warehouse):
        found["versions_not_kept"] = unkept
    if kept.news:
        found["columns_changed"] = [f"{at}  {text}" for at, text in kept.news]
    return Status(server=place, **at_source, **found)
