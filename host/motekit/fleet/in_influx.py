"""What arrived in InfluxDB, asked in InfluxQL: versions 1 and 2 answer it alike at `/query`.

https://docs.influxdata.com/influxdb/v2/api-guide/influxdb-1x/query/
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from motekit import http_client
from motekit.fleet.device import Device
from motekit.fleet.verify import Stored, VerifyError

TIMEOUT_S = 60
DEVICES_A_QUERY = 50


@dataclass(frozen=True)
class InInflux:
    """A bucket (version 1: database) of the server at `url`; no token for one that is open."""

    url: str
    bucket: str
    org: str = ""
    token: str = ""

    def check(self) -> None:
        """Raises VerifyError when the server does not answer, or not us."""
        self._query('SELECT "value" FROM "sensors" LIMIT 1')

    def readings(self, devices: list[Device], since_s: float) -> Iterator[Stored]:
        """All readings of these devices from `since_s` on. Raises VerifyError."""
        for begin in range(0, len(devices), DEVICES_A_QUERY):
            asked = devices[begin : begin + DEVICES_A_QUERY]
            # Ids have no character that would need an escape here.
            wanted = " OR ".join(f"\"device\" = '{device.id}'" for device in asked)
            answer = self._query(
                f'SELECT "value" FROM "sensors" WHERE ({wanted}) AND time >= {int(since_s * 1e9)} '
                'GROUP BY "device", "metric"'
            )
            for series in answer.get("series", ()):
                device, metric = series["tags"]["device"], series["tags"]["metric"]
                for time_ns, value in series["values"]:
                    yield Stored(device, metric, time_ns / 1e9, float(value))

    def _query(self, text: str) -> dict[str, Any]:
        asked = {"db": self.bucket, "epoch": "ns"} | ({"org": self.org} if self.org else {})
        # The text can be longer than an address may be.
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}/query?{urllib.parse.urlencode(asked)}",
            urllib.parse.urlencode({"q": text}).encode(),
        )
        if self.token:
            request.add_header("Authorization", f"Token {self.token}")
        try:
            with http_client.open_url(request, TIMEOUT_S) as response:
                answer = json.load(response)["results"][0]
        except urllib.error.HTTPError as error:
            raise VerifyError(self._refused(error)) from error
        except (OSError, ValueError, LookupError) as error:
            raise VerifyError(
                f"InfluxDB does not answer at {self.url}: {error}. Check --influx-url."
            ) from error
        if "error" in answer:
            raise VerifyError(
                f"InfluxDB cannot be asked for {self.bucket!r}: {answer['error']}. Check --bucket."
            )
        return dict(answer)

    def _refused(self, error: urllib.error.HTTPError) -> str:
        if error.code in (401, 403):
            return (
                f"InfluxDB at {self.url} does not let us read {self.bucket!r} ({error.code}): "
                "give a token that may, with --token-file"
            )
        told = error.read(200).decode(errors="replace").strip()
        return f"InfluxDB at {self.url} answers {error.code} {told}. Check --bucket and --org."
