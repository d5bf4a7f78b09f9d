"""Messages for a page to show."""

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

WAIT_S = 120


def publish(port: int, messages: list[tuple[str, str]]) -> None:
    """Publish each topic and payload, status and info retained; wait until all are acknowledged."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for topic, payload in messages:
        retain = topic.endswith(("/status", "/info"))
        client.publish(topic, payload, 1, retain).wait_for_publish(WAIT_S)
    client.disconnect()
    client.loop_stop()
