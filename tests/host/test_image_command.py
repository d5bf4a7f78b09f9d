"""`mote image` as it is typed."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import flash_images
import pytest
from motekit import boards, image, places, update
from motekit.exits import DONE, FAILED, USAGE
from motekit.image import contents, webtools

MOTE = Path(sys.executable).with_name("mote")
CONFIG = {
    "version": 1,
    "id": "plant1",
    "wifi": [{"ssid": "Home", "password": "correct horse"}],
    "mqtt": {"host": "mqtt.local"},
}


class Place:
    """A folder to work in, with an image of MicroPython, a cache of its own and no colours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.firmware = folder / "firmware.bin"
        self.firmware.write_bytes(flash_images.synthetic())
        self.output = folder / "out.bin"

    def mote(self, *arguments: object) -> subprocess.CompletedProcess:
        environment = {
            **os.environ,
            "NO_COLOR": "1",
            "COLUMNS": "100",
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "XDG_DATA_HOME": str(self.folder / "data"),
        }
        return subprocess.run(
            [MOTE, *map(str, arguments)],
            capture_output=True, text=True, timeout=180, env=environment, cwd=self.folder,
        )  # fmt: skip

    def bring_tools(self) -> None:
        """What a page needs from npm, out of this machine's cache, into the one of this place."""
        webtools.files()
        cache = self.folder / "cache" / "mote"
        cache.mkdir(parents=True)
        for file in places.downloads().glob(f"{webtools.NAME}-*.tgz"):
            shutil.copy(file, cache)

    def image(self, *arguments: object) -> subprocess.CompletedProcess:
        return self.mote("image", "--firmware", self.firmware, "-o", self.output, *arguments)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_an_image_is_made_and_the_next_step_is_said(place: Place) -> None:
    made = place.image()
    assert made.returncode == DONE, made.stderr
    assert "Mote" in made.stdout and "MicroPython 1.27.0 for esp32-devkitc" in made.stdout
    assert f"esptool --chip esp32 write-flash 0 {place.output}" in made.stdout
    assert "\x1b" not in made.stdout + made.stderr
    assert contents.look(place.output.read_bytes()).board == "esp32-devkitc"
    first = place.output.read_bytes()
    assert place.image().returncode == DONE and place.output.read_bytes() == first


def test_the_image_as_json_has_the_parts_and_their_digests(place: Place) -> None:
    facts = json.loads(place.image("--json", "--flash-size", "8MB").stdout)
    assert facts["chip"] == "ESP32" and facts["flash_size"] == 8 << 20
    assert [(one["name"], one["offset"]) for one in facts["parts"]] == [
        ("micropython", 0x1000), ("files", 0x200000),
    ]  # fmt: skip
    assert facts["parts"][1]["size"] == 6 << 20
    assert all(re.fullmatch("[0-9a-f]{64}", one["sha256"]) for one in facts["parts"])
    assert place.output.stat().st_size == 8 << 20


def test_an_image_is_inspected_for_people_and_for_programs(place: Place) -> None:
    assert place.image().returncode == DONE
    shown = place.mote("image", "inspect", place.output)
    assert shown.returncode == DONE
    assert re.search(r"vfs +data +0x200000 +2097152", shown.stdout)
    assert re.search(r"^/main\.py +\d+$", shown.stdout, re.M)
    assert "MicroPython 1.27.0 for ESP32, Mote" in shown.stdout
    facts = json.loads(place.mote("image", "inspect", place.output, "--json").stdout)
    assert facts["micropython"] == "1.27.0" and facts["board"] == "esp32-devkitc"
    assert facts["partitions"][-1]["name"] == "vfs" and facts["files"]["/boot.py"]
    assert facts["files_at"]["size"] == 2 << 20 > facts["files_at"]["used"]
    shown = place.mote("image", "inspect", place.firmware)
    assert shown.returncode == DONE and "No files in it" in shown.stdout
    shown = place.mote("image", "inspect", MOTE)
    assert shown.returncode == FAILED and "not a MicroPython image" in shown.stderr
    shown = place.mote("image", "inspect", "nothing.bin")
    assert shown.returncode == FAILED and "nothing.bin cannot be read" in shown.stderr


def test_a_configuration_goes_along_and_its_secrets_stay_with_their_owner(place: Place) -> None:
    file = place.folder / "greenhouse.json"
    file.write_text(json.dumps(CONFIG))
    made = place.image("--config", file)
    assert made.returncode == DONE and "readable by you alone" in made.stdout
    assert place.output.stat().st_mode & 0o077 == 0
    assert b"correct horse" in place.output.read_bytes()
    shown = place.mote("image", "inspect", place.output)
    assert "/config.json" in shown.stdout
    assert "correct horse" not in made.stdout + made.stderr + shown.stdout
    assert place.image().returncode == DONE
    assert b"correct horse" not in place.output.read_bytes()


def test_a_wrong_configuration_is_refused_with_every_fault(place: Place) -> None:
    file = place.folder / "greenhouse.json"
    file.write_text(json.dumps({**CONFIG, "id": "a/b", "interval": -1}))
    refused = place.image("--config", file)
    assert refused.returncode == FAILED and not place.output.exists()
    assert re.search(r"^  id has a character .*\n  interval .* minimum of 1$", refused.stderr, re.M)
    file.write_text(json.dumps({**CONFIG, "mqtt": {"host": "x", "password": 12345678}}))
    refused = place.image("--config", file)
    assert "mqtt.password must be of the type string" in refused.stderr
    assert "12345678" not in refused.stderr
    file.write_text("{")
    assert "is not JSON" in place.image("--config", file).stderr
    assert "cannot be read" in place.image("--config", place.folder / "none.json").stderr


def test_a_password_of_the_setup_network_is_made_and_told(place: Place) -> None:
    made = place.image("--protect", "--mac", "24:0a:c4:00:00:10")
    password = re.search(r"for the password (\w{10})", made.stdout)
    assert password and "join IOT_240AC4000010" in made.stdout
    assert password[1].encode() in place.output.read_bytes()
    assert place.output.stat().st_mode & 0o077 == 0
    facts = json.loads(place.image("--portal-password", "long enough", "--json").stdout)
    assert facts["portal_password"] == "long enough"
    assert place.image("--portal-password", "short").returncode == FAILED


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--board", "xiao-esp32c3"), "for the chip ESP32, but XIAO ESP32C3 has an ESP32C3"),
        (("--board", "arduino"), "there is no board 'arduino'; there are: "),
        (("--flash-size", "2MB"), "flash of 2 MB is too small"),
        (("--flash-size", "huge"), "write it like 4MB"),
        (("--mac", "nonsense"), "is no MAC"),
        (("--config", "."), "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(place: Place, arguments, text: str) -> None:
    refused = place.image(*arguments)
    assert refused.returncode == FAILED and text in refused.stderr
    assert len(refused.stderr.splitlines()) == 1 and not place.output.exists()


def test_an_image_of_ones_own_is_named_when_it_is_wrong(place: Place) -> None:
    place.firmware.write_bytes(flash_images.synthetic(version="1.23.0"))
    refused = place.image()
    assert f"{place.firmware}: MicroPython 1.23.0 for ESP32 is too old" in refused.stderr


def test_without_the_internet_the_way_out_is_named(place: Place) -> None:
    refused = place.mote("image", "--source", "http://127.0.0.1:1", "-o", place.output)
    assert refused.returncode == FAILED
    last = refused.stderr.splitlines()[-1]
    pin = boards.micropython(boards.profile("esp32-devkitc"))
    assert f"http://127.0.0.1:1/{pin.file} cannot be reached" in last
    assert "--firmware FILE" in last and "\x1b" not in refused.stderr


def test_parts_and_their_list_are_made_for_wokwi(place: Place) -> None:
    folder = place.folder / "parts"
    made = place.mote("image", "--firmware", place.firmware, "--flasher-args", folder)
    assert made.returncode == DONE, made.stderr
    assert "Next: name it as `firmware` in a wokwi.toml" in made.stdout
    listed = json.loads((folder / "flasher_args.json").read_text())
    assert listed["flash_settings"] == {"flash_size": "4MB"}
    assert listed["flash_files"] == {"0x1000": "micropython.bin", "0x200000": "files.bin"}
    assert place.image().returncode == DONE
    whole = place.output.read_bytes()
    for offset, name in listed["flash_files"].items():
        data = (folder / name).read_bytes()
        start = int(offset, 16)
        assert whole[start : start + len(data)] == data
    both = place.image("--flasher-args", folder)
    assert both.returncode == USAGE and "one of --output" in both.stderr


def test_a_web_page_gets_manifest_and_parts_chip_by_chip(place: Place) -> None:
    place.bring_tools()
    folder = place.folder / "web"
    for chip in ("esp32", "esp32c3", "esp32"):
        place.firmware.write_bytes(flash_images.synthetic(chip))
        board = boards.default_for(chip).key
        made = place.mote("image", "--firmware", place.firmware, "--board", board, "--web", folder)
        assert made.returncode == DONE, made.stderr
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["name"] == "Mote" and manifest["version"]
    assert manifest["new_install_prompt_erase"] is False
    # The firmware speaks Improv: a page waits for it longer than a board takes to start.
    assert manifest["new_install_improv_wait_time"] >= 15
    assert [one["chipFamily"] for one in manifest["builds"]] == ["ESP32", "ESP32-C3"]
    for build in manifest["builds"]:
        flash = bytearray(b"\xff" * (4 << 20))
        for part in build["parts"]:
            data = (folder / part["path"]).read_bytes()
            flash[part["offset"] : part["offset"] + len(data)] = data
        # What such a page writes is what is flashed from here.
        found = image.read(bytes(flash))
        profile = boards.default_for(found.chip.lower())
        assert found.family == build["chipFamily"]
        runtime = image.read(flash_images.synthetic(profile.chip.lower()))
        key = update.public_bytes(update.private_key(place.folder / "data" / "mote" / update.NAME))
        assert flash == image.build(profile, runtime, key=key).whole()
    refused = place.mote(
        "image", "--firmware", place.firmware, "--protect", "--web", place.folder / "other"
    )
    assert refused.returncode == FAILED and "must not hold" in refused.stderr
    assert not (place.folder / "other").exists()


def openssl(*arguments: object, text: bytes = b"") -> bytes:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, check=True).stdout


def test_it_says_whose_updates_the_board_accepts(place: Place) -> None:
    # OpenSSL makes the keys and judges the fingerprints.
    def fingerprint(*key: object) -> str:
        der = openssl("pkey", *key, "-pubout", "-outform", "DER")
        return hashlib.sha256(der).hexdigest()

    public, private = place.folder / "public.pem", place.folder / "private.pem"
    private.write_bytes(openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
    public.write_bytes(openssl("pkey", "-in", private, "-pubout"))
    other = fingerprint("-in", private)
    made = place.image("--update-key", public)
    assert f"signed with the key SHA-256 {other}" in made.stdout
    assert f"key SHA-256 {other}" in place.mote("image", "inspect", place.output).stdout
    own_key = place.folder / "data" / "mote" / update.NAME
    assert not own_key.exists(), "a key of one's own is not needed"
    folder = place.folder / "board"
    made = place.mote("firmware", folder, "--update-key", public, "--json")
    assert json.loads(made.stdout)["update_key"] == other and not own_key.exists()

    made = place.image()
    mine = fingerprint("-in", own_key)
    assert f"SHA-256 {mine} ({own_key}): keep a copy" in made.stdout
    facts = json.loads(place.mote("image", "inspect", place.output, "--json").stdout)
    assert facts["update_key"] == mine != other

    made = place.image("--update-key", "none")
    assert "accepts no updates over the air" in made.stdout
    assert "Updates over the air: none" in place.mote("image", "inspect", place.output).stdout


def test_what_is_no_public_key_is_refused(place: Place) -> None:
    texts = {
        "rsa.pem": openssl("rsa", "-pubout", text=openssl("genrsa", "1024")),
        "private.pem": openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"),
        "nothing.pem": b"",
    }
    for name, text in texts.items():
        (place.folder / name).write_bytes(text)
    for name in [*texts, "missing.pem", "."]:
        refused = place.image("--update-key", name)
        assert refused.returncode == FAILED and name in refused.stderr, refused.stderr
        assert "Traceback" not in refused.stderr
    refused = place.mote("bundle", "a.bundle", "--unsigned")
    assert refused.returncode == USAGE and "--update-key" in refused.stderr


def test_a_page_of_ones_own_stays_and_the_tools_are_beside_it(place: Place) -> None:
    place.bring_tools()
    folder = place.folder / "web"
    made = place.mote("image", "--firmware", place.firmware, "--web", folder)
    assert made.returncode == DONE and "http.server" in made.stdout
    assert [line.split(",")[0] for line in made.stderr.splitlines()] == [
        "Made the key that signs updates"
    ]
    page = (folder / "index.html").read_text()
    assert 'manifest="manifest.json"' in page and "//" not in re.sub(
        r"http://(www\.w3|local)", "", page
    )
    assert (folder / "esp-web-tools" / "install-button.js").is_file()
    assert "Apache License" in (folder / "esp-web-tools" / "LICENSE").read_text()
    (folder / "index.html").write_text("my own")
    place.mote("image", "--firmware", place.firmware, "--web", folder)
    assert (folder / "index.html").read_text() == "my own"


def test_without_a_way_to_the_tools_of_the_page_it_is_said_what_to_do(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place.folder / "web"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:1/")
    refused = place.mote("image", "--firmware", place.firmware, "--web", folder)
    assert refused.returncode == FAILED and not folder.exists()
    last = refused.stderr.splitlines()[-1]
    assert (
        "http://127.0.0.1:1/esp-web-tools/-/esp-web-tools-" in last and "cannot be reached" in last
    )
    (kept,) = re.findall(r"put it at (\S+\.tgz)", last)
    # Whatever lies there is used only if it is what is pinned.
    Path(kept).write_bytes(b"something else")
    refused = place.mote("image", "--firmware", place.firmware, "--web", folder)
    assert refused.returncode == FAILED and "is damaged" in refused.stderr
    webtools.files()
    shutil.copy(places.downloads() / Path(kept).name, kept)
    assert place.mote("image", "--firmware", place.firmware, "--web", folder).returncode == DONE


def test_a_manifest_of_another_version_is_begun_anew(place: Place) -> None:
    place.bring_tools()
    folder = place.folder / "web"
    folder.mkdir()
    old = {"name": "Mote", "version": "0.0.1", "builds": [{"chipFamily": "ESP32-S3"}]}
    (folder / "manifest.json").write_text(json.dumps(old))
    made = place.mote("image", "--firmware", place.firmware, "--web", folder)
    assert made.returncode == DONE
    builds = json.loads((folder / "manifest.json").read_text())["builds"]
    assert [one["chipFamily"] for one in builds] == ["ESP32"]
