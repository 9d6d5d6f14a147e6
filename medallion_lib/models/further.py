"""The further tables that the star needs from the source: every change, and every version.

    from medallion_lib.models import further
    session.scalars(select(as_of(further.Address, "2023-07-01")))
"""

from sqlalchemy.orm import Mapped, mapped_column

from medallion_lib.models.base import Base, Current, Period
from medallion_lib.models.bronze import Change


class Bronze(Change):
    __abstract__ = True
    __table_args__ = {"schema": "bronze_star"}


class Silver(Base):
    __abstract__ = True
    __table_args__ = {"schema": "silver_star"}


class BrCountryCdc(Bronze):
    """Every committed change of the source table country."""


class _Country:
    __mapper_args__ = {"primary_key": ["country_id", "sys_start"]}

    country_id: Mapped[int] = mapped_column(primary_key=True)
    country: Mapped[str | None]


class CountryHist(_Country, Period, Silver):
    """Every version of every row of the source table country."""


class Country(_Country, Current, Silver):
    """The source table country as it is now."""


class BrCityCdc(Bronze):
    """Every committed change of the source table city."""


class _City:
    __mapper_args__ = {"primary_key": ["city_id", "sys_start"]}

    city_id: Mapped[int] = mapped_column(primary_key=True)
    city: Mapped[str | None]
    country_id: Mapped[int | None]


class CityHist(_City, Period, Silver):
    """Every version of every row of the source table city."""


class City(_City, Current, Silver):
    """The source table city as it is now."""


class BrAddressCdc(Bronze):
    """Every committed change of the source table address."""


class _Address:
    __mapper_args__ = {"primary_key": ["address_id", "sys_start"]}

    address_id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str | None]
    address2: Mapped[str | None]
    district: Mapped[str | None]
    city_id: Mapped[int | None]
    postal_code: Mapped[str | None]
    phone: Mapped[str | None]


class AddressHist(_Address, Period, Silver):
    """Every version of every row of the source table address."""


class Address(_Address, Current, Silver):
    """The source table address as it is now."""


class BrLanguageCdc(Bronze):
    """Every committed change of the source table language."""


class _Language:
    __mapper_args__ = {"primary_key": ["language_id", "sys_start"]}

    language_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]


class LanguageHist(_Language, Period, Silver):
    """Every version of every row of the source table language."""


class Language(_Language, Current, Silver):
    """The source table language as it is now."""


class BrCategoryCdc(Bronze):
    """Every committed change of the source table category."""


class _Category:
    __mapper_args__ = {"primary_key": ["category_id", "sys_start"]}

    category_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]


class CategoryHist(_Category, Period, Silver):
    """Every version of every row of the source table category."""


class Category(_Category, Current, Silver):
    """The source table category as it is now."""


class BrActorCdc(Bronze):
    """Every committed change of the source table actor."""


class _Actor:
    __mapper_args__ = {"primary_key": ["actor_id", "sys_start"]}

    actor_id: Mapped[int] = mapped_column(primary_key=True)
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]


class ActorHist(_Actor, Period, Silver):
    """Every version of every row of the source table actor."""


class Actor(_Actor, Current, Silver):
    """The source table actor as it is now."""


class BrFilmActorCdc(Bronze):
    """Every committed change of the source table film_actor."""


class _FilmActor:
    __mapper_args__ = {"primary_key": ["film_actor_id", "sys_start"]}

    film_actor_id: Mapped[str] = mapped_column(primary_key=True)
    actor_id: Mapped[int | None]
    film_id: Mapped[int | None]


class FilmActorHist(_FilmActor, Period, Silver):
    """Every version of every row of the source table film_actor."""


class FilmActor(_FilmActor, Current, Silver):
    """The source table film_actor as it is now."""


class BrFilmCategoryCdc(Bronze):
    """Every committed change of the source table film_category."""


class _FilmCategory:
    __mapper_args__ = {"primary_key": ["film_category_id", "sys_start"]}

    film_category_id: Mapped[str] = mapped_column(primary_key=True)
    category_id: Mapped[int | None]
    film_id: Mapped[int | None]


class FilmCategoryHist(_FilmCategory, Period, Silver):
    """Every version of every row of the source table film_category."""


class FilmCategory(_FilmCategory, Current, Silver):
    """The source table film_category as it is now."""


class BrStoreCdc(Bronze):
    """Every committed change of the source table store."""


class _Store:
    __mapper_args__ = {"primary_key": ["store_id", "sys_start"]}

    store_id: Mapped[int] = mapped_column(primary_key=True)
    manager_staff_id: Mapped[int | None]
    address_id: Mapped[int | None]


class StoreHist(_Store, Period, Silver):
    """Every version of every row of the source table store."""


class Store(_Store, Current, Silver):
    """The source table store as it is now."""


class BrStaffCdc(Bronze):
    """Every committed change of the source table staff."""


class _Staff:
    __mapper_args__ = {"primary_key": ["staff_id", "sys_start"]}

    staff_id: Mapped[int] = mapped_column(primary_key=True)
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    address_id: Mapped[int | None]
    email: Mapped[str | None]
    store_id: Mapped[int | None]
    active: Mapped[bool | None]
    username: Mapped[str | None]


class StaffHist(_Staff, Period, Silver):
    """Every version of every row of the source table staff."""


class Staff(_Staff, Current, Silver):
    """The source table staff as it is now."""
