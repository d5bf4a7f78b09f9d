"""What phones really send to a captive portal, and odd relatives of it: where fuzzing starts."""

import struct

_A, _AAAA, _HTTPS, _TXT, _SVCB, _ANY = 1, 28, 65, 16, 64, 255
_FORM = "application/x-www-form-urlencoded"
_PHONE = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.32"
)


def _name(text: str) -> bytes:
    labels = [label.encode() for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _query(
    kind: int,
    name: bytes = _name("connectivitycheck.gstatic.com"),
    flags: int = 0x0100,
    family: int = 1,
    questions: int = 1,
    more: bytes = b"",
) -> bytes:
    head = struct.pack("!6H", 0x1234, flags, questions, 0, 0, 1 if more else 0)
    return head + (name + struct.pack("!HH", kind, family)) * questions + more


def dns() -> list[bytes]:
    """Queries."""
    edns = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    cookie = b"\0" + struct.pack("!HHIHHH", 41, 1232, 0, 12, 10, 8) + b"12345678"
    whole = _query(_A)
    names = ("captive.apple.com", "www.msftconnecttest.com", "detectportal.firefox.com", "", "a")
    return [
        *(_query(kind) for kind in (_A, _AAAA, _HTTPS, _TXT, _SVCB, _ANY)),
        *(_query(_A, _name(name)) for name in names),
        _query(_A, more=edns),
        _query(_HTTPS, more=cookie),
        _query(_A, flags=0x0120, more=edns),
        _query(_A, family=3),
        _query(_A, family=0x8001),
        _query(_A, flags=0x2800),
        _query(_A, flags=0x8180),
        _query(_A, b"\x03www\xc0\x0c"),
        _query(_A, b"\xc0\x0c"),
        _query(_A, _name("x" * 63 + "." + "y" * 63)),
        _query(_A, _name(".".join(["x" * 49] * 5))),
        _query(_A, _name(".".join(["x"] * 127))),
        _query(_A, questions=2),
        _query(_A, questions=9),
        _query(_A, questions=0),
        *(whole[:length] for length in (0, 5, 12, 13, 20, len(whole) - 4, len(whole) - 1)),
        whole + bytes(512 - len(whole)),
        whole + bytes(513 - len(whole)),
    ]


def http() -> list[bytes]:
    """Requests, each with a byte in front for the size of its pieces."""
    gets = [
        _request("GET", "/generate_204", "connectivitycheck.gstatic.com", f"User-Agent: {_PHONE}"),
        _request("GET", "/hotspot-detect.html", "captive.apple.com", "Connection: close"),
        _request("GET", "/connecttest.txt", "www.msftconnecttest.com", "Accept: */*"),
        _request("GET", "/success.txt?ipv4", "detectportal.firefox.com", "Pragma: no-cache"),
        _request("HEAD", "/", "192.168.4.1"),
        _request("GET", "http://192.168.4.1/path?x=1", "192.168.4.1:80"),
        _request("GET", "*", "a"),
        _request("GET", "/", "a", "X: " + "x" * 1900),
        _request("GET", "/", "a", "X: " + "x" * 2100),
        _request("GET", "/caf\u00e9%20\u7db2", "ger\u00e4t.local"),
    ]
    forms = [
        b"id=plant+1&ssid=Caf%C3%A9+%F0%9F%8C%B1&password=a%26b%3Dc%2B%25&empty=",
        b"id=IOT_240AC4000010&ssid=Home&ssid_other=&host=10.0.0.2&port=1883&tls=on&interval=10",
        b"a=%ff%fe&b=%&c=%4&d=%zz&%%%=1&&&=&e&a=twice",
        b"x=" + b"%41" * 600,
        b"",
    ]
    posts = [_post(body) for body in forms]
    whole = posts[0]
    odd = [
        whole.replace(b"\r\n", b"\n"),
        whole.replace(b"\r\n", b"\r"),
        whole.replace(b": ", b":"),
        whole.replace(b": ", b" : "),
        whole.replace(b"Host", b"HOST").replace(b"Content-Length", b"content-length"),
        whole.replace(b"Host: ", b"Host:\t \r\n "),
        whole.replace(b"POST", b"PUT"),
        whole.replace(b"HTTP/1.1", b"HTTP/2"),
        whole.replace(b"HTTP/1.1", b"HTTP/1.0"),
        whole.replace(b"Host", b"Transfer-Encoding"),
        whole.replace(b"Host: 192.168.4.1", b"Content-Length: 5"),
        whole[: len(whole) // 2],
        whole + whole,
        b"\r\n" + whole,
        b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: \u0665\r\n\r\nhello".encode(),
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET /\x00\t HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"",
    ]
    sizes = (255, 20, 2, 0)
    return [bytes([sizes[i % 4]]) + one for i, one in enumerate([*gets, *posts, *odd])]


def _request(method: str, target: str, host: str, *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def _post(body: bytes) -> bytes:
    length = f"Content-Length: {len(body)}"
    return _request("POST", "/save", "192.168.4.1", f"Content-Type: {_FORM}", length) + body
