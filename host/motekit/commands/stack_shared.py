"""What the commands of `mote stack` share: which installation, Docker, and how the wait looks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from motekit import terminal
from motekit.exits import fail, reason
from motekit.terminal import echo

if TYPE_CHECKING:
    from motekit.stack.compose import Compose, Service
    from motekit.stack.installation import Installation

WAIT_S = 300
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def installation(context: typer.Context) -> "Installation":
    from motekit.stack.installation import DOCKER, Installation

    return Installation(context.obj or DOCKER / "state")


def made(context: typer.Context) -> "Installation":
    found = installation(context)
    if not found.made:
        fail(f"there is no backend in {found.state}: mote stack up makes one")
    return found


def recovered(context: typer.Context) -> "Installation":
    """The installation, after a restore that was killed was undone."""
    from motekit.stack import restore
    from motekit.stack.compose import Compose

    found = installation(context)
    with failures_told():
        if restore.recover(found, Compose(found), lambda _: None):
            echo(
                "A restore that was broken off was undone: what was here before is back.", err=True
            )
    return found


@contextmanager
def failures_told(before: str = "") -> Iterator[None]:
    """Whatever fails in it ends the command: the details, then `before` and what is wrong."""
    from motekit.certificates import CertificateError
    from motekit.credentials import AccountError
    from motekit.stack.compose import StackError

    try:
        yield
    except StackError as error:
        if error.details:
            echo(*error.details.splitlines(), err=True)
        fail(f"{before}{error}")
    except (AccountError, CertificateError, OSError) as error:
        fail(f"{before}{reason(error)}")


def make(installation: "Installation", names: list[str] | None) -> list[str]:
    from motekit.stack.compose import is_rootless

    with failures_told():
        return installation.make(names, is_rootless())


def compose(installation: "Installation") -> "Compose":
    from motekit.stack.compose import Compose, check_docker

    with failures_told():
        check_docker()
    return Compose(installation)


def wait(compose: "Compose", services: list[str]) -> None:

    with terminal.console(stderr=True).status("waiting for the services") as line:

        def tell(found: "list[Service]") -> None:
            waiting = [one.name for one in found if not one.good]
            line.update(f"waiting for {', '.join(waiting) or 'the services to stay healthy'}")

        compose.wait(services, WAIT_S, tell)


def certificate_warning(installation: "Installation") -> str | None:
    """What to say of a certificate that ends soon, or cannot be read."""
    from motekit import certificates

    server, authority = installation.certificates / "server.crt", installation.authority / "ca.crt"
    try:
        return certificates.ending(server, authority, "mote stack up renews it")
    except (OSError, ValueError) as error:
        return f"the certificate {server} cannot be read ({error}): mote stack doctor"


def where(installation: "Installation", compose: "Compose") -> dict[str, str]:
    """The addresses of what runs: grafana, pages, mqtt, mqtt_tls; authority is a file."""
    from motekit.stack import exposure

    settings = installation.settings()
    host = settings["MOTE_NAMES"].split(",")[0]
    mqtt, grafana = (
        host if key in exposure.opened(settings) else "localhost" for key in exposure.ADDRESSES
    )
    running = {one.name for one in compose.services() if one.good}
    found = {}
    if "grafana" in running:
        path = "/grafana/" if installation.profile == "full" else ""
        found["grafana"] = f"http://{grafana}:{settings['MOTE_GRAFANA_PORT']}{path}"
    if "traefik" in running:
        door = f"https://{host}:{settings.get('MOTE_HTTPS_PORT', 443)}"
        found["pages"] = door.removesuffix(":443")
    if "mosquitto" in running:
        found["mqtt"] = f"{mqtt}:{settings['MOTE_MQTT_PORT']}"
        found["mqtt_tls"] = f"{host}:{settings['MOTE_MQTT_TLS_PORT']}"
        found["authority"] = str(installation.authority / "ca.crt")
    return found


def say_where(where: dict[str, str]) -> None:
    if "grafana" in where:
        echo("", f"Dashboards  {where['grafana']}  user admin,")
        echo("            password: mote stack secret grafana")
    if "pages" in where:
        echo(f"All pages   {where['pages']}/grafana /redis /loki /mqttx /traefik  user owner,")
        echo("            user owner, password: mote stack secret web")
    if "mqtt" in where:
        echo(f"MQTT        {where['mqtt_tls']} with TLS, proven by")
        echo(f"            {where['authority']}")
        echo(f"without TLS {where['mqtt']}")
        echo("Next        mote stack add DEVICE makes a login for a board")
