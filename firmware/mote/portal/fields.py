"""The fields of the form: their names, their order, and what they show of a document."""

from mote import config, contract

# The fields as they follow each other on the page.
ORDER = (
    "id",
    "ssid",
    "password",
    "host",
    "port",
    "user",
    "mqtt_password",
    "tls",
    "insecure",
    "interval",
    "portal_password",
)
SECRETS = ("password", "mqtt_password", "portal_password")
ADVANCED = ("insecure", "interval", "portal_password")
# The word for a password that was entered for a network without one.
NO_PASSWORD = "no_password"
# The choice "another network": its name is typed into the field beside it.
OTHER = ""
_DEFAULT_INTERVAL = 10
# Stands in while an empty host is checked: the board will look for one.
_ANY_HOST = "mqtt.local"


def prefilled(name, settings):
    """What the form of a board `name` shows at first; `settings` are those it has, or None."""
    if settings:
        return entries(settings)
    return {"id": name, "port": contract.MQTT_PORT, "interval": _DEFAULT_INTERVAL}


def entries(document, fields=None):
    """What the form shows of a document: everything but its secrets, only whether there are any."""
    server = document["mqtt"]
    network = document["wifi"][0]
    return {
        "id": document["id"],
        "ssid": network["ssid"],
        "ssid_other": fields.get("ssid_other", "") if fields else "",
        "password_kept": bool(network.get("password")),
        "host": server["host"],
        "port": server.get("port", contract.MQTT_PORT),
        "user": server.get("user", ""),
        "mqtt_password_kept": bool(server.get("password")),
        "tls": server.get("tls", False),
        "insecure": server.get("insecure", False),
        "interval": document.get("interval", _DEFAULT_INTERVAL),
        "portal_password_kept": bool(document.get("portal_password")),
    }


def faults_of(document):
    """What is wrong with the entries, (path, text); an empty host is none, the board seeks one."""
    host = document["mqtt"]["host"]
    document["mqtt"]["host"] = host or _ANY_HOST
    try:
        config.checked(document)
    except config.ConfigError as error:
        return error.faults
    finally:
        document["mqtt"]["host"] = host
    return ()
