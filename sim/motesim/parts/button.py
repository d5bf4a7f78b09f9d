"""A push button from a pin to ground."""

from motesim.parts.base import Part


class Button(Part):
    def __init__(self, pin: int) -> None:
        super().__init__()
        self.pin = pin
        self.pressed = False

    def level(self) -> int:
        """The pin's level with its pull-up: 0 while pressed."""
        return 0 if self.pressed else 1
