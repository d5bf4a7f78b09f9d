"""`python -m motekit.values` in its container: collects, and shows what there is."""

import argparse
import logging
from pathlib import Path

from motekit.supervision import keep_in_thread
from motekit.values.archive import Archive
from motekit.values.collector import Collector
from motekit.values.page import Page
from motekit.values.shelf import Shelf

_PORT = 8000
USER = "last-values"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m motekit.values", description=__doc__)
    parser.add_argument("--broker", default="mosquitto", help="host of the broker")
    parser.add_argument("--redis", default="redis", help="host of Redis")
    parser.add_argument("--influx", default="http://influxdb:8086", help="address of InfluxDB")
    parser.add_argument(
        "--secrets",
        type=Path,
        default=Path("/run/secrets"),
        help="folder with redis_password, mqtt_password and influxdb_token",
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    redis_password = (given.secrets / "redis_password").read_text(encoding="utf-8")
    mqtt_password = (given.secrets / "mqtt_password").read_text(encoding="utf-8")
    shelf = Shelf(given.redis, USER, redis_password)
    archive = Archive(given.influx, given.secrets / "influxdb_token")
    collector = Collector(shelf, archive, given.broker, USER, mqtt_password)
    page = Page(shelf, lambda: collector.healthy, _PORT)
    keep_in_thread("the page", page.serve_forever)
    collector.run()


if __name__ == "__main__":
    main()
