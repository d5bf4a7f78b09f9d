"""Writes `config_text.json`: configurations as bytes, and whether board and host take them.

    python tests/vectors/make_config_texts.py

`text` is UTF-8 unless `base64` is there. `server` and `ssid` are what an accepted one comes to.
"""

import base64
import json
from pathlib import Path

FILE = Path(__file__).with_name("config_text.json")
SMALL = '{"version":1,"id":"plant1","wifi":[{"ssid":%s}],"mqtt":{%s}%s}'
Vector = dict[str, object]


def text(ssid: str = '"Home"', mqtt: str = '"host":"mqtt.local"', more: str = "") -> str:
    return SMALL % (ssid, mqtt, more)


def taken(name: str, content: str | bytes, **more: object) -> Vector:
    return {"name": name, "accepted": True, **_content(content), **more}


def refused(name: str, content: str | bytes) -> Vector:
    return {"name": name, "accepted": False, **_content(content)}


def _content(content: str | bytes) -> Vector:
    if isinstance(content, str):
        return {"text": content}
    return {"base64": base64.b64encode(content).decode()}


def vectors() -> list[Vector]:
    plain = text()
    deep = text(more=',"sensors":' + "[" * 20 + "]" * 20)
    return [
        taken("nothing special", plain),
        taken("blanks and line ends between everything", plain.replace(",", " ,\r\n\t")),
        *encodings(plain),
        *grammar(plain),
        *surrogates(),
        *numbers(),
        *blanks(),
        *addresses(),
        refused("twenty lists in each other", deep),
        refused("100,000 lists in each other", "[" * 100_000),
        refused("larger than any configuration is", text(more=" " * 12_288)),
    ]


def encodings(plain: str) -> list[Vector]:
    latin = text('"Café"')
    return [
        taken("a byte-order mark (UTF-8)", b"\xef\xbb\xbf" + plain.encode()),
        refused("two byte-order marks", b"\xef\xbb\xbf" * 2 + plain.encode()),
        refused("a byte-order mark inside", plain.encode().replace(b",", b",\xef\xbb\xbf")),
        refused("UTF-16 with a byte-order mark", plain.encode("utf-16")),
        refused("UTF-16, big-endian", b"\xfe\xff" + plain.encode("utf-16-be")),
        refused("UTF-16 without a byte-order mark", plain.encode("utf-16-le")),
        taken("é as UTF-8", latin, ssid="Café"),
        refused("é in code page 1252", latin.encode("cp1252")),
        refused("half of a character in UTF-8", text('"\u20ac"').encode().replace(b"\x82", b"")),
        refused("overlong UTF-8", text('"@"').encode().replace(b"@", b"\xc0\x80")),
        refused("a surrogate in UTF-8", text('"@"').encode().replace(b"@", b"\xed\xa0\xbd")),
        refused("a surrogate pair in UTF-8 (CESU-8)",
                text('"@"').encode().replace(b"@", b"\xed\xa0\xbd\xed\xb8\x80")),
        refused("beyond U+10FFFF", text('"@"').encode().replace(b"@", b"\xf4\x90\x80\x80")),
        refused("a byte that UTF-8 has not", text('"@"').encode().replace(b"@", b"\xff")),
    ]  # fmt: skip


def grammar(plain: str) -> list[Vector]:
    return [
        refused("nothing", ""),
        refused("a word", "plant1"),
        refused("a list", f"[{plain}]"),
        refused("two documents", plain * 2),
        refused("something behind it", plain + "x"),
        refused("cut in the middle", plain[: len(plain) // 2]),
        refused("cut before the last brace", plain[:-1]),
        refused("a comma too many", plain[:-1] + ",}"),
        refused("a comma too few", plain.replace(",", " ", 1)),
        refused("no colon", plain.replace(":", " ", 1)),
        refused("single quotes", plain.replace('"', "'")),
        refused("a name without quotes", plain.replace('"id"', "id")),
        refused("a comment", plain.replace("{", "{/* mine */", 1)),
        refused("a line end in a text", text('"Ho\nme"')),
        refused("an escape that JSON has not", text(r'"Ho\me"')),
        refused("an escape that is cut", text(r'"\u12"')),
        refused("an escape with a sign", text(r'"\u+123"')),
        taken("escapes that JSON has", text(r'"\"\\\/\u0048"'), ssid='"\\/H'),
        refused("an SSID with a NUL, where a radio would end it", text(r'"Home\u0000"')),
        refused("the id twice", plain.replace('"id":', '"id":"plant1","id":')),
        refused("the id twice, once escaped", plain.replace('"id":', r'"\u0069d":"a","id":')),
        refused("a password twice, in a list", text('"a","password":"12345678","password":""')),
        refused("TRUE", text(more=',"deep_sleep":TRUE')),
    ]


def surrogates() -> list[Vector]:
    smile = "\N{GRINNING FACE}"
    return [
        taken("an emoji as it is", text(f'"{smile}"'), ssid=smile),
        taken("an emoji as an escaped pair", text(r'"\ud83d\ude00"'), ssid=smile),
        taken("the same in capitals, amid text", text(r'"a\uD83D\uDE00b"'), ssid=f"a{smile}b"),
        taken("two pairs", text(r'"\ud83d\ude00\ud83d\ude00"'), ssid=smile * 2),
        refused("the first half alone", text(r'"\ud83d"')),
        refused("the second half alone", text(r'"\ude00"')),
        refused("the halves in the wrong order", text(r'"\ude00\ud83d"')),
        refused("the first half twice", text(r'"\ud83d\ud83d"')),
        refused("a first half before a letter", text(r'"\ud83dx"')),
        refused("a first half before another escape", text(r'"\ud83d\n"')),
        taken("32 bytes of emoji", text(f'"{smile * 8}"'), ssid=smile * 8),
        refused("36 bytes of emoji", text(r'"%s"' % (r"\ud83d\ude00" * 9))),
    ]


def numbers() -> list[Vector]:
    def interval(number: str) -> str:
        return text(more=f',"interval":{number}')

    def volts(number: str) -> str:
        sensor = f'{{"type":"analog","pin":34,"name":"soil","volts":[{number},3]}}'
        return text(more=f',"sensors":[{sensor}]')

    return [
        taken("a whole number", interval("30")),
        taken("a fraction", interval("2.5")),
        taken("an exponent", interval("6e1")),
        taken("an exponent with signs", interval("250.0E-2")),
        *(refused(f"{n} seconds", interval(n)) for n in (
            "NaN", "nan", "Infinity", "-Infinity", "1e999", "-1e999", "+5", "05", "5.", ".5", "5e",
            "0x10", "1_0", "5,5", '"5"', "-", "--5",
        )),
        taken("volts below zero", volts("-0.5")),
        *(refused(f"{n} volts", volts(n)) for n in ("NaN", "Infinity", "1e999", "-1e999", "1e39")),
        refused("a number of a thousand digits", volts("1" * 1000)),
        refused("a port as a fraction", text(mqtt='"host":"h","port":1883.0')),
    ]  # fmt: skip


def blanks() -> list[Vector]:
    def password(password: str) -> str:
        return text(f'"Home","password":"{password}"')

    return [
        taken("blanks around an SSID are part of it", text('"  Home "'), ssid="  Home "),
        taken("an SSID of a blank", text('" "'), ssid=" "),
        taken("a passphrase of nine blanks", password(" " * 9), password=" " * 9),
        taken("a blank before and after a passphrase", password(" 123456 "), password=" 123456 "),
        refused("a passphrase of seven blanks", password(" " * 7)),
    ]


def addresses() -> list[Vector]:
    def host(host: str, more: str = "") -> str:
        return text(mqtt=f'"host":{json.dumps(host)}{more}')

    return [
        *(taken(f"server {name!r} {more}", host(name, more), server=list(server))
          for name, more, *server in (
            ("mqtt.local", "", "mqtt.local", 1883, False),
            (" mqtt.local ", "", "mqtt.local", 1883, False),
            ("h:1884", "", "h", 1884, False),
            ("h:1884", ',"port":1884', "h", 1884, False),
            ("h", ',"port":1884', "h", 1884, False),
            ("192.168.1.10:1884", ',"tls":true', "192.168.1.10", 1884, True),
            ("mqtt://h", "", "h", 1883, False),
            ("mqtt://h/", "", "h", 1883, False),
            ("h/", "", "h", 1883, False),
            ("MQTT://h:1884/", "", "h", 1884, False),
            ("tcp://h:1884", "", "h", 1884, False),
            ("mqtts://h", "", "h", 8883, True),
            ("ssl://h:8884", "", "h", 8884, True),
            ("mqtts://h", ',"port":1234', "h", 1234, True),
            ("::1", "", "::1", 1883, False),
            ("[::1]", "", "::1", 1883, False),
            ("[::1]:1884", "", "::1", 1884, False),
            ("mqtts://[fe80::1]", "", "fe80::1", 8883, True),
        )),
        *(refused(f"server {name!r} {more}", host(name, more)) for name, more in (
            ("", ""), (" ", ""), ("http://h", ""), ("https://h:8883", ""), ("ws://h", ""),
            ("mqtt://", ""), ("user:pass@h", ""), ("mqtt://user:pass@h:1883", ""), ("u@h", ""),
            ("h:", ""), ("h:0", ""), ("h:65536", ""), ("h:99999999999", ""), ("h:x", ""),
            ("h:-1", ""), ("h:1883:1884", ""), (":1883", ""), ("h/path", ""), ("mqtt://h//", ""),
            ("[::1", ""), ("[::1]x", ""), ("[h]:1883", ""), ("a b", ""), ("h\n", "x"), ("é", ""),
            ("h:1884", ',"port":1885'), ("mqtts://h", ',"tls":false'), ("mqtt://h", ',"tls":true'),
            ("h:\u0661", ""),
        )),
    ]  # fmt: skip


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
