"""Listens on the serial port: to Ctrl-C, to the commands of Improv (IMPROV.md), to any key."""

import asyncio
import select
import sys

import micropython

from mote import memory

_HEADER = b"IMPROV\x01"
_VERSION, _CTRL_C = 1, 3
_STEP_MS = 50
# A frame takes 24 ms at 115,200 baud: after so many turns in silence no more of it comes.
_SILENT_TURNS = 10
# A client that is there speaks every few seconds; others have the memory of one that is gone.
_GONE_TURNS = 1200
# Programs wait for it after Ctrl-C, before they type.
_PROMPT = ">>> "


def key_within(timeout_ms):
    """Wait for the first byte typed, and leave it to the REPL. False when none came in time.

    The prompt is shown at once; the REPL, which runs only after this program, shows it again.
    """
    # Ctrl-C is a byte like any other: the REPL shall have it, too.
    micropython.kbd_intr(-1)
    print(_PROMPT, end="")
    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN)
    typed = bool(poller.poll(timeout_ms))
    print()
    return typed


async def listen(partner, unanswered=None):
    """For as long as the task lives. Raises KeyboardInterrupt for Ctrl-C, and leaves what is typed
    behind it to the REPL.

    `partner()` gives the `improv.conversation.Conversation` to go on with, given the one before;
    `unanswered` is a command for which the client still waits, from before a restart.
    """
    # The port would take byte 3 out of every command, and stop the board.
    micropython.kbd_intr(-1)
    talk = partner(None) if unanswered else None
    if talk:
        talk.answer(unanswered)
    seen = before = silent = 0
    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN)
    while True:
        # `ipoll` makes no list: twenty a second would leave holes in the heap.
        while any(poller.ipoll(0)):
            typed = sys.stdin.buffer.read(1)
            if not typed:
                return
            silent, byte = 0, typed[0]
            if seen == len(_HEADER):
                # Inside a frame 3 is a byte like any other.
                if talk.take(byte):
                    seen = 0
            elif byte == _HEADER[seen]:
                seen += 1
                if seen == len(_HEADER):
                    talk = partner(talk)
            else:
                seen = int(byte == _HEADER[0])
                # Behind a version it is the type of a frame whose head was lost at the start.
                if byte == _CTRL_C and before != _VERSION:
                    raise KeyboardInterrupt
            before = byte
        silent += 1
        if talk:
            talk.tell()
        if silent == _SILENT_TURNS:
            seen = 0
            if talk:
                talk.silence()
        elif silent == _GONE_TURNS and talk:
            talk = None
            memory.forget("mote.improv", "mote.stored_secrets")
        await asyncio.sleep_ms(_STEP_MS)
