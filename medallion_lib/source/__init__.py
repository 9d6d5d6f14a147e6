"""What the source says: its catalog, its publication and slot, its log.

The publication names the captured tables and each of their partitions, so that emptying one shows.
The slot keeps the log from the last confirmed position on, and sends what was committed, in the
order of commits. PostgreSQL guarantees that everything not confirmed arrives again. A preflight
names what would be lost or break.
"""
