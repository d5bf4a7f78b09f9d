"""Answers every name with the portal's address (RFC 1035), so that a phone's probe finds the page.

Only what was asked is answered: an A question gets the address; AAAA, HTTPS, SVCB and the rest get
an empty answer at once, because a phone waits out every question that stays open.
"""

import struct

TTL_S = 30
_HEADER = 12
PACKET_MAX = 512
_NAME_MAX = 255
_A, _ANY, _IN = 1, 255, 1
_RESPONSE, _OPCODE = 0x8000, 0x7800
_AUTHORITATIVE, _RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x0400, 0x0100, 0x0080
_FORMERR, _NOTIMP = 1, 4


def answer(packet, address):
    """The response to one packet, None for what deserves none. `address` is four bytes.

    The question comes back alone: an EDNS record copied along would make the packet malformed.
    """
    if len(packet) < _HEADER or len(packet) > PACKET_MAX:
        return None
    ident, flags, questions = struct.unpack_from("!HHH", packet, 0)
    if flags & _RESPONSE:
        return None
    if flags & _OPCODE:
        return _reply(ident, flags, _NOTIMP, b"", b"")
    end = _end_of_name(packet, _HEADER)
    if questions != 1 or end is None or end + 4 > len(packet):
        return _reply(ident, flags, _FORMERR, b"", b"")
    kind, family = struct.unpack_from("!HH", packet, end)
    question = packet[_HEADER : end + 4]
    record = b""
    if family == _IN and kind in (_A, _ANY):
        # 0xC00C points at the name of the question (4.1.4).
        record = struct.pack("!HHHIH", 0xC00C, _A, _IN, TTL_S, 4) + address
    return _reply(ident, flags, 0, question, record)


def _reply(ident, flags, code, question, record):
    kept = flags & (_OPCODE | _RECURSION_DESIRED)
    head = _RESPONSE | _AUTHORITATIVE | _RECURSION_AVAILABLE | kept | code
    counts = struct.pack("!HHHHHH", ident, head, 1 if question else 0, 1 if record else 0, 0, 0)
    return counts + question + record


def _end_of_name(packet, place):
    """Index behind the name; None when it is cut, too long or compressed (a question never is)."""
    limit = min(len(packet), place + _NAME_MAX)
    while place < limit:
        size = packet[place]
        if size == 0:
            return place + 1
        if size > 63:
            return None
        place += size + 1
    return None
