"""Decode PostgreSQL's logical replication protocol, version 1: bytes in, plain values out.

Nothing here talks to a server. Source: PostgreSQL 18, 54.9 Logical Replication Message Formats.
"""

import json
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL counts microseconds from here
UNCHANGED = object()  # a TOAST value that the update left alone and the WAL does not carry

Column = str | None | object  # the value's text, NULL, or UNCHANGED
_CODES = "H", "I", "Q", "QqI", "QQq"
_u16, _u32, _u64, _begun, _committed = (struct.Struct(f"!{code}").unpack_from for code in _CODES)


class Begin(NamedTuple):
    lsn: int  # of the commit: the transaction's place in history
    microseconds: int  # from EPOCH to the commit
    xid: int

    @property
    def commit_ts(self) -> datetime:
        """OverflowError where that is infinite, or not of the years 1 to 9999; so of Commit's."""
        return _time(self.microseconds)


class Commit(NamedTuple):
    lsn: int
    end_lsn: int
    microseconds: int

    @property
    def commit_ts(self) -> datetime:
        return _time(self.microseconds)


class Message(NamedTuple):
    transactional: bool
    lsn: int
    prefix: str
    content: bytes


class Truncate(NamedTuple):
    relations: tuple[int, ...]


class Insert(NamedTuple):
    relation: int
    new: list[Column]


class Update(NamedTuple):
    relation: int
    old: list[Column] | None  # whole under REPLICA IDENTITY FULL, else the key, if it changed
    new: list[Column]


class Delete(NamedTuple):
    relation: int
    old: list[Column]  # whole under REPLICA IDENTITY FULL, else the key alone


class Relation(NamedTuple):
    """A table as it was when the rows that follow were written."""

    oid: int
    schema: str
    name: str
    identity: str  # replica identity: f is FULL
    columns: tuple[str, ...]
    types: tuple[int, ...]
    logged: frozenset[str]  # the columns of old rows that the log has

    @property
    def quoted(self) -> str:
        """The table as SQL names it."""
        return ".".join('"' + name.replace('"', '""') + '"' for name in (self.schema, self.name))


class Type(NamedTuple):
    """A type that PostgreSQL does not bring, which the relation that follows has a column of."""

    oid: int
    base: int | None  # where it is a domain over a number or boolean, that type's oid


Row = Sequence[Column]
Writer = Callable[[Row], str]
Reader = Callable[[bytes], str | None]
Event = Begin | Commit | Message | Truncate | Insert | Update | Delete | Relation | Type | None


def decode(data: bytes) -> Event:
    """One message. Origin messages carry nothing we keep and give None."""
    return _DECODERS[data[:1]](data)


def _time(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def relation(data: bytes) -> int:
    """Which relation the message of a row is about."""
    return _u32(data, 1)[0]


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1


def _tuple(data: bytes, at: int) -> tuple[list[Column], int]:
    (count,) = _u16(data, at)
    at += 2
    values: list[Column] = []
    append = values.append
    for _ in range(count):
        if data[at] == 0x74:  # t: text
            start = at + 5
            at = start + _u32(data, at + 1)[0]
            append(str(data[start:at], "utf-8"))
        else:
            append(None if data[at] == 0x6E else UNCHANGED)  # n or u
            at += 1
    return values, at


def _insert(data: bytes) -> Insert:
    return Insert(_u32(data, 1)[0], _tuple(data, 6)[0])


def _update(data: bytes) -> Update:
    old, at = (None, 5) if data[5:6] == b"N" else _tuple(data, 6)
    return Update(_u32(data, 1)[0], old, _tuple(data, at + 1)[0])


def _delete(data: bytes) -> Delete:
    return Delete(_u32(data, 1)[0], _tuple(data, 6)[0])


def _truncate(data: bytes) -> Truncate:
    (count,) = _u32(data, 1)
    return Truncate(struct.unpack_from(f"!{count}I", data, 6))


def _begin(data: bytes) -> Begin:
    return Begin._make(_begun(data, 1))


def _commit(data: bytes) -> Commit:
    return Commit._make(_committed(data, 2))


def _message(data: bytes) -> Message:
    prefix, at = _text(data, 10)
    return Message(data[1] == 1, _u64(data, 2)[0], prefix, data[at + 4 :])


def _relation(data: bytes) -> Relation:
    schema, at = _text(data, 5)
    name, at = _text(data, at)
    identity = chr(data[at])
    (count,) = _u16(data, at + 1)
    at += 3
    columns, types, logged = [], [], set()
    for _ in range(count):
        is_logged = data[at] == 1
        column, at = _text(data, at + 1)
        columns.append(column)
        types.append(_u32(data, at)[0])
        if is_logged:
            logged.add(column)
        at += 8
    facts = (schema, name, identity, tuple(columns), tuple(types), frozenset(logged))
    return Relation(_u32(data, 1)[0], *facts)


def _type(data: bytes) -> Type:
    """The name in it is that of a domain's base type."""
    schema, at = _text(data, 5)
    base = _BASE_TYPES.get(_text(data, at)[0]) if schema == "" else None  # that is pg_catalog
    return Type(_u32(data, 1)[0], base)


_BASE_TYPES = {
    "int8": 20, "int2": 21, "int4": 23, "oid": 26, "float4": 700, "float8": 701, "numeric": 1700,
    "bool": 16,
}  # fmt: skip
_DECODERS: Mapping[bytes, Callable[[bytes], Event]] = {
    b"I": _insert, b"U": _update, b"D": _delete, b"B": _begin, b"C": _commit,
    b"M": _message, b"R": _relation, b"T": _truncate,
    b"Y": _type, b"O": lambda _: None,
}  # fmt: skip

# From a value's text to JSON. One path for snapshot and stream, so that both give the same jsonb.
_NUMBER = re.compile(r"(?!-0\Z)-?\d+(\.\d+)?([eE][-+]?\d+)?\Z")
_quote: Callable[[str], str] = json.encoder.encode_basestring  # "…", escapes only what it must


def _decimal(text: str) -> str:
    return text if _NUMBER.match(text) else _quote(text)  # not NaN, Infinity and -0


_WRITERS: Mapping[int, Callable[[str], str] | None] = {
    **dict.fromkeys((20, 21, 23, 26), None),  # int8, int2, int4, oid: as they are
    **dict.fromkeys((700, 701, 1700), _decimal),  # float4, float8, numeric
    16: {"t": "true", "f": "false"}.__getitem__,  # boolean
}


def _writers(types: Sequence[int], base_types: Mapping[int, int]) -> list:
    return [_WRITERS.get(base_types.get(oid, oid), _quote) for oid in types]


def _template(columns: Sequence[str], nulls: Sequence[str]) -> str:
    pairs = [_quote(name).replace("%", "%%") + ": %s" for name in columns]
    pairs += [_quote(name).replace("%", "%%") + ": null" for name in nulls]
    return "{" + ", ".join(pairs) + "}"


def json_writer(
    columns: Sequence[str], types: Sequence[int], base_types: Mapping[int, int],
    nulls: Sequence[str] = (),
) -> Writer:  # fmt: skip
    """A function from a row's values to a JSON object, for columns of these types (oids).

    base_types names the type a domain stands for. Numbers and booleans become JSON's own,
    everything else is a string: the value's text as PostgreSQL prints it. So is jsonb, whose null
    would else look like the column's. `nulls` are names of more columns, which are null.
    """
    template, writers = _template(columns, nulls), enumerate(_writers(types, base_types))
    converted = [(place, convert) for place, convert in writers if convert]

    def write(values: Row) -> str:
        row = ["null" if value is None else value for value in values]
        for place, convert in converted:
            if values[place] is not None:
                row[place] = convert(values[place])  # type: ignore[arg-type]
        return template % tuple(row)

    return write


def json_reader(
    relation: Relation, key: Sequence[int], base_types: Mapping[int, int], nulls: Sequence[str] = ()
) -> Reader:  # fmt: skip
    """From an insert's or update's message to the new row, as `json_writer` writes it, in one pass.

    None where more is to be known than the new row: of a key that has changed, or of a value that
    was left alone. Text is a character for each byte on its way; most rows have no other.
    """
    writers, template = _writers(relation.types, base_types), _template(relation.columns, nulls)
    template, upto = template.encode().decode("latin-1"), max(key, default=-1) + 1

    def read(data: bytes) -> str | None:
        at = 8
        if data[0] == 0x55:  # U
            if data[5] != 0x4F or not upto:  # O: the whole old row
                return None
            ended = _past(data, at, upto)
            at = _past(data, ended, len(writers) - upto) + 3
            if not data.startswith(data[8:ended], at):
                return None
        text, row = str(data, "latin-1"), []
        append = row.append
        for write in writers:
            if data[at] == 0x74:  # t: text
                start = at + 5
                at = start + _u32(data, at + 1)[0]
                append(write(text[start:at]) if write else text[start:at])
            elif data[at] == 0x6E:  # n
                append("null")
                at += 1
            else:
                return None
        made = template % tuple(row)
        return made if made.isascii() else made.encode("latin-1").decode()

    return read


def _past(data: bytes, at: int, count: int) -> int:
    """Where so many values end."""
    for _ in range(count):
        at += 5 + _u32(data, at + 1)[0] if data[at] == 0x74 else 1
    return at
