"""Where things lie: the firmware's files, what can be fetched again, and what belongs to a user."""

from pathlib import Path

import mote
from platformdirs import user_cache_path, user_data_path

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


def downloads() -> Path:
    """Folder for large files that are fetched once for every checkout of a user."""
    return user_cache_path("mote", ensure_exists=True)


def data() -> Path:
    """Folder for what belongs to the user: the hub's readings and accounts."""
    return user_data_path("mote")
