"""An MQTT 3.1.1 and 5.0 broker that acknowledges a message after the application has stored it.

The package knows nothing of the rest of Mote. `core` does no input or output and reads no clock;
`server` connects it to asyncio; `backend` is what the application implements.
"""
