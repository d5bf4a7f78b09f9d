"""The connection test without a radio: which server gets a login, which names are kept."""

import sys

from mote import failure


class _Fake:
    """Stands in for what of the chip is imported and not used here."""

    def __getattr__(self, name):
        return _Fake()


for name in ("network", "machine", "esp32"):
    if name not in sys.modules:
        sys.modules[name] = _Fake()

from mote import trial  # noqa: E402
from mote.mqtt import connecting, known_addresses, mdns  # noqa: E402
from mote.mqtt.mdns import Server  # noqa: E402

HUB = Server("Hub", "hub.local", "192.168.50.2", 1883)
EVIL = Server("A hub", "evil.local", "192.168.50.66", 1883)
KNOWN = {"host": "hub.local", "port": 1883, "password": "stored secret", "tls": False}


class Network:
    """What a trial meets: `found` servers are announced; the logins that were sent are kept."""

    def __init__(self, *found):
        self.found, self.logins, self.services = list(found), [], []
        trial.joining.join, trial.station.leave = self._join, self._leave
        trial.station.address = lambda: "192.168.50.20"
        mdns.browse, connecting.log_in = self._browse, self._log_in

    async def _join(self, networks, progress, attempts):
        progress("join")

    def _leave(self):
        pass

    async def _browse(self, service="_mqtt._tcp.local"):
        self.services.append(service)
        return self.found if service == "_mqtt._tcp.local" else []

    async def _log_in(self, document, progress):
        server = document["mqtt"]
        self.logins.append((server["host"], server["port"], server["password"]))
        known_addresses[(server["host"], server["port"])] = "an address of this network"
        return self

    async def disconnect(self):
        pass


def document(**mqtt):
    server = {"host": "", "port": 1883, "user": "", "password": "", "tls": False, "ca": ""}
    server.update(mqtt)
    return {"id": "a", "wifi": [{"ssid": "Home", "password": ""}], "mqtt": server}


async def tried(network, tried_document, stay=False, known=None):
    """The reason of the trial's failure, None where it went well."""
    from mote import certificate_time

    async def no_date(settings, again):
        pass

    certificate_time.ensure = no_date
    why, _ = await trial.run(tried_document, lambda step: None, stay, known)
    return why and why.reason


async def test_a_login_does_not_go_to_whatever_announces_itself():
    for login in ({"password": "my login"}, {"user": "me"}, {"user": "me", "password": "x"}):
        network, entered = Network(EVIL), document(**login)
        assert await tried(network, entered) == failure.CONFIRM_SERVER
        assert network.logins == []
        # It is shown, and tried when it is sent once more with its name in it.
        assert (entered["mqtt"]["host"], entered["mqtt"]["port"]) == ("evil.local", 1883)
        assert await tried(network, entered) is None
        assert len(network.logins) == 1


async def test_without_a_login_the_only_server_is_taken():
    network = Network(HUB)
    assert await tried(network, document()) is None
    assert network.logins == [("hub.local", 1883, "")]


async def test_the_server_that_the_board_has_is_preferred_and_confirmed_all_the_same():
    network, entered = Network(EVIL, HUB), document(password="my login")
    assert await tried(network, entered, known=KNOWN) == failure.CONFIRM_SERVER
    assert network.logins == [] and entered["mqtt"]["host"] == "hub.local"
    assert await tried(network, document(), known=KNOWN) is None
    assert network.logins == [("hub.local", 1883, "")]
    # Neither its port nor its name alone makes it that one.
    for host, port in (("hub.local", 1884), ("hub2.local", 1883)):
        network = Network(Server("Hub", host, "192.168.50.66", port), EVIL)
        assert await tried(network, document(), known=KNOWN) == failure.CHOOSE_SERVER
        assert network.logins == []


async def test_with_tls_servers_with_tls_are_sought_first():
    network = Network(HUB)
    assert await tried(network, document(tls=True)) is None
    assert network.services == ["_secure-mqtt._tcp.local", "_mqtt._tcp.local"]


async def test_an_installer_that_brings_another_wifi_brings_no_login_into_it():
    network = Network()
    withheld = document(host="hub.local")
    assert await tried(network, withheld, True, KNOWN) == failure.PASSWORD_NEEDED
    assert network.logins == []
    # A new board has no login that could be missing, and a board without one needs none.
    assert await tried(network, document(host="hub.local"), True) is None
    assert await tried(network, document(host="hub.local"), True, dict(KNOWN, password="")) is None
    kept = document(host="hub.local", password="stored secret")
    assert await tried(network, kept, True, KNOWN) is None


async def test_what_a_network_says_of_a_name_is_forgotten_with_the_trial():
    known_addresses.clear()
    known_addresses[("hub.local", 1883)] = "its address at home"
    network = Network()
    assert await tried(network, document(host="hub.local")) is None
    assert known_addresses == {("hub.local", 1883): "its address at home"}
