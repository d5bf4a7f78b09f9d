"""The command `config` and the secrets of a board: a patch leads none of them elsewhere."""

import json

from mote import config, contract, probation, reconfigure
from mote.commands import Refused

# A test must not write into the root of this machine.
for name in ("PATH", "_NEW", "OLD", "NOTE"):
    setattr(config, name, "build/reconfigure-test." + name)
PASSWORD = "mqtt secret"
STORED = {
    "version": 1,
    "id": "plant1",
    "wifi": [{"ssid": "Home", "password": "home secret"}, {"ssid": "Shed"}],
    "mqtt": {
        "host": "hub.local", "port": 8883, "tls": True, "ca": "its certificate",
        "password": PASSWORD,
    },
}  # fmt: skip


def after(patch, stored=STORED):
    """What is on probation after the command, or why it is refused; `patch` as JSON or parsed."""
    with open(config.PATH, "w") as file:
        json.dump(stored, file)
    if isinstance(patch, str):
        # As the command is read; what reads it is forgotten each time.
        from mote import json_text

        patch = json_text.parse(patch.encode())
    try:
        reconfigure.begin(patch, "nonce")
    except Refused as refused:
        with open(config.PATH) as file:
            assert json.load(file) == stored, "what is refused changes nothing"
        return str(refused)
    finally:
        config.keep()
        probation.told()
    return config.load()


def with_server(**changes):
    return dict(STORED, mqtt=dict(STORED["mqtt"], **changes))


def test_a_patch_that_leads_to_another_server_without_a_password_is_refused():
    for patch, entries in (
        ('{"host": "evil.example"}', "host"),
        ('{"host": "mqtt://hub.local"}', "port, tls"),
        ('{"host": "mqtt://hub.local:8883"}', "tls"),
        ('{"host": "mqtts://hub.local:8884"}', "port"),
        ('{"host": "hub.local:1883"}', "port"),
        ('{"host": "HUB.local"}', "host"),
        ('{"host": "hub.local."}', "host"),
        ('{"host": " evil.example/ "}', "host"),
        ('{"port": 1883}', "port"),
        ('{"port": null}', "port"),
        ('{"tls": false}', "tls"),
        ('{"tls": null}', "tls"),
        ('{"tls": null, "port": null}', "port, tls"),
        ('{"insecure": true}', "insecure"),
        ('{"ca": ""}', "ca"),
        ('{"ca": null}', "ca"),
        ('{"ca": null, "insecure": true}', "insecure, ca"),
        ('{"ca": "%s"}' % ("another " * 100), "ca"),
        ('{"host": "evil.example", "password": null}', "host"),
        ('{"host": "evil.example", "ca": "%s"}' % ("x" * 2000), "host, ca"),
    ):
        refused = after('{"mqtt": %s}' % patch)
        assert refused == contract.PASSWORD_NEEDED + entries, (patch, refused)
        assert PASSWORD not in refused


def test_what_the_schema_refuses_leads_nowhere_either():
    for patch in (
        '{"mqtt": null}',
        '{"mqtt": []}',
        '{"mqtt": "evil.example"}',
        '{"MQTT": {"host": "evil.example"}}',
        '{"mqtt": {"Host": "evil.example"}}',
        '{"mqtt": {"host": null}}',
        '{"mqtt": {"host": ["evil.example"]}}',
        '{"mqtt": {"host": {"mqtt": "evil.example"}}}',
        '{"mqtt": {"host": "mqtt://evil.example", "tls": true}}',
        '{"mqtt": {"host": "evil.example", "password": true}}',
        '{"mqtt": {"host": "evil.example", "password": ["x"]}}',
        '{"mqtt": {"tls": 0}}',
        '{"mqtt": {"port": 8883.0}}',
        '{"mqtt": {"port": "8883"}}',
    ):
        assert isinstance(after(patch), str), patch
    try:
        after('{"mqtt": {"host": "hub.local"}, "mqtt": {"host": "evil.example"}}')
    except ValueError:
        return
    raise AssertionError("a name that is there twice")


def test_with_a_password_of_its_own_another_server_is_tried():
    for patch, host, tls, password in (
        ('{"host": "new.local", "password": "new secret"}', "new.local", True, "new secret"),
        ('{"host": "mqtt://new.local", "password": "x"}', "new.local", False, "x"),
        ('{"tls": false, "port": 1883, "password": ""}', "hub.local", False, ""),
        ('{"password": "new secret"}', "hub.local", True, "new secret"),
        ('{"password": null}', "hub.local", True, ""),
    ):
        server = after('{"mqtt": %s}' % patch)["mqtt"]
        assert (server["host"], server["tls"], server["password"]) == (host, tls, password), patch


def test_what_leads_to_the_same_server_keeps_the_password():
    for patch in (
        '{"interval": 5}',
        '{"mqtt": {}}',
        '{"mqtt": {"user": "u"}}',
        '{"mqtt": {"host": "hub.local", "port": 8883, "tls": true}}',
        '{"mqtt": {"host": "mqtts://hub.local:8883"}}',
        '{"mqtt": {"host": "mqtts://hub.local"}}',
        '{"mqtt": {"insecure": null}}',
        '{"wifi": [{"ssid": "New", "password": "new secret"}, {"ssid": "Home"}]}',
    ):
        assert after(patch)["mqtt"]["password"] == PASSWORD, patch


def test_where_there_is_no_password_another_server_needs_none():
    server = after('{"mqtt": {"host": "new.local"}}', with_server(password=""))["mqtt"]
    assert server["host"] == "new.local" and server["password"] == ""


def test_a_passphrase_goes_to_its_own_network_only():
    networks = after(
        '{"wifi": [{"ssid": "Home"}, {"ssid": "home"}, {"ssid": "Evil"}]}'
    )["wifi"]  # fmt: skip
    assert [one["password"] for one in networks] == ["home secret", "", ""]
    for patch in ('{"wifi": [{"ssid": ["Home"]}]}', '{"wifi": [{}]}', '{"wifi": {"ssid": "Home"}}'):
        assert "home secret" not in after(patch), patch
