"""The last value of everything in Redis: who fills it from the broker, and who shows it over HTTP.

Runs in a container of the backend (docker/compose.values.yaml), profile `full`.
"""
