"""Why a board did not get online, as one of few reasons that a person can act on."""

# Reason -> (the step that failed, what happened, what to do). Steps: join address name server login
WRONG_PASSWORD = "wrong_password"
NETWORK_NOT_FOUND = "network_not_found"
NOT_JOINED = "not_joined"
NO_ADDRESS = "no_address"
NAME_NOT_FOUND = "name_not_found"
UNREACHABLE = "unreachable"
REFUSED = "refused"
NO_ANSWER = "no_answer"
NOT_MQTT = "not_mqtt"
BAD_LOGIN = "bad_login"
TLS = "tls"
NO_SERVER = "no_server"
CHOOSE_SERVER = "choose_server"
FLASH = "flash"

_TEXTS = {
    WRONG_PASSWORD: (
        "join",
        "the WiFi password was not accepted",
        "Check the password: capitals count.",
    ),
    NETWORK_NOT_FOUND: (
        "join",
        "the WiFi network was not found",
        "Move the board closer to the router, and check the name. It must be a 2.4 GHz network.",
    ),
    NOT_JOINED: (
        "join",
        "the WiFi network did not let the board in",
        "Try again; if it stays so, restart the router.",
    ),
    NO_ADDRESS: (
        "address",
        "the WiFi network gave no address",
        "Check that DHCP is on in the router and that it has addresses left.",
    ),
    NAME_NOT_FOUND: (
        "name",
        "the MQTT server's name was not found",
        "Check the spelling, or enter its address, such as 192.168.1.10.",
    ),
    NO_SERVER: (
        "name",
        "no MQTT server was found in your network",
        "Enter the server's name or its address.",
    ),
    CHOOSE_SERVER: (
        "name",
        "your network has more than one MQTT server",
        "Choose one of them in the form.",
    ),
    UNREACHABLE: (
        "server",
        "the MQTT server cannot be reached",
        "Check the address, and that server and board are in the same network.",
    ),
    REFUSED: (
        "server",
        "the MQTT server refused the connection",
        "Check the port, and that the server is running.",
    ),
    NO_ANSWER: (
        "server",
        "the MQTT server did not answer",
        "Check the address and the port, and that no firewall is in between.",
    ),
    NOT_MQTT: (
        "server",
        "what answered is not an MQTT server",
        "Check the port: 1883, or 8883 with TLS.",
    ),
    BAD_LOGIN: (
        "login",
        "the MQTT server did not accept the user and password",
        "Check the MQTT user and password under Advanced.",
    ),
    TLS: (
        "login",
        "the secure connection failed",
        "Check that the server uses TLS on this port, and its CA certificate.",
    ),
    FLASH: (
        "login",
        "the settings could not be saved",
        "The flash is full or damaged: install the firmware again.",
    ),
}
REASONS = tuple(_TEXTS)


def explained(reason: str) -> tuple[str, str, str]:
    """The step that failed, what happened, and what to do: in English, as the log says it."""
    return _TEXTS[reason]


class Failure(Exception):
    """A step on the way online failed. `reason` is one of the constants of this module.

    `detail` is for the log only (an errno, a driver's status) and never holds a secret.
    """

    def __init__(self, reason, detail=""):
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.step, self.what, self.remedy = explained(reason)

    def __str__(self):
        return self.what + (" (%s)" % self.detail if self.detail else "")
