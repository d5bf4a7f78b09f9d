"""The projects of sim/wokwi, and the board of provisioning/boards that each is for."""

PROJECTS = {
    "esp32": "esp32-devkitc",
    "esp32-s3": "esp32-s3-devkitc",
    "esp32-c3": "esp32-c3-devkitm",
}
