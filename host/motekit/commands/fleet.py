"""`mote fleet`: thousands of devices in one process, as data and as load for a backend."""

import asyncio
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motekit import login, places, supervision, terminal
from motekit.exits import DONE, FAILED, complain, explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.fleet.connection import Server
    from motekit.fleet.fleet import Fleet
    from motekit.fleet.verify import Source, Verdict

REFRESH_S = 0.5
LINE_S = 10.0
# Clocks of other machines may be behind by so much.
SKEW_S = 1.0
EPILOG = explained(
    "mote fleet --devices 1000 --rate 20000 --ramp 5 --seconds 60 --verify hub",
    failed="a reading was lost, a device never got in, or it could not begin",
    stopped="",
)


class Where(StrEnum):
    """What can be asked for the readings that arrived."""

    hub = "hub"
    influx = "influx"


def _load(text: str, **more: Any) -> Any:
    return typer.Option(help=text, rich_help_panel="Load", **more)


def _life(text: str, **more: Any) -> Any:
    return typer.Option(help=text, rich_help_panel="Life", **more)


def _login(text: str, **more: Any) -> Any:
    return typer.Option(help=text, rich_help_panel="Broker and login", **more)


def _check(text: str, **more: Any) -> Any:
    return typer.Option(help=text, rich_help_panel="Verification", **more)


def command(
    devices: Annotated[int, _load("How many devices.", min=1)] = 100,
    rate: Annotated[
        float | None,
        _load(
            "Readings a second, all devices together; 0: as many as the broker takes. "
            "Unless given, every device measures every 10 s.",
            min=0,
            show_default=False,
        ),
    ] = None,
    ramp: Annotated[float, _load("Seconds in which they join.", min=0)] = 0,
    seconds: Annotated[
        float, _load("How long they measure, the ramp included; 0: until Ctrl-C.", min=0)
    ] = 0,
    qos: Annotated[int, _load("QoS of the readings.", min=0, max=1)] = 1,
    connections: Annotated[
        int,
        _load("Share so many connections: load without last wills. 0: one a device.", min=0),
    ] = 0,
    window: Annotated[
        int, _load("Unacknowledged publishes of a connection.", min=1, max=10_000)
    ] = 100,
    outages: Annotated[
        float,
        _life("Outages of the network, a device and hour; what is kept comes later.", min=0),
    ] = 0,
    churn: Annotated[
        float, _life("Times a device and hour that it is switched off and on.", min=0)
    ] = 0,
    away: Annotated[float, _life("Seconds of both, on average.", min=0)] = 30,
    faults: Annotated[
        float,
        _life("Part of the devices whose sensors stick, spike, hang or are noisy.", min=0, max=1),
    ] = 0,
    seed: Annotated[str, _life("The same seed gives the same devices.")] = "0",
    prefix: Annotated[str, _life("How the devices' ids begin.")] = "fleet",
    broker: Annotated[str, _login("mqtt://host:port, or mqtts:// for TLS.")] = "mqtt://127.0.0.1",
    ca: Annotated[Path | None, _login("CA of the broker, PEM; else the system's.")] = None,
    user: Annotated[
        str, _login("One login for all; the password comes from MOTE_PASSWORD or a prompt.")
    ] = "",
    accounts: Annotated[
        Path | None, _login("A login a device: CSV with id,password a line.")
    ] = None,
    verify: Annotated[
        Where | None,
        _check("Count what arrived: lost, twice, late. Numbers readings in their last digits."),
    ] = None,
    late: Annotated[float, _check("Seconds from which a stored time is late.", min=0)] = 10,
    data: Annotated[Path | None, _check("The local hub's data folder.", show_default=False)] = None,
    influx_url: Annotated[str, _check("InfluxDB, version 1 or 2.")] = "http://127.0.0.1:8086",
    bucket: Annotated[str, _check("Bucket, or database of version 1.")] = "sensors",
    org: Annotated[str, _check("Organisation; version 2.")] = "mote",
    token_file: Annotated[
        Path | None, _check("File with a token that may read the bucket.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Be thousands of devices, as data and load for a backend; `--verify` counts what arrived.

    They have curves of the day, noise, faults, batteries, and outages with backfill.

    Ctrl-C ends the measuring, delivers what is owed and prints the report; once more ends at once.
    Without --user it logs in to a hub of this machine as its owner.
    """
    from motekit.fleet.fleet import Fleet
    from motekit.fleet.in_influx import InInflux
    from motekit.fleet.plan import Plan, PlanError, allow_connections, read_accounts
    from motekit.fleet.verify import VerifyError

    try:
        source: Source | None = None
        if verify is Where.hub:
            # The image of `mote` for Docker has no hub.
            from motekit.fleet.in_hub import InHub

            source = InHub(data or places.data() / "hub")
        elif verify is Where.influx:
            source = InInflux(influx_url, bucket, org, _secret(token_file))
        server = _server(broker, ca, window, data)
        logins = read_accounts(accounts) if accounts else {}
        name, password = (
            ("", "")
            if logins
            else login.login(user, login.Address(server.host, server.port, bool(server.tls)), data)
        )
        plan = Plan(
            server=server,
            devices=devices,
            rate=rate,
            ramp_s=ramp,
            seconds=seconds,
            qos=qos,
            seed=seed,
            prefix=prefix,
            outages=outages,
            churn=churn,
            away_s=away,
            faults=faults,
            connections=min(connections, devices),
            user=name,
            password=password,
            accounts=logins,
            numbered=source is not None,
        )
        allow_connections(plan.connections or plan.devices)
        if source:
            source.check()
        fleet = Fleet(plan)
        asyncio.run(_run(fleet, as_json))
        verdict = _verify(fleet, source, late) if source else None
    except (PlanError, VerifyError) as error:
        fail(error)
    raise typer.Exit(_report(fleet, verdict, as_json))


def _server(broker: str, ca: Path | None, window: int, data: Path | None = None) -> "Server":
    import ssl

    from motekit.fleet.connection import Server

    address = login.here(broker, data, login_options="--user or --accounts")
    if ca and not address.tls:
        fail("--ca is for TLS: give the broker as mqtts://host:port")
    tls = None
    if address.tls:
        try:
            tls = ssl.create_default_context(cafile=ca)
        except OSError as error:
            fail(f"{ca} holds no certificate in PEM form: {error}")
    return Server(address.host, address.port, tls, window)


def _secret(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}")


async def _run(fleet: "Fleet", quiet: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, fleet.stop)
    showing = asyncio.create_task(supervision.logged("the table of the fleet", _show(fleet, quiet)))
    try:
        await fleet.run()
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


async def _show(fleet: "Fleet", quiet: bool) -> None:
    """The sums as they grow: a live table on a terminal, else a line now and then."""
    from motekit.fleet import report

    if not sys.stderr.isatty():
        while not quiet:
            await asyncio.sleep(LINE_S)
            echo(report.line(fleet), err=True)
        return
    from rich.live import Live

    with Live(console=terminal.console(stderr=True), transient=True, auto_refresh=False) as live:
        while True:
            live.update(report.table(fleet), refresh=True)
            await asyncio.sleep(REFRESH_S)


def _verify(fleet: "Fleet", source: "Source", late_s: float) -> "Verdict":
    from motekit.fleet.verify import wait_and_judge

    def progress(verdict: "Verdict") -> None:
        if verdict.lost:
            echo(f"{verdict.arrived} of {verdict.taken} have arrived", err=True)

    return wait_and_judge(fleet.devices, source, fleet.began - SKEW_S, late_s, progress)


def _report(fleet: "Fleet", verdict: "Verdict | None", as_json: bool) -> int:
    """Print what came of it; the exit code."""

    from motekit.fleet import report

    failed = report.lost(fleet, verdict) or report.shut_out(fleet)
    if as_json:
        print_json(report.as_object(fleet, verdict), indent=1)
    else:
        terminal.console().print(report.table(fleet, verdict))
    text = report.sentence(fleet, verdict)
    if failed:
        complain(text)
        return FAILED
    echo(text, err=as_json)
    return DONE
