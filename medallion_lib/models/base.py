"""What the models share: types, the columns that repeat, and AS OF."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from psycopg2.extensions import AsIs
from sqlalchemy import BigInteger, Computed, Dialect, Numeric, SmallInteger, Text, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, TSTZRANGE, Range
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, declared_attr, mapped_column
from sqlalchemy.types import TypeDecorator

from medallion_lib.system_time.forms import AS_OF

# What psycopg2 makes of infinity and -infinity, since Python's datetime has neither.
FOREVER = datetime.max.replace(tzinfo=UTC)
_INFINITE = {
    FOREVER: AsIs("'infinity'::timestamptz"),
    datetime.min.replace(tzinfo=UTC): AsIs("'-infinity'::timestamptz"),
}


class Instant(TypeDecorator[datetime]):
    """A timestamptz as an aware datetime; infinity is FOREVER, and FOREVER infinity."""

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        # Sent as it is, it would be a moment in the year 9999, and equal to no version's end.
        return _INFINITE.get(value, value) if isinstance(value, datetime) else value


Big = Annotated[int, mapped_column(BigInteger)]
Small = Annotated[int, mapped_column(SmallInteger)]
Price = Annotated[Decimal, mapped_column(Numeric(4, 2))]
Amount = Annotated[Decimal, mapped_column(Numeric(5, 2))]


class Base(DeclarativeBase):
    """The database is made by sql/*.sql. Models say what is there, and make nothing.

    A model is named as its table is: DimCustomerHist stands for dim_customer_hist.
    """

    type_annotation_map = {
        str: Text,
        datetime: Instant,
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
        Range[datetime]: TSTZRANGE,
    }

    @declared_attr.directive
    @classmethod
    def __tablename__(cls) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __repr__(self) -> str:
        names = (column.key for column in self.__mapper__.columns)
        shown = (f"{name}={self.__dict__[name]!r}" for name in names if name in self.__dict__)
        return f"{type(self).__name__}({', '.join(shown)})"


class Current:
    """What a view of current rows has besides.

    The ORM knows a version, in views too, by its key and sys_start, which stay when it is closed.
    """

    row_hash: Mapped[Big]
    sys_start: Mapped[datetime]


class Version:
    """What a table of versions has besides; sys_end is FOREVER for the current one."""

    row_hash: Mapped[Big]
    sys_start: Mapped[datetime]
    sys_end: Mapped[datetime]


class Period(Version):
    """What a table of versions has besides where its key has them never overlap."""

    sys_period: Mapped[Range[datetime]] = mapped_column(
        Computed("tstzrange(sys_start, sys_end)", persisted=True), primary_key=True, sort_order=1
    )


class Ended(Version):
    """What a table of versions has besides where its key has their end, as partitions need."""

    sys_end: Mapped[datetime] = mapped_column(primary_key=True, sort_order=1)


class Mart(Base):
    """A mart. The ORM knows a row by all it says: of one cell, then and now are two rows."""

    __abstract__ = True
    __table_args__ = {"schema": "gold"}

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"primary_key": list(cls.__annotations__)}


Model = TypeVar("Model", bound=Base)


def as_of(model: type[Model], instant: datetime | date | str) -> type[Model]:
    """The model with its rows as of an instant, to select from, filter and join like the model.

        then = as_of(DimCustomer, "2023-07-01")
        session.scalars(select(then).where(then.customer_id == 42))

    It calls the function that FOR SYSTEM_TIME AS OF is rewritten into, so any engine will do.
    (SQLAlchemy has no place for the clause: its hints are refused for PostgreSQL.)
    """
    table = model.__table__
    function = getattr(getattr(func, table.schema), table.name + AS_OF.suffix)
    return aliased(model, function(instant).table_valued(*table.columns), adapt_on_names=True)
