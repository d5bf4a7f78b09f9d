"""The key that signs updates has a sealed copy, and whoever makes the key is reminded of it."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from motekit import places, sealed
from motekit.commands import doctor
from motekit.update import keys
from motekit.update.keys import KeyFileError

PASSPHRASE = "tulip gravel orbit mustard"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sealed, "_COST", 2**10)
    monkeypatch.setattr(places, "data", lambda: tmp_path / "home" / "mote")
    return tmp_path / "home" / "mote"


def reminders() -> list[bool]:
    return [one.found for one in doctor.look() if "signs updates" in one.what]


def test_a_new_key_comes_with_the_reminder(capsys: pytest.CaptureFixture[str]) -> None:
    assert reminders() == []
    keys.private_key()
    said = capsys.readouterr()
    assert "mote key export" in said.err and str(keys.key_file()) in said.err and not said.out
    keys.private_key()
    assert capsys.readouterr().err == ""
    assert reminders() == [False]


def test_an_exported_key_comes_back_where_there_is_none(tmp_path: Path, home: Path) -> None:
    made, copy = keys.private_key(), tmp_path / "copy"
    shown = keys.export(copy, PASSPHRASE)
    assert shown == keys.public_bytes(made) and reminders() == [True]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert b"PRIVATE" not in copy.read_bytes()
    pem = keys.key_file().read_bytes()
    for path in home.iterdir():
        path.unlink()
    with pytest.raises(KeyFileError, match="another passphrase"):
        keys.import_(copy, "another")
    assert not keys.key_file().exists()
    assert keys.import_(copy, PASSPHRASE) == shown
    assert keys.key_file().read_bytes() == pem and reminders() == [True]
    assert stat.S_IMODE(keys.key_file().stat().st_mode) == 0o600
    # The copy of another key is no copy of the one that is here.
    keys.key_file().unlink()
    keys.private_key()
    assert reminders() == [False]
    with pytest.raises(KeyFileError, match="another key already"):
        keys.import_(copy, PASSPHRASE)
    assert keys.key_file().read_bytes() != pem


def sealed_file(path: Path, content: bytes) -> Path:
    with path.open("wb") as out, sealed.Sealing(out, PASSPHRASE) as stream:
        stream.write(content)
    return path


def test_what_is_no_key_is_not_imported(tmp_path: Path) -> None:
    head = keys._EXPORTED
    bad = [
        sealed_file(tmp_path / "a", b"something else"),
        sealed_file(tmp_path / "b", head + b"no key"),
        sealed_file(tmp_path / "c", head + b"x" * 2**20),
        sealed_file(tmp_path / "d", b""),
        tmp_path / "e",
        tmp_path,
    ]
    bad[4].write_bytes(b"plain")
    for path in bad:
        with pytest.raises(KeyFileError):
            keys.import_(path, PASSPHRASE)
    assert not keys.key_file().exists()


def test_the_commands_export_and_import(tmp_path: Path) -> None:
    def mote(home: Path, *arguments: object, passphrase: str = PASSPHRASE) -> str:
        done = subprocess.run(
            [Path(sys.executable).with_name("mote"), "key", *map(str, arguments)],
            env={
                **os.environ,
                "XDG_DATA_HOME": str(home),
                "MOTE_BACKUP_PASSPHRASE": passphrase,
                "HOME": str(home),
            },
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return done.stdout + done.stderr if done.returncode else done.stdout

    first, second, file = tmp_path / "first", tmp_path / "second", tmp_path / "key.sealed"
    assert "there is no key for updates" in mote(first, "export", file)
    (first / "mote").mkdir(parents=True)
    key = keys.private_key(first / "mote" / keys.NAME)
    assert "at least 15" in mote(first, "export", file, passphrase="short")
    shown = json.loads(mote(first, "export", file, "--json"))["fingerprint"]
    assert shown == keys.fingerprint(keys.public_bytes(key))
    assert "exists already" in mote(first, "export", file)
    assert shown in mote(second, "import", file)
