"""Hold the built site against what it promises: ``python docs/check.py [SITE]``.

In headless Chromium, from a server on 127.0.0.1: every page opens without an error in its console
and asks nobody else for anything; the playground tells the story of a formula, in the numbers that
the engine gives here; a wrong formula is told in words.
"""

import contextlib
import functools
import http.server
import json
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from autograd import Value, tanh

SITE = Path(sys.argv[1] if len(sys.argv) > 1 else "site").resolve()
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word on stderr."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file, as long as the browser wants it."""
        with contextlib.suppress(ConnectionError):
            super().copyfile(source, outputfile)


def check(browser: Browser, address: str) -> None:
    """Open every page; then play."""
    page = browser.new_page()
    page.set_default_timeout(300_000)  # Python starts in seconds, on a busy machine in minutes
    trouble: list[str] = []
    page.on("console", lambda m: m.type == "error" and trouble.append(f"{page.url}: {m.text}"))
    page.on("pageerror", lambda error: trouble.append(f"{page.url}: {error}"))
    page.on("request", lambda r: outside(r.url, address) and trouble.append(f"asks for {r.url}"))
    pages = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    for name in pages:
        page.goto(f"{address}/{name}", wait_until="load")
    play(page, address)
    assert not trouble, "\n".join(trouble)
    print(f"{len(pages)} pages and the playground: good")


def outside(url: str, address: str) -> bool:
    """Whether a request leaves this server."""
    return not url.startswith((address, "data:", "blob:", "about:"))


def play(page: Page, address: str) -> None:
    """A formula, another one with its link, and one that is none."""
    page.goto(f"{address}/playground.html")
    page.wait_for_function(
        "document.querySelector('#story').srcdoc"
        " || document.querySelector('#said').textContent.startsWith('Python did not')"
    )
    assert page.inner_text("#said") == ""
    page.frame_locator("#story").locator("svg").first.wait_for()
    page.fill("input[name=formula]", "a*tanh(b) + b")
    page.fill("input[name=numbers]", "a=3 b=0.5")
    page.click("button:has-text('Show')")
    page.wait_for_function("document.querySelector('#story').srcdoc.includes('tanh')")
    a, b = Value(3.0), Value(0.5)
    (a * tanh(b) + b).backward()
    told = page.evaluate("document.querySelector('#story').srcdoc")
    for number in (a.grad, b.grad):
        assert json.dumps(number) in told, f"the story does not say {number}"
    assert "formula=a*tanh" in page.url
    page.fill("input[name=formula]", "a*tanh(")
    page.click("button:has-text('Show')")
    page.wait_for_function("document.querySelector('#said').textContent.length > 0")
    assert page.locator("#story").is_hidden()


if __name__ == "__main__":
    handler = functools.partial(Quiet, directory=SITE)
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        check(browser, f"http://127.0.0.1:{server.server_port}")
        browser.close()
        server.shutdown()
