"""What of a warehouse's status needs somebody."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

REMEDY = "python -m medallion_lib capture --resnapshot"


class Limits(NamedTuple):
    """From where on a fact is an alarm."""

    lag: int = 300  # seconds
    wal: int | None = None  # bytes that a slot keeps; half of the server's own limit, if not given
    disk: int = 1 << 30  # bytes that are free


def alarms(status: Mapping[str, Any], limits: Limits) -> list[str]:
    """A line for each thing that is wrong, or about to be, by what `status` has."""
    return [*_alarms(status, limits)]


def _alarms(status: Mapping[str, Any], limits: Limits) -> Iterator[str]:
    slot = status["slot_state"].partition(",")[0]
    if slot == "missing":
        yield f"slot missing: changes are lost since {status['captured_until']}: {REMEDY}"
    elif slot == "lost":
        yield f"slot lost: changes are lost since {status['captured_until']}: {REMEDY}"
    elif slot == "unreserved":
        yield "slot unreserved: log that it needs may go with the next checkpoint; capture now"
    lag = status["lag_seconds"]
    if lag is None:
        yield "nothing captured yet"
    elif lag > limits.lag:
        yield f"lag: bronze is up to {lag:,} seconds behind, more than {limits.lag:,}"
    wal, limit = status["wal_bytes_retained"] or 0, limits.wal
    if limit is None and status["wal_bytes_limit"]:
        limit = status["wal_bytes_limit"] // 2
    if limit is not None and wal > limit:
        yield f"log: the slot keeps {wal:,} bytes, more than {limit:,}"
    if refused := status.get("merge_refused"):
        yield f"merge refused: {refused.splitlines()[0]}"
    for lost in status.get("versions_not_kept", ()):
        yield f"versions not kept: {lost}"
    free = status.get("disk_bytes_free")
    if free is not None and free < limits.disk:
        yield f"disk: {free:,} bytes are free, less than {limits.disk:,}"
