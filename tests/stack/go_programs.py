"""Programs of the stack built from their Go modules, by pinned version, kept in build/cache."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from motekit import places
from motekit.stack.installation import versions
from one_at_a_time import alone

CACHE = places.cache() / "stack"


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

    def path(self) -> Path:
        """The program, built at the first call (a minute or two)."""
        target = CACHE / f"{self.name}-{self.version}"
        # Two processes that want it at once make it once.
        with alone(target.with_name(f"{target.name}.lock")):
            if not target.exists():
                _build(self, target)
        return target


# Telegraf with the plugins that telegraf.conf uses, and no others: 24 MB, not 300.
_TELEGRAF_TAGS = (
    "custom,inputs.mqtt_consumer,inputs.internal,outputs.influxdb_v2,outputs.health,"
    "parsers.value,parsers.influx,parsers.json,processors.enum,secretstores.docker"
)
TELEGRAF = GoProgram(
    "telegraf",
    "github.com/influxdata/telegraf",
    "v" + versions()["TELEGRAF_IMAGE"].partition(":")[2],
    "cmd/telegraf",
    _TELEGRAF_TAGS,
)
# 5 and not 2: it leaves out the builder of images, which took more time than all the rest.
COMPOSE = GoProgram(
    "docker-compose",
    "github.com/docker/compose/v5",
    "v5.1.2",
    "cmd",
    flags="-s -w -X github.com/docker/compose/v5/internal.Version=v5.1.2",
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
)
# The command line that the published image has as well; its module lists no versions of its own.
INFLUX = GoProgram(
    "influx",
    "github.com/influxdata/influx-cli/v2",
    "v2.2.1-0.20221028161653-3285a03e9e28",
    "cmd/influx",
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
    "v" + versions()["TRAEFIK_IMAGE"].partition(":")[2],
    "cmd/traefik",
)
_PUSH = "github.com/grafana/loki/pkg/push"
LOKI = GoProgram(
    "loki",
    "github.com/grafana/loki/v3",
    "v" + versions()["LOKI_IMAGE"].partition(":")[2],
    "cmd/loki",
    apart=_PUSH,
)
PROMTAIL = GoProgram(
    "promtail",
    "github.com/grafana/loki/v3",
    "v" + versions()["PROMTAIL_IMAGE"].partition(":")[2],
    "clients/cmd/promtail",
    apart=_PUSH,
)
_ALLOY = versions()["ALLOY_IMAGE"].partition(":")[2]
# With its four components that we use: with all of them it takes several times as long.
ALLOY = GoProgram(
    "alloy",
    "github.com/grafana/alloy",
    _ALLOY,
    "cmd/alloy",
    flags=f"-s -w -X github.com/grafana/alloy/internal/build.Version={_ALLOY}",
    apart="github.com/grafana/alloy/syntax",
    ours=Path(__file__).parent / "images" / "alloy",
)


def _build(program: GoProgram, target: Path) -> None:
    """Compile `program` where its module lies: its own replacements and sums hold there.

    Only what this program imports is fetched; a module of our own around it would fetch it all.
    """
    scratch = target.with_name(f"{target.name}.building")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    environment = os.environ | {"CGO_ENABLED": "1" if program.flux else "0"}
    # Outside of any module: our own folders must not count.
    module = source_of(scratch, environment, f"{program.module}@{program.version}")
    if program.ours:
        module = Path(shutil.copytree(module, scratch / "source"))
        subprocess.run(["chmod", "-R", "u+w", module], check=True)
        shutil.copytree(program.ours, module, dirs_exist_ok=True)
    if program.flux:
        environment["PKG_CONFIG_PATH"] = str(_libflux(scratch, module, environment, program.flux))
    made = scratch / program.name
    options = ["-trimpath", "-buildvcs=false", f"-ldflags={program.flags}"]
    options += [f"-tags={program.tags}", "-o", str(made)]
    if program.apart:
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(module / name, scratch / name)
        edit = ["go", "mod", "edit", f"-dropreplace={program.apart}", str(scratch / "go.mod")]
        run(edit, scratch, environment)
        options += [f"-modfile={scratch / 'go.mod'}", "-mod=mod"]
    run(["go", "build", *options, f"./{program.package}"], module, environment)
    made.replace(target)
    shutil.rmtree(scratch)


def source_of(folder: Path, environment: dict[str, str], name: str) -> Path:
    """The source of a module, which the checksum database vouches for."""
    told = run(["go", "mod", "download", "-json", name], folder, environment)
    return Path(json.loads(told)["Dir"])


def _libflux(scratch: Path, module: Path, environment: dict[str, str], name: str) -> Path:
    """Compile the Rust half of flux; the folder of its `flux.pc`."""
    source = source_of(module, environment, name)
    for part in ("libflux", "stdlib"):
        shutil.copytree(source / part, scratch / part)
    subprocess.run(["chmod", "-R", "u+w", scratch], check=True)
    libflux = scratch / "libflux"
    (libflux / "flux.pc").write_text(
        f"Name: Flux\nDescription: Flux\nVersion: 0\nCflags: -I{libflux}/include\n"
        f"Libs: -L{libflux}/target/release -l:libflux.a -ldl -lpthread -lm\n"
    )
    # Without its feature `strict`, which turns the warnings of newer compilers into errors, and
    # without the shared library that nobody links.
    cargo = ["cargo", "rustc", "--release", "--locked", "-p", "flux", "--lib"]
    cargo += ["--crate-type", "staticlib", "--no-default-features", "--features", "cffi"]
    toolchain = {"RUSTUP_TOOLCHAIN": "stable"} if shutil.which("rustup") else {}
    run(cargo, libflux, environment | _QUICK | toolchain)
    return libflux


# The tests compile few scripts with it: a minute of a smaller and faster library saves nothing.
_QUICK = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
}


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a step of a build prints; raises RuntimeError with the end of its errors."""
    # Other tests run beside it, and some of them measure time.
    polite = ["nice", "-n", "19", *command]
    done = subprocess.run(polite, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout)[-4000:]
        raise RuntimeError(f"{' '.join(command[:3])} failed:\n{said}")
    return done.stdout
