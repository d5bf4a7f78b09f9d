"""Programs of the stack built from their Go modules, by pinned version: `make engines`."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import image_source
import prepared
from motekit.stack.compose import OLDEST, compose_version


@dataclass(frozen=True)
class GoProgram:
    """A program named `name`: its module and version, its package there, what its build needs."""

    name: str
    module: str
    version: str
    package: str
    tags: str = ""
    flags: str = "-s -w"
    flux: str = ""
    # A part that lies in the module's repository but not in its archive: the published one is used.
    apart: str = ""
    # A folder of files that stand in for the module's own, so that less is compiled.
    ours: Path | None = None

    group: str = "test"
    needed: Callable[[], bool] = lambda: True

    @property
    def engine(self) -> prepared.Engine:
        """What `make engines` makes of it."""
        ours = ""
        if self.ours:
            files = sorted(path for path in self.ours.rglob("*") if path.is_file())
            ours = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()
        options = (self.module, self.package, self.tags, self.flags, self.flux, self.apart, ours)
        return prepared.Engine(
            self.name,
            self.version,
            partial(_build, self),
            " ".join((*options, str(sorted(_QUICK.items())) if self.flux else "")),
            self.group,
            partial(_lacking, self),
            self.needed,
        )

    def path(self) -> Path:
        """The program. Raises NotPreparedError when `make engines` has not built it."""
        return self.engine.path()


def _made_here(variable: str) -> Callable[[], bool]:
    """Whether the image of this variable is made here, so that its program is needed."""
    return lambda: not image_source.is_published(variable)


# Telegraf with the plugins that telegraf.conf uses, and no others: 24 MB, not 300.
_TELEGRAF_TAGS = (
    "custom,inputs.mqtt_consumer,inputs.internal,outputs.influxdb_v2,outputs.health,"
    "parsers.value,parsers.grok,parsers.json,processors.enum,secretstores.docker"
)
TELEGRAF = GoProgram(
    "telegraf",
    "github.com/influxdata/telegraf",
    "v" + image_source.tags()["TELEGRAF_IMAGE"].partition(":")[2],
    "cmd/telegraf",
    _TELEGRAF_TAGS,
    needed=_made_here("TELEGRAF_IMAGE"),
)
# 5 and not 2: it leaves out the builder of images, which took more time than all the rest.
COMPOSE = GoProgram(
    "docker-compose",
    "github.com/docker/compose/v5",
    "v5.1.2",
    "cmd",
    flags="-s -w -X github.com/docker/compose/v5/internal.Version=v5.1.2",
    # The machine's own is used where it is new enough.
    needed=lambda: (compose_version() or (0, 0)) < OLDEST,
)
# The newest 2.x of which the module proxy has the code, the checksum database the sum, and this
# Go compiles it. The API without its pages; flux is a library in Rust that the module carries.
INFLUXD = GoProgram(
    "influxd",
    "github.com/influxdata/influxdb/v2",
    "v2.7.12",
    "cmd/influxd",
    "sqlite_foreign_keys,sqlite_json,noasm",
    flux="github.com/influxdata/flux",
    needed=_made_here("INFLUXDB_IMAGE"),
)
# The command line that the published image has as well; its module lists no versions of its own.
INFLUX = GoProgram(
    "influx",
    "github.com/influxdata/influx-cli/v2",
    "v2.2.1-0.20221028161653-3285a03e9e28",
    "cmd/influx",
    needed=_made_here("INFLUXDB_IMAGE"),
)
# Checks the workflows of .github; PyPI has but a downloader of it.
ACTIONLINT = GoProgram(
    "actionlint",
    "github.com/rhysd/actionlint",
    "v1.7.12",
    "cmd/actionlint",
)
# Of profile `full`: five to ten minutes each on two cores, so for `make soak` only. Traefik comes
# without the pages of its dashboard, which its module does not carry.
TRAEFIK = GoProgram(
    "traefik",
    "github.com/traefik/traefik/v3",
    "v" + image_source.tags()["TRAEFIK_IMAGE"].partition(":")[2],
    "cmd/traefik",
    group="soak",
    needed=_made_here("TRAEFIK_IMAGE"),
)
_PUSH = "github.com/grafana/loki/pkg/push"
LOKI = GoProgram(
    "loki",
    "github.com/grafana/loki/v3",
    "v" + image_source.tags()["LOKI_IMAGE"].partition(":")[2],
    "cmd/loki",
    apart=_PUSH,
    group="soak",
    needed=_made_here("LOKI_IMAGE"),
)
PROMTAIL = GoProgram(
    "promtail",
    "github.com/grafana/loki/v3",
    "v" + image_source.tags()["PROMTAIL_IMAGE"].partition(":")[2],
    "clients/cmd/promtail",
    apart=_PUSH,
    group="soak",
    needed=_made_here("PROMTAIL_IMAGE"),
)
_ALLOY = image_source.tags()["ALLOY_IMAGE"].partition(":")[2]
# With its four components that we use: with all of them it takes several times as long.
ALLOY = GoProgram(
    "alloy",
    "github.com/grafana/alloy",
    _ALLOY,
    "cmd/alloy",
    flags=f"-s -w -X github.com/grafana/alloy/internal/build.Version={_ALLOY}",
    apart="github.com/grafana/alloy/syntax",
    ours=Path(__file__).parent / "images" / "alloy",
    group="soak",
    needed=_made_here("ALLOY_IMAGE"),
)


_PROGRAMS = [COMPOSE, TELEGRAF, INFLUX, ACTIONLINT, INFLUXD, TRAEFIK, LOKI, PROMTAIL, ALLOY]


def engines() -> list[prepared.Engine]:
    """All of them for `make engines`, the short ones first."""
    return [
        one
        for program in _PROGRAMS
        for one in ([_flux(program)] if program.flux else []) + [program.engine]
    ]


def _lacking(program: GoProgram) -> str:
    needed = ["go", "cargo", "gcc"] if program.flux else ["go"]
    missing = [one for one in needed if not shutil.which(one)]
    return f"{', '.join(missing)} is not installed" if missing else ""


def _build(program: GoProgram, scratch: Path, tell: prepared.Tell) -> Path:
    """Compile `program` where its module lies: its own replacements and sums hold there.

    Only what this program imports is fetched; a module of our own around it would fetch it all.
    """
    environment = os.environ | {"CGO_ENABLED": "1" if program.flux else "0"}
    tell("fetching its source")
    # Outside of any module: our own folders must not count.
    module = source_of(scratch, environment, f"{program.module}@{program.version}")
    if program.ours:
        module = Path(shutil.copytree(module, scratch / "source"))
        subprocess.run(["chmod", "-R", "u+w", module], check=True)
        shutil.copytree(program.ours, module, dirs_exist_ok=True)
    if program.flux:
        library = _flux(program).path()
        environment["PKG_CONFIG_PATH"] = str(library)
        # Go keeps a compiled package by its sources and this variable, not by what pkg-config says:
        # without it, it links where the library was in an earlier build.
        environment["CGO_LDFLAGS"] = f"-O2 -g -L{library}"
    made = scratch / program.name
    options = ["-trimpath", "-buildvcs=false", f"-ldflags={program.flags}"]
    options += [f"-tags={program.tags}", "-o", str(made)]
    if program.apart:
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(module / name, scratch / name)
        edit = ["go", "mod", "edit", f"-dropreplace={program.apart}", str(scratch / "go.mod")]
        run(edit, scratch, environment)
        options += [f"-modfile={scratch / 'go.mod'}", "-mod=mod"]
    tell("fetching what it imports, and compiling it")
    run(["go", "build", *options, f"./{program.package}"], module, environment)
    return made


def source_of(folder: Path, environment: dict[str, str], name: str) -> Path:
    """The source of a module, which the checksum database vouches for."""
    told = run(["go", "mod", "download", "-json", name], folder, environment)
    return Path(json.loads(told)["Dir"])


def _flux(program: GoProgram) -> prepared.Engine:
    """The Rust half of flux as the program wants it, with its `flux.pc`."""
    return prepared.Engine(
        "libflux",
        f"for-{program.name}-{program.version}",
        partial(_build_flux, program),
        f"{program.module} {program.flux} {sorted(_QUICK.items())}",
        lacking=partial(_lacking, program),
        needed=program.needed,
    )


def _build_flux(program: GoProgram, scratch: Path, tell: prepared.Tell) -> Path:
    environment = dict(os.environ)
    tell("fetching its source")
    module = source_of(scratch, environment, f"{program.module}@{program.version}")
    source = source_of(module, environment, program.flux)
    for part in ("libflux", "stdlib"):
        shutil.copytree(source / part, scratch / part)
    subprocess.run(["chmod", "-R", "u+w", scratch], check=True)
    libflux = scratch / "libflux"
    # Without its feature `strict`, which turns the warnings of newer compilers into errors, and
    # without the shared library that nobody links.
    cargo = ["cargo", "rustc", "--release", "--locked", "-p", "flux", "--lib"]
    cargo += ["--crate-type", "staticlib", "--no-default-features", "--features", "cffi"]
    toolchain = {"RUSTUP_TOOLCHAIN": "stable"} if shutil.which("rustup") else {}
    tell("fetching what it imports, and compiling it (Rust)")
    run(cargo, libflux, environment | _QUICK | toolchain)
    made, place = scratch / "made", _flux(program).place
    made.mkdir()
    shutil.copy(libflux / "target" / "release" / "libflux.a", made)
    shutil.copytree(libflux / "include", made / "include")
    (made / "flux.pc").write_text(
        f"Name: Flux\nDescription: Flux\nVersion: 0\nCflags: -I{place}/include\n"
        f"Libs: -L{place} -l:libflux.a -ldl -lpthread -lm\n"
    )
    return made


# The tests compile few scripts with it: a minute of a smaller and faster library saves nothing.
_QUICK = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
}


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a step of a build prints; raises RuntimeError with the end of its errors."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout)[-4000:]
        raise RuntimeError(f"{' '.join(command[:3])} failed:\n{said}")
    return done.stdout
