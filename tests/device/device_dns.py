import random
import struct

from mote.portal import dns

ADDRESS = b"\xc0\xa8\x04\x01"
A, AAAA, TXT, SVCB, HTTPS = 1, 28, 16, 64, 65


def name(text):
    return b"".join(bytes((len(part),)) + part.encode() for part in text.split(".")) + b"\0"


def query(kind, text="captive.apple.com", flags=0x0100, questions=1, tail=b"", additional=0):
    head = struct.pack("!HHHHHH", 0x1234, flags, questions, 0, 0, additional)
    return head + (name(text) + struct.pack("!HH", kind, 1)) * questions + tail


def parts(response):
    return struct.unpack("!HHHHHH", response[:12])


def test_an_a_question_gets_the_portals_address():
    asked = query(A)
    response = dns.answer(asked, ADDRESS)
    ident, flags, questions, answers, authorities, additional = parts(response)
    assert (ident, questions, answers, authorities, additional) == (0x1234, 1, 1, 0, 0)
    assert flags & 0x8000 and flags & 0x000F == 0 and flags & 0x0100
    assert response[12 : len(asked)] == asked[12:]
    record = response[len(asked) :]
    assert record == struct.pack("!HHHIH", 0xC00C, A, 1, dns.TTL_S, 4) + ADDRESS
    assert 0 <= dns.TTL_S <= 60


def test_every_other_type_gets_an_empty_answer_at_once():
    for kind in (AAAA, TXT, SVCB, HTTPS, 255 + 1):
        asked = query(kind)
        response = dns.answer(asked, ADDRESS)
        assert parts(response)[2:] == (1, 0, 0, 0), kind
        assert parts(response)[1] & 0x000F == 0, "NOERROR, not NXDOMAIN"
        assert response[12:] == asked[12:]


def test_an_edns_record_is_not_copied_along():
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    response = dns.answer(query(A, tail=opt, additional=1), ADDRESS)
    assert parts(response)[5] == 0
    assert opt not in response


def test_what_is_no_question_for_us_is_refused_or_dropped():
    assert dns.answer(b"", ADDRESS) is None
    assert dns.answer(query(A, flags=0x8180), ADDRESS) is None, "a response"
    assert parts(dns.answer(query(A, flags=0x2800), ADDRESS))[1] & 0xF == 4, "an update"
    assert parts(dns.answer(query(A, questions=2), ADDRESS))[1] & 0xF == 1, "two questions"
    assert parts(dns.answer(query(A, questions=0), ADDRESS))[1] & 0xF == 1, "no question"
    assert dns.answer(query(A) + bytes(600), ADDRESS) is None, "larger than UDP allows"


def test_a_cut_or_compressed_name_is_a_format_error_and_never_fatal():
    whole = query(A)
    for length in range(len(whole)):
        response = dns.answer(whole[:length], ADDRESS)
        assert response is None or parts(response)[1] & 0xF == 1, length
    loop = whole[:12] + b"\xc0\x0c" + struct.pack("!HH", A, 1)
    assert parts(dns.answer(loop, ADDRESS))[1] & 0xF == 1
    endless = whole[:12] + b"\x3f" + b"x" * 63
    assert parts(dns.answer(endless, ADDRESS))[1] & 0xF == 1


def test_a_name_has_255_bytes_at_most():
    for labels, code in ((126, 0), (127, 0), (128, 1), (140, 1), (160, 1)):
        # Each label takes two bytes, the end of the name one.
        response = dns.answer(query(A, ".".join(["x"] * labels)), ADDRESS)
        assert parts(response)[1] & 0xF == code, labels


def test_ten_thousand_random_packets_raise_nothing():
    random.seed(1)
    whole = query(A)
    for _ in range(10_000):
        packet = bytearray(whole)
        for _ in range(random.randrange(1, 8)):
            packet[random.randrange(len(packet))] = random.getrandbits(8)
        response = dns.answer(bytes(packet[: random.randrange(len(packet) + 1)]), ADDRESS)
        assert response is None or len(response) <= 512
