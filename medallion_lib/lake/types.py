"""What a lake holds PostgreSQL's values as: types of Parquet, and the SQL that gives them."""

import re
from typing import NamedTuple

import pyarrow as pa
from psycopg2 import sql

UTC = pa.timestamp("us", "UTC")
# Parquet and Spark have no infinity: the last instant and the first stand for it.
FOREVER, EVER = "9999-12-31 23:59:59.999999", "0001-01-01 00:00:00"
PLAIN = {
    "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(), "boolean": pa.bool_(),
    "real": pa.float32(), "double precision": pa.float64(), "date": pa.date32(),
    "timestamp with time zone": UTC,
}  # fmt: skip
_ENDLESS = sql.SQL("CASE {0} WHEN 'infinity' THEN {1} WHEN '-infinity' THEN {2} ELSE {0} END")
# Types of which equal values are the same value in a lake, so that they can be a key.
_KEYS = (*PLAIN, "text", "character varying", "uuid")


class Kind(NamedTuple):
    """How the values of a column of PostgreSQL stand in a lake."""

    type: pa.DataType
    is_endless: bool = False  # whether a value may be infinite

    def value(self, value: sql.Composable) -> sql.Composable:
        """The value, as COPY is to send it."""
        if self.type == pa.string():
            return sql.SQL("({})::text").format(value)
        if not self.is_endless:
            return value
        last, first = (FOREVER, EVER) if self.type == UTC else (FOREVER[:10], EVER[:10])
        return _ENDLESS.format(value, sql.Literal(last), sql.Literal(first))


def kind(type_: str) -> Kind:
    """Of a type as PostgreSQL prints it. What Parquet has no type for is text."""
    if type_ in PLAIN:
        return Kind(PLAIN[type_], is_endless=type_.startswith(("date", "timestamp")))
    if exact := re.fullmatch(r"numeric\((\d+),(\d+)\)", type_):
        precision, scale = map(int, exact.groups())
        if scale <= precision <= 38:
            return Kind(pa.decimal128(precision, scale))
    return Kind(pa.string())


def can_be_key(type_: str, plain: str) -> bool:
    """Whether values that are equal to PostgreSQL are so in a lake."""
    return plain in _KEYS or pa.types.is_decimal(kind(type_).type)
