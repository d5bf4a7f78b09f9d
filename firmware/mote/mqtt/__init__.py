"""Delivery over MQTT in three rooms: link (bytes), protocol (packets), queue (what is still owed)."""
