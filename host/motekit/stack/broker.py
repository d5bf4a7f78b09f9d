"""Connections from this machine to the broker, and changes of its accounts while it runs.

They go to the port with TLS, which is always published, and trust the authority of the installation
alone: a program that listens in the broker's place gets no password.
"""

import json
import secrets
import ssl
import threading
from collections.abc import Mapping
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from motekit.acl import Role
from motekit.stack.compose import Compose
from motekit.stack.installation import Installation

HOST = "127.0.0.1"
_CONTROL = "$CONTROL/dynamic-security/v1"
_ANSWER_S = 10.0
# The broker takes messages of 64 KB.
_BATCH = 100


class BrokerError(Exception):
    """The broker does not change its accounts; the text says why."""


def client(
    installation: Installation, user: str, password: str, client_id: str = "", keep: bool = False
) -> mqtt.Client:
    """Return a client that logs in as `user`, to be connected to HOST and the port with TLS.

    `keep`: its session stays when it disconnects. That takes a client id.
    """
    keep = keep and bool(client_id)
    made = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=not keep)
    made.username_pw_set(user, password)
    trust = ssl.create_default_context(cafile=installation.authority / "ca.crt")
    # The authority signs the broker's certificate only, whose names are those for other machines.
    trust.check_hostname = False
    made.tls_set_context(trust)
    return made


def tell(
    installation: Installation,
    put: Mapping[str, str],
    removed: tuple[str, ...] = (),
    role: Role = Role.DEVICE,
) -> bool:
    """Let a running broker know accounts that were written, with their passwords, or removed.

    Nobody else is disconnected. A broker that cannot be told is restarted, which keeps every queue;
    a reload by SIGHUP would forget what waits for a reader that is away since the last restart
    (mosquitto issue 2934). False where no broker runs. Raises StackError, OSError.
    """
    try:
        _change(installation, [*map(_remove, removed), *(_put(*one, role) for one in put.items())])
    except (BrokerError, OSError):
        return Compose(installation).restart("mosquitto")
    return True


def _put(name: str, password: str, role: Role) -> dict[str, Any]:
    given = [{"rolename": str(role)}] if role is not Role.DEVICE else []
    login = {"username": name, "password": password, "clientid": name, "roles": given}
    return {"command": "createClient"} | login


def _remove(name: str) -> dict[str, Any]:
    return {"command": "deleteClient", "username": name}


def _change(installation: Installation, commands: list[dict[str, Any]]) -> None:
    """Have the plugin carry out commands. Raises BrokerError, OSError.

    The plugin cannot write its file, which is read-only for the broker: `mote` has written it.
    """
    again = []
    for at in range(0, len(commands), _BATCH):
        batch = commands[at : at + _BATCH]
        for asked, answer in zip(batch, _ask(installation, batch), strict=True):
            match answer.get("error"):
                case None | "Client not found":
                    pass
                case "Client already exists":
                    again.append({**asked, "command": "modifyClient"})
                case error:
                    raise BrokerError(f"{answer['command']}: {error}")
    if again:
        _change(installation, again)


def _ask(installation: Installation, commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    password = (installation.secrets / "owner/control_password").read_text(encoding="utf-8")
    asking = client(installation, "control", password)
    mark = secrets.token_hex(8)
    ended, answers, failure = threading.Event(), list[dict[str, Any]](), list[str]()

    def connected(_client: object, _data: object, _flags: object, code: Any, _more: object) -> None:
        if code.is_failure:
            failure.append(str(code))
            ended.set()
        asking.subscribe(f"{_CONTROL}/response", qos=1)

    def subscribed(*_details: object) -> None:
        marked = [{**one, "correlationData": mark} for one in commands]
        asking.publish(_CONTROL, json.dumps({"commands": marked}), qos=1)

    def answered(_client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        found = json.loads(message.payload).get("responses", ())
        answers.extend(one for one in found if one.get("correlationData") == mark)
        if len(answers) >= len(commands):
            ended.set()

    asking.on_connect = connected
    asking.on_subscribe = subscribed
    asking.on_message = answered
    asking.connect(HOST, installation.tls_port)
    asking.loop_start()
    try:
        if not ended.wait(_ANSWER_S):
            failure.append("no answer")
    finally:
        asking.disconnect()
        asking.loop_stop()
    if failure:
        raise BrokerError(f"the broker does not take account changes: {failure[0]}")
    return answers
