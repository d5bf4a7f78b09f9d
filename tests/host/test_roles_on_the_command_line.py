"""`mote devices`, `listen` and `restart` with the account of a viewer and of an operator."""

import asyncio
import json
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from motekit.acl import Role
from motekit.exits import DONE, FAILED
from motekit.hub import Hub
from paho.mqtt.enums import CallbackAPIVersion
from test_commands import mote
from test_orders_hub import say

pytestmark = pytest.mark.anyio


async def test_a_viewer_sees_the_boards_and_only_an_operator_commands_them(tmp_path: Path) -> None:
    hub = Hub(tmp_path, mqtt_host="0.0.0.0", mqtt_port=0, http_port=None)
    passwords = {role: hub.accounts.add_person(str(role), role) for role in hub_roles()}
    await hub.start()
    try:
        board = "plant1", hub.accounts.add("plant1")
        await say(hub, board, "devices/plant1/info", '{"version": "0.1.0"}')
        await say(hub, board, "devices/plant1/status", "online")
        server = ("--server", f"127.0.0.1:{hub.mqtt_port}")
        for role, password in passwords.items():
            login = (*server, "--user", str(role))
            shown = await asyncio.to_thread(
                mote, "devices", "--once", "--json", *login, MOTE_PASSWORD=password
            )
            assert shown.returncode == DONE, shown.stderr
            assert json.loads(shown.stdout)[0]["id"] == "plant1"
        viewer = (*server, "--user", "viewer")
        refused = await asyncio.to_thread(
            mote, "restart", "plant1", *viewer, "--wait", "5", MOTE_PASSWORD=passwords[Role.VIEWER]
        )
        assert refused.returncode == FAILED
        sent = await heard_by_the_board(hub, board, "viewer", passwords[Role.VIEWER])
        assert sent == []
        sent = await heard_by_the_board(hub, board, "operator", passwords[Role.OPERATOR])
        assert sent == ["identify"]
    finally:
        await hub.stop()


def hub_roles() -> tuple[Role, Role]:
    return Role.VIEWER, Role.OPERATOR


async def heard_by_the_board(hub: Hub, board: tuple[str, str], user: str, password: str):
    """What arrives at a board of a command that `user` publishes, before one of the owner."""
    topic, loop = "devices/plant1/cmd", asyncio.get_running_loop()
    heard: asyncio.Queue[str] = asyncio.Queue()

    def put(text: str) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, text)

    ear = mqtt.Client(CallbackAPIVersion.VERSION2)
    ear.username_pw_set(*board)
    ear.on_connect = lambda *_: ear.subscribe(topic, 1)
    ear.on_subscribe = lambda *_: put("subscribed")
    ear.on_message = lambda _client, _data, message: put(message.payload.decode())
    await asyncio.to_thread(ear.connect, "127.0.0.1", hub.mqtt_port)
    ear.loop_start()
    try:
        async with asyncio.timeout(90):
            assert await heard.get() == "subscribed"
            logins = ((user, password, "identify"), ("owner", hub.accounts.owner_password, "last"))
            for name, word, message in logins:
                options = ("-p", str(hub.mqtt_port), "-q", "1", "-t", topic, "-m", message)
                told = await asyncio.create_subprocess_exec(
                    "mosquitto_pub", *options, "-u", name, "-P", word
                )
                await told.wait()
            commands = []
            while (command := await heard.get()) != "last":
                commands.append(command)
            return commands
    finally:
        ear.disconnect()
        await asyncio.to_thread(ear.loop_stop)
