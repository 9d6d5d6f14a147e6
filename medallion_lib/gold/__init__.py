"""What the business asks of history.

Marts are views of silver's current state, found in the catalog. Questions tell what changed, where
a number comes from, and what a row's life was.
"""
