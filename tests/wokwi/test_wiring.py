"""A diagram becomes the board that it draws, and what is wired wrongly is told before it runs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from motekit import boards, places
from motekit.wokwi import diagram, wiring
from motekit.wokwi.located import ProjectError
from motesim.parts import AnalogSource, Bmp180, Dht22, Ds18b20
from wokwi_projects import PROJECTS

WOKWI = places.CHECKOUT / "sim" / "wokwi"


def circuit(folder: Path, document: dict) -> wiring.Circuit:
    file = folder / "diagram.json"
    file.write_text(json.dumps(document))
    return wiring.circuit(diagram.read(file))


@pytest.fixture
def document() -> dict:
    return json.loads((WOKWI / "esp32" / "diagram.json").read_text())


def change_wire(document: dict, end: str, to: str | None) -> None:
    """Lead the wire that begins at `end` elsewhere, or cut it."""
    wire = next(one for one in document["connections"] if one[0] == end)
    if to is None:
        document["connections"].remove(wire)
    else:
        wire[1] = to


@pytest.mark.parametrize("project", PROJECTS)
def test_parts_hang_where_the_firmware_looks_for_them(project: str) -> None:
    made = wiring.circuit(diagram.read(WOKWI / project / "diagram.json"))
    profile = boards.profile(PROJECTS[project])
    assert made.chip.name == profile.chip.lower() and made.flash_size == profile.flash_size
    found = {type(model): model for model in made.models}
    assert found[Dht22].pin == profile.pins.dht
    assert found[Ds18b20].pin == profile.pins.onewire
    assert found[AnalogSource].pin == profile.pins.analog
    assert (found[Bmp180].sda, found[Bmp180].scl) == (profile.pins.sda, profile.pins.scl)
    assert made.buttons["boot"].pin == profile.pins.button
    assert made.lights["led"].pin == profile.led.pin
    assert made.lights["led"].is_strip == (profile.led.kind == "neopixel")
    assert [one.ssid for one in made.networks] == ["Wokwi-GUEST"]


@pytest.mark.parametrize(
    ("end", "to", "told"),
    [
        ("dht:SDA", "esp:GND.1", "dht: SDA goes to a GPIO of esp"),
        ("dht:VCC", None, "dht: VCC goes to 3V3 or 5V of esp"),
        ("dht:GND", "esp:3V3", "dht: GND goes to GND of esp"),
        ("probe:DQ", "esp:D0", "probe: GPIO 7 belongs to the flash chip"),
        ("soil:SIG", "esp:4", "soil: GPIO 4 is no input of ADC1"),
        ("boot:2.r", "esp:3V3", "boot: one of its contacts goes to a GPIO, the other to GND"),
        ("r1:2", "esp:34", "led: GPIO 34 is an input only"),
        ("led:C", "esp:3V3", "led: A goes to a GPIO (over a resistor) and C to GND"),
        ("bmp:GND", "bmp:VCC", "bmp: GND goes to GND of esp"),
        ("esp:TX", None, "nobody would hear it: connect"),
    ],
)
def test_a_wrong_wire_is_told(
    tmp_path: Path, document: dict, end: str, to: str | None, told: str
) -> None:
    circuit(tmp_path, document)
    change_wire(document, end, to)
    with pytest.raises(ProjectError, match=r"diagram\.json:\d+: ") as error:
        circuit(tmp_path, document)
    assert told in str(error.value)


def test_a_short_circuit_is_told(tmp_path: Path, document: dict) -> None:
    document["connections"].append(["esp:3V3", "esp:GND.1", "", []])
    with pytest.raises(ProjectError, match=r"short circuit: .*esp:3V3, esp:GND\.1"):
        circuit(tmp_path, document)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["parts"].pop(0) and d["connections"].clear(), "one board, this diagram 0"),
        (lambda d: d["parts"][0].update(attrs={"macAddress": "12"}), "is no MAC address"),
        (lambda d: d["parts"][0].update(attrs={"flashSize": "3"}), "flashSize is 2, 4, 8"),
        (lambda d: d["parts"][1].update(attrs={"humidity": "wet"}), "dht: humidity is a number"),
        (lambda d: d["parts"][2].update(attrs={"deviceID": "1"}), "probe: deviceID has 12 hex"),
    ],
)
def test_wrong_attributes_are_told(
    tmp_path: Path, document: dict, change: Callable[[dict], object], told: str
) -> None:
    change(document)
    with pytest.raises(ProjectError, match=told):
        circuit(tmp_path, document)


def test_a_network_of_the_diagram_takes_the_place_of_the_usual_one(
    tmp_path: Path, document: dict
) -> None:
    attrs = {"ssid": "Home", "password": "correct horse", "channel": "11"}
    document["parts"].append({"type": "wokwi-wifi-ap", "id": "home", "attrs": attrs})
    (network,) = circuit(tmp_path, document).networks
    assert (network.ssid, network.password, network.channel) == ("Home", "correct horse", 11)


def test_an_led_may_be_lit_by_a_low_level(tmp_path: Path, document: dict) -> None:
    change_wire(document, "led:A", "esp:3V3")
    change_wire(document, "led:C", "r1:1")
    light = circuit(tmp_path, document).lights["led"]
    light.written(1, b"")
    assert light.colour == (0, 0, 0)
    light.written(0, b"")
    assert light.colour == (0, 0, 255)


def test_every_control_that_wokwi_documents_turns_something(tmp_path: Path, document: dict) -> None:
    made = circuit(tmp_path, document)
    kinds = diagram.catalogue()
    for part in made.diagram.parts.values():
        known = {name for owner, name in made.controls if owner == part.id}
        assert known == set(kinds[part.type]["controls"]), part.id
    made.controls["soil", "position"](0.5)
    made.controls["bmp", "pressure"](98000)
    values = {type(model): model for model in made.models}
    assert values[AnalogSource].value("volts") == pytest.approx(1.65)
    assert values[Bmp180].value("pressure") == 980


def test_every_fact_about_a_part_has_its_source() -> None:
    for name, part in diagram.catalogue().items():
        assert part["source"].startswith(("docs.wokwi.com/", "github.com/wokwi/")), name
