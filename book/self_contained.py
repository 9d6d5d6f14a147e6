"""Does a site load anything from another host, or anything that is not there?

What a reader may click, an ordinary link, is not loaded and so is not looked at.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href")}
NOT_LOADED = {"author", "canonical", "index", "next", "prev", "search"}  # <link rel=…>
OUTSIDE = re.compile(r"(?:https?:)?//", re.IGNORECASE)
IN_CSS = re.compile(r"""(?:@import\s+|url\(\s*)["']?((?:https?:)?//[^"')\s;]+)""")


def problems(site: Path) -> list[str]:
    """One line for each resource that a page or style sheet loads and should not."""
    files = [page for page in sorted(site.rglob("*.html")) if "_static" not in page.parts]
    pages = [line for page in files for line in _in_page(site, page)]
    return pages + [line for sheet in sorted(site.rglob("*.css")) for line in _in_css(site, sheet)]


def _in_page(site: Path, page: Path) -> Iterator[str]:
    reader = _Resources()
    reader.feed(page.read_text(encoding="utf-8"))
    for address in reader.found:
        where = f"{page.relative_to(site)} loads {address}"
        path = unquote(urlsplit(address).path)
        if OUTSIDE.match(address):
            yield f"{where}, from another host"
        elif not address.startswith(("data:", "#")) and not (page.parent / path).exists():
            yield f"{where}, which is not there"


def _in_css(site: Path, sheet: Path) -> Iterator[str]:
    for address in IN_CSS.findall(sheet.read_text(encoding="utf-8")):
        yield f"{sheet.relative_to(site)} loads {address}, from another host"


class _Resources(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "link" and set((dict(attrs).get("rel") or "").split()) & NOT_LOADED:
            return
        self.found += [value for name, value in attrs if (tag, name) in LOADED and value]
