"""Clients that others have written, each through what a client needs: paho-mqtt, aiomqtt, MQTT.js
and the programs of Mosquitto, with MQTT 3.1.1 and 5."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho
import pytest
from npm_packages import installed
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from running_broker import WAIT_S, RunningBroker, until

HERE = Path(__file__).parent


class Paho:
    """paho-mqtt 2 with its own thread."""

    def __init__(self, port: int, client_id: str, version: int, **more: object) -> None:
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=version,
            **({} if version == paho.MQTTv5 else {"clean_session": more.get("clean", True)}),
        )
        self.heard: list[paho.MQTTMessage] = []
        self.connacks: list[tuple[object, object, object]] = []
        self.granted: list[list[int]] = []
        self.client.on_message = lambda client, data, message: self.heard.append(message)
        self.client.on_connect = lambda client, data, flags, reason, properties: (
            self.connacks.append((flags, reason, properties))
        )
        self.client.on_subscribe = lambda client, data, mid, reasons, properties: (
            self.granted.append([reason.value for reason in reasons])
        )
        will_properties = more.get("will_properties")
        if will := more.get("will"):
            self.client.will_set(will, b"gone", 1, False, will_properties)
        if user := more.get("user"):
            self.client.username_pw_set(user, more["password"])
        connecting: dict[str, object] = {"keepalive": 30}
        if version == paho.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 0 if more.get("clean", True) else 600
            connecting |= {"clean_start": bool(more.get("clean", True)), "properties": properties}
        self.client.connect("127.0.0.1", port, **connecting)
        self.client.loop_start()
        until(lambda: self.connacks)

    def subscribe(self, topic: str, qos: int) -> list[int]:
        self.client.subscribe(topic, qos)
        until(lambda: self.granted)
        return self.granted.pop()

    def publish(self, topic: str, payload: str, qos: int, **more: object) -> None:
        self.client.publish(topic, payload, qos, **more).wait_for_publish(WAIT_S)

    def payloads(self, count: int) -> list[str]:
        until(lambda: len(self.heard) >= count)
        return [one.payload.decode() for one in self.heard]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self) -> None:
        self.client.loop_stop()
        self.client.socket().close()


@pytest.mark.parametrize("version", [paho.MQTTv311, paho.MQTTv5])
def test_paho(version: int) -> None:
    with RunningBroker() as broker:
        subscriber = Paho(broker.port, "s", version, clean=False)
        assert subscriber.subscribe("t/#", 2) == [2]
        assert subscriber.subscribe("test/nosubscribe", 1)[0] >= 0x80
        publisher = Paho(broker.port, "p", version, will="t/will")
        for qos in range(3):
            publisher.publish("t/a", f"live {qos}", qos)
        assert sorted(subscriber.payloads(3)) == ["live 0", "live 1", "live 2"]
        subscriber.close()
        publisher.publish("t/r", "kept", 1, retain=True)
        publisher.publish("t/a", "late", 2)
        publisher.vanish()
        until(lambda: b"gone" in broker.storage.committed)
        back = Paho(broker.port, "s", version, clean=False)
        assert back.connacks[0][0].session_present
        assert sorted(back.payloads(3)) == ["gone", "kept", "late"]
        assert not any(one.retain for one in back.heard)
        late = Paho(broker.port, "l", version)
        late.subscribe("t/r", 1)
        assert late.payloads(1) == ["kept"] and late.heard[0].retain
        for client in (back, late):
            client.close()


def test_paho_with_what_mqtt_5_adds() -> None:
    with RunningBroker() as broker:
        subscriber = Paho(broker.port, "", paho.MQTTv5)
        assert subscriber.connacks[0][2].AssignedClientIdentifier.startswith("auto-")
        options = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True)
        properties = Properties(PacketTypes.SUBSCRIBE)
        properties.SubscriptionIdentifier = 77
        subscriber.client.subscribe([("t", options)], properties=properties)
        until(lambda: subscriber.granted)
        publisher = Paho(broker.port, "p", paho.MQTTv5)
        subscriber.publish("t", "own", 1)
        message = Properties(PacketTypes.PUBLISH)
        message.UserProperty = ("unit", "°C")
        message.MessageExpiryInterval = 60
        message.ContentType = "text/plain"
        message.ResponseTopic, message.CorrelationData = "answers", b"\x00\x01"
        publisher.publish("t", "x", 1, retain=True, properties=message)
        assert subscriber.payloads(1) == ["x"]
        got = subscriber.heard[0]
        assert got.retain and got.properties.UserProperty == [("unit", "°C")]
        assert got.properties.SubscriptionIdentifier == [77]
        assert got.properties.ContentType == "text/plain"
        assert got.properties.CorrelationData == b"\x00\x01"
        assert 0 < got.properties.MessageExpiryInterval <= 60
        for user, password in (("plant1", "wrong"), ("nobody", "1")):
            refused = Paho(broker.port, "plant1", paho.MQTTv5, user=user, password=password)
            assert refused.connacks[0][1].value == 0x86
            refused.close()
        device = Paho(broker.port, "plant1", paho.MQTTv5, user="plant1", password="1")
        assert device.subscribe("#", 1) == [0x87]
        for client in (subscriber, publisher, device):
            client.close()


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
def test_aiomqtt(version: aiomqtt.ProtocolVersion) -> None:
    async def talk(port: int) -> list[tuple[str, bytes, int]]:
        address = {"hostname": "127.0.0.1", "port": port, "protocol": version}
        async with (
            aiomqtt.Client(**address, identifier="s") as subscriber,
            aiomqtt.Client(**address) as publisher,
        ):
            await subscriber.subscribe("t/+", qos=2)
            for qos in range(3):
                await publisher.publish("t/a", f"qos {qos}", qos=qos)
            got = []
            async with asyncio.timeout(WAIT_S):
                async for message in subscriber.messages:
                    got.append((str(message.topic), message.payload, message.qos))
                    if len(got) == 3:
                        return got
        raise AssertionError

    with RunningBroker() as broker:
        got = asyncio.run(talk(broker.port))
        assert sorted(got) == [("t/a", b"qos %d" % qos, qos) for qos in range(3)]
        assert broker.storage.committed == [b"qos 0", b"qos 1", b"qos 2"]


@pytest.mark.node
@pytest.mark.parametrize("version", [4, 5])
def test_mqtt_js(version: int, tmp_path: Path) -> None:
    folder = HERE / "mqtt_js"
    (tmp_path / "node_modules").symlink_to(installed(folder))
    shutil.copy(folder / "exchange.mjs", tmp_path)
    with RunningBroker() as broker:
        done = subprocess.run(
            [
                "node",
                "--preserve-symlinks",
                "--preserve-symlinks-main",
                str(tmp_path / "exchange.mjs"),
                str(broker.port),
                str(version),
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=WAIT_S * 3,
        )
    result = json.loads(done.stdout)
    assert result["granted"] == [["js/#", 2]]
    assert sorted(result["live"]) == [
        ["js/kept", "kept", 1, False],
        ["js/live", "qos 0", 0, False],
        ["js/live", "qos 1", 1, False],
        ["js/live", "qos 2", 2, False],
    ]
    assert result["sessionPresent"] is True
    assert sorted(result["late"]) == [
        ["js/late", "qos 1", 1, False],
        ["js/late", "qos 2", 2, False],
        ["js/will", "gone", 1, False],
    ]


@pytest.mark.parametrize("version", ["311", "5"])
def test_the_programs_of_mosquitto(version: str) -> None:
    with RunningBroker() as broker:
        common = ["-h", "127.0.0.1", "-p", str(broker.port), "-V", f"mqttv{version}"]
        kept = ["-i", "s", "-c", "-q", "2", "-t", "t/#"]
        if version == "5":
            kept += ["-x", "600"]

        def publish(*arguments: str) -> None:
            subprocess.run(["mosquitto_pub", *common, *arguments], check=True, timeout=WAIT_S)

        def receive(count: int) -> list[str]:
            form = "%q %r %t %p"
            done = subprocess.run(
                ["mosquitto_sub", *common, *kept, "-C", str(count), "-F", form],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=WAIT_S,
            )
            return sorted(done.stdout.splitlines())

        publish("-t", "t/r", "-m", "kept", "-q", "1", "-r")
        assert receive(1) == ["1 1 t/r kept"]
        publish("-t", "t/a", "-m", "one", "-q", "1")
        publish("-t", "t/a", "-m", "two", "-q", "2")
        more = ["-D", "publish", "user-property", "a", "b"] if version == "5" else []
        publish("-t", "t/a", "-m", "three", "-q", "1", *more)
        # Subscribed again, it gets what is retained again, too.
        got = receive(4)
        assert [line for line in got if "kept" not in line] == [
            "1 0 t/a one", "1 0 t/a three", "2 0 t/a two",
        ]  # fmt: skip
        refused = subprocess.run(
            ["mosquitto_pub", *common, "-t", "t", "-m", "x", "-u", "plant1", "-P", "wrong"],
            stderr=subprocess.PIPE,
            text=True,
            timeout=WAIT_S,
        )
        said = refused.stderr
        assert refused.returncode and ("ot authori" in said or "Bad User Name" in said), said
