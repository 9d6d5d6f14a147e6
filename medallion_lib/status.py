"""How far everything is, for a person and for a program."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from medallion_lib import sqlfile
from medallion_lib.system_time import functions
from medallion_lib.tables import Table, Tables, by_source
from medallion_lib.watch import asking


EXACT_UP_TO = 32 << 20  # bytes of a table that is counted: in some hundredths of a second


class Status(dict[str, Any]):
    """Facts by name, `rows` by table among them; printed, a table. Instants are UTC, null unknown.

    AS OF an instant up to `history_is_final_until` will never answer otherwise.
    """

    def __str__(self) -> str:
        about = self.get("rows_estimated", ())
        rows = {name: f"{count:>10,} rows{', about' * (name in about)}"
                for name, count in self["rows"].items()}  # fmt: skip
        told = {name: fact for name, fact in self.items() if name != "rows_estimated"}
        shown = {name.replace("_", " "): fact for name, fact in told.items()} | {"rows": ""} | rows
        told = {name: "nothing yet" if x is None else f"\n{'':28}".join(x) if isinstance(x, list)
                else x for name, x in shown.items()}  # fmt: skip
        return "\n".join(f"{name:<28}{fact}" for name, fact in told.items())


def _unmerged(table: Table) -> sql.Composed:
    """How many changes merge has yet to read. An added table has a position of its own."""
    since = sql.SQL("coalesce(merged.lsn, 0)")
    if table.adding:
        since = sql.Literal(table.adding.merged)
    return sql.SQL(" + (SELECT count(*) FROM {} WHERE lsn >= {})").format(table.bronze, since)


def _estimates(cursor: Cursor, names: Sequence[sql.Identifier]) -> dict[str, int]:
    """About how many rows the large ones of these tables have. The others are soon counted."""
    texts = [name.as_string(cursor) for name in names]
    cursor.execute(sqlfile.read("status_sizes"), (texts, EXACT_UP_TO))
    found = dict(cursor.fetchall())
    return {".".join(name.strings): found[text]
            for name, text in zip(names, texts, strict=True) if text in found}  # fmt: skip


def _found(
    warehouse: Cursor, kept: Tables, every: Sequence[sql.Identifier], about: Mapping[str, int]
) -> dict[str, Any]:
    """What one query of the warehouse tells."""
    count = sql.SQL("{}, (SELECT count(*) FROM {})")
    counts = [sql.SQL("{}, {}").format(sql.Literal(name), sql.Literal(about[name])) if name in about
              else count.format(sql.Literal(name), each)
              for each in every for name in [".".join(each.strings)]]  # fmt: skip
    newest = ", (SELECT load_ts FROM {} ORDER BY lsn DESC, seq DESC LIMIT 1)"
    unmerged = [_unmerged(table) for table in kept.captured if not table.is_pending]
    facts = sqlfile.compose(
        "status",
        newest=sqlfile.each((table.bronze for table in kept.captured), newest, between=""),
        unmerged=sqlfile.each(unmerged, between=""),
        counts=sqlfile.each(counts),
    )
    warehouse.execute(facts)
    (found,) = warehouse.fetchone()
    if not found["merge_refused"]:
        del found["merge_refused"]
    return found


def read(
    warehouse: Cursor, source: Cursor, place: str, slot: str, declared: Tables | None,
    exact: bool = False,
) -> Status:  # fmt: skip
    """What is declared and not there yet is told, too. `exact` counts every row, and the marts'."""
    kept = Tables.read(warehouse)
    versioned = kept.made(warehouse)
    every = [*(table.bronze for table in kept.captured), *(table.silver for table in versioned)]
    about = {} if exact else _estimates(warehouse, every)
    if exact:
        every += [sql.Identifier("gold", name) for name, _ in sqlfile.run(warehouse, "gold/marts")]
    found = _found(warehouse, kept, every, about)
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
    if about:
        found["rows_estimated"] = [*about]
    # Nothing older can be missing: bronze was where the log ended when the watermark was written.
    seconds = found.pop("seconds_since_capture")
    found["lag_seconds"] = 0 if (at_source["wal_bytes_not_captured"] or 0) <= 1 else seconds
    if unkept := functions.unkept(warehouse):
        found["versions_not_kept"] = unkept
    if kept.news:
        found["columns_changed"] = [f"{at}  {text}" for at, text in kept.news]
    return Status(server=place, **at_source, **found)
