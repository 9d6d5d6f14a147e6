"""Every version: from bronze's changes to silver's tables.

One statement per table, generated from its columns, turns changes into versions. One transaction
brings all tables to the same position, and batches change no history. The server rejects versions
that overlap (`WITHOUT OVERLAPS`), but not in tables by month, nor in large ones that are watched:
there, tests check it, and `verify`, which compares the current rows with the source's, too.
"""
