"""Of the theme's icons, the pages load only those that they show.

The icon font has 156 kB and its style rules 30 kB (compressed), more than all else that a page
loads, for some ten icons. In the site's copy of the theme's style sheet each font-face holds the
glyphs that are shown, and the rules of the other icons are left out.
"""

import re
from base64 import b64encode
from io import BytesIO
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

STYLES = Path("_static/styles/pydata-sphinx-theme.css")
_FACE = re.compile(r"@font-face{[^}]*?url\(([^)]+\.ttf)\)[^}]*}")
_RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+){content:"\\([0-9a-f]+)"}')
_IN_STYLES = re.compile(r'--pst-icon-[\w-]+:\s*"(?:\\([0-9a-f]+)|(.))"')


def _prune(app: Sphinx, problem: Exception | None) -> None:
    if problem or app.builder.format != "html":
        return
    sheet = Path(app.outdir) / STYLES
    styles = sheet.read_text(encoding="utf-8")
    pages = "".join(page.read_text(encoding="utf-8") for page in Path(app.outdir).rglob("*.html"))
    named = set(re.findall(r"\bfa-[\w-]+", pages))
    rules = {rule[0]: int(rule[2], 16) for rule in _RULE.finditer(styles)
             if named.intersection(re.findall(r"fa-[\w-]+", rule[1]))}  # fmt: skip
    shown = {*rules.values(), *(int(code or f"{ord(char):x}", 16)
                                for code, char in _IN_STYLES.findall(styles))}  # fmt: skip
    styles = _RULE.sub(lambda rule: rule[0] if rule[0] in rules else "", styles)
    styles = _FACE.sub(lambda face: _with_glyphs(face, sheet.parent, shown), styles)
    sheet.write_text(styles, encoding="utf-8")


def _with_glyphs(face: re.Match[str], styles: Path, shown: set[int]) -> str:
    """The font-face with a font of these glyphs inside it; nothing if the font has none of them."""
    font = TTFont(styles / face[1])
    if not shown & font.getBestCmap().keys():
        return ""
    subsetter = Subsetter(Options(layout_features=[]))
    subsetter.populate(unicodes=shown)
    subsetter.subset(font)
    font.flavor = "woff"
    file = BytesIO()
    font.save(file)
    data = b64encode(file.getvalue()).decode()
    return re.sub(r"src:[^}]*", f'src:url(data:font/woff;base64,{data}) format("woff")', face[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", _prune)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
