"""Labels as PDF, SVG or PNG: one by itself, or several on A4 sheets."""

import io
from collections.abc import Sequence
from html import escape

from motekit.labels.layout import HEIGHT, SHEET, WIDTH, Dark, Label, Text, drawn, places

FORMATS = ("pdf", "svg", "png")
_DOTS_PER_MM = 300 / 25.4
_POINTS_PER_MM = 72 / 25.4
Page = list[Dark | Text]


class LabelError(Exception):
    """Labels cannot be made so; the text says what to do."""


def render(labels: Sequence[Label], kind: str, *, sheet: bool = False) -> bytes:
    """The file in the format `kind`; several labels, or with `sheet` also one, on A4.

    Raises LabelError.
    """
    if kind not in FORMATS:
        raise LabelError(f"no labels are made as {kind!r}: name the file .pdf, .svg or .png")
    if not labels:
        raise LabelError("there is no board to make a label for")
    size, pages = (WIDTH, HEIGHT), [list(drawn(labels[0]))]
    if sheet or len(labels) > 1:
        size, pages = SHEET, []
        for label, (page, x, y) in zip(labels, places(len(labels)), strict=True):
            if page == len(pages):
                pages.append([])
            pages[page] += drawn(label, x, y)
    if kind == "pdf":
        return _pdf(size, pages)
    if len(pages) > 1:
        raise LabelError(f"{len(labels)} labels need {len(pages)} sheets: name the file .pdf")
    return _svg(size, pages[0]) if kind == "svg" else _png(size, pages[0])


def _pdf(size: tuple[float, float], pages: list[Page]) -> bytes:
    from fpdf import FPDF

    pdf = FPDF(unit="mm", format=size)
    pdf.set_margin(0)
    pdf.set_auto_page_break(False)
    for page in pages:
        pdf.add_page()
        for mark in page:
            if isinstance(mark, Dark):
                pdf.rect(mark.x, mark.y, mark.width, mark.height, style="F")
            else:
                style = "B" if mark.bold else ""
                pdf.set_font("Helvetica", style, mark.size * _POINTS_PER_MM)
                pdf.text(mark.x, mark.y, mark.text)
    return bytes(pdf.output())


def _svg(size: tuple[float, float], page: Page) -> bytes:
    width, height = size
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}mm" height="{height}mm" '
        f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for mark in page:
        if isinstance(mark, Dark):
            lines.append(
                f'<rect x="{mark.x:.3f}" y="{mark.y:.3f}" width="{mark.width:.3f}" '
                f'height="{mark.height:.3f}"/>'
            )
        else:
            weight = ' font-weight="bold"' if mark.bold else ""
            lines.append(
                f'<text x="{mark.x}" y="{mark.y}" font-size="{mark.size}"{weight}>'
                f"{escape(mark.text)}</text>"
            )
    return "\n".join([*lines, "</svg>\n"]).encode()


def _png(size: tuple[float, float], page: Page) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    def dots(mm: float) -> int:
        return round(mm * _DOTS_PER_MM)

    image = Image.new("L", (dots(size[0]), dots(size[1])), 255)
    draw = ImageDraw.Draw(image)
    for mark in page:
        if isinstance(mark, Dark):
            right, bottom = dots(mark.x + mark.width) - 1, dots(mark.y + mark.height) - 1
            draw.rectangle((dots(mark.x), dots(mark.y), right, bottom), fill=0)
        else:
            font = ImageFont.load_default(dots(mark.size))
            draw.text((dots(mark.x), dots(mark.y)), mark.text, fill=0, font=font, anchor="ls")
    file = io.BytesIO()
    image.save(file, "png", dpi=(300, 300))
    return file.getvalue()
