"""Grafana's pages in Chromium, as its admin sees them: what stands in them, and their pictures."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

DESK = {"width": 1440, "height": 900}
PATIENCE_MS = 60_000
# What a panel shows that has nothing to show, or that something is wrong with.
EMPTY = ("No data", "Data is missing", "Panel plugin not found", "An unexpected error happened")


@dataclass(frozen=True)
class Panel:
    """A panel of the open dashboard: its title, what is written in it, and its error, if any."""

    title: str
    text: str
    error: str

    @property
    def bad(self) -> bool:
        return bool(self.error) or any(word in self.text for word in EMPTY)


@contextmanager
def signed_in(url: str, password: str) -> Iterator["Page"]:
    """A page of Chromium at `url`, where Grafana is, signed in as admin through its form."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = chromium.new_page(viewport=DESK, ignore_https_errors=True, timezone_id="UTC")
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{url}/login")
        page.locator("input[name=user]").fill("admin")
        page.locator("input[name=password]").fill(password)
        page.locator("button[type=submit]").click()
        page.wait_for_url(lambda now: "/login" not in now)
        yield page
        chromium.close()


def panels(page: "Page", address: str, picture: Path | None = None) -> list[Panel]:
    """The panels of the dashboard at `address`, all of them loaded; and a picture of them all."""
    page.set_viewport_size(DESK)
    page.goto(address)
    page.locator(".react-grid-item").first.wait_for()
    # Panels below the edge load when they are seen: the window is made as high as the page.
    high = page.evaluate("Math.max(...[...document.querySelectorAll('.react-grid-item')].map(one =>"
                         " one.getBoundingClientRect().bottom)) + 24")  # fmt: skip
    page.set_viewport_size({**DESK, "height": max(DESK["height"], int(high))})
    page.wait_for_function(
        "[...document.querySelectorAll('.react-grid-item')].every(one =>"
        " one.querySelector('canvas, table, [class*=LogsPanel], [data-testid*=data-error],"
        " [class*=logs-row], [class*=panel-empty]') || one.innerText.trim().includes('\\n'))"
        " && !document.querySelector('[aria-label=\"Panel loading bar\"]')"
    )
    if picture:
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture)
    return [
        Panel(found["title"], found["text"], found["error"])
        for found in page.evaluate(
            "[...document.querySelectorAll('.react-grid-item')].map(one => ({"
            " title: one.querySelector('h6, h2, [class*=panel-title]')?.innerText || '',"
            " text: one.innerText,"
            " error: one.querySelector('[aria-label=\"Panel status\"], [data-testid*=\"status error\"]')"
            "?.getAttribute('aria-label') || ''}))"
        )
    ]
