"""What figures count and say: money in cents by store, film or day, and titles in words."""

from collections.abc import Collection, Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pandas as pd

from medallion_lib import MedallionError

Amount = Decimal | float | str
Money = dict[Any, Decimal]
ZERO = Decimal(0)


def cents(amount: Amount) -> Decimal:
    return Decimal(str(amount)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def dollars(amount: Decimal, plus: str = "") -> str:
    return f"{'−' if amount < 0 else plus}${abs(amount):,.2f}"


def frame(rows: Any) -> pd.DataFrame:
    """Return a DataFrame as it is, and a `%%sql` result as a DataFrame."""
    return rows if isinstance(rows, pd.DataFrame) else rows.DataFrame()


def money(frame: pd.DataFrame, key: str) -> Money:
    """total_revenue by store_id or film_id; payments of no store or film are under None."""
    keys = [None if pd.isna(value) else int(value) for value in frame[key]]
    if len({*keys}) < len(keys):
        raise MedallionError(f"A {key} occurs twice: select a single month for a figure.")
    return dict(zip(keys, map(cents, frame["total_revenue"]), strict=True))


def instant(asked: pd.DataFrame) -> str:
    """The only instant of column as_of, in words; without its time if that is midnight.

    A frame without rows, or without the column, has it as an attribute.
    """
    instants = asked.get("as_of", pd.Series()).drop_duplicates()
    if len(instants) > 1:
        raise MedallionError(f"The frame is as of {len(instants)} instants: select a single one.")
    at = next(iter(instants), asked.attrs.get("as_of", "the instant asked about"))
    if isinstance(at, str):
        return at
    at = pd.Timestamp(at)
    return f"{at:%-d %B %Y}" + (f", {at:%H:%M}" if at != at.normalize() else "")


def day(asked: pd.DataFrame) -> str:
    """The instant of a frame that names one, without the year of the book."""
    named = "as_of" in asked or "as_of" in asked.attrs
    return instant(asked).removesuffix(" 2023") if named else ""


def by_day(frame: pd.DataFrame) -> Money:
    """daily_revenue by business_date, added up over the stores in the frame."""
    total: Money = {}
    for day, amount in zip(frame["business_date"], frame["daily_revenue"], strict=True):
        date = pd.Timestamp(day).date()
        total[date] = total.get(date, ZERO) + cents(amount)
    return total


def change(then: Money, now: Money) -> Money:
    """Now less then, for every key of either; a key that one side lacks counts as nothing there."""
    keys = dict.fromkeys([*then, *now])
    return {key: now.get(key, ZERO) - then.get(key, ZERO) for key in keys}


def extent(*sides: Money) -> tuple[Decimal, Decimal]:
    """The least and the greatest amount, zero for a key that a side lacks."""
    keys = {key for side in sides for key in side}
    amounts = [side.get(key, ZERO) for side in sides for key in keys] or [ZERO]
    return min(amounts), max(amounts)


def running(start: Amount, steps: Iterable[Amount], end: Amount) -> list[Decimal]:
    """The totals from start to end, one a step. Raises MedallionError when they miss the end."""
    totals = [cents(start)]
    for amount in steps:
        totals.append(totals[-1] + cents(amount))
    if totals[-1] != cents(end):
        raise MedallionError(
            f"The steps lead from {dollars(totals[0])} to {dollars(totals[-1])}, not to "
            f"{dollars(cents(end))}: pass every payment that differs between the two instants."
        )
    return totals


def ranked(amounts: Money) -> list[Any]:
    """The keys, most money first; equal ones by number, None last."""
    return sorted(amounts, key=lambda key: (-amounts[key], key is None, key or 0))


def winners(amounts: Money) -> list[int]:
    """Every store with the highest revenue; none when nothing was earned."""
    best = max((amount for store, amount in amounts.items() if store is not None), default=ZERO)
    return [store for store in ranked(amounts) if store is not None and amounts[store] == best > 0]


def store_name(store: int | None) -> str:
    return "No store" if store is None else f"Store {store}"


def stores(numbers: Collection[int | None]) -> str:
    *others, last = map(store_name, numbers)
    if not others:
        return last.lower()
    return "stores " + (", ".join(others) + " and " + last).replace("Store ", "")


def verdict(then: Money, now: Money, by: str) -> str:
    """Who won June then and who wins it now, ties and empty months included."""
    first, second = winners(then), winners(now)
    if not first:
        return f"{by}, no store had any June revenue."
    past = f"{by}, {stores(first)} {'tied for' if first[1:] else 'won'} June."
    if first == second:
        return f"{past} Today too."
    if not second:
        return f"{past} Today, nobody did."
    verb = "tie" if second[1:] else "won it" if first[1:] else "did"
    return f"{past} Today, {stores(second)} {verb}."


def growth(subject: str, first: Decimal, last: Decimal) -> str:
    way = "grew" if last > first else "shrank" if last < first else "changed"
    return f"{subject} {way} by {dollars(abs(last - first))} after the board pack"


def movement(then: Money, still: Money, before: Money, after: Money, on: str) -> str:
    """Which stores a correction moved today, and whether the past stayed as it was."""
    changes = {store: amount for store, amount in change(before, after).items() if amount}
    stayed = then == still
    if not changes:
        return "Nothing moved." if stayed else f"Only {on} moved, and it must not."
    how = f" by {dollars(*changes.values(), '+')}" if len(changes) == 1 else ""
    who = stores(sorted(changes, key=lambda store: store or 0)).capitalize()
    return f"{who} moved{how}. {on} {'did not' if stayed else 'moved too, and must not'}."


def best(amounts: Money) -> list[Any]:
    """Every key with the most money; none when nothing was earned."""
    most = max(amounts.values(), default=ZERO)
    return [key for key in ranked(amounts) if amounts[key] == most > 0]
