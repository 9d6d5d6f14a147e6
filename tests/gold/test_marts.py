"""Marts of a user's own: a directory of SQL whose views travel, and whose numbers have receipts."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from test_commands import done, refused

from medallion_lib import Medallion, MedallionError, server
from medallion_lib.errors import TEXTS
from medallion_lib.gold import marts
from medallion_lib.mart import Mart
from medallion_lib.tables import Table, Tables

# Two values of each type of key, the second also as it may be written otherwise.
KEYS = {"numeric": ("1.50", "2", "2.00"), "text": ("a%", "b", "b"), "uuid": ("0" * 32, "1" * 32, "1" * 32), "char(4)": ("a", "b", "b  "),
        "timestamptz": ("2024-01-01", "infinity", "infinity"), "boolean": ("f", "t", "yes"),
        "float8": ("0.1", "-0", "0")}  # fmt: skip
BY_KEY = {f"by {kind}": kind for kind in KEYS}
TABLES = Tables(
    (Table("shop", ("id",), history="shop_hist"), Table("sale", ("shop_id", "nr"), history="sale_hist"),
     *(Table(name, ("k",), history=f"{name}_hist") for name in BY_KEY)),
    marts=tuple(Mart(name, f"{name}_hist", {"n": "row.n"}) for name in BY_KEY),
)  # fmt: skip
SOURCE = """
    CREATE TABLE shop (id int PRIMARY KEY, town text NOT NULL);
    CREATE TABLE sale (shop_id int, nr int, day date, amount numeric(8, 2), is_void boolean NOT NULL, PRIMARY KEY (shop_id, nr));
    ALTER TABLE shop REPLICA IDENTITY FULL;
    ALTER TABLE sale REPLICA IDENTITY FULL"""
FILES = {
    "10_town.sql": """
-- What a town takes in a day; a void sale does not count.
CREATE OR REPLACE FUNCTION gold.cents(numeric) RETURNS bigint LANGUAGE sql IMMUTABLE
    BEGIN ATOMIC SELECT CASE WHEN $1 IS NULL THEN 0 ELSE 100 * $1 END; END;
CREATE VIEW vw_town AS
SELECT town, day, sum(amount) AS revenue, sum(cents(amount)) AS cents, count(*) AS sales
FROM sale LEFT JOIN shop ON shop.id = sale.shop_id
WHERE NOT is_void
GROUP BY town, day;
COMMENT ON VIEW vw_town IS '100 %; the end.';
""",
    "20_best.sql": "CREATE VIEW vw_best AS SELECT town, max(revenue) AS revenue FROM vw_town GROUP BY town",
    "marts.toml": """
[[mart]]
name = "vw_town"
of = "sale_hist"
joins = "LEFT JOIN silver.shop FOR SYSTEM_TIME AS OF {at} AS shop ON shop.id = row.shop_id"
where = "NOT row.is_void AND row.nr % 100 > 0"
grain = { town = "shop.town", day = "row.day" }
""",
}
Row = dict[str, Any]


def written(place: Path, files: dict[str, str]) -> Path:
    place.mkdir()
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
    return place


def asked(lab: Medallion, query: str, *values: object) -> list[tuple]:
    with lab.warehouse.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query, values or None)]


def at_source(lab: Medallion, statement: str, *values: object) -> None:
    with server.session(lab.source_url) as cursor:
        cursor.execute(statement, values or None)


@dataclass
class Shops:
    """The source in plain Python, with a copy of it at each instant."""

    towns: dict[int, str] = field(default_factory=dict)
    sales: dict[tuple[int, int], Row] = field(default_factory=dict)

    def by_day(self) -> dict[tuple[str | None, date | None], list[tuple[int, int]]]:
        cells = defaultdict(list)
        for key, sale in self.sales.items():
            if not sale["is_void"]:
                cells[self.towns.get(key[0]), sale["day"]].append(key)
        return cells

    def vw_town(self) -> set[tuple]:
        found = set()
        for cell, keys in self.by_day().items():
            known = [self.sales[key]["amount"] for key in keys if self.sales[key]["amount"] is not None]
            total = sum(known) if known else None
            found.add((*cell, total, int(100 * sum(known)), len(keys)))
        return found

    def vw_best(self) -> set[tuple]:
        best: dict[str | None, Decimal | None] = {}
        for town, _, total, *_ in self.vw_town():
            best[town] = max((each for each in (best.get(town), total) if each is not None), default=None)
        return {*best.items()}

    def copy(self) -> Shops:
        return Shops(dict(self.towns), {key: dict(sale) for key, sale in self.sales.items()})


def change(lab: Medallion, shops: Shops, pick: random.Random) -> None:
    """One transaction at the source, and the same in Python."""
    shop, key = pick.randint(1, 4), (pick.randint(1, 4), pick.randint(1, 6))
    amount = pick.choice([None, Decimal(pick.randint(-500, 5000)) / 100])
    day = pick.choice([None, *(date(2024, 2, 27) + timedelta(days) for days in range(3))])
    kind = pick.choice(["town", "close", "sale", "sale", "sale", "delete"])
    if kind == "town":
        shops.towns[shop] = town = pick.choice(["Ulm", "Tromsø", "100%"])
        at_source(lab, "INSERT INTO shop VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET town = excluded.town", shop, town)
    elif kind == "close":
        shops.towns.pop(shop, None)
        at_source(lab, "DELETE FROM shop WHERE id = %s", shop)
    elif kind == "sale":
        is_void = pick.random() < 0.3
        shops.sales[key] = {"day": day, "amount": amount, "is_void": is_void}
        at_source(lab, "INSERT INTO sale VALUES (%s, %s, %s, %s, %s) ON CONFLICT (shop_id, nr) DO UPDATE SET "
                       "day = excluded.day, amount = excluded.amount, is_void = excluded.is_void", *key, day, amount, is_void)  # fmt: skip
    else:
        shops.sales.pop(key, None)
        at_source(lab, "DELETE FROM sale WHERE (shop_id, nr) = (%s, %s)", *key)


@pytest.fixture(scope="module")
def lab() -> Iterator[Medallion]:
    """A warehouse of two tables of its own, beside the histories and marts of the sample."""
    opened = Medallion.open("marts")
    opened.reset(yes=True)
    at_source(opened, SOURCE)
    for name, kind in BY_KEY.items():
        at_source(opened, f'CREATE TABLE "{name}" (k {kind} PRIMARY KEY, n int); ALTER TABLE "{name}" REPLICA IDENTITY FULL')
    opened.declared = TABLES
    opened.capture(resnapshot=True, yes=True)
    opened.rebuild(yes=True)
    yield opened
    opened.close()
    opened.drop()


@pytest.fixture(scope="module")
def copies(lab: Medallion, directory: Path) -> dict[datetime, Shops]:
    """By instant, what the source had then, after changes at random."""
    shops, pick, found = Shops(), random.Random(11), {}
    lab.marts(directory)
    for _ in range(12):
        for _ in range(6):
            change(lab, shops, pick)
        with server.session(lab.source_url) as cursor:
            cursor.execute("SELECT clock_timestamp()")
            found[cursor.fetchone()[0]] = shops.copy()
    lab.capture(merging=True)
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("marts") / "own", FILES)


def as_of(lab: Medallion, mart: str, at: datetime) -> set[tuple]:
    rows = asked(lab, f"SELECT * FROM {mart} FOR SYSTEM_TIME AS OF %s", at)
    assert len({*rows}) == len(rows)
    return {*rows}


def check(lab: Medallion, copies: dict[datetime, Shops]) -> None:
    for at, shops in copies.items():
        assert as_of(lab, "vw_town", at) == shops.vw_town(), at
        assert as_of(lab, "vw_best", at) == shops.vw_best(), at


def test_a_mart_of_ones_own_travels_to_every_instant(lab: Medallion, copies: dict[datetime, Shops]) -> None:
    """A view, and a view on top of it, as of twelve instants: what plain Python makes of the rows that the source had then."""
    check(lab, copies)
    assert any(None in row for shops in copies.values() for row in shops.vw_town())


@pytest.mark.slow
def test_a_rebuild_makes_them_again_without_their_directory(
    lab: Medallion, copies: dict[datetime, Shops], directory: Path
) -> None:
    away = directory.rename(directory.with_name("away"))
    assert all(table.lost == table.gained == 0 for table in lab.rebuild())
    away.rename(directory)
    check(lab, copies)
    (at, shops), *_ = [*copies.items()][-1:]
    (town, day), keys = next(iter(shops.by_day().items()))
    assert len(lab.receipt("vw_town", at, town=town, day=day).rows) == len(keys)


def test_a_receipt_of_any_cell_has_the_rows_that_add_up_to_it(lab: Medallion, copies: dict[datetime, Shops]) -> None:
    """Each row of a receipt stands once, with the event that made its version, as the log told it."""
    pick = random.Random(12)
    cells = [(at, cell) for at, shops in copies.items() for cell in shops.by_day()]
    for at, (town, day) in pick.sample(cells, 25):
        answer = lab.receipt("gold.vw_town", at, town=town, day=day)
        assert answer.columns == ("shop_id", "nr", "day", "amount", "is_void", "true_since", "op", "lsn", "seq", "commit_ts", "load_ts")
        sales = {key: copies[at].sales[key] for key in sorted(copies[at].by_day()[town, day])}
        assert [(row[:2], *row[2:5]) for row in answer.rows] == [(key, *sale.values()) for key, sale in sales.items()]
        for line in (dict(zip(answer.columns, row, strict=True)) for row in answer.rows):
            ((row, op),) = asked(lab, "SELECT full_row, op FROM br_sale_cdc WHERE lsn = %s::pg_lsn - '0/0' AND seq = %s AND commit_ts = %s",
                                 line["lsn"], line["seq"], line["true_since"])  # fmt: skip
            assert (row["shop_id"], row["nr"], op) == (line["shop_id"], line["nr"], line["op"])
            assert line["amount"] is row["amount"] or Decimal(str(row["amount"])) == line["amount"]


@pytest.mark.first(3)
@pytest.mark.parametrize("name", BY_KEY)
def test_a_receipt_finds_the_event_by_a_key_of_any_type(lab: Medallion, copies: dict[datetime, Shops], name: str) -> None:
    """Whether its equal values are written alike or not, as 2 and 2.00 are of one row."""
    one, other, again = KEYS[BY_KEY[name]]
    at_source(lab, f'INSERT INTO "{name}" VALUES (%s, 1), (%s, 2)', one, other)
    at_source(lab, f'UPDATE "{name}" SET k = %s, n = 1 WHERE n = 2', again)
    with server.session(lab.source_url) as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    answer = lab.receipt(name, now, n=1)
    assert answer.columns[:2] == ("k", "n")
    is_another = BY_KEY[name] in ("numeric", "float8")  # as the log has it: a delete and an insert
    assert sorted(row[answer.columns.index("op")] for row in answer.rows) == ["I", "I" if is_another else "U"]
    is_its = f"SELECT (full_row ->> 'k')::{BY_KEY[name]} = k FROM \"br_{name}_cdc\", \"{name}_hist\" WHERE sys_end = 'infinity' AND n = 1 " \
             "AND sys_start = commit_ts AND (lsn, seq) = (%s::pg_lsn - '0/0', %s)"  # fmt: skip
    assert [asked(lab, is_its, *row[4:6]) for row in answer.rows] == [[(True,)]] * 2


def test_a_cell_that_none_has_is_empty_and_another_grain_is_refused(lab: Medallion, copies: dict[datetime, Shops]) -> None:
    at = max(copies)
    assert lab.receipt("vw_town", at, town="Nowhere", day="2024-02-27").rows == []
    for mart, cell in (("vw_town", {"town": "Ulm"}), ("vw_best", {"town": "Ulm"}), ("vw_town", {})):
        with pytest.raises(MedallionError, match=r"vw_store_scorecard: store_id, business_date; vw_town: town, day\.$"):
            lab.receipt(mart, at, **cell)
    with pytest.raises(MedallionError, match="invalid input syntax for type date"):
        lab.receipt("vw_town", at, town="Ulm", day="soon")


def test_what_changed_is_told_by_the_declared_grain(lab: Medallion, copies: dict[datetime, Shops]) -> None:
    (since, before), (until, after) = [*copies.items()][3], [*copies.items()][-1]
    rows = lab.changed("vw_town", since, until).rows
    old, new = ({row[:2]: row[2:] for row in shops.vw_town()} for shops in (before, after))
    assert {row[:2] for row in rows} == {cell for cell in old.keys() | new.keys() if old.get(cell) != new.get(cell)}
    assert {row[:2] for row in rows if row[2] == "new"} == new.keys() - old.keys()
    assert lab.changed("vw_best", since, until, "town").columns[0] == "town"
    with pytest.raises(MedallionError, match="vw_best can't be compared by None"):
        lab.changed("vw_best", since, until)


def state(lab: Medallion) -> list[list[tuple]]:
    """All that gold holds, the functions behind it, and what the warehouse keeps."""
    return [asked(lab, query) for query in (
        "SELECT oid, relname, relkind::text FROM pg_class WHERE relnamespace = 'gold'::regnamespace ORDER BY 1",
        "SELECT oid, proname::text, prosqlbody::text FROM pg_proc WHERE pronamespace = 'gold'::regnamespace ORDER BY 1",
        "SELECT version, tables FROM meta.warehouse")]  # fmt: skip


MART = '[[mart]]\nname = "vw_town"\nof = "sale_hist"\n'


@pytest.mark.first(12)
@pytest.mark.parametrize(("name", "text", "told"), [
    ("20_best.sql", "\n\nCREATE VIEW vw_best AS\n  SELECT nope FROM vw_town", '20_best.sql, line 4: column "nope" does not exist'),
    ("20_best.sql", "CREATE VIEW vw_best AS SELECT 1;\nSELECT 1 / 0;", "20_best.sql, line 2: division by zero"),
    ("30.sql", "/* one\n two */ SELEC 1", '30.sql, line 2: syntax error at or near "SELEC"'),
    ("30.sql", "SELECT 'one", "30.sql, line 1: unterminated quoted string"),
    ("30.sql", "SELECT '%s', '{}';\n\nCOMMIT;", "30.sql, line 3: EXECUTE of transaction commands is not implemented"),
    ("30.sql", "DO $$ BEGIN; COMMIT; END $$", "30.sql, line 1: syntax error"),
    ("30.sql", "SELECT 1;\nDO $$ BEGIN COMMIT; END $$", "30.sql, line 2: invalid transaction termination"),
    ("30.sql", "SELECT 1;\n-- the shop's\nCREATE VIEW vw_top_titles AS SELECT 1", '30.sql, line 3: relation "vw_top_titles" already exists'),
    ("30.sql", "CREATE VIEW vw_town AS SELECT 1", '30.sql, line 1: relation "vw_town" already exists'),
    ("30.sql", "CREATE OR REPLACE VIEW vw_monthly_revenue AS SELECT NULL::int AS store_id, NULL::date AS revenue_month, 1.0 AS total_revenue, "
               "1::bigint AS total_transactions, 1.0 AS avg_transaction_amount, 1::bigint AS unique_customers",
     "30.sql would change or drop what it did not make in gold: vw_monthly_revenue."),
    ("30.sql", "DROP VIEW vw_monthly_revenue CASCADE", "30.sql would change or drop what it did not make in gold: vw_monthly_revenue."),
    ("30.sql", "DROP VIEW vw_town CASCADE", "30.sql would change or drop what it did not make in gold: vw_town, vw_best."),
    ("30.sql", "CREATE TABLE t (a int)", "30.sql makes what is no view in gold: t."),
    ("30.sql", "CREATE MATERIALIZED VIEW m AS SELECT 1", "30.sql makes what is no view in gold: m."),
    ("30.sql", "SELECT '\0'", "30.sql, line 1: "),
    ("marts.toml", "[[mart]", "can't be read as a directory of marts: Expected"),
    ("marts.toml", "[[view]]", "can't be read as a directory of marts: marts.toml has view"),
    ("marts.toml", MART, "can't be read as a directory of marts: "),
    ("marts.toml", MART + "grain.town = 5", "mart vw_town needs a grain, and text"),
    ("marts.toml", MART + 'of_what = ""', "A mart has no of_what."),
    ("marts.toml", MART + 'grain.nope = "row.nr"', "vw_town can't be a mart of sale_hist as marts.toml declares it: it has no nope"),
    ("marts.toml", MART + 'grain.town = "row.town"', "declares it: column row.town does not exist"),
    ("marts.toml", MART + 'grain.town = "row.nr"\ncolumns = ["nope"]', "column counted.nope does not exist"),
    ("marts.toml", MART + 'grain.town = "shop.town"\njoins = "JOIN nope FOR SYSTEM_TIME AS OF {at} AS shop ON true"', "declares it: "),
    ("marts.toml", MART.replace("vw_town", "vw_monthly_revenue") + 'grain.store_id = "row.nr"', "no file here makes such a view"),
    ("marts.toml", MART.replace("sale_hist", "sale") + 'grain.town = "row.town"', "sale does not keep every version"),
])  # fmt: skip
def test_what_fails_says_where_and_why_and_changes_nothing(
    lab: Medallion, copies: dict[datetime, Shops], tmp_path: Path, name: str, text: str, told: str
) -> None:
    """By file, line and the server's reason, without a traceback; the marts that were there stay."""
    before = state(lab)
    with pytest.raises(MedallionError) as caught:
        lab.marts(written(tmp_path / "own", FILES | {name: text}))
    assert told in str(caught.value)
    assert state(lab) == before


def test_a_directory_without_sql_is_refused(lab: Medallion, copies: dict[datetime, Shops], tmp_path: Path) -> None:
    before = state(lab)
    for place in (tmp_path, tmp_path / "nowhere", written(tmp_path / "own", {"marts.toml": ""})):
        with pytest.raises(MedallionError, match=r"no file there ends in \.sql"):
            lab.marts(place)
    (tmp_path / "own" / "bytes.sql").write_bytes(b"\xff")
    with pytest.raises(MedallionError, match="can't be read as a directory of marts: 'utf-8'"):
        lab.marts(tmp_path / "own")
    assert state(lab) == before


def test_the_directory_is_applied_as_it_is_now(
    lab: Medallion, copies: dict[datetime, Shops], directory: Path, tmp_path: Path
) -> None:
    """A view that no file makes any more is gone; one that reads the clock is told with the reason, and the others travel."""
    clock = {"15_today.sql": "CREATE VIEW vw_today AS SELECT * FROM sale WHERE day = current_date"}
    own = written(tmp_path / "own", {name: text for name, text in FILES.items() if name != "20_best.sql"} | clock)
    done = lab.marts(own)
    assert (done.made, done.gone) == (("vw_town", "vw_today"), ("vw_best",))
    assert [*done.refused] == ["vw_today"] and "it says CURRENT_DATE" in done.refused["vw_today"]
    at = max(copies)
    assert as_of(lab, "vw_town", at) == copies[at].vw_town()
    with pytest.raises(Exception, match="it says CURRENT_DATE"):
        as_of(lab, "vw_today", at)
    assert "gold.vw_today" in (rows := lab.status(exact=True)["rows"]) and "gold.vw_best" not in rows
    assert lab.marts(directory).gone == ("vw_today",)
    check(lab, {at: copies[at]})


def test_who_reads_a_mart_is_told_before_it_goes(lab: Medallion, copies: dict[datetime, Shops], directory: Path) -> None:
    before = state(lab)
    for clause in ("", "FOR SYSTEM_TIME AS OF '2024-01-01'"):
        with lab.warehouse.begin() as connection:
            connection.exec_driver_sql(f"CREATE VIEW scratch.reader AS SELECT * FROM vw_town {clause}")
        with pytest.raises(MedallionError, match=r"view (scratch\.)?reader depends on (view|function)"):
            lab.marts(directory)
        with lab.warehouse.begin() as connection:
            connection.exec_driver_sql("DROP VIEW scratch.reader")
        assert state(lab) == before


def test_a_capture_that_began_before_does_not_forget_them(lab: Medallion, copies: dict[datetime, Shops], directory: Path) -> None:
    """Capture keeps what it knows of the tables, which it may have read long before."""
    with server.session(lab.warehouse_url) as cursor:
        known = Tables.read(cursor)
    lab.marts(directory)
    with server.session(lab.warehouse_url) as cursor:
        Tables(known.each, known.silver, known.gold).keep(cursor)
        assert [script.file for script in Tables.read(cursor).own.scripts] == ["10_town.sql", "20_best.sql"]
        known.keep(cursor)


def test_the_command_tells_what_it_made(lab: Medallion, copies: dict[datetime, Shops], directory: Path, tmp_path: Path) -> None:
    own = written(tmp_path / "own", {"a.sql": "CREATE VIEW vw_now AS SELECT count(*), now() FROM shop"})
    assert done(lab, "marts", str(own)).splitlines() == [
        "Made in gold: vw_now.", "No longer there: vw_town, vw_best.",
        "gold.vw_now cannot be asked FOR SYSTEM_TIME AS OF …: " + TEXTS["view reads the clock"].format(fact="now()")]  # fmt: skip
    assert done(lab, "marts", str(directory)) == "Made in gold: vw_town, vw_best.\nNo longer there: vw_now.\n"
    assert "class VwBest(Base):" in done(lab, "models", "gold")
    (own / "a.sql").write_text("SELEC", encoding="utf-8")
    assert refused(lab, "marts", str(own)).startswith('a.sql, line 1: syntax error at or near "SELEC"\n')


@pytest.mark.parametrize("statements", [
    ["SELECT 1;", "\n-- ; one\nSELECT ';';", " /* ; /* ; */ ; */ "], ["SELECT $a$;$$;$a$, E'\\';', \";\";", ""],
    ["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);", "SELECT CASE WHEN true THEN 1 END;", ""],
    ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE 1 WHEN 1 THEN 2 END; END;", "SELECT 1"],
    ["SELECT 1; SELECT 'without an end;"], [")); SELECT 1;"], [""],
])  # fmt: skip
def test_a_file_is_run_statement_by_statement(statements: list[str]) -> None:
    """So that an error is told by its line. What can't be divided is sent as it is."""
    assert [text for _, text in marts._statements("".join(statements))] == statements
