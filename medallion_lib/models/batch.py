"""Batch: what the files of the nightly extracts held, and the silver that is built from it.

    from medallion_lib.models import batch
    session.scalars(select(batch.Quarantine))

silver_batch has what silver has. The rows in bronze_batch have the columns of the sample's
source; what another source has more is not declared.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from medallion_lib.models import silver
from medallion_lib.models.base import Base, Big, Current, Ended, Period


class Bronze(Base):
    __abstract__ = True
    __table_args__ = {"schema": "bronze_batch"}


# A value of the source as its file has it. The system columns come first.
AsText = Annotated[str, mapped_column(Text, sort_order=1)]


class Landed(Bronze):
    """What every table of rows has."""

    __abstract__ = True

    br_id: Mapped[int] = mapped_column(primary_key=True)
    br_load_time: Mapped[datetime]
    br_source_file: Mapped[str]
    br_batch_id: Mapped[Big]
    br_record_hash: Mapped[Big]
    br_is_current: Mapped[bool]
    br_ended_batch_id: Mapped[Big | None]


class Event(Bronze):
    """What every view of changes has: the columns of a bronze fed by the log."""

    __abstract__ = True

    lsn: Mapped[Big] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    op: Mapped[Literal["I", "U", "D"]] = mapped_column(Text)
    full_row: Mapped[dict[str, Any]]
    commit_ts: Mapped[datetime]
    load_ts: Mapped[datetime]


class BrCustomerBatch(Landed):
    """Every row that the extracts of customer held, as text, and in which it was."""

    customer_id: Mapped[AsText | None]
    store_id: Mapped[AsText | None]
    first_name: Mapped[AsText | None]
    last_name: Mapped[AsText | None]
    email: Mapped[AsText | None]
    address_id: Mapped[AsText | None]
    activebool: Mapped[AsText | None]
    create_date: Mapped[AsText | None]
    last_update: Mapped[AsText | None]
    active: Mapped[AsText | None]


class BrCustomerEvent(Event):
    """What each extract of customer changed against the one before it."""


class BrFilmBatch(Landed):
    """Every row that the extracts of film held, as text, and in which it was."""

    film_id: Mapped[AsText | None]
    title: Mapped[AsText | None]
    description: Mapped[AsText | None]
    release_year: Mapped[AsText | None]
    language_id: Mapped[AsText | None]
    original_language_id: Mapped[AsText | None]
    rental_duration: Mapped[AsText | None]
    rental_rate: Mapped[AsText | None]
    length: Mapped[AsText | None]
    replacement_cost: Mapped[AsText | None]
    rating: Mapped[AsText | None]
    last_update: Mapped[AsText | None]
    special_features: Mapped[AsText | None]
    fulltext: Mapped[AsText | None]


class BrFilmEvent(Event):
    """What each extract of film changed against the one before it."""


class BrInventoryBatch(Landed):
    """Every row that the extracts of inventory held, as text, and in which it was."""

    inventory_id: Mapped[AsText | None]
    film_id: Mapped[AsText | None]
    store_id: Mapped[AsText | None]
    last_update: Mapped[AsText | None]


class BrInventoryEvent(Event):
    """What each extract of inventory changed against the one before it."""


class BrRentalBatch(Landed):
    """Every row that the extracts of rental held, as text, and in which it was."""

    rental_id: Mapped[AsText | None]
    rental_date: Mapped[AsText | None]
    inventory_id: Mapped[AsText | None]
    customer_id: Mapped[AsText | None]
    return_date: Mapped[AsText | None]
    staff_id: Mapped[AsText | None]
    last_update: Mapped[AsText | None]


class BrRentalEvent(Event):
    """What each extract of rental changed against the one before it."""


class BrPaymentBatch(Landed):
    """Every row that the extracts of payment held, as text, and in which it was."""

    payment_id: Mapped[AsText | None]
    customer_id: Mapped[AsText | None]
    staff_id: Mapped[AsText | None]
    rental_id: Mapped[AsText | None]
    amount: Mapped[AsText | None]
    payment_date: Mapped[AsText | None]


class BrPaymentEvent(Event):
    """What each extract of payment changed against the one before it."""


class SourceColumn(Bronze):
    """The columns an extract must have, and the types its values must read as."""

    source: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int]
    name: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    plain_type: Mapped[str]
    is_required: Mapped[bool]


class File(Bronze):
    """Every file that was loaded: one a table and extract."""

    source: Mapped[str] = mapped_column(primary_key=True)
    br_batch_id: Mapped[Big] = mapped_column(primary_key=True)
    name: Mapped[str]
    sha256: Mapped[str]
    extracted_at: Mapped[datetime]
    rows: Mapped[int]
    landed: Mapped[int]
    ended: Mapped[int]
    set_aside: Mapped[int]
    load_time: Mapped[datetime]
    is_merged: Mapped[bool]


class Quarantine(Bronze):
    """Rows and whole files that could not be loaded, and why."""

    quarantine_id: Mapped[Big] = mapped_column(primary_key=True)
    file: Mapped[str]
    sha256: Mapped[str]
    line: Mapped[int | None]
    raw: Mapped[str | None]
    reason: Mapped[str]
    set_aside_at: Mapped[datetime]


class Silver(Base):
    __abstract__ = True
    __table_args__ = {"schema": "silver_batch"}


class DimCustomerHist(silver.Customer, Period, Silver):
    """Every version of every customer."""


class DimCustomer(silver.Customer, Current, Silver):
    """Customers as they are now."""


class DimFilmHist(silver.Film, Period, Silver):
    """Every version of every film."""


class DimFilm(silver.Film, Current, Silver):
    """Films as they are now."""


class FactRental(silver.Rental, Ended, Silver):
    """Every version of every rental."""


class FactRentalCurrent(silver.Rental, Current, Silver):
    """Rentals as they are now."""


class FactPayment(silver.Payment, Ended, Silver):
    """Every version of every payment."""


class FactPaymentCurrent(silver.Payment, Current, Silver):
    """Payments as they are now."""


class DimStore(silver.Store, Silver):
    """Stores that have customers or rentals."""


class DimDate(silver.Day, Silver):
    """Every day (UTC) from the first rental to the last."""
