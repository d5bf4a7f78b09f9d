"""The door: who is not on this machine shows the owner's password first."""

import html
import time
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

from itsdangerous import BadSignature, TimestampSigner
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from motekit.credentials import OWNER
from motekit.hub.accounts import Accounts

COOKIE = "mote"
STAY_S = 30 * 86_400
# A guess costs this long, and guesses of everyone queue behind each other.
WRONG_S = 1.0
BODY_MAX = 4096
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>Mote: log in</title>
<style>:root{{color-scheme:light dark;font:16px system-ui,sans-serif}}
body{{display:grid;min-height:95vh;place-items:center;margin:0}}
form{{width:min(20rem,85vw)}}label{{display:block;margin:1rem 0 .3rem;font-weight:600}}
input,button{{font:inherit;width:100%;box-sizing:border-box;padding:.7rem;border-radius:.6rem;
border:1px solid #8a9}}button{{margin-top:1rem;background:#0f7a54;color:#fff;border:0;
font-weight:600}}p{{opacity:.75;font-size:.9rem}}.bad{{color:#c33;opacity:1}}</style>
<form method="post" action="/login"><h1>Mote</h1>{note}
<label for="p">Password of this hub</label>
<input id="p" name="password" type="password" autofocus autocomplete="current-password">
<button>Log in</button><p>It is in the file owner.password in the hub's data folder.</p></form>
"""


class Door:
    """ASGI middleware: HTTP and websocket pass with a signed cookie, or HTTP with basic login."""

    def __init__(self, inside: ASGIApp, accounts: Accounts) -> None:
        self._inside = inside
        self._accounts = accounts
        # A new owner's password makes every old cookie worthless.
        self._signer = TimestampSigner(accounts.owner_password, salt="dashboard")
        self._next_guess = 0.0

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
        headers = dict(scope.get("headers", ()))
        cookie = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(COOKIE)
        if cookie is None:
            return False
        try:
            self._signer.unsign(cookie.value, max_age=STAY_S)
        except BadSignature:
            return False
        return True

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        path = scope["path"]
        if path == "/login" and scope["method"] == "POST":
            return await self._log_in(receive)
        if path == "/login":
            return HTMLResponse(_PAGE.format(note=""))
        if path.startswith("/api/"):
            return JSONResponse({"error": "log in first: POST /login"}, 401)
        return RedirectResponse("/login", 303)

    async def _log_in(self, receive: Receive) -> Response:
        body = b""
        while len(body) < BODY_MAX:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        password = parse_qs(body.decode(errors="replace")).get("password", [""])[0]
        now = time.monotonic()
        if now >= self._next_guess and self._accounts.verify(OWNER, password):
            answer = RedirectResponse("/", 303)
            value = self._signer.sign(OWNER).decode()
            answer.set_cookie(COOKIE, value, max_age=STAY_S, httponly=True, samesite="strict")
            return answer
        self._next_guess = max(now, self._next_guess) + WRONG_S
        note = f'<p class="bad" role="alert">{html.escape("That is not the password.")}</p>'
        return HTMLResponse(_PAGE.format(note=note), 403)
