"""Restoring a backup is not running a stranger's program, and a failed restore changes nothing.

The archives are written by Python's `tarfile` and `gzip`; what Compose would make of the settings
is said by Compose itself in `tests/stack`.
"""

import gzip
import json
import random
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import backup_files
import pytest
from backup_files import (
    ScriptedCompose,
    changed,
    entries_of,
    file,
    new_installation,
    packed,
    prepare,
    seal,
    special,
    tree,
)  # fmt: skip
from motekit import certificates, private_files, sealed
from motekit.stack import backup, restore, settings
from motekit.stack.compose import Compose, StackError
from motekit.stack.installation import DOCKER, Installation

sys.path.insert(0, str(Path(__file__).parents[1] / "soak"))

import trust_backup

PASSPHRASE = "tulip gravel orbit mustard"
WHERE = "mote.backup"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing is not what is tested here, and nobody waits for the disk."""
    monkeypatch.setattr(sealed, "_COST", 2**10)
    monkeypatch.setattr(private_files.os, "fsync", lambda _: None)


@pytest.fixture
def original(tmp_path: Path) -> Installation:
    return new_installation(tmp_path / "original" / "state", "plant1", "plant2")


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    """An installation that is somewhere else, without accounts of devices."""
    made = new_installation(tmp_path / "here" / "state")
    made._set("MOTE_GRAFANA_PORT", "3001")
    return made


def refused(tmp_path: Path, content: bytes, here: Installation, match: str) -> None:
    """The archive is refused with `match`, and not one file in the world is another."""
    source = tmp_path / WHERE
    source.write_bytes(content)
    before = tree(tmp_path)
    with pytest.raises(StackError, match=match) as caught:
        prepare(source, here)
    assert str(source) in str(caught.value)
    assert tree(tmp_path) == before


def test_what_was_backed_up_comes_back(tmp_path: Path, original: Installation) -> None:
    source = tmp_path / WHERE
    source.write_bytes(seal(packed(entries_of(original)), PASSPHRASE))
    empty = Installation(tmp_path / "empty" / "state")
    prepared = prepare(source, empty, PASSPHRASE)
    assert prepared.is_sealed and prepared.left_out == [] and prepared.returning == []
    compose = ScriptedCompose()
    aside = restore.apply(prepared, empty, compose, lambda _: None, lambda: empty.make() and None)
    assert aside is None
    assert compose.calls == ["start influxdb", "wait influxdb", "inside influxdb"]
    again, was = tree(empty.state), tree(original.state)
    # Boards are asked for what came after the backup.
    assert was.pop("data/refill/losses") != again["data/refill/losses"]
    for name, content in was.items():
        if name.startswith(("secrets", "authority", "certificates", "data", "mosquitto")):
            assert again[name] == content, name
    assert empty.settings() == original.settings()
    assert int(empty.losses.read_text()) == backup_files.MADE - 60
    assert not empty.exposed()
    assert [path.name for path in empty.state.parent.iterdir()] == ["state"]


def test_a_plain_file_is_refused_where_a_passphrase_is_given(
    tmp_path: Path, original: Installation, here: Installation
) -> None:
    source = tmp_path / WHERE
    source.write_bytes(packed(entries_of(original)))
    before = tree(tmp_path)
    with pytest.raises(StackError, match=r"not sealed.*MOTE_BACKUP_PASSPHRASE"):
        prepare(source, here, PASSPHRASE)
    assert tree(tmp_path) == before


LINES = {
    "TELEGRAF_IMAGE=evil.example/root:1": "TELEGRAF_IMAGE",
    "MOSQUITTO_IMAGE=evil:1": "MOSQUITTO_IMAGE",
    "MOTE_PROFILE=../../../tmp/evil": "MOTE_PROFILE",
    "MOTE_LOG_SHIPPER=/../../../../tmp/evil": "MOTE_LOG_SHIPPER",
    "MOTE_WEB_CERTIFICATE=x}${IFS}": "MOTE_WEB_CERTIFICATE",
    "MOTE_DOCKER_SOCKET=/": "",
    "MOTE_USER=0:0": "",
    "MOTE_DOCKER_GROUP=0": "",
    "MOTE_MQTT_ADDRESS=0.0.0.0": "MOTE_MQTT_ADDRESS",
    "MOTE_GRAFANA_ADDRESS=::": "MOTE_GRAFANA_ADDRESS",
    "MOTE_MQTT_PORT=0.0.0.0:1883": "MOTE_MQTT_PORT",
    "MOTE_HTTPS_PORT=99999": "MOTE_HTTPS_PORT",
    "MOTE_INFLUXDB_MEMORY=1T; rm": "MOTE_INFLUXDB_MEMORY",
    "MOTE_FLEET=1000": "MOTE_FLEET",
    "SMTP_USER=${AWS_SECRET_ACCESS_KEY}": "SMTP_USER",
    'ALERT_EMAIL="a': "ALERT_EMAIL",
    "SMTP_PASSWORD=${HOME:?x}": "SMTP_PASSWORD",
    "ALERT_WEBHOOK=file:///etc/passwd": "ALERT_WEBHOOK",
    "COMPOSE_PROJECT_NAME=other": "COMPOSE_PROJECT_NAME",
    "COMPOSE_FILE=/tmp/evil.yaml": "COMPOSE_FILE",
    "export MOSQUITTO_IMAGE=evil:1": "export MOSQUITTO_IMAGE",
    "MOSQUITTO_IMAGE: evil:1": "MOSQUITTO_IMAGE",
    "MOTE_STATE=/": "MOTE_STATE",
    "LD_PRELOAD=/tmp/evil.so": "LD_PRELOAD",
    "ALERT_TELEGRAM_CHAT=1\x0bMOSQUITTO_IMAGE=evil:1": "ALERT_TELEGRAM_CHAT",
    "ALERT_TELEGRAM_CHAT=1\u2028MOSQUITTO_IMAGE=evil:1": "ALERT_TELEGRAM_CHAT",
}


@pytest.mark.parametrize("line", LINES)
def test_settings_of_a_backup_choose_no_image_path_or_address(
    tmp_path: Path, original: Installation, here: Installation, line: str
) -> None:
    source = tmp_path / WHERE
    added = f"\n{line}\n".encode()
    source.write_bytes(changed(entries_of(original), "settings.env", lambda old: old + added))
    prepared = prepare(source, here)
    mine = here.settings()
    found = prepared.fresh.settings()
    assert found.keys() <= settings.SETTINGS.keys() and not settings.problems(found)
    assert "evil" not in prepared.fresh.settings_file.read_text()
    for key in ("MOTE_USER", "MOTE_DOCKER_SOCKET", "MOTE_DOCKER_GROUP", *settings.ADDRESSES):
        assert found.get(key) == mine.get(key), key
    told = " ".join(prepared.left_out)
    assert LINES[line] in told and bool(told) == bool(LINES[line])


def test_settings_that_any_machine_may_have_are_taken(
    tmp_path: Path, original: Installation, here: Installation
) -> None:
    wanted = {
        "MOTE_MQTT_PORT": "11883", "MOTE_PROFILE": "full", "MOTE_LOG_SHIPPER": "alloy",
        "MOTE_NAMES": "broker.example.org,192.0.2.7,fd00::1", "SMTP_HOST": "mail.example.org:587",
        "SMTP_PASSWORD": "p$a ss#word'", "ALERT_EMAIL": "a@example.org;b@example.org",
        "ALERT_WEBHOOK": "https://example.org/hook?x=1#y", "MOTE_INFLUXDB_MEMORY": "512m",
    }  # fmt: skip
    for key, value in wanted.items():
        original._set(key, value)
    original._set("MOTE_GRAFANA_PORT", '"3003"')
    with original.settings_file.open("a") as out:
        out.write((DOCKER / "raspberry-pi.env").read_text())
    source = tmp_path / WHERE
    source.write_bytes(packed(entries_of(original)))
    prepared = prepare(source, here)
    assert prepared.left_out == []
    found = prepared.fresh.settings()
    assert {key: found[key] for key in wanted} == {**wanted, "MOTE_INFLUXDB_MEMORY": "1G"}
    assert found["MOTE_GRAFANA_PORT"] == "3003"
    assert found["MOTE_INFLUXDB_CACHE_BYTES"] == "268435456"


NAMES = [
    "../evil", "/evil", "secrets/../../evil", "secrets/owner/../../../evil", "./../evil", "..",
    "secrets//evil", "secrets/./evil", "", "a\\..\\evil", "secrets/owner/mqtt_password\n",
    "secrets/\u2024\u2024/evil", "secrets/owner/mqtt_password\u200b", "e\u0301vil",
    "\uff0e\uff0e/evil",
    "a" * 300, "a/" * 130 + "a", "C:/evil", "~/evil", "$HOME/evil", "secrets/owner/evil\x00.txt",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leaves_its_folder_is_refused(
    tmp_path: Path, original: Installation, here: Installation, name: str
) -> None:
    for evil in (file(name), special(name, tarfile.DIRTYPE)):
        if name in ("", "secrets/owner/evil\x00.txt"):
            continue
        refused(tmp_path, packed([*entries_of(original), evil]), here, "name|twice|damaged")


KINDS = {
    "symbolic link": (tarfile.SYMTYPE, "/etc"),
    "hard link": (tarfile.LNKTYPE, "settings.env"),
    "character device": (tarfile.CHRTYPE, ""),
    "block device": (tarfile.BLKTYPE, ""),
    "named pipe": (tarfile.FIFOTYPE, ""),
    "contiguous file": (tarfile.CONTTYPE, ""),
    "sparse file": (tarfile.GNUTYPE_SPARSE, ""),
    "long name": (tarfile.GNUTYPE_LONGNAME, ""),
    "long link": (tarfile.GNUTYPE_LONGLINK, ""),
    "global header": (tarfile.XGLTYPE, ""),
    "unknown": (b"Z", ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_files_and_folders_are_taken(
    tmp_path: Path, original: Installation, here: Installation, kind: str
) -> None:
    code, target = KINDS[kind]
    entries = entries_of(original)
    name = "data/influxdb/backup/evil"
    for place in (1, len(entries)):
        evil = [*entries[:place], special(name, code, target), *entries[place:]]
        refused(tmp_path, packed(evil), here, "no backup has|damaged")


def test_a_link_is_not_followed_by_a_later_file(
    tmp_path: Path, original: Installation, here: Installation
) -> None:
    entries = entries_of(original)
    link = special("data/influxdb/backup/x", tarfile.SYMTYPE, str(tmp_path))
    evil = [entries[0], link, file("data/influxdb/backup/x/evil"), *entries[1:]]
    refused(tmp_path, packed(evil), here, "symbolic link")


@pytest.mark.parametrize(
    "second", ["settings.env", "Settings.env", "secrets/owner/mqtt_password", "backup.json"]
)
def test_a_name_comes_once(
    tmp_path: Path, original: Installation, here: Installation, second: str
) -> None:
    refused(tmp_path, packed([*entries_of(original), file(second)]), here, "twice")


@pytest.mark.parametrize(
    ("key", "value"),
    [("GNU.sparse.major", "1"), ("GNU.sparse.map", "0,1"), ("linkpath", "/etc/passwd"),
     ("SCHILY.xattr.user.x", "y"), ("hdrcharset", "BINARY"), ("comment", "x" * 20_000),
     ("size", "99999999999999"), ("size", "-1"), ("path", "../evil"), ("path", "/evil")],
)  # fmt: skip
def test_an_extended_header_changes_nothing_but_names_and_sizes_of_files(
    tmp_path: Path, original: Installation, here: Installation, key: str, value: str
) -> None:
    entry, content = file("data/influxdb/backup/evil")
    entry.pax_headers = {key: value}
    evil = [*entries_of(original), (entry, content)]
    refused(tmp_path, packed(evil), here, "header|damaged|cut off|name")


def test_long_names_of_the_databases_copy_are_taken(
    tmp_path: Path, original: Installation, here: Installation
) -> None:
    name = f"data/influxdb/backup/20261201T120000Z.{'1' * 90}.tar.gz"
    source = tmp_path / WHERE
    source.write_bytes(packed([*entries_of(original), file(name)]))
    prepared = prepare(source, here)
    assert (prepared.fresh.state / name).read_bytes() == b"content" and not prepared.left_out


def test_a_bomb_is_refused_before_it_fills_the_disk(
    tmp_path: Path, original: Installation, here: Installation
) -> None:
    zeros = (b"\0\xb5\0mosquitto db" + bytes(2**20)).ljust(200 * 2**20, b"\0")
    bomb = changed(entries_of(original), "data/mosquitto/mosquitto.db", zeros)
    assert len(bomb) < 2 * 2**20
    refused(tmp_path, bomb, here, "times its size")
    large = changed(entries_of(original), "settings.env", b"#" * 100_000)
    refused(tmp_path, large, here, "too much")
    many = packed([*entries_of(original), *(file(f"x/{n}", b"") for n in range(2_000))])
    limit = restore._ENTRIES_MAX
    restore._ENTRIES_MAX = 1_500
    try:
        refused(tmp_path, many, here, "more than 1500 files")
    finally:
        restore._ENTRIES_MAX = limit


def test_something_behind_the_end_is_noticed(
    tmp_path: Path, original: Installation, here: Installation
) -> None:
    whole = packed(entries_of(original))
    for more in (b"x", whole, bytes(600)):
        refused(tmp_path, whole + more, here, "behind its end")
    refused(tmp_path, gzip.compress(gzip.decompress(whole) + b"x" * 512), here, "behind its end")
    for length in (0, 5, len(whole) // 2, len(whole) - 1):
        refused(tmp_path, whole[:length], here, "cut off")


BAD = {
    "backup.json": [b"[]", b"{}", b"[" * 50_000, b'{"format": 1, "made": 1e300}', b"\xff",
                    b'{"format": 2, "mote": "\\u001b[2J", "made": 1}',
                    b'{"format": 1, "made": true}', b'{"format": 1, "made": 99999999999}'],
    "settings.env": [b"", b"\xff\xfe", b"MOTE_NAMES=../x\n", b"MOTE_NAMES=a b\n", b"MOTE_NAMES="],
    "mosquitto/accounts.json": [
        b"{}", b"[]", b'{"clients": 1}', b'{"clients": [1]}', b'{"clients": [{"username": {}}]}',
        json.dumps({"clients": [{"username": "../x", "iterations": 101, "salt": "A" * 16,
                                 "password": "A" * 86 + "=="}]}).encode(),
        json.dumps({"clients": [{"username": "telegraf-readings", "iterations": 101,
                                 "salt": "A" * 16, "password": "A" * 86 + "=="}]}).encode(),
        json.dumps({"clients": [{"username": "plant1", "iterations": 10**9, "salt": "A" * 16,
                                 "password": "A" * 86 + "=="}]}).encode(),
        json.dumps({"clients": [{"username": "plant1", "iterations": 101, "salt": "A\nB",
                                 "password": "A" * 86 + "=="}]}).encode(),
    ],
    "authority/ca.crt": [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
    "authority/ca.key": [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"],
    "certificates/server.crt": [b"x"],
    "certificates/server.key": [b"x"],
    "secrets/owner/mqtt_password": [b"", b"a b c d e f", b"good-password\n-h evil.example",
                                    b"-Pevil12", b"x" * 5_000, b"\xff" * 20],
    "secrets/owner/health_password": [b"12345678\n--will-topic x"],
    "secrets/telegraf/influxdb_token": [b"", b"a\nb\nc\nd\ne\nf", b'"$(evil)"'],
    "secrets/grafana/smtp_password": [b"a\nb"],
    "secrets/fleet/accounts.csv": [b"../x,aaaaaaaaaa\n", b"owner,aaaaaaaaaaaa\n", b"fleet-01,\n"],
    "data/mosquitto/mosquitto.db": [b"no database of the broker"],
    "data/grafana/grafana.db": [b"no database of Grafana"],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_files_are_what_their_names_say(
    tmp_path: Path, original: Installation, here: Installation, name: str
) -> None:
    for content in BAD[name]:
        refused(tmp_path, changed(entries_of(original), name, content), here, "cannot be restored")


@pytest.mark.parametrize("name", restore._NEEDED)
def test_a_backup_that_lacks_something_is_none(
    tmp_path: Path, original: Installation, here: Installation, name: str
) -> None:
    entries = [one for one in entries_of(original) if one[0].name != name]
    refused(tmp_path, packed(entries), here, f"lacks {name}")


def test_files_that_no_backup_has_are_left_out_and_told(
    tmp_path: Path, original: Installation, here: Installation
) -> None:
    strange = [
        "compose.override.yaml", "secrets/owner/.netrc", "images.json", "data/x", ".env",
        "mosquitto/health/mosquitto_sub", "data/influxdb/influxd.bolt", "traefik/users",
    ]  # fmt: skip
    entries = [one for one in entries_of(original) if one[0].name != strange[5]]
    source = tmp_path / WHERE
    source.write_bytes(packed([*entries, *(file(name, b"evil") for name in strange)]))
    prepared = prepare(source, here)
    assert "evil" not in str(tree(prepared.fresh.state)).replace(WHERE, "")
    assert {one.removeprefix("the file ") for one in prepared.left_out} == {*strange} - {strange[5]}


def test_accounts_that_come_back_are_named(
    tmp_path: Path, original: Installation, here: Installation
) -> None:
    here.accounts.add(["plant2", "plant3"])
    source = tmp_path / WHERE
    source.write_bytes(packed(entries_of(original)))
    prepared = prepare(source, here)
    assert prepared.returning[:1] == ["plant1"] and "plant3" not in prepared.returning
    assert "plant2" in prepared.older


def test_a_backup_that_is_not_sealed_has_no_key_of_the_authority(
    tmp_path: Path, original: Installation
) -> None:
    (original.data / "influxdb" / "backup" / "x").write_bytes(b"")

    class Running(ScriptedCompose):
        def inside(self, service: str, script: str) -> str:
            original.data.joinpath("influxdb/backup").mkdir(exist_ok=True)
            original.data.joinpath("influxdb/backup/20261201T120000Z.manifest").write_bytes(b"{}")
            return ""

    compose = Running(("influxdb",))
    plain, closed = tmp_path / "plain", tmp_path / "closed"
    backup.make(original, compose, plain, "", lambda _: None)  # type: ignore[arg-type]
    backup.make(original, compose, closed, PASSPHRASE, lambda _: None)  # type: ignore[arg-type]
    with tarfile.open(plain) as tar:
        names = tar.getnames()
    assert "authority/ca.crt" in names and "authority/ca.key" not in names
    key = (original.authority / "ca.key").read_bytes()
    elsewhere = Installation(tmp_path / "elsewhere" / "state")
    prepared = prepare(closed, elsewhere, PASSPHRASE)
    assert (prepared.fresh.authority / "ca.key").read_bytes() == key
    prepared.discard()
    # On the machine that made it, the key that is there stays.
    prepared = prepare(plain, original)
    assert (prepared.fresh.authority / "ca.key").read_bytes() == key
    prepared.discard()
    # Elsewhere the certificate of the broker goes on, and the authority is never replaced.
    prepared = prepare(plain, elsewhere)
    fresh = prepared.fresh
    assert not certificates.can_issue(fresh.authority)
    before = tree(fresh.authority), tree(fresh.certificates)
    fresh.make()
    assert (tree(fresh.authority), tree(fresh.certificates)) == before


def test_the_authority_of_another_machine_gets_no_key_of_this_one(
    tmp_path: Path, original: Installation, here: Installation
) -> None:
    source = tmp_path / WHERE
    source.write_bytes(packed(entries_of(original, has_key=False)))
    assert not certificates.can_issue(prepare(source, here).fresh.authority)
    foreign = (here.authority / "ca.key").read_bytes()
    mixed = changed(entries_of(original), "authority/ca.key", foreign)
    restore.prepare(source, here, "", False, lambda _: None).discard()
    refused(tmp_path, mixed, here, "do not belong together")


@pytest.mark.parametrize(
    "fails_at", ["stop", "start influxdb", "wait", "inside", "finish", "interrupted"]
)
def test_a_restore_that_fails_leaves_the_old_installation(
    tmp_path: Path, original: Installation, here: Installation, fails_at: str
) -> None:
    source = tmp_path / WHERE
    source.write_bytes(packed(entries_of(original)))
    before = tree(tmp_path)
    prepared = prepare(source, here)
    compose = ScriptedCompose(("influxdb", "telegraf"), fails_at)

    def finish() -> None:
        if fails_at == "interrupted":
            raise KeyboardInterrupt
        if fails_at == "finish":
            raise StackError("not healthy: grafana")

    with pytest.raises((StackError, KeyboardInterrupt)) as caught:
        restore.apply(prepared, here, compose, lambda _: None, finish)
    prepared.discard()
    if fails_at != "interrupted":
        assert "what was here before is back" in str(caught.value)
    assert tree(tmp_path) == before
    assert {"influxdb", "telegraf"} <= set(compose.running)


def test_a_restore_that_fails_on_an_empty_machine_leaves_nothing(
    tmp_path: Path, original: Installation
) -> None:
    source = tmp_path / WHERE
    source.write_bytes(packed(entries_of(original)))
    empty = Installation(tmp_path / "empty" / "state")
    for fails_at in ("start influxdb", "inside"):
        prepared = prepare(source, empty)
        with pytest.raises(StackError, match="nothing was changed"):
            restore.apply(
                prepared, empty, ScriptedCompose(fails_at=fails_at), lambda _: None, lambda: None
            )
        assert list(empty.state.parent.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import backup_files
from motekit.stack import restore
from motekit.stack.installation import Installation

class Compose(backup_files.ScriptedCompose):
    def _called(self, what):
        super()._called(what)
        if what.startswith(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)

here = Installation(Path(sys.argv[3]))
prepared = backup_files.prepare(Path(sys.argv[2]), here)
restore.apply(prepared, here, Compose(("influxdb",)), lambda _: None, lambda: None)
"""


@pytest.mark.parametrize("moment", ["stop", "start influxdb", "inside"])
def test_a_killed_restore_is_undone_by_the_next_command(
    tmp_path: Path, original: Installation, here: Installation, moment: str
) -> None:
    source = tmp_path / WHERE
    source.write_bytes(packed(entries_of(original)))
    before = tree(tmp_path)
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(source)]
    done = subprocess.run([*command, str(here.state), moment], timeout=120)
    assert done.returncode == -signal.SIGKILL
    compose = ScriptedCompose()
    assert restore.recover(here, compose, lambda _: None)
    prepare(source, here).discard()
    assert tree(tmp_path) == before
    assert compose.running == ["influxdb"]
    assert not restore.recover(here, compose, lambda _: None)


def test_two_restores_do_not_meet(
    tmp_path: Path, original: Installation, here: Installation
) -> None:
    source = tmp_path / WHERE
    source.write_bytes(packed(entries_of(original)))
    prepared = prepare(source, here)

    def finish() -> None:
        with pytest.raises(StackError, match="another restore"):
            restore.recover(here, ScriptedCompose(), lambda _: None)

    assert restore.apply(prepared, here, ScriptedCompose(), lambda _: None, finish)


def test_every_variable_of_the_compose_files_is_a_known_setting() -> None:
    """Else a setting would be part of a path or image without a check."""
    pinned = settings.parse((DOCKER / "versions.env").read_text())
    own = {"MOTE_STATE", "COMPOSE_PROJECT_NAME"}
    for path in [*DOCKER.glob("compose*.yaml"), *DOCKER.glob("*/compose*.yaml")]:
        for key in re.findall(r"(?<!\$)\$\{?([A-Za-z_][A-Za-z0-9_]*)", path.read_text()):
            assert key in settings.SETTINGS or key in pinned or key in own, (path, key)
    for path in (DOCKER / "raspberry-pi.env", DOCKER / "versions.env"):
        assert not settings.problems(settings.parse(path.read_text()))


@pytest.mark.parametrize(
    "line",
    ["MOTE_PROFILE=../../tmp/evil", "MOTE_WEB_CERTIFICATE=/../../../tmp/evil", "MOTE_USER=root",
     "MOTE_LOG_SHIPPER=x/../../evil", "TELEGRAF_IMAGE=../evil", "TELEGRAF_IMAGE=a b",
     "MOTE_DOCKER_SOCKET=/etc", "MOTE_DOCKER_SOCKET=/var/run/docker.sock:/x", "MOTE_FLEET=9",
     "MOTE_MQTT_PORT=0.0.0.0:1", "COMPOSE_PROJECT_NAME=other"],
)  # fmt: skip
def test_a_bad_setting_reaches_no_compose(
    here: Installation, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """Also when nothing was restored: the file may have been edited, or restored by an old Mote."""
    monkeypatch.setattr(subprocess, "run", lambda *_a, **_k: pytest.fail("Docker was called"))
    monkeypatch.setattr(subprocess, "Popen", lambda *_a, **_k: pytest.fail("Docker was called"))
    with here.settings_file.open("a") as out:
        out.write(f"{line}\n")
    compose = Compose(here)
    calls: list[Callable[[], object]] = [
        compose.stop, compose.created, compose.services, compose.outdated,
        lambda: compose.start([]), lambda: compose.pull([]), lambda: compose.inside("x", "y"),
        lambda: list(compose.logged([], False, 1)), lambda: compose.restart("x"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(StackError, match=line.partition("=")[0]):
            call()


def test_random_damage_is_refused_or_harmless(
    tmp_path: Path, original: Installation, here: Installation
) -> None:
    """A short form of `make soak ONLY=trust_backups`."""
    done = trust_backup.stack_campaign(tmp_path / "campaign", random.Random(13), 300)
    assert done.harmful == [] and done.refused > 100
