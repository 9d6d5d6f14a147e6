"""What the source says: its catalog, its publication and slot, its log.

The publication names the captured tables, and each partition by its own name: under its table's,
the log would not show that a partition was emptied. The slot keeps the log from the last confirmed
position on, and sends what was committed, in the order of commits. PostgreSQL guarantees that
nothing rolled back arrives, and that everything not confirmed arrives again. A preflight names
what would be lost or break.
"""
