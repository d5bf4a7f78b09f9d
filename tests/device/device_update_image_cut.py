"""An update of MicroPython itself survives a power cut at every flash operation, too."""

from update_cuts import Chip, loader, made, runs, survives
from update_releases import NEW_STAYS, OLD_STAYS, Image, flashed, online, received

I1, I2 = Image("1.27.0"), Image("1.28.0")


def with_image():
    I1.install("ota_0")


def image_starts_whole(chip):
    chip.start()
    if not {"ota_0": I1, "ota_1": I2}[loader.running].is_in(loader.running):
        return "the image in %s is not whole" % loader.running
    return None


def test_while_an_image_comes_in_and_is_switched_to():
    def can_go_on(chip):
        fault = image_starts_whole(chip)
        if fault or loader.running == "ota_1":
            return fault
        if online() not in (None, OLD_STAYS):
            return "the outcome is not true"
        received(I2)
        fault = image_starts_whole(chip)
        if loader.running != "ota_1":
            return "the update did not go on"
        return fault or (None if online() == NEW_STAYS else "the outcome is not true")

    content = made(flashed, with_image)
    assert survives(content, lambda: received(I2), can_go_on, "a", "ota_0") > 50


def image_switched():
    runs("a", "ota_0")
    received(I2)


def test_while_the_boot_loader_and_the_board_settle_on_an_image():
    def boots_and_gets_online():
        loader.boot()
        online()

    def settled(chip):
        fault = image_starts_whole(chip)
        label = loader.running
        told = online()
        if told is not None and (told[2] == "") != (label == "ota_1"):
            return "told %s with %s at work" % (told, label)
        fault = fault or image_starts_whole(chip)
        return fault or ("it went" if loader.running != label else None)

    content = made(flashed, with_image, image_switched)
    survives(content, boots_and_gets_online, settled, "a", "ota_0")


def test_an_image_that_does_not_get_online_is_undone_by_the_boot_loader():
    with Chip(made(flashed, with_image, image_switched)) as chip:
        assert image_starts_whole(chip) is None and loader.running == "ota_1"
        # Restarted before it was marked as valid.
        assert image_starts_whole(chip) is None and loader.running == "ota_0"
        assert online() == OLD_STAYS and online() is None
