"""The setup portal: what a phone talks to. It knows neither the radio nor MQTT."""

# What makes pages: loaded for a visit, and forgotten where memory is short.
PAGES = ("mote.portal.page", "mote.portal.pack")
