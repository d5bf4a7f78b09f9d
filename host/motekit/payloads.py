"""Check what devices send over MQTT, once, where it enters a program.

Size, nesting, encoding, duplicate keys, finiteness and ranges are checked here and nowhere else:
what these functions return can be stored, published as JSON and shown.
"""

import json
import math
import re
from typing import Any

from mote import contract

# A board's info is about 1 KB. Every document of a board fits in this many bytes.
JSON_MAX = 64 * 1024
JSON_DEPTH_MAX = 16
# The longest decimal form of a double that Python or MicroPython writes has 25 characters.
VALUE_MAX = 64
BACKFILL_LINE_MAX = 256

SECOND_NS = 1_000_000_000
# 2020-01-01 00:00:00 UTC. No board that runs Mote is older: an earlier time is a clock not yet set.
EARLIEST_NS = 1_577_836_800 * SECOND_NS
# Clocks of boards and servers differ a little; more than this is an error.
FUTURE_MAX_NS = 3_600 * SECOND_NS

_INTEGER_MAX = 2**63 - 1
_DECIMAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INTEGER = re.compile(r"-?\d+")
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"?')
_UNITS = ((1_000, "microseconds"), (1_000_000, "milliseconds"), (SECOND_NS, "seconds"))


class PayloadError(ValueError):
    """A payload that breaks the contract; the text says how."""


def parse_json(payload: bytes, size_max: int = JSON_MAX, depth_max: int = JSON_DEPTH_MAX) -> Any:
    """Return the JSON document in `payload`. Raises PayloadError.

    It can be written again as JSON in UTF-8: numbers are finite and fit in 64 bits, text has no
    lone surrogates. A key that an object has twice is refused, as readers disagree on which counts
    (RFC 8259, section 4).
    """
    if len(payload) > size_max:
        raise PayloadError(f"JSON of {len(payload)} bytes; at most {size_max} are allowed")
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise PayloadError(f"not UTF-8 at byte {error.start}") from None
    brackets = text.count("[") + text.count("{")
    if brackets > depth_max and _depth(text) > depth_max:
        raise PayloadError(f"JSON nested more than {depth_max} levels deep")
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise PayloadError(
            f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    if "\\" in text:
        # Only an escape can make a lone surrogate: UTF-8 has none.
        try:
            json.dumps(document, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise PayloadError("JSON with half of a surrogate pair") from None
    return document


def parse_json_object(
    payload: bytes, size_max: int = JSON_MAX, depth_max: int = JSON_DEPTH_MAX
) -> dict[str, Any]:
    """Return the JSON object in `payload`. Raises PayloadError, also for other JSON."""
    document = parse_json(payload, size_max, depth_max)
    if not isinstance(document, dict):
        raise PayloadError("JSON, but not an object")
    return document


def to_json(document: Any) -> str:
    """Return what `parse_json` has returned as JSON text in ASCII."""
    return json.dumps(document, allow_nan=False)


def parse_value(payload: bytes) -> float:
    """Return the reading in `payload`, a finite decimal float in ASCII. Raises PayloadError."""
    if len(payload) > VALUE_MAX:
        raise PayloadError(f"a value of {len(payload)} bytes; at most {VALUE_MAX} are allowed")
    # What Python reads beyond that (`1_000`, `nan`) no other consumer of the topic does.
    if not _DECIMAL.fullmatch(payload):
        raise PayloadError("not a decimal number")
    value = float(payload)
    if not math.isfinite(value):
        raise PayloadError("not a finite number")
    return value


def parse_backfill_line(device: str, line: bytes, now_ns: int) -> tuple[str, int, float]:
    """Return metric, Unix time in nanoseconds and value of one line of a backfill message.

    The line is `sensors,device=<id>,metric=<metric> value=<float> <ns>` in InfluxDB's line
    protocol; the characters of ids and metrics need no escapes there. Raises PayloadError.
    """
    if len(line) > BACKFILL_LINE_MAX:
        raise PayloadError(f"a line of {len(line)} bytes; at most {BACKFILL_LINE_MAX} are allowed")
    try:
        tags, field, time_text = line.decode("ascii").split(" ")
        measurement, device_tag, metric_tag = tags.split(",")
        key, number = field.split("=")
    except ValueError:
        raise PayloadError("not a line of backfill") from None
    if measurement != "sensors" or key != "value" or not metric_tag.startswith("metric="):
        raise PayloadError("not a line of backfill")
    if device_tag != "device=" + device:
        raise PayloadError("a line of another device")
    metric = metric_tag[7:]
    if not contract.is_metric(metric):
        raise PayloadError("not a metric's name")
    value = parse_value(number.encode())
    if not _INTEGER.fullmatch(time_text):
        raise PayloadError("the time is not an integer")
    time_ns = int(time_text)
    check_time(time_ns, now_ns)
    return metric, time_ns, value


def check_time(time_ns: int, now_ns: int) -> None:
    """Raise PayloadError unless `time_ns` is from 2020 on and not after `now_ns` + 1 hour."""
    if EARLIEST_NS <= time_ns <= now_ns + FUTURE_MAX_NS:
        return
    if time_ns < 0:
        raise PayloadError("the time is negative")
    if time_ns > _INTEGER_MAX:
        raise PayloadError("the time does not fit in 64 bits")
    if time_ns > now_ns:
        raise PayloadError("the time is more than an hour in the future")
    for factor, unit in _UNITS:
        if EARLIEST_NS <= time_ns * factor <= now_ns + FUTURE_MAX_NS:
            raise PayloadError(f"the time is in {unit}, not in nanoseconds")
    raise PayloadError("the time is before 2020")


def _depth(text: str) -> int:
    """Return how deeply `text` is nested, before a parser recurses into it."""
    depth = deepest = 0
    for character in re.findall(r"[\[\]{}]", _STRINGS.sub("", text)):
        depth += 1 if character in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise PayloadError(f"JSON with the key {key[:40]!a} twice")
            seen.add(key)
    return found


def _refuse_constant(name: str) -> Any:
    raise PayloadError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise PayloadError("a JSON number that is not finite as a double")
    return value


def _integer(text: str) -> int:
    # Python refuses to convert thousands of digits, with an error of its own.
    if len(text) > 20 or not -_INTEGER_MAX - 1 <= int(text) <= _INTEGER_MAX:
        raise PayloadError("a JSON integer that does not fit in 64 bits")
    return int(text)
