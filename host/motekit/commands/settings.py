"""`mote config`: the configuration of boards that are online, told and changed over MQTT."""

from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from motekit.commands import meeting
from motekit.exits import explained, fail
from motekit.terminal import echo, print_json, print_json_for_people

if TYPE_CHECKING:
    from motekit.flash import Watch

app = typer.Typer(
    help="Tell the configuration of a board (`get`), or change it from afar (`set`): tried, and "
    "taken back by itself."
)
GET = explained("mote config get greenhouse interval")
SET = explained(
    "mote config set greenhouse interval=30 mqtt.password",
    **meeting.BOARDS,
    note=" After 1, a board has the configuration that it had before.",
)


@app.command("get", epilog=GET)
def get(
    device: Annotated[str, typer.Argument(help="The device.")],
    key: Annotated[
        str, typer.Argument(help="Only this entry, such as mqtt.host.", show_default=False)
    ] = "",
    wait: meeting.Wait = meeting.WAIT_S,
    as_json: meeting.AsJson = False,
    server: meeting.Server_ = meeting.HERE,
    user: meeting.User = "",
    ca: meeting.Ca = None,
    data: meeting.Data = None,
) -> None:
    """Tell the configuration of a board; of passwords only whether there are any."""
    (name,) = meeting.boards([device])
    where = meeting.server(server, user, ca, data)

    async def work() -> Any:
        async with meeting.meeting(where, wait, data) as met:
            return (await met.orders.do(name, "config"))["config"]

    found = meeting.run(work())
    for part in key.split(".") if key else ():
        if not isinstance(found, dict) or part not in found:
            fail(f"{name} has no entry {key}: `mote config get {name}` shows all of them")
        found = found[part]
    if as_json:
        print_json(found, indent=1)
    elif isinstance(found, str):
        echo(found)
    else:
        print_json_for_people(_with_words(found))


def _with_words(found: Any) -> Any:
    """What a board told, where a password that is set says so in words."""
    if isinstance(found, dict):
        return {
            key: "(set)" if "password" in key and one is True else _with_words(one)
            for key, one in found.items()
        }
    return [_with_words(one) for one in found] if isinstance(found, list) else found


@app.command("set", epilog=SET)
def put(
    device: Annotated[
        str, typer.Argument(help="The device, several as a,b,c, or all that are online.")
    ],
    change: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE...",
            help="Entries, such as mqtt.port=8883; null removes one. KEY without =VALUE prompts "
            "without echo: use it for passwords.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(help="Entries as a JSON object; - is standard input.", metavar="FILE"),
    ] = None,
    wait: meeting.Wait = meeting.WAIT_S,
    yes: meeting.Yes = False,
    as_json: meeting.AsJson = False,
    server: meeting.Server_ = meeting.HERE,
    user: meeting.User = "",
    ca: meeting.Ca = None,
    data: meeting.Data = None,
) -> None:
    """Change entries of the configuration; the rest stays as it is.

    The board checks the whole, restarts with it, and takes the old one back by itself when it is
    not online within 3 minutes. Waits for the outcome.

    With another MQTT host, port, TLS or CA, the same command has to give mqtt.password: the board
    sends the one that it has only to the server that it was given for.
    """
    names = meeting.boards(device.split(","))
    patch = _patch(change or [], file)
    if "id" in patch and (len(names) > 1 or names == [meeting.ALL]):
        raise typer.BadParameter("two devices cannot have one id", param_hint="KEY=VALUE")
    where = meeting.server(server, user, ca, data)

    async def work() -> list[meeting.Result]:
        async with meeting.meeting(where, wait, data) as met:

            async def one(name: str, watch: "Watch") -> meeting.Result:
                watch.begins("trying the new configuration")
                await met.orders.configure(name, patch)
                return {}

            does = f"changes {', '.join(patch)} of {{}}"
            return await meeting.each(await meeting.chosen(met, names, does, yes), one)

    # Stopped in the middle, the board decides by itself.
    stopped = "stopped; a board that was told already goes on by itself"
    meeting.tell(
        meeting.run(work(), stopped),
        as_json,
        lambda r: f"{r['device']} is online with the new configuration",
    )


def _patch(changes: list[str], file: BinaryIO | None) -> dict[str, Any]:
    """What to merge into the configuration. Raises typer.BadParameter, typer.Exit."""
    if bool(changes) == bool(file):
        raise typer.BadParameter("give either entries or --file", param_hint="KEY=VALUE")
    if file:
        return _read(file)
    patch: dict[str, Any] = {}
    for change in changes:
        key, given, text = change.partition("=")
        kind = _kind(key)
        if not given:
            if kind != "string":
                raise typer.BadParameter(f"{change!r} has no =VALUE", param_hint="KEY=VALUE")
            text = typer.prompt(key, hide_input=True, default="", show_default=False)
        place = patch
        *folders, leaf = key.split(".")
        for folder in folders:
            place = place.setdefault(folder, {})
        place[leaf] = None if text == "null" and kind != "string" else _typed(key, text)
    return _addressed(patch)


def _read(file: BinaryIO) -> dict[str, Any]:
    from motekit import documents

    try:
        found = documents.read_json(file)
    except documents.DocumentError as error:
        fail(error)
    if not isinstance(found, dict) or not found:
        fail(f"{file.name} must hold a JSON object with the entries to change")
    return _addressed(found)


def _addressed(patch: dict[str, Any]) -> dict[str, Any]:
    """`patch`, in which an address in `mqtt.host` says port and TLS as well."""
    from mote import server_address

    try:
        if isinstance(patch.get("mqtt"), dict):
            server_address.normalize(patch["mqtt"])
    except ValueError as error:
        fail(f"mqtt.host {error}")
    return patch


def _kind(key: str) -> str:
    """The JSON type of an entry, empty where it may be several. Raises typer.BadParameter."""
    from motekit import config

    schema: dict[str, Any] = config.schema()
    for part in key.split("."):
        known = schema.get("properties", {})
        if part not in known:
            raise typer.BadParameter(
                f"there is no entry {key!r}; known here: {', '.join(known) or 'none'}",
                param_hint="KEY=VALUE",
            )
        schema = known[part]
    return str(schema.get("type", ""))


def _typed(key: str, text: str) -> Any:
    from motekit.provision import SettingsError, settings

    try:
        return settings.typed(key, text)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="KEY=VALUE") from None
