#!/bin/sh
# The only service whose login may command boards. It makes `replay` commands and no others: of a
# request on internal/replay/<id>, which only `refill` and the owner may write, it takes three numbers
# and puts them into one fixed text. It reads nothing else, above all nothing that a board says.
# Why: docs/decisions/0003-who-may-command-boards.md.
set -eu

say() { echo "replay-gate: $*"; }
refuse() { say "refused a request that is not three numbers for a device"; }

# command ID HEX: publishes the command, or fails where the payload is not three numbers.
command() {
    # Pairs of digits: 3x is a digit, 20 a blank; what is neither keeps its mark.
    text=$(printf %s "$2" | sed 's/../&-/g; s/3\([0-9]\)-/\1/g; s/20-/ /g')
    case $text in *[!0-9\ ]* | '') return 1 ;; esac
    # shellcheck disable=SC2086 # the three words are what is wanted
    set -- "$1" $text
    [ $# = 4 ] && [ "$2 $3 $4" = "$text" ] || return 1
    # JSON has no number that begins with 0.
    case $4 in 0 | [1-9]*) ;; *) return 1 ;; esac
    mosquitto_pub -q 1 -t "devices/$1/cmd" \
        -m "{\"cmd\":\"replay\",\"nonce\":\"refill-$2-$3\",\"since\":$4}"
}

# Payloads come in hex, so that a line is one request whatever is in it. The session is kept: what is
# asked for while this restarts waits in the broker.
mosquitto_sub -c -i "replay-gate${MOTE_CLIENT_ID_SUFFIX:-}" -q 1 -t 'internal/replay/+' -F '%t %r %x' |
    while read -r topic retained payload more; do
        device=${topic#internal/replay/}
        # An id has at most 32 signs; three Unix times with their blanks have 35.
        if [ "${#device}" -gt 32 ] || [ "${#payload}" -gt 70 ] || [ "$retained$more" != 0 ]; then
            refuse
            continue
        fi
        case $device in
        '' | *[!A-Za-z0-9_-]*) refuse ;;
        *) command "$device" "$payload" || refuse ;;
        esac
    done
