"""LEDs of a diagram: what they show, and their pictures."""

import io
import time

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
DARK: Colour = (0, 0, 0)
# What every file of the format begins with.
PNG = b"\x89PNG\r\n\x1a\n"
# A picture is exposed for so long: what flickers faster is lit on it.
EXPOSURE_S = 0.1
# So many flashes within a second are flickering: only `identify` flashes that often (led.py).
FLASHES = 5
SIZE = 96
_GROUND, _RIM = (246, 246, 242), (150, 150, 150)


class Light:
    """An LED on the GPIO `pin`: of one `colour` and lit by the level `lit`, or a WS2812."""

    def __init__(self, pin: int, colour: str = "", lit: int = 1) -> None:
        self.pin = pin
        self._lit = lit
        self._body: Colour = ImageColor.getrgb(colour)[:3] if colour else (225, 225, 225)
        self.is_strip = not colour
        self._shown: list[tuple[float, Colour]] = []

    def written(self, level: int, strip: bytes) -> bool:
        """The chip wrote `level`, or the bytes of a `strip`, green first: has that changed it?"""
        if self.is_strip:
            green, red, blue = strip[:3] if len(strip) >= 3 else DARK
            colour = (red, green, blue)
        else:
            colour = self._body if level == self._lit else DARK
        if colour == self.colour:
            return False
        now = time.monotonic()
        # What was shown when the exposure began counts, however old it is.
        self._shown = [*self._shown[-20:], (now, colour)]
        return True

    @property
    def colour(self) -> Colour:
        """What it shows now."""
        return self._shown[-1][1] if self._shown else DARK

    @property
    def flickers(self) -> bool:
        now = time.monotonic()
        recent = [colour for at, colour in self._shown if now - at < 1]
        return len([colour for colour in recent if colour != DARK]) >= FLASHES

    def picture(self) -> bytes:
        """A PNG of it, as a camera would see it."""
        opened = time.monotonic() - EXPOSURE_S
        seen = [c for at, c in self._shown if at >= opened]
        before = [c for at, c in self._shown if at < opened]
        # The latest light that fell into it.
        lit = [c for c in (*before[-1:], *seen) if c != DARK]
        colour = lit[-1] if lit else DARK
        return _drawn(self._body, colour)


class NotAPictureError(Exception):
    """A file that should be a PNG is none."""


def difference(wanted: bytes, picture: bytes) -> str:
    """Where two PNGs are not the same, or an empty text. Raises NotAPictureError for `wanted`."""
    one, other = _opened(wanted), _opened(picture)
    if one.size != other.size:
        return f"has a different size ({one.size}) than the picture of the part ({other.size})"
    box = ImageChops.difference(one, other).getbbox()
    return f"at x,y=({box[0]},{box[1]})" if box else ""


def _opened(data: bytes) -> Image.Image:
    try:
        # Only PNG: Pillow has readers for much else. One that is huge once unpacked is refused.
        return Image.open(io.BytesIO(data), formats=["PNG"]).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NotAPictureError(f"it is no PNG: {error}") from None


def _drawn(body: Colour, light: Colour) -> bytes:
    scale = 4
    side = SIZE * scale
    lens = (side * 0.28, side * 0.28, side * 0.72, side * 0.72)
    picture = Image.new("RGB", (side, side), _GROUND)
    if light != DARK:
        # The colour at full brightness: an eye sees even a dim LED shine.
        bright = tuple(round(255 * part / max(light)) for part in light)
        glow = Image.new("L", (side, side), 0)
        ImageDraw.Draw(glow).ellipse((side * 0.14, side * 0.14, side * 0.86, side * 0.86), fill=170)
        glow = glow.filter(ImageFilter.GaussianBlur(side * 0.07))
        picture.paste(Image.new("RGB", (side, side), bright), mask=glow)
    else:
        bright = tuple(round(part * 0.45 + 90) for part in body)
    draw = ImageDraw.Draw(picture)
    draw.ellipse(lens, fill=bright, outline=_RIM, width=scale)
    draw.ellipse((side * 0.35, side * 0.34, side * 0.45, side * 0.42), fill=(255, 255, 255))
    file = io.BytesIO()
    picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(file, "PNG")
    return file.getvalue()
