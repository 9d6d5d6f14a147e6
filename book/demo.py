"""`make demo`: run the five-minute notebook, print its story, and open it in JupyterLab.

Arguments are JupyterLab's, such as --no-browser.
"""

import os
import re
import shutil
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from medallion_lib import Medallion, MedallionError

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "00_five_minute_demo.ipynb"
NAME = "demo"  # a source and warehouse of its own, which every run starts anew
STAGE = ROOT / ".stage"
LOG = STAGE / "jupyterlab.log"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/doc/tree/\S+")
PATIENCE = 60  # seconds
OTHERS = ("JUPYTER_PATH", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")


def main() -> int:
    os.environ["MEDALLION_NAME"] = NAME
    set_stage()
    try:
        lab = prepare()
        told = story(execute())
    except MedallionError as problem:
        print(problem, file=sys.stderr)
        return 1
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(f"In a terminal, make demo also opens JupyterLab on this notebook.\n\n{told}", end="")
        return 0
    return open_jupyterlab(lab, told)


def set_stage() -> None:
    """Let Jupyter and IPython take their configuration from us alone, and the kernel from here.

    A copy of book/stage, made anew: what was opened, moved or set the last time, and what a
    presenter's own JupyterLab is like, does not matter. A kernel imports the libraries as it
    starts, while the page still loads, so that the first press does not wait for them.
    """
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree(ROOT / "book" / "stage", STAGE)
    os.environ |= {"JUPYTER_CONFIG_DIR": str(STAGE), "JUPYTER_PREFER_ENV_PATH": "1"}
    os.environ["IPYTHONDIR"] = str(STAGE / "ipython")
    for name in OTHERS:
        os.environ.pop(name, None)


def prepare() -> Medallion:
    print("Preparing the sample year: replay, capture, merge …", flush=True)
    began = time.monotonic()
    lab = Medallion.open()
    lab.reset(year=True)
    print(f"Ready in {time.monotonic() - began:.1f} s. The server is {lab.place.place}", flush=True)
    print(f"How far it is: .venv/bin/python -m medallion_lib --name {NAME} status", flush=True)
    return lab


def execute() -> nbformat.NotebookNode:
    """The notebook with its outputs. Raises MedallionError where a cell fails."""
    print(f"Running {NOTEBOOK.relative_to(ROOT)} …", flush=True)
    began = time.monotonic()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    run = NotebookClient(
        notebook,
        timeout=60,
        resources={"metadata": {"path": NOTEBOOK.parent}},
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        run.execute()
    except CellExecutionError as failed:
        raise MedallionError(f"A cell of the demo failed.\n{failed}") from None
    print(f"Every cell ran and every assertion held, in {time.monotonic() - began:.1f} s.\n")
    return notebook


def story(notebook: nbformat.NotebookNode) -> str:
    """What the notebook's last cell printed."""
    cells = [cell for cell in notebook.cells if "story" in cell.metadata.get("tags", [])]
    return "".join(output.text for cell in cells for output in cell.outputs if "text" in output)


def open_jupyterlab(lab: Medallion, told: str) -> int:
    """Replace this process by JupyterLab on the demo, on 127.0.0.1, with its token.

    What it says goes into LOG, and a process beside it tells its address and the story.
    """
    lab.close()
    command = [
        str(Path(sys.executable).with_name("jupyter-lab")),
        f"--ServerApp.root_dir={ROOT}",
        "--ServerApp.ip=127.0.0.1",
        f"--LabApp.default_url=/doc/tree/{NOTEBOOK.relative_to(ROOT)}",
        "--LabApp.custom_css=True",
        *(["--allow-root"] if os.geteuid() == 0 else []),
        *sys.argv[1:],
    ]
    print("Opening JupyterLab …", flush=True)
    LOG.touch()
    if os.fork() == 0:
        tell(told)
        os._exit(0)
    with LOG.open("a") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    os.execv(command[0], command)


def tell(told: str) -> None:
    """Print JupyterLab's address, as soon as its log has it, and the story last."""
    server, give_up = os.getppid(), time.monotonic() + PATIENCE
    while not (found := ADDRESS.search(LOG.read_text(encoding="utf-8", errors="replace"))):
        if os.getppid() != server or time.monotonic() > give_up:
            break
        time.sleep(0.1)
    where = f"{found[0]}\nCtrl+C ends it." if found else "It did not start."
    print(f"{where} What it says is in {LOG.relative_to(ROOT)}.\n\n{told}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
