"""A source and its warehouse as a process sees them that declares tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from medallion_lib import Medallion, shop, sqlfile
from medallion_lib.tables import Tables


def declaring(lab: Medallion, tables: Tables) -> Medallion:
    """The same databases, opened once more. Its engines are not for use: nobody closes them."""
    return Medallion(lab.place, lab.name, tables)


def with_silver(place: Path, *edits: tuple[str, str]) -> Tables:
    """The sample's tables, whose histories are made by an edited copy of the sample's SQL."""
    text = sqlfile.read("shop/silver")
    for before, after in edits:
        assert before in text
        text = text.replace(before, after, 1)
    edited = place / f"silver_{len([*place.iterdir()])}.sql"  # a file is read once in a process
    edited.write_text(text, encoding="utf-8")
    name = sqlfile.named(edited)
    return replace(shop.TABLES, silver=tuple(name if each == "shop/silver" else each for each in shop.TABLES.silver))


def saying(history: str, tables: Tables = shop.TABLES, /, **facts: Any) -> Tables:
    """The sample's tables, or these, of which one is declared with other facts."""
    each = (replace(table, **facts) if table.history == history else table for table in tables.each)
    return replace(tables, each=tuple(each))
