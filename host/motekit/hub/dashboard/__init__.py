"""The dashboard in the browser: pages, a JSON interface, and the login in front of both.

It runs in a process of its own (`process` starts it, `stream` feeds it) and only reads the store.
"""
