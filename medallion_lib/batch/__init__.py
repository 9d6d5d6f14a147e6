"""Feed the warehouse from nightly files instead of the log, through a bronze of their own.

What differs between two extracts takes the form of bronze's events in `bronze_batch`, and the same
merge builds `silver_batch`. A quarantine keeps what can't be read.

    batch.set_up(lab)                                   # once a warehouse
    night = batch.extract(lab, "extracts", "2023-06-01")
    batch.load_night(lab, night)
    batch.merge(lab)

Capture from the log neither needs nor reads any of this.
"""

from medallion_lib.batch.bronze import Loaded, load, load_night, set_up
from medallion_lib.batch.extract import extract
from medallion_lib.batch.silver import merge

__all__ = ["Loaded", "extract", "load", "load_night", "merge", "set_up"]
