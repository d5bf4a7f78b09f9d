"""Where things lie: the firmware's files, what can be fetched again, and what belongs to a user."""

from pathlib import Path

import mote
from platformdirs import user_data_path

DEVICE_PACKAGE = Path(mote.__file__).parent
FIRMWARE = DEVICE_PACKAGE.parent
CHECKOUT = FIRMWARE.parent
PROVISIONING = CHECKOUT / "provisioning"
CONFIG_SCHEMA = DEVICE_PACKAGE / "config.schema.json"


def cache() -> Path:
    """Folder for what can be fetched or made again."""
    path = CHECKOUT / "build" / "cache"
    path.mkdir(parents=True, exist_ok=True)
    return path


def data() -> Path:
    """Folder for what belongs to the user: the hub's readings and accounts."""
    return user_data_path("mote")
