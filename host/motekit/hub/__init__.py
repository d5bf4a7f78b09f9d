"""The hub: broker, accounts, ingest, store and dashboard in one process, for people without Docker.

A message goes one way: broker → ingest → store → dashboard.
"""

from motekit.hub.hub import Hub, HubError

__all__ = ["Hub", "HubError"]
