"""The star's rules in plain Python, from their descriptions and not from dbt's SQL."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import floor
from statistics import median
from typing import Any

Row = dict[str, Any]
DAY = timedelta(days=1)


def percent_ranks(values: dict[int, Any]) -> dict[int, float]:
    """As SQL has it, the largest first: the share of the others that are larger."""
    larger: dict[Any, int] = {}
    for place, value in enumerate(sorted(values.values(), reverse=True)):
        larger.setdefault(value, place)
    return {key: larger[value] / max(len(values) - 1, 1) for key, value in values.items()}


def popularity(copy: dict[str, list[Row]], film_of: dict[int, int], as_of: datetime) -> dict[int, tuple[int, str]]:
    """Each film's rentals of the last 90 days, and what they make it."""
    recent = Counter(film_of.get(rental["rental_id"]) for rental in copy["rental"]
                     if rental["rental_date"] > as_of - 90 * DAY)
    counts = {film["film_id"]: recent[film["film_id"]] for film in copy["film"]}
    ranks = percent_ranks(counts)
    return {film: (count, "dormant" if not count else "hit" if ranks[film] < 0.10 else "steady")
            for film, count in counts.items()}


def metrics(
    copy: dict[str, list[Row]], film_of: dict[int, int], genres: dict[int, list[str]], as_of: datetime
) -> dict[int, tuple[Any, ...]]:
    """By customer: recency, frequency, money, tier, churn risk, segment, offer, offered film."""
    rented, paid = defaultdict(list), defaultdict(list)
    for rental in copy["rental"]:
        rented[rental["customer_id"]].append(rental)
    for payment in copy["payment"]:
        paid[payment["customer_id"]].append(payment)
    worth = {c["customer_id"]: sum((p["amount"] for p in paid[c["customer_id"]]), Decimal(0))
             for c in copy["customer"]}
    ranks = percent_ranks(worth)
    popular = popularity(copy, film_of, as_of)
    days = {film["film_id"]: film["rental_duration"] for film in copy["film"]}
    found = {}
    for customer in copy["customer"]:
        key = customer["customer_id"]
        mine = rented[key]
        last = max((r["rental_date"] for r in mine), default=None)
        since = last and (as_of - last) / DAY
        visits = sorted({r["rental_date"].astimezone(UTC).date() for r in mine})
        gap = median((b - a).days for a, b in pairwise(visits)) if len(visits) > 3 else None
        tier = ("none" if worth[key] <= 0 else "top" if ranks[key] < 0.10
                else "middle" if ranks[key] < 0.50 else "base")
        if not customer["activebool"]:
            risk = "left"
        elif gap is None:
            risk = "unknown"
        else:
            risk = "high" if since > 3 * gap else "medium" if since > 1.5 * gap else "low"
        first = min((r["rental_date"] for r in mine), default=None)
        segment = ("left" if risk == "left" else "never rented" if not mine
                   else "new" if first > as_of - 60 * DAY else "at risk" if risk == "high"
                   else "loyal" if tier == "top" else "regular")
        overdue = any(r["return_date"] is None and r["rental_date"] + days[film_of[r["rental_id"]]] * DAY < as_of
                      for r in mine)
        offer = ("none" if risk == "left" else "reminder" if overdue else "first rental" if not mine
                 else "welcome back" if risk == "high" else "recommendation")
        film = None
        if offer in ("welcome back", "recommendation"):
            had = {film_of[r["rental_id"]] for r in mine}
            liked = Counter(genre for r in mine for genre in genres.get(film_of[r["rental_id"]], []))
            best = min(liked, key=lambda genre: (-liked[genre], genre), default=None)
            shelf = [(-count, each) for each, (count, _) in popular.items()
                     if count and each not in had and best in genres.get(each, [])]
            film = min(shelf)[1] if shelf else None
        year = as_of - 365 * DAY
        found[key] = (
            None if since is None else floor(since), sum(r["rental_date"] > year for r in mine),
            sum((p["amount"] for p in paid[key] if p["payment_date"] > year), Decimal(0)),
            tier, risk, segment, offer, film,
        )  # fmt: skip
    return found
