"""Every setting that `settings.env` may have, and which values each may have.

Compose puts settings into the names of files, images and ports. So a value is checked before it is
used, whoever wrote it, and a restore takes the settings of this table only, and of those only the
ones that do not belong to a machine.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PORT_MAX = 65535
_TEXT_MAX = 1_000
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
# distribution/reference: [host[:port]/]path[:tag][@digest].
_IMAGE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._-]{0,127}){0,8}"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
_IMAGE_KEY = re.compile(r"[A-Z][A-Z0-9]*_IMAGE")
# Compose and Docker themselves read these, and none belongs to an installation.
_OF_COMPOSE = re.compile(r"(COMPOSE|DOCKER|BUILDKIT)_.*")
# Which addresses of this machine programs of the network reach; a restore never opens more.
ADDRESSES = ("MOTE_MQTT_ADDRESS", "MOTE_GRAFANA_ADDRESS")


@dataclass(frozen=True)
class Setting:
    """Which values a setting has: `is_good` says it, `wanted` tells it to a person.

    `travels`: a backup brings it to another machine.
    """

    is_good: Callable[[str], object]
    wanted: str
    travels: bool = True


def _port(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,5}", text)) and 0 < int(text) <= _PORT_MAX


def _number(text: str) -> object:
    return re.fullmatch(r"[0-9]{1,15}", text)


def _memory(text: str) -> object:
    return re.fullmatch(r"[1-9][0-9]{0,11}([kmgKMG]i?)?[bB]?", text)


def _names(text: str) -> bool:
    return all(_is_address(name) or _HOST.fullmatch(name) for name in text.split(","))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    # The zone of an address (`fe80::1%eth0`) is the name of an interface of one machine.
    return "%" not in text


def _one_of(*choices: str) -> Setting:
    return Setting(lambda text: text in choices, " or ".join(choices))


def _is_text(text: str) -> bool:
    """Whether Compose reads the line as it stands: no quotes, variables, comments or escapes."""
    return len(text) <= _TEXT_MAX and text.isprintable() and not re.search(r"[\"'`$\\#]", text)


def _is_secret_text(text: str) -> bool:
    """Whether Compose, which uses it nowhere, reads over it."""
    return (
        len(text) <= _TEXT_MAX
        and text.isprintable()
        and not text.startswith(('"', "'"))
        and "${" not in text
    )


def _is_server(text: str) -> object:
    host, _, port = text.rpartition(":")
    return not text or ((_HOST.fullmatch(host) or _is_address(host.strip("[]"))) and _port(port))


def _is_page(text: str) -> object:
    return not text or (re.fullmatch(r"https?://[^\s/]\S*", text) and _is_secret_text(text))


def _is_socket(text: str) -> object:
    # A colon would begin the path in the container, and its mode.
    if not re.fullmatch(r"(/[A-Za-z0-9._+@-]+)+", text) or ".." in text.split("/"):
        return False
    # Where Docker runs in a virtual machine, the path need not exist here.
    return not Path(text).exists() or Path(text).is_socket()


_PORT = Setting(_port, f"a port, which is a number from 1 to {_PORT_MAX}")
_MEMORY = Setting(_memory, "an amount of memory, such as 2G or 800MiB")
_NUMBER = Setting(_number, "a number of bytes")
_ADDRESS = Setting(_is_address, "an address of this machine, such as 127.0.0.1", travels=False)
_TEXT = Setting(_is_text, "printable text without quotes, `$`, `\\`, `#`")
_SECRET = Setting(_is_secret_text, "printable text that does not begin with a quote, without `${`")

SETTINGS = {
    "MOTE_USER": Setting(
        lambda text: re.fullmatch(r"[0-9]{1,10}:[0-9]{1,10}", text),
        "user and group as numbers, such as 1000:1000",
        travels=False,
    ),
    "MOTE_NAMES": Setting(_names, "host names and addresses with commas between them"),
    "MOTE_MQTT_PORT": _PORT,
    "MOTE_MQTT_TLS_PORT": _PORT,
    "MOTE_GRAFANA_PORT": _PORT,
    "MOTE_MQTT_ADDRESS": _ADDRESS,
    "MOTE_GRAFANA_ADDRESS": _ADDRESS,
    "MOTE_PROFILE": _one_of("core", "full"),
    "MOTE_HTTP_PORT": _PORT,
    "MOTE_HTTPS_PORT": _PORT,
    "MOTE_WEB_CERTIFICATE": _one_of("local", "letsencrypt"),
    "MOTE_DOMAIN": Setting(lambda text: not text or _HOST.fullmatch(text), "a domain, or nothing"),
    "MOTE_ACME_EMAIL": _TEXT,
    "MOTE_LOG_SHIPPER": _one_of("promtail", "alloy"),
    "MOTE_FLEET": _one_of("0", "1"),
    "MOTE_DOCKER_SOCKET": Setting(_is_socket, "the path of Docker's socket", travels=False),
    "MOTE_DOCKER_GROUP": Setting(
        lambda text: re.fullmatch(r"[0-9]{1,10}", text), "a group as a number", travels=False
    ),
    "MOTE_INFLUXDB_MEMORY": _MEMORY,
    "MOTE_INFLUXDB_GOMEMLIMIT": _MEMORY,
    "MOTE_INFLUXDB_CACHE_BYTES": _NUMBER,
    "MOTE_INFLUXDB_COMPACTION_BYTES_PER_S": _NUMBER,
    "MOTE_CLIENT_ID_SUFFIX": Setting(
        lambda text: re.fullmatch(r"(-[A-Za-z0-9]{1,64})?", text), "`-` and letters and digits"
    ),
    "MOTE_CLIENT_IDS_LEFT": _one_of("yes"),
    "ALERT_EMAIL": _TEXT,
    "SMTP_HOST": Setting(_is_server, "a mail server as host:port, or nothing"),
    "SMTP_USER": _TEXT,
    "SMTP_PASSWORD": _SECRET,
    "SMTP_FROM": _TEXT,
    "ALERT_WEBHOOK": Setting(_is_page, "a page as http:// or https://, or nothing"),
    "ALERT_TELEGRAM_TOKEN": _SECRET,
    "ALERT_TELEGRAM_CHAT": _TEXT,
}
# What the person who runs this machine may set as well, and what no backup brings.
_IMAGE_SETTING = Setting(
    _IMAGE.fullmatch, "the name of an image, such as telegraf:1.39.3", travels=False
)


def problems(found: dict[str, str]) -> list[str]:
    """Return what is wrong with settings, a sentence each; none when all can be used."""
    said = []
    for key, value in found.items():
        setting = _setting(key)
        # Compose and `mote` use the default where nothing stands.
        if setting and value and not setting.is_good(value):
            said.append(f"{key} is {_shown(key, value)}, and has to be {setting.wanted}")
        elif _OF_COMPOSE.fullmatch(key):
            said.append(f"{key} belongs into the environment of Docker, not into the settings")
    return said


def from_backup(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the settings that a restore takes from a backup, and a sentence on each other one."""
    taken, said = {}, []
    for key, value in parse(text).items():
        setting = _setting(key)
        if setting is None or (not setting.travels and key not in SETTINGS):
            said.append(f"{key[:40]} (no setting that a backup may bring)")
        elif setting.travels and not setting.is_good(value):
            said.append(f"{key} (it has to be {setting.wanted})")
        elif setting.travels:
            taken[key] = value
    return taken, said


def of_this_machine(found: dict[str, str]) -> dict[str, str]:
    """Return the settings of `found` that belong to a machine, which a restore leaves as they are.

    An address would otherwise open a port that its owner had closed.
    """
    return {
        key: value
        for key, value in found.items()
        if (setting := SETTINGS.get(key)) and not setting.travels and setting.is_good(value)
    }


def parse(text: str) -> dict[str, str]:
    """Return the lines `KEY=value`, without quotes around a whole value, as Compose reads them."""
    found = {}
    # Compose ends a line there and nowhere else; Python knows eight more ends of a line.
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, _, value = line.partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[key.strip()] = value
    return found


def _setting(key: str) -> Setting | None:
    return SETTINGS.get(key) or (_IMAGE_SETTING if _IMAGE_KEY.fullmatch(key) else None)


def _shown(key: str, value: str) -> str:
    secret = any(word in key for word in ("PASSWORD", "TOKEN", "WEBHOOK"))
    return "not usable" if secret else repr(value[:80])
