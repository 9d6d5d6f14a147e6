"""Customers over the year: they join, move, change their details, pause and come back."""

from collections.abc import Callable
from functools import partial

import season
import words
from opening import email, home
from shop import Customer, Shop

MOVES, MAILS, NAMES, PAUSES, JOINS = 1030, 2700, 260, 500, 119


def settle(shop: Shop) -> None:
    """The opening customers take their places; the year's changes are planned."""
    for number, store, first, last, mail, *_ in shop.stock.tables["customer"]:
        _enroll(shop, int(str(number)), int(str(store)), str(first), str(last), str(mail))
    for _ in range(JOINS * shop.scale):
        shop.plan(season.office(shop.dice, shop.dice.below(360)), partial(join, shop))
    for count, action in ((MOVES, move), (MAILS, new_mail), (NAMES, new_name)):
        for _ in range(count * shop.scale):
            shop.plan(_daytime(shop), partial(_someone, shop, action))
    for _ in range(PAUSES * shop.scale):
        at = season.office(shop.dice, shop.dice.between(4, 330))
        shop.plan(at, partial(_someone, shop, pause))
    _script(shop)


def _script(shop: Shop) -> None:
    """Customer 42 moves, changes e-mail, leaves, comes back; 317 leaves for good."""
    someone = shop.customers[41]
    for at, action in (
        (season.instant(2, 11, 15, 12, 20), move),
        (season.instant(3, 21, 18, 40, 51), new_mail),
        (season.instant(4, 17, 17, 5, 33), leave),
        (season.instant(5, 22, 16, 31, 8), come_back),
        (season.instant(8, 14, 12, 47, 15), move),
        (season.instant(10, 3, 19, 22, 44), new_mail),
    ):
        shop.plan(at, partial(action, shop, someone))
    shop.plan(season.instant(10, 9, 13, 18, 27), partial(leave, shop, shop.customers[316]))


def _daytime(shop: Shop) -> int:
    return season.office(shop.dice, shop.dice.below(365))


def _someone(shop: Shop, action: Callable[[Shop, Customer, int], None], at: int) -> None:
    customer = shop.dice.pick(shop.customers)
    while not customer.active or customer.number in shop.scripted:
        customer = shop.dice.pick(shop.customers)
    action(shop, customer, at)


def _enroll(shop: Shop, number: int, store: int, first: str, last: str, mail: str) -> None:
    customer = Customer(number, store, first, last, mail, shop.dice.between(1, 7))
    customer.on_account = shop.dice.percent(82)
    shop.customers.append(customer)
    shop.members[store].append(customer)


def join(shop: Shop, at: int) -> None:
    store = shop.dice.wheel(shop.places) + 1
    first, last = shop.dice.pick(words.FIRST_NAMES), shop.dice.pick(words.LAST_NAMES)
    mail, number = email(shop.dice, first, last), len(shop.customers) + 1
    shop.addresses += 1
    detail = {"first_name": first, "last_name": last, "email": mail,
              **home(shop.dice, shop.stock, store)}
    shop.log(at, "join", customer_id=number, store_id=store, address_id=shop.addresses,
             detail=detail)
    _enroll(shop, number, store, first, last, mail)


def move(shop: Shop, customer: Customer, at: int) -> None:
    """A new address; one in eight is near another store and changes to it."""
    shop.addresses += 1
    fields: dict[str, object] = {"customer_id": customer.number, "address_id": shop.addresses}
    store = shop.dice.wheel(shop.places) + 1
    if store != customer.store and customer.number not in shop.scripted and shop.dice.percent(14):
        shop.members[customer.store].remove(customer)
        shop.members[store].append(customer)
        customer.store = fields["store_id"] = store
    shop.log(at, "move", **fields, detail=home(shop.dice, shop.stock, customer.store))


def _change(shop: Shop, customer: Customer, at: int, **detail: object) -> None:
    shop.log(at, "change", customer_id=customer.number, detail=detail)


def new_mail(shop: Shop, customer: Customer, at: int) -> None:
    mail = customer.email
    while mail == customer.email:
        mail = email(shop.dice, customer.first, customer.last)
    customer.email = mail
    _change(shop, customer, at, email=mail)


def new_name(shop: Shop, customer: Customer, at: int) -> None:
    """A marriage or a divorce brings an e-mail address with it; an initial comes or goes alone."""
    if shop.dice.percent(15):
        first, _, initial = customer.first.partition(" ")
        customer.first = first if initial else f"{first} {shop.dice.pick('ABCDEFGHJKLMNPRSTW')}."
        return _change(shop, customer, at, first_name=customer.first)
    last = customer.last
    while last == customer.last:
        last = shop.dice.pick(words.LAST_NAMES)
    customer.last, customer.email = last, email(shop.dice, customer.first, last)
    return _change(shop, customer, at, last_name=last, email=customer.email)


def pause(shop: Shop, customer: Customer, at: int) -> None:
    """Every pause ends within the year."""
    leave(shop, customer, at)
    day = at // season.DAY + shop.dice.between(5, 30)
    shop.plan(season.office(shop.dice, day), partial(come_back, shop, customer))


def leave(shop: Shop, customer: Customer, at: int) -> None:
    customer.active = False
    _change(shop, customer, at, activebool=False)


def come_back(shop: Shop, customer: Customer, at: int) -> None:
    customer.active = True
    _change(shop, customer, at, activebool=True)
