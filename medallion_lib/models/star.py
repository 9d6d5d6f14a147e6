"""The star schema, which dbt builds as of one instant.

    from medallion_lib.models import star
    session.scalars(select(star.CustomerMetrics).where(star.CustomerMetrics.segment == "at risk"))

PostgreSQL lets every column of these tables be null; here, those may be that dbt does not test.
Staging is dbt's own and has no models. The tables at the source are in further.py.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from medallion_lib.models.base import Amount, Base, Big, Price, Small

Tier = Literal["top", "middle", "base", "none"]
Segment = Literal["loyal", "regular", "at risk", "new", "never rented", "left"]
Offer = Literal["none", "reminder", "first rental", "welcome back", "recommendation"]


class Star(Base):
    """A table of the star. dbt makes no primary key, and tests that the first column is unique."""

    __abstract__ = True
    __table_args__ = {"schema": "star"}

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"primary_key": [next(iter(cls.__annotations__))]}


class DimDate(Star):
    """One row per day (UTC), from the first to the last that a rental, its due date, its return or
    a payment falls on.
    """

    date_day: Mapped[date]
    year: Mapped[int | None]
    quarter: Mapped[int | None]
    month: Mapped[int | None]
    month_name: Mapped[str | None]
    first_of_month: Mapped[date | None]
    iso_week: Mapped[int | None]
    iso_weekday: Mapped[int | None]
    day_name: Mapped[str | None]
    is_weekend: Mapped[bool]
    canadian_holiday: Mapped[str | None]
    us_holiday: Mapped[str | None]
    are_holidays_known: Mapped[bool]


class DimCustomer(Star):
    """One row per customer, as of the instant: what is known of them, what they have paid, what
    they like.
    """

    customer_id: Mapped[int]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    email: Mapped[str | None]
    is_active: Mapped[bool]
    home_store_id: Mapped[int | None]
    customer_since: Mapped[date | None]
    address: Mapped[str | None]
    address2: Mapped[str | None]
    district: Mapped[str | None]
    city: Mapped[str]
    postal_code: Mapped[str | None]
    country: Mapped[str]
    phone: Mapped[str | None]
    lifetime_value: Mapped[Decimal]
    tier: Mapped[Tier] = mapped_column(Text)
    preferred_genre: Mapped[str | None]


class DimFilm(Star):
    """One row per film, as of the instant. A film withdrawn before is not among them."""

    film_id: Mapped[int]
    title: Mapped[str]
    description: Mapped[str | None]
    release_year: Mapped[int | None]
    language: Mapped[str]
    original_language: Mapped[str | None]
    rental_days: Mapped[Small | None]
    rental_rate: Mapped[Price]
    minutes: Mapped[Small | None]
    replacement_cost: Mapped[Amount | None]
    rating: Mapped[Literal["G", "PG", "PG-13", "R", "NC-17"] | None] = mapped_column(Text)
    categories: Mapped[list[str]]
    actors: Mapped[list[str]]
    has_trailer: Mapped[bool | None]
    has_interviews: Mapped[bool | None]
    has_making_of: Mapped[bool | None]
    has_commentary: Mapped[bool | None]
    has_alternate_ending: Mapped[bool | None]
    has_bloopers: Mapped[bool | None]
    rentals: Mapped[Big | None]
    recent_rentals: Mapped[Big | None]
    revenue: Mapped[Decimal | None]
    popularity: Mapped[Literal["hit", "steady", "dormant"]] = mapped_column(Text)


class DimStore(Star):
    """One row per store, as of the instant."""

    store_id: Mapped[int]
    address: Mapped[str | None]
    address2: Mapped[str | None]
    district: Mapped[str | None]
    city: Mapped[str]
    postal_code: Mapped[str | None]
    country: Mapped[str]
    phone: Mapped[str | None]
    manager_staff_id: Mapped[int | None]
    manager_name: Mapped[str | None]


class DimStaff(Star):
    """One row per member of staff, as of the instant."""

    staff_id: Mapped[int]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    email: Mapped[str | None]
    store_id: Mapped[int | None]
    is_active: Mapped[bool | None]
    is_manager: Mapped[bool]
    city: Mapped[str | None]
    country: Mapped[str | None]


class FactRental(Star):
    """One row per rental begun before the instant. What silver does not know stays null and is
    counted, so that totals agree with the source.
    """

    rental_id: Mapped[int]
    customer_id: Mapped[int | None]
    film_id: Mapped[int | None]
    store_id: Mapped[int | None]
    staff_id: Mapped[int | None]
    inventory_id: Mapped[int | None]
    rented_day: Mapped[date | None]
    due_day: Mapped[date | None]
    returned_day: Mapped[date | None]
    rented_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    returned_at: Mapped[datetime | None]
    rental_days: Mapped[Small | None]
    days_out: Mapped[Decimal | None]
    days_late: Mapped[Decimal | None]
    is_returned: Mapped[bool]
    is_late_return: Mapped[bool | None]
    is_overdue: Mapped[bool | None]
    is_weekend: Mapped[bool | None]
    is_holiday: Mapped[bool | None]
    payments: Mapped[Big]
    amount: Mapped[Decimal]


class FactPayment(Star):
    """One row per payment, as of the instant. It is what money is counted by; the amounts of
    fact_rental are the same ones, by rental.
    """

    payment_id: Mapped[int]
    paid_at: Mapped[datetime | None]
    paid_day: Mapped[date | None]
    amount: Mapped[Amount]
    customer_id: Mapped[int | None]
    rental_id: Mapped[int | None]
    store_id: Mapped[int | None]
    staff_id: Mapped[int | None]


class CustomerMetrics(Star):
    """One row per customer, as of the instant: recency, frequency and money, and what follows from
    them by rules that are stated here. No score is invented.
    """

    customer_id: Mapped[int]
    as_of: Mapped[datetime]
    recency_days: Mapped[int | None]
    frequency: Mapped[Big]
    money: Mapped[Decimal]
    rentals: Mapped[Big]
    usual_gap_days: Mapped[Decimal | None]
    cohort_month: Mapped[date | None]
    tier: Mapped[Tier] = mapped_column(Text)
    churn_risk: Mapped[Literal["low", "medium", "high", "unknown", "left"]] = mapped_column(Text)
    segment: Mapped[Segment] = mapped_column(Text)
    offer: Mapped[Offer] = mapped_column(Text)
    offered_film_id: Mapped[int | None]
