"""Whether an engine and PostgreSQL give the same rows."""

from collections import Counter
from datetime import date
from typing import NamedTuple

import pyarrow as pa

from medallion_lib import Medallion, server
from medallion_lib.instants import instant
from medallion_lib.lake.lake import Lake
from medallion_lib.lake.types import EVER, FOREVER
from medallion_lib.pair import SEARCH_PATH
from medallion_lib.system_time import rewrite
from medallion_lib.system_time.tokens import quoted


class Compared(NamedTuple):
    """A relation as both have it. Counts are rows."""

    rows: int  # that PostgreSQL has
    missing: int  # of those, that the lake has not
    extra: int  # that only the lake has


def compare(lab: Medallion, there: Lake, relation: str, at: str | date | None = None) -> Compared:
    """A table's or a mart's rows in a warehouse and its lake, as of an instant or as they are now.

    Both must stand at one position. Types that a lake has not are compared as text, numbers by
    value, and infinity as what a lake has for it.
    """
    clause = f" FOR SYSTEM_TIME AS OF '{instant(at)}'" if at else ""
    found = there.sql(f"SELECT * FROM {relation}{clause}").toArrow()
    columns = ", ".join(_column(field) for field in found.schema)
    # By a connection of its own: a notebook's gives values as they are to be shown.
    with server.session(lab.notebook_url) as cursor:
        cursor.execute(f"SET search_path = {SEARCH_PATH}")
        cursor.execute(rewrite(f"SELECT {columns} FROM {relation}{clause}"))
        rows = Counter(cursor.fetchall())
    in_lake = Counter(zip(*(each.to_pylist() for each in found), strict=True))
    return Compared(rows.total(), (rows - in_lake).total(), (in_lake - rows).total())


def _column(field: pa.Field) -> str:
    name = quoted(field.name)
    if pa.types.is_string(field.type):
        return f"{name}::text"
    if not pa.types.is_temporal(field.type):
        return name
    length = 10 if pa.types.is_date(field.type) else None
    ends = {"infinity": FOREVER[:length], "-infinity": EVER[:length]}
    cases = " ".join(f"WHEN '{end}' THEN '{value}'" for end, value in ends.items())
    return f"CASE {name} {cases} ELSE {name} END"
