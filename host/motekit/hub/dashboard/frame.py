"""What every page has: colors, and the head of the page."""

from html import escape
from pathlib import Path

from nicegui import ui

from motekit.hub.accounts import Login

GREEN = "#0f7a54"
_STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
_LOGO = (Path(__file__).parent / "favicon.svg").read_text(encoding="utf-8")


def frame(title: str, back: bool = False) -> ui.element:
    """The head of a page; returns the element that its content goes into."""
    ui.page_title(f"{title} · Mote" if title else "Mote")
    # `ui.add_css` makes a script, which the Content-Security-Policy of the dashboard refuses.
    ui.add_head_html(f"<style>{_STYLE}</style>")
    ui.colors(primary=GREEN)
    with ui.element("header").classes("m-head"):
        with ui.link(target="/").classes("m-brand").props('aria-label="All devices"'):
            ui.html(_LOGO, sanitize=False).classes("m-logo")
            ui.label("Mote")
        if back:
            ui.link("‹ All devices", "/").classes("m-back")
        if login := _login():
            # A form, because a page of somebody else could follow a link for the reader.
            who = f"{escape(login.name)} ({login.role})"
            ui.html(
                f'<form method="post" action="/logout"><span>{who}</span> '
                '<button class="m-logout">Log out</button></form>',
                sanitize=False,
            ).classes("m-user")
    return ui.element("main").classes("m-page")


def _login() -> Login | None:
    """Who looks at the page, None on this machine, where nobody logs in."""
    request = ui.context.client.request
    login = request.scope.get("mote.login") if request else None
    return login if isinstance(login, Login) and login.name else None
