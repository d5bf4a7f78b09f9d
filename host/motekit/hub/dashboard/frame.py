"""What every page has: colors, and the head of the page."""

from pathlib import Path

from nicegui import ui

GREEN = "#0f7a54"
_STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
_LOGO = (Path(__file__).parent / "favicon.svg").read_text(encoding="utf-8")


def frame(title: str, back: bool = False) -> ui.element:
    """The head of a page; returns the element that its content goes into."""
    ui.page_title(f"{title} · Mote" if title else "Mote")
    ui.add_css(_STYLE)
    ui.colors(primary=GREEN)
    with ui.element("header").classes("m-head"):
        with ui.link(target="/").classes("m-brand").props('aria-label="All devices"'):
            ui.html(_LOGO, sanitize=False).classes("m-logo")
            ui.label("Mote")
        if back:
            ui.link("‹ All devices", "/").classes("m-back")
    return ui.element("main").classes("m-page")
