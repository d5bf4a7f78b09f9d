"""The portal's pages and what leads from one to the next, without a radio."""

import json

from mote import config, failure
from mote.failure import Failure
from mote.portal import http
from mote.portal.site import FAILED, SAVED, TRYING, Site

# A test must not write into the root of this machine.
config.PATH, config._NEW = "build/site-test.json", "build/site-test.new"
SECRETS = ("home secret", "mqtt secret", "portal secret")
GOOD = b"id=plant1&ssid=Home&password=home+secret&host=mqtt.local"


class Network:
    """As `mote.wifi.scan` lists them, without a radio."""

    def __init__(self, ssid, bars, secured=True, supported=True):
        self.ssid, self.bars, self.secured, self.supported = ssid, bars, secured, supported


def site(settings=None, reason="new"):
    tried = []
    networks = [
        Network("Home", 4),
        Network("Work", 3, supported=False),
        Network("<b>\"'&", 2, secured=False),
    ]
    own = ("192.168.4.1",)
    built = Site("IOT_1", settings, reason, lambda: networks, tried.append, lambda: own)
    return built, tried


def request(method, path, body=b"", host="192.168.4.1", **headers):
    headers["host"] = host
    return http.Request(method, path, headers, body)


def text(response):
    return response.body if isinstance(response.body, str) else "".join(response.body)


async def status_of(call):
    try:
        return (await call).status
    except http.Refused as refused:
        return refused.status


async def test_whatever_host_a_phone_asks_for_it_is_led_to_the_portal():
    portal, _ = site()
    hosts = ("connectivitycheck.gstatic.com", "captive.apple.com", "www.msftconnecttest.com", "")
    for host in hosts:
        response = await portal.handle(request("GET", "/generate_204", host=host))
        assert (response.status, response.location) == (302, "http://192.168.4.1/")
        assert len(response.body) > 4, "Android takes less for a broken network"
    assert await status_of(portal.handle(request("GET", "/wpad.dat", host="wpad"))) == 404


async def test_the_form_lists_networks_escaped_and_names_what_is_not_supported():
    portal, _ = site()
    page = text(await portal.handle(request("GET", "/")))
    assert 'value="&lt;b&gt;&quot;&#39;&amp;"' in page and "<b>\"'&" not in page
    assert "company login: not supported" in page
    for field in ("id", "ssid_other", "password", "host", "port", "user", "mqtt_password"):
        assert 'name="%s"' % field in page and 'for="%s"' % field in page, field


async def test_a_bad_entry_is_named_and_the_rest_is_kept_but_no_secret():
    portal, tried = site()
    body = b"id=my+plant&ssid=Home&password=home+secret&host=&mqtt_password=mqtt+secret"
    response = await portal.handle(request("POST", "/save", body))
    page = text(response)
    assert response.status == 422 and not tried
    assert 'href="#id"' in page and 'href="#host"' in page
    assert 'id="id-error"' in page and 'value="my plant"' in page
    assert 'value="Home" checked' in page
    assert not any(secret in page for secret in SECRETS)
    # An entry that was refused leaves nothing behind that would be refused again.
    await portal.handle(request("POST", "/save", b"id=plant1&ssid=Home&password=&host="))
    # The password that was entered is still known: the next try needs only the rest.
    await portal.handle(request("POST", "/save", b"id=plant1&ssid=Home&password=&host=mqtt.local"))
    assert tried[0]["wifi"][0]["password"] == "home secret"


async def test_a_saved_secret_is_never_sent_back():
    settings = config.checked(
        {
            "version": 1,
            "id": "plant1",
            "wifi": [{"ssid": "Home", "password": SECRETS[0]}],
            "mqtt": {"host": "mqtt.local", "password": SECRETS[1]},
            "portal_password": SECRETS[2],
        }
    )
    portal, _ = site(settings, "button")
    page = text(await portal.handle(request("GET", "/")))
    assert 'value="plant1"' in page and 'placeholder="unchanged"' in page
    assert not any(secret in page for secret in SECRETS)


async def test_a_trial_that_fails_is_explained_and_can_be_changed_or_saved_anyway():
    portal, _ = site()
    response = await portal.handle(request("POST", "/save", GOOD))
    assert (response.status, response.location, portal.state) == (303, "/progress", TRYING)
    portal.step("join")
    portal.failed_with(Failure(failure.WRONG_PASSWORD, "202"))
    status = json.loads(text(await portal.handle(request("GET", "/status"))))
    assert status["state"] == FAILED and status["steps"] == ["fail", "", "", "", ""]
    page = text(await portal.handle(request("GET", "/progress")))
    assert "password was not accepted" in page and "Save anyway" in page
    await portal.handle(request("POST", "/edit"))
    form = text(await portal.handle(request("GET", "/")))
    assert 'value="plant1"' in form and "home secret" not in form
    # Another try, and this time the person knows better.
    await portal.handle(request("POST", "/save", GOOD))
    portal.failed_with(Failure(failure.NO_ANSWER))
    await portal.handle(request("POST", "/save-anyway"))
    assert portal.state == SAVED and config.load()["id"] == "plant1"


async def test_what_was_tried_with_success_is_saved():
    portal, _ = site()
    await portal.handle(request("POST", "/save", GOOD))
    for step in ("join", "address", "name", "server", "login"):
        portal.step(step)
    portal.succeeded()
    assert config.load()["wifi"] == [{"ssid": "Home", "password": "home secret"}]
    page = text(await portal.handle(request("GET", "/progress")))
    assert "plant1 is on its way" in page and portal.told_saved


async def test_a_page_of_someone_else_cannot_post():
    portal, tried = site()
    foreign = request("POST", "/save", GOOD, origin="http://evil.example")
    assert await status_of(portal.handle(foreign)) == 403 and not tried
    own = request("POST", "/save", GOOD, origin="http://192.168.4.1")
    assert await status_of(portal.handle(own)) == 303


async def test_an_unknown_path_leads_home_and_a_wrong_method_is_refused():
    portal, _ = site()
    assert (await portal.handle(request("GET", "/favicon.ico"))).location == "/"
    assert await status_of(portal.handle(request("GET", "/save"))) == 405


async def test_a_damaged_configuration_is_said_in_friendly_words():
    portal, _ = site(reason="damaged")
    page = text(await portal.handle(request("GET", "/")))
    assert "The saved settings were damaged" in page
