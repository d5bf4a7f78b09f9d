"""Device configurations on the host: accepted and rejected by the same schema as on the board."""

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators
from mote import server_address, utf8

from motekit import places


class ConfigError(Exception):
    """A document breaks rules; `faults` lists (path, what is expected)."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path or 'the document'} {text}" for path, text in faults))
        self.faults = faults


def checked(document: Any) -> dict[str, Any]:
    """`document` with its defaults, if it conforms. Raises ConfigError with every fault.

    An address with scheme or port in `mqtt.host` is split into its entries, as on the board.
    """
    document = copy.deepcopy(document)
    faults = _address_faults(document)
    errors = sorted(_validator().iter_errors(document), key=lambda error: list(error.path))
    found = [(".".join(map(str, e.path)), _text(e)) for e in errors]
    faults += [one for one in found if not faults or one[0] != "mqtt.host"]
    if faults:
        raise ConfigError(faults)
    filled: dict[str, Any] = _filled(_validator().schema, document)
    return filled


def for_board(document: Any) -> str:
    """`document` as JSON for a board, the one way to write it.

    As UTF-8: MicroPython's json does not put the two halves of an escaped emoji together.
    Raises ValueError for NaN and infinities, which no board takes.
    """
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def schema() -> dict[str, Any]:
    """The one JSON Schema, as board and host have it."""
    document: dict[str, Any] = json.loads(places.CONFIG_SCHEMA.read_text(encoding="utf-8"))
    return document


def _address_faults(document: Any) -> list[tuple[str, str]]:
    server = document.get("mqtt") if isinstance(document, dict) else None
    try:
        if isinstance(server, dict):
            server_address.normalize(server)
    except ValueError as error:
        return [("mqtt.host", str(error))]
    return []


def entry_fault(part: dict[str, Any], value: Any) -> str:
    """What is wrong with one entry, whose part of the schema is `part`; empty when nothing is."""
    error = next(iter(_validator().evolve(schema=part).iter_errors(value)), None)
    return _text(error) if error else ""


@cache
def _validator() -> Any:
    own = {"maxBytes": _max_bytes, "pattern": _pattern, "required": _required, "type": _type}
    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    checker = checker.redefine("number", _is_number)
    kind: Any = validators.extend(Draft202012Validator, own, type_checker=checker)  # type: ignore[no-untyped-call]
    return kind(schema())


def _is_integer(_: object, value: object) -> bool:
    # JSON knows no difference between 1 and 1.0; the board does.
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: object, value: object) -> bool:
    # Neither NaN nor more than a board can hold (IEEE 754, single precision).
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 3.4e38


def _type(validator: Any, kind: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    yield from Draft202012Validator.VALIDATORS["type"](validator, kind, value, schema)
    if kind == "string" and isinstance(value, str) and not utf8.is_text(value):
        yield ValidationError("has a character that is not allowed", validator="characters")


def _max_bytes(_: Any, limit: int, value: Any, __: Any) -> Iterator[ValidationError]:
    """The radio counts bytes of UTF-8, not characters."""
    if isinstance(value, str) and len(value.encode("utf-8", "surrogatepass")) > limit:
        yield ValidationError(f"is longer than {limit} bytes")


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    # Python's `$` matches before a final line break.
    if isinstance(value, str) and (not re.search(pattern, value) or "\n" in value):
        yield ValidationError("has a character that is not allowed")


def _required(_: Any, names: list[str], value: Any, __: Any) -> Iterator[ValidationError]:
    """By the name of what is missing, as the board says it."""
    if isinstance(value, dict):
        yield from (ValidationError("is missing", path=[n]) for n in names if n not in value)


def _text(error: ValidationError) -> str:
    expected = error.schema.get("expected") if isinstance(error.schema, dict) else None
    if error.validator == "type":
        # The library's own text has the value in it, which may be a password.
        expected = expected or f"of the type {error.validator_value}"
    return f"must be {expected}" if expected else str(error.message)


def _filled(schema: dict[str, Any], value: Any) -> Any:
    if isinstance(value, dict):
        for key, part in schema.get("properties", {}).items():
            if key not in value and "default" in part:
                value[key] = part["default"]
            if key in value:
                _filled(part, value[key])
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            _filled(schema["items"], item)
    return value
