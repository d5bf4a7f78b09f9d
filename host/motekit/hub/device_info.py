"""Read what a device says of itself, as the store has it: older versions stored it unchecked."""

import json
import math
import re
from typing import Any

DEPTH_MAX = 16
_SURROGATES = re.compile("[\ud800-\udfff]")


def read_info(text: str) -> dict[str, Any]:
    """Return the object in `text`, safe to write as JSON in UTF-8; an empty one if it is none.

    Lone surrogates become U+FFFD; NaN, infinities and what is nested too deeply become None.
    """
    try:
        info = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return _cleaned(info, DEPTH_MAX) if isinstance(info, dict) else {}


def without_surrogates(text: str) -> str:
    """Return `text` with U+FFFD for lone surrogates, which UTF-8 cannot carry."""
    return _SURROGATES.sub("\ufffd", text)


def _cleaned(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict | list) and not depth:
        return None
    if isinstance(value, dict):
        return {_cleaned(k, depth): _cleaned(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_cleaned(one, depth - 1) for one in value]
    return value
