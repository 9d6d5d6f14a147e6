"""The figures say what the data say, twice the same, and bring no fixed colour."""

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

import charts
from charts.figure import COLORS, HEAT, Picture
from figures import CORRECTED, FIGURES, NOW, THEN, by_store, june, moved, texts, three_marts, waterfall
from medallion_lib import MedallionError

every_figure = pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.__name__)


@cache
def drawn(figure: Callable[..., Picture]) -> Picture:
    return figure()


@pytest.mark.first(3)
@every_figure
def test_two_runs_give_the_same_bytes(figure: Callable[..., Picture], tmp_path: Path) -> None:
    drawn(figure).save(tmp_path / "first")
    figure().save(tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert "matplotlib" not in drawn(figure).svg
    assert not re.search("metadata|<!--|<!DOCTYPE", drawn(figure).svg)


@every_figure
def test_an_alt_text_is_required(figure: Callable[..., Picture]) -> None:
    with pytest.raises(MedallionError, match="alt text"):
        figure(alt=" ")
    shown = figure(alt='A "bar" & more')._repr_mimebundle_()
    assert 'aria-label="A &quot;bar&quot; &amp; more"' in shown["text/html"]
    assert shown["text/plain"] == 'A "bar" & more'


@every_figure
def test_every_colour_is_a_variable_that_a_dark_page_can_change(
    figure: Callable[..., Picture],
) -> None:
    style, _, drawing = drawn(figure).svg.partition("</style>")
    names = dict(re.findall(r"var\(--mb-(\w+), (#\w+)\)", drawing))
    assert names.items() <= COLORS.items()
    fixed = re.sub(r"var\([^)]*\)", "", drawing)
    assert not re.search(r"(fill|stroke)[:=]\s*[\"']?(?!none|;)[#\w]", fixed)
    for name in COLORS:
        assert style.count(f"--mb-{name}:") == 2  # on a page, and as a file


def test_every_id_on_a_page_of_figures_is_used_once() -> None:
    page = "".join(drawn(figure)._repr_html_() for figure in FIGURES)
    ids = re.findall(r' id="([^"]*)"', page)
    assert ids
    assert len(ids) == len({*ids})
    assert {*re.findall(r'(?:href="|url\()#([^")]*)', page)} <= {*ids}


def test_a_style_reaches_nothing_but_figures() -> None:
    style = re.sub(r"/\*.*?\*/", "", june().svg.partition("<style>")[2].partition("</style>")[0])
    for selectors in re.findall(r"([^{}]+)\{", style):
        assert "@media" in selectors or all("svg.mb-figure" in one for one in selectors.split(","))


@pytest.mark.parametrize(
    ("then", "now", "title"),
    [
        (THEN, NOW, "By the board pack, store 5 won June. Today, store 2 did."),
        (THEN, THEN, "By the board pack, store 5 won June. Today too."),
        (
            THEN,
            NOW | {5: NOW[2]},
            "By the board pack, store 5 won June. Today, stores 2 and 5 tie.",
        ),
        (
            THEN | {2: THEN[5]},
            NOW,
            "By the board pack, stores 2 and 5 tied for June. Today, store 2 won it.",
        ),
        ({}, NOW, "By the board pack, no store had any June revenue."),
        (THEN, {}, "By the board pack, store 5 won June. Today, nobody did."),
    ],
)
def test_the_title_names_the_winners(then: dict[int, str], now: dict[int, str], title: str) -> None:
    assert texts(june(then, now))[0] == title


@pytest.mark.parametrize(("asked", "label"), [
    ("2023-07-12 00:00+00", "As of 12 July 2023"),
    ("2023-07-12 18:30+00", "As of 12 July 2023, 18:30"),
])  # fmt: skip
def test_the_instant_of_the_result_is_the_label(asked: str, label: str) -> None:
    then = by_store(THEN).assign(as_of=pd.Timestamp(asked))
    shown = texts(charts.june(then, by_store(NOW), alt="June", by="By another", then_label="Another"))
    assert shown[0].startswith(f"{label}, store 5 won June.") and label in shown[1:]
    empty = texts(charts.june(then.iloc[:0], by_store(NOW), alt="June"))
    assert empty[0] == "As of the instant asked about, no store had any June revenue."
    with pytest.raises(MedallionError, match="as of 7 instants"):
        charts.june(then.assign(as_of=range(7)), by_store(NOW), alt="June")


def test_floats_and_decimals_draw_the_same_figure() -> None:
    floats = by_store(THEN).astype({"total_revenue": float})
    assert charts.june(floats, by_store(NOW), alt="June") == june()


def test_june_shows_every_number_it_was_given() -> None:
    shown = texts(june())
    for amount in [*THEN.values(), *NOW.values()]:
        assert f"${float(amount):,.2f}" in shown
    assert {"+$65.43", "−$5.99"} <= {*shown}


def test_a_waterfall_shows_its_steps_and_says_where_it_is_cut() -> None:
    shown = texts(waterfall())
    assert {"$9,401.31", "+$81.37", "−$9.96", "−$5.98", "$9,466.74"} <= {*shown}
    assert shown[0] == "Store 2's June grew by $65.43 after the board pack"
    assert any("cut off below $9,360" in text for text in shown)


def test_a_waterfall_that_misses_a_cent_is_refused() -> None:
    with pytest.raises(MedallionError, match=r"to \$9,466\.74, not to \$9,466\.75"):
        waterfall(end="9466.75")


@pytest.mark.parametrize(
    ("after", "still", "title"),
    [
        (CORRECTED, THEN, "Store 3 moved by +$250.00. 1 July did not."),
        (NOW | {2: "9466.73"}, THEN, "Store 2 moved by −$0.01. 1 July did not."),
        (NOW | {1: "1", 2: "2"}, THEN, "Stores 1 and 2 moved. 1 July did not."),
        (CORRECTED, NOW, "Store 3 moved by +$250.00. 1 July moved too, and must not."),
        (NOW, THEN, "Nothing moved."),
    ],
)
def test_the_title_says_what_moved(
    after: dict[int, str], still: dict[int, str], title: str
) -> None:
    assert texts(moved(after, still))[0] == title


def test_three_marts_count_what_changed() -> None:
    shown = texts(three_marts())
    assert shown[0] == "June, then and now: all three marts changed"
    assert {"Store 2, not store 5", "3 of 5 moved", "1 of 3 days"} <= {*shown}
    assert {"The <Long> Road & 1", "$91.25  +$10.75", "+$4.99 on 2 June"} <= {*shown}
    assert shown.count("#6") == 2  # what left the five best titles, and what came to them
    ends = min(map(float, [*THEN.values(), *NOW.values()])), max(map(float, NOW.values()))
    assert {*map("${:,.0f}".format, ends), "$0", "1 June", "3 June"} <= {*shown}


def test_payments_without_a_store_are_shown_and_win_nothing() -> None:
    lost = pd.concat([by_store(NOW), by_store({0: "99999"}).assign(store_id=None)])
    shown = texts(charts.june(by_store(THEN), lost, alt="June"))
    assert "No store" in shown
    assert shown[0].endswith("Today, store 2 did.")


def test_two_months_in_one_frame_are_refused() -> None:
    two = pd.concat([by_store(THEN), by_store(NOW)])
    with pytest.raises(MedallionError, match="store_id occurs twice"):
        charts.june(two, two, alt="June")


def luminance(color: str) -> float:
    channels = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ground", ["#ffffff", "#14181d"])
def test_colours_are_told_apart_in_light_and_dark(ground: str) -> None:
    style = june().svg.partition("@media")[0]
    dark = dict(re.findall(r"--mb-(\w+): (#\w+)", style))
    colors = COLORS if ground == "#ffffff" else dark
    assert contrast(colors["ink"], ground) > 12
    assert min(contrast(colors[name], ground) for name in ("then", "now", "bronze", "heat4")) > 3
    heat = [colors[f"heat{step}"] for step in range(1, len(HEAT) + 1)]
    for paler, deeper in pairwise([ground, *heat]):
        assert contrast(paler, deeper) > 1.1
        assert contrast(ground, paler) < contrast(ground, deeper)
