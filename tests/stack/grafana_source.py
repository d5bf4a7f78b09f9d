"""Grafana built from its Go module and the npm packages that its lock file names.

Older than the pinned one: of newer versions the module proxy has no code. It is Grafana 10, the
stack pins 13, so what it shows proves the files that we give it, and not Grafana 13.
"""

import os
import shutil
import subprocess
from pathlib import Path

import go_programs
import prepared
import programs_on_disk

NAME, SHOWN = "github.com/grafana/grafana", "10.0.0"
VERSION = "v1.9.2-0.20230609164553-81d85ce8028d"
# Its dependencies do not compile with a newer Go; `go` itself fetches this one.
_GO = {"GOTOOLCHAIN": "go1.20.14", "CGO_ENABLED": "1"}
_WIRE = "github.com/google/wire/cmd/wire@v0.5.0"
# Two packages that its own file takes from elsewhere are in npm as well.
_FROM_NPM = {
    '"https://github.com/torkelo/drop"': '"1.4.2"',
    '"https://cdn.sheetjs.com/xlsx-0.19.1/xlsx-0.19.1.tgz"': '"0.18.5"',
}
# No script of a package is run: none is needed.
_YARN = {
    "YARN_ENABLE_SCRIPTS": "0",
    "YARN_ENABLE_TELEMETRY": "0",
    "YARN_ENABLE_GLOBAL_CACHE": "1",
    # Yarn's loader of that time, the default, takes `require.cache` from what Node 20 loads.
    "YARN_NODE_LINKER": "node-modules",
    "NODE_ENV": "production",
    "NODE_OPTIONS": "--max-old-space-size=6000",
}
# An archive of a module leaves out folders of this name. What was in it, libraries for plugins in
# AngularJS, no panel of ours uses but the gauge: it is enough that the pages find it.
_FLOT = "crosshair dashes fillbelow gauge selection stack stackpercent time"
_VENDOR = {
    "bootstrap/bootstrap": """import $ from 'jquery';
function nothing() {}
for (const name of ['tooltip', 'modal']) {
  $.fn[name] = Object.assign(() => {}, { defaults: {}, Constructor: nothing });
}
""",
    "tagsinput/bootstrap-tagsinput": "",
    "flot/jquery.flot": """import $ from 'jquery';
$.plot = Object.assign(() => ({}), { plugins: [] });
""",
} | {f"flot/jquery.flot.{part}": "" for part in _FLOT.split()}
# What the server gives to browsers or reads itself; the rest of `public` is source.
_PUBLIC = "build dashboards emails fonts gazetteer img lib maps robots.txt views".split()  # noqa: SIM905


def put(root: Path) -> None:
    """Put it below `root` where the published image has it."""
    home = root / "usr/share/grafana"
    shutil.copytree(ENGINE.path(), home, symlinks=True)
    (root / "etc/grafana").mkdir(parents=True)
    shutil.copy(home / "conf" / "sample.ini", root / "etc/grafana/grafana.ini")
    shutil.copy(home / "conf" / "ldap.toml", root / "etc/grafana/ldap.toml")
    shutil.copy(home / "run.sh", root / "run.sh")
    (root / "run.sh").chmod(0o755)
    for library in programs_on_disk.libraries(home / "bin/grafana"):
        programs_on_disk.copy(library, root / str(library)[1:])


def _build(scratch: Path, tell: prepared.Tell) -> Path:
    tell("fetching its source")
    module = go_programs.source_of(scratch, dict(os.environ), f"{NAME}@{VERSION}")
    source = scratch / "source"
    shutil.copytree(module, source)
    subprocess.run(["chmod", "-R", "u+w", source], check=True)
    made = scratch / "made"
    tell("compiling the server")
    _server(source, made)
    tell("fetching the packages of its pages")
    environment = os.environ | _YARN
    yarn = ["node", *map(str, (source / ".yarn/releases").glob("yarn-*.cjs"))]
    wanted = (source / "package.json").read_text()
    for elsewhere, version in _FROM_NPM.items():
        wanted = wanted.replace(elsewhere, version)
    (source / "package.json").write_text(wanted)
    go_programs.run([*yarn, "install", "--no-immutable"], source, environment)
    tell("building its pages")
    _pages(source, made, yarn, environment)
    return made


def _server(source: Path, made: Path) -> None:
    environment = os.environ | _GO | {"GOBIN": str(source / "bin")}
    go_programs.run(["go", "install", _WIRE], source, environment)
    go_programs.run(["bin/wire", "gen", "-tags", "oss", "./pkg/server"], source, environment)
    flags = f"-s -w -X main.version={SHOWN} -X main.commit={VERSION.rpartition('-')[2]}"
    options = ["-trimpath", "-buildvcs=false", f"-ldflags={flags}", "-o", made / "bin/grafana"]
    go_programs.run(["go", "build", *map(str, options), "./pkg/cmd/grafana"], source, environment)
    shutil.copytree(source / "conf", made / "conf")
    shutil.copy(source / "packaging/docker/run.sh", made / "run.sh")


def _pages(source: Path, made: Path, yarn: list[str], environment: dict[str, str]) -> None:
    for name, text in _VENDOR.items():
        file = source / "public/vendor" / f"{name}.js"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    pack = [*yarn, "webpack", "--config", "scripts/webpack/webpack.prod.js", "--no-devtool"]
    # Without these it finds neither itself in a newer Node nor its own packages behind links.
    pack += ["--disable-interpret", "--resolve-symlinks"]
    go_programs.run(pack, source, environment)
    for name in _PUBLIC:
        part = source / "public" / name
        copy = shutil.copytree if part.is_dir() else shutil.copy
        copy(part, made / "public" / name)
    plugins = source / "public/app/plugins"
    for file in plugins.rglob("*"):
        if file.is_file() and (file.name == "plugin.json" or "img" in file.parts):
            programs_on_disk.copy(file, made / "public/app/plugins" / file.relative_to(plugins))


def _lacking() -> str:
    missing = [one for one in ("go", "gcc", "node") if not shutil.which(one)]
    return f"{', '.join(missing)} is not installed" if missing else ""


ENGINE = prepared.Engine("grafana", SHOWN, _build, VERSION, "soak", _lacking)
