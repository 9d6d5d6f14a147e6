"""A warehouse's status for monitors: OpenMetrics text and, where it is asked for, by HTTP."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from medallion_lib.errors import MedallionError, refusal

KIND = "application/openmetrics-text; version=1.0.0; charset=utf-8"
FACTS = {  # by the fact's name: the metric's, its unit, and what it means
    "lag_seconds": ("lag_seconds", "seconds", "No change older than this is missing."),
    "wal_bytes_not_captured": ("lag_bytes", "bytes", "Log that the slot has yet to hand over."),
    "wal_bytes_retained": ("wal_retained_bytes", "bytes", "Log that is kept for the slot."),
    "wal_bytes_limit": ("wal_limit_bytes", "bytes", "Beyond which the source gives the slot up."),
    "seconds_since_last_landing": ("landing_age_seconds", "seconds", "Since a change landed."),
    "seconds_since_last_merge": ("merge_age_seconds", "seconds", "Since silver was brought on."),
    "events_not_merged": ("events_not_merged", "", "Changes that silver has yet to take in."),
    "disk_bytes_free": ("disk_free_bytes", "bytes", "Room where the server's data are."),
}


def metrics(name: str, status: Mapping[str, Any], alarms: Sequence[str]) -> str:
    """The facts as OpenMetrics text; one that is not known is left out."""
    of = f'warehouse="{_quoted(name)}"'
    slot = int(status["slot_state"].partition(",")[0] in ("reserved", "extended"))
    lines = [*_one("slot_ok", "", "Whether the slot has all that capture needs.", [(of, slot)]),
             *_one("alarms", "", "What status --check tells of.", [(of, len(alarms))])]  # fmt: skip
    for fact, told in FACTS.items():
        if status.get(fact) is not None:
            lines += _one(*told, [(of, status[fact])])
    rows = [(f'{of},table="{_quoted(table)}"', n) for table, n in status["rows"].items()]
    lines += _one("rows", "", "Rows of a table, about.", rows)
    return "\n".join([*lines, "# EOF", ""])


def _one(name: str, unit: str, help_: str, samples: Sequence[tuple[str, int]]) -> Iterator[str]:
    yield f"# TYPE medallion_{name} gauge"
    if unit:
        yield f"# UNIT medallion_{name} {unit}"
    yield f"# HELP medallion_{name} {help_}"
    yield from (f"medallion_{name}{{{labels}}} {value}" for labels, value in samples)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def server(
    listen: str, read: Callable[[], str], alarms: Callable[[], list[str]],
    typed: Callable[[str], str],
) -> ThreadingHTTPServer:  # fmt: skip
    """One that answers GET /metrics, and GET /health with 200, or 503 and the alarms.

    `listen` is HOST:PORT; `typed` names the warehouse in the commands that are told.
    Raises MedallionError where `listen` can't be listened on.
    """

    class Answer(BaseHTTPRequestHandler):
        timeout = 10  # seconds for a client to say what it wants

        def do_GET(self) -> None:
            try:
                if self.path == "/metrics":
                    return self._send(200, read(), KIND)
                if self.path == "/health":
                    told = alarms()
                    return self._send(503 if told else 200, "\n".join([*(told or ["ok"]), ""]))
                self._send(404, "Ask for /metrics or /health.\n")
            except MedallionError as problem:
                self._send(503, f"{problem}\n")

        def _send(self, code: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
            body = typed(text).encode()
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing of each question."""

    host, _, port = listen.rpartition(":")
    try:
        return ThreadingHTTPServer((host.strip("[]"), int(port)), Answer)
    except (OSError, ValueError, OverflowError) as problem:
        raise refusal("not listened", listen=listen, reason=problem) from None
