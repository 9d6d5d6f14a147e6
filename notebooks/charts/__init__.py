"""The book's figures, from plain DataFrames: each title states what the data say.

A circle is then, a square is now, a star is the winner. Money may be Decimal or float.
"""

from .days import calendar
from .demo import june, moved, three_marts, waterfall
from .lives import versions
from .movers import titles
from .sizes import layers
from .stores import months

__all__ = [
    "calendar",
    "june",
    "layers",
    "months",
    "moved",
    "three_marts",
    "titles",
    "versions",
    "waterfall",
]
