"""Home Assistant's own judgement of discovery messages.

As a program, with the folder of its packages as argument: reads a JSON object of topics and
payloads and prints one of topics and what Home Assistant objects to. `objections` runs it.
"""

import json
import subprocess
import sys


def objections(messages: dict[str, str]) -> dict[str, str]:
    """What Home Assistant objects to in discovery messages, by topic; nothing, when all is well."""
    import home_assistant_packages

    folder = home_assistant_packages.ENGINE.path()
    done = subprocess.run(
        # Without our own packages: it has other versions of some of them.
        [sys.executable, "-I", "-S", __file__, str(folder)],
        input=json.dumps(messages),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not done.returncode, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _judge(topic: str, payload: str) -> None:
    """Raises what Home Assistant raises, or AssertionError for what it ignores in silence."""
    from homeassistant.components.mqtt import discovery, sensor
    from homeassistant.components.sensor.const import (
        DEVICE_CLASS_STATE_CLASSES,
        DEVICE_CLASS_UNITS,
    )

    prefix, _, rest = topic.partition("/")
    match = discovery.TOPIC_MATCHER.match(rest)
    assert prefix == "homeassistant" and match, "the topic is not one of discovery"
    assert match["component"] == "sensor", "not a sensor"
    given = json.loads(payload)
    taken = sensor.DISCOVERY_SCHEMA(given)
    # The schema drops what it does not know: a word that is spelled wrong.
    ignored = set(given) - set(taken)
    assert not ignored, f"ignored: {sorted(ignored)}"
    kind, unit = taken.get("device_class"), taken.get("unit_of_measurement")
    if kind:
        assert unit in DEVICE_CLASS_UNITS[kind], f"{unit} is no unit of {kind}"
        classes = DEVICE_CLASS_STATE_CLASSES[kind]
        assert taken["state_class"] in classes, f"{kind} cannot be {taken['state_class']}"


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    found = {}
    for topic, payload in json.load(sys.stdin).items():
        try:
            _judge(topic, payload)
        except Exception as error:
            found[topic] = f"{type(error).__name__}: {error}"
    print(json.dumps(found))


if __name__ == "__main__":
    main()
