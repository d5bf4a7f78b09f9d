"""Who may do what on the hub, and how soon it ends. Mosquitto's clients and paho judge the broker,
Python's HTTP client the dashboard."""

import http.client
import json
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode

import paho.mqtt.client as mqtt
import pytest
from clients import WAIT_S, until
from hub_with_dashboard import WAIT_S as HTTP_S
from hub_with_dashboard import get, with_dashboard
from motekit.acl import ROLES, Role
from motekit.hub import Hub
from motekit.hub.accounts import Accounts
from motekit.hub.login_limit import ADDRESSES_MAX, LoginLimit
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from running_hub import mote

OTHER_ADDRESS = "127.0.0.2"
DENIED = 0x87
READABLE = ("sensors/#", "devices/+/status", "devices/+/info", "devices/+/log", "homeassistant/#")
SECRET = (
    "#",
    "devices/#",
    "devices/+/cmd",
    "devices/plant1/cmd",
    "$share/g/devices/+/cmd",
    "+/+/+",
)


class Person:
    """A client of MQTT 5, which is told what is refused."""

    def __init__(self, hub: Hub, user: str, password: str, client_id: str = "") -> None:
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        self.client.username_pw_set(user, password)
        self.reason: int | None = None
        self.lost: int | None = None
        self._reasons: dict[int, int] = {}
        self.client.on_connect = lambda c, d, f, reason, p: setattr(self, "reason", reason.value)
        self.client.on_disconnect = lambda c, d, f, reason, p: setattr(self, "lost", reason.value)
        self.client.on_publish = self._told
        self.client.on_subscribe = lambda c, d, mid, reasons, p: self._told(c, d, mid, reasons[0])
        self.client.connect("127.0.0.1", hub.mqtt_port)
        self.client.loop_start()
        until(lambda: self.reason is not None)

    def _told(self, _client, _data, number, reason, _properties=None) -> None:
        self._reasons[number] = reason.value

    def publish(self, topic: str, payload: str = "1") -> int:
        number = self.client.publish(topic, payload, 1).mid
        until(lambda: number in self._reasons)
        return self._reasons[number]

    def subscribe(self, topic: str) -> int:
        number = self.client.subscribe(topic, 1)[1]
        until(lambda: number in self._reasons)
        return self._reasons[number]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def ask(
    hub: Hub,
    path: str,
    method: str = "GET",
    body: str = "",
    source: str = "127.0.0.1",
    **headers: str,
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(
        "127.0.0.1", hub.http_port or 0, timeout=HTTP_S, source_address=(source, 0)
    )
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    connection.close()
    return answer


def log_in(hub: Hub, user: str, password: str, source: str = "127.0.0.1"):
    fields = urlencode({"user": user, "password": password})
    return ask(hub, "/login", "POST", fields, source)


def cookie_of(hub: Hub, user: str, password: str) -> str:
    answer = log_in(hub, user, password)
    assert answer.status == 303, answer.text
    return (answer.getheader("set-cookie") or "").partition(";")[0]


def on_network(data: Path, story) -> None:
    """A hub whose broker and dashboard ask for a login."""
    hub = Hub(data, mqtt_host="0.0.0.0", mqtt_port=0, http_host="0.0.0.0", http_port=0)
    from clients import with_hub

    with_hub(hub, lambda: story(hub))


def test_a_viewer_reads_what_boards_say_and_writes_nothing(tmp_path) -> None:
    anna = Accounts(tmp_path).add_person("anna", Role.VIEWER)

    def story(hub: Hub) -> None:
        person = Person(hub, "anna", anna)
        assert person.reason == 0
        for topic in READABLE:
            assert person.subscribe(topic) < 0x80, topic
        for topic in SECRET:
            assert person.subscribe(topic) >= 0x80, topic
        # Also not under a name of its own: it is no device.
        for topic in (
            "devices/plant1/cmd",
            "sensors/plant1/t",
            "sensors/anna/t",
            "devices/anna/status",
        ):
            assert person.publish(topic) == DENIED, topic
        person.close()
        will = ["--will-topic", "devices/plant1/cmd", "--will-payload", "x"]
        command = ["mosquitto_sub", "-p", str(hub.mqtt_port), "-u", "anna", "-P", anna]
        refused = subprocess.run(
            [*command, *will, "-t", "sensors/#", "-W", "30"], capture_output=True, text=True
        )
        assert refused.returncode not in (0, 27), refused

    on_network(tmp_path, story)


def test_an_operator_commands_boards_and_speaks_for_none(tmp_path) -> None:
    ben = Accounts(tmp_path).add_person("ben", Role.OPERATOR)

    def story(hub: Hub) -> None:
        person = Person(hub, "ben", ben)
        for topic in (*READABLE, "devices/+/reply"):
            assert person.subscribe(topic) < 0x80, topic
        for topic in SECRET:
            assert person.subscribe(topic) >= 0x80, topic
        assert person.publish("devices/plant1/cmd", "{}") != DENIED
        for topic in (
            "sensors/plant1/t",
            "devices/plant1/status",
            "homeassistant/sensor/p/t/config",
        ):
            assert person.publish(topic) == DENIED, topic
        person.close()

    on_network(tmp_path, story)


def test_every_role_of_the_table_can_be_given_or_is_the_owners() -> None:
    assert set(ROLES) == {Role.VIEWER, Role.OPERATOR, Role.OWNER}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_a_person_takes_no_client_id_of_another_account(tmp_path, role) -> None:
    accounts = Accounts(tmp_path)
    password, board = accounts.add_person("anna", role), accounts.add("plant1")

    def story(hub: Hub) -> None:
        refused = {"plant1", "plant1/x", "owner", "owner/1"}
        for client_id in (*refused, "mqttx_1234", "anna", "anna/2", ""):
            person = Person(hub, "anna", password, client_id)
            assert (person.reason == 0x85) is (client_id in refused), client_id
            person.close()
        device = Person(hub, "plant1", board, "plant1")
        assert device.reason == 0
        device.close()

    on_network(tmp_path, story)


def test_the_dashboard_shows_everybody_what_the_role_may_see(tmp_path) -> None:
    accounts = Accounts(tmp_path)
    passwords = {
        "owner": accounts.owner_password,
        "anna": accounts.add_person("anna", Role.VIEWER),
        "ben": accounts.add_person("ben", Role.OPERATOR),
    }
    board = accounts.add("plant1")

    def story(hub: Hub) -> None:
        roles = {"owner": "owner", "anna": "viewer", "ben": "operator"}
        for user, password in passwords.items():
            cookie = cookie_of(hub, user, password)
            told = json.loads(ask(hub, "/api/hub", Cookie=cookie).text)
            assert (told["user"], told["role"]) == (user, roles[user])
            assert ask(hub, "/", Cookie=cookie).status == 200
            # The mechanism, for whatever will change something: a viewer gets no further.
            changed = ask(hub, "/api/devices", "POST", "{}", Cookie=cookie).status
            assert changed in ([403] if user == "anna" else [404, 405])
        # A board's password opens no dashboard.
        assert log_in(hub, "plant1", board).status == 403

    on_network(tmp_path, story)


def test_a_name_is_either_a_devices_or_a_persons(tmp_path) -> None:
    data = ("--data", tmp_path)
    assert mote("hub", "add-user", "anna", *data).returncode == 0
    assert mote("hub", "add-user", "ben", "--role", "operator", *data).returncode == 0
    assert mote("hub", "add", "plant1", *data).returncode == 0
    assert mote("hub", "add", "anna", *data).returncode == 1
    assert mote("hub", "add-user", "plant1", *data).returncode == 1
    assert mote("hub", "add-user", "owner", *data).returncode == 1
    assert mote("hub", "add-user", "carl", "--role", "owner", *data).returncode == 2
    assert json.loads(mote("hub", "list", "--json", *data).stdout) == ["plant1"]
    people = json.loads(mote("hub", "list", "--users", "--json", *data).stdout)
    assert [(one["user"], one["role"]) for one in people] == [
        ("owner", "owner"),
        ("anna", "viewer"),
        ("ben", "operator"),
    ]
    # What a board's provisioning does to a name that it has not made.
    with pytest.raises(Exception, match="already an account"):
        Accounts(tmp_path).put("anna", "x")


# What ends the sessions of an account: the command, and what a client of it is then.
ENDS = {
    "remove": (("remove", "anna"), False),
    "password": (("password", "anna"), False),
    "removed and made anew": (("remove", "anna"), True),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_removed_or_changed_account_is_out_at_once_on_all_ways(tmp_path, how) -> None:
    password = Accounts(tmp_path).add_person("anna", Role.OPERATOR)
    command, again = ENDS[how]

    def story(hub: Hub) -> None:
        cookie = cookie_of(hub, "anna", password)
        page = websocket(hub, cookie)
        person = Person(hub, "anna", password, "anna")
        assert person.subscribe("sensors/#") < 0x80
        assert ask(hub, "/api/devices", Cookie=cookie).status == 200
        # The command runs in a process of its own.
        done = mote("hub", command[0], command[1], "--data", tmp_path)
        assert done.returncode == 0, done.stderr
        if again:
            # As somebody else of this name, with fewer rights.
            assert mote("hub", "add-user", "anna", "--data", tmp_path).returncode == 0
        ended = time.monotonic()
        assert ask(hub, "/api/devices", Cookie=cookie).status == 401
        until(lambda: person.lost is not None)
        assert page.recv(1024)[:1] in (b"\x88", b""), "the websocket was closed"
        # Four times a second, and a machine may be busy; a minute is what an old hub took never.
        assert time.monotonic() - ended < 30
        person.close()
        page.close()
        assert Person(hub, "anna", password).reason != 0

    on_network(tmp_path, story)


@pytest.mark.parametrize("delay_s", [0, 2])
@pytest.mark.parametrize("how", ["stays", "remove", "password"])
def test_the_will_of_an_account_that_ended_commands_no_board(tmp_path, how, delay_s) -> None:
    accounts = Accounts(tmp_path)
    password = accounts.add_person("anna", Role.OPERATOR)
    came: list[str] = []

    def story(hub: Hub) -> None:
        owner = Person(hub, "owner", accounts.owner_password)
        owner.client.on_message = lambda c, d, message: came.append(message.payload.decode())
        assert owner.subscribe("devices/+/cmd") < 0x80
        told: list[int] = []
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, "anna", protocol=MQTTProtocolVersion.MQTTv5
        )
        client.username_pw_set("anna", password)
        will = Properties(PacketTypes.WILLMESSAGE)
        will.WillDelayInterval = delay_s
        client.will_set("devices/plant1/cmd", "the will", 1, properties=will)
        client.on_connect = lambda c, d, flags, reason, p: told.append(reason.value)
        stay = Properties(PacketTypes.CONNECT)
        stay.SessionExpiryInterval = 10
        client.connect("127.0.0.1", hub.mqtt_port, properties=stay)
        client.loop_start()
        until(lambda: told == [0])
        client.loop_stop()
        if how != "stays":
            assert mote("hub", how, "anna", "--data", tmp_path).returncode == 0
            until(lambda: Person(hub, "anna", password).reason != 0)
        # Without DISCONNECT, unless the hub has closed it already.
        client.socket().close()
        if how == "stays":
            until(lambda: came == ["the will"])
        else:
            time.sleep(delay_s + 1)
        assert owner.publish("devices/plant1/cmd", "the end") < 0x80
        until(lambda: "the end" in came)
        owner.close()

    on_network(tmp_path, story)
    assert came == (["the will", "the end"] if how == "stays" else ["the end"])


def websocket(hub: Hub, cookie: str):
    """A websocket of a page, past what the server says first (RFC 6455)."""
    page = socket.create_connection(("127.0.0.1", hub.http_port or 0), timeout=WAIT_S)
    page.sendall(
        b"GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Cookie: " + cookie.encode() + b"\r\n\r\n"
    )
    heard = b""
    while b'"sid"' not in heard:
        more = page.recv(4096)
        assert more, heard
        heard += more
    assert heard.startswith(b"HTTP/1.1 101")
    return page


def test_a_new_owners_password_ends_old_cookies_and_connections(tmp_path) -> None:
    old = Accounts(tmp_path).owner_password

    def story(hub: Hub) -> None:
        cookie = cookie_of(hub, "owner", old)
        person = Person(hub, "owner", old)
        done = mote("hub", "password", "--data", tmp_path, "--json")
        new = json.loads(done.stdout)["password"]
        assert new != old and (tmp_path / "owner.password").read_text() == new
        assert (tmp_path / "owner.password").stat().st_mode & 0o077 == 0
        assert ask(hub, "/api/devices", Cookie=cookie).status == 401
        until(lambda: person.lost is not None)
        person.close()
        assert log_in(hub, "owner", old).status == 403
        assert ask(hub, "/api/devices", Cookie=cookie_of(hub, "owner", new)).status == 200
        assert Person(hub, "owner", new).reason == 0

    on_network(tmp_path, story)


def test_a_kept_session_gives_no_more_than_its_account_may_now(tmp_path) -> None:
    accounts = Accounts(tmp_path)
    password = accounts.add_person("anna", Role.OPERATOR)

    def kept(hub: Hub, password: str) -> tuple[int | None, bool]:
        told: list[tuple[int, bool]] = []
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "anna", clean_session=False)
        client.username_pw_set("anna", password)
        client.on_connect = lambda c, d, flags, reason, p: told.append(
            (reason.value, flags.session_present)
        )
        client.connect("127.0.0.1", hub.mqtt_port)
        client.loop_start()
        until(lambda: bool(told))
        subscribed: list[int] = []
        client.on_subscribe = lambda *_: subscribed.append(1)
        client.subscribe("devices/+/reply", 1)
        until(lambda: bool(subscribed))
        client.disconnect()
        client.loop_stop()
        return told[0]

    def first(hub: Hub) -> None:
        assert kept(hub, password) == (0, False)
        assert kept(hub, password) == (0, True)

    on_network(tmp_path, first)
    # While no hub runs that could notice.
    accounts.remove("anna")
    password_of_viewer = accounts.add_person("anna", Role.VIEWER)
    on_network(tmp_path, lambda hub: check(kept(hub, password_of_viewer)))


def check(told: tuple[int | None, bool]) -> None:
    assert told == (0, False), "the session with a subscription that is not allowed was ended"


def test_wrong_passwords_slow_down_their_address_and_nobody_else(tmp_path) -> None:
    owner = Accounts(tmp_path).owner_password

    def story(hub: Hub) -> None:
        cookie = cookie_of(hub, "owner", owner)
        answers = [log_in(hub, f"x{n}", "wrong") for n in range(200)]
        statuses = [answer.status for answer in answers]
        assert set(statuses[:5]) == {403} and statuses[-1] == 429, statuses
        limited = answers[-1]
        assert int(limited.getheader("retry-after") or 0) in range(1, 61)
        assert "Too many wrong passwords" in limited.text
        assert "That is not the password" not in limited.text
        # For programs, too.
        basic = {"Authorization": "Basic eDp5"}
        told = ask(hub, "/api/devices", **basic)
        assert told.status == 429 and told.getheader("retry-after")
        assert "Too many" in json.loads(told.text)["error"]
        # Who is logged in goes on; the owner logs in from here, where that has worked before, and
        # from elsewhere.
        assert ask(hub, "/api/devices", Cookie=cookie).status == 200
        assert log_in(hub, "owner", owner).status == 303
        assert log_in(hub, "owner", owner, OTHER_ADDRESS).status == 303
        # Nobody chooses the address that counts.
        forged = ask(hub, "/login", "POST", "user=x&password=y", **{"X-Forwarded-For": "192.0.2.9"})
        assert forged.status == 429

    on_network(tmp_path, story)


def test_wrong_passwords_of_the_broker_are_limited_too(tmp_path) -> None:
    accounts = Accounts(tmp_path)
    board = accounts.add("plant1")

    def story(hub: Hub) -> None:
        before = Person(hub, "plant1", board, "plant1")
        codes = [connack(hub, b"plant2", b"wrong") for _ in range(100)]
        # 3.2.2.3: not authorized, then server unavailable.
        assert codes[0] == 5 and codes[-1] == 3, codes
        assert connack(hub, b"plant1", board.encode()) == 0
        # A board that has logged in from this address comes back.
        before.close()
        again = Person(hub, "plant1", board, "plant1")
        assert again.reason == 0
        again.close()

    on_network(tmp_path, story)


def connack(hub: Hub, user: bytes, password: bytes) -> int:
    """The return code for a login of MQTT 3.1.1, packet by packet (3.1, 3.2)."""
    fields = [b"", user, password]
    body = b"\0\4MQTT\4\xc2\0\0" + b"".join(len(f).to_bytes(2, "big") + f for f in fields)
    with socket.create_connection(("127.0.0.1", hub.mqtt_port), timeout=WAIT_S) as client:
        client.sendall(b"\x10" + bytes([len(body)]) + body)
        return client.recv(4)[3]


def test_the_limit_forgets_in_time_and_stays_small() -> None:
    now = [0.0]
    limit = LoginLimit(3, 10.0, lambda: now[0])
    for _ in range(3):
        assert limit.wait_s("192.0.2.1", "a") == 0
        limit.failed("192.0.2.1", "a")
    assert limit.wait_s("192.0.2.1", "b") == 10
    assert limit.wait_s("192.0.2.2", "a") == 0
    assert limit.wait_s("::ffff:192.0.2.1", "a") == 10
    now[0] += 9.9
    assert limit.wait_s("192.0.2.1", "a") == 1
    now[0] += 0.2
    assert limit.wait_s("192.0.2.1", "a") == 0
    for _ in range(3):
        limit.failed("2001:db8::1", "a")
    # One customer has 2**64 addresses.
    assert limit.wait_s("2001:db8::ffff:2", "a") and not limit.wait_s("2001:db8:0:1::1", "a")
    for number in range(3 * ADDRESSES_MAX):
        limit.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "a")
        limit.succeeded(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"{number}")
    assert len(limit._wrong) <= ADDRESSES_MAX and len(limit._known) <= ADDRESSES_MAX


def test_a_long_answer_ends_with_the_account_that_asked(tmp_path) -> None:
    from hub_with_dashboard import fill, seconds_ago
    from motekit.hub.store import Reading

    first = seconds_ago(300_000)
    fill(tmp_path, (Reading("plant1", "t", first + n * 10**9, 1.0) for n in range(300_000)))
    password = Accounts(tmp_path).add_person("anna", Role.VIEWER)

    def story(hub: Hub) -> None:
        cookie = cookie_of(hub, "anna", password)
        connection = http.client.HTTPConnection("127.0.0.1", hub.http_port or 0, timeout=HTTP_S)
        address = "/api/readings?device=plant1&metric=t&since=0"
        connection.request("GET", address, headers={"Cookie": cookie})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read(1000)
        Accounts(tmp_path).remove("anna")
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()

    on_network(tmp_path, story)


def test_on_this_machine_no_login_is_needed(tmp_path) -> None:
    def story(hub: Hub) -> None:
        told = json.loads(get(hub, "api/hub")[2])
        assert (told["user"], told["role"], told["dropped"]) == (None, "owner", {})

    with_dashboard(tmp_path, story)
