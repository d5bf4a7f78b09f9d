"""What the console finds in what is typed: commands of Improv, and Ctrl-C outside them."""

import select
import sys

from mote import console
from mote.improv import frames
from mote.improv.frames import content, frame

INTERRUPT = "interrupt"
# From the protocol's own description (https://www.improv-wifi.com/serial/).
GET_STATE = b"IMPROV\x01\x03\x02\x02\x00\xe5"
GET_INFO = b"IMPROV\x01\x03\x02\x03\x00\xe6"
STATE_ASKED, INFO_ASKED = (frames.COMMAND, b"\x02\x00"), (frames.COMMAND, b"\x03\x00")
SETTINGS = b"\x01\x1e\x0cMyWirelessAP\x10mysecurepassword"


class Heard:
    """Stands in for the answers: what the console finds in what is typed."""

    def __init__(self, found):
        self.found, self.rest = found, bytearray()

    def take(self, byte):
        self.rest.append(byte)
        if len(self.rest) < 2 or len(self.rest) < self.rest[1] + 3:
            return False
        self.found.append(content(self.rest))
        self.silence()
        return True

    def silence(self):
        self.rest = bytearray()

    def tell(self):
        pass


class Keyboard:
    """A `sys.stdin` on which pieces are typed, with turns of silence between them."""

    def __init__(self, pieces):
        self.pieces, self.stdin, self.buffer = list(pieces), self, self
        self.turns = 0

    def ipoll(self, _):
        if self.pieces and not self.pieces[0]:
            self.turns += 1
            if self.turns > 11:
                self.turns = 0
                self.pieces.pop(0)
            return ()
        return (self,)

    def read(self, _):
        if not self.pieces:
            return b""
        first, self.pieces[0] = self.pieces[0][:1], self.pieces[0][1:]
        if not self.pieces[0]:
            self.pieces.pop(0)
        return first


async def taken(*pieces):
    """What is found in these pieces, of which an empty one is a silence; INTERRUPT is Ctrl-C."""
    keyboard = Keyboard(pieces)
    found, step = [], console._STEP_MS

    class Select:
        POLLIN = 1

        def poll(self):
            keyboard.register = lambda *_: None
            return keyboard

    console.sys, console.select, console._STEP_MS = keyboard, Select(), 0
    try:
        await console.listen(lambda talk: talk or Heard(found))
    except KeyboardInterrupt:
        found.append(INTERRUPT)
    finally:
        console.sys, console.select, console._STEP_MS = sys, select, step
    return found


def settings(ssid, password):
    data = bytes((len(ssid),)) + ssid + bytes((len(password),)) + password
    return bytes((1, len(data))) + data


async def test_commands_are_found_among_whatever_else_is_typed():
    assert await taken(GET_STATE) == [STATE_ASKED]
    noise = b"\nnoise IMPRO IIMPROV\x02"
    assert await taken(noise + GET_INFO + b"\n" + GET_STATE) == [INFO_ASKED, STATE_ASKED]
    long = b"IMPROV\x01\x03\xff" + bytes(255)
    assert await taken(long + bytes((sum(long) & 255,))) == [(frames.COMMAND, bytes(255))]
    assert await taken(frame(frames.COMMAND, SETTINGS)) == [(frames.COMMAND, SETTINGS)]
    assert await taken(frame(frames.STATE, b"\x02")) == [(frames.STATE, b"\x02")]


async def test_a_wrong_checksum_is_seen_and_the_next_frame_is_understood():
    broken = GET_STATE[:-1] + b"\xe4"
    assert await taken(broken + GET_INFO) == [(0, b""), INFO_ASKED]


async def test_half_a_frame_is_forgotten_after_a_silence():
    for end in range(1, len(GET_STATE)):
        pieces = (GET_STATE[:end], b"", GET_INFO, b"", b"\r\x03")
        assert await taken(*pieces) == [INFO_ASKED, INTERRUPT]


async def test_ctrl_c_interrupts_outside_a_frame_and_nowhere_in_one():
    for typed in (b"\x03", b"\r\x03", b"IMPROV\x03", b"IMPRO\x03V"):
        assert await taken(typed) == [INTERRUPT]
    # In a length, in texts, as the checksum.
    for text in (b"abc", b"\x03" * 8, b"12345\x03\x03\x03"):
        sent = settings(text, text)
        assert await taken(frame(frames.COMMAND, sent)) == [(frames.COMMAND, sent)]
    sums_to_3 = [x for x in range(256) if frame(frames.COMMAND, bytes((9, 1, x)))[-2] == 3]
    sent = bytes((9, 1, sums_to_3[0]))
    assert await taken(frame(frames.COMMAND, sent)) == [(frames.COMMAND, sent)]


async def test_a_frame_without_its_head_is_no_ctrl_c():
    for lost in range(1, 7):
        assert await taken(GET_STATE[lost:] + b"\n") == []
