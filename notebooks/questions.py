"""The demo's questions to the marts, each asked as of a date or of now."""

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
INSTANT = "SELECT CAST(CAST(:date AS text) AS timestamptz)"


def june(warehouse: Engine, date: Any = None) -> pd.DataFrame:
    """June's revenue by store, as known at `date`, which a column as_of then names, or today.

    Raises MedallionError, in one line, if `date` is none.
    """
    if date is None:
        return _ask(warehouse, REVENUE.format(""))
    instant = _ask(warehouse, INSTANT, date).iloc[0, 0]
    return _ask(warehouse, REVENUE.format(CLAUSE), date).assign(as_of=instant)


def marts(warehouse: Engine, date: Any) -> list[Pair]:
    """June in each of the three marts, as a pair: as known at `date`, and today."""
    return [
        (_ask(warehouse, query.format(CLAUSE), date), _ask(warehouse, query.format("")))
        for query in (REVENUE, TITLES, DAYS)
    ]


def _ask(warehouse: Engine, query: str, date: Any = None) -> pd.DataFrame:
    try:
        with warehouse.connect() as connection:
            result = connection.execute(text(query), {"date": date} if ":date" in query else {})
            return pd.DataFrame(result.fetchall(), columns=list(result.keys()))
    except DataError:
        raise MedallionError(f"{date!r} is no date: write one like '2023-07-03'.") from None
    except DBAPIError as refused:
        raise MedallionError(str(refused.orig).splitlines()[0]) from None
