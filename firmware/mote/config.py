"""The device's configuration: one JSON document, checked against `config.schema.json`."""

import json
import os

from mote import memory

PATH = "/config.json"
_NEW = "/config.new"
# A configuration on probation has the one before it, and a note for the answer, beside it.
OLD, NOTE = "/config.old", "/config.note"
_SCHEMA = __file__.rsplit("/", 1)[0] + "/config.schema.json"


# The one fault of a board that is new.
MISSING = ("config.json", "is not there")


class ConfigError(Exception):
    """The document is missing, damaged or breaks a rule; `faults` lists (path, text)."""

    def __init__(self, faults):
        super().__init__("; ".join("%s %s" % fault for fault in faults))
        self.faults = faults


def load():
    """The saved configuration with defaults filled in. Raises ConfigError when it is unusable."""
    from mote import json_text

    try:
        # The buffer of `read` has the size that is asked for, however short the file is.
        size = min(os.stat(PATH)[6], json_text.MAX_BYTES + 1)
        with open(PATH, "rb") as f:
            document = json_text.parse(f.read(size))
    except OSError:
        raise ConfigError([MISSING]) from None
    except json_text.JsonError as error:
        raise ConfigError([("config.json", "is damaged: not JSON: %s" % error)]) from None
    except MemoryError:
        raise ConfigError([("config.json", "is damaged: not JSON")]) from None
    finally:
        memory.discard("mote.json_text")
    return checked(document)


def checked(document):
    """`document` with defaults filled in, if it conforms. Raises ConfigError with every fault.

    An address with scheme or port in `mqtt.host` is split into its entries.
    """
    # A board checks rarely: what checks is loaded for it, and its memory given back.
    try:
        faults = _faults(document)
    finally:
        memory.discard("mote.schema")
        memory.forget("mote.utf8")
    if faults:
        raise ConfigError(faults)
    return document


def save(document):
    """Check and store `document`: after a power cut at any moment, the old or the new one is whole.

    The new file is complete and closed before the rename, which LittleFS does atomically.
    Raises ConfigError for a document that breaks a rule (nothing is changed), OSError when the
    flash is full.
    """
    write(PATH, json.dumps(checked(document)))


def write(path, text):
    """Store `text`, whole or not at all. Raises OSError when the flash is full."""
    # What an earlier power cut left: its sectors are free only once the name is gone.
    _remove(_NEW)
    try:
        with open(_NEW, "w") as f:
            f.write(text)
        with open(_NEW) as f:
            if f.read() != text:
                raise OSError(5)
    except OSError:
        _remove(_NEW)
        raise
    os.rename(_NEW, path)


def saved_id():
    """The id in the saved document, None where it cannot be read."""
    try:
        with open(PATH) as f:
            return json.load(f)["id"]
    except (OSError, ValueError, KeyError, TypeError, MemoryError):
        return None


def keep():
    """What is saved stays: there is no probation, or it is over."""
    _remove(OLD)


def on_probation(over=False):
    """True while the configuration is on trial; with `over`, also while its outcome is untold."""
    for path in (OLD, NOTE) if over else (OLD,):
        try:
            os.stat(path)
            return True
        except OSError:
            pass
    return False


def erase():
    """Forget everything: the next boot opens the setup portal."""
    # In this order: a board that a power cut leaves without a configuration keeps no passwords.
    for path in (_NEW, OLD, NOTE, PATH):
        _remove(path)


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


def _split_address(document):
    """The fault of `mqtt.host`, in a list, where it is not the address of a server."""
    server = document.get("mqtt") if isinstance(document, dict) else None
    if not isinstance(server, dict):
        return []
    host = server.get("host")
    if isinstance(host, str) and host.strip() == host and not any(c in host for c in ":/@["):
        # A name is one already: mostly it takes no memory to find that out.
        return []
    from mote import server_address

    try:
        server_address.normalize(server)
    except ValueError as error:
        return [("mqtt.host", str(error))]
    finally:
        memory.forget("mote.server_address")
    return []


def _faults(document):
    """What is wrong with `document`; when nothing is, its defaults are filled in."""
    address = _split_address(document)
    from mote import schema

    with open(_SCHEMA, "rb") as f:
        rules = schema.FileText(f, os.stat(_SCHEMA)[6])
        faults = schema.check_text(rules, document)
        if address:
            faults = address + [fault for fault in faults if fault[0] != "mqtt.host"]
        if not faults:
            schema.fill_text(rules, document)
    return faults
