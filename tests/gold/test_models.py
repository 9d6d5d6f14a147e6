"""The models are the database's tables and views; their rows are what PostgreSQL has, then and now."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from declared import differences, hints, keys, mappers, of_type, untyped
from sqlalchemy import TIMESTAMP, Connection, cast, func, literal, select, text
from sqlalchemy.exc import CompileError
from sqlalchemy.orm import Mapper, Session
from year import ask, as_owner, own_lab

from medallion_lib import Medallion, MedallionError, databases, models
from medallion_lib.models import (
    FOREVER,
    Base,
    DimCustomer,
    DimCustomerHist,
    VwMonthlyRevenue,
    Watermark,
    as_of,
)

SCHEMAS = ("bronze", "silver", "gold", "meta")
MODELS = pytest.mark.parametrize("mapper", mappers(*SCHEMAS), ids=lambda mapper: mapper.class_.__name__)
PACK_DAY = "2023-07-01"
JUNE = date(2023, 6, 1)


@pytest.fixture(scope="module")
def lab() -> Iterator[Medallion]:
    with own_lab("models") as lab:
        lab.reset(year=True)
        yield lab


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


def test_every_table_and_view_has_its_model_and_every_column_is_as_it_is(lab: Medallion) -> None:
    with tried(lab) as warehouse:
        found = differences(warehouse, *SCHEMAS)
    assert not found, "\n".join(found)
    assert len(mappers(*SCHEMAS)) >= 9 + 4 + 2 + 3 + 1


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
def test_a_change_in_the_database_alone_is_named(lab: Medallion, change: str, told: list[str]) -> None:
    (schema,) = {line[1:].partition(".")[0] for line in told}
    with tried(lab, change) as warehouse:
        assert differences(warehouse, schema) == told


UNKNOWN = """
    INSERT INTO silver.fact_payment (payment_id, payment_date, row_hash, sys_start)
    VALUES (-1, '2023-06-01', 0, '2023-06-01');
    INSERT INTO silver.fact_rental (rental_id, rental_date, film_id, row_hash, sys_start)
    VALUES (-2, '2023-06-02', -2, 0, '2023-06-02')"""


def test_a_mart_or_lookup_may_have_nulls_in_the_columns_that_say_so_and_in_no_other(lab: Medallion) -> None:
    """PostgreSQL does not know of a view's columns, so its rows do: all is unknown that can be."""
    views = [each for each in mappers("gold", "silver") if "sys_start" not in each.columns]
    assert len(views) == 5
    with tried(lab, UNKNOWN) as warehouse:
        for view in views:
            nulls = [func.bool_or(column.is_(None)) for column in view.columns]
            found = zip(view.columns, warehouse.execute(select(*nulls)).one(), strict=True)
            for column, some in found:
                assert column.nullable is some, column


def test_a_letter_or_stage_is_what_the_check_lets_in(lab: Medallion) -> None:
    with as_owner(lab) as warehouse:
        for model, name in [(models.BrFilmCdc, "op"), (Watermark, "stage")]:
            ((check,),) = ask(warehouse, f"""SELECT pg_get_constraintdef(oid) FROM pg_constraint
                WHERE conrelid = '{model.__table__.fullname}'::regclass AND contype = 'c'""")
            (hint,) = get_args(get_type_hints(model)[name])
            assert tuple(re.findall("'(.+?)'::", check)) == get_args(hint)


def test_every_model_is_exported_and_the_core_does_without_them() -> None:
    assert {each.class_.__name__ for each in mappers(*SCHEMAS)} < set(models.__all__)
    for path in Path(models.__file__).parents[1].rglob("*.py"):
        is_core = path.parent.name not in ("models", "star")
        assert not is_core or "medallion_lib.models" not in path.read_text(encoding="utf-8"), path


# Rows


def test_an_instance_of_a_type_is_told_from_others() -> None:
    assert of_type(None, int | None) and of_type(Decimal(1), Decimal | None) and of_type(["x"], list[str])
    assert not of_type(True, int) and not of_type(1.0, Decimal) and not of_type([1], list[str])


@MODELS
def test_the_hints_resolve_and_values_are_of_them(session: Session, mapper: Mapper[Base]) -> None:
    assert list(mapper.columns.keys()) == list(mapper.local_table.columns.keys())
    assert hints(mapper).keys() == set(mapper.columns.keys())
    assert untyped(session, mapper) == []


@MODELS
def test_no_two_rows_are_one_to_the_orm(session: Session, mapper: Mapper[Base]) -> None:
    table = mapper.local_table.fullname
    count = f"SELECT count(*), count(DISTINCT ({', '.join(keys(mapper))})) FROM {table}"
    rows, distinct = session.execute(text(count)).one()
    assert rows == distinct


def test_a_version_without_an_end_ends_forever(session: Session) -> None:
    """psycopg2 reads infinity as FOREVER; written as it is, FOREVER would be another instant."""
    versions = select(DimCustomerHist).where(DimCustomerHist.customer_id == 42)
    current = session.scalars(versions.where(DimCustomerHist.sys_end == FOREVER)).one()
    assert current.sys_end == current.sys_period.upper == FOREVER
    past = session.scalars(versions.where(DimCustomerHist.sys_end < FOREVER)).all()
    assert len(past) >= 3 and current not in past
    assert session.scalars(versions.order_by(DimCustomerHist.sys_start)).all()[-1] is current
    session.refresh(current)


@pytest.mark.parametrize("instant", [FOREVER, datetime.min.replace(tzinfo=UTC), datetime(2023, 7, 1, tzinfo=UTC)])
def test_an_instant_goes_to_the_database_and_back(session: Session, instant: datetime) -> None:
    sent = literal(instant, DimCustomerHist.sys_end.type)
    found, is_finite = session.execute(select(sent, func.isfinite(cast(sent, TIMESTAMP(timezone=True))))).one()
    assert found == instant and is_finite is (instant.year == 2023)


def test_a_period_holds_an_instant(session: Session) -> None:
    holds = DimCustomerHist.sys_period.contains(datetime(2023, 7, 1, tzinfo=UTC))
    found = session.scalars(select(DimCustomerHist).where(holds, DimCustomerHist.customer_id == 42)).one()
    then = as_of(DimCustomerHist, PACK_DAY)
    assert session.scalars(select(then).where(then.customer_id == 42)).one() is found


# AS OF


@pytest.mark.parametrize("instant", [PACK_DAY, date(2023, 7, 1), datetime(2023, 7, 1),
                                     datetime(2023, 7, 1, tzinfo=UTC)], ids=repr)  # fmt: skip
def test_an_instant_may_be_a_text_a_date_or_a_datetime(session: Session, instant: Any) -> None:
    then = as_of(VwMonthlyRevenue, instant)
    june = select(then.total_revenue).where(then.store_id == 5, then.revenue_month == JUNE)
    assert session.scalar(june) == Decimal("1014.64")


@pytest.mark.parametrize("mapper", [each for each in mappers("gold", "silver") if "fact" not in each.local_table.name],
                         ids=lambda mapper: mapper.class_.__name__)  # fmt: skip
def test_a_model_as_of_an_instant_has_the_rows_of_the_clause(session: Session, mapper: Mapper[Base]) -> None:
    then = as_of(mapper.class_, PACK_DAY)
    columns = [getattr(then, name) for name in mapper.columns.keys()]  # noqa: SIM118
    found = Counter(map(repr, session.execute(select(*columns))))
    clause = f"SELECT * FROM {mapper.local_table.fullname} FOR SYSTEM_TIME AS OF '{PACK_DAY}'"
    asked = session.execute(text(clause).columns(*mapper.local_table.columns))
    assert found == Counter(map(repr, asked)) and found


def test_then_and_now_stand_side_by_side(session: Session) -> None:
    """In one session, in one statement, of one cell: neither takes the other's place."""
    then, now = as_of(VwMonthlyRevenue, PACK_DAY), VwMonthlyRevenue
    both = select(then, now).join(now, (then.store_id == now.store_id) & (then.revenue_month == now.revenue_month))
    june = {before.store_id: (before.total_revenue, after.total_revenue)
            for before, after in session.execute(both.where(then.revenue_month == JUNE))}  # fmt: skip
    assert june[5] == (Decimal("1014.64"), Decimal("983.18"))
    assert june[2] == (Decimal("1003.44"), Decimal("1079.10"))
    before = as_of(DimCustomer, PACK_DAY)
    pair = session.execute(select(before, DimCustomer).join(DimCustomer, before.customer_id == DimCustomer.customer_id)
                           .where(before.customer_id == 42)).one()  # fmt: skip
    assert pair[0].email != pair[1].email


def test_the_clause_itself_can_be_written_and_give_models(session: Session) -> None:
    clause = text("SELECT * FROM dim_customer FOR SYSTEM_TIME AS OF :instant WHERE customer_id = 42")
    read = session.scalars(select(DimCustomer).from_statement(clause), {"instant": PACK_DAY}).one()
    then = as_of(DimCustomer, PACK_DAY)
    assert session.scalars(select(then).where(then.customer_id == 42)).one() is read


def test_sqlalchemy_has_no_place_for_the_clause(session: Session) -> None:
    """Why as_of exists: should this pass one day, the clause can stand there."""
    hinted = select(DimCustomer).with_hint(DimCustomer, f"FOR SYSTEM_TIME AS OF '{PACK_DAY}'")
    with pytest.raises(CompileError, match="Unrecognized hint"):
        session.scalars(hinted)


@pytest.mark.parametrize(("model", "instant", "words"), [
    (DimCustomer, "the first of July", "An instant is written like"),
    (Watermark, PACK_DAY, "meta.watermark has no history"),
])  # fmt: skip
def test_what_has_no_answer_is_refused_in_our_words(session: Session, model: type[Base], instant: str, words: str) -> None:
    with pytest.raises(MedallionError, match=words):
        session.scalars(select(as_of(model, instant)))


def test_a_row_shows_what_it_holds_also_after_its_session(session: Session) -> None:
    row = session.scalars(select(models.DimStore).where(models.DimStore.store_id == 5)).one()
    assert repr(row) == "DimStore(store_id=5, store_name='Store 5')"
    session.expire(row)
    session.expunge(row)
    assert repr(row) == "DimStore()"
