from mote import contract


def test_a_value_is_a_plain_decimal_float():
    for value, text in (
        (21.53, "21.53"),
        (4, "4"),
        (-0.0001, "0"),
        (1e-5, "0"),
        (1013.25, "1013.25"),
    ):
        assert contract.format_value(value) == text, (value, contract.format_value(value))


def test_nan_and_infinities_are_refused():
    for value in (float("nan"), float("inf"), float("-inf")):
        try:
            contract.format_value(value)
        except ValueError:
            continue
        raise AssertionError(value)


def test_device_ids_are_safe_in_topics():
    assert contract.is_device_id("IOT_A1B2C3D4E5F6") and contract.is_device_id("a" * 32)
    for bad in ("", "a" * 33, "a/b", "a+b", "#", "ä", "a b"):
        assert not contract.is_device_id(bad), bad
