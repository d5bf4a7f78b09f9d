"""An MQTT client on MicroPython that publishes as often as it is told to, for `mqtt.py`.

Arguments: the client (`mote`, `umqtt` or `mqtt_async`), the broker's port, the folders for
sys.path. Prints the bytes of heap that the connected client takes. Then, for every line `<kind>
<count>` of its input, publishes at QoS 1 and prints the microseconds that each publish took.
"""

import sys

TOPIC, PAYLOAD = "sensors/dev/temperature", "21.537"
METRICS = ("temperature", "humidity", "pressure", "chip_temperature", "rssi")


def main(kind, port, *folders):
    import gc

    sys.path[:0] = folders
    # What every client uses and a board has loaded anyway.
    import asyncio

    gc.collect()
    before = gc.mem_alloc()
    asyncio.run(CLIENTS[kind](int(port), before))


def told(before):
    """Say what the client takes; then the orders, as (kind, count)."""
    import gc

    gc.collect()
    print(gc.mem_alloc() - before)
    while True:
        line = sys.stdin.readline().split()
        if not line:
            return
        yield line[0], int(line[1])


def timed(took, began):
    import time

    took.append(time.ticks_diff(time.ticks_us(), began))


async def mote(port, before):
    import asyncio
    import time

    from mote import memory
    from mote.mqtt import connecting
    from mote.mqtt.protocol import Session

    session = Session("mote", "127.0.0.1", port)
    await session.connect(await connecting.connect("127.0.0.1", port))
    # As a board does while the connection holds.
    del connecting
    memory.forget("mote.mqtt.connecting")
    news = asyncio.Event()
    pairs = [("sensors/dev/" + metric, PAYLOAD) for metric in METRICS]
    for kind, count in told(before):
        took = []
        for _ in range(count):
            began = time.ticks_us()
            if kind == "round":
                news.clear()
                left = await session.publish_all(pairs, news)
                while left:
                    await news.wait()
                    if session.closed.is_set():
                        raise OSError(session.reason)
            else:
                await session.publish(TOPIC, PAYLOAD, qos=1)
            timed(took, began)
        print(*took)


async def umqtt(port, before):
    import time

    from umqtt.simple import MQTTClient

    client = MQTTClient("umqtt", "127.0.0.1", port)
    client.connect()
    for _, count in told(before):
        took = []
        for _ in range(count):
            began = time.ticks_us()
            client.publish(TOPIC, PAYLOAD, qos=1)
            timed(took, began)
        print(*took)


async def mqtt_async(port, before):
    import time

    # It asks the chip for its name and its radio when it is loaded.
    class Chip:
        STA_IF = 0

        @staticmethod
        def unique_id():
            return b"mqtt_async"

        @staticmethod
        def WLAN(_):  # noqa: N802
            return Chip

        @staticmethod
        def isconnected():
            return True

    sys.modules["machine"] = sys.modules["network"] = Chip
    import mqtt_async as library

    library.config.server = "127.0.0.1"
    library.config.port = port
    library.Logger.info = library.Logger.debug
    client = library.MQTTClient(library.config)
    # The address as the ESP32 port gives it; on this port it is in binary.
    client._dns_lookup = lambda: setattr(client, "_addr", ("127.0.0.1", port))
    await client.connect()
    for _, count in told(before):
        took = []
        for _ in range(count):
            began = time.ticks_us()
            await client.publish(TOPIC, PAYLOAD, qos=1)
            timed(took, began)
        print(*took)


CLIENTS = {"mote": mote, "umqtt": umqtt, "mqtt_async": mqtt_async}

if __name__ == "__main__":
    main(*sys.argv[1:])
