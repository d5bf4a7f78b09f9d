"""A voltage on a pin: a potentiometer, a soil probe, a battery divider."""

from motesim.parts.base import Part, Quantity


class AnalogSource(Part):
    """`volts` at the pin, 0 to the supply."""

    def __init__(self, pin: int, volts: Quantity = 1.65) -> None:
        super().__init__(volts=volts)
        self.pin = pin
