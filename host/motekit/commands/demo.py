"""`mote demo`: hub, three publishing boards and one in its setup portal, on this machine alone."""
