"""Listens on the serial port: to Ctrl-C, and to the commands of Improv (IMPROV.md)."""

import asyncio
import select
import sys

import micropython

from mote import memory

INTERRUPT = b"\x03"
_HEADER = b"IMPROV\x01"
_VERSION, _CTRL_C = 1, 3
_STEP_MS = 50
# A frame takes 24 ms at 115,200 baud: after so many turns in silence no more of it comes.
_SILENT_TURNS = 10
# A client that is there speaks every few seconds; others have the memory of one that is gone.
_GONE_TURNS = 1200


class Reader:
    """Finds frames of Improv in what is typed, and Ctrl-C outside them."""

    def __init__(self):
        self.silence()
        self._before = 0

    def take(self, byte):
        """The frame behind its header that ends with `byte`, INTERRUPT, or None.

        Every command holds the byte of Ctrl-C, as its type: only one outside a frame interrupts.
        """
        before, self._before = self._before, byte
        rest = self._rest
        if self._seen == len(_HEADER):
            rest.append(byte)
            # Type, length, as many bytes, checksum.
            if len(rest) < 2 or len(rest) < rest[1] + 3:
                return None
            self.silence()
            return rest
        if byte == _HEADER[self._seen]:
            self._seen += 1
            return None
        self._seen = int(byte == _HEADER[0])
        # Behind a version it is the type of a frame whose head was lost while the chip started.
        return INTERRUPT if byte == _CTRL_C and before != _VERSION else None

    def silence(self):
        """Nothing more comes: what is there of a frame is none."""
        self._seen = 0
        self._rest = bytearray()


async def listen(partner, unanswered=None):
    """For as long as the task lives. Raises KeyboardInterrupt for Ctrl-C, and leaves what is typed
    behind it to the REPL.

    `partner()` gives site and board of an `improv.conversation.Conversation`; `unanswered` is a
    command for which the client still waits, from before a restart.
    """
    # The port would take byte 3 out of every command, and stop the board.
    micropython.kbd_intr(-1)
    reader, talk, silent = Reader(), None, 0
    if unanswered:
        talk = _talk(None, *partner())
        talk.answer(unanswered)
    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN)
    while True:
        while poller.poll(0):
            typed = sys.stdin.buffer.read(1)
            if not typed:
                return
            silent = 0
            found = reader.take(typed[0])
            if found == INTERRUPT:
                raise KeyboardInterrupt
            if found:
                talk = _talk(talk, *partner())
                talk.take(found)
        silent += 1
        if silent == _SILENT_TURNS:
            reader.silence()
        if talk:
            talk.tell()
            if silent > _GONE_TURNS:
                talk = None
                memory.forget("mote.improv")
        await asyncio.sleep_ms(_STEP_MS)


def _talk(talk, site, board):
    if talk and talk.site is site:
        return talk
    # Few boards ever meet an installer: what answers is loaded with the first command.
    from mote.improv.conversation import Conversation

    return Conversation(site, board)
