"""How long a board waits before it goes another way: every time-out of STATES.md, in one place.

Milliseconds. `firmware/STATES.md` draws what they lead from and to, and a test holds both together.
"""

# Without WiFi for this long the setup portal opens, and joining goes on beside it.
WIFI_LOST_MS = 180_000
# The same on a board that sleeps between readings: a battery does not last for a search.
WIFI_LOST_ON_BATTERY_MS = 30_000
# With the portal open and not in use, the known networks are tried this often.
RETRY_BESIDE_PORTAL_MS = 20_000
# Somebody who asked for nothing this long has left the portal. A phone that is still on the setup
# network, and has asked for a page, may be filling in the form: so long. Presence alone is no use.
VISIT_MS = 60_000
FORM_MS = 240_000
# However much the portal is used, the known networks are tried this often.
RETRY_IN_USE_MS = 240_000
# A portal that was asked for, and not used for this long, makes room for running again.
PORTAL_UNUSED_MS = 300_000
# However much it is used, this is how long a board with settings goes without trying them.
PORTAL_LONGEST_MS = 900_000
# On a battery the portal closes for a while, and then everything is tried anew.
PORTAL_ON_BATTERY_MS = 180_000
SLEEP_ON_BATTERY_MS = 900_000
# The access point outlives the saving: a phone that fell off returns and reads the result.
SAVED_TOLD_MS = 15_000
SAVED_UNTOLD_MS = 30_000
# The BOOT button.
HOLD_FOR_SETUP_MS = 3_000
HOLD_TO_ERASE_MS = 10_000
# Power that comes and goes three times within this opens the portal.
QUICK_RESET_MS = 10_000
QUICK_RESETS = 3
# After so many crashes in a row only the portal starts; a run of this length breaks the row.
CRASHES = 5
STEADY_MS = 300_000
# After Ctrl-C at the serial port a key opens the REPL. Without one the board restarts.
REPL_UNUSED_MS = 300_000
# Safe mode tries the firmware once more when nobody came.
SAFE_MODE_MS = 600_000
# A configuration that came over MQTT and does not get the board online makes room for the old one.
PROBATION_MS = 180_000
# So does a new version; it has so many starts for it. Not less than a router takes to come back.
UPDATE_TRIAL_MS = 600_000
UPDATE_STARTS = 3
# Attempts to join and to connect: the pause grows with the outage, between these bounds.
PAUSE_FIRST_MS = 1_000
PAUSE_MAX_MS = 60_000
# A connection that held this long was a good one: the next outage starts with the first pause.
CONNECTION_STEADY_MS = 60_000
