"""The command `config`: the configuration as it is, and another one on trial. Loaded for it."""

import json

from mote import config, contract, memory, probation
from mote.commands import Refused


def shown(settings):
    """A copy in which every password is only said to be there."""
    shown = dict(settings)
    shown["wifi"] = [dict(one, password=bool(one["password"])) for one in settings["wifi"]]
    shown["mqtt"] = dict(settings["mqtt"], password=bool(settings["mqtt"]["password"]))
    shown["portal_password"] = bool(settings["portal_password"])
    return shown


def begin(changes, nonce):
    """Try the present configuration with `changes` at the next start. Raises Refused.

    They replace what they name (RFC 7396: an object is merged, null removes); the whole is checked.
    The MQTT password goes only to the server that it was given for: with another one comes another.
    """
    if not isinstance(changes, dict):
        raise Refused("config must be of type object")
    try:
        _split_address(changes.get("mqtt"))
        present = _present()
        _split_address(present["mqtt"])
        document = _merged(present, changes)
        _check_secrets(document, present, changes)
        probation.begin(document, nonce)
    except config.ConfigError as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise Refused("it could not be saved: errno %s" % error.errno) from None
    except RuntimeError:
        # The stack is small, and a command may nest as deep as it likes.
        raise Refused("config is nested too deeply") from None


def _present():
    """The document on the flash. It was checked before it came there, or at the start."""
    try:
        with open(config.PATH) as file:
            return json.load(file)
    except ValueError:
        return config.load()


def _split_address(server):
    """Let an address in `host` replace port and TLS as well, rather than contradict the old ones.

    Raises ConfigError.
    """
    from mote import server_address

    try:
        if isinstance(server, dict):
            server_address.normalize(server)
    except ValueError as error:
        raise config.ConfigError([("mqtt.host", str(error))]) from None
    finally:
        memory.forget("mote.server_address")


def _merged(target, patch):
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _check_secrets(document, present, changes):
    """Keep the passphrases of known networks; refuse a server that the password is not for."""
    from mote import stored_secrets

    try:
        networks = document.get("wifi")
        # Not checked yet: they may be anything.
        for one in networks if isinstance(networks, list) else ():
            if isinstance(one, dict) and "password" not in one:
                # A list is replaced as a whole: a network that is known keeps its passphrase.
                known = stored_secrets.passphrase(one.get("ssid"), present["wifi"])
                if known:
                    one["password"] = known
        server, given = document.get("mqtt"), changes.get("mqtt")
        if not isinstance(server, dict) or not present["mqtt"].get("password"):
            return
        changed = stored_secrets.changed(server, present["mqtt"])
        if changed and not isinstance(given.get("password"), str):
            raise Refused("%s%s" % (contract.PASSWORD_NEEDED, ", ".join(changed)))
    finally:
        memory.discard("mote.stored_secrets")
