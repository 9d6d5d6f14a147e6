"""The star schema that dbt builds over silver, and the further tables it needs from the source.

Its ten tables have schemas of their own. dbt reads silver as of any instant, as the notebooks'
role.

    lab = Medallion.open(tables=star.TABLES)
    lab.reset(year=True)

The warehouse then knows these tables. An older one gets them by
`lab.capture(resnapshot=True, yes=True)` and `lab.rebuild()`.
"""

from pathlib import Path

from medallion_lib import shop
from medallion_lib.shop.star.runs import PROJECT, dbt, place
from medallion_lib.tables import Tables

__all__ = ["FURTHER", "PROJECT", "TABLES", "dbt", "place"]

FURTHER = Tables.from_toml(Path(__file__).with_name("tables.toml"))
TABLES = shop.TABLES + FURTHER
