"""Which ports of the backend others than this machine reach, and what goes over them in clear."""

import ipaddress

# An address of the settings that is every address of this machine; an earlier version had no other.
EVERYBODY = "0.0.0.0"
# The settings for the ports without TLS, and what goes over each in clear.
ADDRESSES = {
    "MOTE_MQTT_ADDRESS": "the passwords of boards and people at the broker, and all readings",
    "MOTE_GRAFANA_ADDRESS": "the password of the dashboards",
}


def is_loopback(address: str) -> bool:
    """Whether this machine alone reaches an address of the settings."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def opened(settings: dict[str, str]) -> dict[str, str]:
    """Return each setting that lets others in without TLS, with what goes in clear then."""
    return {
        key: clear
        for key, clear in ADDRESSES.items()
        if not is_loopback(settings.get(key, EVERYBODY))
    }
