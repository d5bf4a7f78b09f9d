"""Host tools of Mote: the hub, the commands, and what they share."""
