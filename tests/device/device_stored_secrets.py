"""Which stored secrets a new document may keep: every way a document can differ from the stored."""

from mote import config, contract, stored_secrets
from mote.stored_secrets import AGAIN, LOCKED

PASSWORD = "mqtt secret"
HOME = {"ssid": "Home", "password": "home secret"}
SHED = {"ssid": "Shed", "password": "shed secret"}
CAFE = {"ssid": "Cafe", "password": ""}


def stored(*networks, **mqtt):
    document = {
        "version": 1,
        "id": "plant1",
        "wifi": list(networks or (HOME,)),
        "mqtt": dict({"host": "hub.local", "password": PASSWORD}, **mqtt),
    }
    return config.checked(document)


VERIFIED = {"port": 8883, "tls": True, "ca": "its certificate"}
UNVERIFIED = ({}, {"port": 8883, "tls": True, "insecure": True}, {"ca": "unused without TLS"})
EVERY = [VERIFIED]
EVERY.extend(UNVERIFIED)


def other(document, *networks, **mqtt):
    server = dict(document["mqtt"], **mqtt)
    return dict(document, wifi=list(networks) or document["wifi"], mqtt=server)


def test_the_defaults_are_those_of_the_schema():
    filled = stored()["mqtt"]
    for name, default in stored_secrets._SERVER[1:]:
        assert filled[name] == default, name
    assert dict(stored_secrets._SERVER)["port"] == contract.MQTT_PORT
    # A document whose defaults are not filled in leads to the same place.
    assert stored_secrets.changed({"host": "hub.local"}, filled) == []


def test_the_password_stays_on_its_way():
    for mqtt in EVERY:
        known = stored(HOME, SHED, **mqtt)
        for networks in ((), (HOME,), (SHED, HOME)):
            assert stored_secrets.may_keep_password(other(known, *networks), known), mqtt


def test_whatever_leads_elsewhere_keeps_no_password():
    changes = (
        {"host": "evil.example"},
        {"host": "HUB.local"},
        {"host": "hub.local."},
        {"host": None},
        {"port": 1884},
        {"port": True},
        {"tls": False},
        {"tls": True},
        {"tls": 1},
        {"insecure": True},
        {"insecure": False},
        {"ca": ""},
        {"ca": "another certificate"},
    )
    for mqtt in EVERY:
        known = stored(**mqtt)
        tried = 0
        for change in changes:
            name = next(iter(change))
            old, new = known["mqtt"][name], change[name]
            if old == new and type(old) is type(new):
                continue
            tried += 1
            document = other(known, **change)
            assert not stored_secrets.may_keep_password(document, known), (mqtt, change)
            assert stored_secrets.changed(document["mqtt"], known["mqtt"]) == [name]
        assert tried >= 9


def test_another_network_carries_the_password_only_to_a_server_that_proves_itself():
    strangers = (
        (CAFE,),
        ({"ssid": "Home", "password": ""},),
        ({"ssid": "Home"},),
        ({"ssid": "Home", "password": "a stranger's key"},),
        ({"ssid": "home", "password": "home secret"},),
        ({"ssid": "Home ", "password": "home secret"},),
        (CAFE, HOME),
        (HOME, CAFE),
    )
    for networks in strangers:
        for mqtt in UNVERIFIED:
            known = stored(**mqtt)
            assert not stored_secrets.may_keep_password(other(known, *networks), known), networks
        known = stored(**VERIFIED)
        assert stored_secrets.may_keep_password(other(known, *networks), known), networks
        # Both at once: what does not prove itself any more goes nowhere.
        plain = other(known, *networks, tls=False)
        assert not stored_secrets.may_keep_password(plain, known)


def test_a_passphrase_belongs_to_one_name():
    networks = [HOME, SHED, {"ssid": "Open"}]
    for ssid, expected in (
        ("Home", "home secret"),
        ("Shed", "shed secret"),
        ("Open", ""),
        ("home", ""),
        ("", ""),
        (None, ""),
        (["Home"], ""),
    ):
        assert stored_secrets.passphrase(ssid, networks) == expected, ssid


def refusal(document, known, typed="", draft=None, limited=False):
    """As the portal asks: a password that is not typed is kept where it may be."""
    may = stored_secrets.may_keep_password(document, known)
    password = typed or (known["mqtt"]["password"] if may else "")
    document = other(document, password=password)
    return stored_secrets.refusal(document, typed, known, draft, limited)


def test_a_whole_form_asks_for_the_password_again_where_it_is_not_kept():
    known = stored(**VERIFIED)
    for change in ({"port": 8884}, {"insecure": True}, {"ca": "x"}, {"tls": False}, {"host": ""}):
        document = other(known, **change)
        assert refusal(document, known) == AGAIN, change
        assert refusal(document, known, typed="any") == "", change
    # A server that is another one may need none, but not one without TLS.
    assert refusal(other(known, host="new.local"), known) == ""
    assert refusal(other(known, host="new.local", tls=False), known) == AGAIN
    plain = stored()
    assert refusal(other(plain, CAFE), plain) == AGAIN
    assert refusal(other(plain, CAFE), plain, typed="any") == ""
    # Where there is no secret, nothing is asked.
    plain = stored(password="")
    for document in (other(plain, CAFE), other(plain, port=1), other(plain, host="new.local")):
        assert refusal(document, plain) == ""


def test_a_portal_that_opened_by_itself_changes_the_wifi_alone():
    more = (
        {"id": "other"},
        {"interval": 5},
        {"portal_password": "another one"},
        {"deep_sleep": True},
        {"sensors": []},
    )
    for known in (stored(), stored(**VERIFIED), stored(password="")):
        secret = known["mqtt"]["password"]
        documents = [dict(known, **change) for change in more]
        for change in ({"host": "evil.example"}, {"port": 1}, {"user": "u"}, {"insecure": True}):
            documents.append(other(known, **change))
            documents.append(other(known, CAFE, **change))
        for document in documents:
            for typed in ("", "wrong", "MQTT SECRET", PASSWORD + " "):
                assert refusal(document, known, typed, limited=True) == LOCKED, document
            if secret:
                assert refusal(document, known, secret, limited=True) == "", document
    # The WiFi: free where there is no secret, or where the server proves itself.
    wifi = ({"ssid": "Home", "password": "its new secret"}, CAFE)
    for network in wifi:
        for known in (stored(**VERIFIED), stored(password="")):
            assert refusal(other(known, network, HOME), known, limited=True) == ""
        known = stored()
        assert refusal(other(known, network, HOME), known, limited=True) == AGAIN
        assert refusal(other(known, network, HOME), known, PASSWORD, limited=True) == ""
        assert refusal(other(known, network, HOME), known, "wrong", limited=True) == LOCKED


def test_what_was_entered_before_is_for_its_own_way_too():
    draft = stored(host="hub.local", password="typed before")
    for change in ({"port": 1884}, {"tls": True}):
        document = other(draft, password="", **change)
        assert stored_secrets.refusal(document, "", None, draft, False) == AGAIN
    document = other(draft, CAFE, password="")
    assert stored_secrets.refusal(document, "", None, draft, False) == AGAIN
    # A server that the board was to look for is not yet one.
    looked_for = other(draft, host="")
    document = other(draft, password="")
    assert stored_secrets.refusal(document, "", None, looked_for, False) == AGAIN
