"""`FOR SYSTEM_TIME`, which PostgreSQL does not have, spliced on its way to the server.

A hook turns the clause into a call of a function. Each table and view with history has one for each
form, and a view's is made from its own definition, so no mart is written twice. A view that can't
be asked about the past is refused with the reason.
"""

from medallion_lib.system_time.clause import SystemTimeError, rewrite
from medallion_lib.system_time.functions import regenerate
from medallion_lib.system_time.hook import install, with_history
from medallion_lib.system_time.option import SystemVersioningError

__all__ = [
    "SystemTimeError", "SystemVersioningError", "install", "regenerate", "rewrite",
    "with_history",
]  # fmt: skip
