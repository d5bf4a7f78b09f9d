"""The hub as its users meet it: a broker with accounts, a store that forgets nothing."""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from clients import Client, locked, new_hub, until, with_hub
from motekit.hub import Hub, HubError

MOTE = Path(sys.executable).with_name("mote")


def test_a_reading_becomes_a_row_and_is_there_after_a_restart(tmp_path) -> None:
    hub = new_hub(tmp_path)

    def publish() -> None:
        client = Client(hub.mqtt_port)
        for value in range(100):
            client.publish("sensors/plant1/temperature", str(value))
        client.close()

    with_hub(hub, publish)
    again = new_hub(tmp_path)
    stored = again.store.readings("plant1", "temperature", 0, 1000)
    assert [reading.value for reading in stored] == list(range(100))
    again.store.close()


@pytest.mark.parametrize("goodbye", [True, False])
def test_what_was_acknowledged_before_the_connection_ended_is_stored(tmp_path, goodbye) -> None:
    async def talk(port: int, name: bytes) -> None:
        # As fast as the hub takes them, and gone with the last acknowledgement.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2, "big") + name
        writer.write(bytes((0x10, len(head))) + head)
        assert (await reader.readexactly(4))[3] == 0
        topic = b"sensors/" + name + b"/t"
        for pid in range(1, 201):
            body = len(topic).to_bytes(2, "big") + topic + pid.to_bytes(2, "big") + b"%d" % pid
            writer.write(bytes((0x32, len(body))) + body)
        await reader.readexactly(200 * 4)
        if goodbye:
            writer.write(b"\xe0\x00")
        writer.close()

    async def run() -> None:
        hub = new_hub(tmp_path)
        await hub.start()
        try:
            await asyncio.gather(*(talk(hub.mqtt_port, b"d%d" % n) for n in range(10)))
        finally:
            await hub.stop()

    asyncio.run(run())
    store = new_hub(tmp_path).store
    assert store.count_by_device() == {f"d{n}": 200 for n in range(10)}
    store.close()


def test_backfill_keeps_its_own_times_and_a_second_copy_changes_nothing(tmp_path) -> None:
    hub = new_hub(tmp_path)
    begin_ns = time.time_ns() - 10**12
    lines = "\n".join(
        f"sensors,device=plant1,metric=temperature value={n} {begin_ns + n}" for n in range(50)
    )

    def story() -> None:
        client = Client(hub.mqtt_port)
        client.publish("backfill/plant1", lines)
        client.publish("backfill/plant1", lines)
        until(lambda: hub.ingest.accepted == 100)
        until(lambda: hub.store.count_by_device() == {"plant1": 50})
        client.close()

    with_hub(hub, story)


def test_a_payload_that_is_no_float_is_counted_and_said_once_a_minute(tmp_path, caplog) -> None:
    hub = new_hub(tmp_path)

    def story() -> None:
        client = Client(hub.mqtt_port)
        with caplog.at_level(logging.WARNING):
            for bad in ("nan", "inf", "-inf", "21,5", "{}", "", "0x10", "1_000", "true"):
                client.publish("sensors/plant1/temperature", bad)
            client.publish("sensors/plant1/too/deep", "1")
            client.publish("sensors/plant1/Bad", "1")
            client.publish("sensors/plant1/temperature", "21.5")
            until(lambda: hub.ingest.accepted == 1)
        assert hub.ingest.refused == 11
        assert sum("Payload refused" in record.message for record in caplog.records) == 1
        client.close()

    with_hub(hub, story)


def test_on_the_network_nobody_gets_in_without_an_account(tmp_path) -> None:
    hub = new_hub(tmp_path, host="0.0.0.0")
    password = hub.accounts.add("plant1")

    def story() -> None:
        assert Client(hub.mqtt_port).refused
        assert Client(hub.mqtt_port, "plant1", "wrong").refused
        assert Client(hub.mqtt_port, "nobody", password).refused
        assert not Client(hub.mqtt_port, "plant1", password).refused
        # A will on someone else's topic is no way around the rights.
        assert Client(hub.mqtt_port, "plant1", password, will="devices/other/status").refused

    with_hub(hub, story)


def test_a_device_writes_its_own_topics_and_reads_its_own_commands_only(tmp_path) -> None:
    hub = new_hub(tmp_path, host="0.0.0.0")
    one, other = hub.accounts.add("plant1"), hub.accounts.add("plant2")

    def story() -> None:
        device = Client(hub.mqtt_port, "plant1", one)
        owner = Client(hub.mqtt_port, "owner", hub.accounts.owner_password)
        second = Client(hub.mqtt_port, "plant2", other)
        owner.subscribe("#")
        second.subscribe("sensors/#")
        device.publish("sensors/plant2/temperature", "1")
        device.publish("devices/plant2/status", "online")
        device.publish("devices/plant1/cmd", "{}")
        device.publish("sensors/plant1/temperature", "2")
        until(lambda: ("sensors/plant1/temperature", "2") in owner.heard)
        assert owner.heard == [("sensors/plant1/temperature", "2")]
        assert second.heard == []
        assert [r.value for r in hub.store.readings("plant2", "temperature", 0, 9)] == []
        for client in (device, owner, second):
            client.close()

    with_hub(hub, story)


def test_who_connects_hears_nothing_that_others_have_subscribed_to(tmp_path) -> None:
    hub = new_hub(tmp_path, host="0.0.0.0")
    one, other = hub.accounts.add("plant1"), hub.accounts.add("plant2")

    def story() -> None:
        owner = Client(hub.mqtt_port, "owner", hub.accounts.owner_password)
        owner.subscribe("devices/#")
        device = Client(hub.mqtt_port, "plant1", one)
        device.publish("devices/plant1/status", "online", retain=True)
        until(lambda: ("devices/plant1/status", "online") in owner.heard)
        second = Client(hub.mqtt_port, "plant2", other)
        # What is retained comes before the answer to a subscription that was made later.
        second.subscribe("devices/plant2/cmd")
        owner.publish("devices/plant2/cmd", "{}")
        until(lambda: second.heard)
        assert second.heard == [("devices/plant2/cmd", "{}")]
        late = Client(hub.mqtt_port, "owner", hub.accounts.owner_password)
        late.subscribe("devices/#")
        until(lambda: ("devices/plant1/status", "online") in late.heard)
        for client in (device, owner, second, late):
            client.close()

    with_hub(hub, story)


def test_a_device_that_vanishes_is_offline_and_its_status_outlives_the_hub(tmp_path) -> None:
    hub = new_hub(tmp_path)

    def story() -> None:
        device = Client(hub.mqtt_port, will="devices/plant1/status")
        device.publish("devices/plant1/status", "online", retain=True)
        until(lambda: any(d.online for d in hub.store.devices()))
        device.vanish()
        until(lambda: not hub.store.devices()[0].online)

    with_hub(hub, story)
    again = new_hub(tmp_path)

    def later() -> None:
        client = Client(again.mqtt_port)
        client.subscribe("devices/+/status")
        until(lambda: client.heard == [("devices/plant1/status", "offline")])
        client.close()

    with_hub(again, later)


def test_a_client_that_is_only_silent_is_offline_after_one_and_a_half_keep_alives(tmp_path) -> None:
    hub = new_hub(tmp_path)

    def story() -> None:
        # CONNECT with keep-alive 2 s, a retained will `offline` on devices/a/status (3.1 of MQTT).
        will, text = b"\x00\x10devices/a/status", b"\x00\x07offline"
        body = b"\x00\x04MQTT\x04\x2e\x00\x02\x00\x01a" + will + text
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", hub.mqtt_port)) as wire:
            wire.sendall(bytes([0x10, len(body)]) + body)
            assert wire.recv(4) == b"\x20\x02\x00\x00"
            watcher = Client(hub.mqtt_port)
            watcher.subscribe("devices/a/status")
            until(lambda: watcher.heard == [("devices/a/status", "offline")])
            assert time.monotonic() - began > 2.5
            watcher.close()

    with_hub(hub, story)


def test_a_killed_hub_has_what_it_acknowledged(tmp_path) -> None:
    with subprocess.Popen(
        [MOTE, "hub", "--data", tmp_path, "--mqtt-host", "127.0.0.1", "--mqtt-port", "0",
         "--no-dashboard", "--json"], stdout=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        assert process.stdout
        client = Client(json.loads(process.stdout.readline())["mqtt_port"])
        for value in range(200):
            client.publish("sensors/plant1/temperature", str(value))
        process.send_signal(signal.SIGKILL)
    hub = new_hub(tmp_path)
    assert hub.store.count_by_device() == {"plant1": 200}
    hub.store.close()


def test_a_taken_port_is_named_with_who_has_it(tmp_path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        hub = Hub(tmp_path, mqtt_port=port, http_port=None)
        with pytest.raises(HubError, match=rf"port {port} \(MQTT\) is in use by .*--mqtt-port"):
            asyncio.run(hub.start())


def test_what_cannot_be_stored_is_not_acknowledged_before_it_is(tmp_path) -> None:
    hub = new_hub(tmp_path)

    def story() -> None:
        client = Client(hub.mqtt_port)
        with ThreadPoolExecutor() as pool:
            # Another program locks the file for writing (SQLite's own locks).
            with locked(tmp_path / "readings.db"):
                sent = [
                    pool.submit(client.publish, f"sensors/plant1/{metric}", "1")
                    for metric in ("temperature", "humidity", "pressure")
                ]
                sent += [
                    pool.submit(client.publish, f"devices/plant1/{leaf}", text, True)
                    for leaf, text in (("status", "online"), ("info", '{"board":"x"}'))
                ]
                until(lambda: not hub.ingest.storage.ok)
                # An answer that comes after those that do not.
                client.subscribe("devices/+/cmd")
                assert not any(one.done() for one in sent)
                problem = hub.ingest.storage.problem
                assert "locked" in problem and f"process {os.getpid()}" not in problem
            for one in sent:
                one.result()
        assert hub.store.count_by_device() == {"plant1": 3}
        (device,) = hub.store.devices()
        assert device.online and json.loads(device.info) == {"board": "x"}
        assert hub.ingest.storage.ok
        client.close()

    with_hub(hub, story)


def test_a_message_reaches_its_readers_while_others_come_and_go(tmp_path) -> None:
    hub = new_hub(tmp_path)

    def story() -> None:
        reader, writer = Client(hub.mqtt_port), Client(hub.mqtt_port)
        reader.subscribe("devices/+/reply")
        others = [Client(hub.mqtt_port) for _ in range(4)]

        def come_and_go(other: Client, number: int) -> None:
            for turn in range(50):
                other.subscribe(f"devices/d{number}_{turn}/cmd")

        with ThreadPoolExecutor() as pool:
            coming = [pool.submit(come_and_go, one, at) for at, one in enumerate(others)]
            for number in range(200):
                writer.publish("devices/plant1/reply", str(number))
            for one in coming:
                one.result()
        until(lambda: len(reader.heard) == 200)
        assert [text for _, text in reader.heard] == [str(number) for number in range(200)]
        for client in (reader, writer, *others):
            client.close()

    with_hub(hub, story)


def test_a_damaged_store_is_named_with_the_way_out(tmp_path) -> None:
    (tmp_path / "readings.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(HubError, match=r"readings\.db is damaged .*mote hub restore"):
        new_hub(tmp_path)
