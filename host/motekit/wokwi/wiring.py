"""From a diagram to a board of the world: its chip, its sensors by the pins they hang on, its WiFi.

What a person would find out with smoke or silence is a ProjectError here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from motesim import AccessPoint
from motesim.chips import CHIPS, Chip
from motesim.parts import AnalogSource, Bmp180, Button, Dht22, Ds18b20
from motesim.parts import Part as Model

from motekit.wokwi.diagram import SERIAL_MONITOR, Diagram, Part, Pin, catalogue
from motekit.wokwi.lights import Light

SUPPLY_V = 3.3
# What Wokwi has where the diagram says nothing (docs.wokwi.com/guides/esp32-wifi and /esp32).
MAC = "24:0a:c4:00:01:10"
GUEST = AccessPoint("Wokwi-GUEST", subnet="10.10.0", bssid="42133755aa01")
Turn = Callable[[float], object]


@dataclass
class Circuit:
    """What a diagram describes. `controls` are by part and name, `lights` by part."""

    diagram: Diagram
    chip: Chip
    board: str
    mac: str
    flash_size: int
    models: list[Model] = field(default_factory=list)
    buttons: dict[str, Button] = field(default_factory=dict)
    lights: dict[str, Light] = field(default_factory=dict)
    networks: list[AccessPoint] = field(default_factory=list)
    controls: dict[tuple[str, str], Turn] = field(default_factory=dict)

    def gpio(self, part: str, pin: str) -> int | None:
        """The GPIO that a pin is joined with, if it is one."""
        return next((n for n in map(self._number, self.diagram.net(part, pin)) if n >= 0), None)

    def level(self, part: str, pin: str) -> int | None:
        """The level of a pin that hangs on the supply or on ground."""
        joined = self._targets(part, pin)
        return 0 if "GND" in joined else 1 if any(map(_is_supply, joined)) else None

    def _number(self, pin: Pin) -> int:
        found = re.fullmatch(r"GPIO(\d+)", self._target(pin))
        return int(found[1]) if found else -1

    def _target(self, pin: Pin) -> str:
        return str(catalogue()[self.diagram.parts[self.board].type]["pins"].get(pin[1], "")) if (
            pin[0] == self.board
        ) else ""  # fmt: skip

    def _targets(self, part: str, pin: str) -> set[str]:
        return {self._target(one) for one in self.diagram.net(part, pin)} - {""}


def circuit(diagram: Diagram) -> Circuit:
    """Raises ProjectError."""
    kinds = catalogue()
    boards = [part for part in diagram.parts.values() if "chip" in kinds[part.type]]
    if len(boards) != 1:
        raise diagram.located.error(f"a project has one board, this diagram {len(boards)}", "parts")
    board = boards[0]
    mac = board.attrs.get("macAddress", MAC)
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", mac, re.I):
        raise diagram.error(board.id, f"{mac!r} is no MAC address")
    size = board.attrs.get("flashSize", "4")
    if size not in ("2", "4", "8", "16", "32"):
        raise diagram.error(board.id, f"flashSize is 2, 4, 8, 16 or 32 MB, not {size!r}")
    made = Circuit(
        diagram, CHIPS[kinds[board.type]["chip"]], board.id,
        mac.replace(":", "").lower(), int(size) << 20,
    )  # fmt: skip
    _Solder(made).all()
    return made


class _Solder:
    """Puts each part of the diagram onto the board."""

    def __init__(self, made: Circuit) -> None:
        self._made = made
        self._diagram = made.diagram
        self._kinds: dict[str, Callable[[Part], None]] = {
            "wokwi-dht22": self._dht22,
            "wokwi-ds18b20": self._ds18b20,
            "board-ds18b20": self._ds18b20,
            "board-bmp180": self._bmp180,
            "wokwi-potentiometer": self._potentiometer,
            "wokwi-pushbutton": self._button,
            "wokwi-led": self._led,
            "wokwi-neopixel": self._neopixel,
            "wokwi-wifi-ap": self._access_point,
        }

    def all(self) -> None:
        for net in self._diagram.nets:
            joined = set().union(*(self._made._targets(*pin) for pin in net))
            if "GND" in joined and any(map(_is_supply, joined)):
                text = f"a short circuit: {', '.join(sorted(':'.join(pin) for pin in net))}"
                raise self._diagram.located.error(text, "connections")
        for part in self._diagram.parts.values():
            if solder := self._kinds.get(part.type):
                solder(part)
        self._serial_monitor()
        if not self._made.networks:
            self._made.networks.append(GUEST)

    def _dht22(self, part: Part) -> None:
        self._powered(part, "VCC", "GND")
        model = Dht22(
            self._gpio(part, "SDA"), self._number(part, "temperature", 24),
            self._number(part, "humidity", 40),
        )  # fmt: skip
        self._sensor(part, model)

    def _ds18b20(self, part: Part) -> None:
        self._powered(part, "VCC", "GND")
        number = part.attrs.get("deviceID", "010203040506")
        if not re.fullmatch(r"[0-9A-Fa-f]{12}", number):
            raise self._diagram.error(part.id, f"deviceID has 12 hex digits, not {number!r}")
        serial = int.from_bytes(bytes.fromhex(number), "little")
        celsius = self._number(part, "temperature", 22)
        self._sensor(part, Ds18b20(self._gpio(part, "DQ"), celsius, serial))

    def _bmp180(self, part: Part) -> None:
        self._powered(part, "VCC", "GND")
        model = Bmp180(
            self._number(part, "temperature", 24), self._number(part, "pressure", 101325) / 100,
            self._gpio(part, "SDA"), self._gpio(part, "SCL"),
        )  # fmt: skip
        self._sensor(part, model)
        # Wokwi counts in pascals, the model in hPa.
        self._control(part, "pressure", lambda pascals: model.set("pressure", pascals / 100))

    def _potentiometer(self, part: Part) -> None:
        self._powered(part, "VCC", "GND")
        pin = self._gpio(part, "SIG")
        chip = self._made.chip
        if pin not in chip.adc_pins - chip.adc2_pins:
            raise self._diagram.error(part.id, f"GPIO {pin} is no input of ADC1: it reads nothing")
        model = AnalogSource(pin, self._number(part, "value", 0) / 1023 * SUPPLY_V)
        self._made.models.append(model)

        def move(position: float) -> None:
            model.set("volts", min(max(position, 0), 1) * SUPPLY_V)

        self._control(part, "position", move)

    def _button(self, part: Part) -> None:
        ends = ("1.l", "2.l")
        pins = [pin for pin in (self._made.gpio(part.id, end) for end in ends) if pin is not None]
        if len(pins) != 1 or not any(self._made.level(part.id, end) == 0 for end in ends):
            text = "one of its contacts goes to a GPIO, the other to GND"
            raise self._diagram.error(part.id, text)
        button = Button(pins[0])
        self._made.buttons[part.id] = button

        def press(value: float) -> None:
            button.pressed = bool(value)

        self._control(part, "pressed", press)

    def _led(self, part: Part) -> None:
        anode, cathode = (self._through(part, pin) for pin in "AC")
        for pins, other, lit in ((anode, cathode, 1), (cathode, anode, 0)):
            for pin in (self._made.gpio(*end) for end in pins):
                if pin is not None and any(self._made.level(*end) == 1 - lit for end in other):
                    self._check(part, pin, output=True)
                    self._made.lights[part.id] = Light(pin, part.attrs.get("color", "red"), lit)
                    return
        text = "A goes to a GPIO (over a resistor) and C to GND, or C to a GPIO and A to 3V3"
        raise self._diagram.error(part.id, text)

    def _neopixel(self, part: Part) -> None:
        self._powered(part, "VDD", "VSS")
        pin = self._gpio(part, "DIN", output=True)
        self._made.lights[part.id] = Light(pin)

    def _access_point(self, part: Part) -> None:
        attrs = part.attrs
        channel = attrs.get("channel", "6")
        if not channel.isdigit() or not 1 <= int(channel) <= 13:
            raise self._diagram.error(part.id, f"a channel is 1 to 13, not {channel!r}")
        bssid = attrs.get("bssid", "").replace(":", "").lower()
        ssid = attrs.get("ssid", "MyNetwork")
        self._made.networks.append(
            AccessPoint(ssid, attrs.get("password", ""), int(channel), bssid=bssid)
        )

    def _serial_monitor(self) -> None:
        board = self._diagram.parts[self._made.board]
        if board.attrs.get("serialInterface"):
            return
        for ours, theirs in (("TX", "RX"), ("RX", "TX")):
            if (SERIAL_MONITOR, theirs) not in self._diagram.net(board.id, ours):
                end = f"{SERIAL_MONITOR}:{theirs}"
                text = f'nobody would hear it: connect "{board.id}:{ours}" and "{end}"'
                raise self._diagram.error(board.id, text)

    def _sensor(self, part: Part, model: Model) -> None:
        self._made.models.append(model)
        for name in model.names:
            self._control(part, name, partial(model.set, name))

    def _control(self, part: Part, name: str, turn: Turn) -> None:
        self._made.controls[part.id, name] = turn

    def _number(self, part: Part, name: str, usual: float) -> float:
        try:
            return float(part.attrs.get(name, usual))
        except ValueError:
            raise self._diagram.error(part.id, f"{name} is a number") from None

    def _gpio(self, part: Part, pin: str, *, output: bool = False) -> int:
        number = self._made.gpio(part.id, pin)
        if number is None:
            raise self._diagram.error(part.id, f"{pin} goes to a GPIO of {self._made.board}")
        self._check(part, number, output=output)
        return number

    def _check(self, part: Part, number: int, *, output: bool) -> None:
        chip = self._made.chip
        if number not in chip.pins:
            raise self._diagram.error(part.id, f"GPIO {number} belongs to the flash chip")
        if output and number in chip.input_only:
            raise self._diagram.error(part.id, f"GPIO {number} is an input only")

    def _powered(self, part: Part, supply: str, ground: str) -> None:
        for pin, level, text in ((supply, 1, "3V3 or 5V"), (ground, 0, "GND")):
            if self._made.level(part.id, pin) != level:
                raise self._diagram.error(part.id, f"{pin} goes to {text} of {self._made.board}")

    def _through(self, part: Part, pin: str) -> list[Pin]:
        """The pin, and what is behind the resistors that hang on it."""
        found = [(part.id, pin)]
        for one, end in self._diagram.net(part.id, pin):
            if one in self._diagram.parts and self._diagram.parts[one].type == "wokwi-resistor":
                found.append((one, "2" if end == "1" else "1"))
        return found


def _is_supply(target: str) -> bool:
    return target.startswith("power(")
