"""A person with a phone: Chromium in the phone's own network, at the size of a small screen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

# What a page is to show comes when the machine has the time for it.
PATIENCE_MS = 90_000
expect.set_options(timeout=PATIENCE_MS)
SCREEN = {"width": 390, "height": 844}
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def browser(
    chromium: str, folder: Path, prefix: list[str] | None = None, **context: object
) -> AsyncIterator[Page]:
    """One page of Chromium, started behind the command `prefix` (its network namespace)."""
    program = chromium
    if prefix:
        # Playwright starts one file: a wrapper carries the prefix.
        wrapper = folder / "chromium"
        wrapper.write_text(f'#!/bin/sh\nexec {" ".join(prefix)} {chromium} "$@"\n')
        wrapper.chmod(0o755)
        program = str(wrapper)
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=program, args=QUIET, timeout=PATIENCE_MS
        )
        try:
            page = await opened.new_page(**{"viewport": SCREEN, **context})
            page.set_default_timeout(PATIENCE_MS)
            yield page
        finally:
            await opened.close()
