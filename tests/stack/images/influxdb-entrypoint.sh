#!/bin/sh
# The first start of the database, with the variables of the published image.
set -eu

if [ "${DOCKER_INFLUXDB_INIT_MODE:-}" = setup ] && [ ! -f /var/lib/influxdb2/influxd.bolt ]; then
    # Not on its own port: nobody gets in before it is set up.
    influxd run --http-bind-address 127.0.0.1:9999 &
    server=$!
    # Half a set-up would look like a whole one at the next start.
    trap 'kill $server; rm -rf /var/lib/influxdb2/*; exit 1' EXIT
    until influx ping --host http://127.0.0.1:9999 >/dev/null 2>&1; do
        kill -0 $server
        sleep 0.2
    done
    influx setup --force --host http://127.0.0.1:9999 \
        --org "$DOCKER_INFLUXDB_INIT_ORG" --bucket "$DOCKER_INFLUXDB_INIT_BUCKET" \
        --retention "${DOCKER_INFLUXDB_INIT_RETENTION:-0}" \
        --username "$DOCKER_INFLUXDB_INIT_USERNAME" \
        --password "$(cat "$DOCKER_INFLUXDB_INIT_PASSWORD_FILE")" \
        --token "$(cat "$DOCKER_INFLUXDB_INIT_ADMIN_TOKEN_FILE")" >/dev/null
    trap - EXIT
    kill $server
    wait $server || true
fi
exec "$@"
