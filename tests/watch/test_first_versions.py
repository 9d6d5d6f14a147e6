"""A history that begins with a snapshot has the versions that bronze says."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import forked
import pytest
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import URL
from test_commands import REMEDY, done
from test_random_schemas import WORKER, clear, played, random_plans, source_of

from medallion_lib.bronze import layout
from medallion_lib import Medallion, MedallionError, databases, server
from medallion_lib.server import libpq
from medallion_lib.silver import first, merge
from medallion_lib.silver.shape import Shape
from medallion_lib.source.catalog import Catalog
from medallion_lib.tables import Table, Tables

LAST = {"upto": (1 << 63) - 1}


def not_as_bronze(cursor: Cursor, table: Table) -> list[tuple]:
    """Versions that only the history has, or only the general query over bronze, by its own way to a hash."""
    shape = Shape.read(cursor, table)
    typed = sql.SQL(", ").join(sql.SQL("({}::{})::text").format(sql.Identifier(name), sql.SQL(type_))
                               for name, type_ in shape.types.items())  # fmt: skip
    columns, there = (each.as_string(cursor).replace("%", "%%") for each in (typed, table.silver))
    expected = f"SELECT {columns}, row_hash, sys_start, sys_end FROM ({shape.whole_history().as_string(cursor)}) AS version"
    there = f"SELECT {columns}, row_hash, sys_start, sys_end FROM {there} AS version"
    cursor.execute(f"(({there}) EXCEPT ALL ({expected})) UNION ALL (({expected}) EXCEPT ALL ({there}))", LAST)
    return cursor.fetchall()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The histories that were begun by the short way, which those of few rows go, too."""
    monkeypatch.setattr(merge, "MANY", 1)
    histories: list[str] = []
    begun = first.begun

    def told(cursor: Cursor, shape: Shape, batch: dict[str, int]) -> Any:
        if done := begun(cursor, shape, batch):
            histories.append(shape.table.history)
        return done

    monkeypatch.setattr(first, "begun", told)
    return histories


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The histories whose first versions the source itself made."""
    histories: list[str] = []
    sending = first.sending

    def told(shape: Shape) -> Any:
        histories.append(shape.table.history)
        return sending(shape)

    monkeypatch.setattr(first, "sending", told)
    return histories


@pytest.mark.parametrize("count", [30, pytest.param(100, marks=pytest.mark.slow)])
def test_random_tables_begin_with_the_versions_that_bronze_says(taken: list[str], sent: list[str], count: int) -> None:
    """With keys of as many types as there are, up to 78, each row's hash is what `meta.row_hash` makes of it."""
    with played(random_plans(count, 31), 31) as made, server.session(made.lab.warehouse_url) as cursor:
        histories = [table for table in Tables.read(cursor).versioned if not table.by_month]
        assert [(table.name, not_as_bronze(cursor, table)) for table in histories
                if not_as_bronze(cursor, table)] == []  # fmt: skip
        filled = []
        for table in histories:
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table.silver))
            filled += [table.history] * (cursor.fetchone()[0] > 0)
        assert set(filled) <= set(taken) and len(filled) > 0.3 * count
        assert set(sent) < set(taken)


TEXTS = """
CREATE DOMAIN code AS varchar(5);
CREATE TABLE texts ("b" integer, "a""b\\\n" text, "größe" integer, long_name boolean, c char(3), n numeric, d date, u uuid, j jsonb,
                    i bigint, s smallint, at timestamptz, its code, of code COLLATE "C", PRIMARY KEY (s, b));
INSERT INTO texts (b, "a""b\\\n", "größe", long_name, c, n, d, j, i, s, at, its, of)
SELECT n, nullif(chr(n), 'c'), n, n % 2 = 0, 'x', 'NaN', CURRENT_DATE, '{"a": [null, "\\""]}', -n, n % 3, '-infinity', ' a ', ''
FROM generate_series(1, 1000) AS n;
INSERT INTO texts (b, s, n, u, d, at, i) SELECT n, 1, n / 100.00, gen_random_uuid(), 'infinity', now(), n FROM generate_series(1001, 2000) AS n
"""


@pytest.fixture
def texts() -> Iterator[URL]:
    with source_of("texts") as source:
        with databases.administering(source) as cursor:
            cursor.execute(TEXTS)
        yield source


@pytest.mark.parametrize("name", ["größe", "plain", "q"])
def test_texts_that_json_escapes_have_the_hash_of_their_row(texts: URL, taken: list[str], sent: list[str], name: str) -> None:
    with databases.administering(texts) as cursor:
        if name == "plain":
            cursor.execute('ALTER TABLE texts RENAME "größe" TO plain')
        if name == "größe":  # a row from before a column has its default, which no hash has
            cursor.execute("ALTER TABLE texts ADD later integer DEFAULT 7")
            cursor.execute("UPDATE texts SET later = nullif(b % 3, 2) WHERE b % 2 = 0")
        if name == "q":  # an empty one has no binary form that is read again
            cursor.execute("ALTER TABLE texts ADD q tsquery DEFAULT ''")
    lab = Medallion.find(f"texts_{WORKER}", source=texts)
    try:
        lab.watch(yes=True)
        with server.session(lab.warehouse_url) as cursor:
            (table,) = Tables.read(cursor).versioned
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table.silver))
            assert cursor.fetchone() == (2000,)
            assert not_as_bronze(cursor, table) == []
            cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'",
                           (table.silver.as_string(cursor),))  # fmt: skip
            assert cursor.fetchone() == ("PRIMARY KEY (s, b, sys_period WITHOUT OVERLAPS)",)
            cursor.execute("SELECT count(*) FROM information_schema.columns WHERE table_name = %s AND column_name = 'sys_start' "
                           "AND column_default IS NOT NULL", (table.history,))  # fmt: skip
            assert cursor.fetchone() == (0,)
        assert taken == [table.history] and sent == taken * (name != "q")
    finally:
        clear(lab)


def test_a_reader_of_an_empty_history_is_not_waited_for(texts: URL, taken: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The general statement merges then."""
    lab = Medallion.find(f"texts_{WORKER}", source=texts)
    general = merge.merge

    def read_meanwhile(*args: Any) -> Any:
        with server.session(lab.warehouse_url) as reader:
            (table,) = Tables.read(reader).versioned
            reader.execute(sql.SQL("SELECT FROM {}").format(table.silver))
            return general(*args)

    monkeypatch.setattr(merge, "merge", read_meanwhile)
    try:
        lab.watch(yes=True)
        with server.session(lab.warehouse_url) as cursor:
            (table,) = Tables.read(cursor).versioned
            assert not_as_bronze(cursor, table) == []
        assert taken == []
    finally:
        clear(lab)


@pytest.mark.parametrize("broken", ["1 / 0", "1"])
def test_what_the_source_makes_amiss_is_made_of_bronze(texts: URL, taken: list[str], monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """An error there or here, in the first of two tables: the source is asked for the second still."""
    with databases.administering(texts) as cursor:
        cursor.execute("CREATE TABLE words AS SELECT * FROM texts; ALTER TABLE words ADD PRIMARY KEY (s, b)")
    sending = first.sending
    monkeypatch.setattr(first, "sending", lambda shape: sending(shape) if shape.table.name == "words" else sql.SQL(
        f"COPY (SELECT {broken} FROM public.texts) TO STDOUT (FORMAT binary)"))  # fmt: skip
    lab = Medallion.find(f"texts_{WORKER}", source=texts)
    try:
        lab.watch(yes=True)
        with server.session(lab.warehouse_url) as cursor:
            assert [not_as_bronze(cursor, table) for table in Tables.read(cursor).versioned] == [[], []]
        assert taken == ["words_hist"]
    finally:
        clear(lab)


def indexes(lab: Medallion) -> list[tuple]:
    """Those of bronze's table."""
    with server.session(lab.warehouse_url) as cursor:
        cursor.execute("SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON oid = indrelid WHERE relname = 'br_texts_cdc'")
        return cursor.fetchall()


def test_bronze_has_its_indexes_once_it_is_watched(texts: URL) -> None:
    """Others than its key are made beside the first merge, and by none after it."""
    lab = Medallion.find(f"texts_{WORKER}", source=texts)
    try:
        lab.watch(yes=True)
        made = indexes(lab)
        assert sum("->> 'b'" in each for (each,) in made) == 1 and len(made) == 3
        lab.capture()
        assert indexes(lab) == made
    finally:
        clear(lab)


def test_rows_are_found_by_their_key_once_the_log_may_name_one_by_that_alone(texts: URL) -> None:
    """Where it has whole old rows, nothing searches; under all names that the key has had by then."""

    def do(*transactions: str) -> None:
        for each in transactions:
            with databases.administering(texts) as cursor:
                cursor.execute(each)
        lab.capture(merging=True)

    def searches() -> list[str]:
        return sorted(name for (each,) in indexes(lab) for name in ("'b'", "'number'") if f"->> {name}" in each)

    with databases.administering(texts) as cursor:
        cursor.execute("ALTER TABLE texts REPLICA IDENTITY FULL")
    lab = Medallion.find(f"texts_{WORKER}", source=texts)
    try:
        lab.watch(yes=True)
        assert (len(indexes(lab)), searches()) == (2, [])
        do("UPDATE texts SET n = 0 WHERE b = 1; DELETE FROM texts WHERE b = 2", "ALTER TABLE texts RENAME b TO number",
           "UPDATE texts SET n = 1 WHERE number = 3; DELETE FROM texts WHERE number = 4")  # fmt: skip
        assert searches() == []
        with server.session(lab.warehouse_url) as cursor:
            cursor.execute("SELECT full_row FROM bronze.br_texts_cdc WHERE (full_row ->> 'b')::integer = 5 OR (full_row ->> 'number')::integer = 3 "
                           "ORDER BY lsn DESC, full_row ->> 'b' DESC LIMIT 2")  # fmt: skip
            changed, untouched = (row for (row,) in cursor.fetchall())
        do("ALTER TABLE texts REPLICA IDENTITY DEFAULT", "DELETE FROM texts WHERE number = 3", "DELETE FROM texts WHERE number = 5")
        assert searches() == ["'b'", "'number'"]
        with server.session(lab.warehouse_url) as cursor:
            cursor.execute("SELECT full_row FROM bronze.br_texts_cdc WHERE op = 'D' ORDER BY lsn DESC LIMIT 2")
            assert [row for (row,) in cursor.fetchall()] == [untouched, changed]
        do("ALTER TABLE texts RENAME number TO nr", "DELETE FROM texts WHERE nr = 6")
        assert sum("->> 'nr'" in each for (each,) in indexes(lab)) == 1
        assert lab.verify() == []
    finally:
        clear(lab)


def test_the_tables_whose_rows_are_searched_for_are_known_before_the_log_is_read() -> None:
    tables = [Table(name, ("id",)) for name in ("whole", "named", "by index", "parts", "some parts", "gone")]
    with source_of("searched") as source, server.session(source) as cursor:
        cursor.execute("""
            CREATE TABLE whole (id integer PRIMARY KEY); ALTER TABLE whole REPLICA IDENTITY FULL;
            CREATE TABLE named (id integer PRIMARY KEY);
            CREATE TABLE "by index" (id integer PRIMARY KEY); ALTER TABLE "by index" REPLICA IDENTITY USING INDEX "by index_pkey";
            CREATE TABLE parts (id integer PRIMARY KEY) PARTITION BY RANGE (id);
            CREATE TABLE part PARTITION OF parts DEFAULT; ALTER TABLE part REPLICA IDENTITY FULL;
            CREATE TABLE "some parts" (id integer PRIMARY KEY) PARTITION BY RANGE (id);
            CREATE TABLE few PARTITION OF "some parts" FOR VALUES FROM (1) TO (9) PARTITION BY RANGE (id);
            CREATE TABLE one PARTITION OF few DEFAULT; CREATE TABLE other PARTITION OF "some parts" DEFAULT;
            ALTER TABLE other REPLICA IDENTITY FULL""")
        cursor.execute("SET search_path = ''")
        assert [each.name for each in Catalog(cursor, tables).searched()] == ["named", "by index", "some parts"]
        looking = [*tables[:2], Table("looking", ("id",), lookups=("x",), lookup="x")]
        assert Catalog(cursor, looking).searched() == looking


def killed(lab: Medallion, source: URL, at: str) -> int:
    """How a watch ended that kills its process at a step."""
    doomed = f"import os, signal\nfrom medallion_lib import Medallion, steps\n" \
             f"steps.on_step = lambda step: step == {at!r} and os.kill(os.getpid(), signal.SIGKILL)\n" \
             f"Medallion.find({lab.name!r}, source={libpq(source)!r}).watch(yes=True)"  # fmt: skip
    return forked.run("-c", doomed, environment=os.environ).returncode


LONG = "INSERT INTO long SELECT decode(string_agg(md5(n::text), ''), 'hex') FROM generate_series(1, 100) AS n"  # 3,202 letters


def test_a_key_that_no_index_holds_leaves_nothing_behind(texts: URL) -> None:
    """Its index is made when its row has landed."""
    with databases.administering(texts) as cursor:
        cursor.execute(f"DROP TABLE texts; CREATE TABLE long (id bytea PRIMARY KEY); {LONG}")
    lab = Medallion.find(f"texts_{WORKER}", source=texts)
    with pytest.raises(MedallionError, match="A row of long has a key whose text is too long for bronze to find it by") as refused:
        lab.watch(yes=True)
    assert f"Nothing is left of this watch. Mend that at the source, or watch without this table, or by another key:\n    {REMEDY} watch" in str(refused.value)
    assert "--resnapshot" not in str(refused.value)
    with databases.administering(texts) as cursor:
        cursor.execute("SELECT FROM pg_database, pg_replication_slots WHERE %s IN (datname, slot_name)", (lab.warehouse_name,))
        assert cursor.rowcount == 0


def test_a_key_that_no_index_holds_is_told_as_it_is_after_a_watch_that_was_killed(texts: URL) -> None:
    """Its row is in bronze, where no snapshot changes it; the others go on once its table is let go."""
    with databases.administering(texts) as cursor:
        cursor.execute(f"CREATE TABLE long (id bytea PRIMARY KEY); {LONG}")
    lab = Medallion.find(f"texts_{WORKER}", source=texts)
    assert killed(lab, texts, "landed") == -signal.SIGKILL
    try:
        with pytest.raises(MedallionError, match=r"A row of long has a key .* for bronze to find it by") as refused:
            lab.capture()
        assert "The row is in bronze already" in str(refused.value)
        for remedy in ("watch --remove long", "unwatch --drop-warehouse"):
            assert f"\n    {REMEDY} {remedy}" in str(refused.value)
        with databases.administering(texts) as cursor:
            cursor.execute("INSERT INTO texts (b, s) VALUES (5000, 1)")
        assert done(lab, "watch", "--remove", "long", "--yes").endswith("\n    long\n")
        assert lab.capture().rows == 1
        assert len(indexes(lab)) == 3
        assert lab.verify() == []
    finally:
        clear(lab)


@pytest.mark.parametrize("pause", [0, 0.5])
def test_what_is_interrupted_does_not_wait_for_an_index(texts: URL, pause: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "index_missing", lambda cursor, tables, searched, unfit: cursor.execute("SELECT pg_sleep(60)"))
    began = time.monotonic()
    with server.session(texts) as cursor, pytest.raises(KeyboardInterrupt), layout.indexing(cursor.connection, (), ()):
        time.sleep(pause)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 30


@pytest.mark.first(1)
@pytest.mark.parametrize("at", ["landed", "first rows taken", "merged texts_hist", "merge watermark written"])
def test_a_history_whose_first_rows_were_cut_off_begins_anew(texts: URL, at: str) -> None:
    """SIGKILL before, between and after the parts; a merge then makes what bronze says."""
    lab = Medallion.find(f"texts_{WORKER}", source=texts)
    assert killed(lab, texts, at) == -signal.SIGKILL
    try:
        with server.session(lab.warehouse_url) as cursor:
            (table,) = Tables.read(cursor).versioned
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table.silver))
            assert cursor.fetchone() == (0,)
        lab.merge()
        with server.session(lab.warehouse_url) as cursor:
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table.silver))
            assert cursor.fetchone() == (2000,)
            assert not_as_bronze(cursor, table) == []
        assert [each for each in lab.rebuild() if each.lost or each.gained] == []
        assert lab.verify() == []
        assert len(indexes(lab)) == 3, "the capture of verify makes what the watch could not"
    finally:
        clear(lab)
