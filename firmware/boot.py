# Runs before main.py and is empty on purpose: what raises here leaves the board in the REPL.
