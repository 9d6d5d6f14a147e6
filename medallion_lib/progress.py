"""Long work shows how far it has come."""

import sys
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


def say(text: str) -> None:
    """A line on stderr, beside what shows how far work has come."""
    tqdm.write(text, file=sys.stderr)


class Told:
    """Says on stderr what went wrong in work that goes on all the same: once, until it changes."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, text: str) -> None:
        if text and text != self.last:
            say(text)
        self.last = text
