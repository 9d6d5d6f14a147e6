"""The chapters' figures: their titles state what the data say, ties, gaps and nulls included."""

import xml.etree.ElementTree as ET
from datetime import date

import pandas as pd
import pytest

import charts
from charts.figure import INK
from figures import (
    AUGUST, HELD, JULY, KEPT, LIFE, SENT, by_month, calendar, commits, costs, feeds, forms, gap, kept,
    layers, life, months, movers, positions, scorecard, sent, texts, two_months, versions,
)  # fmt: skip
from medallion_lib import MedallionError


@pytest.mark.parametrize(
    ("rows", "title"),
    [
        (LIFE, "Customer 42: 3 versions in 2023"),
        ([*LIFE[:2], ("2026-01-02", "", "c@x")], "Customer 42: 3 versions from 2023 to 2026"),
        ([("2022-12-31", "", "a@x")], "Customer 42: 1 version, since 31 December 2022"),
        ([("2022-12-31", "2023-09-12", "a@x")], "Customer 42: 1 version in 2023, none since 12 September"),
    ],
)
def test_the_title_counts_a_keys_versions(rows: list[tuple[str, str, str]], title: str) -> None:
    assert texts(versions(*rows))[0] == title


def test_a_life_has_a_lane_for_what_changed_and_for_nothing_else() -> None:
    shown = texts(versions())
    assert [shown.count(text) for text in ("version", "email", "a@x", "b@x")] == [1, 1, 2, 1]
    assert "store_id" not in shown and "no version" not in shown
    pause = texts(versions(LIFE[0], LIFE[2]))
    assert "no version" in pause and "email" not in pause


def test_a_value_wider_than_its_bar_stands_beside_it() -> None:
    first, last = "first.of.her.addresses@mailhouse.example", "last.of.her.addresses@mailhouse.example"
    drawn = versions(("2022-12-31", "2023-02-01", first), ("2023-02-01", "2023-12-01", "b@x"), ("2023-12-01", "", last))
    shown = ET.fromstring(drawn.svg).iter("{http://www.w3.org/2000/svg}text")
    at = {text.text: float(text.get("x") or 0) for text in shown}
    assert at["Feb"] < at[first] < at["Feb"] + 8
    assert at["Dec"] - 16 < at[last] < at["Dec"] - 8
    assert f"text-anchor: end; fill: var(--mb-ink, {INK})" in drawn.svg


def test_instants_asked_about_are_named() -> None:
    drawn = charts.versions(life(*LIFE), at={"1 July": "2023-07-01"}, alt="A life")
    assert "1 July" in texts(drawn) and "var(--mb-then" in drawn.svg
    assert "var(--mb-then" not in versions().svg


def test_infinity_may_come_as_nat_and_nulls_are_values() -> None:
    frame = life(*LIFE)
    frame["sys_end"] = [*frame["sys_end"][:2], pd.NaT]
    assert charts.versions(frame, alt="A life") == versions()
    frame["language_id"] = [None, 1, 2]
    assert {"null", "1", "2"} <= {*texts(charts.versions(frame, alt="A life", title="Mine"))}


def test_two_keys_are_not_one_life() -> None:
    frame = life(*LIFE).assign(customer_id=[1, 1, 2])
    with pytest.raises(MedallionError, match="several values of customer_id"):
        charts.versions(frame, alt="A life")
    assert texts(charts.versions(life(), alt="Nobody")) == ["No versions"]


@pytest.mark.parametrize(
    ("amounts", "title"),
    [
        ((1, None, 3), "The best month of any store: store 5's March, $3.00"),
        ((2,), "2 best months by store, $2.00 each"),
        ((), "The best month of any store: store 2's February, $2.00"),
    ],
)
def test_the_title_names_the_best_month(amounts: tuple[float | None, ...], title: str) -> None:
    assert texts(months(*amounts))[0] == title


def test_months_without_a_store_are_shown_and_win_nothing() -> None:
    lost = pd.concat([by_month(1, 2), by_month(99, store=None)])
    shown = texts(charts.months(lost, alt="Months"))
    assert "No store" in shown and "store 2's February" in shown[0]
    assert texts(charts.months(lost[:0], alt="Months")) == ["No store earned anything in any month"]


@pytest.mark.parametrize(
    ("after", "title"),
    [
        (AUGUST, "Up rose most, Down fell most"),
        (AUGUST | {"In": 8}, "2 titles rose most, Down fell most"),
        (JULY, "No title moved from July to August"),
        ({**JULY, "Out": 1}, "Out fell most"),
    ],
)
def test_the_title_names_who_moved(after: dict[str, float], title: str) -> None:
    assert texts(movers(after))[0] == title


def test_a_title_that_a_month_lacks_had_none_there() -> None:
    assert {"0 → 4", "2 → 0", "3 → 11", "9 → 1"} <= {*texts(movers())}
    assert "Same" not in texts(movers())
    money = two_months({"Up": 1.5}, {"Up": 2, None: 9}, "total_revenue")
    assert "$1.50 → $2.00" in texts(charts.titles(money, alt="Titles"))
    with pytest.raises(MedallionError, match="holds 1 months: select two"):
        charts.titles(money[:1], alt="Titles")


@pytest.mark.parametrize(
    ("amounts", "title"),
    [
        ((10, 30, 20), "2023's best day was Friday, 2 June: $30.00"),
        ((30, 30), "2023 had 2 best days, $30.00 each"),
        ((0, -5), "No revenue on any day of 2023"),
    ],
)
def test_the_title_names_the_best_day(amounts: tuple[float, ...], title: str) -> None:
    assert texts(calendar(*amounts))[0] == title


def test_a_calendar_scales_its_days_and_holds_one_year() -> None:
    assert {"$0", "$75", "$375"} <= {*texts(calendar(16, 355))}
    assert {"−$20", "$30"} <= {*texts(calendar(-12, 28))}
    assert texts(charts.calendar(scorecard(1)[:0], alt="Days")) == ["No revenue on any day"]
    later = scorecard(1).assign(business_date=date(2026, 1, 1))
    with pytest.raises(MedallionError, match="2023 to 2026: select a single year"):
        charts.calendar(pd.concat([scorecard(1), later]), alt="Days")


def tills(*rows: tuple[int | None, str]) -> list[str]:
    return texts(charts.tills(pd.DataFrame(rows, columns=["store_id", "daily_revenue"]), alt="Today"))


def test_tills_name_the_store_that_took_most_and_leave_out_no_store() -> None:
    assert tills((2, "0"), (1, "4.99"), (None, "50"))[0] == "Store 1 took most today, $4.99"
    assert tills((2, "4.99"), (1, "4.99"))[0] == "Store 1 and Store 2 took most today, $4.99"
    assert tills((2, "3"), (1, "3"), (7, "3"))[0] == "3 stores took most today, $3.00"
    assert tills((1, "0"), (2, "-3"))[0] == tills()[0] == "No store has taken anything today"
    assert tills((2, "-3"), (1, "1"))[1:] == ["Store 1", "$1.00", "Store 2", "−$3.00"]


def test_layers_add_up_and_a_view_stores_nothing() -> None:
    shown = texts(layers())
    assert shown[0] == "Bronze stores most, 10.0 MB, gold nothing"
    assert {"59,547", "54,937", "84", "5.0 MB", "views: nothing stored"} <= {*shown}
    assert texts(layers(HELD[-1]))[0] == "No layer stores anything"
    with pytest.raises(MedallionError, match="No such layer: lead"):
        layers(("lead", 1, 1))


def test_costs_are_ratios_and_equal_steps_double() -> None:
    assert texts(costs())[0] == "From 0.2 to 2.5 times as fast as the alternatives"
    assert texts(costs()).count("<Copy>, 500 a transaction") == 1, "once for what it is compared with"
    assert {"× 0.75", "× 0.2", "× 2.5"} <= {*texts(costs())}
    assert texts(charts.costs(pd.DataFrame(columns=["what", "beside", "ratio"]), alt="Costs"))[0] == "Nothing was compared"


@pytest.mark.parametrize(
    ("rows", "title"),
    [
        ((), "Of 10 versions, the popular forms keep 2 to 9"),
        ((("All", 3, 0), ("Some", 2, 0)), "Of 3 versions, the popular forms keep 2"),
    ],
)
def test_the_title_says_what_the_popular_forms_keep(
    rows: tuple[tuple[str, int, int], ...], title: str
) -> None:
    assert texts(forms(*rows))[0] == title


def test_a_form_is_kept_wrong_and_lost_and_has_no_more_than_all() -> None:
    assert {"10 kept", "9 kept, 1 lost", "2 kept, 5 wrong, 3 lost"} <= {*texts(forms())}
    with pytest.raises(MedallionError, match="more than the 3 versions"):
        forms(("All", 3, 0), ("More", 2, 2))


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ((), "1 of 3 changes was committed after a later one"),
        ((3, 1, 2), "2 of 3 changes were committed after a later one"),
        ((1, 2), "All 2 changes were committed in the order they were written"),
    ],
)
def test_the_title_counts_changes_that_were_committed_late(written: tuple[int, ...], title: str) -> None:
    assert texts(commits(*written))[0] == title


@pytest.mark.parametrize(
    ("leads", "title"),
    [
        ((), "For 1 hour the files and the log named different winners"),
        (((1, 1), (-1, 1), (2, 1), (-2, 1), (-2, 1)), "For 3 hours the files and the log named different winners"),
        (((8, 8), (9, 8)), "By the log and by the files the same store led all along"),
    ],
)
def test_the_title_counts_the_hours_that_two_feeds_disagree(
    leads: tuple[tuple[float, float], ...], title: str
) -> None:
    assert texts(feeds(*leads))[0] == title


def test_two_feeds_are_labelled_at_the_largest_leads_and_need_every_hour() -> None:
    shown = texts(feeds())
    assert {"Store 5 by $8.00", "Store 2 by $64.00", "By the log", "00:00"} <= {*shown}
    assert not any(text.startswith("Store 2") for text in texts(feeds((8, 8), (9, 8))))
    gap = pd.DataFrame({"at": pd.to_datetime(["2023-01-01 00:00", "2023-01-01 02:00"]), "log": 1, "files": 1})
    with pytest.raises(MedallionError, match="a row for every hour"):
        charts.feeds(gap, stores=(5, 2), alt="Feeds")


def test_bronze_has_the_order_of_the_commits() -> None:
    shown = texts(sent())
    assert shown[0] == "Bronze has 44 before 43: commits set the order"
    assert {"Transaction 6", "Transaction 7", "44", "43   45"} <= {*shown}
    assert texts(sent(*SENT[3:]))[0] == "Changes land as they were written"


def test_a_watermark_behind_its_slot_is_told() -> None:
    shown = texts(positions())
    assert shown[0] == "The watermark is never behind the slot"
    assert {"0 rows", "1 row", "killed"} <= {*shown}
    behind = positions(("before", 100, 100, 140, 0), ("lost", 120, 110, 140, 0))
    assert texts(behind)[0] == "The watermark is behind the slot: lost"


@pytest.mark.parametrize(
    ("late", "title"),
    [
        ((2, 2), "Silver gives both changes the snapshot's time"),
        ((2,), "Silver gives the change the snapshot's time"),
        ((1, 2, 3), "Silver gives all 3 changes times that are too late"),
        ((0, 2), "Silver dates 1 of 2 changes too late"),
    ],
)
def test_a_gap_tells_what_is_late(late: tuple[float, ...], title: str) -> None:
    assert texts(gap(*late))[0] == title


def test_what_either_feed_kept_is_counted_and_what_one_never_had_is_said() -> None:
    shown = texts(kept())
    assert shown[0] == "The log has 3 values of email, the nightly files 2"
    assert {"a@x", "b@x", "c@x", "2 July", "00:00"} <= {*shown} and "By nightly files: never" in shown
    with pytest.raises(MedallionError, match="a value that changed"):
        kept(KEPT[0])
    with pytest.raises(MedallionError, match="No such feed: fax"):
        kept(("fax", "a@x", "2023-01-01", ""))
