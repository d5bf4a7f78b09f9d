"""Files and answers that are damaged, huge or nested without end are told, never a traceback."""

import zipfile
from pathlib import Path

import pytest
from motekit import update
from motekit.firmware import factory
from motekit.flash import content
from motekit.image import contents, web
from motekit.provision import journal, settings
from motekit.provision.device import Device
from motekit.serial.remote import RemoteError

NESTED = b"[" * 100_000


@pytest.mark.parametrize(
    ("manifest", "stream"),
    [
        (NESTED, b""),
        (b"{", b""),
        (b"[]", b""),
        (b'{"mote": NaN}', b""),
        (b'{"mote": 1, "mote": 2}', b""),
        (b"{}", b"\0" * (17 << 20)),
        (b" " * 20_000, b""),
    ],
)
def test_a_bundle_that_is_none(tmp_path: Path, manifest: bytes, stream: bytes) -> None:
    file = tmp_path / "x.bundle"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", manifest)
        archive.writestr("signature", "00" * 64)
        archive.writestr("stream", stream)
    # What unpacks to 17 MB is small itself.
    assert file.stat().st_size < 100_000
    with pytest.raises(update.BundleError, match=r"x\.bundle is "):
        update.read(file)


@pytest.mark.parametrize("data", [NESTED, b"", b"[]", b"\xff", b'{"key": "\\ud800"}', b"5"])
def test_files_of_a_board(data: bytes) -> None:
    assert factory.password(data) == ""
    assert content._key(data) == ""
    assert contents._board({"/app_a/mote/board.json": data}) == ""


def test_files_beside_ours(tmp_path: Path) -> None:
    file = tmp_path / "class.journal.json"
    for data in (NESTED, b"{", b"[5]", b'[{"mac": 1}]', b"\xff", b'[{"mac": "a", "mac": "b"}]'):
        file.write_bytes(data)
        with pytest.raises(journal.JournalError, match="restore it, or remove it"):
            journal.read(file)
        with pytest.raises(settings.SettingsError, match=r"journal\.json"):
            settings.read(file)
        (tmp_path / web.MANIFEST).write_bytes(data)
        assert web._builds(tmp_path, {"version": "1"}) == []


def test_what_a_board_prints_is_not_trusted() -> None:
    class Answers:
        def __init__(self, *lines: str) -> None:
            self.lines = lines

        def run(self, _: str) -> str:
            return "\n".join(self.lines)

    told = Device("/dev/x", Answers('{"setup": "a"}', "{" * 100_000, "{NaN"))  # type: ignore[arg-type]
    assert told.setup_password() == "a"
    with pytest.raises(RemoteError, match="says nothing to the point"):
        Device("/dev/x", Answers("{" * 100_000)).setup_password()  # type: ignore[arg-type]
