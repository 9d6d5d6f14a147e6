"""Bronze: every committed change, append only; (lsn, seq) is the order."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import CHAR
from sqlalchemy.orm import Mapped, mapped_column

from medallion_lib.models.base import Base, Big


class Change(Base):
    """What every bronze table has."""

    __abstract__ = True
    __table_args__ = {"schema": "bronze"}

    lsn: Mapped[Big] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    op: Mapped[Literal["I", "U", "D", "T", "R"]] = mapped_column(CHAR(1))
    full_row: Mapped[dict[str, Any] | None]
    commit_ts: Mapped[datetime]
    load_ts: Mapped[datetime]


class BrCustomerCdc(Change):
    """Every committed change of the source table customer."""


class BrFilmCdc(Change):
    """Every committed change of the source table film."""


class BrInventoryCdc(Change):
    """Every committed change of the source table inventory."""


class BrRentalCdc(Change):
    """Every committed change of the source table rental."""


class BrPaymentCdc(Change):
    """Every committed change of the source table payment."""
