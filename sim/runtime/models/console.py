"""The console as the port has it: `sys` says what it runs on, and its `buffer` changes no byte.

The port sends `\n` as `\r\n` unless it is written to `sys.stdout.buffer`. Here the world does that
to everything that the runtime prints, so bytes that must stay as they are go as a question.
"""

import io
import sys

import world


class _Buffer(io.IOBase):
    def write(self, data, *limits):
        # A length, or a place and a length, as every stream of MicroPython takes them.
        first, count = ((0,) + limits)[-2:] if limits else (0, len(data))
        data = memoryview(data)[first : first + count]
        world.ask("serial.write", world.to_hex(data))
        return len(data)


class _Stdout(io.IOBase):
    buffer = _Buffer()

    def write(self, data):
        return sys.stdout.write(data)


class _Sys:
    platform = "esp32"
    stdout = _Stdout()

    def __getattr__(self, name):
        return getattr(sys, name)


def install():
    """Make `import sys` give the port's: a file cannot shadow this built-in module."""
    sys.modules["sys"] = _Sys()
