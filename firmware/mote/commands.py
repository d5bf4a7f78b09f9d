"""Commands of the host over MQTT (contract 1): read, done once, answered with their nonce.

A command is a JSON object with `cmd` and a `nonce` (text, at most 40 characters). An answer echoes
both and says `ok`; where it is false, `error` says why, as words that a person can act on.
"""

import asyncio
import json

from mote import log, memory, tasks

NONCE_MAX = 40
# So many answers are kept: a command that comes twice is answered twice and done once.
_REMEMBERED = 8
# In the place of an answer: still at work; done before the restart, and the answer is gone.
_AT_WORK, _DONE_BEFORE = "at work", "done before"
_STEP_MS = 50


class Refused(Exception):
    """A command that is not done; the text says why."""


class Commands:
    """Calls `handlers()[name](command)`, an async function that returns the answer's own entries.

    `answer(text)` is an async function that publishes. A handler may return (entries, after), where
    `after()` is called when the answer is out: a restart, mostly.
    """

    def __init__(self, handlers, answer, done_before=""):
        self._handlers = handlers
        self._answer = answer
        self._answers = []
        if done_before:
            # The command that made the board restart must not do it again.
            self._answers.append((done_before, _DONE_BEFORE))

    def received(self, payload):
        """A message on the command topic; it is worked on in a task of its own."""
        try:
            command, fault = _parsed(payload)
            name, nonce = command["cmd"], command["nonce"]
            if not isinstance(nonce, str) or not 0 < len(nonce) <= NONCE_MAX:
                raise ValueError
        except (ValueError, KeyError, TypeError, MemoryError):
            # Nobody waits for an answer that bears no nonce.
            log.warning("commands: not understood, %d bytes" % len(payload))
            return
        tasks.start(self._work(name, nonce, command, fault))

    async def conclude(self, name, nonce, fault):
        """The outcome of a command that took a restart: `fault` says what went wrong, if anything.

        Raises OSError when it does not go out.
        """
        entries = {"done": True}
        if fault:
            entries = {"error": fault}
        answer = _answer(name, nonce, not fault, entries)
        # A copy of the command gets the outcome, too.
        self._remember(nonce, answer)
        await self._answer(answer)

    async def _work(self, name, nonce, command, fault):
        after = None
        answer = self._remembered(nonce)
        if answer is None:
            # Remembered before it is done: its copy may arrive while it is.
            self._remember(nonce, _AT_WORK)
            answer, after = await self._do(name, nonce, command, fault)
            self._remember(nonce, answer)
        while answer == _AT_WORK:
            # Whether it is ok, nobody knows yet.
            await asyncio.sleep_ms(_STEP_MS)
            answer = self._remembered(nonce)
        if answer is None:
            # So many others came meanwhile that it is forgotten.
            return
        if answer == _DONE_BEFORE:
            answer = _answer(name, nonce, True, {"again": True})
        try:
            await self._answer(answer)
        except OSError:
            # The host asks again with the same nonce.
            log.warning("commands: %s was done, the answer did not go out" % name)
        if after:
            after()

    def _remembered(self, nonce):
        for one, answer in self._answers:
            if one == nonce:
                return answer
        return None

    def _remember(self, nonce, answer):
        others = [one for one in self._answers if one[0] != nonce]
        self._answers = others[1 - _REMEMBERED :] + [(nonce, answer)]

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
            fault = "there is no memory for it"
        log.warning("commands: %s refused" % name)
        return _answer(name, nonce, False, {"error": fault}), None


def _parsed(payload):
    """The command in `payload`, and why it is refused, if it is. Raises ValueError, MemoryError."""
    if b'"at"' in payload:
        # The pieces of an update are many, and no person writes them.
        return json.loads(payload), ""
    from mote import json_text

    try:
        return json_text.parse(payload), ""
    except ValueError as error:
        # What takes almost everything finds the nonce, so that somebody is told.
        return json.loads(payload), "the command is not JSON: %s" % error
    finally:
        memory.discard("mote.json_text")
        memory.forget("mote.utf8")


def _answer(name, nonce, ok, entries):
    answer = {"cmd": name, "nonce": nonce, "ok": ok}
    answer.update(entries)
    return json.dumps(answer)
