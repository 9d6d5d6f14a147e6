"""Who the customers are: segments, cohorts, and whether a rule for churn held."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pandas as pd
from matplotlib.axes import Axes

from medallion_lib import MedallionError

from . import findings as say
from .figure import GOLD, INK, NOW, REST, Picture, block, line, mark, picture, scale, write

NAMES, PEOPLE, MONEY = 140, 160, 470  # where names end, and the two columns of bars begin
TOP, PITCH = 92, 44
MONTHS, STEP, ROW, SIZES = 150, 44, 36, 140  # the cohorts' bars, and where their sizes end


def segments(frame: pd.DataFrame, *, alt: str) -> Picture:
    """Customers and their money by segment (segment, customers, money), the most money first."""
    frame = frame.sort_values(["money", "customers", "segment"], ascending=[False, False, True])
    heads = [int(each) for each in frame["customers"]]
    money = [say.cents(each) for each in frame["money"]]
    people, total = max(sum(heads), 1), sum(money, Decimal(0)) or Decimal(1)
    wide = scale(0, 1, 0, 210)

    def draw(axes: Axes) -> None:
        write(axes, PEOPLE, 60, "customers", soft=True)
        write(axes, MONEY, 60, "their money", soft=True)
        for place, name in enumerate(frame["segment"]):
            y = TOP + PITCH * place
            shares = heads[place] / people, float(money[place] / total)
            write(axes, NAMES, y, name, ha="right", bold=True, room=NAMES - 12)
            block(axes, (PEOPLE, PEOPLE + wide(shares[0])), (y - 12, y + 12), REST)
            write(axes, PEOPLE + wide(shares[0]) + 8, y, f"{heads[place]:,} · {_share(shares[0])}")
            block(axes, (MONEY, MONEY + max(wide(shares[1]), 0)), (y - 12, y + 12), GOLD)
            sign = "−" if money[place] < 0 else ""
            text = f"{sign}${abs(money[place]):,.0f} · {sign}{_share(abs(shares[1]))}"
            write(axes, MONEY + max(wide(shares[1]), 0) + 8, y, text)

    rows = list(zip(frame["segment"], heads, money, strict=True))
    return picture(TOP + PITCH * max(len(rows), 1), alt, _dense(rows, people, total), draw)


def _share(part: float) -> str:
    """A share in percent; a small one is <1%, not 0%."""
    return "<1%" if 0 < part <= 0.005 else f"{part:.0%}"


def _dense(rows: Sequence[tuple[str, int, Decimal]], people: int, total: Decimal) -> str:
    """Name the segment whose share of the money exceeds its share of customers most."""
    if not rows:
        return "There are no customers"
    name, heads, money = max(rows, key=lambda row: float(row[2] / total) - row[1] / people)
    shares = f"{_share(heads / people)} of customers, {_share(float(money / total))} of the money"
    return f"{name.capitalize()}: {shares}"


def cohorts(frame: pd.DataFrame, *, alt: str) -> Picture:
    """How many of each cohort rent in each month (cohort_month, rental_month, customers).

    A cohort is those who first rented in one month. It has a row, and a bar for each month; a
    full bar is all of them.
    """
    months = sorted({_day(each) for each in frame["rental_month"]})
    counts = {(_day(cohort), _day(month)): int(customers) for cohort, month, customers in zip(
        frame["cohort_month"], frame["rental_month"], frame["customers"], strict=True)}  # fmt: skip
    begun = sorted({cohort for cohort, _ in counts})
    if any((cohort, cohort) not in counts for cohort in begun):
        raise MedallionError("A cohort has no row for its own first month, which is its size.")
    foot = TOP + ROW * len(begun)

    def draw(axes: Axes) -> None:
        write(axes, 12, 56, "First rental", soft=True)
        write(axes, MONTHS, 56, "Share of them that rents, month by month", soft=True)
        for down, cohort in enumerate(begun):
            size, y = counts[cohort, cohort], TOP + ROW * down + 20
            write(axes, 12, y - 11, f"{cohort:%B}")
            write(axes, SIZES, y - 11, f"{size:,}", ha="right", soft=True)
            line(axes, (MONTHS, MONTHS + STEP * len(months)), (y, y), REST, 1)
            for across, month in enumerate(months):
                share = counts.get((cohort, month), 0) / size
                left = MONTHS + STEP * across
                if month >= cohort:
                    color = REST if month == cohort else GOLD
                    block(axes, (left + 2, left + STEP - 2), (y - 28 * share, y), color)
        for across, month in enumerate(months):
            middle = MONTHS + STEP * (across + 0.5)
            write(axes, middle, foot + 16, f"{month:%b}", ha="center", size=14)

    return picture(foot + 36, alt, _kept(counts, begun, months), draw)


def _day(value: object) -> date:
    return pd.Timestamp(value).date()


def _kept(counts: dict[tuple[date, date], int], begun: list[date], months: list[date]) -> str:
    if not begun:
        return "There are no cohorts"
    first, last = begun[0], months[-1]
    size, left = counts[first, first], counts.get((first, last), 0)
    return f"Of {first:%B}'s cohort of {size}, {left} ({left / size:.0%}) rent in {last:%B}"


def churn(frame: pd.DataFrame, *, alt: str, on: str, by: str) -> Picture:
    """Whether a risk came true (churn_risk, customers, rented_again): who rented again, by risk.

    `on` and `by` name the instant of the risk and the end of the wait, as a reader says them.
    """
    rows = [(str(risk), int(customers), int(again)) for risk, customers, again in zip(
        frame["churn_risk"], frame["customers"], frame["rented_again"], strict=True)]  # fmt: skip
    left, right = 250, 640
    x = scale(0, 1, left, right)

    def draw(axes: Axes) -> None:
        write(axes, 12, 60, f"Risk as of {on}", soft=True)
        write(axes, left, 60, f"Share that rented again by {by}", soft=True)
        foot = TOP + PITCH * len(rows) - 12
        for share in (0, 0.5, 1):
            top = foot - 8 if share else TOP - 16  # no line through the numbers
            line(axes, (x(share), x(share)), (top, foot), REST, 1)
            write(axes, x(share), foot + 14, f"{share:.0%}", ha="center", size=14, soft=True)
        for place, (risk, customers, again) in enumerate(rows):
            y, share = TOP + PITCH * place, again / customers
            write(axes, 12, y, risk, bold=True)
            write(axes, left - 20, y, f"{customers:,} customers", ha="right", soft=True)
            line(axes, (x(0), x(share)), (y, y), INK, 2)
            mark(axes, x(share), y, "s", NOW, size=13)
            write(axes, x(share) + 14, y, f"{share:.0%}", bold=True)

    return picture(TOP + PITCH * len(rows) + 20, alt, _came_true(rows), draw)


def _came_true(rows: Sequence[tuple[str, int, int]]) -> str:
    shares = {risk: again / customers for risk, customers, again in rows}
    if not {"low", "high"} <= shares.keys():
        return "Whether a risk came true"
    return f"At low risk {shares['low']:.0%} rented again, at high risk {shares['high']:.0%}"
