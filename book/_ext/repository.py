"""From the site to the code: links to the repository, and what a downloaded notebook needs.

GITHUB_SERVER_URL and GITHUB_REPOSITORY, which a workflow of GitHub's has, name the repository.
Where they are missing the book builds without these links.
"""

import os
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

HOSTED = "https://github.com"  # the one server that opens a repository in Codespaces
NEEDS = """\
**This notebook needs its project**: the sample year, PostgreSQL and the modules beside it.

{checkout} type `make demo`, and open `{page}.ipynb` in the JupyterLab that it opens."""


def address() -> str | None:
    parts = [os.environ.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY")]
    return "/".join(part.strip("/") for part in parts) if all(parts) else None


def _link(app: Sphinx, config: Config) -> None:
    known = address()
    how = f"`git clone {known}` and, in it, `make demo`" if known else "`make demo` in a checkout"
    config.myst_substitutions = {**config.myst_substitutions, "how_to_run": how}
    if known:
        config.html_theme_options |= {
            "repository_url": known, "repository_provider": "github",
            "use_repository_button": True, "use_edit_page_button": True,
        }  # fmt: skip


def _launch(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """A button that opens the project, ready to run, in a container of the repository's."""
    known = address()
    if known and known.startswith(f"{HOSTED}/") and document is not None:
        place = known.removeprefix(HOSTED)
        button = {
            "type": "link", "url": f"https://codespaces.new{place}?quickstart=1", "text": "",
            "tooltip": "Run it in a Codespace", "icon": "fas fa-rocket", "label": "launch-button",
        }  # fmt: skip
        context["header_buttons"].append(button)


def _tell_downloads(app: Sphinx, problem: Exception | None) -> None:
    """A notebook that leaves the site says first what it needs to run."""
    known = address()
    checkout = f"Type `git clone {known}` and, in the new directory," if known else "In a checkout"
    for path in (Path(app.outdir) / "_sources").rglob("*.ipynb"):
        notebook = nbformat.read(path, nbformat.NO_CONVERT)
        page = path.relative_to(Path(app.outdir) / "_sources").with_suffix("")
        told = NEEDS.format(checkout=checkout, page=page)
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(told, id="needs"))
        nbformat.write(notebook, path)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", _link, priority=400)  # before the theme reads them
    app.connect("html-page-context", _launch, priority=900)  # after the theme's own buttons
    app.connect("build-finished", _tell_downloads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
