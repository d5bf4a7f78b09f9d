"""Programs of the stack built from their Go modules, by pinned version, kept in build/cache."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from motekit import places
from motekit.stack.installation import versions

CACHE = places.cache() / "stack"


@dataclass(frozen=True)
class GoProgram:
    """A program named `name`: its package, the version of its module, what its build needs."""

    name: str
    package: str
    version: str
    tags: str = ""
    flags: str = "-s -w"
    flux: str = ""

    def path(self) -> Path:
        """The program, built at the first call (a minute or two)."""
        target = CACHE / f"{self.name}-{self.version}"
        if not target.exists():
            with _module(self) as (folder, environment):
                made = folder / self.name
                _go(folder, environment, "get", "-tool", f"{self.package}@{self.version}")
                options = ["-trimpath", f"-ldflags={self.flags}", f"-tags={self.tags}"]
                _go(folder, environment, "build", *options, "-o", str(made), self.package)
                made.replace(target)
        return target


# Telegraf with the plugins that telegraf.conf uses, and no others: 24 MB, not 300.
_TELEGRAF_TAGS = (
    "custom,inputs.mqtt_consumer,inputs.internal,outputs.influxdb_v2,outputs.health,"
    "parsers.value,parsers.influx,parsers.json,processors.enum,secretstores.docker"
)
TELEGRAF = GoProgram(
    "telegraf",
    "github.com/influxdata/telegraf/cmd/telegraf",
    "v" + versions()["TELEGRAF_IMAGE"].partition(":")[2],
    _TELEGRAF_TAGS,
)
COMPOSE = GoProgram(
    "docker-compose",
    "github.com/docker/compose/v2/cmd",
    "v2.40.3",
    flags="-s -w -X github.com/docker/compose/v2/internal.Version=v2.40.3",
)
# The newest 2.x of which the module proxy has the code, the checksum database the sum, and this
# Go compiles it. The API without its pages; flux is a library in Rust that the module carries.
INFLUXD = GoProgram(
    "influxd",
    "github.com/influxdata/influxdb/v2/cmd/influxd",
    "v2.7.12",
    "sqlite_foreign_keys,sqlite_json,noasm",
    flux="github.com/influxdata/flux",
)
# The command line that the published image has as well; its module lists no versions of its own.
INFLUX = GoProgram(
    "influx",
    "github.com/influxdata/influx-cli/v2/cmd/influx",
    "v2.2.1-0.20221028161653-3285a03e9e28",
)


@contextmanager
def _module(program: GoProgram) -> Iterator[tuple[Path, dict[str, str]]]:
    """A module of our own around the program: theirs have replacements, which `install` refuses."""
    folder = CACHE / f"{program.name}.building"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = os.environ | {"CGO_ENABLED": "1" if program.flux else "0"}
    _go(folder, environment, "mod", "init", "mote.test/stack")
    if program.flux:
        _go(folder, environment, "get", "-tool", f"{program.package}@{program.version}")
        environment["PKG_CONFIG_PATH"] = str(_libflux(folder, environment, program.flux))
    yield folder, environment
    shutil.rmtree(folder)


def _libflux(folder: Path, environment: dict[str, str], module: str) -> Path:
    """Compile the Rust half of flux; the folder of its `flux.pc`."""
    _go(folder, environment, "mod", "download", module)
    source = Path(_go(folder, environment, "list", "-m", "-f", "{{.Dir}}", module).strip())
    for part in ("libflux", "stdlib"):
        shutil.copytree(source / part, folder / part)
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    libflux = folder / "libflux"
    (libflux / "flux.pc").write_text(
        f"Name: Flux\nDescription: Flux\nVersion: 0\nCflags: -I{libflux}/include\n"
        f"Libs: -L{libflux}/target/release -l:libflux.a -ldl -lpthread -lm\n"
    )
    # Without its feature `strict`, which turns the warnings of newer compilers into errors.
    cargo = ["cargo", "build", "--release", "--locked", "-p", "flux"]
    features = ["--no-default-features", "--features", "cffi"]
    toolchain = {"RUSTUP_TOOLCHAIN": "stable"} if shutil.which("rustup") else {}
    _run([*cargo, *features], libflux, environment | toolchain)
    return libflux


def _go(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    return _run(["go", *arguments], folder, environment)


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} failed:\n{done.stderr[-4000:]}")
    return done.stdout
