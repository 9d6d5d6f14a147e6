"""Long work shows how far it has come."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Progress = Callable[[int], None]


@contextmanager
def shown(work: str, unit: str) -> Iterator[Progress]:
    """A function that shows how far work has come, on a terminal, after its first second."""
    with tqdm(desc=work, unit=f" {unit}", delay=1, disable=None, leave=False) as bar:
        yield lambda reached: bar.update(reached - bar.n)
