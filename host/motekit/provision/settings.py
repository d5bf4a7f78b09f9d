"""The configuration of one board: a document in common, and what is written for this board."""

import copy
import json
from pathlib import Path
from typing import Any

from motekit import config, places


class SettingsError(Exception):
    """What was given is no setting, or no value for it; the text says which and what to do."""


def read(path: Path) -> dict[str, Any]:
    """The document in a file, not yet checked: it may be a part. Raises SettingsError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        # Without the text around it, which may be a password.
        raise SettingsError(f"{path} is not JSON: {str(error).split(':')[0]}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path} is no configuration: it has to begin with {{")
    return document


def overlaid(document: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """`document` with `values` put in: text by the path of a setting, such as wifi.0.ssid.

    Raises SettingsError for what is no setting, or not of its type.
    """
    result = copy.deepcopy(document)
    for path, text in values.items():
        _put(result, path, _typed(path, text))
    return result


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """`document` as it goes onto a board, with its defaults. Raises SettingsError."""
    try:
        return config.checked({"version": 1, **document})
    except config.ConfigError as error:
        raise SettingsError(f"the configuration is refused: {error}") from error


def _typed(path: str, text: str) -> Any:
    kind = _schema(path).get("type")
    if kind == "string":
        return text
    if kind == "boolean":
        if text.lower() in ("true", "false", "yes", "no", "1", "0"):
            return text.lower() in ("true", "yes", "1")
        raise SettingsError(f"{path} must be true or false, not {text!r}")
    if kind in ("integer", "number"):
        try:
            return int(text) if text.lstrip("-").isdigit() else float(text)
        except ValueError:
            raise SettingsError(f"{path} must be a number, not {text!r}") from None
    # Lists, and what may be a word or a list.
    try:
        return json.loads(text) if text[:1] in "[{" else text
    except ValueError:
        raise SettingsError(f"{path} must be a word or a list in JSON") from None


def _schema(path: str) -> dict[str, Any]:
    part: dict[str, Any] = json.loads(places.CONFIG_SCHEMA.read_text(encoding="utf-8"))
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
