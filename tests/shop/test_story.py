"""June `AS OF` 1 July equals the board pack.

test_zones.py runs this in other time zones.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas
import pytest
from IPython.core.interactiveshell import InteractiveShell
from figures import texts
from ledger import Year
from sqlalchemy import text
from traitlets.config import Config
from year import DATA, Stage, as_owner, ask, between, differences, own_lab, played

import cells
import charts
from medallion_lib import Medallion, MedallionError

pytestmark = pytest.mark.long(1)

JULY = datetime(2023, 7, 1, tzinfo=UTC)
INSTANTS = [*between("2023-06-30", 4), JULY]

# The promise of the design, character for character.
STATEMENT = """\
SELECT * FROM dim_customer_hist
FOR SYSTEM_TIME AS OF '2023-07-01'::timestamptz
WHERE customer_id = 42;
"""
NOW = "SELECT * FROM dim_customer WHERE customer_id = 42"
AT_THE_SOURCE = """
    SELECT staff.store_id, sum(payment.amount), count(*)
    FROM payment JOIN staff USING (staff_id)
    WHERE payment_date >= '2023-06-01 00:00+00' AND payment_date < '2023-07-01 00:00+00'
    GROUP BY staff.store_id
    ORDER BY sum(payment.amount) DESC"""
JUNE = """
    SELECT store_id, total_revenue, total_transactions
    FROM vw_monthly_revenue {clause}
    WHERE revenue_month = '2023-06-01'
    ORDER BY total_revenue DESC"""
PackRow = tuple[int, Decimal, int]


@dataclass
class Story:
    """The whole year, and what was seen while another's replay stood at 1 July."""

    lab: Medallion
    stages: list[Stage] = field(repr=False)
    at_the_source: list[PackRow]


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    """The prepared year, since test_year.py plays one on from its stages."""
    with own_lab("story") as lab:
        stages = list(played(lab, INSTANTS, captured=False))
        with lab.source.connect() as shop:
            then = [tuple(row) for row in shop.execute(text(AT_THE_SOURCE))]
        lab.reset(year=True)
        yield Story(lab, stages, then)


@pytest.fixture
def cell(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[
    Callable[[str], pandas.DataFrame]
]:
    """Runs a `%%sql` cell as a notebook does."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    cells.start(story.lab)

    def run(sql: str) -> pandas.DataFrame:
        ran = shell.run_cell(f"%%sql\n{sql}")
        ran.raise_error()
        return ran.result.DataFrame()

    yield run
    InteractiveShell.clear_instance()


def june(story: Story, clause: str = "") -> list[PackRow]:
    with story.lab.warehouse.connect() as warehouse:
        return [tuple(row) for row in warehouse.execute(text(JUNE.format(clause=clause)))]


def test_the_board_pack_is_what_the_source_said_on_1_july(story: Story) -> None:
    assert board_pack() == story.at_the_source


def test_the_board_pack_is_what_as_of_1_july_says_after_the_year(
    story: Story, record_property: Callable[[str, object], None]
) -> None:
    assert board_pack() == june(story, "FOR SYSTEM_TIME AS OF '2023-07-01'")
    record_property("stores", len(board_pack()))
    record_property("payments", sum(payments for _, _, payments in board_pack()))


def test_store_5_won_june_then_and_store_2_now(story: Story) -> None:
    assert board_pack()[0][0] == 5
    assert june(story)[0][0] == 2


def test_the_last_day_of_june_is_right_in_every_relation(story: Story) -> None:
    assert len({stage.instant.hour for stage in story.stages}) == 5
    assert differences(story.lab, story.stages) == []


def test_sessions_are_in_utc_whatever_the_client_and_the_server_say(story: Story) -> None:
    for engine in (story.lab.warehouse, story.lab.source):
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW TimeZone").scalar_one() == "UTC"


def test_bronze_holds_every_instant_in_utc(story: Story) -> None:
    with as_owner(story.lab) as warehouse:
        assert ask(warehouse, """
            SELECT full_row FROM bronze.br_payment_cdc
            WHERE full_row ->> 'payment_date' NOT LIKE '%+00'
            UNION ALL
            SELECT full_row FROM bronze.br_rental_cdc
            WHERE full_row ->> 'rental_date' NOT LIKE '%+00'
               OR full_row ->> 'return_date' NOT LIKE '%+00'
               OR full_row ->> 'last_update' NOT LIKE '%+00'
            LIMIT 3""") == []


def test_the_promise_holds_in_pandas(story: Story) -> None:
    kept(story, pandas.read_sql(STATEMENT, story.lab.warehouse))


def test_the_promise_holds_in_sqlalchemy(story: Story) -> None:
    with story.lab.warehouse.connect() as warehouse:
        result = warehouse.execute(text(STATEMENT))
        kept(story, pandas.DataFrame(result.mappings().all()))


def test_the_promise_holds_in_a_sql_cell(
    story: Story, cell: Callable[[str], pandas.DataFrame]
) -> None:
    kept(story, cell(STATEMENT))


@pytest.mark.parametrize("pick", [(9, 25), ("3", 25), (None, 25), (3.7, 25), (True, 25), (3.0, 25)], ids=repr)
def test_a_store_that_is_none_is_refused_with_those_there_are(
    story: Story, cell: Callable[[str], pandas.DataFrame], pick: tuple[object, object]
) -> None:
    said = rf"^{re.escape(repr(pick[0]))} is no store: write one of 1, 2, 3, 4, 5, 6, 7, then the amount\.$"
    with pytest.raises(MedallionError, match=said):
        cells.pick(*pick)


@pytest.mark.parametrize("amount", [
    1000000, 0, 0.0, -50, "3", None, True, 25.001, Decimal("25.001"), 1e300, -1e-300, 10**30,
    float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN"), 1j, [25],
], ids=repr)  # fmt: skip
def test_an_amount_that_cannot_be_is_refused_with_what_can(
    story: Story, cell: Callable[[str], pandas.DataFrame], amount: object
) -> None:
    with pytest.raises(MedallionError) as refused:
        cells.pick(3, amount)
    assert re.fullmatch(r".* can't be added to store 3's \d+\.\d\d: "
                        r"write -\d+\.\d\d to \d+\.\d\d, in cents, not 0\.", str(refused.value))  # fmt: skip


def test_both_ends_of_what_can_be_are_taken_and_no_cent_more(
    story: Story, cell: Callable[[str], pandas.DataFrame]
) -> None:
    for store in range(1, 8):
        with pytest.raises(MedallionError) as refused:
            cells.pick(store, 0)
        low, high = map(Decimal, re.findall(r"-?\d+\.\d\d", str(refused.value))[-2:])
        for amount, step in ((low, -1), (high, 1)):
            assert cells.pick(store, float(amount)) == (store, float(amount))
            with pytest.raises(MedallionError, match="can't be added"):
                cells.pick(store, float(amount + step * Decimal("0.01")))


@pytest.mark.parametrize("date", [
    "3 July", "2023-02-30", "", 7, "2023-07-01'; --", None, True, {}, ["2023-07-03"], float("nan"),
    b"2023-07-03", pandas.NaT, "infinity", "-infinity", "x\x00",
], ids=repr)  # fmt: skip
def test_a_date_that_is_none_is_refused_in_one_line(
    story: Story, cell: Callable[[str], pandas.DataFrame], date: object
) -> None:
    with pytest.raises(MedallionError) as refused:
        cells.june(date)
    assert str(refused.value) == f"{date!r} is no date: write one like '2023-07-03'."
    with pytest.raises(MedallionError, match="is no date: "):
        cells.marts(date)


@pytest.mark.parametrize("date", ["2130-01-01", "tomorrow", datetime(2130, 1, 1)], ids=repr)
def test_a_date_in_the_future_is_refused_in_one_line(
    story: Story, cell: Callable[[str], pandas.DataFrame], date: object
) -> None:
    for question in (cells.june, cells.marts):
        with pytest.raises(MedallionError) as refused:
            question(date)
        assert str(refused.value) == f"{date!r} is in the future: write a date like '2023-07-03'."


@pytest.mark.first(1)
@pytest.mark.parametrize("date", ["2023-07-03", datetime(2023, 7, 3), "1999-12-31"], ids=repr)
def test_a_figure_names_the_date_of_what_it_draws(
    story: Story, cell: Callable[[str], pandas.DataFrame], date: object
) -> None:
    known, now = cells.june(date), cells.june()
    said = "31 December 1999" if date == "1999-12-31" else "3 July 2023"
    title, label = texts(charts.june(known, now, alt="June"))[:2]
    assert title.startswith(f"As of {said}, ") and label == f"As of {said}"
    day = said.removesuffix(" 2023")
    marts = texts(charts.three_marts(*cells.marts(date), alt="Marts"))
    assert marts[1] == f"As of {day}"
    moved = texts(charts.moved(known, known, now, now, alt="Moved"))
    assert moved[1] == f"As of {day}"


@pytest.mark.parametrize("picked", [(), (9,), (3, 25, 0)], ids=repr)
def test_a_pick_is_a_store_and_an_amount(
    story: Story, cell: Callable[[str], pandas.DataFrame], picked: tuple[int, ...]
) -> None:
    with pytest.raises(MedallionError, match=r"is no pick: write a store and an amount, like 3, "):
        cells.pick(*picked)


def test_the_demo_asks_marts_what_a_cell_asks(
    story: Story, cell: Callable[[str], pandas.DataFrame]
) -> None:
    clause = "FOR SYSTEM_TIME AS OF '2023-07-01'"
    for date, asked in (((), ""), (("2023-07-01",), clause)):
        assert dict(_amounts(cells.june(*date))) == {row[0]: row[1] for row in june(story, asked)}
    (revenue, now), *_ = cells.marts("2023-07-01")
    assert dict(_amounts(revenue)) == {store: amount for store, amount, _ in board_pack()}
    assert dict(_amounts(now)) == {row[0]: row[1] for row in june(story)}


def test_a_payment_that_no_update_waits_for_is_named(
    story: Story, cell: Callable[[str], pandas.DataFrame]
) -> None:
    with pytest.raises(MedallionError, match=r"^No update of payment 6540 waits in the log: "):
        cells.peek(6540)


def _amounts(frame: pandas.DataFrame) -> Iterator[tuple[int, Decimal]]:
    return zip(frame["store_id"], frame["total_revenue"], strict=True)


def kept(story: Story, answer: pandas.DataFrame) -> None:
    """Customer 42 as the events up to 1 July made them, and not as they are today."""
    year = Year(DATA)
    assert len(answer) == 1
    row = answer.iloc[0]
    for ledger, holds in ((year.then, True), (year.now, False)):
        customer = ledger.customers["42"]
        known = (customer["email"], int(customer["address_id"]))
        assert ((row.email, row.address_id) == known) is holds
    assert row.active and row.sys_start < JULY < row.sys_end
    [today] = pandas.read_sql(NOW, story.lab.warehouse).itertuples()
    assert today.email != row.email and today.sys_start > JULY + timedelta(days=1)


def board_pack() -> list[PackRow]:
    with (DATA / "board_pack_2023-07-01.csv").open(encoding="utf-8", newline="") as file:
        return [
            (int(row["store_id"]), Decimal(row["total_revenue"]), int(row["total_transactions"]))
            for row in csv.DictReader(file)
        ]
