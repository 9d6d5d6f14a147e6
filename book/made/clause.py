"""What `_static/ask/clause.js`, the clause in the page, has of the Python one: words, forms, texts.

The script is the Python modules' twin in every rule, so it reads their private sets too. Of the
refusals it gets those it names.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from medallion_lib.errors import TEXTS
from medallion_lib.system_time import clause, option, references, tokens
from medallion_lib.system_time.forms import FORMS, WRITTEN

SCRIPTS = Path(__file__).parents[1] / "_static" / "ask"
NAME = "clause_data.js"
WORDS = {
    "RESERVED": tokens.RESERVED,
    "VALUES": tokens._VALUES,
    "CALLED": tokens._CALLED,
    "BEFORE_NAME": tokens.BEFORE_NAME,
    "UNITS": tokens._UNITS,
    "LIST_ENDS": references._LIST_ENDS,
    "WRITING": frozenset(references._WRITING),
    "LOCKS": references._LOCKS,
    "AFTER_QUERY": frozenset(references._AFTER_QUERY),
    "MAKE": references._MAKE,
    "BEFORE_NEW": references._BEFORE_NEW,
    "NAMES_FOLLOW": clause._NAMES_FOLLOW,
    "FOLLOWS": clause._FOLLOWS,
    "MEANING": option._MEANING,
    "STANDARD": option._STANDARD,
    "TOLD": option.TOLD,
}


def write(folder: Path) -> None:
    """Write what the script in this folder imports beside it."""
    (folder / NAME).write_text("".join(_exports()), encoding="utf-8")


def _exports() -> Iterator[str]:
    script = "".join(path.read_text("utf-8") for path in SCRIPTS.glob("*.js"))
    ways = {"FORMS": [(form.clause, form) for form in FORMS], "WRITTEN": WRITTEN}
    forms = {name: [{"clause": clause, "suffix": form.suffix} for clause, form in written]
             for name, written in ways.items()}  # fmt: skip
    texts = {name: text for name, text in TEXTS.items() if f'"{name}"' in script}
    for name, value in {**WORDS, **forms, "TEXTS": texts}.items():
        yield f"export const {name} = {_literal(value)};\n"


def _literal(value: object) -> str:
    if isinstance(value, set | frozenset):
        return f"new Set({json.dumps(sorted(value))})"
    return json.dumps(value, ensure_ascii=False)
