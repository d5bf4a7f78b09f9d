"""SECURITY.md names the tests that prove its promises: they are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_security_page_names_is_there() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:tests/[\w/]+/)?[\w]+\.py)`", page))
    assert len(named) > 15
    for name in sorted(named):
        # A name without a folder follows one of the same folder.
        found = list((ROOT / "tests").rglob(Path(name).name))
        assert any(str(path).endswith(name) for path in found), f"SECURITY.md names {name}"


def test_every_command_that_the_security_page_names_is_there() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    reference = (ROOT / "COMMANDS.md").read_text(encoding="utf-8")
    commands = re.findall(r"`(mote [^`]+)`", page)
    assert len(commands) > 5
    for command in commands:
        words = [word for word in command.split() if word.islower()]
        names = [word for word in words if not word.startswith("-")]
        assert f"## `{' '.join(names)}`" in reference, command
        for option in (word for word in words if word.startswith("-")):
            assert f"`{option}" in reference, command
