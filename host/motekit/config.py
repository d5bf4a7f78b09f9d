"""Device configurations on the host: accepted and rejected by the same schema as on the board."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

from motekit import places


class ConfigError(Exception):
    """A document breaks rules; `faults` lists (path, what is expected)."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path or 'the document'} {text}" for path, text in faults))
        self.faults = faults


def checked(document: Any) -> dict[str, Any]:
    """`document` with its defaults, if it conforms. Raises ConfigError with every fault."""
    errors = sorted(_validator().iter_errors(document), key=lambda error: list(error.path))
    if errors:
        raise ConfigError([(".".join(map(str, e.path)), _text(e)) for e in errors])
    filled: dict[str, Any] = _filled(_validator().schema, json.loads(json.dumps(document)))
    return filled


def schema() -> dict[str, Any]:
    """The one JSON Schema, as board and host have it."""
    document: dict[str, Any] = json.loads(places.CONFIG_SCHEMA.read_text(encoding="utf-8"))
    return document


@cache
def _validator() -> Any:
    own = {"maxBytes": _max_bytes, "pattern": _pattern}
    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    kind: Any = validators.extend(Draft202012Validator, own, type_checker=checker)  # type: ignore[no-untyped-call]
    return kind(schema())


def _is_integer(_: object, value: object) -> bool:
    # JSON knows no difference between 1 and 1.0; the board does.
    return isinstance(value, int) and not isinstance(value, bool)


def _max_bytes(_: Any, limit: int, value: Any, __: Any) -> Iterator[ValidationError]:
    """The radio counts bytes of UTF-8, not characters."""
    if isinstance(value, str) and len(value.encode()) > limit:
        yield ValidationError(f"is longer than {limit} bytes")


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    # Python's `$` matches before a final line break.
    if isinstance(value, str) and (not re.search(pattern, value) or "\n" in value):
        yield ValidationError("has a character that is not allowed")


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
