"""What can be wired to a board: one file a part, each from its datasheet.

A quantity is a number or a function without arguments, asked at each measurement.
"""

from motesim.parts.analog import AnalogSource
from motesim.parts.base import I2CPart, Part, Quantity
from motesim.parts.bme280 import Bme280, Bmp280
from motesim.parts.bmp180 import Bmp180
from motesim.parts.button import Button
from motesim.parts.dht22 import Dht22
from motesim.parts.ds18b20 import Ds18b20

__all__ = [
    "AnalogSource",
    "Bme280",
    "Bmp180",
    "Bmp280",
    "Button",
    "Dht22",
    "Ds18b20",
    "I2CPart",
    "Part",
    "Quantity",
]
