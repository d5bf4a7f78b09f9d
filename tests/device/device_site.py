"""The portal's pages and what leads from one to the next, without a radio."""

import json

from mote import config, failure
from mote.failure import Failure
from mote.mqtt.mdns import Server
from mote.portal.request import Refused, Request
from mote.portal.site import FAILED, FORM, SAVED, TRYING, Site

# A test must not write into the root of this machine.
config.PATH, config._NEW = "build/site-test.json", "build/site-test.new"
SECRETS = ("home secret", "mqtt secret", "portal secret")
GOOD = b"id=plant1&ssid=Home&password=home+secret&host=mqtt.local"


class Network:
    """As `mote.wifi.scan` lists them, without a radio."""

    def __init__(self, ssid, bars, security="WPA2", supported=True):
        self.ssid, self.bars, self.supported = ssid, bars, supported
        self.security, self.secured = security, bool(security)


STORED = {
    "version": 1,
    "id": "plant1",
    "wifi": [{"ssid": "Home", "password": SECRETS[0]}],
    "mqtt": {"host": "mqtt.local", "password": SECRETS[1]},
}
# As the page sends it back when nothing is changed.
SAME = {"id": "plant1", "ssid": "Home", "host": "mqtt.local", "port": "1883", "interval": "10"}
TLS = {"port": "8883", "tls": "1"}


def stored(**mqtt):
    wifi = [dict(one) for one in STORED["wifi"]]
    return config.checked(dict(STORED, wifi=wifi, mqtt=dict(STORED["mqtt"], **mqtt)))


def verified():
    return stored(tls=True, port=8883, ca="its certificate")


def body(**changes):
    """The form with `changes`; those that are None are not sent."""
    entries = dict(SAME, **changes)
    pairs = ["%s=%s" % pair for pair in entries.items() if pair[1] is not None]
    return "&".join(pairs).replace(" ", "+").encode()


async def sent(portal, entries):
    """The document that is tried with these entries, or the text of the page that refuses them."""
    tries = len(portal.board.tried)
    response = await send(portal, "/save", entries)
    if response.status == 422:
        assert len(portal.board.tried) == tries, "what is refused is not tried"
        page = text(response)
        assert not any(secret in page for secret in SECRETS)
        return page
    assert (response.status, len(portal.board.tried)) == (303, tries + 1)
    # The next entries need not wait for it.
    portal.failed_with(Failure(failure.NO_ANSWER))
    return portal.board.tried[-1]


class Board:
    """What the site needs of a board."""

    def __init__(self):
        self.tried = []
        self.starts = 0

    def scan(self):
        return [
            Network("Home", 4),
            Network("Work", 3, "802.1X", supported=False),
            Network("<b>\"'&", 2, ""),
        ]

    def own_addresses(self):
        return ("192.168.4.1",)

    def start_trial(self, document, stay):
        self.tried.append(document)

    def start_once_more(self):
        self.starts += 1


def site(settings=None, reason="new", traceback=""):
    board = Board()
    return Site(board, "IOT_1", settings, reason, traceback), board.tried


def request(method, path, body=b"", host="192.168.4.1", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers["host"] = host
    return Request(method, path, headers, body)


def send(portal, path, body=b"", **headers):
    """A form of the page, as a browser sends it."""
    body = b"token=" + portal.token.encode() + b"&" + body
    return portal.handle(request("POST", path, body, **headers))


def text(response):
    if isinstance(response.body, str):
        return response.body
    return str(b"".join(response.body), "utf-8")


async def status_of(call):
    try:
        return (await call).status
    except Refused as refused:
        return refused.status


async def test_whatever_host_a_phone_asks_for_it_is_led_to_the_portal():
    portal, _ = site()
    hosts = ("connectivitycheck.gstatic.com", "captive.apple.com", "www.msftconnecttest.com", "")
    for host in hosts:
        response = await portal.handle(request("GET", "/generate_204", host=host))
        assert (response.status, response.location) == (302, "http://192.168.4.1/")
        assert response.length > 4, "Android takes less for a broken network"
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
    body = b"id=my+plant&ssid=Home&password=home+secret&host=a+b&mqtt_password=mqtt+secret"
    response = await send(portal, "/save", body)
    page = text(response)
    assert response.status == 422 and not tried
    assert 'href="#id">Device ID<' in page and 'href="#mqtt_password"' not in page
    assert 'value="my plant" aria-invalid="true"' in page
    assert 'value="Home" checked' in page
    assert not any(secret in page for secret in SECRETS)
    # An entry that was refused leaves nothing behind that would be refused again.
    await send(portal, "/save", b"id=plant1&ssid=Home&password=&host=%")
    # The password that was entered is still known: the next try needs only the rest.
    await send(portal, "/save", b"id=plant1&ssid=Home&password=&host=mqtt.local")
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
    response = await send(portal, "/save", GOOD)
    assert (response.status, response.location, portal.state) == (303, "/progress", TRYING)
    portal.step("join")
    assert text(await portal.handle(request("GET", "/progress"))).count('class="now"') == 1
    portal.failed_with(Failure(failure.WRONG_PASSWORD, "202"))
    status = json.loads(text(await portal.handle(request("GET", "/status"))))
    assert status["state"] == FAILED and status["steps"] == ["fail", "", "", "", ""]
    page = text(await portal.handle(request("GET", "/progress")))
    assert "password was not accepted" in page and "Save anyway" not in page
    await send(portal, "/save-anyway")
    assert portal.state == FAILED, "a refused password is not saved"
    await send(portal, "/edit")
    form = text(await portal.handle(request("GET", "/")))
    assert 'value="plant1"' in form and "home secret" not in form
    # Another try, and this time the person knows better.
    await send(portal, "/save", GOOD)
    portal.failed_with(Failure(failure.NO_ANSWER))
    page = text(await portal.handle(request("GET", "/progress")))
    assert "did not answer" in page and "Save anyway" in page
    # The error has the focus, with and without JavaScript.
    assert '<section class="bad" role="alert" tabindex="-1" autofocus>' in page
    await send(portal, "/save-anyway")
    assert portal.state == SAVED and config.load()["id"] == "plant1"


async def test_what_was_tried_with_success_is_saved():
    portal, _ = site()
    await send(portal, "/save", GOOD)
    for step in ("join", "address", "name", "server", "login"):
        portal.step(step)
    portal.succeeded(tried_document(portal))
    assert config.load()["wifi"] == [{"ssid": "Home", "password": "home secret"}]
    page = text(await portal.handle(request("GET", "/progress")))
    assert "Your board is on its way" in page and portal.told_saved


def tried_document(portal):
    return portal.board.tried[-1]


async def test_an_empty_server_is_looked_for_and_one_that_was_found_can_be_picked():
    portal, tried = site()
    body = b"id=plant1&ssid=Home&password=home+secret&host="
    assert (await send(portal, "/save", body)).location == "/progress"
    assert tried[0]["mqtt"]["host"] == ""
    found = [Server("hub", "hub.local", "192.168.50.2", 1883), Server("b", "b.local", "1.2.3.4", 1)]
    portal.failed_with(Failure(failure.CHOOSE_SERVER), found)
    page = text(await portal.handle(request("GET", "/progress")))
    assert "more than one MQTT server" in page and "Save anyway" not in page
    await send(portal, "/save-anyway")
    assert portal.state == FAILED, "nothing can be saved without a server"
    page = text(await portal.handle(request("GET", "/")))
    assert 'name=server value="hub.local:1883"' in page
    picked = b"id=plant1&ssid=Home&password=&server=hub.local%3A1883&host=&port=1884"
    await send(portal, "/save", picked)
    assert (tried[1]["mqtt"]["host"], tried[1]["mqtt"]["port"]) == ("hub.local", 1883)
    assert tried[1]["wifi"][0]["password"] == "home secret"


async def test_a_full_flash_is_said_and_nothing_is_promised():
    portal, tried = site()
    await send(portal, "/save", GOOD)
    path, config._NEW = config._NEW, "build/no/such/folder/config.new"
    try:
        portal.succeeded(tried[0])
    finally:
        config._NEW = path
    page = text(await portal.handle(request("GET", "/progress")))
    assert portal.state == FAILED and "could not be saved" in page and "Save anyway" not in page


async def test_safe_mode_shows_the_traceback_escaped_and_can_be_left():
    portal, _ = site(reason="crashed", traceback="<module> boom")
    page = text(await portal.handle(request("GET", "/")))
    assert "stopped five times" in page and "&lt;module&gt; boom" in page
    await send(portal, "/start")
    assert portal.board.starts == 1


async def test_the_language_of_the_browser_is_spoken():
    portal, _ = site()
    for wanted, words in (
        ("de-AT,de;q=0.9,en;q=0.5", 'lang="de" dir="ltr"'),
        ("en;q=0.4,fr;q=0.8", 'lang="fr"'),
        ("ar-EG", 'lang="ar" dir="rtl"'),
        ("ja,pt", 'lang="en"'),
        ("es;q=x,;;,,", 'lang="en"'),
        ("", 'lang="en"'),
    ):
        page = text(await portal.handle(request("GET", "/", accept_language=wanted)))
        assert words in page, wanted


async def test_who_opens_the_portal_after_a_failure_sees_form_and_failure_together():
    portal, _ = site()
    await send(portal, "/save", GOOD)
    portal.failed_with(Failure(failure.WRONG_PASSWORD))
    page = text(await portal.handle(request("GET", "/")))
    assert portal.state == FORM and 'name="id"' in page and "password was not accepted" in page


async def test_a_page_of_someone_else_cannot_post():
    portal, tried = site()
    # "null": a frame in a sandbox, which may hold the page of anybody.
    for origin in ("http://evil.example", "null", "https://192.168.4.1", "http://192.168.4.1:81"):
        foreign = await send(portal, "/save", GOOD, origin=origin)
        assert foreign.status == 403 and not tried, origin
        # No dead end: it leads to the board's own page.
        assert "nothing was changed" in text(foreign) and "href='/'" in text(foreign)
    assert await status_of(send(portal, "/save", GOOD, origin="http://192.168.4.1")) == 303


async def test_an_unknown_path_leads_home_and_a_wrong_method_is_refused():
    portal, _ = site()
    assert (await portal.handle(request("GET", "/favicon.ico"))).location == "/"
    assert await status_of(portal.handle(request("GET", "/save"))) == 405


async def test_a_damaged_configuration_is_said_in_friendly_words():
    portal, _ = site(reason="damaged")
    page = text(await portal.handle(request("GET", "/")))
    assert "The saved settings were damaged" in page


async def test_a_password_for_an_open_network_is_told_before_anything_is_tried():
    for name in ("ssid=%3Cb%3E%22%27%26", "ssid=&ssid_other=%3Cb%3E%22%27%26"):
        portal, tried = site()
        entries = ("id=plant1&%s&password=needless+one&host=mqtt.local" % name).encode()
        response = await send(portal, "/save", entries)
        page = text(response)
        assert response.status == 422 and not tried and portal.state == FORM
        assert "This network has no password. Leave the field empty." in page
        assert "needless one" not in page
    # With the field empty it is tried, and a password of the time before it was open is gone.
    old = (
        '{"version": 1, "id": "plant1", "wifi": [{"ssid": "<b>\\"\'&", "password": "old secret"}],'
    )
    settings = config.checked(json.loads(old + '"mqtt": {"host": "mqtt.local"}}'))
    portal, tried = site(settings, "button")
    entries = b"id=plant1&ssid=%3Cb%3E%22%27%26&password=&host=mqtt.local"
    assert (await send(portal, "/save", entries)).status == 303
    assert tried[0]["wifi"][0]["password"] == ""


async def test_a_language_that_was_chosen_is_spoken_from_then_on():
    portal, _ = site()
    page = text(await portal.handle(request("GET", "/", accept_language="fr")))
    assert 'lang="fr"' in page and '<a href="./?lang=de" lang="de">Deutsch</a>' in page
    chosen = request("GET", "/", accept_language="fr")
    chosen.query = "lang=ar"
    page = text(await portal.handle(chosen))
    assert '<html lang="ar" dir="rtl">' in page
    refused = await send(portal, "/save", b"id=+", accept_language="fr")
    assert '<html lang="ar"' in text(refused)
    for odd in ("lang=../en", "lang=xx", "lang=", "x=de"):
        chosen.query = odd
        assert text(await portal.handle(chosen)).startswith("<!doctype html>")


async def test_what_was_saved_says_where_the_dashboard_is():
    portal, _ = site()
    await send(portal, "/save", GOOD)
    portal.succeeded(portal.document)
    page = text(await portal.handle(request("GET", "/progress")))
    assert "All set" in page and "shows its address. Server: <bdi>mqtt.local</bdi>" in page


async def test_the_attack_of_the_audit_gets_nothing_out_of_a_board():
    # Stored with TLS and CA; the portal opened by itself; a stranger leads it into an open network.
    for reason in ("wifi", "crashed", "button"):
        portal, tried = site(verified(), reason)
        page = await sent(portal, body(ssid="Evil", port="1883"))
        assert "Evil" in page and not tried
        assert await status_of(send(portal, "/save-anyway")) == 303
        assert portal.state == FORM, "there is nothing to save"


async def test_a_portal_that_opened_by_itself_takes_another_wifi_and_no_more():
    portal, _ = site(verified(), "wifi")
    page = text(await portal.handle(request("GET", "/")))
    assert "Only another WiFi is accepted here" in page
    tried = await sent(portal, body(ssid="New", password="new secret", **TLS))
    assert tried["mqtt"] == verified()["mqtt"], "the server proves itself with the CA"
    assert [one["ssid"] for one in tried["wifi"]] == ["New", "Home"]
    for changes in (
        {"id": "mine"},
        {"host": "evil.example"},
        {"host": ""},
        {"port": "8884"},
        {"user": "u"},
        {"interval": "5"},
        {"portal_password": "mine is better"},
        {"insecure": "1"},
        {"mqtt_password": "guessed"},
    ):
        portal, _ = site(verified(), "wifi")
        page = await sent(portal, body(**dict(TLS, **changes)))
        assert 'href="#mqtt_password"' in page and "Only another WiFi is accepted" in page, changes
        # With the password that it has, a person may do everything.
        if "mqtt_password" not in changes:
            tried = await sent(portal, body(**dict(TLS, mqtt_password=SECRETS[1], **changes)))
            assert tried["mqtt"]["password"] == SECRETS[1]


async def test_without_tls_another_wifi_takes_the_password_once_more():
    for reason in ("wifi", "button"):
        portal, _ = site(stored(), reason)
        for changes in ({"ssid": "New", "password": "new secret"}, {"password": "another one"}):
            page = await sent(portal, body(**changes))
            assert "Enter it again" in page and 'href="#mqtt_password"' in page
            tried = await sent(portal, body(mqtt_password=SECRETS[1], **changes))
            assert tried["mqtt"]["password"] == SECRETS[1]
        # Nothing changed: nothing is asked.
        portal, _ = site(stored(), reason)
        assert (await sent(portal, body()))["mqtt"]["password"] == SECRETS[1]


async def test_an_open_twin_of_the_own_network_gets_no_password():
    settings = stored()
    settings["wifi"][0]["ssid"] = "<b>\"'&"
    for reason in ("wifi", "button"):
        portal, _ = site(settings, reason)
        assert "Enter it again" in await sent(portal, body(ssid="%3Cb%3E%22%27%26"))


async def test_a_board_without_a_login_goes_to_another_wifi_but_not_to_another_server():
    portal, _ = site(stored(password=""), "wifi")
    assert not (await sent(portal, body(ssid="New")))["mqtt"]["password"]
    assert "Only another WiFi" in await sent(portal, body(host="evil.example"))
    assert "Only another WiFi" in await sent(portal, body(mqtt_password="mine"))
    portal, _ = site(stored(password=""), "button")
    assert (await sent(portal, body(host="new.local")))["mqtt"]["host"] == "new.local"


async def test_a_network_that_a_stranger_added_carries_no_login_later():
    # A board without a login, and one that checks its server, take any WiFi at such a portal.
    for settings in (stored(password=""), verified()):
        portal, _ = site(settings, "wifi")
        tls = TLS if settings["mqtt"]["tls"] else {}
        planted = await sent(portal, body(ssid="Evil", **tls))
        assert [one["ssid"] for one in planted["wifi"]] == ["Evil", "Home"]
        # Its owner comes, and enters a login for a server that proves nothing.
        portal, _ = site(config.checked(planted), "button")
        login = body(password="home secret", mqtt_password="new secret")
        assert [one["ssid"] for one in (await sent(portal, login))["wifi"]] == ["Home"]
    # Networks that have carried a login stay.
    settings = stored()
    settings["wifi"].append({"ssid": "Shed", "password": "shed secret"})
    portal, _ = site(settings, "button")
    tried = await sent(portal, body(mqtt_password="new secret"))
    assert [one["ssid"] for one in tried["wifi"]] == ["Home", "Shed"]


async def test_the_button_lifts_the_limit_and_no_secret_follows():
    portal, _ = site(stored(), "wifi")
    assert "Only another WiFi" in await sent(portal, body(host="new.local"))
    portal.limited = False
    tried = await sent(portal, body(host="new.local"))
    assert tried["mqtt"]["host"] == "new.local" and not tried["mqtt"]["password"]
    assert "Only another WiFi" not in text(await portal.handle(request("GET", "/")))


async def test_the_old_password_cannot_be_guessed():
    portal, _ = site(stored(), "wifi")
    for number in range(5):
        await sent(portal, body(host="evil.example", mqtt_password="guess %d" % number))
    page = await sent(portal, body(host="evil.example", mqtt_password=SECRETS[1]))
    assert "Only another WiFi" in page, "right or wrong is not said any more"
    portal, _ = site(stored(), "wifi")
    tried = await sent(portal, body(host="new.local", mqtt_password=SECRETS[1]))
    assert tried["mqtt"]["password"] == SECRETS[1]


async def test_what_one_phone_entered_another_cannot_lead_elsewhere():
    # A new board: the first person's login failed, a second one is on the open network.
    portal, _ = site()
    typed = {"password": "home secret", "mqtt_password": "typed secret"}
    await sent(portal, body(**dict(TLS, insecure="1", **typed)))
    for changes in (
        {"ssid": "Evil"},
        {"ssid": "Home", "password": "a twin's key"},
        {"port": "8884"},
        {"tls": None, "port": "1883"},
        {"host": "evil.example"},
        {"host": "evil.example", "tls": None, "port": "1883"},
    ):
        got = await sent(portal, body(**dict(TLS, insecure="1", **changes)))
        if isinstance(got, dict):
            assert not got["mqtt"]["password"], changes
            await sent(portal, body(**dict(TLS, insecure="1", **typed)))
    # Who corrects another entry need not type it again.
    tried = await sent(portal, body(**dict(TLS, insecure="1", id="plant2")))
    assert tried["mqtt"]["password"] == "typed secret"


async def test_what_was_refused_is_no_base_for_the_next_trial():
    portal, tried = site(stored(), "wifi")
    await sent(portal, body(host="evil.example", interval="never"))
    await sent(portal, body(host="evil.example"))

    def put_first(known):
        return dict(known, wifi=[{"ssid": "Home", "password": SECRETS[0]}])

    assert portal.try_network(put_first)
    assert tried[-1]["mqtt"] == stored()["mqtt"]


async def test_the_installer_at_the_cable_does_not_save_what_a_stranger_entered():
    portal, tried = site(stored(), "improv")
    portal.name = stored()["id"]
    await sent(portal, body(host="evil.example", id="evil", mqtt_password="evil"))
    portal.failed_with(Failure(failure.NO_ANSWER))

    def put_first(known):
        # As `improv.conversation` does.
        return dict(known, id=portal.name, wifi=[{"ssid": "Home", "password": SECRETS[0]}])

    assert portal.try_network(put_first)
    assert tried[-1]["mqtt"] == stored()["mqtt"] and tried[-1]["id"] == stored()["id"]


async def test_a_server_that_was_found_is_confirmed_before_it_gets_a_login():
    portal, _ = site()
    first = await sent(portal, body(password="home secret", host="", mqtt_password="my login"))
    # As the trial fills it in; `device_trial` has the trial itself.
    first["mqtt"]["host"], first["mqtt"]["port"] = "hub.local", 1884
    found = [Server("Hub", "hub.local", "192.168.50.2", 1884)]
    portal.failed_with(Failure(failure.CONFIRM_SERVER), found)
    page = text(await portal.handle(request("GET", "/progress")))
    assert "<bdi>hub.local</bdi>" in page and "Save anyway" not in page
    await send(portal, "/save-anyway")
    assert portal.state == FAILED, "not without a look at its name"
    page = text(await portal.handle(request("GET", "/")))
    assert 'value="hub.local"' in page and 'value="1884"' in page
    # Sent once more with the name in it, the login is for that server.
    again = await sent(portal, body(host="hub.local", port="1884"))
    assert again["mqtt"]["password"] == "my login"


async def test_a_form_of_another_opening_is_shown_again_and_changes_nothing():
    portal, tried = site()
    other, _ = site()
    assert portal.token != other.token and len(portal.token) == 16
    entered = GOOD + b"&port=1884&user=me&mqtt_password=mqtt+secret&interval=7&tls=1"
    for token in (b"", b"token=&", b"token=" + other.token.encode() + b"&", b"x=token&"):
        response = await portal.handle(request("POST", "/save", token + entered))
        page = text(response)
        assert response.status == 403 and not tried and portal.state == FORM, token
        assert "This page was out of date" in page
        for kept in ('value="plant1"', 'value="Home" checked', 'value="1884"', 'value="me"'):
            assert kept in page, kept
        assert 'value="7"' in page and 'value="1" checked' in page
        assert not any(secret in page for secret in SECRETS)
    # What was sent stays with who sent it.
    page = text(await portal.handle(request("GET", "/")))
    assert 'value="plant1"' not in page and "out of date" not in page
    # The page that came back can be sent.
    token = page.split('name="token" value="')[1].split('"')[0]
    sent = b"token=" + token.encode() + b"&" + entered + b"&password=home+secret"
    assert (await portal.handle(request("POST", "/save", sent))).status == 303
    assert tried[0]["wifi"][0]["password"] == "home secret"


async def test_nothing_is_done_without_the_token_of_this_opening():
    portal, tried = site()
    await send(portal, "/save", GOOD)
    portal.failed_with(Failure(failure.NO_ANSWER))
    for path in ("/save-anyway", "/edit", "/scan", "/start"):
        response = await portal.handle(request("POST", path, b"token=0123456789abcdef"))
        assert response.status == 403 and "out of date" in text(response), path
        assert portal.state == FAILED and portal.board.starts == 0
    assert len(tried) == 1
    await send(portal, "/save-anyway")
    assert portal.state == SAVED


async def test_every_form_of_every_page_has_the_token():
    portal, _ = site(reason="crashed", traceback="boom")
    for path, action in (("/", None), ("/save", b"id=+"), ("/save", GOOD)):
        if action is None:
            page = text(await portal.handle(request("GET", path)))
        else:
            page = text(await send(portal, path, action))
        forms = page.count("<form ")
        assert page.count('name="token" value="%s"' % portal.token) == forms
    portal.failed_with(Failure(failure.NO_ANSWER))
    page = text(await portal.handle(request("GET", "/progress")))
    assert page.count('name="token" value="%s"' % portal.token) == page.count("<form ") == 2


async def test_a_token_works_again_and_for_several_phones():
    # Reload, the back button, a second phone: all of them send the same token once more.
    portal, tried = site()
    for number in (1, 2):
        assert (await send(portal, "/save", GOOD)).status == 303
        portal.failed_with(Failure(failure.NO_ANSWER))
        assert len(tried) == number
    await send(portal, "/save", GOOD)
    portal.succeeded(tried[-1])
    # Sent once more behind the saving, it leads to what was saved.
    assert (await send(portal, "/save", GOOD)).location == "/progress" and len(tried) == 3


async def test_what_a_trial_found_and_no_rule_allows_ends_nothing():
    portal, tried = site()
    await send(portal, "/save", b"id=plant1&ssid=Home&password=home+secret&host=")
    document = tried[0]
    document["mqtt"]["host"] = "Büro PC.local"
    portal.succeeded(document)
    assert portal.state == FAILED and "no MQTT server" in portal.failure.what
