"""Which type of PostgreSQL holds what another holds, with the same text: by their names alone."""

import re
from collections.abc import Sequence

TYPE = re.compile(
    r"(?P<front>[^(\[]+)(?:\((?P<sizes>[\d,-]+)\))?(?P<rest>[^\[]*)(?P<array>(\[\])?)"
)
DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
SIZED = (  # holds more, the larger its size is, and all without
    "character varying", "character", "bit varying", "interval", "time without time zone",
    "time with time zone", "timestamp without time zone", "timestamp with time zone",
)  # fmt: skip
TEXTS = ("text", "character varying")
AS_TEXT = (*DIGITS, "numeric", "boolean", "uuid", "date", "character varying", "text")
# Types whose values the other reads, with another text.
READS = {
    ("date", "timestamp without time zone"), ("date", "timestamp with time zone"),
    ("timestamp without time zone", "timestamp with time zone"), ("json", "jsonb"),
    ("real", "double precision"), ("character", "text"), ("character", "character varying"),
    *((whole, real) for whole in DIGITS for real in ("real", "double precision")),
}  # fmt: skip


def _parts(type_: str) -> tuple[str, Sequence[int], str]:
    """A type's name, its sizes, and its brackets if it is an array."""
    found = TYPE.fullmatch(type_)
    sizes = [int(size) for size in (found["sizes"] or "").split(",") if size]
    return found["front"].rstrip() + found["rest"], sizes, found["array"]


def widens(old: str, new: str) -> bool:
    """Whether the new type holds more than the old, and each value of that with the same text.

    A numeric may get more zeros at its end.
    """
    (before, had, array), (after, has, brackets) = _parts(old), _parts(new)
    if old == new or array != brackets:
        return False
    # An array prints a boolean as t, and a text that one was cast to is true.
    if after in TEXTS and not has and before in AS_TEXT and (not array or before != "boolean"):
        return True
    if before in DIGITS and after in DIGITS:
        return DIGITS[before] < DIGITS[after]
    if after == "numeric" and before in (*DIGITS, "numeric"):
        had = had or ([DIGITS[before], 0] if before in DIGITS else [])
        return not has or (bool(had) and has[1] >= had[1] and has[0] - has[1] >= had[0] - had[1])
    return before == after and after in SIZED and (not has or (bool(had) and has[0] >= had[0]))


def holds(old: str, new: str) -> bool:
    """Whether the old type holds every value of the new one."""
    return old in (*TEXTS, new) or widens(new, old)


def holding(old: str, new: str) -> str:
    """A type that holds the values of both: one of them, else text."""
    if widens(old, new):
        return new
    is_read = (_parts(old)[0], _parts(new)[0]) in READS and not _parts(new)[1]
    return old if holds(old, new) else new if is_read else "text"
