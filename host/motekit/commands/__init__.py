"""One file a command of `mote`."""
