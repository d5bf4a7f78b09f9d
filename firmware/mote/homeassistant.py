"""Home Assistant finds the board's metrics by itself: MQTT discovery, a retained message each."""

import json

from mote import __version__, config, contract, units

# What was announced, to be cleared when it is gone: also by a later start.
_LIST = "/announced.json"
_RECONNECT_S = 60
_PREFIX = "homeassistant"
# Written as text: what it would be built from takes several times the memory of the message.
_ENTRY = (
    '{"name":"%s","unique_id":"mote_%s_%s","state_topic":"%s","availability_topic":"%s",'
    '"expire_after":%d,"state_class":"measurement",%s"device":{"identifiers":["mote_%s"],"name":"%s",'
    '"manufacturer":"Mote","model":"%s","sw_version":"%s"},'
    '"origin":{"name":"Mote","sw_version":"%s"}}'
)


def topic(device, metric):
    """`<prefix>/<component>/<node id>/<object id>/config`."""
    return "%s/sensor/%s/%s/config" % (_PREFIX, device, metric)


def entry(device, metric, model, interval_s=10):
    """The JSON text that describes `metric` of `device`, a board of that `model`.

    It expires after three readings that did not come, and a minute for a connection that is lost.

    Names need no escapes: the contract's characters have none that do. Availability has Home
    Assistant's own words, `online` and `offline`.
    """
    kind, unit = units.kind_of(metric)
    told = '"unit_of_measurement":"%s","device_class":"%s",' % (unit, kind) if unit else ""
    return _ENTRY % (
        metric.replace("_", " "),
        device,
        metric,
        contract.sensor_topic(device, metric),
        contract.device_topic(device, "status"),
        int(3 * interval_s) + _RECONNECT_S,
        told,
        device,
        device,
        model,
        __version__,
        __version__,
    )


async def announce(client, device, metrics, model, interval_s, complete):
    """Publish every entry, and clear those of metrics that are gone. Raises OSError.

    Not `complete` are the metrics while a sensor does not answer: then nothing is cleared.
    """
    before = _introduced(device)
    for metric in metrics:
        text = entry(device, metric, model, interval_s)
        await client.publish(topic(device, metric), text, True, 1)
    gone = [metric for metric in before if metric not in metrics]
    if complete:
        await _clear(client, device, gone)
        gone = []
    if before != metrics + gone:
        _remember(device, metrics + gone)


async def withdraw(client, device):
    """Clear every entry, as before the board gets another id. Raises OSError."""
    await _clear(client, device, _introduced(device))
    _remember(device, [])


async def _clear(client, device, metrics):
    for metric in metrics:
        # An empty retained message takes the one before it away (MQTT 3.3.1.3).
        await client.publish(topic(device, metric), b"", True, 1)


def _introduced(device):
    """The metrics that were announced for `device`, as far as the flash knows."""
    try:
        with open(_LIST) as file:
            told = json.load(file)
        return told["metrics"] if told["id"] == device else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _remember(device, metrics):
    try:
        config.write(_LIST, json.dumps({"id": device, "metrics": metrics}))
    except OSError:
        # A full flash: an entry may stay longer than its sensor.
        pass
