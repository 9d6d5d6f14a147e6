"""Every page of the built site, light and dark, wide and narrow, as a reader's browser shows it."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup, Tag
from conftest import SITE, turned
from playwright.sync_api import Browser, Page, Response, expect

pytestmark = pytest.mark.long(3)

PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if "_static" not in path.parts and path != SITE / "index.html"
)
OFFLINE = "five_minute_demo.html"  # one file with all its styles, for a stage without a network
LOOKS = {
    "light-wide": ("light", 1280),
    "light-narrow": ("light", 390),
    "dark-wide": ("dark", 1280),
    "dark-narrow": ("dark", 390),
}
AXE = Axe().axe_script
WORDS_OF_AN_ALT = 5
WEIGHT = 150_000  # bytes of a page and all that it loads, each file compressed as a server does
PAINT = 1000  # milliseconds

every_page = pytest.mark.parametrize("page", PAGES or ["none built"])
FIRST_PAINT = """() => new Promise(done => new PerformanceObserver(entries => {
    const paint = entries.getEntriesByName('first-contentful-paint')[0]
    if (paint) done(paint.startTime)
}).observe({type: 'paint', buffered: true}))"""
LOADED = """() => performance.getEntriesByType('navigation')
    .concat(performance.getEntriesByType('resource')).map(e => e.name)"""
UNFOLD = "() => document.querySelectorAll('details').forEach(fold => { fold.open = true })"
STICKS_OUT = """() => {
    const scrolls = e => e && (/auto|scroll/.test(getComputedStyle(e).overflowX) ||
                               scrolls(e.parentElement))
    const text = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
    const seen = {visibilityProperty: true, opacityProperty: true}
    return [...document.querySelectorAll('main *')]
        .filter(e => text(e) && e.checkVisibility(seen) && !scrolls(e))
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.textContent.trim().slice(0, 60))
}"""
# What is wider than its place and scrolls or is cut off, without a shadow at its edge that says so.
CLIPPED = """() => [...document.querySelectorAll('main article *')]
    .filter(e => /auto|scroll|hidden|clip/.test(getComputedStyle(e).overflowX))
    .filter(e => e.scrollWidth > e.clientWidth + 1 && e.checkVisibility() && !e.closest('svg'))
    .filter(e => !/auto|scroll/.test(getComputedStyle(e).overflowX) ||
                 !getComputedStyle(e).backgroundAttachment.includes('local'))
    .map(e => `${e.tagName} ${e.className}: ${e.textContent.trim().slice(0, 60)}`)"""
SMALL_TEXT = """() => [...document.querySelectorAll('main svg[role=img] text')]
    .filter(e => parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a < 12)
    .map(e => e.textContent)"""
# Of the words that look alike, on grounds that are alike, axe is asked the contrast of the first
# alone, on whichever page that is: it costs two seconds and more for the thousands that a chapter
# has. (To leave the others out of what axe is shown costs as much: each element is then looked for
# among them.)
MARK_ALIKE = """({within, known}) => {
    const ground = e => {
        if (!e) return ''
        const { opacity, backgroundColor, backgroundImage } = getComputedStyle(e)
        const own = [opacity, backgroundColor, backgroundImage].join()
        return (own === '1,rgba(0, 0, 0, 0),none' ? '' : own) + ground(e.parentElement)
    }
    const text = e => [...e.childNodes].map(n => n.nodeType === 3 ? n.data.trim() : '').join('')
    const own = e => {
        const { color, fill, fontSize, fontWeight } = getComputedStyle(e)
        return [color, fill, fontSize, fontWeight, ground(e)].join()
    }
    // What tells a link from the words around it is part of how it looks.
    const link = a => {
        if (!a) return ''
        const { textDecorationLine, borderBottom, fontStyle, fontFamily } = getComputedStyle(a)
        return ['', textDecorationLine, borderBottom, fontStyle, fontFamily, own(a.parentElement)].join()
    }
    const visible = {visibilityProperty: true, opacityProperty: true}
    const seen = new Set(known)
    for (const e of document.querySelectorAll(`${within} *`)) {
        if (!text(e) || !e.checkVisibility(visible)) continue
        if (text(e).length < 2) {
            e.toggleAttribute('data-alike', true)  // axe fails no single letter
            continue
        }
        const look = own(e) + link(e.closest('a'))
        e.toggleAttribute('data-alike', seen.has(look))
        seen.add(look)
    }
    return [...seen].slice(known.length)
}"""
ONE_OF_ALIKE = """() => axe.configure(
    {rules: [{id: 'color-contrast', selector: ':not([data-alike])'}]})"""
# In the dark, the rules that look at colours; the others have been asked in the light. "region" is
# of moderate impact, so it could not fail the test, and it is slow.
COLOUR = ("color-contrast", "link-in-text-block")


class Visits:
    """One browser window for each look; what goes wrong in it is kept until it is asked for."""

    def __init__(self, browser: Browser, site: str) -> None:
        self.site, self._browser = site, browser
        self._windows: dict[str, Page] = {}
        self.complaints: list[str] = []
        self.known: dict[str, list[str]] = {"light": [], "dark": []}  # looks of words that axe was asked of

    def __call__(self, look: str, page: str) -> Page:
        if look not in self._windows:
            self._windows[look] = self._open(*LOOKS[look])
        self.complaints.clear()
        self._windows[look].goto(f"{self.site}/{page}")
        return self._windows[look]

    def _open(self, scheme: str, width: int) -> Page:
        window = self._browser.new_page(
            color_scheme=scheme,
            viewport={"width": width, "height": 800},
            reduced_motion="reduce",
        )
        window.on("console", lambda m: m.type == "error" and self.complaints.append(m.text))
        window.on("pageerror", lambda error: self.complaints.append(str(error)))
        window.on("response", self._judge)
        return window

    def _judge(self, response: Response) -> None:
        if not response.url.startswith((self.site, "data:", "blob:")) or response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")


@pytest.fixture(scope="module")
def visit(chromium: Browser, site: str) -> Iterator[Visits]:
    visits = Visits(chromium, site)
    yield visits
    for window in visits._windows.values():
        window.close()


# Both schemes and both widths; the page with a figure to drag in each combination, and to prove it all.
VISITED = {
    page: [*LOOKS] if page == "book/intro.html" else ["light-wide", "dark-narrow"]
    for page in PAGES or ["none built"]
}


@pytest.mark.parametrize(("page", "looks"), [
    *(pytest.param(page, looks, id=page) for page, looks in VISITED.items()),
    *(pytest.param(page, [look], id=f"{page}-{look}", marks=pytest.mark.slow)
      for page in VISITED for look in LOOKS)])
def test_a_page_is_sound(visit: Visits, page: str, looks: list[str]) -> None:
    """No error, no other host, nothing that sticks out, nothing axe calls serious or critical.

    Nor is it heavy, slow to paint, clipped without a sign, or too small to read. Where several
    looks share a load, axe is asked all its rules in the first, and of the others its colours.
    """
    window = visit(looks[0], page)
    if looks[0] == "light-wide" and page != OFFLINE:
        is_light_and_soon_there(visit, window, page)
    window.evaluate(UNFOLD)
    shown = [LOOKS[each] for each in looks]
    for look, (scheme, width) in zip(looks, turned(window, shown), strict=True):
        if page != OFFLINE:  # which is always light
            expect(window.locator("html")).to_have_attribute("data-theme", scheme)
        assert window.evaluate(STICKS_OUT) == [], look
        assert window.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.complaints == []
        known = visit.known["light" if page == OFFLINE else scheme]
        assert violations(window, known, only=rules((scheme, width), shown)) == [], look
    if looks[0] == "light-wide":
        nothing_is_clipped_without_a_sign_or_too_small(window)
    [*turned(window, shown[:1])]


def rules(look: tuple[str, int], looks: Sequence[tuple[str, int]]) -> Sequence[str]:
    """What axe is asked in one of the looks that share a load: all in the first, colours in each."""
    return () if look == looks[0] and look[0] == "light" else COLOUR


def is_light_and_soon_there(visit: Visits, window: Page, page: str) -> None:
    """The best of three paints: the machine may have something else to do."""
    paints = ((visit("light-wide", page) if again else window).evaluate(FIRST_PAINT) for again in (False, True, True))
    assert any(paint < PAINT for paint in paints), f"each of three paints took {PAINT} ms and more"
    loaded = {unquote(urlsplit(address).path) for address in window.evaluate(LOADED)}
    base = urlsplit(visit.site).path
    assert sum(_compressed(SITE / path.removeprefix(base).lstrip("/")) for path in loaded) < WEIGHT


def nothing_is_clipped_without_a_sign_or_too_small(window: Page) -> None:
    try:
        for width, theme in ((1280, "light"), (1440, "light"), (390, "dark")):
            window.set_viewport_size({"width": width, "height": 800})
            window.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            assert window.evaluate(CLIPPED) == [], (width, theme)
            assert window.evaluate(SMALL_TEXT) == [], (width, theme)
    finally:
        window.set_viewport_size({"width": 1280, "height": 800})


def violations(window: Page, known: list[str], only: Sequence[str] = (), within: str = "html") -> list[str]:
    """What axe says, by these rules or all, of part of a page; the looks of its words are `known` from then on.

    Without axe's own look at the style sheets, which only experimental rules need.
    """
    known += (new := window.evaluate(MARK_ALIKE, {"within": within, "known": known}))
    if only == COLOUR and not new:
        return []
    if not window.evaluate("'axe' in window"):
        window.evaluate(AXE)
        window.evaluate(ONE_OF_ALIKE)
    options = {"resultTypes": ["violations"], "preload": False}
    if only:
        options["runOnly"] = {"type": "rule", "values": only}
    else:
        left_out = ["region", *([] if new else COLOUR)]
        options["rules"] = {rule: {"enabled": False} for rule in left_out}
    found = window.evaluate(
        "([within, options]) => axe.run(within, options).then(r => r.violations)", [within, options])
    return [
        f"{rule['id']}: {node['html'][:120]} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@cache
def _compressed(path: Path) -> int:
    return len(gzip.compress(path.read_bytes()))


@every_page
def test_what_is_folded_says_what_it_is(site: str, page: str) -> None:
    labels = {fold.get_text().strip() for fold in _read(page).select("details.hide > summary p")}
    assert labels <= {"The check behind these numbers", "Solution"}


@every_page
def test_every_link_leads_somewhere(site: str, page: str) -> None:
    for link in _read(page).select("a[href]"):
        target = urlsplit(urljoin(page, str(link["href"])))
        if target.scheme:
            continue
        path = unquote(target.path) or page
        assert (SITE / path).is_file(), f"{link} leads to no file"
        if target.fragment:
            anchors = _anchors(path)
            assert unquote(target.fragment) in anchors, f"{link} leads to no part of {path}"


@cache
def _read(page: str) -> BeautifulSoup:
    return BeautifulSoup((SITE / page).read_text(encoding="utf-8"), "html.parser")


@cache
def _anchors(page: str) -> frozenset[str]:
    return frozenset(str(element["id"]) for element in _read(page).select("[id]"))


@every_page
def test_every_picture_is_told_in_words(site: str, page: str) -> None:
    """By enough words to be no default, and none by those of another picture."""
    pictures = _read(page).select("img, svg:not([aria-hidden=true])")
    told = [_alt(picture) for picture in pictures]
    for alt in told:
        assert len(alt.split()) >= WORDS_OF_AN_ALT, f"{alt!r} says too little"
    assert len(told) == len({*told})


def _alt(picture: Tag) -> str:
    assert picture.name == "img" or picture.get("role") == "img", f"{str(picture)[:200]}: no role"
    title = picture.find("title", recursive=False)
    return str(picture.get("alt") or picture.get("aria-label") or (title and title.get_text()))


def test_search_finds_the_chapter(visit: Visits) -> None:
    window = visit("light-wide", PAGES[0])
    window.keyboard.press("Control+K")
    window.get_by_role("searchbox").fill("watermark")
    window.keyboard.press("Enter")
    found = window.locator("#search-results a", has_text="Bronze")
    expect(found.first).to_be_visible()
    found.first.click()
    expect(window.locator("h1").last).to_contain_text("Bronze")


def test_the_switch_turns_a_page_dark_and_the_next_one_too(chromium: Browser, site: str) -> None:
    window = chromium.new_page(color_scheme="light")
    window.goto(f"{site}/book/intro.html")
    theme = window.locator("html")
    expect(theme).to_have_attribute("data-theme", "light")
    while theme.get_attribute("data-mode") != "dark":
        window.get_by_role("button", name="Color mode").click()
    expect(theme).to_have_attribute("data-theme", "dark")
    window.goto(f"{site}/book/glossary.html")
    expect(theme).to_have_attribute("data-theme", "dark")
    window.close()


@pytest.mark.parametrize("address", ["nothing", "notebooks/nothing.html", "a/b/c/nothing/"])
def test_a_missing_page_is_told_at_any_depth(visit: Visits, address: str) -> None:
    window = visit("light-wide", address)
    failed = [line for line in visit.complaints if "status of 404" not in line]
    assert failed == [f"404 {visit.site}/{address}"]  # the page itself, and no style or script
    window.get_by_role("link", name="The introduction").click()
    expect(window).to_have_url(f"{visit.site}/book/intro.html")


def test_a_cell_is_copied_and_an_output_is_not(chromium: Browser, site: str) -> None:
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    window = context.new_page()
    window.goto(f"{site}/notebooks/00_five_minute_demo.html")
    cell = window.locator(".cell_input", has_text="%%sql").first
    cell.hover()
    cell.locator("button.copybtn").click()
    copied = window.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cell.locator("pre").inner_text().strip()
    assert window.locator(".output.stream button.copybtn").count() == 0
    context.close()


def test_sql_cells_are_coloured_as_sql(site: str) -> None:
    cells = _read("notebooks/00_five_minute_demo.html").select(".cell_input pre")
    statements = [cell for cell in cells if cell.get_text().startswith("%%sql")]
    assert statements
    for statement in statements:
        assert "SELECT" in [word.get_text() for word in statement.select("span.k")]


def test_on_paper_there_is_the_text_alone(visit: Visits) -> None:
    window = visit("dark-wide", "notebooks/00_five_minute_demo.html")
    window.emulate_media(media="print")
    for part in ("#pst-primary-sidebar", "#pst-secondary-sidebar", ".bd-header-article", ".copybtn"):
        expect(window.locator(part).first).to_be_hidden()
    expect(window.locator("article h1")).to_be_visible()
    window.emulate_media(media="screen")


def test_a_page_is_printed_light_and_unfolded(visit: Visits) -> None:
    window = visit("dark-wide", "notebooks/00_five_minute_demo.html")
    theme, folds = window.locator("html"), window.locator("article details:not([open])")
    folded = folds.count()
    assert folded
    window.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(theme).to_have_attribute("data-theme", "light")
    assert folds.count() == 0
    window.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(theme).to_have_attribute("data-theme", "dark")
    assert folds.count() == folded


def test_a_shared_page_says_what_it_is(site: str) -> None:
    for page in {*PAGES, "index.html"} - {OFFLINE}:
        told = {tag.get("property") or tag.get("name"): tag.get("content", "")
                for tag in _read(page).select("meta[content]")}  # fmt: skip
        assert told["og:title"] == told["twitter:title"]
        assert re.search(r"\w{3}", told["og:title"]), page
        assert told["og:description"], page
        for image in (told.get("og:image", ""), told.get("twitter:image", "")):
            assert not image or image.endswith("/_static/card.png")


def test_the_card_has_the_size_it_says(site: str) -> None:
    card = (SITE / "_static" / "card.png").read_bytes()
    assert card.startswith(b"\x89PNG")
    assert struct.unpack(">II", card[16:24]) == (1200, 630)
