"""Answers the commands of an Improv client: who the board is, which networks there are, WiFi."""

import sys

from mote import __version__, contract, log
from mote.improv import frames

# Commands.
_SETTINGS, _STATE, _INFO, _NETWORKS, _NAME = 1, 2, 3, 4, 6
# States of the device.
_READY, _PROVISIONING, _PROVISIONED = 2, 3, 4
# Errors.
_NONE, _INVALID, _UNKNOWN, _NOT_CONNECTED, _BAD_NAME = 0, 1, 2, 3, 5


class Conversation:
    """What one client was told. The set-up is reached through `site`, which has:

    `name`, `fields`, `networks`, `state` ("trying", "saved" or another), `try_network(put_first)`,
    which begins a trial or says False; `requests` and `told_saved` are told of the client. `board`
    has `address()` in the joined network, `page_url()` of its page there for this client, `chip`,
    `may_be_named`, and `search()`, which brings the networks up to date unless that disturbs
    somebody; False when the board restarts for it.
    """

    def __init__(self, site, board):
        self.site = site
        self._board = board
        self._state = None
        self._asked = False
        self._error = _NONE
        self._rest = bytearray()

    def take(self, byte):
        """One more byte of what is behind a frame's header; True when that was the last.

        Then it is answered.
        """
        rest = self._rest
        rest.append(byte)
        # Type, length, as many bytes, checksum.
        if len(rest) < 2 or len(rest) < rest[1] + 3:
            return False
        self.silence()
        kind, data = frames.content(rest)
        if kind == frames.COMMAND:
            self.answer(data)
        elif not kind:
            self._fail(_INVALID)
        return True

    def silence(self):
        """Nothing more comes: what is there of a frame is none."""
        self._rest = bytearray()

    def answer(self, command):
        """Answer a command, given the data of its frame."""
        # Somebody is there: the portal stays, and nobody else may use the radio.
        self.site.requests += 1
        if len(command) < 2 or len(command) != 2 + command[1]:
            self._fail(_INVALID)
            return
        kind, body = command[0], command[2:]
        handle = {
            _SETTINGS: self._settings,
            _STATE: self._tell_state,
            _INFO: self._tell_info,
            _NETWORKS: self._tell_networks,
            _NAME: self._tell_name,
        }.get(kind)
        if handle is None:
            self._fail(_UNKNOWN)
            return
        try:
            handle(body)
        except (IndexError, UnicodeError):
            self._fail(_INVALID)

    def tell(self):
        """Tell the state where it has changed, and how a trial of this client ended."""
        state = self._now()
        if state != self._state:
            self._tell_state_itself(state)
        if self._asked and state != _PROVISIONING:
            self._asked = False
            if state == _PROVISIONED:
                self._tell_url(_SETTINGS)
            else:
                self._fail(_NOT_CONNECTED)

    def _now(self):
        if self.site.state == "trying":
            return _PROVISIONING
        return _PROVISIONED if self._saved or self._board.address() else _READY

    @property
    def _saved(self):
        return self.site.state == "saved"

    def _with(self, ssid, password):
        """What makes a document with that network before those that are in it."""

        def put_first(known):
            # A new board begins with nothing; the server is looked for.
            document = dict(known or {"version": 1, "mqtt": {"host": ""}}, id=self.site.name)
            document["mqtt"] = dict(document["mqtt"])
            others = [one for one in document.get("wifi", ()) if one["ssid"] != ssid]
            document["wifi"] = [{"ssid": ssid, "password": password}] + others[:2]
            if known and document["mqtt"].get("password"):
                from mote import stored_secrets

                if not stored_secrets.may_keep_password(document, known):
                    # It is asked for on the page, in the network that it is for.
                    document["mqtt"]["password"] = ""
            return document

        return put_first

    def _settings(self, body):
        ssid, rest = _text(body)
        password, _ = _text(rest)
        self._clear()
        if self.site.try_network(self._with(ssid, password)):
            self._asked = True
        else:
            self._fail(_NOT_CONNECTED)

    def _tell_state(self, body):
        self._clear()
        self._tell_state_itself(self._now())
        if self._state == _PROVISIONED:
            self._tell_url(_STATE)

    def _tell_state_itself(self, state):
        self._state = state
        _send(frames.frame(frames.STATE, bytes((state,))))

    def _tell_url(self, command):
        """Where the rest is asked; a board that has all it needs has no page."""
        urls = () if self._saved else (self._board.page_url(),)
        _send(frames.result(command, urls))
        if self._saved:
            self.site.told_saved = True

    def _tell_info(self, body):
        chip = self._board.chip
        # As installers name it: ESP32-C3.
        family = chip[:5] + ("-" + chip[5:] if chip[5:] else "")
        release = "%d.%d.%d" % sys.implementation.version[:3]
        told = (contract.PRODUCT, __version__, family, self.site.name, "MicroPython", release)
        _send(frames.result(_INFO, told))

    def _tell_networks(self, body):
        if not self._board.search():
            return
        for one in self.site.networks:
            if one.supported:
                told = (one.ssid, str(one.rssi), "YES" if one.secured else "NO")
                _send(frames.result(_NETWORKS, told))
        _send(frames.result(_NETWORKS, ()))

    def _tell_name(self, body):
        name = str(body, "utf-8")
        if name and not (self._board.may_be_named and contract.is_device_id(name)):
            self._fail(_BAD_NAME)
            return
        if name:
            self.site.name = self.site.fields["id"] = name
        _send(frames.result(_NAME, (self.site.name,)))

    def _fail(self, error):
        log.debug("improv: error %d" % error)
        self._error = error
        _send(frames.frame(frames.ERROR, bytes((error,))))

    def _clear(self):
        if self._error:
            self._error = _NONE
            _send(frames.frame(frames.ERROR, bytes((_NONE,))))


def _text(data):
    """The text that `data` begins with, behind its length, and the rest."""
    end = 1 + data[0]
    if end > len(data):
        raise IndexError
    return str(data[1:end], "utf-8"), data[end:]


def _send(frame):
    # `print` would send each line feed as two bytes.
    sys.stdout.buffer.write(frame)


def met(talk, site, board):
    """The conversation to go on with: `talk`, unless it was about something else."""
    return talk if talk and talk.site is site else Conversation(site, board)
