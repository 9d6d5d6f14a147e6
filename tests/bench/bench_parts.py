"""Where capture's time goes: one run with a stopwatch around what it calls."""

import select
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from psycopg2.extras import ReplicationCursor

from medallion_lib.source import pgoutput
from medallion_lib.bronze.landing import Landing

TIMED = (
    ("waiting for the server", select, "select"),
    ("taking messages from the connection", ReplicationCursor, "read_message"),
    ("decoding", pgoutput, "decode"),
    ("writing JSON", pgoutput, "json_writer"),  # this and the next make what is timed
    ("from a message to JSON at once", pgoutput, "json_reader"),
    ("handing over a batch", Landing, "_do"),
    ("waiting for COPY and commit", Landing, "finish"),
)
REST = "the rest: transactions, times, COPY lines"


def shares(run: Callable[[], object]) -> tuple[dict[str, float], float]:
    """Each part's share, without the parts that it calls, the largest first; the run's seconds."""
    spent, parts, since = Counter(), [REST], [time.perf_counter()]

    def turn() -> None:
        now = time.perf_counter()
        spent[parts[-1]] += now - since[0]
        since[0] = now

    def around(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any) -> Any:
            turn()
            parts.append(part)
            try:
                made = call(*given)
            finally:
                turn()
                parts.pop()
            return around(part, made) if call in makers else made

        return timed

    makers = pgoutput.json_writer, pgoutput.json_reader
    with ExitStack() as patches:
        for part, owner, name in TIMED:
            patches.enter_context(patch.object(owner, name, around(part, getattr(owner, name))))
        run()
        turn()
    return {part: each / spent.total() for part, each in spent.most_common()}, spent.total()
