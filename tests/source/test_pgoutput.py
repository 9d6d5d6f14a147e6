"""Values of every kind land from the log as they were."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_commands import change

from medallion_lib import Medallion, server
from medallion_lib.shop import TABLES
from medallion_lib.source import pgoutput
from medallion_lib.source.pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    Message,
    Relation,
    Truncate,
    Type,
    Update,
)  # fmt: skip

NOON = datetime(2023, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)
MICROSECONDS = 741_528_000_123_456  # from 2000-01-01 to NOON


def row(*values: str | object | None) -> bytes:
    """TupleData as the server writes it."""
    parts = [struct.pack("!H", len(values))]
    for value in values:
        if value is None:
            parts.append(b"n")
        elif value is UNCHANGED:
            parts.append(b"u")
        else:
            raw = str(value).encode()
            parts.append(b"t" + struct.pack("!i", len(raw)) + raw)
    return b"".join(parts)


def relation(identity: bytes = b"f", *columns: tuple[str, int]) -> bytes:
    body = b"".join(
        b"\x01" + name.encode() + b"\0" + struct.pack("!Ii", oid, -1) for name, oid in columns
    )
    head = b"R" + struct.pack("!I", 16400) + b"public\0customer\0" + identity
    return head + struct.pack("!H", len(columns)) + body


OID = struct.pack("!I", 16400)


@pytest.mark.parametrize(("data", "event"), [
    (b"B" + struct.pack("!QqI", 2**63 + 5, MICROSECONDS, 777), Begin(2**63 + 5, MICROSECONDS, 777)),
    (b"C\0" + struct.pack("!QQq", 100, 148, MICROSECONDS), Commit(100, 148, MICROSECONDS)),
    (b"B" + struct.pack("!QqI", 1, -1, 3), Begin(1, -1, 3)),
    (b"M\x01" + struct.pack("!Q", 42) + b"medallion.system_time\0" + struct.pack("!I", 4) + b"2023",
     Message(True, 42, "medallion.system_time", b"2023")),
    (b"M\0" + struct.pack("!Q", 42) + b"\0" + struct.pack("!I", 2) + b"\0\xff",
     Message(False, 42, "", b"\0\xff")),
    (b"I" + OID + b"N" + row("1", None, ""), Insert(16400, ["1", None, ""])),
    (b"U" + OID + b"N" + row("1", UNCHANGED), Update(16400, None, ["1", UNCHANGED])),
    (b"U" + OID + b"O" + row("1", "old") + b"N" + row("1", "new"),
     Update(16400, ["1", "old"], ["1", "new"])),
    (b"U" + OID + b"K" + row("1", None) + b"N" + row("2", "new"),
     Update(16400, ["1", None], ["2", "new"])),
    (b"D" + OID + b"O" + row("1", "grüße 😀"), Delete(16400, ["1", "grüße 😀"])),
    (b"T" + struct.pack("!IB", 2, 1) + struct.pack("!II", 7, 16400), Truncate((7, 16400))),
    (relation(b"f", ("id", 23), ('a "name"', 25)),
     Relation(16400, "public", "customer", "f", ("id", 'a "name"'), (23, 25), frozenset(["id", 'a "name"']))),
    (relation(b"d"), Relation(16400, "public", "customer", "d", (), (), frozenset())),
    (b"O" + struct.pack("!Q", 1) + b"elsewhere\0", None),
    (b"Y" + OID + b"\0numeric\0", Type(16400, 1700)),
    (b"Y" + OID + b"\0text\0", Type(16400, None)),
    (b"Y" + OID + b"public\0numeric\0", Type(16400, None)),
])  # fmt: skip
def test_a_message_decodes(data: bytes, event: pgoutput.Event) -> None:
    assert pgoutput.decode(data) == event


@pytest.mark.parametrize(("microseconds", "at"), [
    (MICROSECONDS, NOON), (-1, datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
])  # fmt: skip
def test_a_commit_has_its_time(microseconds: int, at: datetime) -> None:
    assert Begin(1, microseconds, 3).commit_ts == Commit(1, 2, microseconds).commit_ts == at


@pytest.mark.parametrize("data", [b"S\0\0\0\1", b"?", b""])
def test_an_unknown_message_is_never_passed_over(data: bytes) -> None:
    """S, a streamed transaction, is one: it is never asked for."""
    with pytest.raises((KeyError, ValueError)):
        pgoutput.decode(data)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
awkward = st.sampled_from([
    "", "\\", "\\N", "\\.", '"', "'", "\n", "\r\n", "\t", "\b\f\v\x01\x7f\x85", "{}", "null",
    "\\u0041", "\u2028\u2029", "﷽", "😀", "\U0010ffff", "a\\nb", "NaN",
])  # fmt: skip
numerics = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-10**25, max_value=10**25),
    st.sampled_from([Decimal(x) for x in ("NaN", "Infinity", "-Infinity", "0.00", "-0", "1E+40")]),
)
values = st.tuples(
    st.integers(-(2**31), 2**31 - 1) | st.none(),
    st.integers(-(2**63), 2**63 - 1) | st.none(),
    numerics | st.none(),
    st.floats() | st.none(),
    texts | awkward | st.none(),
    st.booleans() | st.none(),
    st.lists(texts | awkward | st.none(), max_size=4) | st.none(),
    st.dictionaries(texts, st.integers() | texts | st.none(), max_size=3).map(json.dumps) | st.none(),
)
TYPES = {"i": "integer", "b": "bigint", "n": "numeric", "f": "double precision", "t": "text",
         "o": "boolean", "a": "text[]", "j": "jsonb"}  # fmt: skip


def test_every_value_survives_json_and_copy(
    lab: Medallion, record_property: Callable[[str, object], None]
) -> None:
    written: list[int] = []
    connection = server.connect(lab.source_url, options="-c extra_float_digits=1")
    cursor = connection.cursor()
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    cursor.execute(f"CREATE TEMP TABLE typed (no integer, {columns})")
    cursor.execute("CREATE TEMP TABLE landed (full_row jsonb)")
    cursor.execute("SELECT atttypid::integer, attname::text FROM pg_attribute "
                   "WHERE attrelid = 'typed'::regclass AND attnum > 0 ORDER BY attnum")  # fmt: skip
    types, names = zip(*cursor.fetchall(), strict=True)
    write = pgoutput.json_writer(names, types, {})

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(st.lists(values, min_size=1, max_size=8))
    def survives(rows: list[tuple[Any, ...]]) -> None:
        cursor.execute("TRUNCATE typed, landed")
        for number, each in enumerate(rows):
            cursor.execute("INSERT INTO typed VALUES (%s, %s, %s, %s, %s, %s, %s, %s::text[], %s)",
                           (number, *each))  # fmt: skip
        cursor.execute("SELECT no::text, i::text, b::text, n::text, f::text, t, left(o::text, 1), "
                       "a::text, j::text FROM typed")  # fmt: skip
        lines = [write(printed).replace("\\", "\\\\") + "\n" for printed in cursor.fetchall()]
        cursor.copy_expert("COPY landed FROM STDIN", io.StringIO("".join(lines)))
        cursor.execute(DIFFERENT)
        assert cursor.fetchall() == []
        cursor.execute("SELECT full_row ->> 't' FROM landed ORDER BY (full_row ->> 'no')::integer")
        assert [text for (text,) in cursor.fetchall()] == [each[4] for each in rows]
        written.append(len(rows))

    survives()
    record_property("random rows", sum(written))
    connection.close()


DIFFERENT = """
    SELECT typed.*, full_row
    FROM typed FULL JOIN landed ON (full_row ->> 'no')::integer = no
    WHERE NOT coalesce(full_row ?& ARRAY['i', 'b', 'n', 'f', 't', 'o', 'a', 'j'], false)
       OR (full_row ->> 'i')::integer IS DISTINCT FROM i
       OR (full_row ->> 'b')::bigint IS DISTINCT FROM b
       OR (full_row ->> 'n')::numeric::text IS DISTINCT FROM n::text
       OR (full_row ->> 'f')::double precision IS DISTINCT FROM f
       OR (full_row ->> 't') IS DISTINCT FROM t
       OR (full_row ->> 'o')::boolean IS DISTINCT FROM o
       OR (full_row ->> 'a')::text[] IS DISTINCT FROM a
       OR (full_row ->> 'j')::jsonb IS DISTINCT FROM j
"""


@pytest.mark.parametrize(("oid", "text", "json_text"), [
    (23, "-5", "-5"), (1700, "4.90", "4.90"), (1700, "NaN", '"NaN"'), (701, "1e+200", "1e+200"),
    (701, "-Infinity", '"-Infinity"'), (701, "-0", '"-0"'), (701, "-0.5", "-0.5"), (16, "t", "true"), (16, "f", "false"), (25, "5", '"5"'),
    (25, "", '""'), (25, None, "null"), (3802, '{"a": [1]}', '"{\\"a\\": [1]}"'), (3802, "null", '"null"'), (1009, "{a,NULL}", '"{a,NULL}"'),
    (99999, "1901", "1901"),
])  # fmt: skip
def test_a_value_has_the_json_type_of_its_column(
    oid: int, text: str | None, json_text: str
) -> None:
    write = pgoutput.json_writer(("c",), (oid,), {99999: 23})
    assert write([text]) == f'{{"c": {json_text}}}'


def test_a_column_of_any_name_is_a_key() -> None:
    name = 'quo"te \\ tab\t'
    write = pgoutput.json_writer((name,), (23,), {})
    assert json.loads(write(["1"])) == {name: 1}


DOMAINS = {99998: 99997, 99999: 23}  # over a type of no number, and over integer
long = st.sampled_from(["x", "é", "😀"]).flatmap(lambda each: st.integers(1, 70_000).map(each.__mul__))
PRINTED = {
    16: st.sampled_from("tf"), 25: texts | awkward | long, 1009: texts | awkward, 99998: texts,
    **dict.fromkeys((20, 23, 701, 1700, 99999), st.integers().map(str) | st.sampled_from(["NaN", "-0", "1e+20"])),
}  # fmt: skip
columns = st.lists(st.tuples(texts | awkward, st.sampled_from(sorted(PRINTED))), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_row_read_at_once_is_the_row_that_is_decoded_and_written(data: st.DataObject) -> None:
    names, types = zip(*data.draw(columns), strict=True)
    old, other = (data.draw(st.tuples(*(st.none() | PRINTED[oid] for oid in types))) for _ in "on")
    new = [data.draw(st.sampled_from((a, a, b, UNCHANGED))) for a, b in zip(old, other, strict=True)]
    key = data.draw(st.sets(st.sampled_from(range(len(types))), max_size=3))
    nulls = data.draw(st.lists(texts, max_size=1))
    facts = 16400, "public", "customer", "f", names, types, frozenset(names)
    read = pgoutput.json_reader(Relation(*facts), [*key], DOMAINS, nulls)
    row_written = None if UNCHANGED in new else pgoutput.json_writer(names, types, DOMAINS, nulls)(new)
    assert read(b"I" + OID + b"N" + row(*new)) == row_written
    assert read(b"U" + OID + b"N" + row(*new)) is None
    update = b"U" + OID + b"O" + row(*old) + b"N" + row(*new)
    assert pgoutput.decode(update)[1:] == ([*old], new)
    upto = max(key, default=-1) + 1
    is_same = bool(key) and [*old[:upto]] == new[:upto]
    assert read(update) == (row_written if is_same else None)


# The same on its way through a server's log


def bronze(lab: Medallion, table: str) -> list[tuple[str, dict[str, Any]]]:
    with lab.warehouse.connect() as connection:
        landed = f"SELECT op, full_row FROM bronze.br_{table}_cdc ORDER BY lsn, seq"
        return [tuple(found) for found in connection.exec_driver_sql(landed)]


AWKWARD_EDITS = """
    UPDATE customer SET email = E'"q" \\\\ \\n\\r\\t \u2028 😀 {}', first_name = '', create_date = '4713-01-01 BC';
    UPDATE customer SET email = NULL, active = NULL, last_update = NULL WHERE mod(customer_id, 2) = 0;
    UPDATE film SET special_features = ARRAY['a,b', 'c"d', NULL, '', E'\\\\'], rating = NULL, length = 0;
    UPDATE film SET description = repeat('long ', 3000), special_features = '{}' WHERE film_id < 9;
    UPDATE rental SET rental_date = 'infinity', return_date = '-infinity' WHERE rental_id = 1;
    UPDATE rental SET return_date = '0044-03-15 12:00:00.000001 BC' WHERE rental_id = 2;
    UPDATE rental SET rental_date = '12023-01-01' WHERE rental_id = 3;
    UPDATE payment SET amount = 'NaN', payment_date = '1999-12-31' WHERE payment_id = 1;
    UPDATE payment SET amount = -0.00 WHERE payment_id = 2
"""


@pytest.mark.slow
def test_a_snapshot_row_and_the_streamed_row_are_the_same_jsonb(lab: Medallion) -> None:
    lab.replay("2023-01-20")
    change(lab.source, "ALTER TABLE customer ADD twice bigint "
                       "GENERATED ALWAYS AS (customer_id * 2) STORED")  # fmt: skip
    change(lab.source, AWKWARD_EDITS)
    lab.capture()
    lab.capture(resnapshot=True, yes=True)
    with lab.warehouse.connect() as connection:
        for table in TABLES.captured:
            compared, different = connection.exec_driver_sql(f"""
                SELECT count(*), count(*) FILTER (WHERE streamed.full_row IS DISTINCT FROM taken.full_row)
                FROM bronze.br_{table.name}_cdc AS taken
                LEFT JOIN LATERAL (
                    SELECT full_row FROM bronze.br_{table.name}_cdc
                    WHERE (full_row ->> '{table.name}_id')::integer = (taken.full_row ->> '{table.name}_id')::integer
                      AND lsn < taken.lsn
                    ORDER BY lsn DESC, seq DESC LIMIT 1
                ) AS streamed ON true
                WHERE op = 'R'
            """).one()
            assert compared > 400
            assert different == 0, table.name


def test_a_change_of_key_lands_as_delete_and_insert_and_its_children_follow(lab: Medallion) -> None:
    lab.replay("2023-01-05")
    lab.capture()
    change(lab.source, "UPDATE customer SET customer_id = 9999 WHERE customer_id = "
                       "(SELECT min(customer_id) FROM payment)")  # fmt: skip
    lab.capture()
    lab.merge()
    assert [op for op, _ in bronze(lab, "customer")[-2:]] == ["D", "I"]
    with lab.warehouse.connect() as ours, lab.source.connect() as theirs:
        for view, table in (("fact_payment_current", "payment"), ("fact_rental_current", "rental")):
            query = "SELECT count(*) FROM {} WHERE customer_id = 9999"
            count = theirs.exec_driver_sql(query.format(table)).scalar_one()
            assert count > 0
            assert ours.exec_driver_sql(query.format(view)).scalar_one() == count
