"""The star schema that dbt builds over silver, and the further tables it needs from the source.

Call `add()` before `lab.reset(year=True)`, and these tables are captured and versioned too, in
schemas of their own. The warehouse then keeps them, also for a process without `add()`. An older
warehouse goes on without them until `lab.capture(resnapshot=True)` and `lab.rebuild()`.
"""

from pathlib import Path

from medallion_lib import tables
from medallion_lib.shop.star.runs import PROJECT, dbt, place
from medallion_lib.tables import Captured, Versioned

__all__ = ["CAPTURED", "PROJECT", "VERSIONED", "add", "dbt", "place"]

# A table, and its primary key at the source.
KEYS = {
    "country": ("country_id",),
    "city": ("city_id",),
    "address": ("address_id",),
    "language": ("language_id",),
    "category": ("category_id",),
    "actor": ("actor_id",),
    "film_actor": ("actor_id", "film_id"),
    "film_category": ("category_id", "film_id"),
    "store": ("store_id",),
    "staff": ("staff_id",),
}
CAPTURED = tuple(Captured(name, key, bronze_schema="bronze_star") for name, key in KEYS.items())
VERSIONED = tuple(
    Versioned(
        f"{name}_hist", name, f"{name}_id", schema="silver_star",
        events=("bronze_star", f"br_{name}_cdc"),
        key_of=key if len(key) > 1 else (),
    )
    for name, key in KEYS.items()
)  # fmt: skip


def add() -> None:
    """Let this process capture and version the star's tables too, from the next reset on."""
    if "star" not in tables.FURTHER:
        tables.FURTHER["star"] = str(Path(__file__).with_name("silver"))
        tables.CAPTURED += CAPTURED
        tables.VERSIONED += VERSIONED
