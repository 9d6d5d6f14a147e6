"""The Chromium of the system, headless, for the tests that look at what users look at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserType, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for a run. A test that asks for it is skipped where none is installed."""
    with sync_playwright() as playwright, launched(playwright.chromium) as browser:
        yield browser


@contextmanager
def launched(kind: BrowserType, *flags: str) -> Iterator[Browser]:
    """A browser with these flags, beside the run's own: `chromium.browser_type` is its kind."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"None of {', '.join(NAMES)} is installed.")
    unsandboxed = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = kind.launch(executable_path=path, args=[*QUIET, *unsandboxed, *flags])
    yield browser
    browser.close()
