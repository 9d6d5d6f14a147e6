"""The executed demo as one file, as `make book` left it, for a stage without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

SITE = Path(__file__).parents[2] / "_build" / "html"
STORY = "Every number can carry a date."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_demo_as_one_file_asks_nobody_for_anything(chromium: Browser, scheme: str) -> None:
    file = SITE / "five_minute_demo.html"
    if not file.exists():
        pytest.skip("The site is not built: make book.")
    page = chromium.new_page(viewport={"width": 853, "height": 480}, color_scheme=scheme)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri(), wait_until="networkidle")
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert said == []
    assert page.get_by_text(STORY).last.is_visible()
    assert page.locator("svg.mb-figure").count() == page.locator("figure").count() > 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 853
    page.close()
