"""`mote demo`: the whole product on one machine, with virtual boards in place of real ones."""
