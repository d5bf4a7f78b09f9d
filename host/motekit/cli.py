"""The command `mote`: the table of its commands. What is heavy is imported inside them."""

from typing import Annotated

import typer

from motekit.commands import demo, doctor, firmware, hub, listen, sim, stack

app = typer.Typer(
    name="mote",
    help="From a bare ESP32 board to readings on a dashboard.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.command)
app.command("doctor")(doctor.command)
app.command("firmware", epilog="Example: mote firmware build/board --board xiao-esp32c3")(
    firmware.command
)
app.command("listen")(listen.command)
app.add_typer(hub.app, name="hub")
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
