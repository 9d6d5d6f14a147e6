"""The demo's figures: the month that changed, and why, and what else changed with it."""

from decimal import Decimal
from textwrap import wrap
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from . import findings as say
from .figure import INK, NOW, REST, THEN, Picture, Place, head, line, mark, picture, scale, write
from .findings import ZERO, Amount, Money

Pair = tuple[pd.DataFrame, pd.DataFrame]


def june(
    then: pd.DataFrame,
    now: pd.DataFrame,
    *,
    alt: str,
    by: str = "By the board pack",
    then_label: str = "Board pack, 1 July",
    now_label: str = "Dashboard, today",
) -> Picture:
    """Revenue by store (store_id, total_revenue), ranked then and ranked now; lines join a store.

    Where `then` has a column as_of, with the instant that its query asked about, the labels name
    this instant. A store that one side lacks counts as $0.00: the warehouse knew of no payment.
    """
    then, now = say.frame(then), say.frame(now)
    if "as_of" in then:
        by = then_label = f"As of {say.instant(then)}"
    before, after = say.money(then, "store_id"), say.money(now, "store_id")
    moved_by = say.change(before, after)
    left, right = (say.ranked(dict.fromkeys(moved_by, ZERO) | side) for side in (before, after))
    best = {*say.winners(before), *say.winners(after)}

    def draw(axes: Axes) -> None:
        head(axes, 12, then_label, THEN)
        head(axes, 424, now_label, NOW)
        for rank, store in enumerate(left):
            y, other = 92 + 34 * rank, 92 + 34 * right.index(store)
            told = store in best
            line(axes, (240, 397), (y, other), INK if told else REST, 3 if told else 1.5)
            _entry(axes, 12, y, store, before, "o", THEN)
            _entry(axes, 424, other, store, after, "s", NOW)
            text = say.dollars(moved_by[store], "+") if moved_by[store] else "same"
            write(axes, 748, other, text, ha="right", bold=told, soft=not told)

    return picture(78 + 34 * len(left), alt, say.verdict(before, after, by), draw)


def _entry(
    axes: Axes, x: float, y: float, store: int | None, side: Money, shape: str, color: str
) -> None:
    """A store in one of the two rankings, its mark on the inner side, a star if it leads."""
    wins = store in say.winners(side)
    write(axes, x, y, say.store_name(store), bold=wins)
    write(axes, x + 200, y, say.dollars(side.get(store, ZERO)), ha="right", bold=wins)
    dot = x + 214 if shape == "o" else x - 14
    mark(axes, dot, y, "*" if wins else shape, color, size=22 if wins else 10)


def waterfall(
    steps: pd.DataFrame,
    start: tuple[str, Amount],
    end: tuple[str, Amount],
    *,
    alt: str,
    subject: str,
    note: str = "",
) -> Picture:
    """From start to end, each (label, amount), by the steps (label, amount) in their order.

    A positive step points up, a negative one down. Raises MedallionError when the steps don't add
    up to the difference, to the cent.
    """
    running = say.running(start[1], steps["amount"], end[1])
    low, high = _span(running)
    at, pitch = scale(low, high, 258, 100), 736 / (len(running) + 1)

    def draw(axes: Axes) -> None:
        write(axes, 12, 52, note, soft=True, room=736)
        line(axes, (12, 748), (at(max(low, ZERO)),) * 2)
        moves = zip(steps["label"], running[:-1], running[1:], strict=True)
        for place, (label, old, new) in enumerate(moves, 1):
            _step(axes, 12 + pitch * (place + 0.5), pitch * 0.3, label, old, new, at)
        _total(axes, 12 + pitch / 2, pitch * 0.3, *start, at, low, THEN)
        _total(axes, 748 - pitch / 2, pitch * 0.3, *end, at, low, NOW)
        if low > 0:
            text = f"Both totals are cut off below ${low:,.0f}; the steps are to scale."
            write(axes, 12, 326, text, soft=True, room=736)

    title = say.growth(subject, running[0], running[-1])
    return picture(342 if low > 0 else 314, alt, title, draw)


def lead(
    then: pd.DataFrame, now: pd.DataFrame, changed: pd.DataFrame, *, alt: str,
    store: int = 5, over: int = 2,
) -> Picture:  # fmt: skip
    """How a store lost its lead over another between two rankings, by kind of change.

    `changed` holds each payment that differs between them (store_id, kind, difference), the largest
    first, and what the note says of that one: customer, amount, posted.
    """
    ends = [_lead(say.money(say.frame(frame), "store_id"), store, over) for frame in (then, now)]
    payments = say.frame(changed)
    effect = payments["store_id"].map({store: 1, over: -1}).fillna(0).astype(int)
    kinds = payments.assign(amount=payments["difference"].map(say.cents) * effect).groupby("kind")
    steps = kinds["amount"].agg(["sum", "size"]).sort_values("sum").reset_index()
    labels = [f"{size} {kind}" for kind, size in zip(steps["kind"], steps["size"], strict=True)]
    who = payments.iloc[0]
    note = f"Largest of {len(payments)}: {who.customer}, ${who.amount}, posted {who.posted:%-d %B}."
    return waterfall(
        pd.DataFrame({"label": labels, "amount": steps["sum"]}),
        ("Pack, 1 July", ends[0]), ("Today", ends[1]),
        alt=alt, subject=f"Store {store}'s lead over store {over}", note=note,
    )  # fmt: skip


def _lead(revenue: Money, store: int, over: int) -> Decimal:
    return revenue.get(store, ZERO) - revenue.get(over, ZERO)


def _span(running: list[Decimal]) -> tuple[Decimal, Decimal]:
    """The part of the scale to show: from zero, unless the steps would then be too small."""
    low, high = min(running), max(running)
    room = high - low
    if low <= 0 or room > low / 2:
        return min(low, ZERO), max(high, ZERO)
    unit = Decimal(10) if room < 200 else Decimal(100)
    return max((low - room / 2) // unit * unit, ZERO), high


def _total(
    axes: Axes,
    x: float,
    half: float,
    label: str,
    amount: Amount,
    at: Place,
    low: Decimal,
    color: str,
) -> None:
    """A total as a bar from the zero line, or from a cut, which two slashes show."""
    foot, top = at(max(low, ZERO)), at(say.cents(amount))
    axes.fill([x - half, x - half, x + half, x + half], [foot, top, top, foot], color=color)
    if low > 0:
        for y in (foot - 12, foot - 18):
            line(axes, (x - half - 6, x + half + 6), (y + 4, y - 4), INK)
    write(axes, x, min(foot, top) - 13, say.dollars(say.cents(amount)), ha="center", bold=True)
    _label(axes, x, half, label, bold=True)


def _step(
    axes: Axes, x: float, half: float, label: str, old: Decimal, new: Decimal, at: Place
) -> None:
    """A step as a block that points up, filled, or down, hollow; a line leads to it."""
    tail, tip = at(old), at(new)
    neck = tip + max(-12, min(12, tail - tip))
    axes.fill(
        [x - half, x - half, x, x + half, x + half],
        [tail, neck, tip, neck, tail],
        facecolor=REST if new > old else "none",
        edgecolor=INK,
        linewidth=1.5,
    )
    line(axes, (x - half * 2.33, x + half), (tail, tail), INK, 1)
    write(axes, x, min(tail, tip) - 13, say.dollars(new - old, "+"), ha="center", bold=True)
    _label(axes, x, half, label)


def _label(axes: Axes, x: float, half: float, text: str, bold: bool = False) -> None:
    for row, part in enumerate(wrap(text, 12)[:2]):
        write(axes, x, 280 + 19 * row, part, ha="center", bold=bold, room=half * 3.2)


def moved(
    then: pd.DataFrame,
    still: pd.DataFrame,
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    alt: str,
    on: str = "1 July",
) -> Picture:
    """What a live correction moved. Every frame: store_id, total_revenue.

    `then` and `still` are the same AS OF query, asked before the correction and after it; `before`
    and `after` the same query of today's state. The title says which of them changed.
    """
    frames = [say.frame(each) for each in (then, still, before, after)]
    on = say.day(frames[1]) or on
    first, past, old, new = (say.money(frame, "store_id") for frame in frames)
    rows = say.ranked(dict.fromkeys(say.change(old, new), ZERO) | past)
    low, high = say.extent(past, old, new)
    at = scale(low, high, 250, 610)
    foot = 100 + 30 * len(rows)

    def draw(axes: Axes) -> None:
        head(axes, 12, f"As of {on}", THEN, "o")
        head(axes, 672, "today", NOW, "s")
        line(axes, (232, 628), (foot - 20,) * 2)
        for tick in MaxNLocator(4, steps=[1, 2.5, 5, 10]).tick_values(float(low), float(high)):
            if low <= tick <= high:
                line(axes, (at(tick),) * 2, (foot - 20, foot - 13))
                write(axes, at(tick), foot, f"${tick:,.0f}", ha="center", soft=True)
        for place, store in enumerate(rows):
            amounts = [side.get(store, ZERO) for side in (past, old, new)]
            _row(axes, 92 + 30 * place, store, *amounts, at)

    return picture(foot + 12, alt, say.movement(first, past, old, new, on), draw)


def _row(
    axes: Axes, y: float, store: int | None, past: Decimal, old: Decimal, new: Decimal, at: Place
) -> None:
    """A store: then above the line, today below it, an arrow and its amount if today changed."""
    bold = old != new
    write(axes, 12, y, say.store_name(store), bold=bold)
    write(axes, 212, y, say.dollars(past), ha="right")
    write(axes, 748, y, say.dollars(new), ha="right", bold=bold)
    mark(axes, at(past), y - 6, "o", THEN, size=11)
    mark(axes, at(new), y + 6, "s", NOW)
    if not bold:
        line(axes, (232, 628), (y, y))
        return
    mark(axes, at(old), y + 6, "s", NOW, hollow=True)
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 2, "shrinkA": 6, "shrinkB": 5}
    axes.annotate("", (at(new), y + 6), (at(old), y + 6), arrowprops=arrow)
    left, right = sorted([at(old), at(new)])
    after = right < 520  # room for the amount
    line(axes, (232, right) if after else (left, 628), (y, y))
    x, ha = (right + 14, "left") if after else (left - 14, "right")
    write(axes, x, y + 3, say.dollars(new - old, "+"), ha=ha, bold=True)


def three_marts(
    revenue: Pair, titles: Pair, scorecard: Pair, *, alt: str, on: str = "1 July"
) -> Picture:
    """The three marts for June, each a pair of frames (then, now).

    Revenue needs store_id, total_revenue; titles film_id, title, total_revenue; the scorecard
    business_date, daily_revenue, added up over the stores it is given. Pass every title, not the
    first few: the ranks are made here.
    """
    on = say.day(revenue[0]) or on
    money = [say.money(frame, "store_id") for frame in revenue]
    films = [say.money(frame, "film_id") for frame in titles]
    names = dict(zip(films[1], titles[1]["title"], strict=True))
    days = [say.by_day(frame) for frame in scorecard]

    def draw(axes: Axes) -> None:
        head(axes, 12, f"As of {on}", THEN, "o")
        head(axes, 190, "today", NOW, "s")
        _revenue_panel(axes, *money)
        _titles_panel(axes, *films, names)
        _days_panel(axes, *days)

    changed = sum(then != now for then, now in (money, films, days))
    count = ("no mart", "one of three marts", "two of three marts", "all three marts")[changed]
    return picture(355, alt, f"June, then and now: {count} changed", draw)


def _panel(axes: Axes, x: float, finding: str, what: str, room: float) -> None:
    write(axes, x, 87, finding, bold=True, room=room)
    write(axes, x, 108, what, soft=True, room=room)


def _revenue_panel(axes: Axes, then: Money, now: Money) -> None:
    first, second = say.winners(then), say.winners(now)
    finding = say.stores(second).capitalize() if second else "No store"
    finding += f", not {say.stores(first)}" if first and first != second else ""
    _panel(axes, 12, finding, "won June by revenue", 205)
    low, high = say.extent(then, now)
    at = scale(low, high, 92, 202)
    for end, ha in {low: "left", high: "right"}.items():
        line(axes, (at(end),) * 2, (323, 330))
        write(axes, at(end) + (-8 if ha == "left" else 8), 343, f"${end:,.0f}", ha=ha, soft=True)
    for place, store in enumerate(say.ranked(say.change({}, now) | then)):
        y = 143 + 28 * place
        write(axes, 12, y, say.store_name(store), bold=store in {*first, *second})
        line(axes, (84, 212), (y, y))
        for side, wins, shape, color, dy in (
            (then, first, "o", THEN, -6),
            (now, second, "s", NOW, 6),
        ):
            shape, size = ("*", 18) if store in wins else (shape, 9)
            mark(axes, at(side.get(store, ZERO)), y + dy, shape, color, size=size)


def _titles_panel(axes: Axes, then: Money, now: Money, names: dict[int | None, str]) -> None:
    """The five best titles; a line to or from below the fifth ends at the rank there."""
    ranks = [[film for film in say.ranked(side) if film is not None] for side in (then, now)]
    old, new = (films[:5] for films in ranks)
    moves = sum(film not in old or old.index(film) != new.index(film) for film in new)
    _panel(axes, 242, f"{moves} of {len(new)} moved", "among the top titles", 300)
    y = scale(0, 4, 146, 310)
    for film in dict.fromkeys(new + old):
        was, is_ = (side.index(film) if film in side else 4.5 for side in (old, new))
        line(axes, (248, 292), (y(was), y(is_)), *((REST, 1.5) if was == is_ else (INK, 2.5)))
        if film in old:
            mark(axes, 248, y(was), "o", THEN)
        if film in new:
            mark(axes, 292, y(is_), "s", NOW)
            gain = now[film] - then.get(film, ZERO)
            write(axes, 307, y(is_) - 9, names[film], room=232)
            text = f"{say.dollars(now[film])}  {say.dollars(gain, '+') if gain else 'same'}"
            write(axes, 307, y(is_) + 10, text, soft=True)
    for x, films, others in ((248, ranks[0], new), (292, ranks[1], old)):
        write(axes, x, 343, _below(films, others), ha="center")


def _below(films: list[Any], others: list[Any]) -> str:
    """The rank of what is below the fifth of the films, and among the others; of several, none."""
    lower = [film for film in others if film not in films[:5]]
    known = [f"#{films.index(film) + 1}" for film in lower if film in films]
    return known[0] if len(known) == len(lower) == 1 else "lower" * bool(lower)


def _days_panel(axes: Axes, then: Money, now: Money) -> None:
    """Now less then for each day, about a line in then's colour."""
    changes = say.change(then, now)
    some = [day for day in changes if changes[day]]
    _panel(axes, 565, f"{len(some)} of {len(changes)} days", "changed in revenue", 185)
    if not some:
        return
    best = max(some, key=lambda day: abs(changes[day]))
    x = scale(min(changes).day, max(changes).day, 571, 742)
    y = scale(*say.extent(changes, {None: ZERO}), 290, 166)
    line(axes, (565, 748), (y(0), y(0)), THEN, 3)
    write(axes, 559, y(0), "$0", ha="right", soft=True)
    for day, ha in ((min(changes), "left"), (max(changes), "right")):
        write(axes, x(day.day), 343, f"{day.day} {day:%B}", ha=ha, soft=True)
    for day in some:
        line(axes, (x(day.day),) * 2, (y(0), y(changes[day])), NOW, 2)
        mark(axes, x(day.day), y(changes[day]), "s", NOW, size=8)
    text = f"{say.dollars(changes[best], '+')} on {best.day} {best:%B}"
    write(axes, 656, 143 if changes[best] > 0 else 316, text, ha="center", room=185)
