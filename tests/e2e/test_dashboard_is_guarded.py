"""Pages of somebody else against the dashboard, in Chromium, which enforces what it is told."""

import asyncio
import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients_for_browser import publish
from motekit.acl import Role
from motekit.hub import Hub
from motekit.hub.tls import TlsOptions
from phone import PATIENCE_MS, QUIET, browser
from playwright.async_api import Page, async_playwright, expect

pytestmark = [pytest.mark.browser]

READING = [("sensors/plant1/temperature", "21.5"), ("devices/plant1/status", "online")]
VIOLATIONS = """() => { window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) =>
    window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`)); }"""
SMUGGLED = """async () => {
  window.ran = [];
  const add = (html) => document.body.insertAdjacentHTML("beforeend", html);
  add('<img src="data:," onerror="window.ran.push(\\'handler\\')">');
  add('<a id="link" href="javascript:window.ran.push(\\'link\\')">x</a>');
  document.getElementById("link").click();
  const inline = document.createElement("script");
  inline.textContent = "window.ran.push('inline')";
  document.body.append(inline);
  const foreign = document.createElement("script");
  foreign.src = "http://127.0.0.2:1/x.js";
  document.body.append(foreign);
  await fetch("http://127.0.0.2:1/").catch(() => window.ran.push("refused"));
  await new Promise((done) => setTimeout(done, 500));
  return window.ran;
}"""
ATTACK = """<!doctype html><title>x</title><iframe id="frame" src="{hub}"></iframe><script>
window.results = {{}};
const tell = (name, value) => (window.results[name] = String(value));
fetch("{hub}api/devices").then((a) => a.text())
  .then((t) => tell("fetch", t), () => tell("fetch", "refused"));
fetch("{hub}_nicegui_ws/socket.io/?EIO=4&transport=polling").then((a) => a.text())
  .then((t) => tell("poll", t), () => tell("poll", "refused"));
const socket = new WebSocket("{ws}_nicegui_ws/socket.io/?EIO=4&transport=websocket");
socket.onopen = () => tell("socket", "open");
socket.onerror = () => tell("socket", "refused");
</script>"""


@contextlib.asynccontextmanager
async def running(hub: Hub):
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()


@contextlib.asynccontextmanager
async def chromium_with(chromium: str, *options: str):
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=chromium, args=[*QUIET, *options], timeout=PATIENCE_MS
        )
        try:
            yield await opened.new_page()
        finally:
            await opened.close()


@contextlib.contextmanager
def site(folder: Path) -> Iterator[int]:
    """A web server of somebody else on this machine."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


async def shows_its_readings(page: Page, address: str) -> None:
    await page.add_init_script(f"({VIOLATIONS})()")
    await page.goto(address)
    await expect(page.locator('[data-device="plant1"] .m-status')).to_have_text("online")
    await expect(page.locator(".m-chart canvas").first).to_be_visible()
    assert await page.evaluate("window.violations") == []
    await page.locator('a[data-device="plant1"]').first.click()
    await expect(page.locator('[data-metric="temperature"] canvas').first).to_be_visible()
    await page.get_by_role("button", name="24 h").click()
    await expect(page.locator('[data-metric="temperature"] canvas').first).to_be_visible()
    assert await page.evaluate("window.violations") == []


def test_the_pages_work_under_their_policy_and_smuggled_scripts_do_not(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with running(Hub(tmp_path, mqtt_port=0, http_port=0)) as hub:
            await asyncio.to_thread(publish, hub.mqtt_port, READING)
            async with browser(chromium, tmp_path) as page:
                await shows_its_readings(page, hub.dashboard_url)
                assert await page.evaluate(SMUGGLED) == ["refused"]
                blocked = " ".join(await page.evaluate("window.violations"))
                for what in ("script-src-attr", "script-src-elem", "connect-src"):
                    assert what in blocked, blocked

    asyncio.run(walk())


def test_a_foreign_name_that_points_here_shows_nothing(chromium, tmp_path) -> None:
    async def walk() -> None:
        async with running(Hub(tmp_path, mqtt_port=0, http_port=0)) as hub:
            await asyncio.to_thread(publish, hub.mqtt_port, READING)
            # What DNS rebinding does: the page's own name has the address of this machine.
            rule = "--host-resolver-rules=MAP evil.test 127.0.0.1"
            async with chromium_with(chromium, rule) as page:
                answer = await page.goto(f"http://evil.test:{hub.http_port}/")
                assert answer and answer.status == 421
                text = await page.evaluate('fetch("/api/devices").then((a) => a.text())')
                assert "plant1" not in text and "does not answer to the name" in text
                good = await page.goto(f"http://localhost:{hub.http_port}/")
                assert good and good.status == 200

    asyncio.run(walk())


def test_a_foreign_page_frames_and_reads_nothing(chromium, tmp_path) -> None:
    async def walk() -> None:
        data, web = tmp_path / "hub", tmp_path / "web"
        web.mkdir()
        async with running(Hub(data, mqtt_port=0, http_port=0)) as hub:
            await asyncio.to_thread(publish, hub.mqtt_port, READING)
            sockets = hub.dashboard_url.replace("http:", "ws:")
            (web / "index.html").write_text(ATTACK.format(hub=hub.dashboard_url, ws=sockets))
            with site(web) as port:
                async with browser(chromium, tmp_path) as page:
                    await page.goto(f"http://127.0.0.1:{port}/")
                    await page.wait_for_function("Object.keys(window.results).length === 3")
                    results = await page.evaluate("window.results")
                    assert results == dict.fromkeys(("fetch", "poll", "socket"), "refused")
                    frame = await (await page.query_selector("#frame")).content_frame()
                    assert frame and "plant1" not in await frame.content()
                    assert not await frame.query_selector(".m-page")

    asyncio.run(walk())


def test_a_viewer_logs_in_over_https_is_named_and_logs_out(chromium, tmp_path) -> None:
    async def walk() -> None:
        hub = Hub(tmp_path, "0.0.0.0", 0, "0.0.0.0", 0, TlsOptions(port=0))
        password = hub.accounts.add_person("anna", Role.VIEWER)
        async with running(hub), browser(chromium, tmp_path, ignore_https_errors=True) as page:
            address = f"https://localhost:{hub.http_port}/"
            await page.goto(address)
            await page.get_by_label("User").fill("anna")
            await page.get_by_label("Password").fill("wrong")
            await page.get_by_role("button", name="Log in").click()
            await expect(page.get_by_role("alert")).to_have_text(
                "That is not the password of this user."
            )
            await page.get_by_label("Password").fill(password)
            await page.get_by_role("button", name="Log in").click()
            await expect(page.get_by_text("anna (viewer)")).to_be_visible()
            await page.get_by_role("button", name="Log out").click()
            await expect(page.get_by_label("Password")).to_be_visible()
            assert await page.context.cookies() == []
            # An open page of whom is removed leads to the login by itself.
            await page.get_by_label("User").fill("anna")
            await page.get_by_label("Password").fill(password)
            await page.get_by_role("button", name="Log in").click()
            await expect(page.get_by_text("anna (viewer)")).to_be_visible()
            hub.accounts.remove("anna")
            await expect(page.get_by_label("Password")).to_be_visible()

    asyncio.run(walk())
