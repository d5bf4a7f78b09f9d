"""The last values that the database has: for what was published while nobody listened here."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from motekit import http_client

_ANSWER_S = 30
_BUCKET = "sensors"


class ArchiveError(Exception):
    """The database did not answer, or not us; the text says how."""


class Archive:
    """InfluxDB at `url`, asked with the token in `token_file`, which is read at each question."""

    def __init__(self, url: str, token_file: Path) -> None:
        self._url = url
        self._token_file = token_file

    def last(self, seconds: float) -> Iterator[tuple[str, str, float, float]]:
        """Device, metric, value and Unix time of all that was measured within so many seconds.

        Raises ArchiveError.
        """
        query = (
            # Without an end, a reading dated in the future would hide all others.
            f'SELECT last("value") FROM "sensors" WHERE time > now() - {seconds:.0f}s '
            'AND time <= now() GROUP BY "device", "metric"'
        )
        asked = urllib.parse.urlencode({"db": _BUCKET, "epoch": "ms", "q": query})
        request = urllib.request.Request(f"{self._url}/query?{asked}")
        try:
            token = self._token_file.read_text(encoding="utf-8")
            request.add_header("Authorization", f"Token {token}")
            # The database is beside us: Docker may have put a proxy into the environment.
            with http_client.open_url(request, _ANSWER_S, direct=True) as answer:
                found = json.load(answer)["results"][0]
        except (OSError, ValueError, LookupError) as error:
            raise ArchiveError(f"the database does not answer: {error}") from error
        for series in found.get("series", ()):
            tags = series.get("tags", {})
            time_ms, value = series["values"][0]
            # Whoever else writes into this bucket need not keep to our tags.
            if tags.get("device") and tags.get("metric") and isinstance(value, int | float):
                yield tags["device"], tags["metric"], float(value), time_ms / 1000
