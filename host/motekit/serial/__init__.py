"""Boards on a serial port: which port, what keeps us from it, what they say, where it is written.

port = ports.choose()            # the one board that is plugged in; raises PortError
with ports.opened(port) as wire: # a pyserial Serial; raises PortError
    ...
"""

from motekit.serial.ports import Port, PortError

__all__ = ["Port", "PortError"]
