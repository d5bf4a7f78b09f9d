"""Updates over the air: the key, the signed bundle, and how it gets onto a board.

`firmware/mote/UPDATES.md` says what the board does with it.
"""

from motekit.update.bundle import (
    Bundle,
    BundleError,
    Downgrade,
    make_application,
    make_image,
    read,
)
from motekit.update.keys import (
    NAME,
    KeyFileError,
    fingerprint,
    key_file,
    private_key,
    public_bytes,
    trusted_bytes,
)
from motekit.update.send import UpdateError, send

__all__ = [
    "NAME",
    "Bundle",
    "BundleError",
    "Downgrade",
    "KeyFileError",
    "UpdateError",
    "fingerprint",
    "key_file",
    "make_application",
    "make_image",
    "private_key",
    "public_bytes",
    "read",
    "send",
    "trusted_bytes",
]
