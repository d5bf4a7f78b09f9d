"""The command `mote`: the table of its commands. What is heavy is imported inside them."""

from typing import Annotated

import typer

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
    label,
    listen,
    monitor,
    orders,
    provision,
    settings,
    shell,
    sim,
    stack,
    update,
)

app = typer.Typer(
    name="mote",
    help="From a bare ESP32 board to readings on a dashboard.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("bundle", epilog=bundle.EPILOG)(bundle.command)
app.command("demo")(demo.command)
app.command("devices", epilog=devices.EPILOG)(devices.command)
app.command("doctor")(doctor.command)
app.command("firmware", epilog="Example: mote firmware build/board --board xiao-esp32c3")(
    firmware.command
)
app.command("flash", epilog=flash.EPILOG)(flash.command)
app.command("fleet", epilog=fleet.EXAMPLE)(fleet.command)
app.command("identify", epilog=orders.IDENTIFY)(orders.identify)
app.command("label", epilog=label.EPILOG)(label.command)
app.command("listen")(listen.command)
app.command("monitor")(monitor.command)
app.command("provision", epilog=provision.EPILOG)(provision.command)
app.command("replay", epilog=orders.REPLAY)(orders.replay)
app.command("restart", epilog=orders.RESTART)(orders.restart)
app.command("shell")(shell.command)
app.command("update", epilog=update.EPILOG)(update.command)
app.add_typer(settings.app, name="config")
app.add_typer(hub.app, name="hub")
app.add_typer(image.app, name="image")
app.add_typer(sim.app, name="sim")
app.add_typer(stack.app, name="stack")


def _version(asked: bool) -> None:
    if asked:
        import mote

        typer.echo(f"mote {mote.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From a bare ESP32 board to readings on a dashboard."""


def main() -> None:
    """Entry point of the program."""
    app()
