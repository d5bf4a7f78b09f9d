"""The door: who is not on this machine logs in first, and does what the role of the account allows.

A cookie names an account and the version of its password. Both are looked up for every request, so
that a removed account and a changed password end what was open at once.
"""

import asyncio
import base64
import binascii
import contextlib
import secrets
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import parse_qs

from itsdangerous import BadSignature, TimestampSigner
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from motekit import private_files
from motekit.acl import Role
from motekit.credentials import OWNER
from motekit.hub.accounts import Accounts, Login
from motekit.hub.dashboard.plain_page import plain_page
from motekit.hub.login_limit import LoginLimit

STAY_S = 30 * 86_400
KEY_FILE = "dashboard.key"
# Wrong passwords of an address: so many at once, then one each so many seconds.
WRONG_BURST, WRONG_EVERY_S = 10, 6.0
# How soon an open websocket of an account that no longer counts is closed.
CHECK_S = 0.5
BODY_MAX = 4096
NOT_LOGGED_IN = 4401
# What reads only; the rest is for those who may change something.
_READING = ("GET", "HEAD", "OPTIONS")
# NiceGUI's transport without websockets, which carries no commands.
_TRANSPORT = "/_nicegui_ws/"
_DASHBOARD = (Role.VIEWER, Role.OPERATOR, Role.OWNER)
# Who asks from this machine, where no login is needed.
LOCAL = Login("", Role.OWNER, "")
_FORM = """<form method="post" action="/login">{note}
<label for="u">User</label>
<input id="u" name="user" value="{user}" autocomplete="username" autocapitalize="none">
<label for="p">Password</label>
<input id="p" name="password" type="password" autofocus autocomplete="current-password">
<button>Log in</button><p>The owner's password is in the file owner.password in the hub's data
folder. Others get an account with <code>mote hub add-user NAME</code>.</p></form>
"""


class LoginEndedError(Exception):
    """Who gets a long answer may no longer have the rest of it."""


class Door:
    """ASGI middleware: HTTP and websocket pass with a signed cookie, or HTTP with basic login.

    With `is_local` everybody passes, as the owner: only this machine reaches the address.
    """

    def __init__(
        self, inside: ASGIApp, accounts: Accounts, data: Path, port: int, *, is_local: bool = False
    ) -> None:
        self._inside = inside
        self._accounts = accounts
        self._is_local = is_local
        # Browsers do not keep the cookies of two ports of a host apart.
        self._cookie = f"mote_{port}"
        self._limit = LoginLimit(WRONG_BURST, WRONG_EVERY_S)
        self._signer = TimestampSigner(_key(data / KEY_FILE), salt="dashboard")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inside(scope, receive, send)
            return
        login, wait_s = (LOCAL, 0) if self._is_local else self._known(scope)
        if login:
            scope["mote.login"] = login
        if scope["type"] == "websocket":
            await self._websocket(login, scope, receive, send)
            return
        answer = await self._answer(login, wait_s, scope, receive)
        if answer:
            await answer(scope, receive, send)
        else:
            with contextlib.suppress(LoginEndedError):
                await self._inside(scope, receive, self._while_current(login, send))

    async def _websocket(
        self, login: Login | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if login is None:
            await receive()
            await send({"type": "websocket.close", "code": NOT_LOGGED_IN})
            return
        inside = asyncio.ensure_future(_run(self._inside, scope, receive, send))
        try:
            while not inside.done():
                await asyncio.wait([inside], timeout=CHECK_S)
                if not inside.done() and not self._is_current(login):
                    inside.cancel()
                    with contextlib.suppress(RuntimeError):
                        # It is closed already, or was never accepted.
                        await send({"type": "websocket.close", "code": NOT_LOGGED_IN})
                    return
            inside.result()
        finally:
            inside.cancel()

    def _while_current(self, login: Login | None, send: Send) -> Send:
        """Break off a long answer when its reader may no longer have it."""

        async def sending(message: Message) -> None:
            more = message["type"] == "http.response.body" and message.get("more_body")
            if more and login and not self._is_current(login):
                raise LoginEndedError
            await send(message)

        return sending

    def _is_current(self, login: Login) -> bool:
        return login is LOCAL or self._accounts.login(login.name) == login

    def _known(self, scope: Scope) -> tuple[Login | None, int]:
        """Return who asks; or, for too many wrong passwords, after how many seconds to ask again.

        A basic login (RFC 7617) counts as a try.
        """
        wait_s = 0
        for name, value in scope.get("headers", ()):
            if name == b"cookie":
                for cookie in _cookies(value, self._cookie):
                    if login := self._signed(cookie):
                        return login, 0
            if name == b"authorization" and scope["type"] == "http" and (pair := _basic(value)):
                login, wait_s = self._log_in(scope, *pair)
                if login:
                    return login, 0
        return None, wait_s

    def _signed(self, cookie: str) -> Login | None:
        try:
            content = self._signer.unsign(cookie, max_age=STAY_S).decode()
        except (BadSignature, UnicodeDecodeError):
            return None
        name, _, version = content.rpartition(":")
        login = self._accounts.login(name)
        return login if login and login.role in _DASHBOARD and login.version == version else None

    def _log_in(self, scope: Scope, user: str, password: str) -> tuple[Login | None, int]:
        client = scope.get("client")
        address = str(client[0]) if client else ""
        if wait_s := self._limit.wait_s(address, user):
            return None, wait_s
        login = self._accounts.log_in(user, password)
        if login is None or login.role not in _DASHBOARD:
            self._limit.failed(address, user)
            return None, self._limit.wait_s(address, user)
        self._limit.succeeded(address, user)
        return login, 0

    async def _answer(
        self, login: Login | None, wait_s: int, scope: Scope, receive: Receive
    ) -> Response | None:
        """Return what is answered here, None for what goes inside."""
        path, method = scope["path"], scope["method"]
        if path == "/login" and not self._is_local:
            if method == "POST":
                return await self._submitted(scope, receive)
            return HTMLResponse(_login_page())
        if path == "/logout" and method == "POST":
            answer = RedirectResponse("/", 303)
            answer.delete_cookie(self._cookie)
            return answer
        if path == "/ca.crt":
            # A certificate is public, and needed before anybody can log in safely.
            return None
        if login is None:
            return _refused(path, wait_s)
        changes = method not in _READING and not path.startswith(_TRANSPORT)
        if changes and login.role is Role.VIEWER:
            text = f"The account {login.name} may only read: ask the owner for an operator's"
            return JSONResponse({"error": text}, 403)
        return None

    async def _submitted(self, scope: Scope, receive: Receive) -> Response:
        body = b""
        while len(body) < BODY_MAX:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        fields = parse_qs(body.decode(errors="replace"))
        user = fields.get("user", [OWNER])[0].strip()
        login, wait_s = self._log_in(scope, user, fields.get("password", [""])[0])
        if login:
            answer = RedirectResponse("/", 303)
            value = self._signer.sign(f"{login.name}:{login.version}").decode()
            answer.set_cookie(
                self._cookie, value, STAY_S, httponly=True, samesite="strict",
                secure=scope.get("scheme") == "https",
            )  # fmt: skip
            return answer
        if wait_s:
            page = _login_page(_too_many(wait_s), user)
            return HTMLResponse(page, 429, {"Retry-After": str(wait_s)})
        return HTMLResponse(_login_page("That is not the password of this user.", user), 403)


async def _run(inside: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await inside(scope, receive, send)


def _refused(path: str, wait_s: int) -> Response:
    api = path.startswith("/api/")
    if wait_s and api:
        return JSONResponse({"error": _too_many(wait_s)}, 429, {"Retry-After": str(wait_s)})
    if not api:
        return RedirectResponse("/login", 303)
    text = "Log in first: user owner, or another of this hub, with its password (basic login)"
    # A browser would ask for it in a window of its own, in front of an open page.
    own = path.startswith("/api/pages/")
    headers = {} if own else {"WWW-Authenticate": 'Basic realm="Mote"'}
    return JSONResponse({"error": text}, 401, headers)


def _too_many(wait_s: int) -> str:
    return (
        f"Too many wrong passwords came from your address. Try again in {wait_s} s; from other "
        "addresses you can log in now."
    )


def _login_page(problem: str = "", user: str = OWNER) -> str:
    note = f'<p class="bad" role="alert">{escape(problem)}</p>' if problem else ""
    return plain_page("Log in", _FORM.format(note=note, user=escape(user[:100])))


def _basic(header: bytes) -> tuple[str, str] | None:
    """User and password in a header of basic authentication (RFC 7617)."""
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password


def _cookies(header: bytes, name: str) -> Iterator[str]:
    """The values of cookie `name` in a header, whatever other programs' cookies look like."""
    for entry in header.decode("latin-1").split(";"):
        key, _, value = entry.strip().partition("=")
        if key == name:
            yield value.strip('"')


def _key(path: Path) -> bytes:
    """Return the key that signs cookies; it is made when there is none."""
    try:
        key = path.read_bytes().strip()
    except FileNotFoundError:
        key = b""
    if not key:
        key = secrets.token_hex(32).encode()
        private_files.write(path, key)
    return key
