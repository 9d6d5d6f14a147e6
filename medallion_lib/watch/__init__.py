"""Tables of a person's own: what would be watched, said before anything is made.

A plan finds the tables, their keys and the names that they get; a preview is its text.
"""
