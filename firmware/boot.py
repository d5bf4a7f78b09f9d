# Runs at every boot, before main.py. It is empty on purpose: what raises here leaves the board dead.
