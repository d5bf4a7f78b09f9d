"""The page that installs from the browser, in Chromium: as far as it goes without a real board."""

import functools
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import flash_images
import pytest
from house_of_one import HOME, home
from mote import __version__, contract
from motekit import boards, image
from motekit.image import web
from motesim import BoardSpec
from mqtt_ear import ear
from phone import browser
from playwright.async_api import Page, expect
from serial_in_page import plugged_in

pytestmark = [pytest.mark.anyio, pytest.mark.browser]
PICTURES = Path(__file__).parents[2] / "build" / "pictures"
NARROW = {"viewport": {"width": 320, "height": 640}}
FINGERPRINT = "0123456789abcdef" * 4
# Text from outside is shown as text.
PUBLISHER = "the <b>lab</b> of room 12"
DARK = {"color_scheme": "dark"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def served(folder: Path) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `mote image --web` makes, of images that start nothing."""
    place = tmp_path_factory.mktemp("web")
    for chip in ("esp32", "esp32c3"):
        profile = boards.default_for(chip)
        made = image.build(profile, image.read(flash_images.synthetic(chip)))
        web.write(made, place, update_key=FINGERPRINT, publisher=PUBLISHER)
    return place


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    server = served(folder)
    yield f"http://localhost:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


async def opened(page: Page, url: str) -> list[str]:
    """Open it; what it asks for and what goes wrong in it."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(f"error: {error}"))
    await page.goto(url)
    return asked


async def test_it_offers_the_button_and_says_for_which_chips(chromium, tmp_path, url) -> None:
    async with browser(chromium, tmp_path) as page:
        asked = await opened(page, url)
        await expect(page.get_by_role("button", name="Connect a board")).to_be_visible()
        told = f"{contract.PRODUCT} {__version__} for ESP32, ESP32-C3"
        await expect(page.get_by_role("status")).to_have_text(told)
        await expect(page.get_by_role("alert")).to_have_count(0)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Install Mote")
        assert all(one.startswith((url, "data:")) for one in asked), "nothing is from elsewhere"


async def test_it_says_whose_updates_the_board_accepts(chromium, tmp_path, url) -> None:
    async with browser(chromium, tmp_path) as page:
        await opened(page, url)
        await expect(page.get_by_text(f"that {PUBLISHER} signs")).to_be_visible()
        await expect(page.get_by_text("SHA-256")).to_contain_text(FINGERPRINT)


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"update_key": "", "publisher": ""}, "accepts no updates over the air"),
        ({"update_key": FINGERPRINT, "publisher": ""}, "this page's publisher signs"),
    ],
)
async def test_a_page_without_a_key_or_a_name(chromium, tmp_path, folder, url, told, text) -> None:
    manifest = json.loads((folder / web.MANIFEST).read_text())
    for name in ("update_key", "publisher"):
        del manifest[name]
    async with browser(chromium, tmp_path) as page:
        await page.route(f"**/{web.MANIFEST}", lambda route: route.fulfill(json=manifest | told))
        await opened(page, url)
        await expect(page.locator("#trust")).to_contain_text(text)
        await expect(page.locator("#key")).to_be_visible(visible=bool(told.get("update_key")))


def test_builds_of_another_key_do_not_stay_on_the_page(folder, tmp_path) -> None:
    shutil.copytree(folder, tmp_path / "web")
    made = image.build(boards.default_for("esp32s3"), image.read(flash_images.synthetic("esp32s3")))
    manifest = json.loads(web.write(made, tmp_path / "web", update_key="f" * 64).read_text())
    assert [one["chipFamily"] for one in manifest["builds"]] == ["ESP32-S3"]
    assert manifest["update_key"] == "f" * 64


async def test_it_fits_a_small_screen_in_light_and_dark(chromium, tmp_path, url) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    backgrounds = set()
    for scheme in ("light", "dark"):
        narrow = {"viewport": {"width": 320, "height": 640}, "color_scheme": scheme}
        async with browser(chromium, tmp_path, **narrow) as page:
            await opened(page, url)
            await expect(page.get_by_role("status")).to_contain_text("ESP32")
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 320
            look = "getComputedStyle(document.body).backgroundColor"
            backgrounds.add(await page.evaluate(look))
            await page.screenshot(path=PICTURES / f"installer-{scheme}.png", full_page=True)
    assert len(backgrounds) == 2


@pytest.mark.parametrize(
    ("lacking", "text"),
    [
        ("delete Navigator.prototype.serial", "This browser cannot reach serial ports"),
        ("Object.defineProperty(window, 'isSecureContext', {value: false})", "only to pages that"),
    ],
)
async def test_a_browser_that_cannot_is_told_so(chromium, tmp_path, url, lacking, text) -> None:
    async with browser(chromium, tmp_path) as page:
        await page.add_init_script(lacking)
        await opened(page, url)
        await expect(page.get_by_role("alert")).to_contain_text(text)
        await expect(page.get_by_role("alert")).to_have_count(1)
        await expect(page.get_by_role("button")).to_have_count(0)


@pytest.mark.parametrize("gone", [web.MANIFEST, "esp-web-tools/install-button.js"])
async def test_what_is_missing_beside_it_is_named(chromium, tmp_path, url, gone) -> None:
    async with browser(chromium, tmp_path) as page:
        await page.route(f"**/{gone}", lambda route: route.fulfill(status=404, body="gone"))
        await opened(page, url)
        await expect(page.get_by_role("alert")).to_contain_text("run mote image --web again")


async def test_a_new_board_is_set_up_in_the_dialog_of_the_page(chromium, tmp_path, url) -> None:
    async with home(tmp_path) as house, browser(chromium, tmp_path) as page:
        board = await house.world.add_board(BoardSpec("new"))
        await board.power_on()
        async with plugged_in(page, board):
            await opened(page, url)
            await board.wait_for_log(contract.LOG_SETUP, 60)
            await page.get_by_role("button", name="Connect a board").click()
            await page.get_by_text("Connect to Wi-Fi").click(timeout=90_000)
            password = page.get_by_label("Password")
            await expect(password).to_be_visible(timeout=90_000)
            await expect(page.get_by_role("combobox", name="Network")).to_contain_text(HOME.ssid)
            await password.fill("a wrong password")
            await page.get_by_role("button", name="Connect", exact=True).click()
            await expect(page.get_by_text("Unable to connect")).to_be_visible(timeout=150_000)
            await page.get_by_label("Password").fill(HOME.password)
            await page.get_by_role("button", name="Connect", exact=True).click()
            await expect(page.get_by_role("button", name="Continue")).to_be_visible(timeout=150_000)
            # Its text lies in no element of its own.
            told = await page.locator("ewt-page-message").evaluate("element => element.label")
            assert "connected to the network" in told
            await page.screenshot(path=PICTURES / "installer-done.png")
        async with ear([], "-p", str(house.broker.port), "-t", "sensors/#") as heard:
            await heard.wait_for(lambda topic, payload: board.device_id in topic, 60)
