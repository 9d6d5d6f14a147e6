"""The opening stock: every table of the source as of the evening of 2022-12-31."""

from dataclasses import dataclass, field

import words
from dice import Dice, cumulative

Row = tuple[object, ...]

STORE_WEIGHTS = (13, 19, 11, 10, 19, 12, 14)
STAFF_PER_STORE = (3, 3, 2, 2, 3, 2, 2)
FILMS = 1000
DEAD_FILMS = 60
HEADERS = {
    "country": "country_id,country",
    "city": "city_id,city,country_id",
    "address": "address_id,address,address2,district,city_id,postal_code,phone",
    "language": "language_id,name",
    "category": "category_id,name",
    "actor": "actor_id,first_name,last_name",
    "film": "film_id,title,description,release_year,language_id,original_language_id,"
    "rental_duration,rental_rate,length,replacement_cost,rating,special_features",
    "film_actor": "actor_id,film_id",
    "film_category": "film_id,category_id",
    "store": "store_id,manager_staff_id,address_id",
    "staff": "staff_id,first_name,last_name,address_id,email,store_id,active,username,password",
    "inventory": "inventory_id,film_id,store_id",
    "customer": "customer_id,store_id,first_name,last_name,email,address_id,activebool,"
    "create_date,active",
}


@dataclass(eq=False)
class Film:
    """A film as the year needs it; money in cents."""

    film_id: int
    release_year: int
    days: int
    rate: int
    replacement: int
    weight: int = 0


@dataclass
class Stock:
    """The opening tables, and the parts of them that the year plays with."""

    tables: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in HEADERS})
    films: list[Film] = field(default_factory=list)
    staff: dict[int, list[int]] = field(default_factory=dict)
    store_cities: dict[int, list[int]] = field(default_factory=dict)
    districts: dict[int, str] = field(default_factory=dict)


def money(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def email(dice: Dice, first: str, last: str) -> str:
    """One of the ways people write their name before the @."""
    first, number = first.split()[0], dice.between(2, 99)
    names = (f"{first}.{last}", f"{first[0]}.{last}", f"{first}{number}", f"{first}.{last}{number}",
             f"{last}{number}")
    return f"{dice.pick(names).lower()}@{dice.pick(words.MAIL_HOSTS)}"


def home(dice: Dice, stock: Stock, store: int) -> dict[str, object]:
    """An invented address near a store: the fields a join or a move carries."""
    cities = stock.store_cities[store]
    city = cities[0] if dice.percent(45) else dice.pick(cities)
    street = f"{dice.pick(words.STREETS)} {dice.pick(words.STREET_KINDS)}"
    return {
        "address": f"{dice.between(1, 480)} {street}",
        "district": stock.districts[city],
        "city_id": city,
        "postal_code": f"{city + 10:02d}{dice.below(1000):03d}",
        "phone": f"555-{dice.below(1000):03d}-{dice.below(10000):04d}",
    }


def build(dice: Dice, scale: int) -> Stock:
    stock = Stock()
    _geography(stock)
    _films(dice, stock)
    _cast(dice, stock)
    _stores(dice, stock)
    _inventory(dice, stock, scale)
    _customers(dice, stock, scale)
    return stock


def _geography(stock: Stock) -> None:
    countries = sorted({area[0] for area in words.AREAS})
    stock.tables["country"] = list(enumerate(countries, 1))
    for store, (country, district, *cities) in enumerate(words.AREAS, 1):
        stock.store_cities[store] = []
        for city in cities:
            number = len(stock.tables["city"]) + 1
            stock.tables["city"].append((number, city, countries.index(country) + 1))
            stock.store_cities[store].append(number)
            stock.districts[number] = district
    stock.tables["language"] = list(enumerate(words.LANGUAGES, 1))
    stock.tables["category"] = list(enumerate(words.CATEGORIES, 1))


def _title(dice: Dice) -> str:
    adjective, noun, other = (dice.pick(words.ADJECTIVES), dice.pick(words.NOUNS),
                              dice.pick(words.NOUNS))
    trade, place = dice.pick(words.TRADES), dice.pick(words.PLACES)
    first = dice.pick(words.FIRST_NAMES)
    shapes = (f"The {adjective} {noun}", f"The {adjective} {noun}", f"{adjective} {noun}",
              f"{adjective} {noun}", f"The {trade}'s {noun}", f"The {noun} at {place}",
              f"{noun} in {place}", f"{first}'s {noun}", f"The {place} {noun}",
              f"The {noun} and the {other}")
    title = dice.pick(shapes)
    return title if noun != other else f"The {adjective} {noun}"


def _rate(dice: Dice, release_year: int) -> int:
    if release_year >= 2022:
        return 499
    if release_year >= 2016:
        return dice.pick((399, 399, 349, 299))
    return dice.pick((299, 299, 249, 199, 149, 99))


def _features(dice: Dice) -> str | None:
    """A PostgreSQL array literal; a name with a space in it is quoted."""
    if dice.percent(8):
        return None
    chosen = [name for name in words.FEATURES if dice.percent(40)] or ["Trailer"]
    return "{" + ",".join(f'"{name}"' if " " in name else name for name in chosen) + "}"


def _film(dice: Dice, film_id: int, title: str) -> tuple[Film, Row]:
    age = dice.below(45) * dice.below(100) // 75
    year = dice.pick((2022, 2022, 2023)) if dice.percent(5) else 2021 - age
    days = 3 if year >= 2022 else dice.pick((4, 5, 5, 6, 6, 7, 7))
    film = Film(film_id, year, days, _rate(dice, year), 999 + 100 * dice.below(17))
    description = (f"{dice.pick(words.OPENINGS)}, {dice.pick(words.HEROES)} "
                   f"{dice.pick(words.TASKS)}.")
    spoken = dice.between(2, len(words.LANGUAGES)) if dice.percent(9) else None
    language = spoken if spoken and dice.percent(40) else 1
    original = spoken if language == 1 else None
    row = (film_id, title, description, year, language, original, days, money(film.rate),
           dice.between(74, 168), money(film.replacement), dice.pick(words.RATINGS),
           _features(dice))
    return film, row


def _films(dice: Dice, stock: Stock) -> None:
    titles: dict[str, None] = {}
    while len(titles) < FILMS:
        titles[_title(dice)] = None
    for film_id, title in enumerate(titles, 1):
        film, row = _film(dice, film_id, title)
        stock.films.append(film)
        stock.tables["film"].append(row)
    luck = {film.film_id: dice.below(1000) - (600 if film.release_year >= 2022 else 0)
            for film in stock.films}
    ranked = sorted(stock.films, key=lambda film: (luck[film.film_id], film.film_id))
    for rank, film in enumerate(ranked):
        film.weight = 600_000 // (rank + 30) if rank < FILMS - DEAD_FILMS else 0


def _cast(dice: Dice, stock: Stock) -> None:
    names: dict[tuple[str, str], None] = {}
    while len(names) < 200:
        names[dice.pick(words.FIRST_NAMES), dice.pick(words.LAST_NAMES)] = None
    stock.tables["actor"] = [(number, *name) for number, name in enumerate(names, 1)]
    for film in stock.films:
        actors: set[int] = set()
        for _ in range(dice.between(3, 8)):
            actors.add(1 + dice.below(200) * dice.between(40, 100) // 100)
        stock.tables["film_actor"] += [(actor, film.film_id) for actor in sorted(actors)]
        categories = {dice.between(1, 16), *([dice.between(1, 16)] if dice.percent(55) else [])}
        stock.tables["film_category"] += [(film.film_id, each) for each in sorted(categories)]


def _address(dice: Dice, stock: Stock, store: int) -> int:
    number = len(stock.tables["address"]) + 1
    where = home(dice, stock, store)
    flat = dice.pick((f"Apt {dice.between(1, 60)}", f"Unit {dice.between(1, 24)}"))
    stock.tables["address"].append(
        (number, where["address"], flat if dice.percent(12) else None, where["district"],
         where["city_id"], where["postal_code"], where["phone"]))
    return number


def _stores(dice: Dice, stock: Stock) -> None:
    """Each store's first member of staff manages it."""
    for store, count in enumerate(STAFF_PER_STORE, 1):
        first_id = len(stock.tables["staff"]) + 1
        stock.staff[store] = list(range(first_id, first_id + count))
        stock.tables["store"].append((store, first_id, _address(dice, stock, store)))
        for number in stock.staff[store]:
            first, last = dice.pick(words.FIRST_NAMES), dice.pick(words.LAST_NAMES)
            user = f"{first}.{last}".lower()
            stock.tables["staff"].append(
                (number, first, last, _address(dice, stock, store), f"{user}@rentals.example",
                 store, "t", user, None))


def _inventory(dice: Dice, stock: Stock, scale: int) -> None:
    """4,400 copies for each unit of scale: one of every film, the rest by popularity."""
    places = cumulative(STORE_WEIGHTS)
    wanted = cumulative([min(film.weight, 4000) + 60 for film in stock.films])
    copies = [film.film_id for film in stock.films] * scale
    copies += [stock.films[dice.wheel(wanted)].film_id for _ in range(4400 * scale - len(copies))]
    stock.tables["inventory"] = [
        (number, film, dice.wheel(places) + 1) for number, film in enumerate(sorted(copies), 1)]


def _customers(dice: Dice, stock: Stock, scale: int) -> None:
    """480 customers for each unit of scale; number 42 belongs to store 2."""
    places = cumulative(STORE_WEIGHTS)
    for number in range(1, 480 * scale + 1):
        store = 2 if number == 42 else dice.wheel(places) + 1
        first, last = dice.pick(words.FIRST_NAMES), dice.pick(words.LAST_NAMES)
        month = 1 + 95 * number // (480 * scale + 1)
        since = f"{2015 + month // 12}-{month % 12 + 1:02d}-{dice.between(1, 28):02d}"
        stock.tables["customer"].append(
            (number, store, first, last, email(dice, first, last), _address(dice, stock, store),
             "t", since, 1))
