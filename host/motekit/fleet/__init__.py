"""Thousands of devices in one process, as they would be in the field: data and load for a backend.

`fleet` runs them, `device` is one of them, `connection` speaks to the broker, `verify` counts what
arrived.
"""
