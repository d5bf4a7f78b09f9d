"""What people write is read to the letter, and every fault is told with its line."""

import json
from pathlib import Path

import pytest
from motekit.wokwi import diagram, located, project, scenario
from motekit.wokwi.located import ProjectError

HEAD = "name: A test\nversion: 1\nsteps:\n"
EVERY_STEP = """
  - delay: '0'
  - delay: 1.5s
  - {name: With a name, wait-serial: ready}
  - write-serial: 'on'
  - write-serial: [3, 255]
  - expect-chip-output: done
  - set-control: {part-id: dht, control: humidity, value: 39}
  - set-control: {part-id: dht, name: humidity, value: 39.5}
  - expect-pin: {part-id: esp, pin: 2, value: 1}
  - expect-pin: {part-id: esp, name: D4, value: 0}
  - take-screenshot: {part-id: led, save-to: a.png, compare-with: b.png}
  - touch: {part-id: box, x: 1, y: 2.5, duration: 100ms, wait: true}
  - touch-press: {part-id: box, x: 1, y: 2}
  - touch-move: {part-id: box, x: 1, y: 2}
  - touch-release: {part-id: box}
"""


def read_scenario(folder: Path, text: str) -> scenario.Scenario:
    file = folder / "a.test.yaml"
    file.write_text(text)
    return scenario.read(file)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/tmp/a.png", "is absolute"),
        ("~/a.png", "is absolute"),
        ("C:/a.png", "is absolute"),
        (r"C:\a.png", "is absolute"),
        (r"\\host\share\a.png", "is absolute"),
        (r"..\..\a.png", "leave"),
        ("../../a.png", "leave"),
        ("a/../../a.png", "leave"),
        ("../wokwi.toml", "is no picture"),
        ("diagram.json", "is no picture"),
        ("a.png/.", "is no picture"),
    ],
)
def test_a_scenario_names_pictures_near_it_and_no_other_file(
    tmp_path: Path, path: str, told: str
) -> None:
    for key in ("save-to", "compare-with"):
        step = f"  - take-screenshot: {{part-id: led, {key}: '{path}'}}\n"
        with pytest.raises(ProjectError, match=rf"a\.test\.yaml:4: {key}: ") as error:
            read_scenario(tmp_path, HEAD + step)
        assert told in str(error.value).replace("leads too far", "leaves")


def test_projects_side_by_side_share_pictures_and_save_none_there(tmp_path: Path) -> None:
    step = "  - take-screenshot: {{part-id: led, {}: ../pictures/a.png}}\n"
    assert read_scenario(tmp_path, HEAD + step.format("compare-with"))
    with pytest.raises(ProjectError, match="leaves the folder of the scenario"):
        read_scenario(tmp_path, HEAD + step.format("save-to"))


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "link"])
def test_a_flash_is_put_together_from_files_of_its_own_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_bytes(b"of somebody else")
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "link").symlink_to("../secret")
    (folder / "flasher_args.json").write_text(json.dumps({"flash_files": {"0x0": name}}))
    (tmp_path / "wokwi.toml").write_text(
        "[wokwi]\nversion = 1\nfirmware = 'image/flasher_args.json'\n"
    )
    with pytest.raises(ProjectError, match="a section is a file in the same folder"):
        project.read(tmp_path).flash(1 << 20)


def test_every_step_and_option_of_the_format_is_read(tmp_path: Path) -> None:
    read = read_scenario(tmp_path, HEAD + EVERY_STEP)
    kinds = {type(step.action) for step in read.steps}
    assert kinds == set(scenario.STEPS.values())
    assert len(read.steps) == 15 and read.steps[2].name == "With a name"
    # YAML 1.2, as Wokwi reads it: `on` is a text.
    assert read.steps[3].action.data == b"on"
    assert read.steps[4].action.data == b"\x03\xff"


@pytest.mark.parametrize(
    ("step", "line", "told"),
    [
        ("- wait-seriel: x", 4, "did you mean wait-serial?"),
        ("- shake: x", 4, "unknown: shake; known are delay,"),
        ("- delay: 30", 4, "30 has no unit: write 30ms or 30s"),
        ("- delay: soon", 4, "'soon' is no time"),
        ("- delay: 1s\n    wait-serial: x", 4, "a step does one thing, this one 2"),
        ("- name: nothing", 4, "a step does one thing, this one 0"),
        ("- wait-serial: 5", 4, "string"),
        ("- write-serial: []", 4, "at least 1 item"),
        ("- write-serial: [256]", 4, "less than or equal to 255"),
        ("- set-control:\n      control: a\n      value: 1", 4, "part-id: Field required"),
        ("- set-control:\n      part-id: a\n      contrl: a\n      value: 1", 6, "unknown: contrl"),
        ("- set-control: {part-id: $mqtt, control: up, value: 0}", 4, "tags: [local]"),
        ("- expect-pin: {part-id: a, pin: 1, expected: 1}", 4, "the level is called `value`"),
        ("- expect-pin:\n      part-id: a\n      pin: 1\n      value: 2", 7, "value: Input should"),
        # wokwi-cli takes it, and fails: no level is `true`.
        ("- expect-pin: {part-id: a, pin: 1, value: true}", 4, "value: Input should"),
        ("- expect-pin: {part-id: a, pin: 1, name: 1, value: 1}", 4, "give one of them"),
        ("- take-screenshot: {part-id: a}", 4, "give `save-to` or `compare-with`"),
        ("- touch: {part-id: a, x: 1}", 4, "y: Field required"),
    ],
)
def test_a_wrong_step_is_told_with_its_line(
    tmp_path: Path, step: str, line: int, told: str
) -> None:
    with pytest.raises(ProjectError) as error:
        read_scenario(tmp_path, f"{HEAD}  {step}\n")
    assert f"a.test.yaml:{line}: " in str(error.value)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("version: 1\nsteps: [delay: 0]", 1, "name: Field required"),
        ("name: a\nversion: 2\nsteps: [delay: 0]", 2, "version: Input should be 1"),
        ("name: a\nversion: 1\nsteps: []", 3, "at least 1 item"),
        ("name: a\nversion: 1\ntags: [cloud]\nsteps: [delay: 0]", 3, "should be 'local'"),
        ("name: a\nversion: 1\nstep: 1\nsteps: [delay: 0]", 3, "did you mean steps?"),
        ("name: a\nname: b", 2, "not YAML: found duplicate key"),
        ("- a", 1, "a scenario begins with its name"),
    ],
)
def test_a_wrong_head_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    with pytest.raises(ProjectError) as error:
        read_scenario(tmp_path, text)
    assert f"a.test.yaml:{line}: " in str(error.value) and told in str(error.value)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("[wokwi]\nversion = 1\n", 1, "firmware: Field required"),
        ("[wokwi]\nversion = 1\nfirmware = 'a'\ngdbServrPort = 1\n", 4, "gdbServrPort"),
        ("[wokwi]\nversion = 2\nfirmware = 'a'\n", 2, "version: Input should be 1"),
        ("[wokwi\n", 1, "not TOML"),
        (
            "[wokwi]\nversion = 1\nfirmware = 'a'\n\n[[net.forward]]\nfrom = 'localhost:1'\n"
            "to = 'esp:80'\n", 7, "pattern",
        ),
        (
            "[wokwi]\nversion = 1\nfirmware = 'a'\n\n[[chip]]\nname = 'x'\nbinary = 'x.wasm'\n",
            5, "run in Wokwi only",
        ),
    ],
)  # fmt: skip
def test_a_wrong_wokwi_toml_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    (tmp_path / "wokwi.toml").write_text(text)
    with pytest.raises(ProjectError) as error:
        project.read(tmp_path)
    assert f"wokwi.toml:{line}: " in str(error.value) and told in str(error.value)


def test_every_option_of_wokwi_toml_is_read(tmp_path: Path) -> None:
    (tmp_path / "wokwi.toml").write_text(
        "[wokwi]\nversion = 1\nfirmware = 'a.bin'\nelf = 'a.elf'\ngdbServerPort = 3333\n"
        "rfc2217ServerPort = 4000\nvcdFile = 'a.vcd'\n"
        "[[net.forward]]\nfrom = 'localhost:8180'\nto = 'target:80'\n"
    )
    assert project.read(tmp_path).firmware == tmp_path / "a.bin"


def test_firmware_that_is_not_there_is_told_with_what_makes_it(tmp_path: Path) -> None:
    (tmp_path / "wokwi.toml").write_text("[wokwi]\nversion = 1\nfirmware = 'no.bin'\n")
    with pytest.raises(ProjectError, match=r"wokwi.toml:3: .*no\.bin.*mote image"):
        project.read(tmp_path).flash(4 << 20)


def written(folder: Path, parts: list[dict], connections: list[list]) -> Path:
    file = folder / "diagram.json"
    document = {"version": 1, "parts": parts, "connections": connections}
    file.write_text(json.dumps(document, indent=1))
    return file


BOARD = {"type": "board-esp32-devkit-c-v4", "id": "esp"}


@pytest.mark.parametrize(
    ("part", "wire", "told"),
    [
        ({"type": "wokwi-dht23", "id": "a"}, [], "did you mean wokwi-dht22?"),
        ({"type": "wokwi-led", "id": "esp"}, [], "two parts esp"),
        (
            {"type": "wokwi-lcd1602", "id": "a"},
            [],
            "Wokwi has this part, the local simulator does not",
        ),
        ({"type": "wokwi-breadboard", "id": "a"}, ["a:5t.a", "esp:2", ""], "Wokwi has this part"),
        ({"type": "board-pi-pico", "id": "a"}, [], "Wokwi has this part, the local simulator does"),
        ({"type": "chip-mine", "id": "a"}, [], "custom chips run in Wokwi only"),
        ({"type": "wokwi-nothing-like-it", "id": "a"}, [], "unknown: wokwi-nothing-like-it"),
        ({"type": "wokwi-led", "id": "a", "x": 1}, [], "unknown: x"),
        ({"type": "wokwi-led", "id": "a"}, ["a:B", "esp:2", ""], "a has no pin 'B'; A, C"),
        ({"type": "wokwi-led", "id": "a"}, ["b:A", "esp:2", ""], "unknown: b"),
        ({"type": "wokwi-led", "id": "a"}, ["a:A", "esp:2"], "a connection is"),
        ({"type": "wokwi-led", "id": "a"}, ["a:A", "esp:2", "", ["x4"]], "no way of a wire"),
    ],
)
def test_a_wrong_diagram_is_told_with_its_line(
    tmp_path: Path, part: dict, wire: list, told: str
) -> None:
    file = written(tmp_path, [BOARD, part], [wire] if wire else [])
    with pytest.raises(ProjectError) as error:
        diagram.read(file)
    assert told in str(error.value)
    line = int(str(error.value).split("diagram.json:")[1].split(":")[0])
    lines = file.read_text().splitlines()
    # The line is where the fault stands: within the second part, or within the connection.
    start = next(n for n, text in enumerate(lines) if text.strip() == "{" and n > 4)
    assert line > start, (line, start)


def test_attributes_that_wokwi_does_not_know_are_warnings(tmp_path: Path) -> None:
    """As in a project from wokwi.com, whose board says which MicroPython it runs."""
    board = {**BOARD, "attrs": {"env": "micropython-20231227-v1.22.0"}}
    led = {"type": "wokwi-led", "id": "led1", "attrs": {"colour": "red", "gamma": 2, "flip": True}}
    read = diagram.read(written(tmp_path, [board, led], [["esp:TX", "$serialMonitor:RX", "", []]]))
    assert read.parts["led1"].attrs == {"colour": "red", "gamma": "2", "flip": "true"}
    first, second = read.warnings
    assert "diagram.json:8: unknown: env" in first and "attribute of esp" in first
    assert "did you mean color?" in second


def test_a_diagram_that_is_no_json_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "diagram.json").write_text('{\n "version": 1,\n "parts": [,]\n}')
    with pytest.raises(ProjectError, match=r"diagram.json:3: not JSON"):
        diagram.read(tmp_path / "diagram.json")


def test_files_of_every_encoding_and_of_hostile_shapes(tmp_path: Path) -> None:
    file = tmp_path / "wokwi.toml"
    file.write_bytes(b"\xef\xbb\xbf[wokwi]\r\nversion = 1\r\n")
    assert located.read_toml(file).data == {"wokwi": {"version": 1}}
    assert located.read_toml(file).line("wokwi", "version") == 2
    file = tmp_path / "diagram.json"
    file.write_bytes(b'\xef\xbb\xbf{"version": 1}')
    assert located.read_json(file).data == {"version": 1}
    laughs = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
    )
    for read, data, told in (
        (located.read_toml, "[wokwi]".encode("utf-16"), ":1: is UTF-16, not UTF-8"),
        (located.read_json, '{"a": "é"}'.encode("cp1252"), ":1: is not UTF-8"),
        (located.read_json, b'{"a": 1,\n "a": 2}', ":2: not JSON: 'a' is there twice"),
        (located.read_json, b'{"a": NaN}', ":1: not JSON"),
        (located.read_json, b"[" * 100_000, ":1: not JSON: is nested more than 16 deep"),
        (located.read_yaml, b"[" * 100_000, ":1: "),
        (located.read_yaml, laughs.encode(), ":1: has more than 20000 entries, aliases counted"),
        (located.read_yaml, b"a: 1\na: 2", ":2: not YAML"),
    ):
        file = tmp_path / "file"
        file.write_bytes(data)
        with pytest.raises(ProjectError) as caught:
            read(file)
        assert told in str(caught.value), data[:20]
