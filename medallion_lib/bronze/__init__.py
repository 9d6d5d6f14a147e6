"""Every change: from the source's log to bronze's tables.

Rows and watermark commit together, so each row lands exactly once.
"""
