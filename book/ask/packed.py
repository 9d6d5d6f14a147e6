"""The files of the page's PostgreSQL, without what one session in one database never reads."""

import gzip
import hashlib
import io
import json
import re
import shutil
import struct
import tarfile
from pathlib import Path

from medallion_lib import sqlfile

SEGMENT = 1 << 20  # bytes of write-ahead log in a file, as load.mjs asks for
PAGE = 8192
CONTROL = struct.Struct("<QIIi4xqQ")  # pg_control's beginning: …, state, time, last checkpoint
SHUT_DOWN = 1
EXTENSIONS = ("btree_gist.tar.gz", "pg_walinspect.tar.gz")
UNREAD = ("pg_internal.init", "postmaster.pid")  # a start makes them anew
# Of the package's files: no initdb, no conversion of encodings, no text search, no ICU.
KEPT = re.compile(
    r"/home/|/pglite/bin/|.*/(timezone|timezonesets)/|.*/plpgsql\b|.*/pg_hba\.conf\.sample$"
)
LISTED = re.compile(r'filename:"([^"]+)",start:(\d+),end:(\d+)|'
                    r'"filename":\s*"([^"]+)",\s*"start":\s*(\d+),\s*"end":\s*(\d+)')  # fmt: skip


def write(package: Path, data: Path, made: Path) -> None:
    """Write what a page loads, each file under a name that has its hash, and a list of them."""
    dist = package / "dist"
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    names = {
        "module": _saved(made, "pglite.wasm", (dist / "pglite.wasm").read_bytes()),
        "files": _saved(made, "pglite.data", _trimmed(dist)),
        "data": _saved(made, "year.tar", _tar(data)),
    }
    library = made / f"pglite-{version}"
    library.mkdir()
    for script in (dist / "index.js", *dist.glob("chunk-*.js")):
        text = script.read_text(encoding="utf-8")
        (library / script.name).write_text(re.sub(r"\n//# sourceMappingURL.*", "", text), "utf-8")
    for name in (*EXTENSIONS, package / "LICENSE"):
        shutil.copy(dist / name, library)
    listed = {
        **names,
        "bytes": sum((made / name).stat().st_size for name in names.values()),
        "library": f"{library.name}/index.js",
        "extensions": {name.partition(".")[0]: f"{library.name}/{name}" for name in EXTENSIONS},
        "histories": sqlfile.read("system_time/functions"),
    }
    (made / "files.json").write_text(json.dumps(listed), encoding="utf-8")


def _saved(directory: Path, name: str, content: bytes) -> str:
    """Write it compressed, under a name that has its hash; the name."""
    begin, _, end = name.partition(".")
    called = f"{begin}-{hashlib.sha256(content).hexdigest()[:12]}.{end}.gz"
    (directory / called).write_bytes(gzip.compress(content, mtime=0))
    return called


def _tar(directory: Path) -> bytes:
    """A tar of a stopped server's data directory."""
    segment, log = _log(directory)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(directory.rglob("*")):
            name = path.relative_to(directory).as_posix()
            if path.is_dir():
                tar.addfile(_entry(name, tarfile.DIRTYPE))
            elif path.name == segment:
                _add(tar, name, log)
            elif not path.match("pg_wal/*") and path.name not in UNREAD:
                _add(tar, name, path.read_bytes())
    return packed.getvalue()


def _entry(name: str, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, 0o700
    return entry


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = _entry(name, tarfile.REGTYPE)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _log(directory: Path) -> tuple[str, bytes]:
    """The segment that a start reads, and of it no more than that: a head and a checkpoint."""
    control = (directory / "global/pg_control").read_bytes()
    *_, state, _, checkpoint = CONTROL.unpack_from(control)
    if state != SHUT_DOWN:
        raise ValueError(f"The server of {directory} was not shut down.")
    number, at = divmod(checkpoint, SEGMENT)
    name = f"{1:08X}{number >> 12:08X}{number & 0xFFF:08X}"
    log = bytearray((directory / "pg_wal" / name).read_bytes())
    end = at + int.from_bytes(log[at : at + 4], "little")
    log[end:] = bytes(SEGMENT - end)
    between = slice(PAGE, max(PAGE, at - at % PAGE))
    log[between] = bytes(between.stop - between.start)
    return name, bytes(log)


def _trimmed(dist: Path) -> bytes:
    """The package's own files, each that nobody needs as zeros of the same length."""
    content = bytearray((dist / "pglite.data").read_bytes())
    for found in LISTED.finditer((dist / "pglite.js").read_text(encoding="utf-8")):
        name, start, end = (each for each in found.groups() if each is not None)
        if not KEPT.match(name):
            content[int(start) : int(end)] = bytes(int(end) - int(start))
    return bytes(content)
