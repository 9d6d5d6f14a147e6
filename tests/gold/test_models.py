"""The printed models are the tables and views, column by column."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from declared import differences, hints, keys, mappers, of_type, printed, untyped
from sqlalchemy import TIMESTAMP, Connection, cast, func, literal, select, text
from sqlalchemy import inspect as mapper_of
from sqlalchemy.exc import CompileError
from sqlalchemy.orm import Session
from year import ask, as_owner, own_lab

from medallion_lib import Medallion, MedallionError, databases, models
from medallion_lib.models import FOREVER, SCHEMAS, as_of, reflect

ROOT = Path(__file__).parents[2]
PACK_DAY = "2023-07-01"
JUNE = date(2023, 6, 1)


@pytest.fixture(scope="module")
def lab() -> Iterator[Medallion]:
    with own_lab("models") as lab:
        lab.reset(year=True)
        yield lab


@pytest.fixture(scope="module")
def made(lab: Medallion) -> Any:
    """What a user pastes: the printed models."""
    return printed(lab.warehouse)


@pytest.fixture(scope="module")
def shop(lab: Medallion) -> Any:
    return reflect(lab.warehouse)


@pytest.fixture
def session(lab: Medallion) -> Iterator[Session]:
    with Session(lab.warehouse) as session:
        yield session


@contextmanager
def tried(lab: Medallion, statement: str = "") -> Iterator[Connection]:
    """The warehouse after a statement of its owner's, which is rolled back."""
    engine = databases.engine(lab.warehouse_url, "public")
    with engine.connect() as warehouse:
        if statement:
            warehouse.exec_driver_sql(statement)
        yield warehouse
        warehouse.rollback()
    engine.dispose()


# Declared and found


def test_every_table_and_view_has_its_model_and_every_column_is_as_it_is(lab: Medallion, made: Any, shop: Any) -> None:
    with tried(lab) as warehouse:
        for models_ in (made, shop):
            found = differences(warehouse, models_, *SCHEMAS)
            assert not found, "\n".join(found)
    assert len(mappers(made)) >= 9 + 4 + 2 + 3 + 1
    told = [[(each.class_.__name__, keys(each), each.columns.keys()) for each in mappers(both)] for both in (made, shop)]
    assert told[0] == told[1]


@pytest.mark.parametrize(("change", "told"), [
    ("ALTER TABLE silver.fact_payment ADD tip numeric(5, 2)", ["-silver.fact_payment.tip NUMERIC(5, 2)"]),
    ("ALTER TABLE meta.watermark ALTER ahead TYPE numeric",
     ["-meta.watermark.ahead NUMERIC NOT NULL", "+meta.watermark.ahead BIGINT NOT NULL"]),
    ("ALTER TABLE silver.dim_film_hist ALTER title SET NOT NULL",
     ["-silver.dim_film_hist.title TEXT NOT NULL", "+silver.dim_film_hist.title TEXT"]),
    ("ALTER TABLE bronze.br_film_cdc DROP load_ts", ["+bronze.br_film_cdc.load_ts TIMESTAMP WITH TIME ZONE NOT NULL"]),
    ("ALTER TABLE meta.watermark DROP stage, ADD stage text PRIMARY KEY DEFAULT gen_random_uuid()",
     ["+meta.watermark.stage TEXT NOT NULL", "-meta.watermark.stage TEXT NOT NULL"]),
    ("ALTER TABLE bronze.br_film_cdc RENAME op TO operation",
     ["-bronze.br_film_cdc.operation CHAR(1) NOT NULL", "+bronze.br_film_cdc.op CHAR(1) NOT NULL"]),
    ("ALTER TABLE meta.watermark DROP CONSTRAINT watermark_pkey",
     ["-meta.watermark has the key ", "+meta.watermark has the key stage"]),
    ("COMMENT ON VIEW silver.dim_store IS 'Shops.'",
     ["-silver.dim_store: Shops.", "+silver.dim_store: Stores that have customers or rentals."]),
    ("CREATE VIEW gold.vw_new AS SELECT 1 AS one", ["-gold.vw_new: None", "-gold.vw_new.one INTEGER"]),
    ("DROP VIEW silver.dim_date CASCADE", ["+silver.dim_date: no such table or view"]),
])  # fmt: skip
def test_a_change_in_the_database_alone_is_named(lab: Medallion, made: Any, change: str, told: list[str]) -> None:
    (schema,) = {line[1:].partition(".")[0] for line in told}
    with tried(lab, change) as warehouse:
        assert differences(warehouse, made, schema) == told


UNKNOWN = """
    INSERT INTO silver.fact_payment (payment_id, payment_date, row_hash, sys_start)
    VALUES (-1, '2023-06-01', 0, '2023-06-01');
    INSERT INTO silver.fact_rental (rental_id, rental_date, film_id, row_hash, sys_start)
    VALUES (-2, '2023-06-02', -2, 0, '2023-06-02')"""


MAY_BE_NULL = {
    "DimDate": set(), "DimStore": set(),
    "VwMonthlyRevenue": {"store_id", "total_revenue", "avg_transaction_amount"},
    "VwTopTitles": {"film_id", "title", "rating", "rental_rate", "rental_month", "avg_rental_revenue",
                    "avg_days_out", "utilization_rate"},
    "VwStoreScorecard": {"store_id", "late_return_pct", "avg_rental_rate"},
}  # fmt: skip


def test_a_mart_or_lookup_may_have_nulls_in_some_columns_and_in_no_other(lab: Medallion, made: Any) -> None:
    """PostgreSQL does not know of a view's columns, so its rows do: all is unknown that can be."""
    with tried(lab, UNKNOWN) as warehouse:
        for name, nullable in MAY_BE_NULL.items():
            view = mapper_of(getattr(made, name))
            nulls = [func.bool_or(column.is_(None)) for column in view.columns]
            found = dict(zip(view.columns.keys(), warehouse.execute(select(*nulls)).one(), strict=True))
            assert {column for column, some in found.items() if some} == nullable
            assert all(column.nullable for column in view.columns)


def test_a_view_of_current_rows_may_have_nulls_where_its_table_may(made: Any) -> None:
    for view, table in [("DimCustomer", "DimCustomerHist"), ("FactRentalCurrent", "FactRental")]:
        nullable = {each.name: each.nullable for each in mapper_of(getattr(made, table)).columns}
        columns = mapper_of(getattr(made, view)).columns
        assert {each.nullable for each in columns} == {True, False}
        assert all(each.nullable is nullable[each.name] for each in columns)


def test_a_letter_or_stage_is_what_the_check_lets_in(lab: Medallion, made: Any) -> None:
    with as_owner(lab) as warehouse:
        for model, name in [(made.BrFilmCdc, "op"), (made.Watermark, "stage")]:
            ((check,),) = ask(warehouse, f"""SELECT pg_get_constraintdef(oid) FROM pg_constraint
                WHERE conrelid = '{model.__table__.fullname}'::regclass AND contype = 'c'""")
            (hint,) = get_args(get_type_hints(model)[name])
            assert len(get_args(hint)) >= 2 and tuple(re.findall("'(.+?)'::", check)) == get_args(hint)


def test_the_core_does_without_them() -> None:
    """But for the command that prints them, which alone waits for SQLAlchemy's ORM."""
    files = {path for path in Path(models.__file__).parent.rglob("*.py") if path.name not in ("__main__.py", "models.py")}
    for path in (*files, *ROOT.glob("notebooks/0[0-4]_*.ipynb")):
        assert "medallion_lib.models" not in path.read_text(encoding="utf-8"), path
    loaded = "import sys, medallion_lib.__main__; print('medallion_lib.models' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "False\n"


def test_the_command_prints_the_models_that_are_named(lab: Medallion) -> None:
    command = [sys.executable, "-m", "medallion_lib", "--name", lab.name, "models"]
    run = subprocess.run([*command, "dim_film", "gold"], capture_output=True, text=True, cwd=ROOT)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == models.source(lab.warehouse, "dim_film", "gold") + "\n"
    assert re.findall(r"^class (\w+)", run.stdout, re.MULTILINE) == [
        "Base", "DimFilm", "VwMonthlyRevenue", "VwStoreScorecard", "VwTopTitles"]
    run = subprocess.run([*command, "dim_flim"], capture_output=True, text=True, cwd=ROOT)
    assert (run.returncode, run.stdout) == (1, "") and "dim_flim" in run.stderr and "Traceback" not in run.stderr


ODD = """
    CREATE TABLE scratch.leaf (id integer PRIMARY KEY);
    CREATE TYPE scratch.mood AS ENUM ('sad', 'f()');
    CREATE DOMAIN scratch.price AS numeric(5, 2) CHECK (VALUE > 0);
    CREATE TABLE scratch.odd (
        "date" date PRIMARY KEY, "time" time, "class" text, metadata text, "a b" uuid, "list" integer[], ip inet,
        kind varchar(5) CHECK (kind IN ('a', 'it''s')), other text CHECK (other IN ('x', 'y') OR other = 'z'),
        price scratch.price, mood scratch.mood, facts jsonb, span int4range, lasts interval, share float8, raw bytea,
        seen timestamptz NOT NULL DEFAULT 'infinity', local timestamp, twice numeric GENERATED ALWAYS AS (price * 2) STORED);
    COMMENT ON TABLE scratch.odd IS 'Said "so" \\ not';
    COMMENT ON COLUMN scratch.odd.seen IS E'When\nit was seen.';
    CREATE TABLE scratch.base (a text, b jsonb);
    CREATE TABLE scratch.dim_film (id integer REFERENCES scratch.leaf);
    INSERT INTO scratch.odd VALUES ('2023-07-01', '12:00', 'c', 'm', gen_random_uuid(), '{1}', '::1', 'it''s', 'z', 3, 'f()',
        '{"a": 1}', '[1,3)', '1 day', 0.5, 'x')"""


def test_names_and_types_that_python_has_otherwise_are_printed_so_that_they_work(lab: Medallion) -> None:
    with lab.warehouse.connect() as warehouse:
        warehouse.exec_driver_sql(ODD)
        warehouse.commit()
        try:
            made = printed(lab.warehouse, "silver", "scratch")
            assert differences(warehouse, made, "silver", "scratch") == []
            assert {"DimFilm", "ScratchDimFilm", "ScratchBase", "Odd"} <= vars(made).keys()
            with Session(lab.warehouse) as session:
                odd = session.scalars(select(made.Odd)).one()
                assert (odd.class_, odd.metadata_, odd.list_, odd.seen) == ("c", "m", [1], FOREVER)
                told = hints(mapper_of(made.Odd))
                kinds = [name for name in told if name not in ("ip", "raw") and not of_type(getattr(odd, name), told[name])]
                assert kinds == [] and str(told["kind"]) == """typing.Optional[typing.Literal['a', "it's"]]"""
            assert "# When it was seen." in models.source(lab.warehouse, "scratch.odd")
        finally:
            warehouse.exec_driver_sql("DROP TABLE scratch.odd, scratch.base, scratch.dim_film, scratch.leaf;"
                                      "DROP TYPE scratch.mood; DROP DOMAIN scratch.price")
            warehouse.commit()


def test_a_new_table_and_its_past_need_nothing_but_the_catalog(lab: Medallion) -> None:
    with lab.warehouse.connect() as warehouse:
        warehouse.exec_driver_sql("CREATE TABLE scratch.seat (hall integer, place integer, colour text, "
                                  "PRIMARY KEY (hall, place)) WITH (system_versioning = true)")
        warehouse.exec_driver_sql("INSERT INTO scratch.seat VALUES (1, 1, 'red'), (1, 2, 'blue')")
        warehouse.commit()
        before = warehouse.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        warehouse.commit()
        warehouse.exec_driver_sql("UPDATE scratch.seat SET colour = 'green' WHERE place = 1")
        warehouse.commit()
        seats = reflect(lab.warehouse, "scratch")
        known = {name: keys(mapper_of(model)) for name, model in vars(seats).items()}
        assert known == {name: ["hall", "place", "sys_start"] for name in ("Seat", "SeatCurrent")}
        with Session(lab.warehouse) as session:
            for model, colours in [(as_of(seats.SeatCurrent, before), {"red", "blue"}),
                                   (as_of(seats.Seat, before), {"red", "blue"}), (seats.Seat, {"green", "blue"}),
                                   (seats.SeatCurrent, {"green", "blue"})]:  # fmt: skip
                assert {seat.colour for seat in session.scalars(select(model))} == colours
        warehouse.exec_driver_sql("DROP TABLE scratch.seat CASCADE")
        warehouse.commit()


# Rows


def test_an_instance_of_a_type_is_told_from_others() -> None:
    assert of_type(None, int | None) and of_type(Decimal(1), Decimal | None) and of_type(["x"], list[str])
    assert not of_type(True, int) and not of_type(1.0, Decimal) and not of_type([1], list[str])


def test_the_hints_resolve_and_values_are_of_them(lab: Medallion, made: Any) -> None:
    """Of the year nothing was deleted or erased, so there is no horizon and no erasure but these."""
    with tried(lab, "INSERT INTO meta.horizon VALUES ('silver.dim_film_hist', now()); INSERT INTO meta.key_gone DEFAULT VALUES; "
                    "INSERT INTO meta.erasure (bronze, columns, events, versions) VALUES ('b', '{email}', 1, 1)") as warehouse:
        for mapper in mappers(made):
            assert list(mapper.columns.keys()) == list(mapper.local_table.columns.keys())
            assert hints(mapper).keys() == set(mapper.columns.keys())
            assert untyped(Session(warehouse), mapper) == []


def test_no_two_rows_are_one_to_the_orm(session: Session, made: Any) -> None:
    for mapper in mappers(made):
        table = mapper.local_table.fullname
        count = f"SELECT count(*), count(DISTINCT ({', '.join(keys(mapper))})) FROM {table}"
        rows, distinct = session.execute(text(count)).one()
        assert rows == distinct, table


def test_a_version_without_an_end_ends_forever(session: Session, shop: Any) -> None:
    """psycopg2 reads infinity as FOREVER; written as it is, FOREVER would be another instant."""
    versions = select(shop.DimCustomerHist).where(shop.DimCustomerHist.customer_id == 42)
    current = session.scalars(versions.where(shop.DimCustomerHist.sys_end == FOREVER)).one()
    assert current.sys_end == current.sys_period.upper == FOREVER
    past = session.scalars(versions.where(shop.DimCustomerHist.sys_end < FOREVER)).all()
    assert len(past) >= 3 and current not in past
    assert session.scalars(versions.order_by(shop.DimCustomerHist.sys_start)).all()[-1] is current
    session.refresh(current)


@pytest.mark.parametrize("instant", [FOREVER, datetime.min.replace(tzinfo=UTC), datetime(2023, 7, 1, tzinfo=UTC)])
def test_an_instant_goes_to_the_database_and_back(session: Session, shop: Any, instant: datetime) -> None:
    sent = literal(instant, shop.DimCustomerHist.sys_end.type)
    found, is_finite = session.execute(select(sent, func.isfinite(cast(sent, TIMESTAMP(timezone=True))))).one()
    assert found == instant and is_finite is (instant.year == 2023)


def test_a_period_holds_an_instant(session: Session, shop: Any) -> None:
    holds = shop.DimCustomerHist.sys_period.contains(datetime(2023, 7, 1, tzinfo=UTC))
    found = session.scalars(select(shop.DimCustomerHist).where(holds, shop.DimCustomerHist.customer_id == 42)).one()
    then = as_of(shop.DimCustomerHist, PACK_DAY)
    assert session.scalars(select(then).where(then.customer_id == 42)).one() is found


# AS OF


@pytest.mark.parametrize("instant", [PACK_DAY, date(2023, 7, 1), datetime(2023, 7, 1),
                                     datetime(2023, 7, 1, tzinfo=UTC)], ids=repr)  # fmt: skip
def test_an_instant_may_be_a_text_a_date_or_a_datetime(session: Session, shop: Any, made: Any, instant: Any) -> None:
    for model in (shop.VwMonthlyRevenue, made.VwMonthlyRevenue):
        then = as_of(model, instant)
        june = select(then.total_revenue).where(then.store_id == 5, then.revenue_month == JUNE)
        assert session.scalar(june) == Decimal("1014.64")


@pytest.mark.parametrize("schema", ["gold", "silver"])
def test_a_model_as_of_an_instant_has_the_rows_of_the_clause(session: Session, shop: Any, schema: str) -> None:
    mine = [each for each in mappers(shop) if each.local_table.schema == schema and "fact" not in each.local_table.name]
    assert len(mine) == {"gold": 3, "silver": 6}[schema]
    for mapper in mine:
        then = as_of(mapper.class_, PACK_DAY)
        columns = [getattr(then, name) for name in mapper.columns.keys()]  # noqa: SIM118
        found = Counter(map(repr, session.execute(select(*columns))))
        clause = f"SELECT * FROM {mapper.local_table.fullname} FOR SYSTEM_TIME AS OF '{PACK_DAY}'"
        asked = session.execute(text(clause).columns(*mapper.local_table.columns))
        assert found == Counter(map(repr, asked)) and found, mapper


def test_then_and_now_stand_side_by_side(session: Session, shop: Any) -> None:
    """In one session, in one statement, of one cell: neither takes the other's place."""
    then, now = as_of(shop.VwMonthlyRevenue, PACK_DAY), shop.VwMonthlyRevenue
    both = select(then, now).join(now, (then.store_id == now.store_id) & (then.revenue_month == now.revenue_month))
    june = {before.store_id: (before.total_revenue, after.total_revenue)
            for before, after in session.execute(both.where(then.revenue_month == JUNE))}  # fmt: skip
    assert june[5] == (Decimal("1014.64"), Decimal("983.18"))
    assert june[2] == (Decimal("1003.44"), Decimal("1079.10"))
    before = as_of(shop.DimCustomer, PACK_DAY)
    pair = session.execute(select(before, shop.DimCustomer).join(shop.DimCustomer, before.customer_id == shop.DimCustomer.customer_id)
                           .where(before.customer_id == 42)).one()  # fmt: skip
    assert pair[0].email != pair[1].email


def test_the_clause_itself_can_be_written_and_give_models(session: Session, shop: Any) -> None:
    clause = text("SELECT * FROM dim_customer FOR SYSTEM_TIME AS OF :instant WHERE customer_id = 42")
    read = session.scalars(select(shop.DimCustomer).from_statement(clause), {"instant": PACK_DAY}).one()
    then = as_of(shop.DimCustomer, PACK_DAY)
    assert session.scalars(select(then).where(then.customer_id == 42)).one() is read


def test_sqlalchemy_has_no_place_for_the_clause(session: Session, shop: Any) -> None:
    """Why as_of exists: should this pass one day, the clause can stand there."""
    hinted = select(shop.DimCustomer).with_hint(shop.DimCustomer, f"FOR SYSTEM_TIME AS OF '{PACK_DAY}'")
    with pytest.raises(CompileError, match="Unrecognized hint"):
        session.scalars(hinted)


@pytest.mark.parametrize(("model", "instant", "words"), [
    ("DimCustomer", "the first of July", "An instant is written like"),
    ("Watermark", PACK_DAY, "meta.watermark has no history"),
])  # fmt: skip
def test_what_has_no_answer_is_refused_in_our_words(
    session: Session, shop: Any, model: str, instant: str, words: str
) -> None:
    with pytest.raises(MedallionError, match=words):
        session.scalars(select(as_of(getattr(shop, model), instant)))


def test_a_row_shows_what_it_holds_also_after_its_session(session: Session, shop: Any) -> None:
    row = session.scalars(select(shop.DimStore).where(shop.DimStore.store_id == 5)).one()
    assert repr(row) == "DimStore(store_id=5, store_name='Store 5')"
    session.expire(row)
    session.expunge(row)
    assert repr(row) == "DimStore()"
