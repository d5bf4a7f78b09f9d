"""Packages for MicroPython, fetched once by pinned version and digest into the cache."""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from motekit import places

TABLE = places.PROVISIONING / "device-packages.toml"


class PackageError(Exception):
    """A package cannot be had, or is not what was pinned; the text says what to do."""


@dataclass(frozen=True)
class Pinned:
    """One package of `provisioning/device-packages.toml`."""

    name: str
    version: str
    file: str
    sha256: str
    root: str
    used_for: str


def pinned(key: str) -> Pinned:
    """The entry `key` of the table."""
    return Pinned(**tomllib.loads(TABLE.read_text(encoding="utf-8"))[key])


def folder(key: str) -> Path:
    """The unpacked modules of package `key`, fetched at the first call.

    Raises PackageError when there is no way to the package index, or the digest is wrong.
    """
    package = pinned(key)
    target = _place(key)
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=places.cache()) as scratch:
            archive = _download(package, Path(scratch))
            unpacked = Path(scratch) / "unpacked"
            _unpack(archive, unpacked)
            # Renamed when whole: an interrupted run leaves nothing that looks finished.
            try:
                (unpacked / package.root).rename(target)
            except OSError:
                # Another process was faster.
                if not target.is_dir():
                    raise
    return target


def present(*keys: str) -> list[Path]:
    """The folders of those packages that have been fetched already."""
    return [place for place in map(_place, keys) if place.is_dir()]


def _place(key: str) -> Path:
    # The digest is in the path: another version is another folder.
    return places.cache() / f"{key}-{pinned(key).sha256[:12]}"


def _download(package: Pinned, scratch: Path) -> Path:
    from unearth import PackageFinder

    finder = PackageFinder(index_urls=[_index()], ignore_compatibility=True)
    wanted = f"{package.name}=={package.version}"
    archive = scratch / package.file
    try:
        found = (p.link for p in finder.find_all_packages(package.name))
        link = next((one for one in found if one.filename == package.file), None)
        if link is None:
            raise PackageError(f"{wanted} is not in the package index: is this machine online?")
        with finder.session.get_stream(link.normalized) as answer, archive.open("wb") as out:
            for chunk in answer.iter_bytes():
                out.write(chunk)
    except PackageError:
        raise
    except Exception as error:
        raise PackageError(
            f"{wanted} ({package.used_for}) could not be fetched: {error}. "
            "It is needed once; check the connection and run the command again."
        ) from error
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise PackageError(
            f"{package.file} has the digest {digest}, but {package.sha256} is pinned. "
            "It was damaged on the way, or replaced: run the command again, and do not use it."
        )
    return archive


def _unpack(archive: Path, target: Path) -> None:
    target.mkdir()
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(target)
    else:
        with tarfile.open(archive) as sdist:
            sdist.extractall(target, filter="data")


def _index() -> str:
    """The package index that pip uses on this machine."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
    )
    configured = asked.stdout.strip()
    if configured:
        return configured
    from pip._internal.models.index import PyPI

    return str(PyPI.simple_url)
