from mote.portal import form

KNOWN = {
    "version": 1,
    "id": "old",
    "wifi": [{"ssid": "Home", "password": "home secret"}, {"ssid": "Shed", "password": "shed key"}],
    "mqtt": {"host": "mqtt.local", "port": 1883, "password": "mqtt secret"},
    "sensors": [{"type": "chip"}],
}


def test_fields_are_decoded_with_blanks_umlauts_and_emoji():
    body = b"id=plant+1&ssid=Caf%C3%A9+%F0%9F%8C%B1&password=a%26b%3Dc%2B%25&empty="
    fields = form.decode(body)
    assert fields["id"] == "plant 1"
    assert fields["ssid"] == "Café 🌱"
    assert fields["password"] == "a&b=c+%"
    assert fields["empty"] == ""


def test_a_damaged_escape_is_never_fatal():
    for body in (b"a=%", b"a=%4", b"a=%zz", b"%%%=1", b"a=%ff%fe", b"&&&", b"=", b"a"):
        form.decode(body)
    assert form.decode(b"a=%zz")["a"] == "%zz"


def test_an_escape_is_two_hex_digits_and_nothing_that_int_would_take_as_well():
    fields = form.decode(b"short=%4&plus=%+1&minus=%-1&twice=%4%41&end=%")
    assert fields == {"short": "%4", "plus": "% 1", "minus": "%-1", "twice": "%4A", "end": "%"}


def test_a_network_from_the_list_or_a_typed_one():
    picked = form.document({"ssid": "Home", "ssid_other": "Else", "host": "h"}, None)
    typed = form.document({"ssid": "", "ssid_other": " Hidden ", "host": "h"}, None)
    assert picked["wifi"][0]["ssid"] == "Home"
    assert typed["wifi"][0]["ssid"] == " Hidden ", "blanks belong to a network's name"


def test_an_empty_password_keeps_the_known_one_of_the_same_network_only():
    same = form.document({"ssid": "Home", "host": "mqtt.local"}, KNOWN)
    second = form.document({"ssid": "Shed", "host": "mqtt.local"}, KNOWN)
    other = form.document({"ssid": "Cafe", "host": "mqtt.local"}, KNOWN)
    assert same["wifi"][0]["password"] == "home secret"
    assert second["wifi"] == [KNOWN["wifi"][1], KNOWN["wifi"][0]], "the other one is kept, too"
    assert other["wifi"][0] == {"ssid": "Cafe", "password": ""}


def test_the_mqtt_password_does_not_follow_to_another_server():
    same = form.document({"ssid": "Home", "host": "mqtt.local"}, KNOWN)
    other = form.document({"ssid": "Home", "host": "evil.example"}, KNOWN)
    assert same["mqtt"]["password"] == "mqtt secret"
    assert "password" not in other["mqtt"]


def test_a_port_behind_the_server_is_understood():
    fields = {"ssid": "Home", "host": "10.0.0.2:1884", "port": "1883"}
    server = form.document(fields, None)["mqtt"]
    assert (server["host"], server["port"]) == ("10.0.0.2", 1884)
    assert form.document({"host": "fe80::1", "port": ""}, None)["mqtt"]["host"] == "fe80::1"


def test_tls_has_a_port_of_its_own_unless_another_is_entered():
    def server(known=None, **fields):
        found = form.document(dict(fields, ssid="Home", tls="1"), known)["mqtt"]
        assert found["tls"]
        return found["host"], found["port"]

    for port in ("", "1883", " 8883 "):
        assert server(host="a.example", port=port) == ("a.example", 8883), port
    assert server(host="a.example", port="8884") == ("a.example", 8884)
    # A port that stands in the address was meant.
    assert server(host="a.example:1883", port="1883") == ("a.example", 1883)
    plain = form.document({"ssid": "Home", "host": "a.example", "port": "8883"}, None)["mqtt"]
    assert (plain["port"], plain["tls"]) == (8883, False)
    # Settings that came another way stay as they are.
    known = dict(KNOWN, mqtt={"host": "a.example", "port": 1883, "tls": True})
    assert server(known, host="a.example", port="1883") == ("a.example", 1883)


def test_what_the_form_does_not_show_stays():
    assert form.document({"ssid": "Home", "host": "h"}, KNOWN)["sensors"] == KNOWN["sensors"]
    assert KNOWN["id"] == "old", "the known document itself is not changed"


def test_text_where_a_number_belongs_is_left_for_the_schema_to_refuse():
    fields = {"ssid": "Home", "host": "h", "port": "many", "interval": "2.5"}
    result = form.document(fields, None)
    assert result["mqtt"]["port"] == "many"
    assert result["interval"] == 2.5


def test_what_was_entered_before_counts_for_its_own_network_and_server_only():
    draft = form.document(
        {"ssid": "Cafe", "password": "cafe key", "host": "h", "mqtt_password": "key"}, None
    )
    same = form.document({"ssid": "Cafe", "host": "h"}, None, draft)
    other = form.document({"ssid": "Bar", "host": "i"}, None, draft)
    assert same["wifi"] == [{"ssid": "Cafe", "password": "cafe key"}]
    assert same["mqtt"]["password"] == "key"
    assert other["wifi"] == [{"ssid": "Bar", "password": ""}], "an abandoned network is not kept"
    assert "password" not in other["mqtt"]


def test_a_fault_that_no_field_shows_is_told_at_the_nearest():
    faults = [("wifi.1.ssid", "is missing"), ("sensors.0.pin", "is missing")]
    assert form.faults_by_field(faults) == {
        "ssid": "wifi.1.ssid is missing",
        "id": "sensors.0.pin is missing",
    }


def test_faults_find_their_fields():
    faults = [("wifi.0.password", "is short"), ("id", "is missing"), ("id", "twice")]
    assert form.faults_by_field(faults) == {"password": "", "id": ""}, "the page has the words"


def test_an_address_in_the_field_of_the_server_is_split():
    for host, more, expected in (
        ("mqtt://h:1884/", {"port": "1883"}, ("h", 1884, False)),
        ("mqtts://h", {"port": "1883"}, ("h", 8883, True)),
        ("mqtts://h", {"port": "", "tls": "on"}, ("h", 8883, True)),
        ("[::1]:1884", {"port": "1883"}, ("::1", 1884, False)),
        (" h ", {"port": "1999"}, ("h", 1999, False)),
        ("h", {"port": "8883", "tls": "on"}, ("h", 8883, True)),
    ):
        fields = {"ssid": "Home", "host": host}
        fields.update(more)
        server = form.document(fields, None)["mqtt"]
        assert (server["host"], server["port"], server["tls"]) == expected, host


def test_what_is_no_address_is_refused_at_the_field_of_the_server():
    from mote import config

    for host, more in (
        ("u:secret@h", {}),
        ("http://h", {}),
        ("h:1884", {"port": "1885"}),
        ("mqtt://h", {"tls": "on"}),
        ("h/path", {}),
    ):
        fields = {"id": "a", "ssid": "Home", "host": host, "password": " " * 9}
        fields.update(more)
        document = form.document(fields, None)
        # Nine blanks are a passphrase, not an open network.
        assert document["wifi"][0]["password"] == " " * 9
        try:
            config.checked(document)
        except config.ConfigError as error:
            assert [path for path, _ in error.faults] == ["mqtt.host"], error
            assert "secret" not in str(error)
            assert "host" in form.faults_by_field(error.faults)
        else:
            raise AssertionError(host)


def test_any_server_is_accepted_only_where_it_is_ticked():
    for fields, expected in (({}, False), ({"tls": "1"}, False), ({"insecure": "1"}, True)):
        fields.update(ssid="Home", host="h")
        assert form.document(fields, None)["mqtt"]["insecure"] is expected, fields
