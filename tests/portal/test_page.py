"""The page: one file, packed, small, in five languages."""

import gzip
import html.parser
import json
import re
from pathlib import Path

import pytest
from board_in_setup import STREET, ask, board_in_setup, submit
from mote import failure

pytestmark = pytest.mark.anyio
PORTAL = Path(__file__).parents[2] / "firmware" / "mote" / "portal"
LANGUAGES = sorted(p.stem for p in (PORTAL / "languages").glob("*.json"))
LIMIT = 8 * 1024


class Outline(html.parser.HTMLParser):
    """Elements of a page with their attributes, and the labels that name its fields."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


async def test_in_every_language_it_is_one_gzip_stream_below_8_kb_on_the_wire() -> None:
    async with board_in_setup() as board:
        for language in LANGUAGES:
            answer = await ask(board, Accept_Encoding="gzip, deflate", Accept_Language=language)
            assert answer.headers["content-encoding"] == "gzip"
            # gzip checks the CRC-32 and the length that the board computed over its parts.
            text = gzip.decompress(answer.body).decode()
            assert len(answer.body) < LIMIT, (language, len(answer.body))
            assert f'lang="{language}"' in text
            assert not re.search(r"\[\[|\{\{", text)
            for name, attributes in Outline(text).elements:
                for key in ("src", "href", "action"):
                    reference = attributes.get(key) or ""
                    assert reference.startswith(("", "/", "#")) and "//" not in reference, name
            assert "url(" not in text and "@import" not in text


async def test_who_takes_no_gzip_gets_the_same_page_plain() -> None:
    async with board_in_setup() as board:
        packed = await ask(board, Accept_Encoding="gzip")
        plain = await ask(board)
        assert "content-encoding" not in plain.headers
        assert plain.body == gzip.decompress(packed.body)
        head = await ask(board, method="HEAD")
        assert head.status == 200 and head.body == b""


async def test_networks_stand_by_signal_once_each_with_bars_and_a_lock() -> None:
    async with board_in_setup() as board:
        page = (await ask(board)).body.decode()
        outline = Outline(page)
        radios = [a for a in outline.all("input") if a.get("name") == "ssid"]
        names = [a["value"] for a in radios][:-1]
        wanted = sorted((ap for ap in STREET if not ap.hidden), key=lambda ap: -ap.rssi)
        assert names == list(dict.fromkeys(ap.ssid for ap in wanted))
        assert [a["value"] for a in radios if "disabled" in a] == ["eduroam"]
        assert page.count("class=lock") == len(names) - 1, "all but the open one"
        titles = {a.get("title") for a in outline.all("i")}
        assert {"WPA2", "WPA3", "802.1X", "Signal 3/4, no password"} <= titles
        assert "company login: not supported" in page


async def test_every_field_has_a_label_and_a_sentence_that_says_what_it_takes() -> None:
    async with board_in_setup() as board:
        outline = Outline((await ask(board)).body.decode())
        labelled = {a.get("for") for a in outline.all("label")}
        ids = [a["id"] for _, a in outline.elements if "id" in a]
        assert len(ids) == len(set(ids))
        for field in outline.all("input"):
            if field.get("type") in ("radio", "checkbox", "hidden"):
                continue
            assert field["id"] in labelled, field
            described = field.get("aria-describedby")
            assert described is None or described in ids, field


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_a_language_says_everything_that_english_says(language: str) -> None:
    def phrases(name: str) -> set[str]:
        return set(json.loads((PORTAL / "languages" / f"{name}.json").read_text(encoding="utf-8")))

    reasons = {f"{part}.{reason}" for part in ("fail", "remedy") for reason in failure.reasons()}
    assert phrases(language) == phrases("en") | reasons


def test_the_page_has_words_for_every_failure() -> None:
    template = (PORTAL / "page.html").read_text(encoding="utf-8")
    assert set(re.findall(r"{{#fail\.(\w+)}}", template)) == set(failure.reasons())


async def test_what_was_entered_comes_back_escaped_and_without_secrets() -> None:
    async with board_in_setup() as board:
        nasty = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
        entries = f"id={nasty}&ssid=&ssid_other={nasty}&host={nasty}&user={nasty}&interval={nasty}"
        secrets = "&password=home+secret&mqtt_password=mqtt+secret&portal_password=portal+secret"
        answer = await submit(board, "/save", (entries + secrets).encode())
        text = answer.body.decode()
        assert answer.status == 422
        assert "<script>alert" not in text and "secret" not in text
        assert 'aria-invalid="true"' in text and 'role="alert"' in text
        assert not any("secret" in line for line in board.log)
        assert "script-src 'unsafe-inline'" in answer.headers["content-security-policy"]
