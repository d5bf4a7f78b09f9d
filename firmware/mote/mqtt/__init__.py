"""Delivery over MQTT in three rooms: link (bytes), protocol (packets), queue (what is owed)."""
