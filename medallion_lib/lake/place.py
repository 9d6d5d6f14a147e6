"""Where a lake is: a directory, or any other file system that fsspec knows by a URL.

Files get names of their own and are never changed. What counts is what a small JSON file names,
`bronze.json` or `silver.json`, which is replaced as a whole together with its watermark: whoever is
killed before leaves files that nobody reads, and the next to come removes them.
"""

import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import fsspec

from medallion_lib.errors import refusal

VERSION = 2  # of what the JSON files say


class Place:
    """A lake's directory. Paths are below it."""

    def __init__(self, url: str | os.PathLike[str]) -> None:
        try:
            self.fs, path = fsspec.core.url_to_fs(os.fspath(url))
        except (ValueError, ImportError) as problem:
            raise refusal("no lake there", url=url, reason=problem) from None
        self.path = path.rstrip("/")
        self.is_local = "file" in self.fs.protocol

    def at(self, path: str) -> str:
        return f"{self.path}/{path}"

    def url(self, path: str) -> str:
        """As an engine is to be told."""
        return self.fs.unstrip_protocol(self.at(path))

    def read(self, stage: str) -> dict[str, Any] | None:
        """What a stage has come to; None where it has not begun, or not in this form."""
        try:
            facts = json.loads(self.fs.cat_file(self.at(f"{stage}.json")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            raise refusal("no lake there", url=self.path, reason=problem) from None
        if facts["version"] > VERSION:
            raise refusal("later lake", url=self.path, found=facts["version"], here=VERSION)
        return facts if facts["version"] == VERSION else None  # or it is made anew

    def commit(self, stage: str, facts: dict[str, Any]) -> None:
        """Let a stage have come to this, all at once."""
        text = json.dumps({"version": VERSION, **facts}, indent=1).encode()
        if not self.is_local:  # where a whole object is put, or none
            self.fs.pipe_file(self.at(f"{stage}.json"), text)
            return
        new = self.at(f"{stage}.json.new")
        with open(new, "wb") as file:
            file.write(text)
            _sync(file)
        os.replace(new, self.at(f"{stage}.json"))

    @contextmanager
    def writing(self, path: str) -> Iterator[BinaryIO]:
        """A new file, on disk at the end."""
        self.fs.makedirs(self.at(path).rpartition("/")[0], exist_ok=True)
        if not self.is_local:
            with self.fs.open(self.at(path), "wb") as file:
                yield file
            return
        with open(self.at(path), "wb") as file:
            yield file
            _sync(file)

    def files(self, folder: str) -> list[str]:
        """The files of a folder and those below it."""
        self.fs.invalidate_cache()
        found = self.fs.find(self.at(folder)) if self.fs.exists(self.at(folder)) else ()
        return [each.removeprefix(f"{self.path}/") for each in found]

    def sweep(self, folder: str, kept: Collection[str]) -> None:
        """Remove what whoever was killed left there, and what was replaced: all but these files."""
        for path in self.files(folder):
            if path not in kept:
                self.fs.rm_file(self.at(path))


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
