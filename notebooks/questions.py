"""The demo's questions to the marts, each asked as of a date or of now."""

from datetime import date as Date
from typing import Any

import pandas as pd
from sqlalchemy import Engine, text
from sqlalchemy.exc import DataError, DBAPIError

from medallion_lib.errors import MedallionError

Pair = tuple[pd.DataFrame, pd.DataFrame]
CLAUSE = "FOR SYSTEM_TIME AS OF :date"
REVENUE = """SELECT store_id, total_revenue FROM vw_monthly_revenue {}
    WHERE revenue_month = '2023-06-01'"""
TITLES = "SELECT * FROM vw_top_titles {} WHERE rental_month = '2023-06-01'"
DAYS = """SELECT * FROM vw_store_scorecard {}
    WHERE business_date BETWEEN '2023-06-01' AND '2023-06-30'"""
INSTANT = """SELECT at, isfinite(at) AS is_finite, at > now() AS is_future
    FROM CAST(CAST(:date AS text) AS timestamptz) AS at"""


def june(warehouse: Engine, *date: Any) -> pd.DataFrame:
    """June's revenue by store, as known at the date, or today where none is given.

    A column as_of, and the frame's attribute of this name, hold the instant of the date.
    Raises MedallionError, in one line, if it is no date or in the future.
    """
    if not date:
        return _ask(warehouse, REVENUE.format(""))
    known = _as_of(warehouse, REVENUE, _instant(warehouse, *date))
    return known.assign(as_of=known.attrs["as_of"])


def marts(warehouse: Engine, date: Any) -> list[Pair]:
    """June in each of the three marts, as a pair: as known at `date`, and today.

    The first frame's attribute as_of holds the instant. Raises MedallionError as june does.
    """
    instant = _instant(warehouse, date)
    return [
        (_as_of(warehouse, query, instant), _ask(warehouse, query.format("")))
        for query in (REVENUE, TITLES, DAYS)
    ]


def _instant(warehouse: Engine, date: Any) -> Any:
    no_date = MedallionError(f"{date!r} is no date: write one like '2023-07-03'.")
    if not isinstance(date, str | Date):
        raise no_date
    try:
        instant, is_finite, is_future = _ask(warehouse, INSTANT, date).iloc[0]
    except (DataError, ValueError):
        raise no_date from None
    if not is_finite:
        raise no_date
    if is_future:
        raise MedallionError(f"{date!r} is in the future: write a date like '2023-07-03'.")
    return instant


def _as_of(warehouse: Engine, query: str, instant: Any) -> pd.DataFrame:
    known = _ask(warehouse, query.format(CLAUSE), instant)
    known.attrs["as_of"] = instant
    return known


def _ask(warehouse: Engine, query: str, date: Any = None) -> pd.DataFrame:
    try:
        with warehouse.connect() as connection:
            result = connection.execute(text(query), {"date": date} if ":date" in query else {})
            return pd.DataFrame(result.fetchall(), columns=list(result.keys()))
    except DataError:
        raise
    except DBAPIError as refused:
        raise MedallionError(str(refused.orig).splitlines()[0]) from None
