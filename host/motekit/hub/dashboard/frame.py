"""What every page has: colours, the head of the page, times in words."""

import time
from pathlib import Path

from nicegui import ui

GREEN = "#0f7a54"
PALETTE = ["#0f7a54", "#2f6fde", "#d97706", "#a63d8f", "#0891b2", "#be4b3b", "#6d8b1f", "#6b5bd2"]
_STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
_LOGO = (Path(__file__).parent / "favicon.svg").read_text(encoding="utf-8")


def frame(title: str, back: bool = False) -> ui.column:
    """The head of a page; returns the column that its content goes into."""
    ui.page_title(f"{title} · Mote" if title else "Mote")
    ui.add_css(_STYLE)
    ui.colors(primary=GREEN)
    ui.dark_mode(None)
    with ui.element("header").classes("m-head"):
        with ui.link(target="/").classes("m-brand").props('aria-label="All devices"'):
            ui.html(_LOGO, sanitize=False).classes("m-logo")
            ui.label("Mote")
        if back:
            ui.link("‹ All devices", "/").classes("m-back")
    return ui.column().classes("m-page")


def age(time_ns: int) -> str:
    """How long ago, in words: `now`, `12 s ago`, `5 min ago`."""
    seconds = max(0, int(time.time() - time_ns / 1e9))
    if seconds < 3:
        return "now"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
