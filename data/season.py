"""The year's clock: how busy a day is, when people come, how long they keep a film.

An instant is the number of whole seconds since 2023-01-01 00:00 UTC.
"""

from datetime import UTC, datetime, timedelta

from dice import Dice, cumulative

DAY = 86_400
START = datetime(2023, 1, 1, tzinfo=UTC)
END = 365 * DAY

MONTHS = (104, 100, 98, 96, 93, 97, 90, 88, 93, 102, 112, 122)
WEEKDAYS = (75, 70, 80, 92, 150, 168, 112)
QUIET_DAYS = {(1, 1): 45, (7, 4): 60, (12, 24): 55, (12, 25): 15, (12, 31): 60}
HOURS = cumulative((2, 3, 5, 5, 5, 6, 8, 12, 16, 17, 13, 7, 2))  # from 10:00 to 22:59
OPENS, CLOSES = 10 * 3600, 22 * 3600 + 2700
# Share of the films back (per mille) by hours out.
BACK = ((0, 12), (10, 19), (250, 70), (500, 120), (750, 170), (990, 221), (1001, 320))


def instant(month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    moment = datetime(2023, month, day, hour, minute, second, tzinfo=UTC)
    return int((moment - START) / timedelta(seconds=1))


def stamp(at: int) -> str:
    return f"{START + timedelta(seconds=at):%Y-%m-%d %H:%M:%S}+00"


def month_of(at: int) -> int:
    return (START + timedelta(seconds=at)).month


def visits(dice: Dice, total: int) -> list[int]:
    """The instants of a year's visits: season, growth, weekends, evenings."""
    weights = []
    for day in range(365):
        date = START + timedelta(days=day)
        weight = MONTHS[date.month - 1] * WEEKDAYS[date.weekday()] * (1000 + 250 * day // 365)
        quiet = QUIET_DAYS.get((date.month, date.day), 100)
        weights.append(weight * quiet * dice.between(86, 114))
    sums = [0, *cumulative(weights)]
    shares = [total * each // sums[-1] for each in sums]
    return sorted(
        day * DAY + evening(dice)
        for day in range(365)
        for _ in range(shares[day + 1] - shares[day]))


def evening(dice: Dice) -> int:
    """A second of the day when people come to rent."""
    return OPENS + dice.wheel(HOURS) * 3600 + dice.below(3600)


def office(dice: Dice, day: int) -> int:
    """An instant of a day when someone is at a desk."""
    return day * DAY + 9 * 3600 + dice.below(11 * 3600)


def back(dice: Dice, rented: int) -> int:
    """When a film rented at that instant comes back, within opening hours."""
    share = dice.below(1_000_000)
    step = max(i for i, (edge, _) in enumerate(BACK) if edge * 1000 <= share)
    (low, least), (high, most) = BACK[step], BACK[step + 1]
    at = rented + least * 3600
    at += (most - least) * 3600 * (share - low * 1000) // ((high - low) * 1000)
    day, time = divmod(at, DAY)
    if time < OPENS:
        at = day * DAY + OPENS + dice.below(5400)
    elif time > CLOSES:
        at = day * DAY + CLOSES - dice.below(7200)
    return max(at, rented + 1800)
