"""The shops at work: visits, rentals, payments, returns, copies and prices, second by second."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import season
from dice import Dice, cumulative
from opening import STORE_WEIGHTS, Film, Stock, money

JUNE = (season.instant(6, 1), season.instant(7, 1))
# Where store 5 less store 2 should stand, in cents, before the story moves a few payments.
JUNE_AIM = -6_300


@dataclass(eq=False)
class Payment:
    """A payment, numbered only when all are known; money in cents."""

    rental: int
    customer: int
    staff: int
    store: int
    amount: int
    at: int
    kind: str = "pay"
    settled: bool = False  # something else refers to it: leave it as it is
    number: int = 0


@dataclass(eq=False)
class Event:
    at: int
    kind: str
    fields: dict[str, object]
    payment: Payment | None = None


@dataclass(eq=False)
class Customer:
    number: int
    store: int
    first: str
    last: str
    email: str
    keen: int
    active: bool = True
    on_account: bool = False


@dataclass(eq=False)
class Rental:
    number: int
    copy: int
    film: Film
    store: int
    customer: Customer
    rate: int
    at: int


@dataclass
class Shop:
    """The state of the business as the year goes by, and the events that made it."""

    stock: Stock
    dice: Dice
    scale: int
    events: list[Event] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    customers: list[Customer] = field(default_factory=list)
    members: dict[int, list[Customer]] = field(default_factory=dict)
    shelf: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    out: dict[int, Rental] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    scripted: set[int] = field(default_factory=lambda: {42, 317})  # nothing happens by chance
    copies: int = 0
    addresses: int = 0
    rentals: int = 0
    june: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(1, 8), 0))
    places: list[int] = field(default_factory=lambda: cumulative(STORE_WEIGHTS))
    charts: list[list[int]] = field(default_factory=list)
    _agenda: list[tuple[int, int, Callable[[int], object]]] = field(default_factory=list)
    _planned: int = 0

    def __post_init__(self) -> None:
        self.films = {film.film_id: film for film in self.stock.films}
        self.members = {store: [] for store in range(1, 8)}
        for copy, film, store in self.stock.tables["inventory"]:
            self.shelf.setdefault((int(str(store)), int(str(film))), []).append(int(str(copy)))
        self.copies = len(self.stock.tables["inventory"])
        self.addresses = len(self.stock.tables["address"])
        for _ in range(12):  # every month has its hits
            hits = set(self.dice.some(self.stock.films, 9))
            self.charts.append(cumulative(
                [film.weight * (6 if film in hits else 1) for film in self.stock.films]))

    def plan(self, at: int, action: Callable[[int], object]) -> None:
        """Have something happen at an instant; what lies beyond the year never does."""
        self._planned += 1
        if at < season.END:
            heapq.heappush(self._agenda, (at, self._planned, action))

    def run(self) -> None:
        while self._agenda:
            at, _, action = heapq.heappop(self._agenda)
            action(at)

    def log(self, at: int, kind: str, **fields: object) -> None:
        self.events.append(Event(at, kind, fields))

    def film_in_demand(self, at: int) -> Film:
        return self.stock.films[self.dice.wheel(self.charts[season.month_of(at) - 1])]

    def store_visited(self, at: int) -> int:
        """By size; late in June the two leaders draw level."""
        store = self.dice.wheel(self.places) + 1
        if store in (2, 5) and JUNE[0] + 12 * season.DAY < at < JUNE[1] and self.dice.percent(80):
            return 2 if self.june[5] - self.june[2] > JUNE_AIM else 5
        return store

    def visit(self, at: int) -> None:
        """Someone comes in and takes one to three films home."""
        store = self.store_visited(at)
        home = store if self.dice.percent(95) else self.dice.wheel(self.places) + 1
        customer = self.dice.pick(self.members[home])
        while not (customer.active and self.dice.below(7) < customer.keen):
            customer = self.dice.pick(self.members[home])
        staff = self.dice.pick(self.stock.staff[store])
        for _ in range(self.dice.pick((1, 1, 1, 1, 1, 1, 2, 2, 2, 3))):
            self.plan(at, partial(self.rent, customer, store, staff))
            at += self.dice.between(8, 40)

    def rent(self, customer: Customer, store: int, staff: int, at: int) -> None:
        film = self.film_in_demand(at)
        tries = 60
        while not self.shelf.get((store, film.film_id)) and tries:
            film, tries = self.film_in_demand(at), tries - 1
        if not tries or not customer.active:
            return
        copy = self.shelf[store, film.film_id].pop()
        self.rentals += 1
        rental = Rental(self.rentals, copy, film, store, customer, film.rate, at)
        self.out[rental.number] = rental
        self.log(at, "rent", rental_id=rental.number, inventory_id=copy,
                 customer_id=customer.number, staff_id=staff)
        self._charge(rental, staff)

    def _charge(self, rental: Rental, staff: int) -> None:
        """Plan the return and what is paid: at once or at the return, late days on top."""
        returned = season.back(self.dice, rental.at)
        late_hours = (returned - rental.at) // 3600 - rental.film.days * 24
        fee = 100 * max(0, (late_hours - 24) // 24 + 1) if late_hours > 24 else 0
        self.plan(returned, partial(self.bring_back, rental))
        later = returned + self.dice.between(9, 75)
        if rental.customer.on_account:
            self._ask(rental, self.dice.pick(self.stock.staff[rental.store]),
                      rental.rate + fee, later)
            return
        self._ask(rental, staff, rental.rate, rental.at + self.dice.between(45, 110))
        if fee:
            self._ask(rental, self.dice.pick(self.stock.staff[rental.store]), fee, later)

    def _ask(self, rental: Rental, staff: int, amount: int, at: int) -> None:
        """Plan a payment: some use up a few cents of credit, a few pay in two parts."""
        if amount > 100 and self.dice.percent(6):
            amount -= self.dice.between(5, 95)
        if JUNE[0] <= at < JUNE[1]:
            self.june[rental.store] += amount
        parts = [amount]
        if amount > 300 and self.dice.percent(1):
            first = 50 * self.dice.between(1, amount // 50 - 1)
            parts = [first, amount - first]
        for part in parts:
            self.plan(at, partial(self.pay, rental, staff, part))
            at += self.dice.between(15, 50)

    def pay(self, rental: Rental, staff: int, amount: int, at: int) -> None:
        """A payment happens, unless its film was lost; one in a hundred is soon given back."""
        if rental.number in self.lost:
            return
        payment = self.post(rental, staff, amount, at)
        if self.dice.percent(1):
            payment.settled = True
            day = at // season.DAY + self.dice.between(1, 5)
            part = amount if self.dice.percent(60) else (amount + 1) // 2
            self.plan(season.office(self.dice, day) + 3600,
                      partial(self.post, rental, staff, -part))

    def post(self, rental: Rental, staff: int, amount: int, at: int) -> Payment:
        payment = Payment(rental.number, rental.customer.number, staff, rental.store, amount, at,
                          "refund" if amount < 0 else "pay", amount < 0)
        self.payments.append(payment)
        self.events.append(Event(at, payment.kind, {}, payment))
        return payment

    def bring_back(self, rental: Rental, at: int) -> None:
        if self.out.pop(rental.number, None):
            self.shelf.setdefault((rental.store, rental.film.film_id), []).append(rental.copy)
            self.log(at, "return", rental_id=rental.number)

    def lose(self, store: int, at: int) -> Payment | None:
        """A customer owns up to a lost disc and pays for it: the dearest one that is out."""
        overdue = [rental for rental in self.out.values()
                   if rental.store == store and rental.at + rental.film.days * season.DAY < at]
        if not overdue:
            return None
        rental = max(overdue, key=lambda each: (each.film.replacement, -each.number))
        amount = rental.film.replacement + (rental.rate if rental.customer.on_account else 0)
        payment = self.post(rental, self.dice.pick(self.stock.staff[store]), amount, at)
        payment.settled = True
        self.lost.add(rental.number)
        del self.out[rental.number]
        return payment

    def reprice(self, rates: dict[int, int], at: int) -> None:
        for film, rate in rates.items():
            self.films[film].rate = rate
        self.log(at, "reprice", detail={str(film): money(rate) for film, rate in rates.items()})
