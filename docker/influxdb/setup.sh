#!/bin/sh
# Brings the database to what this stack needs, and changes only what is not yet so: buckets with
# their retention, the downsampling tasks, a token for each service. It runs at every start.
set -eu
umask 077
# In the environment: a command line can be read by every user of the machine.
INFLUX_TOKEN=$(cat "${SECRETS:-/secrets}/operator_token")
export INFLUX_TOKEN
TOKENS=${TOKENS:-/tokens}

say() { echo "influxdb-setup: $*"; }

# The stack in the database remembers what it made, so that nothing is made twice.
stack=$(influx stacks --stack-name mote --hide-headers | cut -f 1)
if [ -z "$stack" ]; then
    stack=$(influx stacks init --stack-name mote --hide-headers | cut -f 1)
    # A new database lacks everything that boards still have.
    echo 0 >>"${LOSSES:-/losses}"
fi
influx apply --stack-id "$stack" --file /setup/buckets.yaml --file /setup/tasks.yaml \
    --force yes --quiet >/dev/null
say "buckets and tasks are as in buckets.yaml and tasks.yaml"

bucket_id() { influx bucket list --name "$1" --hide-headers | cut -f 1; }

# token FILE DESCRIPTION PERMISSION...: makes a token unless the one in FILE is still good.
token() {
    file=$1 description=$2
    shift 2
    if [ -s "$file" ] && INFLUX_TOKEN=$(cat "$file") influx bucket list >/dev/null 2>&1; then
        return
    fi
    made=$(influx auth create --description "$description" "$@" --json |
        sed -n 's/.*"token": *"\([^"]*\)".*/\1/p')
    [ -n "$made" ] || { say "no token for $description"; exit 1; }
    # In place: the file alone is mounted, so none can be put in its stead. Half a token is not good,
    # and the next start makes another.
    printf %s "$made" >"$file"
    say "made a token: $description"
}

sensors=$(bucket_id sensors)
minutes=$(bucket_id sensors_minutes)
hours=$(bucket_id sensors_hours)
operations=$(bucket_id operations)
token "$TOKENS/telegraf" "Telegraf writes" \
    --write-bucket "$sensors" --write-bucket "$operations"
token "$TOKENS/grafana" "Grafana reads" \
    --read-bucket "$sensors" --read-bucket "$minutes" --read-bucket "$hours" \
    --read-bucket "$operations"
token "$TOKENS/last-values" "last values are read" --read-bucket "$sensors"
