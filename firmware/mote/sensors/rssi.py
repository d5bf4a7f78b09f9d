"""Signal of the WiFi network that the board is joined to, in dBm."""

import network


def find():
    return [{"type": "rssi"}]


class Driver:
    metrics = ("rssi",)
    PERIOD_MS = 0

    def __init__(self, options):
        self._station = network.WLAN(network.STA_IF)

    async def read(self):
        if not self._station.isconnected():
            return (None,)
        signal = self._station.status("rssi")
        # 0 and 31 are what the radio says without a measurement.
        if not -120 <= signal < 0:
            return (ValueError("%d dBm is no signal" % signal),)
        return (signal,)
