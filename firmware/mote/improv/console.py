"""Listens on the serial port: to Ctrl-C, and to the commands of Improv."""

import asyncio
import select
import sys

import micropython

from mote import memory
from mote.improv.frames import INTERRUPT, Reader

_STEP_MS = 50
# A frame takes 24 ms at 115,200 baud: after so many turns in silence no more of it comes.
_SILENT_TURNS = 10
# A client that is there speaks every few seconds; others have the memory of one that is gone.
_GONE_TURNS = 1200


async def listen(partner, open_command=None):
    """For as long as the task lives. Raises KeyboardInterrupt for Ctrl-C, and leaves what is typed
    behind it to the REPL.

    `partner()` gives site and board of a `conversation.Conversation`. `open_command` is one that
    the client still waits for, from before a restart.
    """
    # The port would take byte 3 out of every command, and stop the board.
    micropython.kbd_intr(-1)
    reader, talk, silent = Reader(), None, 0
    if open_command:
        talk = _talk(None, *partner())
        talk.answer(open_command)
    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN)
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
                talk = _talk(talk, *partner())
                talk.answer(command)
        silent += 1
        if silent == _SILENT_TURNS:
            reader.silence()
        if talk:
            talk.tell()
            if silent > _GONE_TURNS:
                talk = None
                memory.forget("mote.improv.conversation", "mote.improv.settled")
        await asyncio.sleep_ms(_STEP_MS)


def _talk(talk, site, board):
    if talk and talk.site is site:
        return talk
    # Few boards ever meet an installer: what answers is loaded with the first command.
    from mote.improv.conversation import Conversation

    return Conversation(site, board)
