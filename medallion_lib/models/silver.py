"""Silver: every version, the views of the current ones, and the lookups."""

from datetime import date, datetime

from sqlalchemy.orm import Mapped, mapped_column

from medallion_lib.models.base import Amount, Base, Current, Ended, Period, Price, Small


class Silver(Base):
    __abstract__ = True
    __table_args__ = {"schema": "silver"}


class Customer:
    __mapper_args__ = {"primary_key": ["customer_id", "sys_start"]}

    customer_id: Mapped[int] = mapped_column(primary_key=True)
    store_id: Mapped[int | None]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    email: Mapped[str | None]
    address_id: Mapped[int | None]
    active: Mapped[bool | None]
    create_date: Mapped[date | None]


class DimCustomerHist(Customer, Period, Silver):
    """Every version of every customer."""


class DimCustomer(Customer, Current, Silver):
    """Customers as they are now."""


class Film:
    __mapper_args__ = {"primary_key": ["film_id", "sys_start"]}

    film_id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None]
    description: Mapped[str | None]
    release_year: Mapped[int | None]
    language_id: Mapped[int | None]
    original_language_id: Mapped[int | None]
    rental_duration: Mapped[Small | None]
    rental_rate: Mapped[Price | None]
    length: Mapped[Small | None]
    replacement_cost: Mapped[Amount | None]
    rating: Mapped[str | None]
    special_features: Mapped[list[str] | None]


class DimFilmHist(Film, Period, Silver):
    """Every version of every film."""


class DimFilm(Film, Current, Silver):
    """Films as they are now."""


class Rental:
    __mapper_args__ = {"primary_key": ["rental_id", "sys_start"]}

    rental_id: Mapped[int] = mapped_column(primary_key=True)
    rental_date: Mapped[datetime] = mapped_column(primary_key=True)
    return_date: Mapped[datetime | None]
    customer_id: Mapped[int | None]
    inventory_id: Mapped[int | None]
    film_id: Mapped[int | None]
    store_id: Mapped[int | None]
    staff_id: Mapped[int | None]


class FactRental(Rental, Ended, Silver):
    """Every version of every rental."""


class FactRentalCurrent(Rental, Current, Silver):
    """Rentals as they are now."""


class Payment:
    __mapper_args__ = {"primary_key": ["payment_id", "sys_start"]}

    payment_id: Mapped[int] = mapped_column(primary_key=True)
    payment_date: Mapped[datetime] = mapped_column(primary_key=True)
    amount: Mapped[Amount | None]
    customer_id: Mapped[int | None]
    rental_id: Mapped[int | None]
    store_id: Mapped[int | None]
    staff_id: Mapped[int | None]


class FactPayment(Payment, Ended, Silver):
    """Every version of every payment."""


class FactPaymentCurrent(Payment, Current, Silver):
    """Payments as they are now."""


class Store:
    store_id: Mapped[int] = mapped_column(primary_key=True)
    store_name: Mapped[str]


class DimStore(Store, Silver):
    """Stores that have customers or rentals."""


class Day:
    date_day: Mapped[date] = mapped_column(primary_key=True)
    year: Mapped[int]
    quarter: Mapped[int]
    month: Mapped[int]
    first_of_month: Mapped[date]
    iso_weekday: Mapped[int]
    is_weekend: Mapped[bool]


class DimDate(Day, Silver):
    """Every day (UTC) from the first rental to the last."""
