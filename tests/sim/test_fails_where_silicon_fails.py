"""The models refuse, and surprise, where the ESP32 port does (measured on the official image)."""

import socket
from threading import Thread

from boards import END, printed, run
from motesim import AccessPoint, VirtualBoard, World
from motesim.core import ESP32_FREE_HEAP, HARD_RESET, NAMES, WIDTH_RATIO

HOME = AccessPoint("Home", "correct horse")
RADIO = """
import network, time
sta, ap = network.WLAN(network.STA_IF), network.WLAN(network.AP_IF)
def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return repr(error)
def states(seconds, last=None):
    # What status() was in this time, at most until it is `last`.
    seen = []
    for _ in range(seconds * 10):
        now = sta.status()
        if not seen or seen[-1] != now:
            seen.append(now)
        if now == last:
            break
        time.sleep_ms(100)
    return seen
"""


def test_the_access_point_takes_no_setting_before_it_is_active(tmp_path) -> None:
    program = RADIO + "sta.active(True)\nprint(attempt(ap.config, ssid='x'))"
    assert printed(tmp_path, program) == ["OSError('Wifi Invalid Mode',)"]


def test_a_key_alone_leaves_the_access_point_open(tmp_path) -> None:
    program = (
        RADIO
        + """
ap.active(True)
ap.config(ssid="IOT_1", key="a long password")
print(ap.config("security"))
ap.config(key="a long password", security=3)
print(ap.config("security"))
"""
    )
    assert printed(tmp_path, program) == ["0", "3"]


def test_connect_while_connecting_is_an_internal_state_error(tmp_path) -> None:
    program = (
        RADIO
        + """
sta.active(True)
sta.connect("Nowhere", "12345678")
print(attempt(sta.connect, "Nowhere", "12345678"))
"""
    )
    assert printed(tmp_path, program) == ["OSError('Wifi Internal State Error',)"]


def test_an_unknown_network_is_not_found_after_two_and_a_half_seconds_and_sticks(tmp_path) -> None:
    program = (
        RADIO
        + """
sta.active(True)
sta.config(reconnects=0)
sta.connect("Nowhere", "12345678")
began = time.ticks_ms()
print(states(60, 201), time.ticks_diff(time.ticks_ms(), began) > 2300)
sta.connect("Home", "correct horse")
print(states(60, 1010))
"""
    )
    lines = printed(tmp_path, program, networks=[HOME])
    # The old reason is what status() says until there is an address.
    assert lines == ["[1001, 201] True", "[201, 1010]"]


def test_the_driver_retries_for_ever_unless_told_otherwise(tmp_path) -> None:
    program = (
        RADIO
        + """
sta.active(True)
sta.connect("Home", "wrong password")
states(9)
print(attempt(sta.connect, "Home", "correct horse"))
"""
    )
    lines = printed(tmp_path, program, networks=[HOME])
    assert lines == ["OSError('Wifi Internal State Error',)"]


def test_a_driver_that_hangs_connects_for_ever_until_it_is_switched_off_and_on(tmp_path) -> None:
    program = (
        RADIO
        + """
from machine import Pin
button = Pin(0, Pin.IN, Pin.PULL_UP)
sta.active(True)
print("ready")
sta.config(reconnects=0)
while button.value():
    time.sleep_ms(20)
for _ in range(2):
    sta.connect("Home", "correct horse")
    print(states(2), attempt(sta.connect, "Home", "correct horse"))
    sta.disconnect()
sta.active(False)
sta.active(True)
sta.connect("Home", "correct horse")
print(states(60, 1010))
"""
    )
    lines: list[str] = []

    async def story(_: World, board: VirtualBoard) -> None:
        await board.wait_for_log("ready", 60)
        board.radio.station.hangs = True
        board.pins.buttons["boot"].pressed = True
        await board.wait_for_log(END, 60)
        lines.extend(board.log[: board.log.index(END)])

    run(tmp_path, program, story, networks=[HOME])
    stuck = "[1001] OSError('Wifi Internal State Error',)"
    assert lines == ["ready", stuck, stuck, "[1001, 1010]"]


def test_a_network_without_dhcp_is_never_connected(tmp_path) -> None:
    program = (
        RADIO
        + """
sta.active(True)
sta.connect("Silent", "")
print(states(3), sta.isconnected(), sta.status("rssi"))
"""
    )
    silent = AccessPoint("Silent", dhcp=False, rssi=-60)
    assert printed(tmp_path, program, networks=[silent]) == ["[1001] False -60"]


def test_a_32_byte_ssid_hands_out_the_password_behind_it(tmp_path) -> None:
    program = (
        RADIO
        + """
sta.active(True)
sta.connect("s" * 32, "the password")
print(sta.config("ssid"))
"""
    )
    assert printed(tmp_path, program) == ["s" * 32 + "the password"]


def test_the_eleventh_socket_is_one_too_many(tmp_path) -> None:
    program = """
import socket
held = [socket.socket() for _ in range(10)]
try:
    socket.socket()
except OSError as error:
    print(error.errno)
held.pop().close()
held.append(socket.socket())
print(len(held))
"""
    assert printed(tmp_path, program) == ["23", "10"]


def test_a_datagram_socket_can_be_connected(tmp_path) -> None:
    program = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("127.0.0.1", %d))
sock.send(b"question")
sock.settimeout(5)
print(sock.recv(20))
"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        Thread(target=lambda: server.sendto(b"answer", server.recvfrom(20)[1]), daemon=True).start()
        assert printed(tmp_path, program % server.getsockname()[1]) == ["b'answer'"]


def test_without_wifi_there_is_no_route_and_no_name(tmp_path) -> None:
    program = """
import socket
for call in (lambda: socket.socket().connect(("10.0.0.1", 80)),
             lambda: socket.getaddrinfo("example.org", 80)):
    try:
        call()
    except OSError as error:
        print(error.errno)
"""
    assert printed(tmp_path, program) == ["118", "-202"]


def test_the_station_and_the_access_point_have_neighbouring_addresses(tmp_path) -> None:
    program = RADIO + "print(ap.config('mac')[-1] - sta.config('mac')[-1])"
    assert printed(tmp_path, program) == ["1"]


def test_a_pin_that_the_chip_has_not_and_an_input_only_pin_are_refused(tmp_path) -> None:
    program = (
        RADIO
        + """
from machine import ADC, Pin
print(attempt(Pin, 24), attempt(Pin, 34, Pin.OUT), attempt(ADC, 23), sep="; ")
"""
    )
    expected = [
        "ValueError('invalid pin',); ValueError('pin can only be input',); "
        "ValueError('invalid pin',)"
    ]
    assert printed(tmp_path, program) == expected


def test_a_file_that_is_not_closed_before_a_reset_is_empty(tmp_path) -> None:
    program = """
import machine, os
if machine.reset_cause() == machine.PWRON_RESET:
    f = open("/log.txt", "w")
    f.write("kept?")
    machine.reset()
print(os.stat("/log.txt")[6] if "log.txt" in os.listdir("/") else 0)
"""
    assert printed(tmp_path, program)[-1] == "0"


def test_a_board_that_hangs_is_reset_by_its_watchdog(tmp_path) -> None:
    program = """
import machine
print("cause", machine.reset_cause())
if machine.reset_cause() == machine.PWRON_RESET:
    machine.WDT(timeout=500)
    while True:
        pass
"""
    assert printed(tmp_path, program) == ["cause 1", "cause 3"]


def test_the_clock_starts_in_2000_survives_a_reset_and_not_a_power_cut(tmp_path) -> None:
    program = """
import machine, time
print("year", time.localtime()[0], machine.RTC().memory())
machine.RTC().datetime((2026, 11, 21, 5, 12, 0, 0, 0))
machine.RTC().memory(b"kept")
"""

    async def story(_: World, board: VirtualBoard) -> None:
        await board.wait_for_log(END, 60)
        await board.reset(HARD_RESET)
        await board.wait_for_log("year 2026 b'kept'", 60)
        await board.cut_power()
        await board.power_on()
        await board.wait_for_log("year 2000 b''", 60, since=board.serial.count)

    run(tmp_path, program, story)


def test_the_free_heap_is_that_of_an_esp32_and_in_one_piece(tmp_path) -> None:
    program = """
import gc
gc.collect()
print(gc.mem_free())
half = bytearray(gc.mem_free() * 3 // 4)
"""
    free = int(printed(tmp_path, program)[0])
    target = ESP32_FREE_HEAP * WIDTH_RATIO - NAMES
    assert 0.97 * target < free < 1.01 * target


def test_the_names_of_the_models_are_not_in_the_way_of_the_firmware(tmp_path) -> None:
    program = """
import gc
names = [None] * 1000
for i in range(1000):
    gc.collect()
    before = gc.mem_free()
    setattr(type("Name", (), {}), "name_%d" % i, i)
    gc.collect()
    names[i] = before - gc.mem_free()
print(max(names))
"""
    # A table of names that doubles would take 14 KB at once.
    assert int(printed(tmp_path, program)[0]) < 1024
