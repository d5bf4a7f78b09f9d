"""What the commands of `mote stack` share: which installation, Docker, and how the wait looks."""

from typing import TYPE_CHECKING

import typer

from motekit.exits import fail

if TYPE_CHECKING:
    from motekit.stack.compose import Compose, Service
    from motekit.stack.installation import Installation

WAIT_S = 300


def installation(context: typer.Context) -> "Installation":
    from motekit.stack.installation import DOCKER, Installation

    return Installation(context.obj or DOCKER / "state")


def made(context: typer.Context) -> "Installation":
    found = installation(context)
    if not found.made:
        fail(f"there is no backend in {found.state}: mote stack up makes one")
    return found


def make(installation: "Installation", names: list[str] | None) -> list[str]:
    from motekit.stack.compose import is_rootless

    try:
        return installation.make(names, is_rootless())
    except OSError as error:
        fail(f"{error}")


def compose(installation: "Installation") -> "Compose":
    from motekit.stack.compose import Compose, StackError, check_docker

    try:
        check_docker()
    except StackError as error:
        fail(str(error))
    return Compose(installation)


def wait(compose: "Compose", services: list[str]) -> None:
    from rich.console import Console

    with Console(stderr=True).status("waiting for the services") as line:

        def tell(found: "list[Service]") -> None:
            waiting = [one.name for one in found if not one.good]
            line.update(f"waiting for {', '.join(waiting) or 'the services'}")

        compose.wait(services, WAIT_S, tell)


def say_where(installation: "Installation", compose: "Compose") -> None:
    settings = installation.settings()
    host = settings["MOTE_NAMES"].split(",")[0]
    running = {one.name for one in compose.services() if one.good}
    if "grafana" in running:
        path = "/grafana/" if installation.profile == "full" else ""
        grafana = f"http://{host}:{settings['MOTE_GRAFANA_PORT']}{path}"
        typer.echo(f"\nDashboards  {grafana}  user admin,")
        typer.echo("            password: mote stack secret grafana")
    if "traefik" in running:
        door = f"https://{host}:{settings.get('MOTE_HTTPS_PORT', 443)}".removesuffix(":443")
        typer.echo(f"All pages   {door}/grafana /redis /loki /mqttx /traefik  user owner,")
        typer.echo("            password: mote stack secret web")
    if "mosquitto" in running:
        typer.echo(f"MQTT        {host}:{settings['MOTE_MQTT_PORT']}")
        typer.echo(f"with TLS    {host}:{settings['MOTE_MQTT_TLS_PORT']}, proven by")
        typer.echo(f"            {installation.authority / 'ca.crt'}")
        typer.echo("Next        mote stack add DEVICE makes a login for a board")
