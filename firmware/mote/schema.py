"""Checks a document against the JSON Schema (draft 2020-12) subset that `config.schema.json` uses.

Beside the standard keywords stand two of ours: `maxBytes`, a length in UTF-8 bytes, because the
radio counts bytes (IEEE 802.11 SSIDs, WPA keys), and `expected`, the words that a person is told.
Keywords: type const enum properties required additionalProperties items minItems maxItems
minLength maxLength maxBytes pattern minimum maximum anyOf oneOf title default; `true` allows all.
"""

import io
import json
import re

from mote import utf8

# Bytes of a file that are in memory at a time.
_PIECE = 128
_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
}


def check(schema, value):
    """Every fault of `value`, as a list of (path, text); empty when it conforms.

    A path is the keys and indexes joined by dots: `wifi.0.ssid`.
    """
    faults = []
    _check(schema, value, "", faults)
    return faults


class FileText:
    """The bytes of a file, indexed and sliced as bytes are, with a short piece of it in memory.

    The whole takes a quarter of what a board has left, and no board beside running has that in one
    piece.
    """

    def __init__(self, file, size):
        self._file, self._size = file, size
        self._begin, self._piece = 0, b""

    def __len__(self):
        return self._size

    def __getitem__(self, at):
        if isinstance(at, slice):
            self._file.seek(at.start)
            return self._file.read(at.stop - at.start)
        if not self._begin <= at < self._begin + len(self._piece):
            self._file.seek(at)
            self._begin, self._piece = at, self._file.read(_PIECE)
        return self._piece[at - self._begin]


class _Part(io.IOBase):
    """A part of a text as a stream, for `json.load`: no copy of it in one piece."""

    def __init__(self, text, at, stop):
        self._text, self._at, self._stop = text, at, stop

    def readinto(self, buffer):
        if self._at >= self._stop:
            return 0
        buffer[0] = self._text[self._at]
        self._at += 1
        return 1


def check_text(text, value):
    """As `check`, of a schema of an object as JSON text: bytes, or a `FileText`.

    A property of it is parsed at a time.
    """
    faults, names = [], {}
    rules = {"properties": names}
    for key, begin, end in _members(text, 0, len(text)):
        if key == "properties":
            for name, _, _ in _members(text, begin, end):
                names[name] = True
        else:
            rules[key] = json.load(_Part(text, begin, end))
    _check(rules, value, "", faults)
    if isinstance(value, dict):
        for name, begin, end in _properties(text):
            if name in value:
                _check(json.load(_Part(text, begin, end)), value[name], name, faults)
    return faults


def fill_text(text, value):
    """As `fill`, for `check_text`."""
    for name, begin, end in _properties(text):
        fill({"properties": {name: json.load(_Part(text, begin, end))}}, value)
    return value


def _properties(text):
    for key, begin, end in _members(text, 0, len(text)):
        if key == "properties":
            yield from _members(text, begin, end)


def _members(text, at, stop):
    """(name, begin, end of the value) of each member of the JSON object from `at` to `stop`.

    It is known to be one.
    """
    depth, in_string, begin, name = 0, False, 0, None
    while at < stop:
        c = text[at]
        if in_string:
            if c == 0x5C:
                at += 1
            elif c == 0x22:
                in_string = False
                if depth == 1 and name is None:
                    name = str(text[begin:at], "utf-8")
        elif c == 0x22:
            in_string = True
            if depth == 1 and name is None:
                begin = at + 1
        elif c == 0x3A and depth == 1:
            begin = at + 1
        elif c in b"{[":
            depth += 1
        else:
            if c in b"}]":
                depth -= 1
            if name is not None and (depth == 0 or (c == 0x2C and depth == 1)):
                yield name, begin, at
                name = None
        at += 1


def fill(schema, value):
    """`value` with the schema's defaults put in wherever a key is missing; changes it in place."""
    properties = schema.get("properties")
    if properties and isinstance(value, dict):
        for key, part in properties.items():
            if key not in value and "default" in part:
                value[key] = part["default"]
            if key in value:
                fill(part, value[key])
    if "items" in schema and isinstance(value, list):
        for item in value:
            fill(schema["items"], item)
    return value


def _is_type(name, value):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value)
    return isinstance(value, _TYPES[name])


def _is_finite(value):
    """Neither NaN nor more than a board can hold (IEEE 754, single precision)."""
    return -3.4e38 <= value <= 3.4e38


def _same(a, b):
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _check(schema, value, path, faults):
    if schema is True:
        return
    kind = schema.get("type")
    if kind and not _is_type(kind, value):
        faults.append((path, schema.get("expected") or "must be of type " + kind))
        return
    if "const" in schema and not _same(value, schema["const"]):
        faults.append((path, "must be %r" % (schema["const"],)))
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        faults.append((path, "must be one of %r" % (schema["enum"],)))
    if isinstance(value, str):
        _check_string(schema, value, path, faults)
    elif isinstance(value, dict):
        _check_object(schema, value, path, faults)
    elif isinstance(value, list):
        _check_array(schema, value, path, faults)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_number(schema, value, path, faults)
    if "anyOf" in schema and not any(_passes(one, value) for one in schema["anyOf"]):
        faults.append((path, schema.get("expected") or "has none of the allowed forms"))
    if "oneOf" in schema:
        _check_one_of(schema, value, path, faults)


def _passes(schema, value):
    faults = []
    _check(schema, value, "", faults)
    return not faults


def _check_string(schema, value, path, faults):
    before = len(faults)
    if not utf8.is_text(value):
        faults.append((path, "has a character that is not allowed"))
    elif len(value) < schema.get("minLength", 0):
        faults.append((path, "is missing" if not value else "is too short"))
    elif len(value) > schema.get("maxLength", len(value)):
        faults.append((path, "is longer than %d characters" % schema["maxLength"]))
    elif "maxBytes" in schema and len(value.encode()) > schema["maxBytes"]:
        faults.append((path, "is longer than %d bytes" % schema["maxBytes"]))
    elif "pattern" in schema and (not re.match(schema["pattern"], value) or "\n" in value):
        faults.append((path, "has a character that is not allowed"))
    if len(faults) > before and "expected" in schema and value:
        faults[-1] = (path, "must be " + schema["expected"])


def _check_number(schema, value, path, faults):
    if value < schema.get("minimum", value):
        faults.append((path, "must be at least %s" % schema["minimum"]))
    if value > schema.get("maximum", value):
        faults.append((path, "must be at most %s" % schema["maximum"]))


def _check_object(schema, value, path, faults):
    properties = schema.get("properties", {})
    for key in schema.get("required", ()):
        if key not in value:
            faults.append((_join(path, key), "is missing"))
    for key in value:
        if key in properties:
            _check(properties[key], value[key], _join(path, key), faults)
        elif schema.get("additionalProperties") is False:
            faults.append((_join(path, key), "is not a known setting"))


def _check_array(schema, value, path, faults):
    if len(value) < schema.get("minItems", 0):
        faults.append((path, "needs at least %d" % schema["minItems"]))
    if len(value) > schema.get("maxItems", len(value)):
        faults.append((path, "has more than %d" % schema["maxItems"]))
    if "items" in schema:
        for i, item in enumerate(value):
            _check(schema["items"], item, _join(path, str(i)), faults)


def _check_one_of(schema, value, path, faults):
    best = None
    matches = 0
    for one in schema["oneOf"]:
        found = []
        _check(one, value, path, found)
        if not found:
            matches += 1
        # The alternative that fails deepest is the one that the writer meant.
        depth = max((where.count(".") for where, _ in found), default=0) if found else 0
        rank = (_names_type(one, value), depth)
        if best is None or rank > best[0]:
            best = (rank, found)
    if matches != 1:
        faults.extend(best[1] or ((path, "matches more than one form"),))


def _names_type(schema, value):
    if isinstance(value, dict):
        return value.get("type") in schema.get("properties", {}).get("type", {}).get("enum", ())
    return schema.get("type") == "array" and isinstance(value, list)


def _join(path, key):
    return path + "." + key if path else key
