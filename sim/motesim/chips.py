"""What distinguishes the chips of the family: pins, buses, identity (Espressif datasheets)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """One chip. Pins are GPIO numbers; `adc_full_scale_uv` is by attenuation 0, 2.5, 6, 11 dB."""

    name: str
    machine: str
    sysname: str
    pins: frozenset[int]
    input_only: frozenset[int]
    adc_pins: frozenset[int]
    # Pins of ADC2, which reads nothing while WiFi is active (ESP32 datasheet, 4.1.2).
    adc2_pins: frozenset[int]
    adc_full_scale_uv: tuple[int, int, int, int]
    i2c_pins: tuple[tuple[int, int], ...]
    temperature_call: str
    mac_prefix: str
    flash_size: int = 4 * 1024 * 1024


ESP32 = Chip(
    name="esp32",
    machine="Generic ESP32 module with ESP32",
    sysname="esp32",
    pins=frozenset({*range(24), *range(25, 28), *range(32, 40)} - {20, *range(6, 12)}),
    input_only=frozenset({34, 35, 36, 37, 38, 39}),
    adc_pins=frozenset({0, 2, 4, *range(12, 16), 25, 26, 27, *range(32, 40)}),
    adc2_pins=frozenset({0, 2, 4, *range(12, 16), 25, 26, 27}),
    adc_full_scale_uv=(950_000, 1_250_000, 1_750_000, 2_450_000),
    i2c_pins=((18, 19), (25, 26)),
    temperature_call="raw_temperature",
    mac_prefix="240ac4",
)
ESP32_S3 = Chip(
    name="esp32s3",
    machine="Generic ESP32S3 module with ESP32S3",
    sysname="esp32",
    pins=frozenset({*range(22), *range(33, 49)}),
    input_only=frozenset(),
    adc_pins=frozenset(range(1, 21)),
    adc2_pins=frozenset(range(11, 21)),
    adc_full_scale_uv=(950_000, 1_250_000, 1_750_000, 3_100_000),
    i2c_pins=((9, 8), (9, 8)),
    temperature_call="mcu_temperature",
    mac_prefix="7cdfa1",
)
ESP32_C3 = Chip(
    name="esp32c3",
    machine="Generic ESP32C3 module with ESP32C3",
    sysname="esp32",
    pins=frozenset({*range(11), *range(18, 22)}),
    input_only=frozenset(),
    adc_pins=frozenset(range(6)),
    adc2_pins=frozenset({5}),
    adc_full_scale_uv=(750_000, 1_050_000, 1_300_000, 2_500_000),
    i2c_pins=((9, 8),),
    temperature_call="mcu_temperature",
    mac_prefix="a0764e",
)
ESP32_C6 = Chip(
    name="esp32c6",
    machine="ESP32C6 module with ESP32C6",
    sysname="esp32",
    pins=frozenset({*range(24)}),
    input_only=frozenset(),
    adc_pins=frozenset(range(7)),
    adc2_pins=frozenset(),
    adc_full_scale_uv=(1_000_000, 1_300_000, 1_900_000, 3_300_000),
    i2c_pins=((7, 6),),
    temperature_call="mcu_temperature",
    mac_prefix="404cca",
)

CHIPS = {chip.name: chip for chip in (ESP32, ESP32_S3, ESP32_C3, ESP32_C6)}
