"""Long work shows how far it has come."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Progress = Callable[..., None]  # told how far work has come and, if known, how far it goes


@contextmanager
def shown(work: str, unit: str) -> Iterator[Progress]:
    """A function that shows how far work has come, on a terminal, after its first second.

    Told how far it goes, about, it shows the time left as well.
    """
    with tqdm(desc=work, unit=f" {unit}", delay=1, disable=None, leave=False) as bar:

        def show(reached: int, total: int | None = None) -> None:
            bar.total = total
            bar.update(reached - bar.n)

        yield show


class _Beside(logging.Handler):
    """Writes on stderr, beside what shows how far work has come."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def with_times() -> None:
    """Let each line that is told begin with its time, in UTC, and its level."""
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    form.converter = time.gmtime
    BESIDE.setFormatter(form)


LOG, BESIDE = logging.getLogger("medallion_lib"), _Beside()
LOG.addHandler(BESIDE)
LOG.setLevel(logging.INFO)


def say(text: str, level: int = logging.WARNING) -> None:
    """Log what went otherwise than asked, or is worth knowing, while work goes on."""
    LOG.log(level, text)


class Told:
    """Says what went wrong in work that goes on all the same: once, until it changes or is over."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, text: str) -> None:
        if text != self.last:
            say(text)
        self.last = text

    def over(self, text: str) -> None:
        """Say that it goes on as it should again, if it did not."""
        if self.last:
            say(text, logging.INFO)
        self.last = ""
