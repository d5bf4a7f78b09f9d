"""The official images: fetched once, gone on with after a cut, checked at every use; and read."""

import hashlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import flash_images
import pytest
from motekit import boards, image, places
from motekit.boards import MicroPython as Pin
from motekit.commands import runtimes
from motekit.image import ImageError, official
from rich.console import Console

DATA = flash_images.synthetic("esp32c6")
PIN = Pin(
    name="ESP32_GENERIC_C6",
    release="20251209-v1.27.0",
    sha256=hashlib.sha256(DATA).hexdigest(),
)
MB = 1 << 20


class Mirror(ThreadingHTTPServer):
    """A server of one file. `cuts` are byte counts after which it hangs up, one a request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.data = DATA
        self.cuts: list[int] = []
        self.ranges = True
        self.status = 200
        self.asked: list[str | None] = []

    @property
    def source(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/firmware"


class Answer(BaseHTTPRequestHandler):
    """Answers GET with the file or the part that is asked for."""

    server: Mirror

    def do_GET(self) -> None:
        mirror = self.server
        asked = self.headers["Range"]
        mirror.asked.append(asked)
        if mirror.status != 200 or self.path != f"/firmware/{PIN.file}":
            self.send_error(mirror.status if mirror.status != 200 else 404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and mirror.ranges else 0
        if start >= len(mirror.data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(mirror.data) - start))
        self.end_headers()
        cut = mirror.cuts.pop(0) if mirror.cuts else len(mirror.data)
        self.wfile.write(mirror.data[start : start + cut])

    def log_message(self, *_: object) -> None:
        """Nothing: pytest shows what fails."""


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


class Fetching:
    """Fetches into a folder and notes what a person would see."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self.source = source
        self.said: list[str] = []
        self.steps: list[tuple[int, int | None]] = []

    def __call__(self, pin: Pin = PIN) -> official.Official:
        self.said.clear()
        self.steps.clear()
        return official.fetch(
            pin,
            source=self.source,
            folder=self.folder,
            say=self.said.append,
            progress=lambda *step: self.steps.append(step),
        )


@pytest.fixture
def fetch(tmp_path: Path, mirror: Mirror) -> Fetching:
    return Fetching(tmp_path, mirror.source)


def test_an_image_is_fetched_once_with_its_progress_and_kept(fetch, mirror) -> None:
    got = fetch()
    assert got.path.read_bytes() == DATA and got.pinned and got.sha256 == PIN.sha256
    assert fetch.said == [f"Fetching {mirror.source}/{PIN.file}"]
    assert fetch.steps[-1] == (len(DATA), len(DATA))
    assert fetch.steps == sorted(fetch.steps)
    assert fetch() == got and not fetch.said and len(mirror.asked) == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_the_download_has_a_bar_on_a_terminal_and_none_in_a_log(
    tmp_path, mirror, monkeypatch, terminal: bool
) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, width=100)
    monkeypatch.setattr(runtimes.terminal, "console", lambda **_: console)
    monkeypatch.setattr(places, "downloads", lambda: tmp_path)
    profile = boards.default_for("esp32c6").model_copy(update={"micropython": PIN})
    runtimes.obtain(profile, None, mirror.source)
    whole = len(DATA) / 1e3
    assert (f"{whole:.1f}/{whole:.1f} kB" in shown.getvalue()) == terminal
    assert ("MB/s" in shown.getvalue()) == terminal


def test_a_download_that_is_cut_goes_on_where_it_was(fetch, mirror) -> None:
    mirror.cuts = [10_000, 20_000]
    assert fetch().path.read_bytes() == DATA
    assert mirror.asked == [None, "bytes=10000-", "bytes=30000-"]
    assert (len(DATA), len(DATA)) in fetch.steps
    assert fetch.steps == sorted(fetch.steps)


def test_a_cut_for_good_is_told_and_the_next_run_goes_on(fetch, mirror) -> None:
    mirror.cuts = [10_000, 0]
    with pytest.raises(ImageError, match=r"broke off after 10000 bytes .*Run the command again"):
        fetch()
    assert not (fetch.folder / PIN.file).exists()
    mirror.asked.clear()
    assert fetch().path.read_bytes() == DATA
    assert mirror.asked == ["bytes=10000-"]
    assert fetch.said == [f"Going on with {mirror.source}/{PIN.file}"]
    assert [file.name for file in fetch.folder.iterdir()] == [PIN.file]


def test_a_server_without_ranges_is_asked_for_the_whole(fetch, mirror) -> None:
    mirror.cuts = [10_000]
    mirror.ranges = False
    assert fetch().path.read_bytes() == DATA


@pytest.mark.parametrize("rest", [b"rubbish", DATA, DATA + b"more"])
def test_whatever_an_earlier_run_left_ends_in_the_right_image(fetch, mirror, rest) -> None:
    (fetch.folder / f"{PIN.file}.part").write_bytes(rest)
    assert fetch().path.read_bytes() == DATA
    assert len(mirror.asked) == (1 if rest == DATA else 2)


def test_an_image_with_another_digest_is_refused_and_not_kept(fetch, mirror) -> None:
    mirror.data = DATA.replace(b"MicroPython", b"MacroPython")
    other = hashlib.sha256(mirror.data).hexdigest()
    with pytest.raises(ImageError, match=f"{other}, not {PIN.sha256}.*--firmware FILE"):
        fetch()
    assert not list(fetch.folder.iterdir())


def test_a_damaged_cache_is_noticed_and_fetched_anew(fetch, mirror) -> None:
    path = fetch().path
    path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    assert fetch().path.read_bytes() == DATA and len(mirror.asked) == 2
    assert "has the digest" in fetch.said[0] and "fetched anew" in fetch.said[0]


def test_without_a_pinned_digest_the_checksums_inside_are_trusted_and_it_says_so(
    fetch, mirror
) -> None:
    pin = PIN.model_copy(update={"sha256": None})
    got = fetch(pin)
    assert not got.pinned and got.sha256 == PIN.sha256
    got.path.write_bytes(DATA[:0x10100] + b"\1\2" + DATA[0x10102:])
    assert fetch(pin).path.read_bytes() == DATA
    assert "not a whole image. It is fetched anew" in fetch.said[0]
    got.path.unlink()
    mirror.data = b"<html>Log in to the WiFi of this hotel</html>"
    with pytest.raises(ImageError, match=r"not a whole image.*login page"):
        fetch(pin)


def test_without_the_internet_it_says_what_to_download_where(tmp_path) -> None:
    fetch = Fetching(tmp_path, "http://127.0.0.1:1/firmware")
    with pytest.raises(ImageError, match=rf"1/firmware/{PIN.file} cannot be reached.*online\?"):
        fetch()
    with pytest.raises(ImageError, match="--firmware FILE"):
        Fetching(tmp_path, "http://nowhere.invalid")()


@pytest.mark.parametrize("status", [404, 503])
def test_what_the_server_answers_is_told(fetch, mirror, status) -> None:
    mirror.status = status
    with pytest.raises(ImageError, match=rf"answers {status} .*--firmware FILE"):
        fetch()


@pytest.mark.parametrize("chip", flash_images.CLASSES)
def test_an_image_tells_its_chip_version_and_place(chip: str) -> None:
    data = flash_images.synthetic(chip)
    found = image.read(data)
    assert found.chip.lower() == chip and found.version == "1.27.0"
    assert found.offset == (0x1000 if chip == "esp32" else 0)
    assert found.family in ("ESP32", "ESP32-S3", "ESP32-C3", "ESP32-C6")
    # Read from a board, it begins with the first byte of the flash.
    whole = image.read(b"\xff" * found.offset + data)
    assert (whole.chip, whole.offset) == (found.chip, 0)


def test_the_place_of_the_files_is_read_from_the_table_and_the_flash() -> None:
    new = image.read(flash_images.synthetic())
    old = image.read(flash_images.synthetic(version="1.24.1", table=flash_images.WITH_FILES))
    for size, new_size in ((4 * MB, 2 * MB), (8 * MB, 6 * MB), (16 * MB, 14 * MB)):
        assert new.file_system(size) == image.Region(2 * MB, new_size)
        assert old.file_system(size) == image.Region(2 * MB, 2 * MB)
    for one in (new, old):
        with pytest.raises(ImageError, match=r"flash of 2 MB is too small.*--flash-size"):
            one.file_system(2 * MB)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "not a MicroPython image"),
        (b"PK\3\4" + bytes(1000), "not a MicroPython image"),
        (bytes(4 * MB), "not a MicroPython image"),
        (b"\xff" * 4 * MB, "not a MicroPython image"),
        (flash_images.synthetic(banner="Arduino {}"), "not a MicroPython image"),
        (flash_images.synthetic()[:0x7000], "not a MicroPython image"),
        (flash_images.synthetic("esp32c3")[:0x10000], "not a MicroPython image"),
        (flash_images.synthetic()[:-40], "damaged .*download it again"),
        (flash_images.synthetic(version="1.23.0"), "1.23.0 for ESP32 is too old.*1.24 or later"),
        (flash_images.synthetic(version="1.9.4"), "too old"),
    ],
)
def test_what_is_no_usable_image_is_told_by_its_fault(data: bytes, text: str) -> None:
    with pytest.raises(ImageError, match=text):
        image.read(data)


@pytest.mark.parametrize("place", [0x40, 0x8010, 0x8070, 0x10040])
def test_a_damaged_byte_is_noticed_wherever_it_is(place: int) -> None:
    data = bytearray(flash_images.synthetic("esp32s3"))
    data[place] ^= 1
    with pytest.raises(ImageError, match="damaged"):
        image.read(bytes(data))


def test_the_official_images_at_hand_are_those_that_are_pinned() -> None:
    pins = {boards.micropython(one).file: one for one in boards.profiles().values()}
    assert {pin.rpartition("-v")[2] for pin in pins} == {"1.27.0.bin"}
    for file in flash_images.official():
        profile = pins[file.name]
        data = file.read_bytes()
        expected = boards.micropython(profile).sha256
        assert expected in (None, hashlib.sha256(data).hexdigest())
        assert image.read(data).chip == profile.chip


def test_an_image_that_nobody_pinned_is_told_with_its_digest_and_where_to_pin_it(
    tmp_path, mirror, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(places, "downloads", lambda: tmp_path)
    unpinned = PIN.model_copy(update={"sha256": None})
    profile = boards.default_for("esp32c6").model_copy(update={"micropython": unpinned})
    assert runtimes.obtain(profile, None, mirror.source).chip == "ESP32C6"
    said = capsys.readouterr().err
    assert f"no pinned digest; this one has {PIN.sha256}" in said
    assert said.rstrip().endswith("esp32-c6-devkitc.toml")
