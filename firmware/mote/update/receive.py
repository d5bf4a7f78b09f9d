"""The command `update` (UPDATES.md): begin, the pieces of the stream, finish."""

import asyncio
import binascii
import time

from mote import config, log, memory, starts, tasks, update
from mote.commands import Refused

# Bytes of a piece: a part of a sector of the flash. In base64, on its way through MQTT and JSON, it
# is in the heap five times over, each time in one piece.
CHUNK = 512
# A sender that stays silent this long is gone; what it sent stays on the flash.
_IDLE_MS = 120_000
_STEP_MS = 5_000


class _Receiver:
    def __init__(self):
        self.turn = asyncio.Lock()
        self.stream = None
        self.size = 0
        self.used_ms = 0


_receiver = _Receiver()


async def handle(command, leave):
    """The answer to one `update` command. `leave(command, why)` gives what restarts the board.

    Raises Refused, MemoryError.
    """
    async with _receiver.turn:
        _receiver.used_ms = time.ticks_ms()
        try:
            if "begin" in command:
                return await _begin(command["begin"])
            if _receiver.stream is None:
                raise Refused("begin comes first")
            if command.get("finish"):
                return await _finish(command, leave)
            return _take(command.get("at"), command.get("data"))
        except OSError as error:
            raise Refused("the flash does not take it: errno %s" % error.errno) from None


async def _begin(bundle):
    if config.on_probation(over=True):
        raise Refused("a configuration is on trial: try again in some minutes")
    _receiver.stream = None
    if not isinstance(bundle, dict):
        raise Refused("begin holds manifest and signature")
    text = bundle.get("manifest")
    found = await _accepted(text, bundle.get("signature"))
    try:
        if found["kind"] == "image":
            from mote.update.image import Image as Stream
        else:
            from mote.update.application import Application as Stream
        _receiver.stream = Stream(found, text)
    except (ValueError, KeyError, TypeError):
        raise Refused("the bundle's manifest is damaged") from None
    _receiver.size = found["size"]
    log.info("update: receiving %s %s" % (found["kind"], found["version"]))
    tasks.start(_forget_when_idle(_receiver.stream))
    return _progress()


async def _accepted(text, signed):
    # One after the other: together they would take the memory of a connection.
    try:
        from mote.update import signature

        await signature.check(text, signed)
        del signature
        memory.forget(*update.JUDGES)
        from mote.update import manifest

        return manifest.accepted(text)
    finally:
        # The pieces of the stream need the room.
        memory.forget(*update.JUDGES)


def _take(at, data):
    if at != _receiver.stream.offset:
        # A copy, or one after one that was lost: the answer says where to go on.
        return _progress()
    try:
        data = binascii.a2b_base64(data)
    except (ValueError, TypeError):
        raise Refused("the piece at %d arrived damaged" % at) from None
    if len(data) != min(CHUNK, _receiver.size - at):
        raise Refused("the piece at %d arrived with %d bytes" % (at, len(data)))
    _receiver.stream.write(data)
    return _progress()


async def _finish(command, leave):
    stream, _receiver.stream = _receiver.stream, None
    if stream.offset != _receiver.size:
        raise Refused("%d of %d bytes are there" % (stream.offset, _receiver.size))
    await stream.check()
    stream.switch(command["nonce"])
    # What crashed before does not count for the new version.
    starts.forget()
    return {"trial": True}, leave(command, "a new version is tried")


def _progress():
    return {"at": _receiver.stream.offset, "size": _receiver.size, "chunk": CHUNK}


def coming():
    """True from the beginning of an update to its end, or until its sender is silent for long."""
    return _receiver.stream is not None


def abandon():
    """The sender is gone, or the connection to it: what came is on the flash."""
    _receiver.stream = None


async def _forget_when_idle(stream):
    while _receiver.stream is stream:
        await asyncio.sleep_ms(_STEP_MS)
        if time.ticks_diff(time.ticks_ms(), _receiver.used_ms) > _IDLE_MS:
            abandon()
            memory.forget(*update.MODULES)
