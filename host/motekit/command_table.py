"""The command `mote`: the table of its commands. What is heavy is imported inside them."""

import contextlib
import sys
from typing import Annotated

import typer

from motekit import exits
from motekit.commands import (
    bundle,
    demo,
    devices,
    doctor,
    firmware,
    flash,
    fleet,
    hub,
    image,
    key,
    label,
    listen,
    monitor,
    orders,
    provision,
    settings,
    shell,
    sim,
    sim_test,
    stack,
    update,
)
from motekit.terminal import echo, prepare

app = typer.Typer(
    name="mote",
    help="From a bare ESP32 board to readings on a dashboard.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# In the order of the help and of the README.
HERE = "On this computer"
app.command("demo", epilog=demo.EPILOG, rich_help_panel=HERE)(demo.command)
app.command("doctor", epilog=doctor.EPILOG, rich_help_panel=HERE)(doctor.command)
app.add_typer(hub.app, name="hub", rich_help_panel=HERE)
sim.app.command("test", epilog=sim_test.EPILOG)(sim_test.command)
app.add_typer(sim.app, name="sim", rich_help_panel=HERE)
app.add_typer(stack.app, name="stack", rich_help_panel=HERE)

CABLE = "A board on USB"
app.command("flash", epilog=flash.EPILOG, rich_help_panel=CABLE)(flash.command)
app.command("provision", epilog=provision.EPILOG, rich_help_panel=CABLE)(provision.command)
app.command("label", epilog=label.EPILOG, rich_help_panel=CABLE)(label.command)
app.command("monitor", epilog=monitor.EPILOG, rich_help_panel=CABLE)(monitor.command)
app.command("shell", epilog=shell.EPILOG, rich_help_panel=CABLE)(shell.command)

AFAR = "Boards from afar, over MQTT"
app.command("listen", epilog=listen.EPILOG, rich_help_panel=AFAR)(listen.command)
app.command("devices", epilog=devices.EPILOG, rich_help_panel=AFAR)(devices.command)
app.add_typer(settings.app, name="config", rich_help_panel=AFAR)
app.command("restart", epilog=orders.RESTART, rich_help_panel=AFAR)(orders.restart)
app.command("identify", epilog=orders.IDENTIFY, rich_help_panel=AFAR)(orders.identify)
app.command("replay", epilog=orders.REPLAY, rich_help_panel=AFAR)(orders.replay)
app.command("update", epilog=update.EPILOG, rich_help_panel=AFAR)(update.command)

FILES = "Files and data"
app.add_typer(image.app, name="image", rich_help_panel=FILES)
app.command("firmware", epilog=firmware.EPILOG, rich_help_panel=FILES)(firmware.command)
app.command("bundle", epilog=bundle.EPILOG, rich_help_panel=FILES)(bundle.command)
app.add_typer(key.app, name="key", rich_help_panel=FILES)
app.command("fleet", epilog=fleet.EPILOG, rich_help_panel=FILES)(fleet.command)


def _version(asked: bool) -> None:
    if asked:
        import mote

        echo(f"mote {mote.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From a bare ESP32 board to readings on a dashboard."""


def run() -> None:
    """Run the command that the command line names. Raises SystemExit."""
    prepare()
    if "--json" in sys.argv:
        exits.answer_in_json()
    try:
        app()
    except SystemExit as end:
        if end.code == exits.USAGE:
            exits.usage_error_in_json()
        raise
    except OSError as error:
        # A folder that may not be written, a full disk: whatever the command was about.
        with contextlib.suppress(typer.Exit):
            exits.fail(error)
        sys.exit(exits.FAILED)
