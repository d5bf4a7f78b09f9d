"""Local images under the pinned names, for machines that reach no registry of images.

Each has the paths, users, entry point and variables of the published one, and the same service in
it: Debian's mosquitto, Redis and HAProxy, the others from their modules; `mote` is made by its own
Dockerfile. Where a registry answers, the published images of some are used (see `image_source`);
`STACK_IMAGES=published` uses the published ones of all. Of Grafana there is only an older
one (see `grafana_source`), and none of MQTTX: no package registry has all that their build needs.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import go_programs
import grafana_source
import image_source
import mote_image
import programs_on_disk

LABEL = "mote.local"
# What a shell script and a health check in the published images may call.
_TOOLS = """
    sh cat cut sed mv rm mkdir chmod id sleep wget printf kill tr touch grep od tail head sort date
    find env
""".split()  # noqa: SIM905


@dataclass(frozen=True)
class LocalImage:
    """One image: programs by their place in it, its user, its folders and how it starts."""

    variable: str
    user: str
    uid: int
    programs: dict[str, str | go_programs.GoProgram]
    folders: list[str]
    entrypoint: str
    command: list[str]
    scripts: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    # Puts more files below a folder; what it puts there counts by its `digest`.
    more: Callable[[Path], None] | None = None
    digest: Callable[[], str] = str

    @property
    def name(self) -> str:
        return image_source.tags()[self.variable]


IMAGES = [
    LocalImage(
        "MOSQUITTO_IMAGE",
        "mosquitto",
        1883,
        {
            "/usr/sbin/mosquitto": "mosquitto",
            "/usr/bin/mosquitto_sub": "mosquitto_sub",
            "/usr/bin/mosquitto_pub": "mosquitto_pub",
            # Debian has it below the folder of the machine's architecture.
            "/usr/lib/mosquitto_dynamic_security.so": "*/mosquitto_dynamic_security.so",
        },
        ["/mosquitto/config", "/mosquitto/data", "/mosquitto/log"],
        "/docker-entrypoint.sh",
        ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"],
        {"/docker-entrypoint.sh": '#!/bin/sh\nexec "$@"\n'},
    ),
    LocalImage(
        "TELEGRAF_IMAGE",
        "telegraf",
        999,
        {"/usr/bin/telegraf": go_programs.TELEGRAF},
        ["/etc/telegraf"],
        "/entrypoint.sh",
        ["telegraf"],
        {"/entrypoint.sh": '#!/bin/sh\nexec "$@"\n'},
    ),
    LocalImage(
        "INFLUXDB_IMAGE",
        "influxdb",
        1000,
        {
            "/usr/local/bin/influxd": go_programs.INFLUXD,
            "/usr/local/bin/influx": go_programs.INFLUX,
            "/bin/bash": "bash",
        },
        ["/var/lib/influxdb2", "/etc/influxdb2", "/docker-entrypoint-initdb.d"],
        "/entrypoint.sh",
        ["influxd"],
        {"/entrypoint.sh": '#!/bin/sh\nexec "$@"\n'},
        {
            "INFLUXD_BOLT_PATH": "/var/lib/influxdb2/influxd.bolt",
            "INFLUXD_ENGINE_PATH": "/var/lib/influxdb2/engine",
            "INFLUX_CONFIGS_PATH": "/etc/influxdb2/influx-configs",
        },
    ),
]
_PLAIN = '#!/bin/sh\nexec "$@"\n'
IMAGES += [
    LocalImage(
        "REDIS_IMAGE",
        "redis",
        999,
        {"/usr/local/bin/redis-server": "redis-server", "/usr/local/bin/redis-cli": "redis-cli"},
        ["/data"],
        "/usr/local/bin/docker-entrypoint.sh",
        ["redis-server"],
        {"/usr/local/bin/docker-entrypoint.sh": _PLAIN},
    ),
    LocalImage(
        "PYTHON_IMAGE",
        "nobody",
        65534,
        {},
        [],
        "",
        ["python"],
        {"/usr/local/bin/pip": '#!/bin/sh\nexec python -m pip "$@"\n'},
        mote_image.PYTHON_VARIABLES,
        more=mote_image.put_python,
        digest=mote_image.python_digest,
    ),
]
# For `make soak`: their programs take minutes to build.
HEAVY = [
    LocalImage(
        "TRAEFIK_IMAGE",
        "traefik",
        0,
        {"/usr/local/bin/traefik": go_programs.TRAEFIK},
        ["/etc/traefik"],
        "/entrypoint.sh",
        ["traefik"],
        {"/entrypoint.sh": _PLAIN},
    ),
    LocalImage(
        "LOKI_IMAGE",
        "loki",
        10001,
        {"/usr/bin/loki": go_programs.LOKI},
        ["/etc/loki", "/loki"],
        "/usr/bin/loki",
        ["-config.file=/etc/loki/local-config.yaml"],
    ),
    LocalImage(
        "PROMTAIL_IMAGE",
        "promtail",
        0,
        {"/usr/bin/promtail": go_programs.PROMTAIL, "/bin/bash": "bash"},
        ["/etc/promtail"],
        "/usr/bin/promtail",
        ["-config.file=/etc/promtail/config.yml"],
    ),
    LocalImage(
        "ALLOY_IMAGE",
        "alloy",
        473,
        {"/bin/alloy": go_programs.ALLOY, "/bin/bash": "bash"},
        ["/etc/alloy", "/var/lib/alloy"],
        "/bin/alloy",
        ["run", "/etc/alloy/config.alloy", "--storage.path=/var/lib/alloy/data"],
    ),
]
# For `make soak ONLY=grafana`: Grafana 10 under the name of the pinned 13, 15 minutes.
GRAFANA = LocalImage(
    "GRAFANA_IMAGE",
    "grafana",
    472,
    {"/bin/bash": "bash"},
    [
        "/etc/grafana/provisioning/plugins",
        "/etc/grafana/provisioning/notifiers",
        "/etc/grafana/provisioning/access-control",
        "/var/lib/grafana",
        "/var/log/grafana",
    ],
    "/run.sh",
    [],
    variables={
        "PATH": "/usr/share/grafana/bin:/usr/local/bin:/usr/bin:/bin",
        "GF_PATHS_CONFIG": "/etc/grafana/grafana.ini",
        "GF_PATHS_DATA": "/var/lib/grafana",
        "GF_PATHS_HOME": "/usr/share/grafana",
        "GF_PATHS_LOGS": "/var/log/grafana",
        "GF_PATHS_PLUGINS": "/var/lib/grafana/plugins",
        "GF_PATHS_PROVISIONING": "/etc/grafana/provisioning",
    },
    more=grafana_source.put,
    digest=lambda: grafana_source.VERSION,
)


def bring(also: Sequence[LocalImage] = ()) -> None:
    """Make the images that are not the published ones, and `also` those of heavy programs.

    Raises NotPreparedError where a program is missing that `make engines` makes.
    """
    if image_source.all_published():
        return
    for image in [*IMAGES, *also]:
        if not image_source.is_published(image.variable):
            build(image)
    _build_mote()


def build(image: LocalImage) -> None:
    """Make the image, unless the one that is there was made of the same."""
    programs = {place: _found(program) for place, program in image.programs.items()}
    said = (replace(image, more=None, digest=str), image.digest(), sorted(programs.items()))
    digest = hashlib.sha256(repr(said).encode())
    for program in programs.values():
        digest.update(f"{program.stat().st_size} {program.stat().st_mtime_ns}".encode())
    wanted = digest.hexdigest()
    if _label(image.name) == wanted:
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        _fill(root, image, programs)
        changes = [
            f"ENTRYPOINT {_json([image.entrypoint] if image.entrypoint else [])}",
            f"CMD {_json(image.command)}",
            "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            *(f"ENV {key}={value}" for key, value in image.variables.items()),
            f"LABEL {LABEL}={wanted}",
        ]
        archive = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        options = [part for change in changes for part in ("--change", change)]
        done = subprocess.run(
            ["docker", "import", *options, "-", image.name],
            stdin=archive.stdout,
            capture_output=True,
            text=True,
        )
        if archive.wait() or done.returncode:
            raise RuntimeError(f"docker import of {image.name} failed: {done.stderr}")


def _build_mote() -> None:
    """Make the image of `mote` with its Dockerfile, unless the one that is there is of the same."""
    python, name = (image_source.tags()[one] for one in ("PYTHON_IMAGE", "MOTE_IMAGE"))
    wanted = hashlib.sha256(f"{_label(python)} {mote_image.digest()}".encode()).hexdigest()
    if _label(name) != wanted:
        mote_image.build(name, python, f"{LABEL}={wanted}")


def _fill(root: Path, image: LocalImage, programs: dict[str, Path]) -> None:
    busybox = _found("busybox")
    if image.more:
        image.more(root)
    for place, program in {**programs, "/bin/busybox": busybox}.items():
        programs_on_disk.copy(program, root / place[1:])
        for library in programs_on_disk.libraries(program):
            programs_on_disk.copy(library, root / str(library)[1:])
    for tool in _TOOLS:
        (root / "bin" / tool).symlink_to("busybox")
    for folder in (*image.folders, "/tmp", "/run", "/etc", "/proc", "/sys", "/dev"):
        (root / folder[1:]).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text(
        f"root:x:0:0::/:/bin/sh\n{image.user}:x:{image.uid}:{image.uid}::/:/bin/sh\n"
    )
    (root / "etc/group").write_text(f"root:x:0:\n{image.user}:x:{image.uid}:\n")
    for folder in image.folders:
        os.chown(root / folder[1:], image.uid, image.uid)
    for place, text in image.scripts.items():
        (root / place[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / place[1:]).write_text(text)
        (root / place[1:]).chmod(0o755)


def _found(program: str | go_programs.GoProgram) -> Path:
    if isinstance(program, go_programs.GoProgram):
        return program.path()
    if "/" in program:
        found = next(iter(map(str, Path("/usr/lib").glob(program))), None)
    else:
        found = shutil.which(program)
    assert found, f"{program} is missing: see mote doctor"
    return Path(found)


def _label(name: str) -> str:
    form = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    asked = subprocess.run(
        ["docker", "image", "inspect", "--format", form, name], capture_output=True, text=True
    )
    return asked.stdout.strip()


def _json(words: list[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"
