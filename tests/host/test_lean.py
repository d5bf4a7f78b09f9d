"""Lean firmware: fewer names in memory, the same behaviour, the same lines."""

import re
import sys
import textwrap
from pathlib import Path

import pytest
from motekit import places
from motekit.firmware import made_lean


def lean(**files: str) -> dict[str, str]:
    """Modules by name, `a__b` for `a/b.py`; their lean texts under the same names."""
    program = {
        Path(name.replace("__", "/") + ".py"): textwrap.dedent(text).lstrip("\n")
        for name, text in files.items()
    }
    made = made_lean(program)
    return {name: made[Path(name.replace("__", "/") + ".py")] for name in files}


def ran(made: dict[str, str], tmp_path: Path, entry: str) -> dict[str, object]:
    """The names of module `entry` after it ran, with `const` as CPython would have it."""
    for name, text in made.items():
        file = tmp_path / (name.replace("__", "/") + ".py")
        file.parent.mkdir(exist_ok=True)
        file.write_text("const = lambda value: value\n" + text)
    names: dict[str, object] = {"const": lambda value: value, "__name__": entry}
    sys.path.insert(0, str(tmp_path))
    try:
        exec(compile(made[entry], entry, "exec"), names)
    finally:
        sys.path.remove(str(tmp_path))
        for name in made:
            sys.modules.pop(name.replace("__", "."), None)
    return names


def test_constants_stand_where_they_are_used(tmp_path) -> None:
    made = lean(
        leanone="""
            LIMIT_MS = 2 * 3_600
            TEXT = "it's"
            _OWN, BOTH = 4, 5
            FLAG = True
            def largest(): return LIMIT_MS + _OWN + BOTH
        """,
        leantwo="""
            import leanone
            from leanpack import leaf
            from leanone import TEXT, FLAG, largest
            result = (TEXT, FLAG, leaf.DEPTH, largest())
        """,
        leanpack__leaf="DEPTH = 7\n",
        leanpack____init__="",
    )
    assert "LIMIT_MS + " not in made["leanone"].replace("_LIMIT_MS", "")
    assert "leaf" not in made["leantwo"] and "7" in made["leantwo"]
    assert "FLAG = True" in made["leanone"] and "import FLAG" in made["leantwo"]
    assert ran(made, tmp_path, "leantwo")["result"] == ("it's", True, 7, 7209)


def test_what_changes_is_no_constant(tmp_path) -> None:
    made = lean(
        leanone="""
            COUNT = 0
            SHADOW = 1
            class Driver:
                SHADOW = SHADOW
            def add():
                global COUNT
                COUNT += 1
                return COUNT
            result = (add(), add(), Driver.SHADOW)
        """
    )
    assert "const" not in made["leanone"]
    assert ran(made, tmp_path, "leanone")["result"] == (1, 2, 1)


def test_names_get_short_where_nobody_can_mean_them(tmp_path) -> None:
    made = lean(
        leanone="""
            class Base:
                _shared_state = 3
                def __init__(self, first, second=2):
                    self._private_sum = first + second
                    self.public_sum = self._private_sum
                def _hidden(self, factor):
                    return self._private_sum * factor * self._shared_state
            def _helper(number): return Base(number, second=4)
            _module_state = []
            def touch():
                global _module_state
                _module_state = _module_state + [1]
                return len(_module_state)
        """,
        leantwo="""
            from leanone import Base, _helper, touch
            class Derived(Base):
                def _other(self, item):
                    return [self._hidden(each) for each in (item, item + 1)]
                def nested(self, value):
                    inner = lambda other: value - other
                    return inner(1)
            one = Derived(1)
            result = (one._other(2), one.nested(5), one.public_sum, touch(), touch())
        """,
    )
    for name in ("_private_sum", "_shared_state", "_hidden", "factor", "_other", "_module_state"):
        assert not re.search(rf"\b{name}\b", made["leanone"] + made["leantwo"]), name
    # `second` is named by a caller, `_helper` by another module.
    assert "second" in made["leanone"] and "_helper" in made["leanone"]
    assert ran(made, tmp_path, "leantwo")["result"] == ([18, 27], 4, 3, 1, 2)


def test_two_families_do_not_mix_where_one_looks_into_the_other(tmp_path) -> None:
    made = lean(
        leanone="class Box:\n    def __init__(self):\n        self._inside = self._b = 1\n",
        leantwo="""
            from leanone import Box
            class Own:
                def __init__(self):
                    self._mine = 5
            result = Box()._inside + Own()._mine
        """,
    )
    assert "_inside" in made["leanone"] and "_mine" not in made["leantwo"]
    assert ran(made, tmp_path, "leantwo")["result"] == 6


@pytest.mark.parametrize(
    "text", ["_name = 1\nprint(f'{_name}')\n", "_x = 1\nprint(vars()['_x'])\n"]
)
def test_what_is_written_in_a_text_keeps_its_name(text: str) -> None:
    name = text.split(" ")[0]
    assert re.search(rf"\b{name}\b", lean(leanone=text)["leanone"].split("\n")[0])


def test_every_line_of_the_firmware_stays_where_it_is() -> None:
    program = {
        file.relative_to(places.FIRMWARE): file.read_text(encoding="utf-8")
        for file in sorted(places.DEVICE_PACKAGE.rglob("*.py"))
    }
    made = made_lean(program)
    for path, text in program.items():
        before, after = text.split("\n"), made[path].split("\n")
        assert len(before) == len(after), path
        for number, (old, new) in enumerate(zip(before, after, strict=True), 1):
            word = old.split("(")[0].strip()
            if word.startswith(("def ", "class ", "async def ")) and not re.search(r" _\w", word):
                assert new.startswith(old.split("(")[0]), f"{path}:{number}"
        compile(made[path], str(path), "exec", flags=0x2000)


def test_a_constant_that_is_hidden_does_not_take_the_name_of_another(tmp_path) -> None:
    made = lean(
        leansame="""
            FORM, OTHER = "form", 1
            _FORM = "of a form"
            def both(): return FORM + _FORM
            result = both()
        """
    )
    assert ran(made, tmp_path, "leansame")["result"] == "formof a form"
