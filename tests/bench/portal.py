"""The portal: its page on the wire, the way from joining to the form, and the heap it takes.

The way to the form is that of a phone with real DHCP, DNS, redirect and page, over a cable instead
of the air. The heap is that of all Python there is on the board: the difference between its start
and its least free, which is looked at at every request. Beside it stands the RAM that is published
for a captive portal in C.
"""

import asyncio
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

sys.path.extend(str(Path(__file__).parents[1] / room) for room in ("portal", "running"))

from board_in_setup import STREET, ask, board_in_setup
from house_of_one import HOME, SERVER, home
from mote import contract
from mote.improv import frames
from motekit.demo.portal_visitor import fill
from motekit.places import DEVICE_PACKAGE
from motesim import BoardSpec, VirtualBoard, World
from motesim.core import WIDTH_RATIO
from motesim.network.namespaces import NamespaceNetwork, Phone

# Debian keeps daemons in /usr/sbin, which a plain user's PATH lacks.
os.environ["PATH"] += ":/usr/sbin:/sbin"

NAMES = ("portal_page_bytes", "portal_ready_ms", "portal_heap_peak")

# The WiFi page of WiFiManager, uncompressed as it sends it: its strings in wm_strings_en.h summed
# for nine networks, at commit 1327b40. One language; network and password, no MQTT server.
WIFIMANAGER_PAGE = 5616
Figure = Callable[[str, float, str], None]
LANGUAGES = sorted(path.stem for path in (DEVICE_PACKAGE / "portal" / "languages").glob("*.json"))
BROWSER = {"Accept_Encoding": "gzip, deflate", "Accept": "text/html"}
PHONES = 4
ROUNDS = 5
JOINS = 5
ENTRIES = {"id": "dev", "ssid": HOME.ssid, "password": HOME.password, "host": SERVER}
# 38 KB of RAM, of the portal alone.
C_PORTAL = 38 * 1024
# What a phone does that has an address: its probe is led to the form. Prints the seconds.
PHONE = """
import gzip, time, urllib.request
request = urllib.request.Request("http://connectivitycheck.gstatic.com/generate_204")
request.add_header("Accept-Encoding", "gzip, deflate")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
began = time.monotonic()
with opener.open(request, timeout=15) as answer:
    page = gzip.decompress(answer.read())
seconds = time.monotonic() - began
assert answer.url == "http://192.168.4.1/" and b"<form" in page and b"</html>" in page
print(seconds)
"""


def run(figure: Figure) -> None:
    asyncio.run(_page_bytes(figure))
    asyncio.run(_ready(figure))
    asyncio.run(_heap(figure))


async def _page_bytes(figure: Figure) -> None:
    async with board_in_setup() as board:
        sizes = {}
        for language in LANGUAGES:
            answer = await ask(board, Accept_Language=language, **BROWSER)
            page = gzip.decompress(answer.body).decode()
            assert f'lang="{language}"' in page and "</html>" in page
            sizes[language] = len(answer.body)
    figure("portal_page_bytes", max(sizes.values()), "B")
    figure("portal_page_bytes.wifimanager", WIFIMANAGER_PAGE, "B")
    for language, size in sizes.items():
        figure(f"portal_page_bytes.{language}", size, "B")


async def _ready(figure: Figure) -> None:
    lacking = [tool for tool in ("ip", "dnsmasq", "udhcpc") if not shutil.which(tool)]
    if sys.platform == "linux" and os.geteuid() == 0 and not lacking:
        joins, forms = await _by_phone()
        whole = [join + form for join, form in zip(joins, forms, strict=True)]
        figure("portal_ready_ms", _median_ms(whole), "ms")
        figure("portal_ready_ms.join", _median_ms(joins), "ms")
    else:
        why = ", ".join(lacking) or "Linux and root"
        print(f"portal_ready_ms: without DHCP and DNS, which need {why}", file=sys.stderr)
        forms = await _by_loopback()
        figure("portal_ready_ms", _median_ms(forms), "ms")
    figure("portal_ready_ms.form", _median_ms(forms), "ms")


def _median_ms(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1000


async def _by_phone() -> tuple[list[float], list[float]]:
    """Seconds from association to an address, and from there to the form, of phone after phone."""
    joins, forms = [], []
    async with _board_in_namespace() as (network, board):
        for _ in range(JOINS):
            phone = await network.phone(board.network)
            began = time.monotonic()
            await phone.join()
            joins.append(time.monotonic() - began)
            forms.append(float(await asyncio.to_thread(_form, phone)))
            await phone.leave()
    return joins, forms


def _form(phone: Phone) -> str:
    command = [*phone.prefix, sys.executable, "-c", PHONE]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@asynccontextmanager
async def _board_in_namespace() -> AsyncIterator[tuple[NamespaceNetwork, VirtualBoard]]:
    network = NamespaceNetwork()
    async with World(network) as world:
        # In this network an access point is a machine, and its name stands once.
        for ap in {ap.ssid: ap for ap in STREET}.values():
            await world.add_access_point(replace(ap))
        board = await world.add_board(BoardSpec("board"))
        await board.power_on()
        await board.wait_for_log(contract.LOG_SETUP, 20)
        yield network, board


async def _by_loopback() -> list[float]:
    forms = []
    async with board_in_setup() as board:
        for _ in range(JOINS):
            began = time.monotonic()
            answer = await ask(board, **BROWSER)
            assert b"<form" in gzip.decompress(answer.body)
            forms.append(time.monotonic() - began)
    return forms


async def _heap(figure: Figure) -> None:
    peak = await _heap_peak(lambda board: asyncio.to_thread(fill, board.portal_url, ENTRIES))
    figure("portal_heap_peak", peak, "B")
    figure("portal_heap_peak.esp32_estimate", peak / WIDTH_RATIO, "B")
    figure("portal_heap_peak.c_portal", C_PORTAL, "B")
    figure("portal_heap_peak.improv", await _heap_peak(_by_improv), "B")


async def _by_improv(board: VirtualBoard) -> None:
    """Settings from an installer at the cable, with phones on the portal as well."""
    sent = b"".join(bytes((len(text),)) + text.encode() for text in (HOME.ssid, HOME.password))
    for command in (frames.NETWORKS, bytes((1, len(sent))) + sent):
        board.serial.type(frames.frame(frames.COMMAND, command))


async def _heap_peak(set_up: Callable[[VirtualBoard], Awaitable[None]]) -> float:
    """Bytes of Python's heap between the start and the least that was free."""
    with tempfile.TemporaryDirectory(prefix="mote-bench-") as folder:
        async with home(Path(folder)) as place:
            for ap in STREET:
                await place.world.add_access_point(replace(ap))
            board = await place.world.add_board(BoardSpec("board"))
            await board.power_on()
            await board.wait_for_log(contract.LOG_SETUP, 20)
            for _ in range(ROUNDS):
                phones = await asyncio.gather(*(ask(board, **BROWSER) for _ in range(PHONES)))
                assert all(answer.status == 200 for answer in phones)
            await set_up(board)
            line = await board.wait_for_log(contract.LOG_HEAP, 20)
            least = int(line.partition(contract.LOG_HEAP)[2].split()[0])
            return board.core.heap_at_start[0] - least
