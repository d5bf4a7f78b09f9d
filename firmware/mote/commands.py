"""Commands of the host over MQTT (contract 1): read, done once, answered with their nonce.

A command is a JSON object with `cmd` and a `nonce` (text, at most 40 characters). An answer echoes
both and says `ok`; where it is false, `error` says why, as words that a person can act on. Answers
wait here until the broker has acknowledged them, also through a lost connection.
"""

import asyncio
import json
import re
import sys
from errno import ENOMEM, ENOTCONN

from mote import contract, log, memory, tasks

NONCE_MAX = 40
# So many answers are kept: a command that comes twice is answered twice and done once.
_REMEMBERED = 8
# Bytes of the texts of answers that are kept. The newest is kept however long it is.
_TEXTS_MAX = 2048
# In the place of an answer: still at work; done before the restart, and the answer is gone.
_AT_WORK, _DONE_BEFORE = "at work", "done before"
_WAITS, _ARRIVED = None, 0
_STEP_MS = 50
_LONG = 1024
# A payload is searched in copies of so many bytes, and what is at the end of one comes again.
_WINDOW, _OVERLAP = 512, 128
# How long what follows an answer waits for its acknowledgement.
_LAST_WORDS_S = 10


class Refused(Exception):
    """A command that is not done; the text says why."""


class _Entry:
    """A command and its answer. `pid` is the packet identifier of an answer that is on its way,
    `_WAITS` of one that is not, `_ARRIVED` of one that the broker has.
    """

    def __init__(self, nonce, text):
        self.nonce = nonce
        self.text = text
        self.pid = _WAITS


class Commands:
    """Calls `handlers()[name](command)`, an async function that returns the answer's own entries.

    `post(text)` is an async function that sends an answer and returns the number with which
    `has_arrived` is called when the broker has acknowledged it; it raises OSError without a
    connection. A handler may return (entries, after), where `after()` is called when the answer has
    arrived: a restart, mostly.
    """

    def __init__(self, handlers, post, done_before=""):
        self._handlers = handlers
        self._post = post
        self._entries = []
        self._news = asyncio.Event()
        if done_before:
            # The command that made the board restart must not do it again.
            self._entries.append(_Entry(done_before, _DONE_BEFORE))

    async def received(self, payload):
        """A message on the command topic, any bytes; returns when it is done and answered.

        Gives the number of the answer, which is not acknowledged by then: that may arrive behind
        the next command.
        """
        try:
            command, fault = _parsed(payload)
            name, nonce = command["cmd"], command["nonce"]
            if not isinstance(nonce, str):
                raise TypeError
            if not isinstance(name, str):
                name, fault = "", "cmd must be the name of a command"
            if not 0 < len(nonce) <= NONCE_MAX:
                raise ValueError
        except MemoryError:
            return await self.too_large(payload, len(payload), 0)
        except (ValueError, KeyError, TypeError):
            # Nobody waits for an answer that bears no nonce.
            log.warning("commands: not understood, %d bytes" % len(payload))
            return None
        # The buffer that it is in may be used for what follows.
        payload = None
        done = asyncio.Event()
        # A task of its own: a connection that is lost meanwhile must not break it off.
        tasks.start(self._work(name, nonce, command, fault, done))
        command = None
        await done.wait()
        entry = self._entry(nonce)
        return entry.pid if entry else None

    async def too_large(self, excerpt, size, limit):
        """A message on the command topic that does not fit into the memory for it.

        `excerpt` is its beginning and its end: the nonce is at one of them, mostly.
        """
        log.warning("commands: %d bytes are too many" % size)
        nonce = _text_of("nonce", excerpt)
        entry = self._entry(nonce) if 0 < len(nonce) <= NONCE_MAX else None
        if entry is None:
            most = "at most %d" % limit if limit else contract.NO_MEMORY
            answer = {"ok": False, "error": "too large: %d bytes, %s" % (size, most)}
            for key, value in (("cmd", _text_of("cmd", excerpt)), ("nonce", nonce)):
                if 0 < len(value) <= NONCE_MAX:
                    answer[key] = value
            entry = self._remember(answer.get("nonce"), json.dumps(answer))
        await self._send(entry)
        return entry.pid

    async def connected(self):
        """There is a connection: what waits for one goes out. Raises OSError."""
        for entry in list(self._entries):
            if entry.pid is _WAITS and entry.text not in (_AT_WORK, _DONE_BEFORE):
                entry.pid = await self._post(entry.text)

    def has_arrived(self, pid):
        """The broker has the answer with this number."""
        for entry in self._entries:
            if entry.pid == pid:
                entry.pid = _ARRIVED
        self._news.set()

    def disconnected(self, unsure=0):
        """The connection is gone: what the broker has not acknowledged waits for the next one.

        `unsure` is the number of these answers; the texts of some may not be kept any more.
        """
        for entry in self._entries:
            if entry.pid:
                entry.pid = _WAITS
                unsure -= 1
        if unsure > 0:
            log.warning("commands: %d answers may not have arrived" % unsure)
        self._news.set()

    async def conclude(self, name, nonce, fault):
        """The outcome of a command that took a restart: `fault` says what went wrong, if anything.

        Raises OSError when it does not go out.
        """
        entries = {"done": True}
        if fault:
            entries = {"error": fault}
        # A copy of the command gets the outcome, too.
        entry = self._remember(nonce, _answer(name, nonce, not fault, entries))
        entry.pid = await self._post(entry.text)
        while entry.pid:
            await self._changed()
        if entry.pid is _WAITS:
            raise OSError(ENOTCONN)

    async def _work(self, name, nonce, command, fault, done):
        after = None
        try:
            entry = self._entry(nonce)
            if entry is None:
                # Remembered before it is done: its copy may arrive while it is.
                entry = self._remember(nonce, _AT_WORK)
                text, after = await self._do(name, nonce, command, fault)
                entry.text = text
            command = None
            while entry.text == _AT_WORK:
                # Whether it is ok, nobody knows yet.
                await asyncio.sleep_ms(_STEP_MS)
            if entry.text == _DONE_BEFORE:
                entry.text = _answer(name, nonce, True, {"again": True})
            await self._send(entry)
        finally:
            done.set()
        if after:
            try:
                await tasks.within(_LAST_WORDS_S, self._arrived(entry))
            except asyncio.TimeoutError:
                # The host asks again with the same nonce.
                log.warning("commands: %s was done, the answer did not arrive" % name)
            after()

    async def _send(self, entry):
        """Send an answer, for the first time or again; without a connection it waits for one."""
        self._forget_old()
        try:
            entry.pid = await self._post(entry.text)
        except OSError as error:
            entry.pid = _WAITS
            if error.errno == ENOMEM:
                log.warning("commands: no memory for an answer, it waits")
            else:
                log.info("commands: an answer waits for the connection")

    async def _arrived(self, entry):
        """Returns when the broker has acknowledged an answer, on this connection or another."""
        while entry.pid != _ARRIVED:
            await self._changed()

    async def _changed(self):
        self._news.clear()
        await self._news.wait()

    def _entry(self, nonce):
        for entry in self._entries:
            if entry.nonce == nonce:
                return entry
        return None

    def _remember(self, nonce, text):
        """A new entry, in the place of an older one with this nonce."""
        entry = _Entry(nonce, text)
        self._entries = [one for one in self._entries if one.nonce != nonce or nonce is None]
        self._entries.append(entry)
        self._forget_old()
        return entry

    def _forget_old(self):
        """Keep what may be asked for again, within bounds: the oldest go first."""
        entries = self._entries
        while len(entries) > 1 and (
            len(entries) > _REMEMBERED or sum(len(one.text) for one in entries) > _TEXTS_MAX
        ):
            gone = entries.pop(0)
            if gone.pid is _WAITS and gone.text not in (_AT_WORK, _DONE_BEFORE):
                log.warning("commands: an answer is given up: too many wait for the connection")

    async def _do(self, name, nonce, command, fault):
        after = None
        try:
            if fault:
                raise Refused(fault)
            handlers = self._handlers()
            handler = handlers.get(name)
            if handler is None:
                known = ", ".join(sorted(handlers))
                raise Refused("there is no command %s; known: %s" % (name, known))
            entries = await handler(command)
            if isinstance(entries, tuple):
                entries, after = entries
            # The pieces of an update are many.
            (log.debug if "at" in command else log.info)("commands: %s" % name)
            return _answer(name, nonce, True, entries or {}), after
        except Refused as refused:
            fault = str(refused)
        except MemoryError:
            fault = contract.NO_MEMORY
        except Exception as error:
            # A command that nobody foresaw must not end the readings.
            sys.print_exception(error)
            fault = "it failed: %r" % error
        log.warning("commands: %s refused" % name)
        return _answer(name, nonce, False, {"error": fault}), None


def _parsed(payload):
    """The command in `payload`, and why it is refused, if it is. Raises ValueError, MemoryError.

    A configuration is kept, so it is read as strictly as from everywhere else. The content of
    a `payload` that is long, a view of the receive buffer, is lost.
    """
    if not _names_config(payload):
        # What is not kept is read by the port's own parser: it is there, and it is fast.
        command = json.loads(payload)
        # The name may be written with escapes.
        if not isinstance(command, dict) or "config" not in command:
            return command, ""
        command = None
    from mote import json_text

    try:
        if len(payload) > _LONG:
            return json_text.parse_in_place(payload), ""
        return json_text.parse(payload), ""
    except ValueError as error:
        # What the text shows of itself, so that somebody is told.
        named = {key: _text_of(key, payload) for key in ("cmd", "nonce")}
        return named, "the command is not JSON: %s" % error
    finally:
        memory.discard("mote.json_text", "mote.utf8")


def _names_config(payload):
    for window in _windows(payload):
        if re.search('"config"\\s*:', window):
            return True
    return False


def _text_of(key, payload):
    """The text that stands behind `key` in any bytes of JSON, empty when there is none."""
    for window in _windows(payload):
        match = re.search('"%s"\\s*:\\s*"' % key, window)
        if not match:
            continue
        # The text is not matched: each character of it would take of the stack.
        start = window.find(match.group(0)) + len(match.group(0))
        end = window.find(b'"', start)
        # What ends behind this window is whole in the next, unless it is too long.
        if end > 0 and b"\\" not in window[start:end]:
            try:
                return str(window[start:end], "utf-8")
            except UnicodeError:
                return ""
    return ""


def _windows(payload):
    """Copies of short pieces: the whole is never in the heap a second time."""
    for at in range(0, len(payload), _WINDOW - _OVERLAP):
        yield bytes(payload[at : at + _WINDOW])


def _answer(name, nonce, ok, entries):
    answer = {"cmd": name, "nonce": nonce, "ok": ok}
    answer.update(entries)
    return json.dumps(answer)
