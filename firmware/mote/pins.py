"""The usual pins of a bare board of each chip: written once, for device and host.

`sda` `scl`: I2C; `onewire`: DS18B20 probes; `dht`: DHT22; `analog`: an ADC1 input (ADC2 reads
nothing while WiFi is on); `button`: BOOT; `led`: the DevKit's own, -1 where it is no plain one.
"""

PINS = {
    "ESP32": {
        "sda": 21, "scl": 22, "onewire": 15, "dht": 4, "analog": 34, "button": 0, "led": 2
    },
    "ESP32S3": {
        "sda": 8, "scl": 9, "onewire": 15, "dht": 4, "analog": 1, "button": 0, "led": -1
    },
    "ESP32C3": {
        "sda": 5, "scl": 6, "onewire": 10, "dht": 4, "analog": 3, "button": 9, "led": -1
    },
}  # fmt: skip
