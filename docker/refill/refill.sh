#!/bin/sh
# Has each board send again what broker or database may have lost: boards keep what they have
# delivered (firmware/DELIVERY.md). Its login may not command boards: it asks replay-gate/gate.sh. /refill/losses has a line for each loss, the Unix time since which
# readings may be missing: written here when the broker was restarted, by influxdb/setup.sh for a new
# database, by `mote stack restore`. A board is asked when it is online, until it has answered.
set -eu
cd /refill
mkdir -p answered
touch losses
# The broker tells its uptime every 10 s, so it was there so much longer than it was heard.
MARGIN_S=15
# What it tells may be so late; what it told before, and retains, is left out.
LATE_S=5
[ -e heard ] || echo "$(date +%s) 0" >heard
known=$(grep -c . losses || true)
# A board does what bears the same nonce once: after a restore the count begins anew.
last=$(tail -n 1 losses)
# As the gate makes it of the same numbers.
nonce="refill-$known-$last"
# Payloads come in hex: what a device sends cannot look like a line of another device.
ONLINE=6f6e6c696e65
hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
mine=$(hex "\"$nonce\"")
# In safe mode a board refuses: it is asked again when it comes once more.
OBEYED=$(hex '"ok": true')

say() { echo "refill: $*"; }

ask() {
    done=$(cat "answered/$1" 2>/dev/null || echo 0)
    [ "$done" -lt "$known" ] || return 0
    since=$(tail -n +$((done + 1)) losses | sort -n | head -n 1)
    say "asking $1 for its readings since $since"
    mosquitto_pub -q 1 -t "internal/replay/$1" -m "$known $last $since"
}

# Whoever finds a new loss ends here, is started again, and gets the status of every board anew.
beat() {
    read -r heard before <heard
    now=$(date +%s)
    echo "$now $1" >heard.new
    mv heard.new heard
    # It began to run later than it did when it was heard last.
    if [ $((now - $1)) -gt $((heard - before + LATE_S)) ]; then
        say "the broker was restarted"
        echo $((heard - MARGIN_S)) >>losses
    fi
    [ "$(grep -c . losses || true)" = "$known" ]
}

mosquitto_sub -q 1 -t '$SYS/broker/uptime' -t 'devices/+/status' -t 'devices/+/reply' -F '%t %r %x' |
    while read -r topic retained payload; do
        payload=${payload:-}
        device=${topic#devices/}
        device=${device%/*}
        case $topic in
        '$SYS/broker/uptime')
            [ "$retained" = 1 ] || beat "$(echo "${payload%%20*}" | sed 's/3\(.\)/\1/g')" || exit 0
            ;;
        *[!A-Za-z0-9_/-]*) ;;
        */status) [ "$payload" != $ONLINE ] || ask "$device" ;;
        */reply)
            case $payload in
            *"$mine"*)
                case $payload in
                *"$OBEYED"*) echo "$known" >"answered/$device" ;;
                *) say "$device refused" ;;
                esac
                ;;
            esac
            ;;
        esac
    done
