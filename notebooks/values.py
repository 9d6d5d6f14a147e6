"""PostgreSQL's values in a notebook: held exactly, and shown as PostgreSQL shows them.

Python's own type where it holds the value, PostgreSQL's text where it does not: dates BC or past
9999, -infinity, 24:00, an interval of months, a range. psycopg2 raises for some of these, and
takes others for something else. Its last instant and day go on standing for infinity.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
from psycopg2 import BINARY, Error, extensions
from sqlalchemy import Engine, event

from medallion_lib.gold import times

Cast = Callable[[str, Any], Any]


class Shown:
    """A value of Python's that PostgreSQL writes in another way, with that text."""

    pg: str


class Array(Shown, list):
    """A PostgreSQL array, or a JSON one."""


class Document(Shown, dict):
    """A JSON object."""


class Word(Shown, str):
    """A JSON string, without its quotes."""


class Bytes(Shown, bytes):
    """A bytea."""


class Float(Shown, float):
    """A float4 or float8."""


def use(engine: Engine) -> None:
    """Let every connection of `engine` give values as above. Twice is once."""
    if not event.contains(engine, "connect", _hold):
        event.listen(engine, "connect", _hold)
        engine.dispose()  # the connections that it has were made without


def _hold(connection: Any, _: object) -> None:
    if not isinstance(connection, extensions.connection):
        return
    known = extensions.string_types | connection.string_types
    hstore = {oid: _text for oid, kind in known.items() if kind.name.startswith("HSTORE")}
    arrays = {oid: kind for oid, kind in known.items() if kind.name.endswith("ARRAY")}
    casts = {oid: _array(_several(oid) or kind) for oid, kind in arrays.items()} | _CASTS | hstore
    for oid, cast in casts.items():
        extensions.register_type(extensions.new_type((oid,), "EXACT", _null(cast)), connection)


def _several(array: int) -> Cast | None:
    """What reads an array whose elements are read here."""
    if (element := _ELEMENTS.get(array)) is None:
        return None
    kind = extensions.new_type((element,), "EXACT", _null(_CASTS[element]))
    return extensions.new_array_type((array,), "EXACTARRAY", kind)


def _null(cast: Cast) -> Cast:
    return lambda text, cursor: None if text is None else cast(text, cursor)


def _text(text: str, _: object) -> str:
    return text


def _with_text(value: Any, text: str) -> Any:
    value.pg = text
    return value


def _is_last(value: Any) -> bool:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None) == datetime.max
    return isinstance(value, date) and value == date.max


def _float(text: str, _: object) -> Float | str:
    """NaN as text, since pandas takes a float's for a null."""
    return text if text == "NaN" else _with_text(Float(text), text)


def _numeric(text: str, _: object) -> Decimal | str:
    return text if text == "NaN" else Decimal(text)


def _bytes(text: str, cursor: Any) -> Bytes:
    return _with_text(Bytes(BINARY(text, cursor)), text)


def _json(text: str, _: object) -> Any:
    value = json.loads(text)
    for kind, held in ((dict, Document), (list, Array), (str, Word), (float, Float)):
        if isinstance(value, kind):
            return _with_text(held(value), text)
    return text if value is None else value


def _array(several: Cast) -> Cast:
    def cast(text: str, cursor: Any) -> Any:
        with suppress(Error, ValueError):
            return _with_text(Array(several(text, cursor)), text)
        return text

    return cast


_CASTS: dict[int, Cast] = {
    17: _bytes, 114: _json, 3802: _json, 700: _float, 701: _float, 1700: _numeric,
    **times.CASTS,
    **dict.fromkeys((3904, 3906, 3908, 3910, 3912, 3926), _text),  # ranges, and arrays of them
    **dict.fromkeys((3905, 3907, 3909, 3911, 3913, 3927), _text),
}  # fmt: skip
_ELEMENTS = {
    1001: 17, 199: 114, 3807: 3802, 1021: 700, 1022: 701, 1231: 1700,
    **{array: element for element, array in times.ARRAYS.items()},
}  # fmt: skip


def duration(value: timedelta) -> str:
    """As PostgreSQL writes an interval of days and a time of day."""
    sign, rest = ("-", -value) if value < timedelta(0) else ("", value)
    seconds, days = rest.seconds, rest.days
    clock = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if rest.microseconds:
        clock = _short(f"{clock}.{rest.microseconds:06}")
    counted = f"{sign}{days} day{'s' * (sign + str(days) != '1')}"
    parts = [counted] * bool(days) + [clock] * bool(seconds or rest.microseconds or not days)
    return " ".join(parts)


def _short(text: str) -> str:
    """A time without the zeros that end its fraction of a second."""
    return re.sub(r"(\.\d*?)0+(?=$|[+-])", lambda found: found[1].rstrip("."), text)


def is_null(value: Any) -> bool:
    """Whether a cell of a frame holds SQL's null: pandas may have it as NaN or NaT."""
    if isinstance(value, Decimal) or not pd.api.types.is_scalar(value):
        return False
    return bool(pd.isna(value))


def shown(value: Any) -> str:
    """As PostgreSQL writes it; true and false, and a document of Python's own, as JSON does."""
    if isinstance(value, Shown):
        return value.pg
    if value is None:
        return "null"
    if isinstance(value, bool | dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, memoryview):
        return f"\\x{bytes(value).hex()}"
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, time):
        return re.sub(r"(?<=[+-]\d\d):00$", "", _short(str(value)))
    if _is_last(value):
        return "infinity"
    return _short(str(value)) if isinstance(value, datetime) else str(value)


def column(cells: list[Any]) -> list[str]:
    """Each as shown, but instants of UTC without their zone, and to the second.

    With all of their fraction if two different ones would look alike.
    """
    exact = [shown(each).removesuffix("+00:00") if _is_utc(each) else shown(each) for each in cells]
    brief = [text[:19] if _is_utc(each) else text for each, text in zip(cells, exact, strict=True)]
    return brief if len({*brief}) == len({*exact}) else exact


def _is_utc(value: Any) -> bool:
    return isinstance(value, datetime) and value.utcoffset() == timedelta(0)
