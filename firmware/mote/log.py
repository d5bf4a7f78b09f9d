"""The serial log: one event a line, `<level> <ms> <part>: <text>`; levels D I W E.

Never pass a secret. `tap` lets one listener (the MQTT log topic) see warnings and errors.
"""

import time

_LEVELS = "DIWE"
_level = 1
tap = None


def set_level(letter):
    """Print events of this level and above. Raises ValueError for a letter that is no level."""
    global _level
    if len(letter) != 1:
        raise ValueError("not a level")
    _level = _LEVELS.index(letter)


def debug(text):
    """An event for developers, hidden by default. `text` is `<part>: <what happened>`."""
    _emit(0, text)


def info(text):
    """A step that a person following along wants to see."""
    _emit(1, text)


def warning(text):
    """Something failed that the board deals with by itself."""
    _emit(2, text)


def error(text):
    """Something failed that a person has to look at."""
    _emit(3, text)


def _emit(level, text):
    if level < _level:
        return
    # One event is one line, whatever an SSID or a broker put into the text. In bytes: the runtime
    # keeps every character for ever that a loop over a str meets.
    text = str(bytes(b if b >= 32 else 63 for b in text.encode()), "utf-8")
    line = "%s %d %s" % (_LEVELS[level], time.ticks_ms(), text)
    print(line)
    if tap and level >= 2:
        tap(line)
