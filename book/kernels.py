"""Kernels of notebooks, forked from a process that has imported what notebooks import.

Those imports take two seconds, which each kernel would do again. What a front end starts as the
kernel is this file: it has the other process fork one, and ends when that one does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVING = "MEDALLION_TEST_KERNELS"  # the path of the socket
LENGTH = 9  # digits of how long a message is


def serve(place: str) -> None:
    """Fork a kernel for each that asks, until it is ended."""
    del sys.path[0]  # this file's directory
    import cells  # noqa: F401 -- with all that it imports
    from ipykernel.kernelapp import IPKernelApp

    # Nobody waits for a kernel's end but who asked for it.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as serving:
        serving.bind(place)
        serving.listen(16)
        print("serving", flush=True)
        while True:
            asking, _ = serving.accept()
            if os.fork():
                asking.close()
                continue
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            IPKernelApp.launch_instance(argv=["-f", _taken_over(asking)])
            os._exit(0)


def _taken_over(asking: socket.socket) -> str:
    """Be the process that asks, for as long as that one is there; the file with its connection."""
    length, streams, *_ = socket.recv_fds(asking, LENGTH, 2)
    place, directory, environment = json.loads(asking.recv(int(length), socket.MSG_WAITALL))
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    threading.Thread(target=lambda: (asking.recv(1), os._exit(0)), daemon=True).start()
    return place


def ask(place: str) -> None:
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(os.environ[SERVING])
        wanted = json.dumps([place, os.getcwd(), {**os.environ}]).encode()
        socket.send_fds(asked, [f"{len(wanted):{LENGTH}}".encode()], [1, 2])
        asked.sendall(wanted)
        asked.recv(1)  # which comes to nothing once the kernel has ended


@contextmanager
def forked(place: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment in which kernels are forked, with what they import made in this one."""
    spec = place / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [sys.executable, __file__, "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "forked", "language": "python"}))
    with tempfile.TemporaryDirectory() as short:  # as a socket's path has to be
        serving = f"{short}/kernels"
        command = [sys.executable, __file__, "--serve", serving]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout.readline() == "serving\n"
            yield environment | {"JUPYTER_PATH": str(place), SERVING: serving}
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1] == "--serve" else ask(sys.argv[1])
