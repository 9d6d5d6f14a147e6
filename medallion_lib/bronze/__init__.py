"""Every change: from the source's log to bronze's tables.

Capture gives each transaction its time and lands its rows. Rows and watermark commit together, so
each row lands exactly once.
"""
