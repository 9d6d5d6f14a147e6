"""A plan as text, to be read before anything is made."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from medallion_lib.source.slot import Lack, to_paste
from medallion_lib.watch.plan import Plan, Planned

WIDTH = 88  # as much as a page of the book shows
HEADER = ("table", "rows", "key", "history", "form", "per million")
KEY, HISTORY, NUMBERS = 2, 3, (1, 5)
PERSONAL = (
    "History keeps what the source deletes, personal data too. To leave a column out, of bronze as "
    "well, from the beginning: --exclude schema.table.column"
)
COST = "per million: about what a million changes take here, in bronze and in history."
CHEAP = (
    "cheap: the server holds (key, sys_end) to be unique and each version to begin before it ends; "
    "that no two overlap, verify checks. strict: the server itself refuses overlaps, WITHOUT "
    "OVERLAPS, which makes an insert about ten times as slow; --strict insists."
)


def preview(plan: Plan, made_here: Sequence[str], made_there: Sequence[str]) -> str:
    """The plan, WIDTH columns wide. `made_here`, `made_there`: what would be, as `database x`."""
    parts = [_source(plan), _tables(plan.each)]
    if plan.skipped:
        lines = (_bare(why if why.startswith(f"{table} ") else f"{table}: {why}")
                 for table, why in plan.skipped.items())  # fmt: skip
        parts.append(["Not taken:", *_indented(lines)])
    parts.append(["Made at the source:", *_indented(made_there)])
    parts.append(["Made here:", *_indented(made_here)])
    forms = [CHEAP] if any(each.table.history for each in plan.each) else []
    parts.append(["To know:", *_indented([PERSONAL, COST, *forms])])
    if plan.wrong:
        parts.append(_wrong(plan.wrong))
    return "\n\n".join("\n".join(map(_printable, lines)) for lines in parts if lines)


def _printable(text: str) -> str:
    """With what would move a terminal's cursor as Python writes it."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from textwrap.wrap(
            _printable(line), WIDTH, initial_indent="    ", subsequent_indent="      "
        )


def _source(plan: Plan) -> list[str]:
    source = plan.source
    kept = source.kept_wal
    limit = "without limit" if kept in ("-1", None) else f"up to {kept}"
    return [f"Source: {source.url}", *_indented([
        f"PostgreSQL {source.version}, database {source.database}, as role {source.role}",
        f"wal_level {source.wal_level}; {source.free_slots} of {source.slots} slots are free",
        f"a slot that nobody reads keeps log {limit} (max_slot_wal_keep_size)",
    ])]  # fmt: skip


def _tables(each: Sequence[Planned]) -> list[str]:
    """A row for each table, and below it what is to say of it, with columns that are too wide."""
    if not each:
        return []
    rows = [tuple(map(_printable, row)) for row in (HEADER, *map(_row, each))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    below = []
    for place in (HISTORY, KEY):
        if sum(widths) + 2 * (len(widths) - 1) > WIDTH:
            widths[place] = 0
            below.append(place)
    lines = []
    for row, planned in zip(rows, [None, *each], strict=True):
        cells = [row[place].rjust(width) if place in NUMBERS else row[place].ljust(width)
                 for place, width in enumerate(widths) if width]  # fmt: skip
        lines.append("  ".join(cells).rstrip())
        if planned:
            moved = [f"{HEADER[place]}: {row[place]}" for place in sorted(below)]
            lines += _indented([*moved, *planned.told])
    return lines


def _row(planned: Planned) -> tuple[str, ...]:
    table = planned.table
    rows = "?" if planned.rows is None else f"{planned.rows:,}"
    key = f"{', '.join(table.key)} ({planned.key_from})" if table.key else "none"
    form = ("strict" if table.is_strict else "cheap") if table.history else ""
    history = f"{table.silver_schema}.{table.history}" if table.history else "changes only"
    return table.shown, rows, key, history, form, _bytes(planned.bytes_per_million)


def _bytes(count: float) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def _bare(sentence: str) -> str:
    return re.sub(r" As [^.]*:$", "", sentence)


def _wrong(wrong: Sequence[Lack]) -> list[str]:
    """What is missing, and all statements that mend it as one block to paste."""
    lines = ["What is missing:", *_indented(_bare(each.sentence) for each in wrong)]
    statements = dict.fromkeys(each.statements for each in wrong if each.statements)
    if statements:
        lines += ["To paste into psql at the source, as the tables' owner or a superuser:"]
        lines += [f"    {line}" for each in statements for line in to_paste(each)]
    return lines
