"""`--server` and `--broker` in every way that people write an address."""

from pathlib import Path

import pytest
import typer
from motekit import login
from motekit.commands import provision


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("h", ("h", 1883, False)),
        ("h:1884", ("h", 1884, False)),
        ("mqtt://h/", ("h", 1883, False)),
        ("mqtts://h", ("h", 8883, True)),
        ("[::1]:1884", ("::1", 1884, False)),
        ("::1", ("::1", 1883, False)),
    ],
)
def test_an_address_is_understood(text: str, address: tuple[str, int, bool]) -> None:
    found = login.server(text)
    assert (found.host, found.port, found.tls) == address


def test_a_ca_means_tls() -> None:
    found = login.server("h", tls=True)
    assert (found.port, found.tls) == (8883, True)


@pytest.mark.parametrize("text", ["", "h:", "h:99999", "http://h", "h/x", "u:secret@h", "mqtt://"])
def test_what_is_none_is_refused_and_no_password_is_shown(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        login.server(text)
    shown = capsys.readouterr().err
    assert "such as 192.168.1.10:1883, or mqtts://name for TLS" in shown or "--user" in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("server", "put", "mqtt"),
    [
        ("h", [], ("h", 1883, False)),
        ("mqtts://h", [], ("h", 8883, True)),
        ("h:8884", ["mqtt.tls=true"], ("h", 8884, True)),
        ("h", ["mqtt.port=1999"], ("h", 1999, False)),
    ],
)
def test_the_server_of_a_board(server: str, put: list[str], mqtt: tuple[str, int, bool]) -> None:
    from motekit.provision import settings

    common = {"wifi": [{"ssid": "x"}], "mqtt": {"host": "old", "port": 7777}}
    values = provision._values("a", "", server, put)
    found = settings.checked(settings.overlaid(common, values))["mqtt"]
    assert (found["host"], found["port"], found["tls"]) == mqtt


def test_a_folder_of_certificates_is_not_needed(tmp_path: Path) -> None:
    from motekit.commands import fleet

    assert fleet._server("mqtts://h", None, 1).tls is not None
