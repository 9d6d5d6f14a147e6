"""What a folded cell is called: a check, whose code alone is folded, or a solution."""

from docutils import nodes
from sphinx.application import Sphinx

LABELS = {"input": "The check behind these numbers", "all": "Solution"}  # by what is folded


def _label(app: Sphinx, document: nodes.document) -> None:
    for cell in document.findall(nodes.container):
        if label := LABELS.get(cell.get("hide_mode", "")):
            cell["prompt_show"] = cell["prompt_hide"] = label


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", _label)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
