"""What `mote stack` shows people: for whom it waits, where everything is, how the services are."""

import typer
from rich.console import Console
from rich.table import Table

from motekit.stack.accounts import OWNER
from motekit.stack.compose import Compose, Service
from motekit.stack.installation import Installation


def wait(compose: Compose, services: list[str], seconds: float) -> None:
    """Wait until all are healthy, saying for whom. Raises StackError."""
    with Console(stderr=True).status("waiting for the services") as line:

        def tell(found: list[Service]) -> None:
            waiting = [one.name for one in found if not one.good]
            line.update(f"waiting for {', '.join(waiting) or 'the services'}")

        compose.wait(services, seconds, tell)


def where(installation: Installation, compose: Compose) -> None:
    """Say where its pages and the broker are."""
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
        typer.echo(f"All pages   {door}/grafana /redis /loki /mqttx /traefik  user {OWNER},")
        typer.echo("            password: mote stack secret web")
    if "mosquitto" in running:
        typer.echo(f"MQTT        {host}:{settings['MOTE_MQTT_PORT']}")
        typer.echo(f"with TLS    {host}:{settings['MOTE_MQTT_TLS_PORT']}, proven by")
        typer.echo(f"            {installation.authority / 'ca.crt'}")
        typer.echo("Next        mote stack add DEVICE makes a login for a board")


def table(found: list[Service]) -> None:
    """Print the services, a row for each."""
    if not found:
        typer.echo("Nothing runs: mote stack up")
        return
    rows = Table("service", "state", "ports", box=None, pad_edge=False)
    for one in found:
        mark = "[green]✓[/]" if one.good else "[red]✗[/]"
        rows.add_row(f"{mark} {one.name}", one.status, " ".join(map(str, one.ports)))
    Console(highlight=False).print(rows)
