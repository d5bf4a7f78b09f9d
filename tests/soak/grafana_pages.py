"""Grafana's pages in Chromium, as its admin sees them: what stands in them, and their pictures."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

DESK = {"width": 1440, "height": 900}
PATIENCE_MS = 60_000
COLOURS = 128
# What a panel shows that has nothing to show, or that something is wrong with.
EMPTY = ("No data", "Data is missing", "Panel plugin not found", "An unexpected error happened")
# Panels that have drawn something, or said that they have nothing.
_LOADED = """[...document.querySelectorAll('.react-grid-item')].every(one =>
  one.querySelector('canvas, table') || one.innerText.trim().includes('\\n'))"""
_READ = """[...document.querySelectorAll('.react-grid-item')].map(one => ({
  title: one.querySelector('h6, h2')?.innerText || '',
  text: one.innerText,
  error: one.querySelector('[aria-label="Panel status"]') ? 'a mark of an error' : ''}))"""
_LOWEST = """Math.max(...[...document.querySelectorAll('.react-grid-item')].map(one =>
  one.getBoundingClientRect().bottom))"""


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
    # Panels below the edge load when they are seen, and some are there once others have loaded.
    high = 0
    while (lowest := int(page.evaluate(_LOWEST)) + 24) != high:
        high = lowest
        page.set_viewport_size({**DESK, "height": max(DESK["height"], high)})
        page.wait_for_function(_LOADED)
    if picture:
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture)
        Image.open(picture).convert("RGB").quantize(COLOURS).save(picture, optimize=True)
    return [Panel(**found) for found in page.evaluate(_READ)]
