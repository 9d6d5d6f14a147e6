"""A site that knows its repository leads there; one that does not says nothing of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

EXTENSIONS = Path(__file__).parents[1] / "book" / "_ext"
CONF = f"""
import sys
sys.path.insert(0, {str(EXTENSIONS)!r})
extensions = ["myst_nb", "repository"]
myst_enable_extensions = ["substitution"]
nb_execution_mode = "off"
html_theme = "sphinx_book_theme"
"""
HOSTED = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "someone/the-book"}
Build = Callable[[dict[str, str]], tuple[str, str]]
OTHER = HOSTED | {"GITHUB_SERVER_URL": "https://git.example.org"}


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def built(environment: dict[str, str]) -> tuple[str, str]:
        """The page as HTML, and the first cell of its notebook as it is downloaded."""
        (tmp_path / "conf.py").write_text(CONF)
        page = "# A book\n\nType {{ how_to_run }}.\n\n```{toctree}\nchapter\n```\n"
        (tmp_path / "index.md").write_text(page)
        words = [nbformat.v4.new_markdown_cell("# A chapter")]
        nbformat.write(nbformat.v4.new_notebook(cells=words), tmp_path / "chapter.ipynb")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
        sphinx = [sys.executable, "-m", "sphinx", "-qW", "--keep-going", tmp_path, tmp_path / "out"]
        subprocess.run(sphinx, check=True, env=clean | environment)
        download = json.loads((tmp_path / "out/_sources/chapter.ipynb").read_text(encoding="utf-8"))
        first = "".join(download["cells"][0]["source"])
        return (tmp_path / "out/index.html").read_text(encoding="utf-8"), first

    return built


def text(page: str) -> str:
    return BeautifulSoup(page, "html.parser").get_text()


def test_a_known_repository_is_linked_edited_launched_and_cloned(build: Build) -> None:
    page, first = build(HOSTED)
    for link in ("https://github.com/someone/the-book",
                 "https://github.com/someone/the-book/edit/main/index.md",
                 "https://codespaces.new/someone/the-book?quickstart=1"):  # fmt: skip
        assert f'href="{link}"' in page
    assert "git clone https://github.com/someone/the-book" in text(page)
    assert "git clone https://github.com/someone/the-book" in first


def test_without_a_repository_there_are_no_links_to_one(build: Build) -> None:
    page, first = build({})
    assert "codespaces" not in page and "source-repository-button" not in page
    assert "source-edit-button" not in page
    assert "make demo" in text(page) and "make demo" in first


def test_another_server_has_no_codespaces(build: Build) -> None:
    page, _ = build(OTHER)
    assert "codespaces" not in page
    assert "git clone https://git.example.org/someone/the-book" in text(page)
