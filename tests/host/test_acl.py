"""The table of rights against a real Mosquitto, which reads the file that is written from it.

Mosquitto tells a client of MQTT 5 whether a publish was refused (PUBACK 0x87), and what it delivers
shows what an account may read.
"""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from house_of_one import Broker
from motekit import acl
from motekit.acl import Role
from motekit.hub import rights
from motekit.stack import mosquitto_acl
from motekit.stack.accounts import UNBOUND, Accounts
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

pytestmark = pytest.mark.anyio
WAIT_S = 120
# Names that are words of topics, and one that is a prefix of another.
DEVICES = ["plant1", "plant", "sensor", "config", "cmd", "homeassistant"]
# A person's name may be a word of topics, too.
PEOPLE = {"anna": Role.VIEWER, "status": Role.VIEWER, "otto": Role.OPERATOR}
USERS = ["owner", *acl.SERVICES, *PEOPLE, *DEVICES]
LEVELS = ["sensors", "devices", "plant1", "plant", "cmd", "config", ""]
DISCOVERY = [
    ["homeassistant"],
    ["sensor", "x", ""],
    ["plant1", "other"],
    ["plant1", "t"],
    ["config"],
]
LEAVES = ("status", "info", "log", "reply", "cmd", "other")
DENIED = 0x87


def topics() -> list[str]:
    """Every topic of up to three of LEVELS, and those where a name stands at a tricky place."""
    made = {
        "/".join(levels)
        for count in (1, 2, 3)
        for levels in itertools.product(LEVELS, repeat=count)
    }
    made |= {"/".join(levels) for levels in itertools.product(*DISCOVERY)}
    made |= {f"devices/{user}/{leaf}" for user in (*USERS, "x") for leaf in LEAVES}
    made |= {f"sensors/{user}/t" for user in USERS} | {f"backfill/{user}" for user in USERS}
    made |= {
        "homeassistant/sensor/other/plant1/config",
        "homeassistant/plant1/sensor/other/config",
        "homeassistant/sensor/plant1/config",
        "homeassistant/sensor/plant1/t/u/config",
        "homeassistant/sensor/plant1/t/config/x",
        "homeassistant/sensor/plant1x/t/config",
        "devices/plant1/status/x",
        "backfill/plant1/x",
        "Sensors/plant1/t",
        "sensors/plant1/t/u",
        "sensors/PLANT1/t",
        "/sensors/plant1/t",
        "a/b/c/d/e/f",
    }
    made |= {one.replace("+", "any").replace("#", "any/at/all") for one in filters()}
    return sorted(topic for topic in made if topic and not topic.startswith("$"))


def filters() -> list[str]:
    """Filters of up to three levels with wildcards, plain and shared."""
    signs = ["+", "#", "devices", "sensors", "plant1", "plant", "cmd", "status"]
    made = [
        "/".join(levels)
        for count in (1, 2, 3)
        for levels in itertools.product(signs, repeat=count)
        if "#" not in levels[:-1]
    ]
    made += [
        "backfill/+",
        "backfill/#",
        "backfill/plant1",
        "$SYS/#",
        "$SYS/broker/uptime",
        "$SYS/+/uptime",
        "devices/plant1/cmd/#",
    ]
    return made + [f"$share/some/{one}" for one in made[::7]]


# Those of people are made with their accounts.
PASSWORDS: dict[str, str] = {}


def may(what: str, user: str, topic: str) -> bool:
    """Whether the table allows it: publish, read, subscribe."""
    found: bool = getattr(acl.STACK, f"may_{what}")(user, topic, PEOPLE.get(user, Role.DEVICE))
    return found


class Client:
    """A client of a real library at the broker; `heard` are the topics that came."""

    def __init__(self, port: int, user: str) -> None:
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            "" if user in UNBOUND else user,
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        self._client.username_pw_set(user, PASSWORDS.get(user, "secret"))
        self._client.max_inflight_messages_set(0)
        self.heard: set[str] = set()
        self._codes: dict[int, int] = {}
        self._done = threading.Semaphore(0)
        self._client.on_message = lambda _c, _d, message: self.heard.add(message.topic)
        self._client.on_subscribe = lambda *_details: self._done.release()
        self._client.on_connect = lambda *_details: self._done.release()
        self._client.on_publish = self._published
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._done.acquire(timeout=WAIT_S)
        assert self._client.is_connected(), f"the broker refuses {user}"

    def _published(
        self, _client: object, _data: object, mid: int, code: object, _more: object
    ) -> None:
        self._codes[mid] = code.value
        self._done.release()

    def refused(self, topics: list[str]) -> set[str]:
        """Publish to each topic; those that the broker refuses."""
        sent = {self._client.publish(topic, "1", qos=1).mid: topic for topic in topics}
        for _ in sent:
            assert self._done.acquire(timeout=WAIT_S)
        return {topic for mid, topic in sent.items() if self._codes[mid] == DENIED}

    def subscribe(self, *topic_filters: str) -> None:
        self._client.subscribe([(one, 1) for one in topic_filters])
        assert self._done.acquire(timeout=WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
async def broker(tmp_path: Path) -> Iterator[Broker]:
    accounts = Accounts(tmp_path / "accounts.json")
    for name, role in PEOPLE.items():
        PASSWORDS[name] = accounts.add([name], role)[name]
    others = [user for user in USERS if user not in PEOPLE]
    accounts.keep(dict.fromkeys([*others, "pl+nt", "pl#nt"], "secret"))
    (plugin,) = Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")
    # As docker/mosquitto/mosquitto.conf has it: what is asked for here comes in one burst.
    made = Broker(
        tmp_path,
        f"allow_anonymous false\nplugin {plugin}\n"
        f"plugin_opt_config_file {tmp_path}/accounts.json\n"
        f"acl_file {mosquitto_acl.PATH}\nmax_queued_messages 100000\nmax_inflight_messages 0\n",
    )
    await made.start()
    yield made
    await made.stop()


@contextmanager
def client(broker: Broker, user: str) -> Iterator[Client]:
    made = Client(broker.port, user)
    try:
        yield made
    finally:
        made.close()


def test_the_file_of_mosquitto_is_what_the_table_says() -> None:
    written = mosquitto_acl.PATH.read_text(encoding="utf-8")
    assert written == mosquitto_acl.text(), "run: python -m motekit.stack.mosquitto_acl"


async def test_table_and_mosquitto_refuse_the_same_publishes(broker: Broker) -> None:
    asked = topics()
    for user in USERS:
        with client(broker, user) as one:
            refused = one.refused(asked)
        assert refused == {t for t in asked if not may("publish", user, t)}, user
        if user in ("owner", *DEVICES):
            assert refused == {t for t in asked if not rights.may_publish(user, t)}, user


async def test_table_and_mosquitto_deliver_the_same(broker: Broker) -> None:
    """A subscription is granted if everything that it matches would be delivered."""
    asked = topics()
    ears = {user: Client(broker.port, user) for user in USERS}
    for ear in ears.values():
        ear.subscribe("#")
    with client(broker, "owner") as owner:
        owner.refused(asked)
    heard = {}
    for user, ear in ears.items():
        # What the broker answers now comes after all that it has delivered.
        ear.subscribe("the/end")
        ear.close()
        heard[user] = ear.heard & set(asked)
        assert heard[user] == {t for t in asked if may("read", user, t)}, user
    for one in filters():
        plain = one.removeprefix("$share/some/")
        matched = {t for t in asked if mqtt.topic_matches_sub(plain, t)}
        assert matched or plain.startswith("$")
        for user in USERS if matched else ():
            assert may("subscribe", user, one) == (matched <= heard[user]), (user, one)


async def test_a_shared_subscription_is_no_way_around_the_rights(broker: Broker) -> None:
    for wanted, allowed in (("$share/g/devices/plant1/cmd", True), ("$share/g/#", False)):
        with client(broker, "plant1") as one, client(broker, "owner") as owner:
            one.subscribe(wanted)
            owner.refused(["sensors/plant/t", "devices/plant/cmd", "devices/plant1/cmd"])
            one.subscribe("the/end")
            assert one.heard == {"devices/plant1/cmd"}
        # The hub refuses what would bring less than was asked for.
        assert rights.may_subscribe("plant1", wanted) == allowed


@pytest.mark.parametrize("name", ["pl+nt", "pl#nt"])
async def test_a_name_with_a_wildcard_has_no_rights(broker: Broker, name: str) -> None:
    asked = ["sensors/plant1/t", "backfill/plant1", "devices/plant1/status", "sensors/x/t"]
    with client(broker, name) as one:
        assert one.refused(asked) == set(asked)
    for topic in asked:
        assert not rights.may_publish(name, topic)
    for topic in ("devices/plant1/cmd", f"devices/{name}/cmd", "#", "+"):
        assert not rights.may_subscribe(name, topic)


def test_names_that_reach_into_other_levels_have_no_rights() -> None:
    for name in ("a/b", "", "plant1/", "../plant1", "pl\0nt"):
        assert not rights.may_publish(name, f"sensors/{name}/t")
        assert not rights.may_subscribe(name, f"devices/{name}/cmd")


def test_a_device_of_the_hub_gains_nothing_from_the_name_of_a_service() -> None:
    for name in acl.SERVICES:
        assert rights.may_publish(name, f"sensors/{name}/t")
        assert not rights.may_subscribe(name, "sensors/#")
        assert not rights.may_subscribe(name, "$SYS/broker/uptime")
        assert not rights.may_publish(name, "devices/plant1/cmd")


def test_malformed_topics_and_filters_are_refused_to_everybody() -> None:
    for topic in ("", "a/+", "#", "a\0b"):
        assert not rights.may_publish(None, topic)
    for one in ("", "a/#/b", "a+", "#a", "a/b#", "$share/g", "$share//a", "$share/+/a", "a\0b"):
        assert not rights.may_subscribe(None, one)
