"""The Rich console of all commands: no markup, and no text that controls the terminal."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from motekit.terminal import safe


class SafeConsole(Console):
    """A console that shows strings as they are, with control characters as escapes."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as text, before its width is measured."""
        return super().render_str(safe(text), **{**options, "markup": False, "emoji": False})

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments of anything, also of text objects that were made elsewhere."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                lines = "\n".join(map(safe, segment.text.split("\n")))
                yield Segment(lines, segment.style)
