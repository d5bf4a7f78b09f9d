"""What holds for every request, logged in or not: host, origin, and headers of the answer.

Browsers let any page in the world send requests to addresses on this computer and in this network.
A request for a name that is not the hub's may come from a page whose name was made to point here
(DNS rebinding); a foreign Origin is a page of somebody else.
"""

import ipaddress
import secrets
import socket
from collections.abc import Iterable
from contextvars import ContextVar
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Misdirected Request (RFC 9110, 15.5.20).
MISDIRECTED, FORBIDDEN = 421, 403
POLICY_VIOLATION = 1008
_NAME_MAX = 60
# Allows the scripts of one answer: those that stand in the page template.
nonce: ContextVar[str] = ContextVar("nonce", default="")


def policy(script_nonce: str) -> str:
    """Return the Content-Security-Policy of a page.

    NiceGUI's pages have inline scripts, which the nonce allows, and inline styles; Vue makes
    functions of its templates ('unsafe-eval'). Nothing comes from another host, nothing goes there,
    and no page of another host shows the dashboard in a frame.
    """
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' 'nonce-{script_nonce}' 'unsafe-eval'",
            "script-src-attr 'none'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


class Guard:
    """ASGI middleware: refuses foreign hosts and origins, and adds the headers for browsers.

    Addresses are always allowed as the host, because nobody can make them point elsewhere; of
    names only those of this computer and `allowed_hosts`.
    """

    def __init__(self, inside: ASGIApp, allowed_hosts: Iterable[str] = ()) -> None:
        self._inside = inside
        own = socket.gethostname().lower()
        short = own.split(".")[0]
        names = {"localhost", own, short, f"{short}.local", *map(_normal, allowed_hosts)}
        self._names = names - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inside(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem, status = self._problem(headers)
        if problem and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        token = nonce.set(secrets.token_urlsafe(16))
        try:
            if problem:
                answer = PlainTextResponse(problem + "\n", status)
                await answer(scope, receive, _with_headers(send))
            else:
                await self._inside(scope, receive, _with_headers(send))
        finally:
            nonce.reset(token)

    def _problem(self, headers: Headers) -> tuple[str, int]:
        hosts = headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        name = _name(host)
        if name is None or not (name in self._names or _is_address(name)):
            shown = ascii(host[:_NAME_MAX])
            text = (
                f"This hub does not answer to the name {shown}. Use its address, or allow the name "
                "when you start it: mote hub --allowed-host NAME"
            )
            return text, MISDIRECTED
        # `Origin: null`, of a sandboxed frame for example, is a foreign one.
        if any(_authority(origin) != host.lower() for origin in headers.getlist("origin")):
            return "A page of another address may not ask this hub for anything.", FORBIDDEN
        return "", 0


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = policy(nonce.get())
            headers["X-Frame-Options"] = "DENY"
            headers["X-Content-Type-Options"] = "nosniff"
            # A browser sends `Origin: null` with the login form under `no-referrer`.
            headers["Referrer-Policy"] = "same-origin"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            # socket.io allows everybody to read; nobody else needs to.
            del headers["Access-Control-Allow-Origin"]
            del headers["Access-Control-Allow-Credentials"]
        await send(message)

    return sending


def _name(host: str) -> str | None:
    """The name in a Host header, lower case and without the port; None for no valid one."""
    try:
        return _normal(urlsplit(f"//{host}").hostname or "") or None
    except ValueError:
        return None


def _normal(name: str) -> str:
    return name.lower().removesuffix(".")


def _authority(origin: str) -> str:
    """Host and port of an Origin header, as they stand in a Host header; empty for none."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc.lower() if parts.scheme in ("http", "https") else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
