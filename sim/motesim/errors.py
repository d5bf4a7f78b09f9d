"""Errors of the world: what silicon would raise, and what a person has to mend."""


class Silicon(Exception):
    """What the ESP32 port raises at this point; it is raised anew inside the board.

    `kind` is OSError, ValueError or TypeError; `value` the errno (lwIP's) or the port's text.
    """

    def __init__(self, kind: str, value: int | str) -> None:
        super().__init__(f"{kind}({value!r})")
        self.kind = kind
        self.value = value


class SimulationError(Exception):
    """The world cannot be set up as asked; the text says what to do."""


class Stopped(Exception):
    """The chip is about to stop: its question is never answered."""
