"""The plan of the year: visits, copies bought and moved, price waves, one film withdrawn."""

from functools import partial

import people
import season
from dice import Dice
from opening import Film, Stock
from shop import Payment, Shop

VISITS, BOUGHT, LOST, TRANSFERS = 10_450, 181, 24, 10
WITHDRAWN_AT = season.instant(9, 12, 11, 24, 31)
# Instant, films released before which year, new rate by old rate (cents).
WAVES = (
    (season.instant(2, 6, 6, 30, 12), 2023, {499: 449, 399: 349}),
    (season.instant(5, 15, 6, 30, 17), 2016, {99: 129, 149: 179, 199: 229, 249: 279}),
    (season.instant(9, 4, 6, 30, 9), 2024, {499: 449, 449: 399, 399: 379}),
    (season.instant(11, 13, 6, 30, 21), 2020, {129: 149, 179: 199, 229: 249, 299: 319, 349: 369}),
)


def play(stock: Stock, dice: Dice, scale: int) -> tuple[Shop, Payment]:
    """A year of business, and the lost disc paid for at store 2 on the last evening of June."""
    shop = Shop(stock, dice, scale)
    people.settle(shop)
    for at in season.visits(dice, VISITS * scale):
        shop.plan(at, shop.visit)
    for _ in range(BOUGHT * scale):
        shop.plan(season.office(dice, dice.below(330)), partial(_buy, shop))
    for _ in range(LOST * scale):
        at = dice.between(20, 360) * season.DAY + season.evening(dice)
        shop.plan(at, partial(_lose_anywhere, shop))
    for number in range(TRANSFERS):
        shop.plan(season.office(dice, 75 + 21 * number), partial(_transfer, shop))
    for at, before, rates in WAVES:
        shop.plan(at, partial(_wave, shop, before, rates))
    dead = [film for film in stock.films if not film.weight and film.release_year < 2000]
    shop.plan(WITHDRAWN_AT, partial(_withdraw, shop, dead[len(dead) // 2]))
    paid: list[Payment] = []
    shop.plan(season.instant(6, 30, 21, 52, 18), partial(_lose_for_the_story, shop, paid))
    shop.run()
    return shop, paid[0]


def _lose_for_the_story(shop: Shop, paid: list[Payment], at: int) -> None:
    """Whoever pays is named in the story, and so keeps that name."""
    payment = shop.lose(2, at)
    if not payment:
        raise RuntimeError("no film is overdue at store 2 on 30 June; choose another seed")
    shop.scripted.add(payment.customer)
    paid.append(payment)


def _lose_anywhere(shop: Shop, at: int) -> None:
    """Lost discs, but for those June keeps for its story."""
    if not season.instant(6, 20) < at < season.instant(7, 1):
        shop.lose(shop.dice.wheel(shop.places) + 1, at)


def _buy(shop: Shop, at: int) -> None:
    film, store = shop.film_in_demand(at), shop.dice.wheel(shop.places) + 1
    shop.copies += 1
    shop.shelf.setdefault((store, film.film_id), []).append(shop.copies)
    shop.log(at, "buy", inventory_id=shop.copies, film_id=film.film_id, store_id=store)


def _transfer(shop: Shop, at: int) -> None:
    """The copy last on its shelf, of a film in demand, goes to another store and is next there."""
    stores: list[int] = []
    while not stores:
        film = shop.film_in_demand(at)
        stores = [store for store in range(1, 8) if shop.shelf.get((store, film.film_id))]
    source = shop.dice.pick(stores)
    target = (source + shop.dice.below(6)) % 7 + 1
    copy = shop.shelf[source, film.film_id].pop()
    shop.shelf.setdefault((target, film.film_id), []).append(copy)
    shop.log(at, "transfer", inventory_id=copy, store_id=target)


def _wave(shop: Shop, before: int, rates: dict[int, int], at: int) -> None:
    films = [film for film in shop.stock.films
             if film.release_year < before and film.rate in rates and shop.dice.percent(40)
             and film.film_id not in shop.gone]
    shop.reprice({film.film_id: rates[film.rate] for film in films}, at)


def _withdraw(shop: Shop, film: Film, at: int) -> None:
    shop.gone.add(film.film_id)
    shop.log(at, "withdraw", film_id=film.film_id)
