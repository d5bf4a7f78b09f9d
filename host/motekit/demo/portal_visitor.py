"""Fills a board's setup portal the way a person does: reads the form, enters, waits for the word.

It plays a browser without JavaScript: what the page proposes is sent back with the entries.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser

from motekit import http_client

POLL_S = 0.5


class PortalError(Exception):
    """The portal did not take the entries; the text says which step failed."""


class _Form(HTMLParser):
    """The first form of a page with the values that it proposes, and the text of its alert."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self._inside = False
        self._alert = 0
        self._alert_text: list[str] = []
        self.feed(page)

    @property
    def alert(self) -> str:
        return " ".join(" ".join(self._alert_text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "div" and (self._alert or given.get("role") == "alert"):
            self._alert += 1
        elif tag == "form" and not self.action:
            self.action = given.get("action", "/")
            self._inside = True
        elif tag == "input" and self._inside and _sent(given):
            self.fields[given.get("name", "")] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "div" and self._alert:
            self._alert -= 1

    def handle_data(self, data: str) -> None:
        if self._alert:
            self._alert_text.append(data)


def _sent(field: dict[str, str]) -> bool:
    """Whether a browser sends a field: a choice only when it is chosen."""
    return field.get("type") not in ("radio", "checkbox") or "checked" in field


def fill(url: str, entries: dict[str, str], timeout_s: float = 40) -> None:
    """Open the portal at `url`, enter `entries` (field → value) and wait until the board has saved.

    Raises PortalError with the portal's own words when a field or the trial is refused, or when
    nothing came of it within `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    form = _Form(_open(url, deadline=deadline))
    body = urllib.parse.urlencode({**form.fields, **entries}).encode()
    target = urllib.parse.urljoin(url, form.action)
    page = _open(target, body, deadline=deadline)
    while time.monotonic() < deadline:
        status = json.loads(_open(urllib.parse.urljoin(url, "/status"), deadline=deadline))
        if status["state"] == "saved":
            return
        if status["state"] == "failed":
            raise PortalError(status["message"])
        if status["state"] == "form":
            raise PortalError(f"the portal refused an entry: {_Form(page).alert}")
        time.sleep(POLL_S)
    raise PortalError(f"the portal at {url} did not finish within {timeout_s:.0f} s")


def _open(url: str, body: bytes | None = None, *, deadline: float) -> str:
    """One request, tried again while the board is too busy to answer."""
    while True:
        request = urllib.request.Request(url, body, {"Accept": "text/html, application/json"})
        try:
            with http_client.open_url(request, 5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError as error:
            if time.monotonic() > deadline:
                raise PortalError(f"the portal at {url} does not answer: {error}") from error
            time.sleep(POLL_S)
