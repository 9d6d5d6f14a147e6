"""Give a page with cells that can be asked the script that adds their buttons, and two their own.

Which cells these are, book/ask has found and written into ask.json; without that file, none.
"""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

MODULES = {
    "book/ask_it_yourself": "ask/page.js",
    "notebooks/01_bronze_change_capture": "ask/way.js",
}
ASKED = ("sql", "on", "needs", "writes")  # of a statement, what its page is told


def _offer(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    made = Path(app.srcdir, "ask.json")
    if not made.exists():
        return
    offered = json.loads(made.read_text(encoding="utf-8"))["offered"]
    if page in MODULES:
        app.add_js_file(MODULES[page], type="module")
        app.add_css_file("ask/ask.css")
        app.add_css_file("ask/table.css")
    if page in offered:
        asked = [{key: each[key] for key in ASKED} for each in offered[page]]
        told = json.dumps(asked).replace("<", "\\u003c")
        context["body"] += f'<script type="application/json" id="ask-cells">{told}</script>'
        app.add_js_file("ask/cells.js", loading_method="defer")
        app.add_css_file("ask/ask.css")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", _offer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
