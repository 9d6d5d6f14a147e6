"""The other way in: nightly extracts of the source, as files, through a bronze of their own.

    batch.set_up(lab)                                   # once a warehouse
    night = batch.extract(lab, "extracts", "2023-06-01")
    batch.load_night(lab, night)
    batch.merge(lab)

Nothing here is needed for capture from the log, and nothing there reads it.
"""

from medallion_lib.batch.bronze import Loaded, load, load_night, set_up
from medallion_lib.batch.extract import extract
from medallion_lib.batch.silver import merge

__all__ = ["Loaded", "extract", "load", "load_night", "merge", "set_up"]
