"""The star's figures: their titles state what the data say, empty and odd data included."""

import pytest

from figures import COHORTS, MADE, RISKS, churn, cohorts, lineage, segments, texts
from medallion_lib import MedallionError


def test_the_title_names_the_segment_whose_money_exceeds_its_numbers_most() -> None:
    assert texts(segments())[0] == "Loyal: 10% of customers, 60% of the money"
    assert texts(segments(("new", 3, "0"), ("left", 1, "0")))[0] == "Left: 25% of customers, 0% of the money"
    assert {"10 · 10%", "$60 · 60%", "80 · 80%", "$40 · 40%", "$0 · 0%"} <= {*texts(segments())}


def test_a_few_customers_are_not_none() -> None:
    shown = texts(segments(("new", 1, "1.00"), ("loyal", 199, "99.00")))
    assert shown[0] == "New: <1% of customers, 1% of the money" and "1 · <1%" in shown


def test_segments_with_the_most_money_come_first_and_a_refund_draws_no_bar() -> None:
    shown = texts(segments(("poor", 1, "-2.00"), ("rich", 1, "12.00")))
    assert shown.index("rich") < shown.index("poor") and "−$2 · −20%" in shown


@pytest.mark.parametrize(("rows", "title"), [
    (COHORTS, "Of January's cohort of 40, 10 (25%) rent in March"),
    (COHORTS[:2], "Of January's cohort of 40, 30 (75%) rent in February"),
    ([(2, 2, 8), (3, 3, 5)], "Of February's cohort of 8, 0 (0%) rent in March"),
])  # fmt: skip
def test_the_title_follows_the_first_cohort_to_the_last_month(
    rows: list[tuple[int, int, int]], title: str
) -> None:
    assert texts(cohorts(*rows))[0] == title


def test_a_cohort_without_its_own_month_has_no_size_and_is_refused() -> None:
    with pytest.raises(MedallionError, match="its own first month"):
        cohorts((1, 2, 30))


def test_the_title_compares_low_risk_with_high() -> None:
    assert texts(churn())[0] == "At low risk 90% rented again, at high risk 25%"
    assert texts(churn(RISKS[0]))[0] == "Whether a risk came true"
    assert {"50 customers", "25%"} <= {*texts(churn())}


def test_lineage_counts_models_and_what_skips_a_layer() -> None:
    assert texts(lineage())[0] == "5 models from 2 sources and seeds: none skips a layer"
    skipping = MADE | {"star.dim_a": ["source.x.silver.a"]}
    assert texts(lineage(skipping))[0].endswith("1 of 7 lines skip a layer")
    assert {"a", "stg_a", "int_ab", "dim_a", "holidays"} <= {*texts(lineage())}
    assert "one" not in texts(lineage())
