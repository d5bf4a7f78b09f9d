"""An example: a sensor, read at the prompt of the board."""

from conftest import Board

PROMPT = ">>> "


def test_the_dht22_follows_the_weather(board: Board) -> None:
    board.says("setup: portal open, join ")
    board.type(b"\x03")
    board.says(PROMPT)
    board.type("from machine import Pin; from dht import DHT22; d = DHT22(Pin(4))\r")
    board.says(PROMPT)
    board.turn("dht", "temperature", 31.5)
    board.turn("dht", "humidity", 72.5)
    board.type("d.measure(); print('it is', d.temperature(), d.humidity())\r")
    board.says("it is 31.5 72.5")
    assert board.level("boot", "1.l") == 1
