"""Listens on the serial port while the portal is open: to commands of Improv, and to Ctrl-C."""

import asyncio
import select
import sys

import micropython

from mote import memory
from mote.improv.frames import INTERRUPT, Reader

_STEP_MS = 50
# A frame takes 24 ms at 115,200 baud: after so many turns in silence no more of it comes.
_SILENT_TURNS = 10
# A client that is there speaks every few seconds; the phones have the memory of one that is gone.
_GONE_TURNS = 1200


async def listen(site, board):
    """For as long as the task lives. `site` and `board` are those of `conversation.Conversation`.

    Raises KeyboardInterrupt for Ctrl-C, and leaves what is typed behind it to the REPL.
    """
    # The port would take byte 3 out of every command, and stop the board.
    micropython.kbd_intr(-1)
    try:
        await _listen(site, board)
    finally:
        micropython.kbd_intr(3)


def hand_over():
    """From here on Ctrl-C interrupts by itself. Raises KeyboardInterrupt for one that waits."""
    reader, poller = Reader(), _poller()
    while poller.poll(0):
        typed = sys.stdin.buffer.read(1)
        if not typed:
            break
        if reader.take(typed[0]) == INTERRUPT:
            raise KeyboardInterrupt
    micropython.kbd_intr(3)


async def _listen(site, board):
    reader, poller, talk, silent = Reader(), _poller(), None, 0
    while True:
        while poller.poll(0):
            typed = sys.stdin.buffer.read(1)
            if not typed:
                return
            silent = 0
            command = reader.take(typed[0])
            if command == INTERRUPT:
                raise KeyboardInterrupt
            if command is not None:
                talk = talk or _conversation(site, board)
                talk.answer(command)
        silent += 1
        if silent == _SILENT_TURNS:
            reader.silence()
        if talk:
            talk.tell()
            if silent > _GONE_TURNS:
                talk = None
                memory.forget("mote.improv.conversation")
        await asyncio.sleep_ms(_STEP_MS)


def _poller():
    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN)
    return poller


def _conversation(site, board):
    # Most boards are set up by a phone: what answers is loaded with the first command.
    from mote.improv.conversation import Conversation

    return Conversation(site, board)
