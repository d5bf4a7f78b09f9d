"""Home Assistant finds the board's metrics by itself: MQTT discovery, a retained message each."""

from mote import __version__, contract, units

_PREFIX = "homeassistant"
# Written as text: what it would be built from takes several times the memory of the message.
_ENTRY = (
    '{"name":"%s","unique_id":"mote_%s_%s","state_topic":"%s","availability_topic":"%s",'
    '"state_class":"measurement",%s"device":{"identifiers":["mote_%s"],"name":"%s",'
    '"manufacturer":"Mote","model":"%s","sw_version":"%s"},'
    '"origin":{"name":"Mote","sw_version":"%s"}}'
)


def topic(device, metric):
    """`<prefix>/<component>/<node id>/<object id>/config`."""
    return "%s/sensor/%s/%s/config" % (_PREFIX, device, metric)


def entry(device, metric, model):
    """The JSON text that describes `metric` of `device`, a board of that `model`.

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
        told,
        device,
        device,
        model,
        __version__,
        __version__,
    )


async def announce(client, device, metrics, model):
    """Publish every entry. Raises OSError."""
    for metric in metrics:
        await client.publish(topic(device, metric), entry(device, metric, model), True, 1)
