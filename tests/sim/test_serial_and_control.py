"""The serial port and the knobs of a virtual board."""

import asyncio
import os

import pytest
from boards import END, printed, run
from motesim import AccessPoint, VirtualBoard, World
from motesim.control import Control, ask
from motesim.errors import SimulationError
from motesim.parts import AnalogSource, Bme280, Dht22, Ds18b20


def test_a_terminal_on_the_serial_port_reaches_the_repl(tmp_path) -> None:
    async def story(_: World, board: VirtualBoard) -> None:
        await board.wait_for_log(END, 60)
        wire = os.open(board.serial_path, os.O_RDWR | os.O_NOCTTY)
        try:
            os.write(wire, b"print(6 * 7)\r")
            await board.wait_for_log("42", 60)
        finally:
            os.close(wire)

    run(tmp_path, "", story)


def test_ctrl_c_interrupts_the_program(tmp_path) -> None:
    program = """
import time
try:
    print("begun")
    while True:
        time.sleep_ms(50)
except KeyboardInterrupt:
    print("interrupted")
"""

    async def story(_: World, board: VirtualBoard) -> None:
        await board.wait_for_log("begun", 60)
        board.serial.type(b"\x03")
        await board.wait_for_log("interrupted", 60)

    run(tmp_path, program, story)


def test_ctrl_c_amid_a_garbage_collection_leaves_a_working_heap(tmp_path) -> None:
    program = """
import gc, machine
for turn in range(20):
    print("begun", turn)
    try:
        while True:
            for _ in range(50):
                gc.collect()
            machine.unique_id()
    except KeyboardInterrupt:
        print("interrupted", turn, bytearray(100)[99])
"""

    async def story(_: World, board: VirtualBoard) -> None:
        for turn in range(20):
            await board.wait_for_log(f"begun {turn}", 60)
            board.serial.type(b"\x03")
            await board.wait_for_log(f"interrupted {turn} 0", 60)

    run(tmp_path, program, story)


def test_sensors_read_back_what_was_set(tmp_path) -> None:
    program = """
import dht, onewire, ds18x20, time
from machine import ADC, Pin
d = dht.DHT22(Pin(4))
d.measure()
print(round(d.temperature(), 1), round(d.humidity(), 1))
ds = ds18x20.DS18X20(onewire.OneWire(Pin(15)))
roms = sorted(bytes(rom) for rom in ds.scan())
print([ds.read_temp(rom) for rom in roms])
ds.convert_temp()
time.sleep_ms(760)
print([ds.read_temp(rom) for rom in roms])
adc = ADC(Pin(34), atten=ADC.ATTN_11DB)
mean = sum(adc.read_uv() for _ in range(64)) / 64
print(abs(mean - 1_250_000) < 2_000)
"""
    parts = [
        Dht22(temperature=-7.3, humidity=81.5),
        Ds18b20(temperature=-10.125, serial=1),
        Ds18b20(temperature=25.0625, serial=2),
        AnalogSource(pin=34, volts=1.25),
    ]
    assert printed(tmp_path, program, parts=parts) == [
        "-7.3 81.5",
        "[85.0, 85.0]",
        "[-10.125, 25.0625]",
        "True",
    ]


def test_a_sensor_that_is_not_there_does_not_answer(tmp_path) -> None:
    program = """
import dht, onewire
from machine import I2C, Pin
try:
    dht.DHT22(Pin(4)).measure()
except OSError as error:
    print(error.errno)
print(onewire.OneWire(Pin(15)).scan(), I2C(0, scl=Pin(22), sda=Pin(21)).scan())
"""
    assert printed(tmp_path, program) == ["116", "[] []"]


def test_the_control_socket_turns_knobs_presses_buttons_and_cuts_the_power(tmp_path) -> None:
    program = """
import time
from machine import Pin
button = Pin(0, Pin.IN, Pin.PULL_UP)
print("started")
while button.value():
    time.sleep_ms(20)
print("pressed")
"""
    path = tmp_path / "world.sock"
    home = AccessPoint("Home", "correct horse")

    async def story(world: World, board: VirtualBoard) -> None:
        control = Control(world, path)
        await control.open()
        await board.wait_for_log("started", 60)

        async def tell(**request: object) -> dict:
            return await asyncio.to_thread(ask, path, **request)

        await tell(do="set", board="board", quantity="temperature", value=31.5)
        assert board.pins.parts[0].value("temperature") == 31.5
        await tell(do="press", board="board", seconds=3)
        await board.wait_for_log("pressed", 60)
        await tell(do="cut", board="board")
        assert not (await tell(do="list"))["boards"][0]["powered"]
        await tell(do="power", board="board")
        assert (await tell(do="list"))["boards"][0]["powered"]
        await tell(do="wifi", up=False, loss=0.5, password="another one")
        assert (home.up, home.loss, home.password) == (False, 0.5, "another one")
        with pytest.raises(SimulationError, match="no board nobody; there are: board"):
            await tell(do="cut", board="nobody")
        with pytest.raises(SimulationError, match="no action dance; known: list, set"):
            await tell(do="dance")
        second = Control(world, path)
        with pytest.raises(SimulationError, match=r"running already: .* --world NAME"):
            await second.open()
        # Who was refused takes nothing from the first.
        await second.close()
        assert (await tell(do="list"))["boards"]
        other = Control(world, tmp_path / "world-other.sock")
        await other.open()
        assert (await asyncio.to_thread(ask, other.path, do="list"))["boards"]
        await other.close()
        await control.close()
        # What a killed process leaves is taken over.
        path.touch()
        await second.open()
        assert (await tell(do="list"))["boards"]
        await second.close()

    run(tmp_path, program, story, parts=[Bme280()], networks=[home])


def test_a_power_cut_in_any_flash_operation_leaves_the_old_file_or_the_new_one(tmp_path) -> None:
    program = """
import os
with open("/data.new", "w") as f:
    f.write("new" * 3000)
os.rename("/data.new", "/data.txt")
"""

    async def story(_: World, board: VirtualBoard) -> None:
        await board.wait_for_log(END, 60)
        cut = 0
        while True:
            cut += 1
            await board.cut_power()
            board.flash.write("data.txt", b"old")
            board.cut_at = cut
            before = board.serial.count
            await board.power_on()
            finished = asyncio.create_task(board.wait_for_log(END, 60, since=before))
            while board.powered and not finished.done():
                await asyncio.sleep(0.01)
            whole = finished.done() and not finished.cancelled()
            finished.cancel()
            board.cut_at = 0
            await board.cut_power()
            assert board.flash.read("data.txt") in (b"old", b"new" * 3000), cut
            if whole:
                break
        assert cut > 10, "the power was cut at several operations"

    run(tmp_path, program, story)


def test_a_board_that_nobody_listens_to_is_not_held_up(tmp_path) -> None:
    program = """
import time
began = time.ticks_ms()
for _ in range(4000):
    print("nobody hears this line, which is fifty characters")
print("took", time.ticks_diff(time.ticks_ms(), began))
"""
    took = printed(tmp_path, program)[-1]
    # At its 115200 baud it would be 18 s of the wire alone.
    assert int(took.split()[1]) < 17_000, took


def test_a_listener_who_stays_away_loses_what_does_not_fit_and_hears_the_rest(tmp_path) -> None:
    program = """
import machine, time
print("begun")
while True:
    try:
        time.sleep_ms(20)
        machine.unique_id()
    except KeyboardInterrupt:
        for n in range(2000):
            print("line", n)
        print("all said")
"""

    async def story(_: World, board: VirtualBoard) -> None:
        await board.wait_for_log("begun", 60)
        wire = os.open(board.serial_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(wire, b"\x03")
            await board.wait_for_log("all said", 60)
            heard = b""
            while b"line 1\r\n" not in heard:
                heard = os.read(wire, 65536)
            assert b"all said" not in heard
            os.write(wire, b"\x03")
            while b"all said" not in heard:
                try:
                    heard += os.read(wire, 65536)
                except BlockingIOError:
                    await asyncio.sleep(0.01)
            assert heard.count(b"line 1999\r\n") == 1
        finally:
            os.close(wire)

    run(tmp_path, program, story)


def test_ctrl_c_at_power_on_waits_for_the_files_of_the_board(tmp_path) -> None:
    program = """
import machine
try:
    while True:
        machine.unique_id()
except KeyboardInterrupt:
    print("interrupted")
"""

    async def story(_: World, board: VirtualBoard) -> None:
        for _ in range(3):
            before = board.serial.count
            board.serial.type(b"\x03")
            await board.wait_for_log("interrupted", 60, since=before)
            await board.reset()

    run(tmp_path, program, story)
