"""The number that changed: what July's bookkeeping did to June, and the odd correction elsewhere.

Only the payments change here; rentals, customers and copies stay as the year left them.
"""

from collections.abc import Iterable
from dataclasses import replace

import season
from dice import Dice
from shop import JUNE, Event, Payment, Shop

GAP = 1120  # cents by which store 5 leads store 2 in June's board pack
LATE = 14
POSTED = season.instant(7, 9, 9, 41, 7)
# Store, instant in July, change in cents.
CORRECTIONS = (
    (5, season.instant(7, 5, 10, 12, 40), -200), (5, season.instant(7, 6, 16, 3, 22), -100),
    (3, season.instant(7, 10, 11, 27, 35), -50), (5, season.instant(7, 11, 9, 55, 14), -300),
    (2, season.instant(7, 13, 15, 48, 51), 200), (5, season.instant(7, 18, 13, 36, 9), -200),
    (5, season.instant(7, 20, 17, 20, 33), -100), (2, season.instant(7, 24, 10, 44, 28), 100),
)
VOIDS = (
    (5, season.instant(7, 12, 14, 5, 11)), (5, season.instant(7, 12, 14, 6, 38)),
    (5, season.instant(7, 12, 14, 8, 2)), (5, season.instant(7, 12, 14, 9, 47)),
    (6, season.instant(7, 19, 11, 31, 26)),
)


def tell(shop: Shop, lost: Payment, dice: Dice) -> None:
    """Rearrange the payments, so that the pack shows store 5 ahead by GAP and July undoes it."""
    _post_late(shop, lost)
    for store, at in VOIDS:
        first = season.instant(6, 16) if store == 5 else season.instant(6, 2)
        _charge_twice(shop, _choose(shop, dice, first, first + 3 * season.DAY, store), at)
    for store, at, change in CORRECTIONS:
        _correct(shop, _choose(shop, dice, JUNE[0], season.instant(6, 28), store), at, change)
    _ordinary(shop, dice)
    shop.events.sort(key=lambda event: event.at)
    _tune(shop)


def ledger(events: Iterable[Event], before: int) -> dict[Payment, int]:
    """What the books say just before an instant: each payment they hold, and its amount."""
    book: dict[Payment, int] = {}
    for event in events:
        if event.payment is None or event.at >= before:
            continue
        if event.kind == "void":
            del book[event.payment]
        else:
            book[event.payment] = int(str(event.fields.get("cents", event.payment.amount)))
    return book


def june(events: Iterable[Event], before: int) -> dict[int, tuple[int, int]]:
    """June's revenue in cents and number of payments by store, as the books say at an instant."""
    totals = dict.fromkeys(range(1, 8), (0, 0))
    for payment, amount in ledger(events, before).items():
        if JUNE[0] <= payment.at < JUNE[1]:
            revenue, count = totals[payment.store]
            totals[payment.store] = (revenue + amount, count + 1)
    return totals


def _in_june(payment: Payment) -> bool:
    return JUNE[0] <= payment.at < season.instant(6, 28)


def _post_late(shop: Shop, lost: Payment) -> None:
    """Store 2's terminal was offline at the end of June; what it held was posted on 9 July."""
    held = [paid for paid in shop.payments
            if paid.store == 2 and paid.at < JUNE[1] and not paid.settled][1 - LATE:]
    held = sorted([*held, lost], key=lambda paid: paid.at)
    for event in [event for event in shop.events if event.payment in held]:
        assert event.payment
        event.at = POSTED + 11 * held.index(event.payment)
        event.payment.at += event.payment.at % 60 == 0
        event.payment.settled = True
        event.fields["payment_date"] = season.stamp(event.payment.at)


def _choose(shop: Shop, dice: Dice, first: int, last: int, store: int | None = None) -> Payment:
    """A payment from first to last that nothing else refers to; from now on something does."""
    payment = dice.pick([paid for paid in shop.payments
                         if first < paid.at < last and not paid.settled
                         and store in (None, paid.store) and 399 <= paid.amount < 900])
    payment.settled = True
    return payment


def _correct(shop: Shop, payment: Payment, at: int, change: int) -> None:
    fields: dict[str, object] = {"cents": payment.amount + change}
    shop.events.append(Event(at, "correct", fields, payment))


def _charge_twice(shop: Shop, payment: Payment, voided: int) -> None:
    """The same charge again a few seconds later, and the instant it is found and voided."""
    again = replace(payment, at=payment.at + 7, settled=True)
    shop.payments.append(again)
    shop.events.append(Event(again.at, "pay", {}, again))
    shop.events.append(Event(voided, "void", {}, again))


def _ordinary(shop: Shop, dice: Dice) -> None:
    """Three corrections and a double charge a month, put right within the month."""
    for month in range(1, 13):
        first = season.instant(month, 2)
        for number in range(4):
            payment = _choose(shop, dice, first, first + 21 * season.DAY)
            at = season.office(dice, payment.at // season.DAY + dice.between(1, 3))
            if number:
                _correct(shop, payment, at, dice.pick((-200, -100, -50, 100)))
            else:
                _charge_twice(shop, payment, at)


def _tune(shop: Shop) -> None:
    """Credit used here and there by the leader's customers brings the gap to GAP, to the cent."""
    totals = june(shop.events, JUNE[1])
    excess = totals[5][0] - totals[2][0] - GAP
    store, excess = (5, excess) if excess > 0 else (2, -excess)
    pieces = excess // 60 + 1
    paid = [each for each in shop.payments
            if each.store == store and _in_june(each) and not each.settled and each.amount > 199]
    for piece in range(pieces):
        share = excess * (piece + 1) // pieces - excess * piece // pieces
        paid[len(paid) * piece // pieces].amount -= share
