"""Writes what the documents say about the commands, out of the commands themselves.

`make commands` writes COMMANDS.md, which has a page for each command, and the table of the README.
With `--check` nothing is written: it ends with 1 and names what `make commands` would change.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from motekit import command_table as cli

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = ROOT / "COMMANDS.md"
TABLE = re.compile(r"\| command \| does \|\n(\|.*\n)+")
# typer's own list of commands, each cut after 45 characters; the headings are list enough.
CUT_LIST = re.compile(r"\*\*Commands\*\*:\n\n(\* .*\n)+\n")


def commands() -> Iterator[tuple[str, Any]]:
    """Name and command of each that `mote --help` lists, panel by panel as there."""
    listed = typer.main.get_command(cli.app).commands.items()
    panels = [cli.HERE, cli.CABLE, cli.AFAR, cli.FILES]
    yield from sorted(listed, key=lambda one: panels.index(one[1].rich_help_panel))


def table() -> str:
    """The README's table: what each command does is the first paragraph of its help."""
    rows = ["| command | does |\n|---|---|\n"]
    for name, command in commands():
        does = " ".join(command.help.split("\n\n")[0].split()).rstrip(".")
        rows.append(f"| [`mote {name}`](COMMANDS.md#mote-{name}) | {does} |\n")
    return "".join(rows)


def pages() -> str:
    """A page for each command, by typer."""
    typed = [
        sys.executable,
        "-m",
        "typer",
        "motekit.command_table",
        "utils",
        "docs",
        "--name",
        "mote",
    ]
    made = subprocess.run(typed, check=True, capture_output=True, text=True).stdout
    return CUT_LIST.sub("", made).replace("&#x27;", "'").replace("&quot;", '"')


def main() -> int:
    readme = README.read_text(encoding="utf-8")
    wanted = {README: TABLE.sub(lambda _: table(), readme), PAGES: pages()}
    stale = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.name} is not what the commands say: make commands", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
        print(path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
