"""What a device publishes comes back from the database; what it must not do has no effect."""

import json
import ssl
import time

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from running_stack import PATIENCE_S, RunningStack, eventually

pytestmark = pytest.mark.stack


def publish(client: mqtt.Client, topic: str, payload: str, retain: bool = False) -> None:
    client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)


def test_a_reading_comes_back_by_device_and_metric(stack: RunningStack) -> None:
    client = stack.client("greenhouse")
    began = time.time()
    publish(client, "sensors/greenhouse/temperature", "21.53")
    query = "SELECT last(value) FROM sensors WHERE device='greenhouse' AND metric='temperature'"
    found = eventually(lambda: stack.rows(query))
    assert found[0]["last"] == 21.53
    assert began - 1 <= found[0]["time"] / 1e9 <= time.time() + 1


def test_readings_that_were_kept_come_with_their_own_time_and_once(stack: RunningStack) -> None:
    client = stack.client("cellar")
    start = time.time_ns() - 6 * 3600 * 10**9
    lines = [
        f"sensors,device=cellar,metric=humidity value={40 + n} {start + n * 10**10}"
        for n in range(20)
    ]
    for _ in range(2):
        publish(client, "backfill/cellar", "\n".join(lines))
    publish(client, "sensors/cellar/humidity", "99")
    query = "SELECT value FROM sensors WHERE device='cellar' AND metric='humidity'"
    eventually(lambda: len(stack.rows(query)) >= 21)
    rows = stack.rows(query)
    assert [(row["time"], row["value"]) for row in rows[:20]] == [
        (start + n * 10**10, 40 + n) for n in range(20)
    ]
    assert len(rows) == 21


def test_a_device_comes_and_goes(stack: RunningStack) -> None:
    client = stack.client("gate")
    publish(client, "devices/gate/status", "online", retain=True)
    publish(client, "devices/gate/info", json.dumps({"rssi": -61, "queue": 3, "ip": "192.0.2.7"}))
    publish(client, "devices/gate/status", "offline", retain=True)
    states = "SELECT online FROM status WHERE device='gate'"
    # What the broker retains may come once more, after Telegraf has connected anew.
    eventually(lambda: len(stack.rows(states, "operations")) >= 2)
    assert [row["online"] for row in stack.rows(states, "operations")][:2] == [1, 0]
    info = "SELECT rssi, queue FROM info WHERE device='gate'"
    found = eventually(lambda: stack.rows(info, "operations"))
    assert (found[0]["rssi"], found[0]["queue"]) == (-61, 3)


def test_a_device_cannot_write_what_is_anothers(stack: RunningStack) -> None:
    thief = stack.client("thief")
    now = time.time_ns()
    publish(thief, "sensors/victim/temperature", "66")
    publish(thief, "sensors/victim/deeper/temperature", "66")
    publish(thief, "backfill/victim", f"sensors,device=victim,metric=temperature value=66 {now}")
    # A line that names another device is refused.
    publish(thief, "backfill/thief", f"sensors,device=victim,metric=temperature value=67 {now}")
    publish(thief, "devices/victim/status", "online", retain=True)
    publish(thief, "sensors/thief/last", "1")
    eventually(lambda: stack.rows("SELECT value FROM sensors WHERE metric='last'"))
    publish(thief, "backfill/thief", f"sensors,device=thief,metric=temperature value=68 {now}")
    mine = "SELECT value FROM sensors WHERE device='thief' AND metric='temperature'"
    eventually(lambda: stack.rows(mine))
    assert [row["value"] for row in stack.rows(mine)] == [68]
    assert not stack.rows("SELECT value FROM sensors WHERE device='victim'")
    assert not stack.rows("SELECT online FROM status WHERE device='victim'", "operations")


def test_a_device_reads_its_own_commands_only(stack: RunningStack) -> None:
    heard: list[tuple[str, bytes]] = []
    curious = stack.client("curious")
    curious.on_message = lambda _client, _data, message: heard.append(
        (message.topic, message.payload)
    )
    subscribed: list[object] = []
    curious.on_subscribe = lambda *details: subscribed.append(details)
    for topic in ("sensors/#", "devices/+/cmd", "devices/curious/cmd", "#"):
        curious.subscribe(topic, qos=1)
    eventually(lambda: len(subscribed) == 4)
    owner = stack.client("owner", stack.installation.secret("mqtt"))
    publish(owner, "sensors/other/temperature", "1")
    publish(owner, "devices/other/cmd", "not yours")
    publish(owner, "devices/curious/cmd", "yours")
    eventually(lambda: heard)
    # The broker answers in order: what came before would be here by now.
    assert set(heard) == {("devices/curious/cmd", b"yours")}


@pytest.mark.parametrize(
    ("user", "password"), [("", ""), ("greenhouse", "wrong"), ("nobody", "x"), ("telegraf", "x")]
)
def test_nobody_gets_in_without_the_right_password(
    stack: RunningStack, user: str, password: str
) -> None:
    refused: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=user)
    if user:
        client.username_pw_set(user, password)
    client.on_connect = lambda _client, _data, _flags, code, _properties: refused.append(str(code))
    client.connect_timeout = PATIENCE_S
    client.connect("127.0.0.1", stack.port)
    client.loop_start()
    eventually(lambda: refused)
    client.loop_stop()
    assert refused[0] in ("Not authorized", "Bad user name or password")


def test_tls_proves_the_broker_by_our_own_authority(stack: RunningStack) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="porch")
    client.username_pw_set("porch", stack.passwords("porch")["porch"])
    client.tls_set(str(stack.installation.authority / "ca.crt"))
    client.connect_timeout = PATIENCE_S
    client.connect_async("localhost", stack.tls_port)
    client.loop_start()
    eventually(client.is_connected)
    publish(client, "sensors/porch/light", "7")
    client.loop_stop()
    query = "SELECT value FROM sensors WHERE device='porch'"
    assert eventually(lambda: stack.rows(query))[0]["value"] == 7
    stranger = mqtt.Client(CallbackAPIVersion.VERSION2)
    stranger.tls_set()
    stranger.connect_timeout = PATIENCE_S
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.connect("localhost", stack.tls_port)


def test_the_good_neighbors_of_a_bad_line_are_stored(stack: RunningStack) -> None:
    """One message with every bad line that there is, and a good one after each."""
    now = time.time_ns()
    line = "sensors,device=mixed,metric={} value={} {}"
    second = 10**9
    bad = [
        line.format("bad", 1.5, 99999999999999999999),
        line.format("bad", 1.5, 9223372036854775808),
        line.format("bad", 1.5, now // 10**6),
        line.format("bad", 1.5, now // second),
        line.format("bad", 1.5, now + 2 * 3600 * second),
        line.format("bad", 1.5, 1_577_836_799 * second),
        line.format("bad", 1.5, -now),
        line.format("bad", "nan", now),
        line.format("bad", "1e400", now),
        line.format("bad", "1_000", now),
        line.format("BAD", 1.5, now),
        f"sensors,device=other,metric=bad value=1 {now}",
        f"sensors,device=mixed,metric=bad,more=x value=1 {now}",
        "",
        "\x00\x00",
        "x" * 9000,
    ]
    good = [line.format("good", n, now - (n + 1) * second) for n in range(len(bad))]
    mixed = [one for pair in zip(bad, good, strict=True) for one in pair]
    publish(stack.client("mixed"), "backfill/mixed", "\n".join(mixed))
    query = "SELECT value FROM sensors WHERE device='mixed'"
    eventually(lambda: len(stack.rows(query)) >= len(good))
    rows = stack.rows(query)
    assert [(row["time"], row["value"]) for row in reversed(rows)] == [
        (now - (n + 1) * second, n) for n in range(len(good))
    ]
    wrong = "SELECT value FROM sensors WHERE metric='bad' AND device =~ /^(mixed|other)$/"
    assert not stack.rows(wrong)


BAD_LIVE = ["", "abc", "nan", "inf", "-inf", "1e400", "1,5", "21.5 °C", "\x00", "9" * 5000]
BAD_STORED = [
    "not line protocol",
    "sensors,metric=bad value=",
    'sensors,metric=bad value="text" 1',
    "sensors,metric=bad value=7i 1",
    "sensors,metric=BAD! value=7 1",
    "status,metric=bad online=7 1",
    "sensors,metric=bad value=7 9000000000000000000",
    "sensors value=7 1",
]


def test_a_bad_payload_harms_nothing(stack: RunningStack) -> None:
    stack.passwords("broken", "sound")
    client = stack.client("broken")
    good = stack.client("sound")
    for number, (live, stored) in enumerate(
        zip(BAD_LIVE, BAD_STORED + BAD_STORED[:2], strict=True)
    ):
        publish(client, "sensors/broken/bad", live)
        publish(client, "backfill/broken", stored)
        publish(client, "devices/broken/status", live or "?", retain=True)
        publish(client, "devices/broken/info", live)
        publish(good, "sensors/sound/value", str(number))
    publish(client, "sensors/broken/Upper", "1")
    publish(client, "sensors/broken/good", "1")
    eventually(lambda: stack.rows("SELECT value FROM sensors WHERE metric='good'"))
    sound = "SELECT value FROM sensors WHERE device='sound'"
    eventually(lambda: len(stack.rows(sound)) == len(BAD_LIVE))
    assert [row["value"] for row in stack.rows(sound)] == list(range(len(BAD_LIVE)))
    assert len(stack.rows("SELECT value FROM sensors WHERE device='broken'")) == 1
    # Nothing of it is still on its way: a message that nobody takes would come back for ever.
    waiting = (
        "SELECT last(buffer_size) AS waiting FROM internal_write WHERE alias='readings' "
        "AND time > now() - 30s"
    )

    def is_done() -> bool:
        return [row["waiting"] for row in stack.rows(waiting, "operations")] == [0]

    eventually(is_done)
