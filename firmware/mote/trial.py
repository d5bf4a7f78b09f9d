"""Tries a configuration for real before it is saved: joins its WiFi, logs in to its server."""

from mote.failure import Failure
from mote.mqtt.client import Client
from mote.wifi import station


async def run(document, progress):
    """None when everything worked, else the Failure that stopped it.

    `progress` is told each step as it begins: join address name server login.
    """
    client = None
    try:
        await station.join(document["wifi"][:1], progress)
        client = Client(document)
        await client.connect(progress)
    except Failure as failure:
        station.leave()
        return failure
    await client.disconnect()
    return None
