"""What the page "Ask it yourself" begins with: questions, its slider's days, tables and columns.

The page's script (`_static/ask/page.js`) makes the rest of it, in the reader's browser.
"""

import json
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

from sqlalchemy import Row

from made import dictionary, drag
from medallion_lib import Medallion

QUESTIONS = Path(__file__).parents[1] / "ask" / "questions.toml"
TEMPLATE = Path(__file__).with_name("asking_template.html")
FIRST = "2023-01-01"
DAYS = f"SELECT ({drag.LAST})::date + 1 - date '{FIRST}'"
LAYERS = "gold", "silver"  # whose rows the page's PostgreSQL has


def questions() -> list[dict[str, str]]:
    """Each with its title and its SQL."""
    listed = tomllib.loads(QUESTIONS.read_text(encoding="utf-8"))["question"]
    return [{name: text.strip() for name, text in each.items()} for each in listed]


def page(lab: Medallion, _copy: Path) -> str:
    with lab.warehouse.connect() as warehouse:
        relations = warehouse.exec_driver_sql(dictionary.QUERY).all()
        days = warehouse.exec_driver_sql(DAYS).scalar_one()
    asked = questions()
    shown = sorted((each for each in relations if each.layer in LAYERS), key=_place)
    parts = {
        "questions": "\n".join(f"<li><button type=\"button\">{escape(each['title'])}</button></li>"
                               for each in asked),
        "first": FIRST,
        "days": str(days),
        "tables": "\n".join(line for each in shown for line in _table(each)),
        "data": json.dumps([each["sql"] for each in asked]).replace("<", "\\u003c"),
    }  # fmt: skip
    return TEMPLATE.read_text(encoding="utf-8").format_map(parts)


def _place(relation: Row) -> tuple[int, str]:
    return LAYERS.index(relation.layer), relation.name


def _table(relation: Row) -> Iterator[str]:
    """A table or view, unfolded to its columns; a click writes a name, a comment is its title."""
    travels = " data-travels" if relation.travels else ""
    yield f'<details data-name="{escape(relation.name)}"{travels}>'
    yield f'<summary title="{escape(relation.meaning)}">{escape(relation.name)}</summary><ul>'
    columns = zip(relation.columns, relation.types, relation.meanings, strict=True)
    for name, kind, meaning in columns:
        told = f"{dictionary.SHORTER.get(kind, kind)}: {meaning}"
        yield f'<li><button type="button" title="{escape(told)}">{escape(name)}</button></li>'
    yield "</ul></details>"
