"""What it costs: the last bench's figures, as sentences and as ratios in one figure.

`costs.json` is what `make bench` left once, on one machine: a copy of its file, nothing is typed.
"""

import json
from pathlib import Path
from typing import Any

import charts
import pandas as pd

from medallion_lib import Medallion

LAST = Path(__file__).parents[2] / ".results" / "bench.json"  # which `make bench` leaves


def measured(last: Path = LAST) -> dict[str, Any]:
    """The figures that `make bench` left in this checkout, or else those that are kept with it."""
    found = last if last.exists() else Path(__file__).with_name("costs.json")
    return json.loads(found.read_text(encoding="utf-8"))


MEASURED = measured()
FASTER = {"changes/s": True, "s": False}  # whether more of a unit is faster


def ratios() -> pd.DataFrame:
    """How many times as fast as each thing it is compared with (what, beside, ratio)."""
    rows = [
        (each["what"], other, _times(each["here"], figure, each["unit"]))
        for each in MEASURED["compared"]
        for other, figure in each["beside"].items()
    ]
    return pd.DataFrame(rows, columns=["what", "beside", "ratio"])


def _times(here: float, other: float, unit: str) -> float:
    return here / other if FASTER[unit] else other / here


def page(_lab: Medallion, _copy: Path) -> str:
    lines = [
        f"`make bench` measured this on {MEASURED['measured']}, on {MEASURED['machine']}.",
        "Figures are medians; runs that are compared took turns. `pg_recvlogical` threw away what",
        "it received.\n",
        "| measured alone | takes |\n|---|---|",
        *(f"| {each['what']} | {each['took']} |" for each in MEASURED["alone"]),
    ]
    return "\n".join(lines) + "\n"


def figure(_lab: Medallion, _copy: Path) -> str:
    told = ratios()
    words = (f"{row.what}, {row.ratio:.2g} times {row.beside}" for row in told.itertuples())
    drawn = charts.costs(told, alt=f"Speed as a multiple of another's: {'; '.join(words)}.")
    opening = '<div class="wide-drawing" role="region" tabindex="0" aria-label="The costs">'
    return f"{opening}{drawn._repr_html_()}</div>\n"
