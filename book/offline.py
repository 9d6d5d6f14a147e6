"""The executed demo as one HTML file, for a stage without a network, a server or JupyterLab.

A beat fills a screen: a question, the cell that answers it, and what is seen. The introduction's
slider and receipt come first. The arrow keys turn the pages.
"""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import quote

import nbformat
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, SqlLexer

DEMO = Path("notebooks", "00_five_minute_demo.ipynb")
PAGE = "five_minute_demo.html"
TITLE = "The number changed, in five minutes"
HERE = Path(__file__).parent
ICON = HERE / "_static" / "favicon.svg"
OPENING = ("drag", "receipt")  # in book/made, with a style and a script of that name
UNSEEN = {"imports", "set-up", "asserted", "asserted-live", "again"}  # not for an audience
LINE = re.compile(r'<(?:link|script)\b[^>]*"\.\./_static/[^>]*>(?:</script>)?\n')
ELSEWHERE = re.compile(r'<p class="drag-ask">.*</p>\n')  # a link to a page that is not with it


def write(executed: Path, site: Path) -> None:
    """Write it into the site, from the notebook that the site shows."""
    notebook = nbformat.read(executed / DEMO, as_version=4)
    slides = [_opening(executed / "book" / "made"), *_beats(notebook.cells)]
    shown = "\n".join(f'<section class="slide">\n{slide}\n</section>' for slide in slides)
    page = (HERE / "offline_template.html").read_text(encoding="utf-8")
    for name, text in {
        "title": TITLE,
        "icon": quote(ICON.read_text(encoding="utf-8")),
        "style": "\n".join(_static(f"{name}.css") for name in OPENING) + _colours(),
        "slides": shown,
        "script": "\n".join(_static(f"{name}.js") for name in OPENING),
    }.items():
        page = page.replace("{{" + name + "}}", text)
    (site / PAGE).write_text(page, encoding="utf-8")


def _opening(made: Path) -> str:
    """The slider and the receipt, whose styles and scripts the page holds itself."""
    parts = [(made / f"{name}.html").read_text(encoding="utf-8") for name in OPENING]
    here = ELSEWHERE.sub("", LINE.sub("", "".join(parts)))
    return f'<h1 class="visually-hidden">The number changed</h1>\n{here}'


def _static(name: str) -> str:
    return (HERE / "_static" / name).read_text(encoding="utf-8")


def _colours() -> str:
    return HtmlFormatter(style="default").get_style_defs(".code")


def _beats(cells: list[NotebookNode]) -> Iterator[str]:
    """Each code cell with the prose before it and the remark after it."""
    decision = ""
    for before, cell, after in zip(cells, cells[1:], [*cells[2:], None], strict=False):
        if before.id == "beat-decision":
            decision = _html(before.source.rpartition("\n\n")[0])
        if cell.cell_type == "code" and cell.id not in UNSEEN:
            remark = _prose(after) if after and after.id == f"{cell.id}-seen" else ""
            yield decision + _prose(before) + _code(cell.source) + _outputs(cell) + remark
            decision = ""


def _prose(cell: NotebookNode) -> str:
    """Without the keys to press, which do nothing here."""
    return _html(re.sub(r" <kbd>.*", "", cell.source))


def _html(prose: str) -> str:
    """Without nbconvert's links from each heading to itself."""
    return re.sub(r'<a class="anchor-link".*?</a>', "", markdown2html(prose))


def _code(source: str) -> str:
    """A cell, but for the call of a figure: the figure has the screen for itself."""
    if "charts." in source or source.startswith(("assert", "cells.frame")):
        return ""
    lexer = SqlLexer() if source.startswith("%%sql") else PythonLexer()
    return highlight(source, lexer, HtmlFormatter(cssclass="code")).replace(
        "<pre>", '<pre tabindex="0">'
    )


def _outputs(cell: NotebookNode) -> str:
    return "".join(map(_output, cell.outputs))


def _output(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return f'<pre tabindex="0">{escape(output.text)}</pre>'
    if html := output.data.get("text/html"):
        return f'<div class="shown" tabindex="0">{html}</div>'
    return f'<pre tabindex="0">{escape(output.data["text/plain"])}</pre>'
