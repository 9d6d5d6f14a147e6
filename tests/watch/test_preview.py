"""A preview says what would be made, and fits a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from medallion_lib.source.slot import Lack
from medallion_lib.tables import NONE, Table
from medallion_lib.watch.plan import Plan, Planned, Source
from medallion_lib.watch.preview import WIDTH, preview

SOURCE = Source("16.4", "me", "crm", "logical", 10, 8, "-1", 1, "postgresql://me@crm.example/crm")
ITEM = Table("item", ("code", "shop"), "sales", "bronze_sales", "item_hist", "silver_sales")
LOG = Table("log", (), is_strict=False)
PLAN = Plan(
    NONE,
    (Planned(ITEM, 1_234_567, "primary key", ("Kept as text: state (an enum).",), 530_000_000),
     Planned(LOG, None, "none", ("It has no key: its changes are kept, and no history.",), 1_500_000_000)),
    SOURCE,
    {"keyless": "keyless has no key. As its owner:"},
    (Lack("Its wal_level is replica; capture needs logical. As a superuser:", "ALTER SYSTEM SET wal_level = 'logical';"),
     Lack("It is a standby.")),
)  # fmt: skip
TEXT = """\
Source: postgresql://me@crm.example/crm
    PostgreSQL 16.4, database crm, as role me
    wal_level logical; 8 of 10 slots are free
    a slot that nobody reads keeps log without limit (max_slot_wal_keep_size)

table            rows  key                       form    per million
sales.item  1,234,567  code, shop (primary key)  strict       530 MB
    history: silver_sales.item_hist
    Kept as text: state (an enum).
log                 ?  none                                   1.5 GB
    history: changes only
    It has no key: its changes are kept, and no history.

Not taken:
    keyless has no key.

Made at the source:
    publication medallion_crm

Made here:
    database medallion_crm

To know:
"""


def test_a_preview_names_all_that_is_made_and_all_that_is_missing() -> None:
    text = preview(PLAN, ["database medallion_crm"], ["publication medallion_crm"])
    assert text.startswith(TEXT)
    assert "History keeps what the source deletes, personal data too." in text
    assert text.endswith("""
What is missing:
    Its wal_level is replica; capture needs logical.
    It is a standby.
To paste into psql at the source, as the tables' owner or a superuser:
    ALTER SYSTEM SET wal_level = 'logical';""")


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(NAMES, NAMES, st.lists(NAMES, min_size=1, max_size=9, unique=True))
def test_a_preview_is_as_wide_as_a_page_at_most_and_moves_no_cursor(schema: str, name: str, key: list[str]) -> None:
    table = Table(name, tuple(key), schema, history=f"{name}_hist", silver_schema=f"silver_{schema}")
    told = (f"Left out, as asked for: {name}.",)
    plan = Plan(NONE, (Planned(table, 10, "primary key", told, 1),), SOURCE, {}, ())
    lines = preview(plan, (), ()).split("\n")
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) <= WIDTH or len(ascii(table.shown)) > 40
