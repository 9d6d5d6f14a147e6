"""The book's figures, from plain DataFrames: each title states what the data say.

A circle is then, a square is now, a star is the winner; a diamond is the log, a triangle the
nightly files. Money may be Decimal or float.
"""

from .commits import commits
from .costs import costs
from .customers import churn, cohorts, segments
from .days import calendar
from .demo import june, lead, moved, three_marts, waterfall
from .feeds import feeds, kept
from .figure import Picture
from .forms import forms
from .lineage import lineage
from .lives import versions
from .log import gap, positions, sent
from .movers import titles
from .sizes import layers
from .stores import months
from .tables import tables
from .tills import tills

__all__ = [
    "Picture",
    "calendar",
    "churn",
    "cohorts",
    "commits",
    "costs",
    "feeds",
    "forms",
    "gap",
    "june",
    "kept",
    "layers",
    "lead",
    "lineage",
    "months",
    "moved",
    "positions",
    "segments",
    "sent",
    "tables",
    "three_marts",
    "tills",
    "titles",
    "versions",
    "waterfall",
]
