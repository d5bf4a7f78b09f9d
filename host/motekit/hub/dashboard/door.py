"""The door: who is not on this machine shows the owner's password first."""

import asyncio
import base64
import binascii
from collections.abc import Iterator
from urllib.parse import parse_qs

from itsdangerous import BadSignature, TimestampSigner
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from motekit.credentials import OWNER
from motekit.hub.accounts import Accounts
from motekit.hub.dashboard.plain_page import plain_page

STAY_S = 30 * 86_400
# A wrong password is answered so late.
WRONG_S = 1.0
BODY_MAX = 4096
_FORM = """<form method="post" action="/login">{note}
<label for="p">Password of this hub</label>
<input id="p" name="password" type="password" autofocus autocomplete="current-password">
<button>Log in</button><p>It is in the file owner.password in the hub's data folder.</p></form>
"""


class Door:
    """ASGI middleware: HTTP and websocket pass with a signed cookie, or HTTP with basic login."""

    def __init__(self, inside: ASGIApp, accounts: Accounts, port: int) -> None:
        self._inside = inside
        self._accounts = accounts
        # Browsers do not keep the cookies of two ports of a host apart.
        self._cookie = f"mote_{port}"
        # A new owner's password makes every old cookie worthless.
        self._signer = TimestampSigner(accounts.owner_password, salt="dashboard")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._known(scope):
            await self._inside(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401})
        else:
            answer = await self._answer(scope, receive)
            await answer(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        for name, value in scope.get("headers", ()):
            if name == b"cookie" and any(map(self._is_signed, _cookies(value, self._cookie))):
                return True
            if name == b"authorization" and self._is_owner(value):
                return True
        return False

    def _is_signed(self, value: str) -> bool:
        try:
            self._signer.unsign(value, max_age=STAY_S)
        except BadSignature:
            return False
        return True

    def _is_owner(self, header: bytes) -> bool:
        """Whether a header of basic authentication (RFC 7617) has the owner's password."""
        scheme, _, encoded = header.partition(b" ")
        if scheme.lower() != b"basic":
            return False
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return user == OWNER and self._accounts.verify(OWNER, password)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        path = scope["path"]
        if path == "/login" and scope["method"] == "POST":
            return await self._log_in(receive)
        if path == "/login":
            return HTMLResponse(_login_page())
        if path.startswith("/api/"):
            text = "Log in first: user owner and the hub's password (basic authentication)"
            # A browser would ask for it in a window of its own, in front of an open page.
            own = path.startswith("/api/pages/")
            headers = {} if own else {"WWW-Authenticate": 'Basic realm="Mote"'}
            return JSONResponse({"error": text}, 401, headers)
        return RedirectResponse("/login", 303)

    async def _log_in(self, receive: Receive) -> Response:
        body = b""
        while len(body) < BODY_MAX:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        password = parse_qs(body.decode(errors="replace")).get("password", [""])[0]
        if self._accounts.verify(OWNER, password):
            answer = RedirectResponse("/", 303)
            value = self._signer.sign(OWNER).decode()
            answer.set_cookie(self._cookie, value, STAY_S, httponly=True, samesite="strict")
            return answer
        await asyncio.sleep(WRONG_S)
        return HTMLResponse(_login_page("That is not the password."), 403)


def _login_page(problem: str = "") -> str:
    note = f'<p class="bad" role="alert">{problem}</p>' if problem else ""
    return plain_page("Log in", _FORM.format(note=note))


def _cookies(header: bytes, name: str) -> Iterator[str]:
    """The values of cookie `name` in a header, whatever other programs' cookies look like."""
    for entry in header.decode("latin-1").split(";"):
        key, _, value = entry.strip().partition("=")
        if key == name:
            yield value.strip('"')
