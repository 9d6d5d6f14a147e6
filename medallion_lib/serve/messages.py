"""PostgreSQL's messages, version 3 of its protocol: those that are read or written here."""

from collections.abc import Iterator, Mapping

Fields = dict[str, str]  # of an ErrorResponse, by their letters


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


def encoded(text: str, codec: str) -> bytes:
    """As the client reads text; bytes that were no text come back as they were."""
    try:
        return text.encode(codec, "surrogateescape")
    except UnicodeEncodeError:
        return text.encode(codec, "replace")


def error(fields: Mapping[str, str], codec: str = "utf-8") -> bytes:
    """An ErrorResponse; of severity ERROR, if not given."""
    told = {"S": "ERROR", "V": "ERROR", **fields}
    each = (name.encode() + encoded(text, codec) + b"\0" for name, text in told.items())
    return message(b"E", b"".join(each) + b"\0")


def fatal(state: str, told: str) -> bytes:
    """The last that a client hears."""
    return error({"S": "FATAL", "V": "FATAL", "C": state, "M": told})


def fields(body: bytes, codec: str) -> Fields:
    each = (field.decode(codec, "surrogateescape") for field in body.split(b"\0") if field)
    return {field[0]: field[1:] for field in each}


def types(body: bytes) -> Iterator[int]:
    """Of a RowDescription, the oid of each column's type."""
    at = 2
    while at < len(body):
        at = body.index(0, at) + 1
        yield int.from_bytes(body[at + 6 : at + 10])
        at += 18


def row(body: bytes, codec: str) -> Iterator[str | None]:
    """The values of a DataRow, as text."""
    at = 2
    while at < len(body):
        length, at = int.from_bytes(body[at : at + 4], signed=True), at + 4
        yield body[at : at + length].decode(codec, "surrogateescape") if length >= 0 else None
        at += max(length, 0)
