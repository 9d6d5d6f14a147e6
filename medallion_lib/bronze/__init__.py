"""Every change: from the source's log to bronze's tables."""
