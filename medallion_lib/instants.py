"""Instants as people write them."""

from datetime import UTC, date, datetime

from medallion_lib.errors import refusal


def instant(text: str | date) -> datetime:
    """An instant as people write it, in ISO 8601, in UTC. Without a zone it means UTC."""
    try:
        at = datetime.fromisoformat(text.isoformat() if isinstance(text, date) else text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise refusal("bad instant", text=text) from None
