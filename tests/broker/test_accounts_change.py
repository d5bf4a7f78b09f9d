"""Accounts that change while their clients are connected, and addresses that have to wait."""

import pytest
import wire_format as wire
from driven_broker import DrivenBroker
from wire_format import V5, V311


@pytest.mark.parametrize(("version", "code"), [(V311, 3), (V5, 0x89)])
def test_an_address_that_has_to_wait_is_told_so_and_nothing_is_touched(version, code) -> None:
    broker = DrivenBroker()
    board = broker.client("192.0.2.9")
    board.send(wire.connect("plant1", user="plant1", password=b"1"))
    assert board.take(wire.CONNACK).reason == 0
    broker.accounts.limited.add("192.0.2.1")
    limited = broker.client("192.0.2.1", version)
    limited.send(wire.connect("plant1", user="plant1", password=b"1", version=version))
    assert limited.take(wire.CONNACK).reason == code
    assert limited.is_closed and not board.is_closed
    assert len(broker.broker.state.sessions) == 1


def test_a_changed_password_ends_connections_and_keeps_the_session() -> None:
    broker = DrivenBroker()
    board = broker.client()
    board.send(wire.connect("plant1", user="plant1", password=b"1", clean=False))
    board.take(wire.CONNACK)
    other = broker.client()
    other.send(wire.connect("plant2", user="plant2", password=b"2"))
    other.take(wire.CONNACK)
    broker.accounts.passwords["plant1"] = b"new"
    broker.wait(0.3)
    assert board.is_closed and not other.is_closed
    again = broker.client()
    again.send(wire.connect("plant1", user="plant1", password=b"new", clean=False))
    assert again.take(wire.CONNACK).session_present


def test_a_removed_account_loses_connection_and_session() -> None:
    broker = DrivenBroker()
    board = broker.client()
    board.send(wire.connect("plant1", user="plant1", password=b"1", clean=False))
    board.take(wire.CONNACK)
    del broker.accounts.passwords["plant1"]
    broker.wait(0.3)
    assert board.is_closed and not broker.broker.state.sessions
