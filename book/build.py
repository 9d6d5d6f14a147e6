"""Build the book: execute every notebook once, then make the site from what they showed.

Works on a copy in .book, so that no output reaches the notebooks under version control. (nbmake
skips every path with _build in it, so the copy can't be there.) The site is _build/html.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import ask
import kernels
import offline
from self_contained import problems

from medallion_lib import Medallion, MedallionError, shop
from medallion_lib.shop import star

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "notebooks"))  # where the figures come from

import card  # noqa: E402
from made import PAGES  # noqa: E402

COPY = ROOT / ".book"
SITE = ROOT / "_build" / "html"
COPIED = ["_config.yml", "_toc.yml", "book", "notebooks"]
JUPYTER_BOOK = Path(sys.executable).with_name("jupyter-book")
LINKED = ["data"]  # what notebooks may read by a relative path


def main() -> None:
    _step("Copying the sources", _copy)
    _step("Preparing the sample year", _prepare)
    with ThreadPoolExecutor(1) as beside:  # which do not need the notebooks
        answering = beside.submit(_prepare_answers)
        _step("Executing the notebooks", _execute)
        _step("Making what pages include", _make)
        _step("Making what pages ask", lambda: print(ask.make(COPY, answering.result())))
    _step("Building the site", _build)
    _step("Writing the demo as one file", lambda: offline.write(COPY, SITE))
    _step("Checking that the site needs no other host", _check)
    print(f"The book is in {SITE.relative_to(ROOT) / 'index.html'}")


def _step(title: str, work: Callable[[], None]) -> None:
    print(f"{title} …", flush=True)
    began = time.monotonic()
    work()
    print(f"{title}: done in {time.monotonic() - began:.1f} s", flush=True)


def _copy() -> None:
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir()
    ignore = shutil.ignore_patterns("__pycache__", ".*")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, COPY / name, ignore=ignore)
        else:
            shutil.copy(source, COPY / name)
    for name in LINKED:
        (COPY / name).symlink_to(ROOT / name)


def _prepare() -> None:
    """The years that notebooks start from are made once, outside of their cells."""
    os.environ["MEDALLION_NAME"] = "book"
    os.environ["MEDALLION_BOOK"] = "1"  # %%sql cells tell what they asked
    for tables in (star.TABLES, shop.TABLES):
        Medallion.open(tables=tables).reset(year=True)


def _execute() -> None:
    """Under a name of their own, so that a build and a test run don't share databases."""
    # The last first, which take longest: begun last, one would keep one of two workers waiting.
    notebooks = sorted((COPY / "notebooks").glob("*.ipynb"), reverse=True)
    if not notebooks:
        sys.exit("There is no notebook in notebooks/ to make a book of.")
    options = ["--nbmake", "--overwrite", "-v", *(["-n3"] if len(notebooks) > 1 else [])]
    with _kernels() as environment:
        _run(
            "A notebook failed; its name and cell are above.",
            *[sys.executable, "-m", "pytest", *options, *notebooks],
            environment=environment | {"MEDALLION_NAME": "book"},
        )


@contextmanager
def _kernels() -> Iterator[dict[str, str]]:
    """What has each notebook's kernel forked; on Linux alone, where that is safe."""
    if sys.platform != "linux":
        yield {}
        return
    own = os.environ | {"PYTHONPATH": str(COPY / "notebooks")}
    with tempfile.TemporaryDirectory() as place, kernels.forked(Path(place), own) as forking:
        yield {name: forking[name] for name in ("JUPYTER_PATH", kernels.SERVING)}


def _make() -> None:
    """Pages include these files, made from the year's warehouse and from what the runs left."""
    made = COPY / "book" / "made"
    lab = Medallion.open()
    for name, make in PAGES.items():
        (made / name).write_text(make(lab, COPY), encoding="utf-8")
    card.save(lab, COPY / "book" / "_static" / "card.png")
    lab.drop()


def _prepare_answers() -> Path | ask.NotMade:
    lab = Medallion.open("book_ask")
    try:
        return ask.prepared(lab, ROOT / ".ask")
    finally:
        lab.drop()


def _build() -> None:
    """Warnings are errors, and so is a reference that leads nowhere."""
    shutil.rmtree(SITE.parent, ignore_errors=True)
    _run(
        "The site was not built; the warnings above say where.",
        *[JUPYTER_BOOK, "build", "-q", "-W", "-n", "--keep-going", "--path-output", ROOT, COPY],
    )


def _check() -> None:
    if found := problems(SITE):
        sys.exit("\n".join(found))


def _run(failure: str, *command: str | Path, environment: dict[str, str] | None = None) -> None:
    run = subprocess.run(command, cwd=ROOT, env=os.environ | (environment or {}))
    if run.returncode:
        sys.exit(failure)


if __name__ == "__main__":
    try:
        main()
    except MedallionError as problem:
        sys.exit(str(problem))
