"""The configuration of one board: a document in common, and what is written for this board."""

import copy
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mote import json_text, server_address

from motekit import config, documents, places


class SettingsError(Exception):
    """What was given is no setting, or no value for it; the text says which and what to do."""


def read(path: Path) -> dict[str, Any]:
    """The document in a file, not yet checked: it may be a part. Raises SettingsError."""
    try:
        document = documents.read_json(path)
    except documents.DocumentError as error:
        raise SettingsError(str(error)) from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path} is no configuration: it has to begin with {{")
    return document


def overlaid(document: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """`document` with `values` put in: text by the path of a setting, such as wifi.0.ssid.

    Raises SettingsError for what is no setting, or not of its type.
    """
    result = copy.deepcopy(document)
    for path, value in _split_address({path: typed(path, text) for path, text in values.items()}):
        _put(result, path, value)
    return result


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """`document` as it goes onto a board, with its defaults. Raises SettingsError."""
    try:
        return config.checked({"version": 1, **document})
    except config.ConfigError as error:
        raise SettingsError(f"the configuration is refused: {error}") from error


def is_known(path: str) -> bool:
    """Whether there is a setting of this name."""
    try:
        _schema(path)
    except SettingsError:
        return False
    return True


def is_free_text(path: str) -> bool:
    """Whether blanks around the value of a setting belong to it, as in an SSID or a password."""
    part = _schema(path)
    return part.get("type") == "string" and "pattern" not in part


def typed(path: str, text: str) -> Any:
    """The value that `text` is for the setting at `path`, checked. Raises SettingsError."""
    value = _value(path, text)
    if path == "mqtt.host":
        # What is in it besides the host is split off later.
        try:
            server_address.split(value)
        except ValueError as error:
            raise SettingsError(f"{path} {error}") from None
    elif fault := config.entry_fault(_schema(path), value):
        raise SettingsError(f"{path} {fault}")
    return value


def _value(path: str, text: str) -> Any:
    kind = _schema(path).get("type")
    if kind == "string":
        return text if is_free_text(path) else text.strip()
    text = text.strip()
    if kind == "boolean":
        if text.lower() in ("true", "false", "yes", "no", "1", "0"):
            return text.lower() in ("true", "yes", "1")
        raise SettingsError(f"{path} must be true or false, not {text!r}")
    if kind in ("integer", "number"):
        return _number(path, text)
    # Lists, and what may be a word or a list.
    try:
        return json_text.parse(text.encode()) if text[:1] in ("[", "{") else text
    except ValueError as error:
        raise SettingsError(f"{path} must be a word or a list in JSON: {error}") from None


def _number(path: str, text: str) -> int | float:
    """Also with the decimal comma of a spreadsheet: 2,5."""
    if re.fullmatch(r"-?[0-9]+,[0-9]{3}", text):
        plain = text.replace(",", "")
        raise SettingsError(f"{path} must be a number: {text!r} may be {plain} or {plain[:-3]}.0")
    try:
        value = json_text.parse(re.sub(r"^(-?[0-9]+),([0-9]+)$", r"\1.\2", text).encode())
    except ValueError:
        value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SettingsError(f"{path} must be a number, not {text!r}")
    return value


def _split_address(values: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """An address in `mqtt.host` sets port and TLS as well. Raises SettingsError."""
    keys = {key: f"mqtt.{key}" for key in ("host", "port", "tls")}
    server = {key: values[path] for key, path in keys.items() if path in values}
    try:
        server_address.normalize(server)
    except ValueError as error:
        raise SettingsError(f"mqtt.host {error}") from None
    return (values | {keys[key]: value for key, value in server.items()}).items()


def _schema(path: str) -> dict[str, Any]:
    part = config.schema()
    for key in path.split("."):
        below = part.get("items") if key.isdigit() else part.get("properties", {}).get(key)
        if below is None:
            raise SettingsError(
                f"there is no setting {path!r}: they are in {places.CONFIG_SCHEMA.name}, such as "
                "id, wifi.0.ssid, mqtt.host, interval"
            )
        part = below
    return part


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    part: Any = document
    *above, last = keys = path.split(".")
    for key, below in zip(above, keys[1:], strict=True):
        part = _entered(part, key, path, [] if below.isdigit() else {})
    if isinstance(part, list):
        _entered(part, last, path, value)
        part[int(last)] = value
    else:
        part[last] = value


def _entered(part: Any, key: str, path: str, new: Any) -> Any:
    """What is at `key`, made `new` where nothing is."""
    if isinstance(part, dict):
        return part.setdefault(key, new)
    if isinstance(part, list) and key.isdigit() and int(key) <= len(part):
        if int(key) == len(part):
            part.append(new)
        return part[int(key)]
    raise SettingsError(f"{path} has no place: the entries before it come first")
