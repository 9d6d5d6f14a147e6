"""The log's messages as values: `source/pgoutput.py`, under the name that it has always had."""

from medallion_lib.source.pgoutput import *  # noqa: F403
