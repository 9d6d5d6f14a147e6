"""What a user can cause: one exception, whose text says what is wrong and what to type next."""


class MedallionError(Exception):
    """An error for a person to read. The commands print it without a traceback and exit with 1."""
