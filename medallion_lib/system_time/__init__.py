"""`FOR SYSTEM_TIME`, which PostgreSQL does not have, spliced on its way to the server."""

from medallion_lib.system_time.clause import SystemTimeError, rewrite
from medallion_lib.system_time.functions import regenerate
from medallion_lib.system_time.hook import install, with_history
from medallion_lib.system_time.option import SystemVersioningError

__all__ = [
    "SystemTimeError", "SystemVersioningError", "install", "regenerate", "rewrite",
    "with_history",
]  # fmt: skip
