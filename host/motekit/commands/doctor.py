"""`mote doctor`: what is missing on this machine, and how to get it."""

import importlib.util
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from motekit import places, terminal
from motekit.exits import FAILED, explained
from motekit.terminal import print_json

CERTIFICATE_DAYS = 30
NEEDS = ("demo", "hub", "boards", "tests")
EPILOG = explained(
    "mote doctor --for tests",
    failed="something is missing that the demo needs, or that which --for names",
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `needed_for` is demo, hub, boards or tests."""

    what: str
    needed_for: str
    found: bool
    remedy: str


def command(
    needed_for: Annotated[
        str, typer.Option("--for", help="Only what this needs: demo, hub, boards, tests.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is missing on this machine, and how to get it."""
    if needed_for and needed_for not in NEEDS:
        raise typer.BadParameter(f"one of {', '.join(NEEDS)}", param_hint="--for")
    findings = [f for f in look() if not needed_for or f.needed_for == needed_for]
    if as_json:
        print_json([asdict(finding) for finding in findings], indent=1)
    else:
        _print(findings)
    asked = (needed_for,) if needed_for else ("demo",)
    if any(not f.found and f.needed_for in asked for f in findings):
        raise typer.Exit(FAILED)


def look() -> Iterator[Finding]:
    """Everything that Mote may need from a machine."""
    yield Finding(
        f"Python {sys.version_info.major}.{sys.version_info.minor}",
        "demo",
        sys.version_info >= (3, 11),
        "install Python 3.11 or newer",
    )
    yield Finding(
        "MicroPython runtime",
        "demo",
        importlib.util.find_spec("micropython_unix") is not None,
        "virtual boards run on Linux x86-64 and macOS; elsewhere use real boards with mote hub",
    )
    yield from _hub()
    yield from _serial_ports()
    yield from _update_key()
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    table = places.PROVISIONING / "system-packages.toml"
    for entry in tomllib.loads(table.read_text(encoding="utf-8")).values():
        remedy = f"Debian, Ubuntu: sudo apt install {entry['debian']}"
        if "homebrew" in entry:
            remedy += f"; macOS: brew install {entry['homebrew']}"
        found = shutil.which(entry["program"], path=path) is not None
        yield Finding(entry["program"], entry["needed_for"], found, f"{remedy}. {entry['without']}")
    yield Finding(
        "network namespaces (Linux, root)",
        "tests",
        sys.platform == "linux" and os.geteuid() == 0,
        "run the tests as root on Linux. Without: tests with real addresses are skipped",
    )


def _hub() -> Iterator[Finding]:
    """How the hub of this user's data folder is, if it runs."""
    from motekit.hub import dropped, hub_state

    hub = hub_state.running(places.data() / "hub")
    if hub is None:
        return
    encrypted = "what others in the network send and get is encrypted"
    exposed = " and ".join(hub.exposed)
    yield Finding(
        f"hub: without TLS others in the network can read {exposed}" if exposed
        else f"hub: {encrypted}",
        "hub",
        not exposed,
        "start it without --also-plain" if hub.tls_port else "start it with mote hub --tls",
    )  # fmt: skip
    if hub.certificate_ends:
        ends = time.strftime("%Y-%m-%d", time.localtime(hub.certificate_ends))
        left = (hub.certificate_ends - time.time()) / 86_400
        remedy = "restart the hub, which renews its own; a given one is yours to renew"
        yield Finding(
            f"hub: its certificate ends on {ends}", "hub", left > CERTIFICATE_DAYS, remedy
        )
    lost = dropped.sentence(hub.dropped)
    remedy = "let clients with kept sessions connect, or end their sessions; see docs/reference"
    yield Finding(f"hub: {lost or 'no messages dropped'}", "hub", not lost, remedy)


def _serial_ports() -> Iterator[Finding]:
    from motekit.serial import ports

    found = ports.find()
    names = " ".join(port.path for port in found)
    yield Finding(f"board on USB {names}".strip(), "boards", bool(found), ports.missing())
    for port in found:
        remedy = ports.permission(port.path)
        yield Finding(f"permission for {port.path}", "boards", not remedy, remedy)


def _update_key() -> Iterator[Finding]:
    from motekit.update import keys

    if keys.key_file().is_file():
        found = f"sealed copy of the key that signs updates ({keys.key_file()})"
        yield Finding(found, "boards", keys.has_copy(), keys.KEEP_A_COPY)


def _print(findings: list[Finding]) -> None:
    from rich.padding import Padding

    console = terminal.console()
    titles = {
        "demo": "Demo and hub",
        "hub": "Running hub",
        "boards": "Real boards",
        "tests": "Tests",
    }
    for need in NEEDS:
        group = [finding for finding in findings if finding.needed_for == need]
        if group:
            console.print(terminal.styled(titles[need], "bold"))
        for finding in group:
            mark = terminal.mark(finding.found)
            console.print(terminal.styled("  ") + mark + terminal.styled(f" {finding.what}"))
            if not finding.found:
                remedy = terminal.styled(finding.remedy, "dim")
                console.print(Padding(remedy, (0, 0, 0, 4)))
