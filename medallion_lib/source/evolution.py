"""How a table follows the columns of its source: what is added, dropped, renamed and widened.

A column is known by its number in the source's catalog, which a new name leaves as it is. Nothing
here talks to a server.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from medallion_lib.source.types import holds, holding, widens
from medallion_lib.table import SYSTEM_COLUMNS, Column, Table


class Found(NamedTuple):
    """A column as the source has it."""

    number: int
    name: str
    type: str | None = None  # None where the catalog no longer has the column
    missing: str | None = None  # the text of its value in a row from before it was added
    comment: str | None = None
    is_filled: bool = False  # whether such a row may have values that the log has not


def evolved(
    table: Table, found: Sequence[Found], anew: bool = False
) -> tuple[Table, list[str]]:  # fmt: skip
    """The table with the columns that its source has, and a sentence on each that is new to it.

    Where rows are read `anew` and silver will be made anew, a column may take a type that holds
    neither more nor less than the one before.
    """
    told: list[str] = []
    names = {each.name for each in found}
    for each in found:
        if _is_apart(table, each):
            table = replace(table, numbers={**table.numbers, each.name: each.number})
        elif known := _known(table, each, names):
            table, known = _renamed(table, known, each, told)
            table = _retyped(table, known, each, anew, told)
        else:
            table = _added(table, each, names, told)
    return _without_dropped(table, names, told), [f"{table.shown}: {text}" for text in told]


def unnumbered(table: Table) -> Table:
    """The table as one whose columns are known by their names alone."""
    columns = tuple(each._replace(number=None) for each in table.columns)
    return replace(table, columns=columns, numbers={})


def _is_apart(table: Table, found: Found) -> bool:
    """Whether the history does not have the column, under whatever name."""
    is_named = found.name in (*table.left_out, *table.excluded)
    return is_named or found.number in table.numbers.values()


def _known(table: Table, found: Found, names: set[str]) -> Column | None:
    """The column that this is. A name says so first: under one name, bronze has one column."""
    for each in table.columns:
        if found.name in table.in_bronze(each.name):
            return each
    for each in table.columns:
        if each.number == found.number and names.isdisjoint(table.in_bronze(each.name)):
            return each
    return None


def _with(table: Table, before: Column, now: Column) -> Table:
    columns = tuple(now if each == before else each for each in table.columns)
    return replace(table, columns=columns)


def _renamed(
    table: Table, known: Column, found: Found, told: list[str]
) -> tuple[Table, Column]:  # fmt: skip
    """With the name that the column has now, in silver too where that had the source's."""
    names, gone = table.in_bronze(known.name), table.gone
    now = known._replace(number=found.number)
    if known.name in gone:
        gone = tuple(name for name in gone if name != known.name)
        told.append(f"column {found.name} is there again.")
    elif found.name != names[-1]:
        told.append(f"column {names[-1]} was renamed to {found.name}.")
    renamed, by_month = dict(table.renamed), table.by_month
    if found.name != names[-1]:
        if known.name == names[-1] and _is_free(table, found.name):
            now = now._replace(name=found.name, hashed=known.hashed or known.name)
        renamed.pop(known.name, None)
        earlier = (name for name in names if name != found.name)
        renamed[now.name] = (*earlier, found.name)
        by_month = now.name if by_month == known.name else by_month
    facts = {"renamed": renamed, "gone": gone, "by_month": by_month}
    return replace(_with(table, known, now), **facts), now


def _is_free(table: Table, name: str) -> bool:
    """Whether silver may call a column so."""
    return name not in (*SYSTEM_COLUMNS, *table.lookups, *(each.name for each in table.columns))


def _retyped(table: Table, known: Column, found: Found, anew: bool, told: list[str]) -> Table:
    if found.type is None or holds(known.type, found.type):
        return table
    if not anew and not widens(known.type, found.type):
        told.append(f"column {found.name} is {found.type} now, and {known.type} in silver; a value "
                    "that does not fit there will be refused.")  # fmt: skip
        return table
    type_ = holding(known.type, found.type)
    told.append(f"column {found.name} was {known.type} and is {type_} now.")
    return _with(table, known, known._replace(type=type_))


def _added(table: Table, found: Found, names: set[str], told: list[str]) -> Table:
    """With one more column, under a name that silver has left, and that no other column has."""
    name = table.in_silver(found.name)
    while not _is_free(table, name) or name in names - {found.name}:
        name += "_"
    type_ = found.type or "text"
    column = Column(name, type_, found.comment, found.number, found.missing)
    renamed = {name: (found.name,), **table.renamed} if name != found.name else table.renamed
    text = f"column {found.name}, {type_}, was added"
    if found.missing is not None:
        text += f"; earlier rows have {found.missing!r} in it"
    if found.is_filled:
        text += ("; what earlier rows have in it is not in the log. A new snapshot brings it: "
                 "python -m medallion_lib capture --resnapshot")  # fmt: skip
    told.append(text if found.is_filled else f"{text}.")
    return replace(table, columns=(*table.columns, column), renamed=renamed)


def _without_dropped(table: Table, names: set[str], told: list[str]) -> Table:
    there = (each.name for each in table.columns if each.name not in table.gone)
    dropped = [name for name in there if names.isdisjoint(table.in_bronze(name))]
    for name in dropped:
        source = table.in_bronze(name)[-1]
        told.append(f"column {source} was dropped; it is null from the next version of a row on.")
    return replace(table, gone=(*table.gone, *dropped)) if dropped else table


def numbered(
    table: Table, names: Sequence[str], now: Mapping[str, int], dropped: Iterable[int]
) -> list[int] | None:
    """The number of each column that a table had when it had these names, in this order.

    `now` are the numbers of those that it has, `dropped` of those that it had. A name that is none
    of them any more is known by its place: columns keep their order, and new ones come last. None
    where that leaves a choice, or a column that must have been there is not.
    """
    known = {name: each.number for each in table.columns for name in table.in_bronze(each.name)}
    known |= {**table.numbers, **now}
    gone = {each.number for each in table.columns if each.name in table.gone}
    there = {each.number for each in table.columns if each.name not in table.gone}
    there |= {*table.numbers.values()}
    must, may = there & {*now.values()}, {*dropped} - gone
    numbers = [known.get(name) for name in names]
    if None in numbers and not _fill(numbers, {*now.values()}, must, may):
        return None
    return numbers if must <= {*numbers} else None


def _fill(numbers: list[int | None], now: set[int], must: set[int], may: set[int]) -> bool:
    """Put the numbers that are left where there is None; whether there is one way to do so."""
    if sorted(filter(None, numbers)) != [*filter(None, numbers)]:
        return False  # a partition that has its columns in an order of its own
    last, taken = max([0, *filter(None, numbers)]), {*numbers}
    for start in [at for at, each in enumerate(numbers) if each is None]:
        if numbers[start] is not None:
            continue
        end = next((at for at in range(start, len(numbers)) if numbers[at]), len(numbers))
        low = numbers[start - 1] if start else 0
        high = numbers[end] if end < len(numbers) else float("inf")
        free = {each for each in now | may if low < each < high} - taken
        certain = {each for each in free if each in must or (each in now and each < last)}
        fitting = sorted(free if len(free) == end - start else certain)
        if high > last and not free & may:  # behind the rest: the first of those that were added
            fitting = sorted(free)[: end - start]
        if len(fitting) != end - start or not certain <= {*fitting}:
            return False
        numbers[start:end] = fitting
    return True
