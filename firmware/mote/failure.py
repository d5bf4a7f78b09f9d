"""Why a board did not get online, as one of few reasons that a person can act on.

What is said about each is in `failure.txt`: reason, the step that failed (join address name server
login), what happened, what to do. It is read when it is needed: sentences would fill the heap.
"""

WRONG_PASSWORD = "wrong_password"
NETWORK_NOT_FOUND = "network_not_found"
NOT_JOINED = "not_joined"
NO_ADDRESS = "no_address"
NAME_NOT_FOUND = "name_not_found"
NO_SERVER = "no_server"
CHOOSE_SERVER = "choose_server"
CONFIRM_SERVER = "confirm_server"
UNREACHABLE = "unreachable"
REFUSED = "refused"
NO_ANSWER = "no_answer"
NOT_MQTT = "not_mqtt"
BAD_LOGIN = "bad_login"
PASSWORD_NEEDED = "password_needed"
TLS = "tls"
NO_CA = "no_ca"
NO_TLS = "no_tls"
NEEDS_TLS = "needs_tls"
NO_MEMORY = "no_memory"
FLASH = "flash"

_TEXTS = __file__.rsplit("/", 1)[0] + "/failure.txt"


def reasons() -> list[str]:
    """Every reason there is."""
    with open(_TEXTS) as lines:
        return [line.split("|")[0] for line in lines]


def explained(reason: str) -> list[str]:
    """The step that failed, what happened, and what to do: in English, as the log says it."""
    with open(_TEXTS) as lines:
        for line in lines:
            if line.startswith(reason + "|"):
                return line.strip().split("|")[1:]
    raise ValueError(reason)


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
