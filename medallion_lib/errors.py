"""What a user can cause: one exception, whose text says what is wrong and what to type next.

The texts stand together in refusals.txt, by name, so that they can be read and translated as one.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FILE = Path(__file__).with_name("refusals.txt")
_TEXTS = re.split(r"^\[(.+)\]\n", _FILE.read_text("utf-8"), flags=re.MULTILINE)
TEXTS = dict(zip(_TEXTS[1::2], (text.strip() for text in _TEXTS[2::2]), strict=True))


class MedallionError(Exception):
    """An error for a person to read. The commands print it without a traceback and exit with 1."""


class ConnectionLost(MedallionError):
    """The server could not be reached, or was lost. Nothing that was committed is lost with it."""


class Busy(MedallionError):
    """Somebody else is doing this, or stands in its way; later it may go well."""


class Unconfirmed(MedallionError):
    """It would end history for good, and needs a yes: `yes=True`, or --yes to a command."""


class Alarm(MedallionError):
    """What needs somebody, a line each. The command prints it as its answer and exits with 2."""


def refusal(
    about: str, /, error: type[MedallionError] = MedallionError, **facts: object
) -> MedallionError:
    """The error of this name in refusals.txt, with the facts filled in: `raise refusal(…)`."""
    return error(TEXTS[about].format(**facts))


@contextmanager
def refusing(about: str, *errors: type[Exception], **facts: object) -> Iterator[None]:
    """Raise the refusal of this name, with the server's reason, in place of these errors of it."""
    try:
        yield
    except errors as problem:
        raise refusal(about, **facts, reason=problem.diag.message_primary) from None
