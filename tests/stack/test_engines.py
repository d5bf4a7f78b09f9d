"""`make engines`: what it makes is kept, by version and options, and never half."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import engines
import image_source
import prepared
import pytest
from motekit.stack.installation import versions


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(prepared, "FOLDER", tmp_path / "engines")
    monkeypatch.setattr(image_source, "_DECISION", tmp_path / "decision.json")
    monkeypatch.delenv("STACK_IMAGES", raising=False)
    return tmp_path / "engines"


class Maker:
    """Makes a file, or fails as often as it is told to; `told` are its steps."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self, scratch: Path, tell: prepared.Tell) -> Path:
        self.calls += 1
        tell("compiling")
        # Nothing of an earlier, broken attempt is there.
        assert not list(scratch.iterdir())
        (scratch / "program").write_text(f"attempt {self.calls}")
        (scratch / "modules").mkdir(mode=0o500)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("go build failed:\nno network")
        return scratch / "program"


def test_a_test_says_what_to_do_when_an_engine_is_missing() -> None:
    one = prepared.Engine("telegraf", "v1.2.3", Maker())
    with pytest.raises(
        prepared.NotPreparedError, match=r"telegraf v1\.2\.3 .* `make engines` first"
    ):
        one.path()
    heavy = prepared.Engine("loki", "v3", Maker(), group="soak")
    with pytest.raises(prepared.NotPreparedError, match="make engines ONLY=soak"):
        heavy.path()


def test_an_engine_is_made_once_and_anew_for_another_version_or_other_options() -> None:
    maker = Maker()
    one = prepared.Engine("x", "v1", maker, "-tags a")
    for _ in range(2):
        one.prepare(lambda _text: None)
    assert maker.calls == 1 and one.path().read_text() == "attempt 1"
    others = [prepared.Engine("x", "v2", maker, "-tags a"), prepared.Engine("x", "v1", maker, "b")]
    for other in others:
        assert not other.ready
        other.prepare(lambda _text: None)
    assert maker.calls == 3 and len({one.path(), *(other.path() for other in others)}) == 3


def test_two_that_want_it_at_once_make_it_once() -> None:
    inside = threading.Event()
    made: list[int] = []

    def make(scratch: Path, _tell: prepared.Tell) -> Path:
        made.append(1)
        assert inside.wait(60)
        (scratch / "program").touch()
        return scratch / "program"

    one = prepared.Engine("slow", "v1", make)
    threads = [threading.Thread(target=one.prepare, args=(print,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.set()
    for thread in threads:
        thread.join(60)
    assert made == [1] and one.ready


def test_the_rest_is_made_when_one_fails_and_the_next_run_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken, sound, absent, unused = Maker(1), Maker(), Maker(), Maker()
    table = [
        prepared.Engine("broken", "v1", broken),
        prepared.Engine("sound", "v1", sound),
        prepared.Engine("absent", "v1", absent, lacking=lambda: "cargo is not installed"),
        prepared.Engine("unused", "v1", unused, needed=lambda: False),
        prepared.Engine("heavy", "v1", unused, group="soak"),
    ]
    monkeypatch.setattr(engines, "known", lambda: table)
    monkeypatch.setattr(engines, "_choose_images", lambda _group, _say: None)
    said: list[str] = []
    (failure,) = engines.prepare([""], said.append)
    assert "no network" in failure and not table[0].ready and table[1].ready
    text = "\n".join(said)
    assert "[1/3] broken v1: compiling" in text and "[2/3] sound v1: ready after" in text
    assert "[3/3] absent v1: cannot be made here, its tests are skipped: cargo" in text
    assert said[-1].startswith("1 made, 1 failed, 3 in all, ")
    assert engines.prepare([""], said.append) == []
    assert (broken.calls, sound.calls, absent.calls, unused.calls) == (2, 1, 0, 0)
    assert engines.prepare(["heavy"], said.append) == [] and unused.calls == 1


def test_it_says_that_it_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "ALIVE_S", 0.01)
    said: list[str] = []

    def make(scratch: Path, tell: prepared.Tell) -> Path:
        tell("compiling")
        until = time.monotonic() + 60
        while not any("compiling, 0 s so far" in line for line in said):
            assert time.monotonic() < until
            time.sleep(0.01)
        (scratch / "program").touch()
        return scratch / "program"

    monkeypatch.setattr(engines, "known", lambda: [prepared.Engine("long", "v1", make)])
    monkeypatch.setattr(engines, "_choose_images", lambda _group, _say: None)
    assert engines.prepare([""], said.append) == []


@pytest.mark.parametrize(("code", "answers"), [(401, True), (200, True), (503, False)])
def test_a_registry_that_answers_is_noticed(code: int, answers: bool) -> None:
    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_details: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v2/"
        assert image_source.registry_answers(url, 60) == answers
        server.shutdown()


def test_a_registry_that_says_nothing_holds_nothing_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v2/"
        began = time.monotonic()
        assert not image_source.registry_answers(url, 0.3)
        assert time.monotonic() - began < 30
    assert not image_source.registry_answers("http://no-such-host.invalid/v2/", 60)


def test_what_cannot_be_pulled_is_made_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a `docker` that has one image, and pulls another, and no third."""
    mosquitto, telegraf = versions()["MOSQUITTO_IMAGE"], versions()["TELEGRAF_IMAGE"]
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\ncase "$*" in\n'
        f'"image inspect {mosquitto}") exit 0 ;;\n"pull --quiet {telegraf}") exit 0 ;;\n'
        '*) echo "toomanyrequests: rate limit" >&2; exit 1 ;;\nesac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(image_source, "registry_answers", lambda: True)
    image_source._DECISION.write_text(json.dumps([mosquitto, "kept:1"]))
    said: list[str] = []
    image_source.choose("test", said.append, nullcontext)
    assert image_source.is_published("MOSQUITTO_IMAGE")
    assert image_source.is_published("TELEGRAF_IMAGE")
    assert not image_source.is_published("INFLUXDB_IMAGE")
    assert "made here: toomanyrequests" in said[-1]
    asked = (tmp_path / "asked").read_text()
    assert f"pull --quiet {mosquitto}" not in asked
    assert "kept:1" in json.loads(image_source._DECISION.read_text())


@contextmanager
def broken() -> Iterator[None]:
    """A Docker Engine that does not start."""
    raise RuntimeError("dockerd ended: no space left on device")
    yield


def test_without_a_registry_or_a_docker_engine_images_are_made_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for answers, expected in ((False, "does not answer"), (True, "no space left")):
        image_source._DECISION.unlink(missing_ok=True)
        monkeypatch.setattr(image_source, "registry_answers", lambda found=answers: found)
        said: list[str] = []
        image_source.choose("test", said.append, broken)
        assert expected in said[-1] and not image_source.is_published("TELEGRAF_IMAGE")


def test_the_environment_decides_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(prepared.NotPreparedError, match="make engines"):
        image_source.is_published("TELEGRAF_IMAGE")
    for value, published in (("published", True), ("local", False)):
        monkeypatch.setenv("STACK_IMAGES", value)
        image_source.choose("test", print, broken)
        assert image_source.is_published("TELEGRAF_IMAGE") == published
        assert not image_source._DECISION.exists()
