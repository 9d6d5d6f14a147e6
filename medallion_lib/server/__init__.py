"""The ground: which PostgreSQL, connections to it, its databases and who else is at work.

The notebooks' role reads everything and writes only schema `scratch`.
"""

from medallion_lib.server.connections import (  # noqa: F401 -- what others take from here
    NOTEBOOK_ROLE, Connection, Server, beside, connect, connects, interruptibly, libpq, locate,
    only_one, only_one_session, own_source, own_url, session, set_notebook_role,
)  # fmt: skip
