"""esp32-mock-bootloader as it comes, but patient: a busy computer pauses for more than 3 s."""

import sys

from esp32_mock_bootloader import server
from esp32_mock_bootloader.cli import main

# Else it forgets a session in which something was written, and esptool does not expect that.
server._FLASH_END_IDLE_SEC = 120.0

if __name__ == "__main__":
    sys.exit(main())
