"""Past one machine: bronze as Parquet, and silver and gold of it on a distributed engine.

    lake.export(lab, "lake")                  # a directory, or the URL of an object store
    there = lake.Lake("lake")                 # on Sail, or the Spark of SPARK_REMOTE
    there.merge()
    there.sql("SELECT … FROM vw_monthly_revenue FOR SYSTEM_TIME AS OF '2023-07-01'").show()

Silver is made by the query of a whole history and gold by the marts' views: the SQL that PostgreSQL
runs, translated. `dialect.py` says where the translation needs mending.
"""

import sys
from pathlib import Path

from medallion_lib.errors import refusal

# Where make spark puts it: jupysql would import pyspark in every notebook, were it among the rest.
sys.path.append(str(Path(sys.prefix, "spark")))

try:
    from medallion_lib.lake.compare import Compared, compare
    from medallion_lib.lake.export import Exported, export
    from medallion_lib.lake.lake import Lake
    from medallion_lib.lake.merge import Made
except ModuleNotFoundError as problem:
    raise refusal("no lake engine") from problem

__all__ = ["Compared", "Exported", "Lake", "Made", "compare", "export"]
