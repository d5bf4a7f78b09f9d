"""The board's own memory of its readings: a ring of files that outlives outages and power cuts."""
