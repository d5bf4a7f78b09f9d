"""`mote listen`: readings as they arrive."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Annotated

import typer
from mote import contract

from motekit import login
from motekit.exits import DONE, ENDED, FAILED, explained, fail
from motekit.terminal import console, echo, print_json

if TYPE_CHECKING:
    import paho.mqtt.client as mqtt

EPILOG = explained(
    "mote listen --device greenhouse --json",
    done=f"{ENDED}, or what --count or --timeout asked for is over",
    failed="there is no server, it refuses the login, or --timeout came before --count or before "
    "the first reading",
    stopped="",
)
CONNECT_S = 5.0
# Without a match for so many seconds it says what is known.
HINT_S = 5.0
EVERY = "+"
REFRESH_A_SECOND = 4


@dataclass(frozen=True)
class Heard:
    """One reading with the Unix time, in seconds, at which it was heard."""

    device: str
    metric: str
    value: float
    time: float


@dataclass
class _Known:
    """What was heard besides: devices that say whether they are online, and metrics."""

    devices: set[str] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)


def command(
    server: Annotated[
        str, typer.Option(help="MQTT server: host, host:port, or mqtts://host for TLS.")
    ] = "127.0.0.1",
    user: Annotated[
        str, typer.Option(help="User; the password comes from MOTE_PASSWORD or a prompt.")
    ] = "",
    ca: Annotated[
        Path | None,
        typer.Option(
            help="CA of the server, PEM: connects with TLS.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Only this device.")] = EVERY,
    metric: Annotated[str, typer.Option(help="Only this metric.")] = EVERY,
    count: Annotated[int, typer.Option(min=0, help="End after so many readings; 0 never.")] = 0,
    timeout: Annotated[
        float, typer.Option(min=0, help="End after so many seconds; 0 never.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="The local hub's data folder.", show_default=False)
    ] = None,
) -> None:
    """Show readings as they arrive: a live table, lines where there is no terminal, or `--json`.

    Without --user it logs in to a hub of this machine as its owner.
    """
    for text, known, option in (
        (device, contract.is_device_id(device), "--device"),
        (metric, contract.is_metric(metric), "--metric"),
    ):
        if text != EVERY and not known:
            raise typer.BadParameter(f"{text!r} is no name of one", param_hint=option)
    address = login.here(server, data, tls=bool(ca))
    name, password = login.login(user, address, data)
    heard = _readings(address, ca, name, password, (device, metric), timeout)
    if as_json or not sys.stdout.isatty():
        enough = _print_lines(heard, count, as_json)
    else:
        enough = _show_table(heard, count)
    raise typer.Exit(DONE if enough or not count else FAILED)


def _readings(
    address: login.Address,
    ca: Path | None,
    user: str,
    password: str,
    only: tuple[str, str],
    timeout: float,
) -> Iterator[Heard]:
    """Readings until `timeout` seconds (0: for ever) or Ctrl-C."""
    host, port = address.host, address.port
    news: Queue[Heard | str] = Queue()
    known = _Known()

    def connected(
        client: "mqtt.Client", _: object, __: object, reason: object, ___: object
    ) -> None:
        if getattr(reason, "is_failure", False):
            news.put(
                f"{host}:{port} refused the login: {reason}. Check --user and MOTE_PASSWORD, "
                "or --data for a hub of this machine."
            )
            return
        # All metrics of it: what is filtered out can be named.
        client.subscribe(contract.sensor_topic(only[0], EVERY), qos=1)
        if only[0] != EVERY:
            client.subscribe(contract.device_topic(EVERY, "status"))

    def message(_: "mqtt.Client", __: object, received: "mqtt.MQTTMessage") -> None:
        room, device, leaf = received.topic.split("/")
        if room != "sensors":
            known.devices.add(device)
            return
        known.metrics.add(leaf)
        if only[1] not in (EVERY, leaf):
            return
        try:
            news.put(Heard(device, leaf, float(received.payload), time.time()))
        except ValueError:
            echo(f"mote: {received.topic}: {received.payload!r} is no float", err=True)

    client = _client(address, ca, user, password)
    client.on_connect = connected
    client.on_message = message
    try:
        client.connect(host, port)
    except OSError as error:
        fail(
            f"no MQTT server answers at {host}:{port} ({error}). Start one with `mote hub`, "
            "or give another with --server."
        )
    client.loop_start()
    try:
        yield from _until(news, timeout, only, known)
    except KeyboardInterrupt:
        return
    finally:
        client.loop_stop()
        client.disconnect()


def _client(address: login.Address, ca: Path | None, user: str, password: str) -> "mqtt.Client":
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect_timeout = CONNECT_S
    if user:
        client.username_pw_set(user, password)
    if address.tls:
        try:
            client.tls_set(ca_certs=str(ca) if ca else None)
        except OSError as error:
            fail(f"{ca} holds no certificate in PEM form: {error}")
    return client


def _until(
    news: "Queue[Heard | str]", timeout: float, only: tuple[str, str], known: "_Known"
) -> Iterator[Heard]:
    """What is heard, until `timeout` seconds (0: for ever). Raises typer.Exit for a text."""
    began = time.monotonic()
    end = began + timeout if timeout else float("inf")
    hint_at = began + HINT_S if only != (EVERY, EVERY) else float("inf")
    heard = False
    while (rest := end - time.monotonic()) > 0:
        if time.monotonic() >= hint_at:
            hint_at = float("inf")
            echo(f"mote: {_hint(only, known)}", err=True)
        try:
            item = news.get(timeout=min(rest, 1.0))
        except Empty:
            continue
        if isinstance(item, str):
            fail(item)
        hint_at, heard = float("inf"), True
        yield item
    if not heard:
        fail(f"no reading came within {timeout:g} s: {_hint(only, known)}")


def _hint(only: tuple[str, str], known: _Known) -> str:
    """Why nothing may have come: a name that is not known here, or a board that is silent."""
    device, metric = only
    if device != EVERY and device not in known.devices:
        there = ", ".join(sorted(known.devices)) or "none that this login may see"
        return f"nothing is known of a device {device!r}; known here: {there}"
    if metric != EVERY and known.metrics:
        sent = ", ".join(sorted(known.metrics))
        return f"no reading of a metric {metric!r} so far; what comes: {sent}"
    who = "any device" if device == EVERY else device
    return f"nothing of {who} so far: `mote devices` shows who is online"


def _print_lines(heard: Iterator[Heard], count: int, as_json: bool) -> bool:
    for number, one in enumerate(heard, 1):
        if as_json:
            print_json(one.__dict__)
        else:
            echo(f"{one.device} {one.metric} {one.value:g}")
        if number == count:
            return True
    return False


def _show_table(heard: Iterator[Heard], count: int) -> bool:
    from rich.live import Live
    from rich.table import Table

    from motekit.hub.metrics import describe, show

    latest: dict[tuple[str, str], Heard] = {}

    def table() -> Table:
        shown = Table(
            "Device", "Metric", "Value", "Unit", "At", box=None, header_style="bold green"
        )
        shown.columns[2].justify = "right"
        for (device, metric), one in sorted(latest.items()):
            at = time.strftime("%H:%M:%S", time.localtime(one.time))
            unit = describe(metric).unit
            shown.add_row(device, metric, show(metric, one.value), unit, at)
        return shown

    with Live(table(), console=console(), refresh_per_second=REFRESH_A_SECOND) as live:
        for number, one in enumerate(heard, 1):
            latest[one.device, one.metric] = one
            live.update(table())
            if number == count:
                return True
    return False
