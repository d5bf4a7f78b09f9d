"""How boards and people learn what a hub with TLS needs: provisioning, labels, mDNS, doctor."""

import os
from pathlib import Path

import pytest
from clients import with_hub
from motekit import certificates, places
from motekit.commands import doctor, label, provision
from motekit.hub import Hub, hub_state
from motekit.hub.announce import SECURE_SERVICE, SERVICE, Announcement, own_name
from motekit.hub.folder_lock import FolderLock
from motekit.hub.hub_state import HubState
from motekit.hub.tls import TlsOptions
from motekit.provision import settings


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a hub where this user has it."""
    monkeypatch.setattr(places, "data", lambda: tmp_path)
    (tmp_path / "hub").mkdir()
    return tmp_path / "hub"


def test_a_provisioned_board_gets_port_and_ca_of_the_hub(data: Path) -> None:
    hub = Hub(data, "0.0.0.0", 0, http_port=None, tls=TlsOptions(port=0))
    with_hub(hub, lambda: None)
    made = provision._with_server({"id": "plant1", "wifi": [{"ssid": "x"}]}, None)
    assert made["mqtt"] == {
        "host": own_name(),
        "port": hub.tls_port,
        "tls": True,
        "ca": (data / "ca.crt").read_text(),
    }
    # The board's own schema takes it, the size of the CA included.
    assert settings.checked(made)["mqtt"]["tls"]
    # What somebody says stays.
    said = provision._with_server({"mqtt": {"port": 1999, "tls": False}}, None)["mqtt"]
    assert (said["port"], said["tls"]) == (1999, False)
    other = {"mqtt": {"host": "other"}}
    assert provision._with_server(other, None) == other


def test_without_tls_it_gets_the_name_alone(data: Path) -> None:
    with_hub(Hub(data, "0.0.0.0", 0, http_port=None), lambda: None)
    assert provision._with_server({}, None)["mqtt"] == {"host": own_name()}


@pytest.mark.parametrize(("dashboard", "scheme"), [("https://x:8080/", "https"), ("", "http")])
def test_a_label_leads_where_the_dashboard_is(data: Path, monkeypatch, dashboard, scheme) -> None:
    lock = FolderLock(data)
    lock.acquire()
    hub_state.write(data, HubState(os.getpid(), "127.0.0.1", 1883, 8883, dashboard))
    monkeypatch.setattr(label, "_reached_by_others", lambda port: True)
    assert label.address("plant1") == f"{scheme}://{own_name()}:8080/device/plant1"
    lock.release()


def test_a_hub_with_tls_only_is_never_announced_as_one_without() -> None:
    def services(*values, **named) -> list[tuple[str, int]]:
        return [(info.type, info.port) for info in Announcement(*values, **named)._infos]

    assert services(1883) == [(SERVICE, 1883)]
    assert services(1883, 8883, plain=False) == [(SECURE_SERVICE, 8883)]
    assert services(1883, 8883, plain=True) == [(SERVICE, 1883), (SECURE_SERVICE, 8883)]


def test_doctor_says_what_is_exposed_what_ends_and_what_was_dropped(data: Path) -> None:
    assert list(doctor._hub()) == []
    lock = FolderLock(data)
    lock.acquire()
    exposed = ["the passwords of boards"]
    dropped = {"queue_dropped": 7}
    hub_state.write(data, HubState(os.getpid(), "0.0.0.0", 1883, exposed=exposed, dropped=dropped))
    found = {one.what: one for one in doctor._hub()}
    (open_to_others,) = (one for what, one in found.items() if "can read" in what)
    assert "passwords of boards" in open_to_others.what and not open_to_others.found
    assert "mote hub --tls" in open_to_others.remedy
    (lost,) = (one for what, one in found.items() if "7 messages" in what)
    assert not lost.found
    certificates.ensure(data, data, ["x"])
    ends = certificates.expires(data / "server.crt").timestamp()
    good = HubState(os.getpid(), "127.0.0.1", 1883, 8883, certificate_ends=ends)
    hub_state.write(data, good)
    assert all(one.found for one in doctor._hub())
    hub_state.write(data, HubState(os.getpid(), "127.0.0.1", 1883, 8883, certificate_ends=1e9))
    assert [one.found for one in doctor._hub()].count(False) == 1
    lock.release()
