"""Telegraf's sessions get client ids with a suffix; a real Mosquitto loses nothing that waits."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from motekit.stack import client_ids
from motekit.stack.accounts import CLIENT_IDS
from motekit.stack.compose import StackError
from stack_broker import Client, StackBroker, eventually


class Telegraf:
    """Subscribes as Telegraf does at each of its starts; Compose starts and stops it."""

    def __init__(self, broker: StackBroker) -> None:
        self._broker = broker
        self._at_work: list[Client] = []
        self._clients: dict[str, list[Client]] = {}
        self.halted = self.resumed = 0

    def halt(self, _service: str) -> None:
        self.halted += 1
        for one in self._at_work:
            one.close()
        self._at_work = []

    def resume(self, _service: str) -> None:
        self.resumed += 1

    def start(self) -> None:
        suffix = self._broker.installation.settings().get(client_ids.SUFFIX, "")
        for session in client_ids.sessions():
            one = self._broker.connect(
                "telegraf", self._broker.passwords["telegraf"], session.client_id + suffix
            )
            for topic in session.topics:
                one.subscribe(topic)
            self._at_work.append(one)
            self._clients.setdefault(session.client_id, []).append(one)

    def heard(self, name: str) -> list[bytes]:
        """What one of its sessions has taken since the first start."""
        return [payload for one in self._clients[f"telegraf-{name}"] for payload in one.heard]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[StackBroker]:
    made = StackBroker(tmp_path)
    made.installation.unset(client_ids.SUFFIX)
    made.start()
    yield made
    made.stop()


def quiet(_text: str) -> None:
    pass


def publish(broker: StackBroker, *numbers: int) -> None:
    board = broker.connect("plant1", broker.passwords["plant1"], "plant1")
    for number in numbers:
        board.publish("sensors/plant1/t", str(number))
        board.publish("backfill/plant1", f"line {number}")
    board.close()


def test_the_sessions_are_those_of_telegraf() -> None:
    found = {one.client_id: one for one in client_ids.sessions()}
    assert set(found) == {*CLIENT_IDS} - {"telegraf-broker", "grafana-live", "replay-gate"}
    assert [name for name, one in found.items() if one.has_readings] == [
        "telegraf-readings",
        "telegraf-backfill",
    ]


def test_what_waits_arrives_and_nothing_is_left(broker: StackBroker) -> None:
    telegraf = Telegraf(broker)
    telegraf.start()
    publish(broker, 1)
    eventually(lambda: all(telegraf.heard(name) for name in ("readings", "backfill")))
    telegraf.halt("telegraf")
    # These are acknowledged, and wait in the session that is to be given up.
    publish(broker, *range(2, 300))
    assert client_ids.is_needed(broker.installation)
    assert client_ids.move(broker.installation, telegraf, quiet) == 2 * 298
    assert not client_ids.is_needed(broker.installation)
    assert len(broker.installation.settings()[client_ids.SUFFIX]) == 33
    telegraf.start()
    publish(broker, 300)
    wanted = [str(number).encode() for number in range(1, 301)]
    eventually(lambda: len(telegraf.heard("readings")) >= 300)
    assert telegraf.heard("readings") == wanted
    eventually(lambda: len(telegraf.heard("backfill")) >= 300)
    assert telegraf.heard("backfill") == [b"line " + number for number in wanted]
    # The old sessions are gone: who takes their names gets nothing.
    for session in client_ids.sessions():
        old = broker.connect("telegraf", broker.passwords["telegraf"], session.client_id)
        assert not old.session_present and not old.heard
        old.close()


def test_broken_off_it_is_done_again(broker: StackBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    telegraf = Telegraf(broker)
    telegraf.start()
    telegraf.halt("telegraf")
    publish(broker, *range(20))
    publishing = client_ids._Connection.publish
    count = 0

    def fails(connection: client_ids._Connection, message: object) -> None:
        nonlocal count
        count += 1
        if count == 7:
            raise OSError("cut off")
        publishing(connection, message)  # type: ignore[arg-type]

    monkeypatch.setattr(client_ids._Connection, "publish", fails)
    with pytest.raises(StackError, match="Nothing is lost"):
        client_ids.move(broker.installation, telegraf, quiet)
    # As its container was made it would go on with the old client ids: `up` makes it anew.
    assert telegraf.resumed == 0
    assert client_ids.is_needed(broker.installation)
    publish(broker, 20)
    suffix = broker.installation.settings()[client_ids.SUFFIX]
    client_ids.move(broker.installation, telegraf, quiet)
    assert broker.installation.settings()[client_ids.SUFFIX] == suffix
    telegraf.start()
    eventually(
        lambda: {*telegraf.heard("readings")} == {str(number).encode() for number in range(21)}
    )


def test_a_broker_that_is_away_changes_nothing(broker: StackBroker) -> None:
    broker.stop()
    telegraf = Telegraf(broker)
    before = broker.installation.settings()
    with pytest.raises(StackError, match="mote stack upgrade"):
        broker.installation.set("MOTE_MQTT_TLS_PORT", "1")
        client_ids.move(broker.installation, telegraf, quiet)
    assert {**before, "MOTE_MQTT_TLS_PORT": "1"} == broker.installation.settings()
    assert telegraf.halted == telegraf.resumed == 1
    broker.start()
