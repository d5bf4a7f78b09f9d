#!/bin/bash
# Starts the database; before its first start, sets it up with the password and the operator token of
# this installation. The image's own start does the same with `influx setup --password … --token …`,
# which every user of the machine can read. Here they are in memory and on a connection of this
# container only: bash speaks HTTP itself, and printf is part of it.
set -euo pipefail
umask 077
BOLT=${INFLUXD_BOLT_PATH:-/var/lib/influxdb2/influxd.bolt}
DATA=${BOLT%/*}
SECRETS=${SECRETS:-/run/secrets}
# Not the port of the database: nobody else gets in before it is set up.
PORT=${SETUP_PORT:-9999}
WEEK_S=604800

# ask METHOD PATH [BODY]: the status of the answer.
ask() {
    local _ code body=${3:-}
    exec 3<>"/dev/tcp/127.0.0.1/$PORT" || return 1
    printf '%s %s HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n' "$1" "$2" >&3
    printf 'Content-Length: %d\r\n\r\n%s' "${#body}" "$body" >&3
    read -r _ code _ <&3
    exec 3>&-
    printf %s "$code"
}

if [ ! -e "$BOLT" ]; then
    # Apart from its place until it is whole: half a set-up would look like one at the next start.
    new=$DATA/new
    rm -rf "$new" "$DATA/engine" "$DATA"/influxd.*
    mkdir "$new"
    INFLUXD_BOLT_PATH=$new/influxd.bolt INFLUXD_ENGINE_PATH=$new/engine \
        influxd run --http-bind-address "127.0.0.1:$PORT" --log-level warn &
    server=$!
    until [ "$(ask GET /health 2>/dev/null)" = 200 ]; do
        kill -0 "$server"
        sleep 0.2
    done
    password=$(<"$SECRETS/password") token=$(<"$SECRETS/operator_token")
    body='{"username":"owner","org":"mote","bucket":"sensors","retentionPeriodSeconds":'$WEEK_S
    body+=',"password":"'$password'","token":"'$token'"}'
    code=$(ask POST /api/v2/setup "$body")
    kill "$server"
    [ "$code" = 201 ] || { echo "the database cannot be set up: HTTP $code" >&2; exit 1; }
    wait "$server" || true
    unset password token body
    mv "$new/engine" "$DATA/engine"
    mv "$new"/influxd.sqlite* "$DATA"
    # The last: what is looked for above.
    mv "$new/influxd.bolt" "$BOLT"
fi
exec influxd
