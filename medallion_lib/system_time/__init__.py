"""`FOR SYSTEM_TIME`, which PostgreSQL does not have, spliced on its way to the server."""

from medallion_lib.system_time.hook import SystemTimeError, install, rewrite, with_history

__all__ = ["SystemTimeError", "install", "rewrite", "with_history"]
