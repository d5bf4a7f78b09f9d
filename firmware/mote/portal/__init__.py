"""The setup portal: what a phone talks to. It knows neither the radio nor MQTT."""
