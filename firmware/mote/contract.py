"""What device and host promise each other, written once: both import this file.

It runs unchanged on MicroPython and on CPython (the host has `firmware` on its path), so it
uses only what both have. Topics and payloads follow MQTT 3.1.1 (OASIS, 2014), the log is ASCII.
"""

# The name of the firmware, by which an installer knows it again.
PRODUCT = "Mote"
ID_MAX = 32
METRIC_MAX = 32
PORTAL_ADDRESS = "192.168.4.1"
PORTAL_NETMASK = "255.255.255.0"
AP_PREFIX = "IOT_"
MQTT_PORT = 1883
MQTT_TLS_PORT = 8883
NTP_SERVERS = ("pool.ntp.org", "time.cloudflare.com", "time.google.com")
ONLINE = "online"
OFFLINE = "offline"
# True in the `info` of a board that crashed too often to measure, and can be mended over MQTT.
SAFE_MODE = "safe_mode"
# In the `info` of a board whose connections the server keeps closing: how often in a row.
EVICTED = "evicted"
# The answer to `config` when it leads the stored password to another server; the entries follow.
PASSWORD_NEEDED = "the MQTT password is needed with another "
# The end of the answer to any command when the board has no memory for it: mostly for a moment
# only, as right after a connection that was lost. Nothing was done.
NO_MEMORY = "there is no memory for it"
BAUD = 115200
# A file on the board: while it is there, everything that its owner left is to be erased.
ERASE_MARK = "/erase"

# Serial log, `<level> <ms> <part>: <text>`: the texts that people's scripts and our tests wait for.
# A text ends where its variable part begins.
LOG_BOOT = "mote "
LOG_SETUP = "setup: portal open, join "
LOG_SAVED = "setup: saved, restarting"
LOG_JOINED = "wifi: joined "
LOG_JOIN_FAILED = "wifi: not joined: "
LOG_CONNECTED = "mqtt: connected to "
LOG_DISCONNECTED = "mqtt: lost "
LOG_EVICTED = "mqtt: the server keeps closing the connection: does another client use the id "
LOG_FIRST_READING = "run: first reading published"
LOG_PUBLISHED = "run: published "
LOG_PROBATION_FAILED = "run: the new configuration did not get the board online"
LOG_UPDATE_TRIAL = "update: on trial: "
LOG_UPDATED = "update: stays: "
LOG_ROLLED_BACK = "update: rolled back: "
LOG_RESTART = "app: restarting: "
LOG_STOPPED = "app: stopped by Ctrl-C; type for the REPL, or the board restarts in "
LOG_HEAP = "setup: least free heap "
LOG_SLEEP = "app: sleeping for "


def sensor_topic(device: str, metric: str) -> str:
    """Topic of one reading; its payload is an ASCII decimal float and nothing else."""
    return "sensors/" + device + "/" + metric


def device_topic(device: str, leaf: str) -> str:
    """Topic of the device itself; `leaf` is status, info, log, cmd or reply."""
    return "devices/" + device + "/" + leaf


def backfill_topic(device: str) -> str:
    """Topic of readings that could not be sent live, as line protocol with their own times."""
    return "backfill/" + device


def is_device_id(text: str) -> bool:
    """True for 1 to 32 of `A-Z a-z 0-9 _ -`: safe in a topic, a file name and an SSID."""
    if not 1 <= len(text) <= ID_MAX:
        return False
    for c in text:
        if not ("a" <= c <= "z" or "A" <= c <= "Z" or "0" <= c <= "9" or c in "_-"):
            return False
    return True


def is_metric(text: str) -> bool:
    """True for 1 to 32 of `a-z 0-9 _`."""
    if not 1 <= len(text) <= METRIC_MAX:
        return False
    for c in text:
        if not ("a" <= c <= "z" or "0" <= c <= "9" or c == "_"):
            return False
    return True


def format_value(value: float) -> str:
    """The payload of a reading: fixed point, three decimals, trailing zeros cut (`21.53`, `4`).

    Raises ValueError for NaN and infinities, which are never published.
    """
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("not a finite number")
    text = "%.3f" % value
    text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
