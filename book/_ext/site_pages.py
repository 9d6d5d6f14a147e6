"""What the theme leaves open: where the site is published, and how its pages look when shared.

BOOK_URL in the environment is the address of the published site. Without it the book still builds,
for a server of one's own; only links that must be absolute are then left out.
"""

import os
from textwrap import shorten
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

CARD = "_static/card.png"
DESCRIPTION = 200  # characters, about what is shown beside a shared link


def _locate(app: Sphinx, config: Config) -> None:
    if address := os.environ.get("BOOK_URL", "").rstrip("/"):
        config.html_baseurl = f"{address}/"


def _describe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """Give the templates the page's description, the card and, on the 404, the site's root.

    A server answers with the 404 under any path, however deep, so its links can't be relative.
    """
    opening = _opening(document or app.env.get_doctree(app.config.root_doc))
    context["description"] = shorten(opening, DESCRIPTION, placeholder=" …")
    if base := app.config.html_baseurl:
        context["card"] = base + CARD
    if page == "404":
        path = urlsplit(base).path or "/"
        context["metatags"] = f'\n    <base href="{path}" />'


def _opening(document: nodes.document) -> str:
    """The first paragraph of the page itself, not one of a table's or a list's."""
    for paragraph in document.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section):
            return paragraph.astext()
    return ""


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", _locate)
    app.connect("html-page-context", _describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
