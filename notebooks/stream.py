"""What bronze's two chapters look through: the shop, its slot's messages, sizes and times."""

import time
from collections.abc import Callable, Iterator
from struct import unpack_from
from typing import Any

import pandas as pd
from sqlalchemy import text

from medallion_lib import Medallion, MedallionError
from medallion_lib.source import pgoutput

PEEK = """SELECT lsn, xid, data
FROM pg_logical_slot_peek_binary_changes(
    :slot, NULL, NULL, 'proto_version', '1',
    'publication_names', 'medallion', 'messages', 'true')"""

# In this book both databases are on one server, so that one query sees slot and watermark.
POSITIONS = text("""SELECT (confirmed_flush_lsn - '0/0')::bigint AS slot, lsn::bigint AS watermark,
       (pg_current_wal_flush_lsn() - '0/0')::bigint AS log_end,
       (SELECT count(*) FROM br_customer_cdc WHERE full_row ->> 'email' = :email) AS rows
FROM meta.watermark JOIN pg_replication_slots ON slot_name = slot
WHERE stage = 'capture'""")


SIZES = """SELECT nspname AS layer, sum(pg_total_relation_size(pg_class.oid))::bigint AS bytes
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname IN ('bronze', 'silver', 'gold') AND relkind IN ('r', 'v')
GROUP BY nspname ORDER BY nspname = 'gold', nspname"""
FLUSH = "SELECT pg_logical_emit_message(false, 'chapter', 'up to here', true)"


class Shop:
    """The shop's database: `shop(statement)` runs one there and commits it, as the shop would."""

    def __init__(self, lab: Medallion) -> None:
        self.lab = lab

    def __call__(self, statement: str, **values: Any) -> pd.DataFrame | None:
        with self.lab.source.begin() as session:
            found = session.execute(text(statement), values)
            if not found.returns_rows:
                return None
            return pd.DataFrame(found, columns=list(found.keys()))

    def waiting(self) -> pd.DataFrame:
        """What the slot would send, still in it: a message a row, as bytes and decoded.

        A change's label is the first value of its new row.
        """
        sent = self(PEEK, slot=self.lab.slot)
        sent["data"] = sent["data"].map(bytes)
        sent["event"] = sent["data"].map(pgoutput.decode)
        sent["label"] = [getattr(event, "new", [""])[0] for event in sent["event"]]
        return sent.assign(kind=[type(event).__name__ for event in sent["event"]])

    def log_end(self) -> int:
        """How many bytes of log the server has written."""
        return int(self("SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes")["bytes"][0])

    def last(self) -> pd.DataFrame:
        """The messages of the last transaction that waits, in a shop that was replayed.

        The replay does not wait for the disk, and the slot reads what is on disk. A message past
        all transactions makes the server write up to there.
        """
        self(FLUSH)
        sent = self.waiting()[:-1]
        return sent[sent["xid"] == sent["xid"].iloc[-1]]


def layers(lab: Medallion) -> pd.DataFrame:
    """Rows and bytes of bronze, silver and gold, indexes included."""
    counts = pd.Series(lab.status(exact=True)["rows"])
    rows = counts.groupby(counts.index.str.split(".").str[0]).sum()
    held = pd.read_sql(text(SIZES), lab.warehouse).set_index("layer")
    return held.assign(rows=rows).reset_index()


def until_silver(shop: Shop, email: str) -> float:
    """Milliseconds from the commit of a new address for customer 42 until silver has it."""
    shop("UPDATE customer SET email = :email WHERE customer_id = 42", email=email)
    began = time.monotonic()
    seen = text("SELECT FROM dim_customer WHERE email = :email")
    with shop.lab.warehouse.connect() as session:
        while not session.execute(seen, {"email": email}).all():
            assert time.monotonic() - began < 30
            time.sleep(0.001)
    return 1000 * (time.monotonic() - began)


def dump(message: bytes) -> str:
    """16 bytes a line, with the letters among them on the right."""
    lines = (message[at : at + 16] for at in range(0, len(message), 16))
    return "\n".join(f"{16 * n:04x}  {line.hex(' ', 4):35}  {_letters(line)}"
                     for n, line in enumerate(lines))  # fmt: skip


def _letters(line: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)


def parts(message: bytes, table: str) -> pd.DataFrame:
    """An update with its whole old row, cut without the help of `pgoutput`."""
    old = list(_fields(message[6:]))
    cut = 8 + sum(map(len, old))
    new = list(_fields(message[cut + 1 :]))
    assert cut + 3 + sum(map(len, new)) == len(message)
    meaning = {
        0: "U: an update",
        1: f"of {table}, by its number",
        5: f"O: the whole old row, {len(old)} columns",
        8: "its fields, here the first",
        cut: f"N: the new row, {len(new)} columns",
        cut + 3: "its fields, here the first",
    }
    ends = [*list(meaning)[1:], len(message)]
    rows = [(start, message[start:end][: len(old[0])].hex(" "), said)
            for (start, said), end in zip(meaning.items(), ends, strict=True)]  # fmt: skip
    return pd.DataFrame(rows, columns=["offset", "bytes", "meaning"])


def _fields(row: bytes) -> Iterator[bytes]:
    """Each field of a row: its tag and, after the tag t, four bytes of length and the text."""
    (count,), at = unpack_from("!H", row), 2
    for _ in range(count):
        size = 5 + unpack_from("!I", row, at + 1)[0] if row[at : at + 1] == b"t" else 1
        yield row[at : at + size]
        at += size


def moment(lab: Medallion, name: str, email: str) -> pd.DataFrame:
    """Where slot and watermark are, and how many rows bronze has of a customer's address."""
    found = pd.read_sql(POSITIONS, lab.warehouse, params={"email": email})
    return found.assign(moment=name)


def refusal(refused: Callable[[], object]) -> str:
    """What a call that must be refused says."""
    try:
        refused()
    except MedallionError as said:
        return str(said)
    raise AssertionError("It was not refused.")
