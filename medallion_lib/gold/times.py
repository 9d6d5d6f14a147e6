"""Dates and times: Python's where it has the same, else the text that PostgreSQL prints.

psycopg2 raises for some that Python lacks, and takes others for something else. Python's last
instant and day stand for infinity.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from psycopg2 import DataError, extensions

Cast = Callable[[str | None, Any], Any]

INTERVAL = 1186
# The types, with those of their arrays, by oid.
ARRAYS = {1082: 1182, 1083: 1183, 1114: 1115, 1184: 1185, INTERVAL: 1187, 1266: 1270}
# What Python's types take for another value. Of an interval, also what they would print otherwise:
# hours beyond a day, and days and hours of two signs.
NO_TIME = re.compile(r"-infinity|24:|9999-12-31( 23:59:59\.999999|$)|.*BC")
NO_INTERVAL = re.compile(r"\d.*day.* -|.*(infinity|mon|year| \+|(\d{3}|2[4-9]|[3-9]\d):\d\d:)")


def _cast(oid: int) -> Cast:
    kind, lacking = extensions.string_types[oid], NO_INTERVAL if oid == INTERVAL else NO_TIME

    def cast(text: str | None, cursor: Any) -> Any:
        with suppress(ValueError, OverflowError, DataError):
            return text if text and lacking.match(text) else kind(text, cursor)
        return text

    return cast


CASTS = {oid: _cast(oid) for oid in ARRAYS}
