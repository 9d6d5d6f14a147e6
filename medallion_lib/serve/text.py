"""The text of a Query or Parse: what the hook makes of it, and of a complaint about it.

What the hook asks meanwhile of a connection, it asks on the client's own: there
alone its TEMP tables, its search_path and what it has not committed are seen.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count, islice
from dataclasses import dataclass
from typing import Any, Self

from psycopg2.extensions import string_types
from sqlalchemy.util import await_only

from medallion_lib.errors import MedallionError
from medallion_lib.serve.wire import Fields
from medallion_lib.system_time import hook, option
from medallion_lib.system_time.clause import Parsed, parse
from medallion_lib.system_time.forms import FORMS
from medallion_lib.system_time.tokens import Edit, Token, edited, tokenize

Rows = list[tuple[Any, ...]]
# The oids of types that are read as the driver reads them; the others are text.
_READ = {oid: string_types[oid] for oid in (16, 20, 21, 23, 26, 1000, 1003, 1009, 1028)}
_READ[2210] = string_types[1009]  # regclass[], as text[]
_LONG = 1 << 14  # characters; a text from here on is read beside the loop
_FORMS = "|".join(form.suffix for form in FORMS)
# Letters of which a text must have some to be of the hook's concern. The case is not left to the
# search, which then jumps from one first letter to the next.
_WORDS = "|".join((*option.TOLD, "create", "alter", "drop", "into", _FORMS))
_CONCERNS = re.compile(_WORDS.encode())
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


def concerns(text: bytes | bytearray) -> bool:
    """Whether the hook has to read it."""
    return _CONCERNS.search(text.lower()) is not None


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
    for found in _INSTANTS.finditer(sent) if oids else ():
        for number in filter(None, found.groups()):
            place = int(number) - 1
            if place < len(oids) and oids[place] in _TEXTUAL:
                oids[place] = 0
    return types[:2] + b"".join(oid.to_bytes(4) for oid in oids)


def explained(said: Said, found: Fields, others: Callable[[], Iterable[str]]) -> Fields:
    """The server's complaint in the words of who wrote the text, or at its place in that."""
    problem = said.refusal if found.get("C") == "42601" else None
    problem = problem or hook.translated(Diagnosis(found), lambda: said.parsed, others)
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


class Diagnosis:
    """What an ErrorResponse says, as drivers of libpq call it."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = fields
        self.sqlstate, self.message_primary = fields.get("C"), fields.get("M")
        self.message_hint = fields.get("H")


class Complaint(Exception):
    """PostgreSQL's, about a statement of ours."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(fields.get("M", ""))
        self.diag = Diagnosis(fields)


class Inside:
    """A connection and, since one thing is asked at a time, its only cursor.

    The session `info` says of itself what libpq does of a connection; it is asked by `ask`.
    """

    def __init__(self, info: Any, ask: Callable[[str], Awaitable[Rows]]) -> None:
        self.info, self.ask, self.connection = info, ask, self
        self._rows: Iterator[tuple[Any, ...]] = iter(())

    def cursor(self) -> Self:
        return self

    def close(self) -> None:
        """Nothing is kept open."""

    def execute(self, sql: str, values: Any = None) -> None:
        if isinstance(values, Mapping):
            sql %= {name: _literal(value) for name, value in values.items()}
        elif values is not None:
            sql %= tuple(map(_literal, values))
        self._rows = iter(await_only(self.ask(sql)))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchall(self) -> Rows:
        return list(self._rows)


def _literal(value: object) -> str:
    """As text, of whatever type its place is; an escape string ends alike under every setting."""
    if value is None:
        return "NULL"
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = (str(item).replace("\\", r"\\").replace('"', r"\"") for item in value)
        value = "{" + ",".join(f'"{item}"' for item in items) + "}"
    told = str(value).replace("\\", r"\\").replace("'", "''")
    return f" E'{told}'"


def types(body: bytes) -> Iterator[int]:
    """Of a RowDescription, the oid of each column's type."""
    at = 2
    while at < len(body):  # a name and its end, and 18 bytes more
        at = body.index(0, at) + 19
        yield int.from_bytes(body[at - 12 : at - 8])


def row(types: Sequence[int], body: bytes, codec: str) -> Iterator[Any]:
    """The values of a DataRow."""
    at = 2
    for type_ in types:
        length, at = int.from_bytes(body[at : at + 4], signed=True), at + 4
        value = body[at : at + length].decode(codec, "surrogateescape") if length >= 0 else None
        at += max(length, 0)
        yield _READ[type_](value, None) if type_ in _READ else value
