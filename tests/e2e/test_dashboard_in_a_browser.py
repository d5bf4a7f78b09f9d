"""The dashboard's pages in Chromium: what ECharts really draws, what a person reads."""

import asyncio
import json
import math
import random
import re
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from clients_for_browser import publish
from motekit.hub import Hub
from motekit.hub.listening import own_addresses
from motekit.hub.metrics import format_value
from motekit.hub.store import Reading, Store
from phone import browser
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.browser]

MOTE = Path(sys.executable).with_name("mote")
NS = 10**9
# The page with 240 cards once had 585 KB.
DEVICES = 240
HTML_MAX = 24_000

CHART = """async ([metric, what]) => {
  const { echarts } = await import("nicegui-echart");
  const canvas = document.querySelector(`[data-metric="${metric}"] .m-chart`);
  const chart = echarts.getInstanceByDom(canvas);
  const model = chart.getModel();
  const data = (number) => model.getSeriesByIndex(number).getData();
  const y = (value) => chart.convertToPixel({ yAxisIndex: 0 }, value);
  const column = (number, dimension) =>
    Array.from({ length: data(number).count() }, (_, i) => data(number).get(dimension, i));
  const info = (name) => data(1).getCalculationInfo(name);
  if (what === "axis") return model.getComponent("yAxis").axis.scale.getExtent();
  const labels = () => model.getComponent("yAxis").axis.getViewLabels();
  if (what === "ticks") return labels().map((one) => one.formattedLabel);
  if (what === "band") {
    const to = column(1, info("stackResultDimension"));
    const places = [...data(1).getLayout("points")];
    return {
      low: column(0, "y"), from: column(1, info("stackedOverDimension")), to,
      mean: column(2, "y"), top: to.map((_, i) => places[2 * i + 1]), expected: to.map(y),
    };
  }
  const last = model.getSeriesCount() - 1;
  const values = column(last, "y");
  const symbol = (number) => data(last).getItemGraphicEl(number)?.getSymbolPath?.();
  if (what === "values") return values.map((value) => (Number.isNaN(value) ? null : value));
  if (what === "marks") return values.map((_, number) => (symbol(number) ? 1 : 0));
  throw new Error(what);
}"""


@asynccontextmanager
async def dashboard(
    data: Path, readings: Iterable[Reading] = (), online: Iterable[str] = (), **settings: object
) -> AsyncIterator[Hub]:
    """A hub with a dashboard, on a store with these readings."""
    store = Store(data / "readings.db")
    store.write(readings)
    store.close()
    hub = Hub(data, **{"mqtt_port": 0, "http_port": 0, **settings})
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()


def desk(chromium: str, folder: Path):
    """A browser as wide as a desk's screen."""
    return browser(chromium, folder, viewport={"width": 1280, "height": 900})


def ago(seconds: float) -> int:
    return time.time_ns() - int(seconds * NS)


async def ask_chart(page: Page, metric: str, what: str):
    canvas = page.locator(f'[data-metric="{metric}"] canvas').first
    await expect(canvas).to_be_visible()
    return await page.evaluate(CHART, [metric, what])


SPANS = 96


def day(metric: str, middle: float, swing: float) -> list[Reading]:
    """A day of readings: three in each quarter of an hour, the extremes and the middle."""
    first = ago(86_400) // (900 * NS) * 900 + 900
    return [
        Reading("freezer", metric, (first + n * 900 + at) * NS, base + part * swing / 10)
        for n in range(SPANS)
        for base in [middle + swing * math.sin(n / 9)]
        for at, part in ((10, -1), (20, 0), (30, 1))
    ]


def test_the_band_of_a_history_is_where_the_values_are(chromium, tmp_path) -> None:
    """Negative, mixed and positive values, in what ECharts itself has computed and placed."""
    series = {"temperature": (-18, 3), "mixed": (0, 5), "pressure": (1013, 4), "rssi": (-60, 9)}

    async def walk() -> None:
        filled = [one for metric, shape in series.items() for one in day(metric, *shape)]
        async with dashboard(tmp_path, filled) as hub, desk(chromium, tmp_path) as page:
            await page.goto(f"{hub.dashboard_url}device/freezer?range=24%20h")
            await expect(page.get_by_role("button", name="24 h", pressed=True)).to_be_visible()
            for metric, (middle, swing) in series.items():
                band = await ask_chart(page, metric, "band")
                assert len(band["to"]) >= SPANS - 2, metric
                expected = {round(middle + swing * math.sin(n / 9), 6): n for n in range(SPANS)}
                for low, start, end, mean in zip(
                    band["low"], band["from"], band["to"], band["mean"], strict=True
                ):
                    assert round(mean, 6) in expected, (metric, mean)
                    assert start == pytest.approx(low) == pytest.approx(mean - swing / 10)
                    assert end == pytest.approx(mean + swing / 10), metric
                # What is on the screen, in pixels.
                assert band["top"] == pytest.approx(band["expected"], abs=0.01)
                least, greatest = await ask_chart(page, metric, "axis")
                assert middle - 2 * swing < least <= min(band["low"]), metric
                assert max(band["to"]) <= greatest < middle + 2 * swing, metric

    asyncio.run(walk())


def every_10_s(device: str, metric: str, value: float, *gap: float) -> list[Reading]:
    return [
        Reading(device, metric, ago(seconds), value)
        for seconds in range(5, 290, 10)
        if not (gap and gap[0] < seconds < gap[1])
    ]


def test_gaps_single_readings_and_constant_values_are_drawn_as_such(chromium, tmp_path) -> None:
    readings = [
        *every_10_s("plant1", "pressure", 1013.25),
        *every_10_s("plant1", "temperature", 21.5, 100, 160),
        *every_10_s("plant1", "humidity", 40, 100, 125),
        *every_10_s("plant1", "no2_ppb", 0.000012),
        *every_10_s("plant1", "illuminance", 0, 40, 130),
        Reading("plant1", "illuminance", ago(85), 0),
        Reading("plant1", "co2", ago(60), 612),
        Reading("plant1", "distance", ago(20), 12.3),
        Reading("plant1", "distance", ago(10), 12.4),
        Reading("old", "temperature", ago(2 * 86_400), 19),
    ]

    async def walk() -> None:
        async with (
            dashboard(tmp_path, readings) as hub,
            desk(chromium, tmp_path) as page,
        ):
            await page.goto(f"{hub.dashboard_url}device/plant1")
            # A line of one value has an axis of its last digits.
            assert await ask_chart(page, "pressure", "axis") == pytest.approx([1013.0, 1013.5])
            assert await ask_chart(page, "co2", "axis") == [610, 614]
            assert await ask_chart(page, "illuminance", "axis") == [0, 4]
            least, greatest = await ask_chart(page, "no2_ppb", "axis")
            assert 0 <= least < 0.000012 < greatest < 0.00005
            assert "0.00" not in await ask_chart(page, "no2_ppb", "ticks")
            card = page.locator('[data-metric="no2_ppb"]')
            await expect(card).to_contain_text("NO₂0.000012 ppb")
            # Six intervals are missing, and two: only one of them is a gap.
            assert (await ask_chart(page, "temperature", "values")).count(None) == 1
            assert (await ask_chart(page, "humidity", "values")).count(None) == 0
            # Who stands alone has a mark, and nobody else.
            assert await ask_chart(page, "co2", "marks") == [1]
            values = await ask_chart(page, "illuminance", "values")
            marks = await ask_chart(page, "illuminance", "marks")
            assert values.count(None) == 2 and sum(marks) == 1
            assert marks[values.index(None) + 1] == 1
            assert sum(await ask_chart(page, "pressure", "marks")) == 0
            assert sum(await ask_chart(page, "distance", "marks")) == 0
            # Nothing is invented for who sent nothing.
            await page.goto(f"{hub.dashboard_url}device/old")
            await expect(page.get_by_text("No readings in the last 5 minutes")).to_contain_text(
                "The last one came 2 d ago."
            )
            assert await page.locator("canvas").count() == 0
            await page.get_by_role("button", name="7 d").click()
            assert await ask_chart(page, "temperature", "marks") == [1]
            chart = page.get_by_role("img", name="Temperature of old, last 7 d")
            await expect(chart).to_be_visible()
            await page.goto(f"{hub.dashboard_url}device/nobody")
            await expect(page.get_by_text('There is no device "nobody"')).to_be_visible()

    asyncio.run(walk())


WARM = ("temperature", 22)
HOSTILE = '<img src=x onerror="window.hit=1">'
NAMES = {
    "no2": "NO₂", "pm1_0": "PM1.0", "pm2_5": "PM2.5", "pm25": "PM2.5", "pm10": "PM10",
    "ds18b20_1_temperature": "Temperature DS18B20 1",
    "ds18b20_8_temperature": "Temperature DS18B20 8",
    "dht22_humidity": "Humidity DHT22", "temperature_28ff": "Temperature 28FF",
    "chip_temperature": "Chip temperature", "co2": "CO₂", "wind_speed": "Wind speed",
}  # fmt: skip


def test_names_values_and_tooltips_are_right_and_nothing_from_outside_is_markup(
    chromium, tmp_path
) -> None:
    readings = [
        *every_10_s("plant1", "temperature", 21.123456789012345),
        *(replace(one, time_ns=one.time_ns + 3 * NS) for one in every_10_s(HOSTILE, *WARM)),
        *(Reading("plant1", name, ago(30), 3.14159) for name in NAMES),
        Reading("plant1", HOSTILE, ago(30), 1),
    ]

    async def walk() -> None:
        async with (
            dashboard(tmp_path, readings) as hub,
            browser(chromium, tmp_path, viewport={"width": 390, "height": 844}) as page,
        ):
            info = json.dumps({"board": HOSTILE, "lost": 3, "queue": 7})
            await asyncio.to_thread(publish, hub.mqtt_port, [("devices/plant1/info", info)])
            await page.goto(hub.dashboard_url)
            card = page.locator('[data-device="plant1"]')
            for name, label in NAMES.items():
                shown = card.locator(f'[data-metric="{name}"] .m-label')
                await expect(shown).to_have_text(label)
                box, outer = await shown.bounding_box(), await card.bounding_box()
                assert box and outer and box["x"] + box["width"] <= outer["x"] + outer["width"]
                assert await shown.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), name
            await expect(page.get_by_text(HOSTILE, exact=True).first).to_be_visible()
            # The tooltip at both edges of the chart of all devices stays inside the window.
            chart = page.locator(".m-chart canvas").first
            await chart.scroll_into_view_if_needed()
            box = await chart.bounding_box()
            assert box
            newest = [("sensors/plant1/temperature", "21.123456789")]
            await asyncio.to_thread(publish, hub.mqtt_port, newest)
            # The chart ends 28 points before its right edge.
            for x, names in ((0.2 * box["width"], 2), (0.5 * box["width"], 2), (-30, 1)):
                right = box["x"] + (box["width"] if x < 0 else 0)
                await page.mouse.move(right + x, box["y"] + box["height"] / 2)
                tip = page.locator(".m-chart > div").filter(has_text="°C").last
                await expect(tip).to_contain_text("21.1 °C")
                # Each device has sent at its own times.
                if names == 2:
                    await expect(tip).to_contain_text("22.0 °C")
                assert "21.12" not in await tip.inner_text()
                place = await tip.bounding_box()
                assert place and place["x"] >= 0 and place["x"] + place["width"] <= 390
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390
            await page.goto(f"{hub.dashboard_url}device/plant1")
            await expect(page.get_by_role("region", name="About this board")).to_contain_text(
                HOSTILE
            )
            await expect(page.get_by_text("Readings still on the board")).to_be_visible()
            await page.goto(f"{hub.dashboard_url}device/{quote(HOSTILE, safe='')}")
            await expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
            assert await page.evaluate("window.hit") is None
            assert await page.locator("img[src=x]").count() == 0
            assert await page.evaluate("document.documentElement.lang") == "en-US"
            await same_numbers(page)

    asyncio.run(walk())


async def same_numbers(page: Page) -> None:
    """The browser writes numbers as the command line does."""
    chance = random.Random(1)
    values = [
        0,
        -0.0,
        0.04,
        -0.04,
        0.000012,
        1e-12,
        -1e-7,
        0.005,
        12.3456,
        -18.04,
        1e14,
        1e15,
        1e22,
    ]
    values += [chance.uniform(-1, 1) * 10 ** chance.randint(-12, 12) for _ in range(2_000)]
    # Halves are rounded to even by the one and away from zero by the other.
    values = [v for v in values if all(abs(v * 10**d % 1 - 0.5) > 1e-9 for d in range(3))]
    pairs = [[value, decimals] for value in values for decimals in (0, 1, 2)]
    shown = await page.evaluate(
        """async (pairs) => {
          const { format } = await import("mote-dashboard");
          return pairs.map(([value, decimals]) => format(value, decimals));
        }""",
        pairs,
    )
    assert shown == [format_value(*pair) for pair in pairs]
    assert format_value(0.000012, 2) == "0.000012" and format_value(-0.0, 1) == "0.0"


def test_the_page_of_many_devices_is_small_and_shows_what_changes(chromium, tmp_path) -> None:
    names = [f"device{number:03}" for number in range(DEVICES)]
    readings = [
        Reading(name, metric, ago(20), 20.0)
        for name in names
        for metric in ("temperature", "humidity", "pressure", "co2")
    ]

    async def walk() -> None:
        async with (
            dashboard(tmp_path, readings) as hub,
            desk(chromium, tmp_path) as page,
        ):
            answer = await page.goto(hub.dashboard_url)
            assert answer and len(await answer.body()) < HTML_MAX
            await expect(page.locator("[data-device]")).to_have_count(DEVICES)
            sizes: list[int] = []

            async def weigh(response) -> None:
                if "/api/pages/overview" in response.url:
                    sizes.append(len(await response.body()))

            page.on("response", lambda response: asyncio.ensure_future(weigh(response)))

            await asyncio.to_thread(
                publish, hub.mqtt_port, [("sensors/device007/temperature", "33.3"),
                                         ("devices/device007/status", "online")]
            )  # fmt: skip
            card = page.locator('[data-device="device007"]')
            await expect(card.locator('[data-metric="temperature"]')).to_contain_text("33.3")
            await expect(card.locator(".m-status.on")).to_have_text("online")
            await expect(page.get_by_text(f"1 of {DEVICES} online")).to_be_visible()
            await expect(page.get_by_text("24 of 240 devices are shown.")).to_be_visible()
            while len(sizes) < 3:
                await asyncio.sleep(0.1)
            assert max(sizes) < 1_000, sizes
            # When it has missed something, what is shown is changed and not made anew.
            await card.evaluate("card => { card.mark = true; }")
            assert hub._dashboard
            hub._dashboard._pending.drop()
            later = [("sensors/device007/temperature", "44.4")]
            await asyncio.to_thread(publish, hub.mqtt_port, later)
            await expect(card.locator('[data-metric="temperature"]')).to_contain_text("44.4")
            await expect(page.locator("[data-device]")).to_have_count(DEVICES)
            assert await card.evaluate("card => card.mark")
            await page.get_by_role("searchbox", name="Search devices").fill("ce23")
            await expect(page.locator("[data-device]:visible")).to_have_count(10)

    asyncio.run(walk())


def test_a_locked_store_is_said_on_every_page_until_it_is_over(chromium, tmp_path) -> None:
    async def walk() -> None:
        readings = every_10_s("plant1", "temperature", 20)
        async with (
            dashboard(tmp_path, readings) as hub,
            desk(chromium, tmp_path) as page,
        ):
            await page.goto(hub.dashboard_url)
            notice = page.locator(".m-notice")
            await expect(page.locator("[data-device]")).to_have_count(1)
            await expect(notice).to_have_count(0)

            with closing(sqlite3.connect(tmp_path / "readings.db")) as other:
                other.execute("BEGIN IMMEDIATE")
                sending = asyncio.create_task(
                    asyncio.to_thread(publish, hub.mqtt_port, [("sensors/plant1/temperature", "7")])
                )
                await expect(notice).to_contain_text("stored since")
                await page.goto(f"{hub.dashboard_url}device/plant1")
                await expect(notice).to_contain_text("stored since")
                other.rollback()
            await sending
            await expect(notice).to_have_count(0)
            await expect(page.locator('[data-metric="temperature"]')).to_contain_text("7.0")

    asyncio.run(walk())


def test_who_is_online_is_not_known_when_the_hub_is_gone(chromium, tmp_path) -> None:
    async def walk() -> None:
        process = await asyncio.create_subprocess_exec(
            *(MOTE, "hub", "--data", tmp_path, "--mqtt-host", "127.0.0.1", "--mqtt-port", "0"),
            *("--port", "0", "--json"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout
        started = json.loads(await process.stdout.readline())

        told = [("sensors/plant1/temperature", "20"), ("devices/plant1/status", "online")]
        await asyncio.to_thread(publish, started["mqtt_port"], told)
        async with desk(chromium, tmp_path) as page:
            await page.goto(started["dashboard"])
            status = page.locator('[data-device="plant1"] .m-status')
            await expect(status).to_have_text("online")
            process.send_signal(signal.SIGKILL)
            await expect(status).to_have_text("unknown")
            await expect(page.get_by_text("The hub does not answer")).to_be_visible()
            await expect(page.get_by_text("1 devices, not known whether online")).to_be_visible()
        await process.wait()

    asyncio.run(walk())


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_an_empty_hub_says_what_to_do_and_where_it_is(chromium, tmp_path, host) -> None:
    async def walk() -> None:
        async with (
            dashboard(tmp_path, mqtt_host=host, http_host=host) as hub,
            browser(chromium, tmp_path) as page,
        ):
            base = f"http://127.0.0.1:{hub.http_port}/"
            await page.goto(base)
            if host == "0.0.0.0":
                # Another program of this host has set its cookies, and many of them.
                await page.evaluate("""() => {
                  document.cookie = 'theme={"m":"d"}';
                  document.cookie = 'a@b.c=1';
                  document.cookie = 'word=\\u00e9\\u4e00';
                  for (let i = 0; i < 150; i++) document.cookie = `c${i}=` + 'x'.repeat(4000);
                }""")
                await page.goto(base)
                await page.get_by_label("Password").fill(hub.accounts.owner_password)
                await page.get_by_role("button", name="Log in").click()
            await expect(page.get_by_role("heading", name="No devices yet")).to_be_visible()
            text = await page.locator(".m-empty").inner_text()
            if host == "127.0.0.1":
                assert "Boards cannot reach this hub: it listens on 127.0.0.1 only" in text
                return
            assert await page.locator(".m-empty li").count() == 3
            assert "mote hub add plant1" in text and f"port {hub.mqtt_port}" in text
            assert own_addresses() and all(address in text for address in own_addresses())

    asyncio.run(walk())


def test_the_steps_of_the_empty_page_are_those_of_the_readme() -> None:
    from motekit.hub.dashboard.process import Settings

    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    source = Path(sys.modules[Settings.__module__].__file__ or "").with_name("pages.py")
    steps = source.read_text(encoding="utf-8")
    for said in ("mote hub add plant1", "http://192.168.4.1"):
        assert said in readme and said in steps
    for said in (r"`plant1` as Device ID", r"Leave the\s+MQTT server empty"):
        assert re.search(said, readme) and re.search(said.replace(r"\s+", r"\s"), steps), said
