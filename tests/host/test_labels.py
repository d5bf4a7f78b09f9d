"""Labels: what a camera and a printer find in the files."""

import io
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import segno
from mote import qr
from motekit.command_table import app
from motekit.exits import DONE, FAILED
from motekit.labels import Label, LabelError, layout, render
from motekit.provision import journal
from PIL import Image
from typer.testing import CliRunner

LABEL = Label(
    "greenhouse", "240AC4E29526", "good luck 7", "http://box.local:8080/device/greenhouse"
)
SVG = "{http://www.w3.org/2000/svg}"


def modules(image: Image.Image, content: str, left: float) -> bool:
    """Whether the code of `content` is in the picture, module by module."""
    matrix = segno.make_qr(content, error="m").matrix
    side = layout._CODE / len(matrix)
    dots = image.width / layout.WIDTH
    for y, row in enumerate(matrix):
        for x, dark in enumerate(row):
            at = (left + (x + 0.5) * side, layout._CODES_Y + (y + 0.5) * side)
            if (image.getpixel((int(at[0] * dots), int(at[1] * dots))) < 128) != bool(dark):
                return False
    return True


def test_a_picture_has_both_codes_with_room_around_them() -> None:
    image = Image.open(io.BytesIO(render([LABEL], "png")))
    assert image.size == (827, 437), "70 by 37 mm at 300 dots an inch"
    wifi = qr.wifi("IOT_240AC4E29526", "good luck 7")
    assert modules(image, wifi, layout._MARGIN)
    second = layout._MARGIN + layout._CODE + layout._BETWEEN
    assert modules(image, LABEL.dashboard, second)
    assert not modules(image, wifi, second)
    # ISO/IEC 18004, 6.3.8: four modules of light on every side.
    quiet = 4 * layout._CODE / len(segno.make_qr(wifi, error="m").matrix)
    assert min(layout._MARGIN, layout._BETWEEN) >= quiet


def test_a_drawing_has_the_name_and_is_as_large_as_the_paper() -> None:
    tree = ElementTree.fromstring(render([LABEL], "svg"))
    assert (tree.get("width"), tree.get("height")) == ("70.0mm", "37.0mm")
    texts = [one.text for one in tree.iter(f"{SVG}text")]
    assert texts == ["greenhouse", "WiFi IOT_240AC4E29526  good luck 7", "Dashboard (after setup)"]
    for one in tree.iter(f"{SVG}rect"):
        if one.get("x"):
            assert 0 <= float(one.get("x")) <= 70 - float(one.get("width"))
            assert 0 <= float(one.get("y")) <= 37 - float(one.get("height"))


def test_the_longest_name_fits() -> None:
    text = next(iter(layout.drawn(Label("W" * 32, "240AC4E29526", ""))))
    from PIL import ImageFont

    width = ImageFont.load_default(100).getlength(text.text) / 100 * text.size
    assert text.x + width <= layout.WIDTH


def test_many_labels_fill_sheets() -> None:
    labels = [Label(f"board{n}", f"{n:012X}", "good luck 7") for n in range(25)]
    assert len(re.findall(rb"/Type /Page\n", render(labels, "pdf"))) == 2
    assert render(labels[:24], "svg").count(b"<text") == 48
    with pytest.raises(LabelError, match=r"25 labels need 2 sheets: name the file \.pdf"):
        render(labels, "svg")
    corners = list(layout.places(25))
    assert len(set(corners)) == 25 and [page for page, _, _ in corners] == [0] * 24 + [1]
    assert all(y + layout.HEIGHT <= layout.SHEET[1] for _, _, y in corners)


def test_the_command_makes_a_sheet_of_the_boards_that_are_done(tmp_path: Path) -> None:
    csv = tmp_path / "class.csv"
    run = CliRunner().invoke
    file = tmp_path / "sheet.svg"
    refused = run(app, ["label", str(file), "--csv", str(csv)])
    assert refused.exit_code == FAILED and "no board of" in refused.stderr
    with journal.opened(csv) as book:
        book.finish(book.claim("240AC4E29526", "one", ""), "good luck 7")
        book.claim("240AC4E29527", "two", "good luck 8")
    made = run(app, ["label", str(file), "--csv", str(csv), "--dashboard", "http://hub:80/"])
    assert made.exit_code == DONE, made.stderr
    assert b">one<" in file.read_bytes() and b">two<" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    wrong = run(app, ["label", str(tmp_path / "sheet.doc"), "--csv", str(csv)])
    assert wrong.exit_code == FAILED and "name the file .pdf, .svg or .png" in wrong.stderr
