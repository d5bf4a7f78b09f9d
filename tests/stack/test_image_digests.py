"""A tag that gets other content is noticed: a real Docker pulls from a registry of our own."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from motekit.stack import image_digests
from motekit.stack.image_digests import DigestError
from motekit.stack.installation import Installation

pytestmark = pytest.mark.stack
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Registry(ThreadingHTTPServer):
    """Has one image, `one:1.0`, whose content is a number in a file."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.image = f"127.0.0.1:{self.server_address[1]}/one:1.0"
        self.blobs: dict[str, bytes] = {}

    def put(self, number: int) -> str:
        """Give the tag another content; return its digest."""
        text = str(number).encode()
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            entry = tarfile.TarInfo("number")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        packed = gzip.compress(layer.getvalue(), mtime=0)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [self._digest(layer.getvalue())]},
            }
        ).encode()
        parts = [
            {"mediaType": kind, "size": len(blob), "digest": self._digest(blob)}
            for kind, blob in ((CONFIG, config), (LAYER, packed))
        ]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0]}
        content = json.dumps(manifest | {"layers": parts[1:]}).encode()
        for blob in (config, packed, content):
            self.blobs[self._digest(blob)] = blob
        self.blobs["1.0"] = content
        return self._digest(content)

    @staticmethod
    def _digest(data: bytes) -> str:
        return f"sha256:{hashlib.sha256(data).hexdigest()}"


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path == "/v2/":
            found, kind = b"{}", "application/json"
        else:
            found = self.server.blobs.get(self.path.rpartition("/")[2], b"")
            kind = MANIFEST if "/manifests/" in self.path else "application/octet-stream"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(found)))
        self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(found).hexdigest()}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(found)

    def log_message(self, *_details: object) -> None:
        pass


@pytest.fixture
def registry(docker: None) -> Iterator[Registry]:
    with Registry() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        subprocess.run(["docker", "image", "rm", "--force", made.image], capture_output=True)
        made.shutdown()


def pull(image: str) -> None:
    subprocess.run(["docker", "image", "rm", "--force", image], capture_output=True)
    done = subprocess.run(["docker", "pull", image], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_another_content_under_a_tag_is_refused(registry: Registry, tmp_path: Path) -> None:
    installation = Installation(tmp_path / "state")
    installation.make(["localhost"])
    first, image = registry.put(1), registry.image
    pull(image)
    assert image_digests.digests(image) == [first]
    image_digests.check(installation, [image, "made:here"])
    image_digests.check(installation, [image])
    second = registry.put(2)
    pull(image)
    with pytest.raises(DigestError, match=f"{first} then, {second} now"):
        image_digests.check(installation, [image])
    # Refused again, until somebody who knows takes the line away.
    with pytest.raises(DigestError):
        image_digests.check(installation, [image])
    (installation.state / "images.json").unlink()
    image_digests.check(installation, [image])
    # What no version names any more is forgotten.
    image_digests.check(installation, [])
    assert json.loads((installation.state / "images.json").read_text()) == {}


def test_digests_are_written_behind_the_tags(registry: Registry, tmp_path: Path) -> None:
    digest, image = registry.put(3), registry.image
    file = tmp_path / "versions.env"
    text = f"# Versions.\nONE_IMAGE={image}\nMOTE_IMAGE=mote:0.1.0\nGONE_IMAGE=127.0.0.1:1/x:1\n"
    file.write_text(text)
    said: list[str] = []
    # One cannot be pulled: nothing is made up for it.
    assert image_digests.pin(file, said.append) == 1
    pinned = text.replace(image, f"{image}@{digest}")
    assert file.read_text() == pinned and len(said) == 2
    assert image_digests.pin(file, said.append) == 1
    assert file.read_text() == pinned
    # Docker itself refuses what a registry has under a digest and is other content.
    other = registry.put(4)
    registry.blobs[other] += b" "
    done = subprocess.run(["docker", "pull", f"{image}@{other}"], capture_output=True, text=True)
    assert done.returncode != 0
