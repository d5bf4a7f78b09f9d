# Runs at every boot, before main.py. Empty on purpose: what raises here leaves the board dead.
