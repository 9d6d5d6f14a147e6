"""The executed demo as one HTML file, for a stage without a network, a server or JupyterLab."""

from pathlib import Path
from urllib.parse import quote

import nbformat
from jinja2 import DictLoader
from nbconvert import HTMLExporter
from traitlets.config import Config

DEMO = Path("notebooks", "00_five_minute_demo.ipynb")
PAGE = "five_minute_demo.html"
ICON = Path(__file__).parent / "_static" / "favicon.svg"

# nbconvert's own page, less what it loads from other hosts, in a column that reads well.
TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}
<link rel="icon" href="data:image/svg+xml,{{ resources.favicon }}">
<style>
:root { color-scheme: light; }
body { --jp-mirror-editor-number-color: #070; } /* its own green is too light on a cell's grey */
main { margin: 0 auto; max-width: 60rem; }
.jp-InputPrompt, .jp-OutputPrompt { display: none; }
</style>
{%- endblock -%}
"""


def write(executed: Path, site: Path) -> None:
    """Write it into the site, from the notebook that the site shows."""
    exporter = HTMLExporter(
        extra_loaders=[DictLoader({"offline.html.j2": TEMPLATE})],
        template_file="offline.html.j2",
        config=Config(HighlightMagicsPreprocessor={"enabled": True, "languages": {"%%sql": "sql"}}),
    )
    notebook = nbformat.read(executed / DEMO, as_version=4)
    notebook.metadata["title"] = "The number changed, in five minutes"
    page, _ = exporter.from_notebook_node(notebook, resources={"favicon": quote(ICON.read_text())})
    (site / PAGE).write_text(page, encoding="utf-8")
