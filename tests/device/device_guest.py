"""The portal's page in the joined network: for the client at the USB cable, and nobody else."""

from mote.portal.guest import Guest
from mote.portal.request import Request

ADDRESS = "192.168.50.20"
OWNER, STRANGER = "192.168.50.77", "192.168.50.66"


def asked(path, host=ADDRESS, peer=OWNER):
    request = Request("GET", path, {"host": host}, b"")
    request.peer = peer
    return request


def test_the_word_leads_to_the_page_and_is_taken_off():
    guest = Guest(ADDRESS)
    base = guest.url()[len("http://" + ADDRESS) :]
    assert len(base) == 18 and base[0] == base[-1] == "/"
    for path, inner in ((base, "/"), (base + "save", "/save"), (base + "a/b", "/a/b")):
        request = asked(path)
        assert guest.elsewhere(request) is None
        assert (request.path, request.base) == (inner, base)


def test_two_openings_have_two_words():
    assert Guest(ADDRESS).url() != Guest(ADDRESS).url()


def test_nobody_else_gets_more_than_a_sentence():
    guest = Guest(ADDRESS)
    base = guest.url()[len("http://" + ADDRESS) :]
    odd = ("/", "", "/save", "/progress", "/status", base[:-1], base[1:], "/0123456789abcdef/")
    for request in [asked(path) for path in odd] + [
        asked(base, host="evil.example"),
        asked(base, host="192.168.4.1"),
        asked(base, host=""),
    ]:
        answer = guest.elsewhere(request)
        assert answer.status == 404 and b"USB" in answer.body[0], request.path
        assert request.path == base or request.path in odd


def test_the_word_is_for_one_client_until_the_cable_is_asked_again():
    guest = Guest(ADDRESS)
    base = guest.url()[len("http://" + ADDRESS) :]
    assert guest.elsewhere(asked("/", peer=STRANGER)).status == 404
    assert guest.elsewhere(asked(base)) is None
    assert guest.elsewhere(asked(base, peer=STRANGER)).status == 404
    assert guest.elsewhere(asked(base + "save")) is None
    # The computer has got another address since.
    assert guest.url().endswith(base)
    assert guest.elsewhere(asked(base, peer="192.168.50.78")) is None
    assert guest.elsewhere(asked(base)).status == 404
