"""A real browser for the tests of the page; left out, and said so, only where there is none."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, from CHROMIUM or the PATH, driven by Playwright."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright to drive a browser"
    )
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A function that opens a trace's page from disk; no error, no request may come of it."""
    contexts, troubles = {}, []

    def open_page(story: Any, link: str = "", lang: Any = None, **settings: Any) -> Any:
        key = repr(settings)
        if key not in contexts:
            contexts[key] = browser.new_context(offline=True, **{"locale": "en-US", **settings})
        tab = contexts[key].new_page()
        path = story.to_html(tmp_path / f"{id(tab)}.html", lang=lang)
        tab.on("console", lambda message: troubles.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        tab.on("request", lambda request: troubles.append(request.url))
        tab.goto(path.as_uri() + link)
        troubles.remove(path.as_uri())
        return tab

    yield open_page
    for context in contexts.values():
        context.close()
    assert troubles == []
