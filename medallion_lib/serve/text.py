"""The text of a Query or Parse: what the hook makes of it, and of a complaint about it."""

import asyncio
import re
from collections.abc import Sequence
from functools import cached_property
from itertools import count, islice
from dataclasses import dataclass
from typing import Any

from sqlalchemy.util import await_only

from medallion_lib.errors import MedallionError
from medallion_lib.serve.messages import Fields
from medallion_lib.system_time import hook, option
from medallion_lib.system_time.clause import Parsed, parse
from medallion_lib.system_time.forms import FORMS
from medallion_lib.system_time.tokens import Edit, Token, edited, tokenize

_LONG = 1 << 14  # characters; a text from here on is read beside the loop
_FORMS = "|".join(form.suffix for form in FORMS)
# Letters of which a text must have some to be of the hook's concern.
CONCERNS = re.compile(
    "|".join((*option.TOLD, "create", "alter", "drop", "into", _FORMS)).encode(), re.IGNORECASE
)
_INSTANTS = re.compile(rf'(?:{_FORMS})"?\(\$(\d+)(?:, \$(\d+))?\)')
_TEXTUAL = (25, 1043)  # oids of text and varchar
_TAGS = ("CREATE", "ALTER", "DROP", "TABLE", "MATERIALIZED", "VIEW", "TRIGGER")
_REFUSED = "REFUSED"  # begins no statement: the server complains, and is where an error leaves it


@dataclass
class Said:
    """A text of a client's that the hook has read."""

    text: str
    parsed: Parsed
    edits: list[Edit]
    is_ddl: bool = False
    refusal: MedallionError | None = None

    @cached_property
    def sent(self) -> str:
        """The text for the server: as many statements as the client's, where that is one."""
        if self.refusal:
            return _REFUSED
        sent = edited(self.text, self.edits)
        if self.tag:
            inner, outer = islice((tag for n in count() if (tag := f"$as_one{n}$") not in sent), 2)
            return f"DO {outer}BEGIN EXECUTE {inner}{sent}\n{inner}; END{outer}"
        return sent

    @cached_property
    def tag(self) -> str:
        """What the server would call it when done; empty where it says so itself."""
        sent = tokenize(edited(self.text, self.edits)) if self.edits else ()
        if not sent or not _is_single(self.parsed.tokens) or _is_single(sent):
            return ""
        words = [token.text for token in self.parsed.tokens[1:8]]
        words = [word for word in words if word in _TAGS]
        return " ".join(words[: 3 if words[1] == "MATERIALIZED" else 2])

    def original(self, position: int) -> int:
        """Where in the client's text a place of what was sent is, both counted from 1."""
        at, shift = position - 1, 0
        for start, end, new in sorted(self.edits, key=lambda edit: edit[0]):
            if at < start + shift:
                break
            if at < start + shift + len(new):
                return start + 1
            shift += len(new) - (end - start)
        return at - shift + 1


def read(connection: Any, text: str) -> Said:
    """In a greenlet, since the catalog may be asked. The hook reads drivers' texts: % is %%."""
    doubled = text.replace("%", "%%")
    parsed = Parsed(doubled, tokenize(""))
    if not hook.is_read_here(connection, doubled):
        return Said(text, parsed, [])
    try:
        is_long = len(doubled) > _LONG
        parsed = await_only(asyncio.to_thread(parse, doubled)) if is_long else parse(doubled)
        edits = hook.edits(connection, parsed)
    except MedallionError as problem:
        return Said(text, parsed, [], refusal=type(problem)(_single(str(problem))))
    if doubled != text:
        edits = [(len(_single(doubled[:start])), len(_single(doubled[:end])), _single(new))
                 for start, end, new in edits]  # fmt: skip
    return Said(text, parsed, edits, option.is_ddl(parsed.tokens))


def _single(text: str) -> str:
    return text.replace("%%", "%")


def _is_single(tokens: Sequence[Token]) -> bool:
    return sum(1 for _ in option.statements("", tokens)) == 1


def untyped(sent: str, types: bytes) -> bytes:
    """What Parse says of its parameters, with an instant declared as text left to the server."""
    oids = [int.from_bytes(types[at : at + 4]) for at in range(2, len(types), 4)]
    for found in _INSTANTS.finditer(sent):
        for number in filter(None, found.groups()):
            place = int(number) - 1
            if place < len(oids) and oids[place] in _TEXTUAL:
                oids[place] = 0
    return types[:2] + b"".join(oid.to_bytes(4) for oid in oids)


def explained(said: Said, found: Fields, diagnosis: Any, others: Any) -> Fields:
    """The server's complaint in the words of who wrote the text, or at its place in that."""
    problem = said.refusal if found.get("C") == "42601" else None
    problem = problem or hook.translated(diagnosis, lambda: said.parsed, others)
    if problem:
        return {name: found[name] for name in "SVC" if name in found} | told(problem)
    return placed(said, found)


def placed(said: Said, found: Fields) -> Fields:
    """The complaint, with its place in the client's own text."""
    return found | ({"P": str(said.original(int(found["P"])))} if "P" in found else {})


def told(problem: MedallionError) -> Fields:
    """A refusal as PostgreSQL has errors: what is wrong, and what to do."""
    what, *hint = re.split(r"(?<=\.)\s", str(problem), maxsplit=1)
    return {"M": " ".join(what.splitlines()), **({"H": hint[0].strip("\n")} if hint else {})}
