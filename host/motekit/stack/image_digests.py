"""Hold on to the content that a tag of an image stood for.

A registry can put other content under a tag. Where docker/versions.env has a digest behind the tag
(`name:tag@sha256:…`), Docker itself takes no other content. Where it has none, the digest of the
first pull is kept with the installation, and another one is refused from then on.

`python -m motekit.stack.image_digests` asks the registry and writes the digests into versions.env.
"""

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from motekit import private_files
from motekit.stack.installation import DOCKER, Installation

_FILE = "images.json"
_MARK = "@sha256:"


class DigestError(Exception):
    """A tag has other content than before; the text says which, and what to do."""


def check(installation: Installation, images: Iterable[str]) -> None:
    """Compare the images that are here with what was pulled first, and keep what is new.

    Images that were made here or loaded from a file have no digest, and are left out. Raises
    DigestError, OSError.
    """
    file = installation.state / _FILE
    known: dict[str, str] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    wanted = set(images)
    kept = {image: digest for image, digest in known.items() if image in wanted}
    for image in sorted(wanted):
        found = [] if _MARK in image else digests(image)
        if not found or kept.setdefault(image, found[0]) in found:
            continue
        raise DigestError(
            f"{image} has other content than when it was pulled first: {kept[image]} then, "
            f"{found[0]} now. Nothing was started with it. If its publisher says that this is "
            f"right, remove its line from {file} and run the command again; otherwise restore the "
            "image, or pin the digest in docker/versions.env"
        )
    if kept != known:
        private_files.write(file, json.dumps(kept, indent=1) + "\n")


def digests(image: str) -> list[str]:
    """Return the digests that a registry has for an image that is here; none for one made here."""
    command = ["docker", "image", "inspect", "--format", "{{json .RepoDigests}}", image]
    done = subprocess.run(command, capture_output=True, text=True)
    found = json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else []
    name = image.partition("@")[0]
    # A port in the name has a colon, too.
    repository = name[: name.rfind(":")] if ":" in name.rpartition("/")[2] else name
    return sorted(one.partition("@")[2] for one in found or () if _same(one, repository))


def _same(digest: str, repository: str) -> bool:
    """Whether a digest is one of this repository, with or without the usual registry."""
    names = (digest.partition("@")[0], repository)
    plain = [one.removeprefix("docker.io/").removeprefix("library/") for one in names]
    return plain[0] == plain[1]


def pin(
    file: Path, say: Callable[[str], None], made_here: tuple[str, ...] = ("MOTE_IMAGE",)
) -> int:
    """Pull each image of `file` that has no digest, and write its digest; return how many lack one.

    Nothing is written for an image that cannot be pulled.
    """
    lines, missing = [], 0
    for line in file.read_text(encoding="utf-8").splitlines():
        key, _, image = line.partition("=")
        if not key.endswith("_IMAGE") or _MARK in image or key in made_here:
            lines.append(line)
            continue
        done = subprocess.run(["docker", "pull", "--quiet", image], capture_output=True, text=True)
        found = digests(image) if done.returncode == 0 else []
        missing += not found
        say(f"{image}: {found[0] if found else 'no digest: ' + done.stderr.strip()}")
        lines.append(f"{key}={image}@{found[0]}" if found else line)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return missing


def main() -> None:
    """Pin the images of docker/versions.env. Raises SystemExit when one has no digest."""
    from motekit.terminal import echo

    if missing := pin(DOCKER / "versions.env", lambda text: echo(text)):
        raise SystemExit(f"{missing} images have no digest yet")


if __name__ == "__main__":
    main()
