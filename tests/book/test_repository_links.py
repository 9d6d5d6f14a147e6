"""A site that knows its repository leads there; one that does not says nothing of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"
CONF = f"""
import sys
sys.path.insert(0, {str(EXTENSIONS)!r})
extensions = ["myst_nb", "repository"]
myst_enable_extensions = ["substitution"]
nb_execution_mode = "off"
html_theme = "sphinx_book_theme"
exclude_patterns = ["jupyter_execute", "hosted", "nowhere", "other"]
"""
HOSTED = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "someone/the-book"}
SITES = {"hosted": HOSTED, "nowhere": {}, "other": HOSTED | {"GITHUB_SERVER_URL": "https://git.example.org"}}
Built = dict[str, tuple[str, str]]


PAGE = "# A book\n\nType {{ how_to_run }}.\n\n```{toctree}\nchapter\n```\n"
# Sphinx, the theme and the notebooks' parser are imported once; a build each is forked from that.
BUILDS = """
import json, os, sys
import myst_nb, sphinx_book_theme
from sphinx.cmd.build import main

for name, environment in json.loads(sys.argv[1]).items():
    if not os.fork():
        os.environ.update(environment)
        os._exit(main(["-qW", "--keep-going", "-d", f"{name}.doctrees", ".", name]))
sys.exit(any(os.wait()[1] for _ in json.loads(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """By whose environment: the page as HTML, and the first cell of its notebook as it is downloaded."""
    source = tmp_path_factory.mktemp("book")
    (source / "conf.py").write_text(CONF)
    (source / "index.md").write_text(PAGE)
    words = [nbformat.v4.new_markdown_cell("# A chapter")]
    nbformat.write(nbformat.v4.new_notebook(cells=words), source / "chapter.ipynb")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    subprocess.run([sys.executable, "-c", BUILDS, json.dumps(SITES)], check=True, env=clean, cwd=source)

    def of(site: str) -> tuple[str, str]:
        download = json.loads((source / site / "_sources/chapter.ipynb").read_text(encoding="utf-8"))
        first = "".join(download["cells"][0]["source"])
        return (source / site / "index.html").read_text(encoding="utf-8"), first

    return {site: of(site) for site in SITES}


def text(page: str) -> str:
    return BeautifulSoup(page, "html.parser").get_text()


def test_a_known_repository_is_linked_edited_launched_and_cloned(built: Built) -> None:
    page, first = built["hosted"]
    for link in ("https://github.com/someone/the-book",
                 "https://github.com/someone/the-book/edit/main/index.md",
                 "https://codespaces.new/someone/the-book?quickstart=1"):  # fmt: skip
        assert f'href="{link}"' in page
    assert "git clone https://github.com/someone/the-book" in text(page)
    assert "git clone https://github.com/someone/the-book" in first


def test_without_a_repository_there_are_no_links_to_one(built: Built) -> None:
    page, first = built["nowhere"]
    assert "codespaces" not in page and "source-repository-button" not in page
    assert "source-edit-button" not in page
    assert "make demo" in text(page) and "make demo" in first


def test_another_server_has_no_codespaces(built: Built) -> None:
    page, _ = built["other"]
    assert "codespaces" not in page
    assert "git clone https://git.example.org/someone/the-book" in text(page)
