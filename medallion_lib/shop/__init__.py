"""The sample: a video-rental shop, its year, and the silver and gold that are made of it.

The year 2023 is replayed into the source, one transaction per event; live edits come on top. Each
of the three marts adds up to the source's payments.
"""

from pathlib import Path

from medallion_lib.shop.prepared import prepared_year, strangers
from medallion_lib.shop.year import build, load, replay
from medallion_lib.tables import Tables

__all__ = ["TABLES", "build", "load", "prepared_year", "replay", "strangers"]

TABLES = Tables.from_toml(Path(__file__).with_name("tables.toml"))
