"""Bookkeeping: how far capture and merge have come."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from medallion_lib.models.base import Base, Big


class Watermark(Base):
    """One row for capture and one for merge: the position up to which each is complete."""

    __table_args__ = {"schema": "meta"}

    stage: Mapped[Literal["capture", "merge"]] = mapped_column(Text, primary_key=True)
    lsn: Mapped[Big]
    commit_ts: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    slot: Mapped[str | None]
    source_system: Mapped[Big | None]
    source_name: Mapped[str | None]
    publication: Mapped[str | None]
    business_time: Mapped[bool]
    ahead: Mapped[Big]
    tables: Mapped[dict[str, Any] | None]
    names: Mapped[dict[str, Any] | None]
