"""The board's QR code, module by module, against an encoder that others wrote."""

import pytest
import segno
from mote import qr
from segno import encoder

TEXTS = (
    "WIFI:T:nopass;S:IOT_240AC4000010;;",
    qr.wifi("IOT_240AC4000010", "correct horse"),
    qr.wifi('a\\b;c,d:e"f'),
    qr.wifi("Gerät im Café"),
    "http://192.168.4.1/",
    "",
    "0",
    "12345678901234567890",
    *("x" * length for length in range(50, 54)),
    "\x7f" * qr.CAPACITY,
    "網" * 17,
)


@pytest.fixture
def padded_by_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segno puts a zero byte before the padding of a stream that ends on a byte (its issue 123).

    7.4.10 of ISO/IEC 18004 wants bits only where a byte is unfinished. Readers ignore padding.
    """

    def write_padding_bits(bits: encoder.Buffer, version: int, length: int) -> None:
        bits.extend([0] * (-length % 8))

    monkeypatch.setattr(encoder, "write_padding_bits", write_padding_bits)


@pytest.mark.usefixtures("padded_by_the_standard")
@pytest.mark.parametrize("text", TEXTS)
def test_every_module_is_as_segno_places_it(text: str) -> None:
    # Without an encoding segno would take Latin-1 where it can; the board writes UTF-8 only.
    expected = segno.make(
        text,
        version=3,
        error="l",
        mode="byte",
        mask=0,
        boost_error=False,
        micro=False,
        encoding="utf-8",
    )
    assert [list(row) for row in qr.matrix(text)] == [list(row) for row in expected.matrix]


def test_one_byte_more_than_segno_takes_is_too_much_here_as_well() -> None:
    with pytest.raises(ValueError, match="53 bytes"):
        qr.matrix("x" * (qr.CAPACITY + 1))
    with pytest.raises(segno.DataOverflowError):
        segno.make("x" * (qr.CAPACITY + 1), version=3, error="l", mode="byte", micro=False)
