"""Keys and bundles on the host: what a board is given to judge."""

import json
import zipfile
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from motekit import boards, firmware, update

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "signatures.json").read_text())


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def bundle(key: ec.EllipticCurvePrivateKey) -> update.Bundle:
    tree = firmware.build(boards.default_for("esp32"), key=update.public_bytes(key))
    return update.make_application(tree / firmware.SLOT, "0.2.0", key)


def good(one: dict) -> bool:
    """What the library says."""
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), b"\x04" + bytes.fromhex(one["key"])
        )
        signature = bytes.fromhex(one["signature"])
        if len(signature) != 64:
            return False
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        der = utils.encode_dss_signature(r, s)
        public.verify(der, bytes.fromhex(one["message"]), ec.ECDSA(hashes.SHA256()))
        return True
    except (ValueError, InvalidSignature):
        return False


def test_the_shared_vectors_are_judged_as_they_say() -> None:
    assert {one["good"] for one in VECTORS} == {True, False}
    assert [one["what"] for one in VECTORS if good(one) != one["good"]] == []


def test_a_bundle_is_read_as_it_was_written_and_names_who_signed_it(tmp_path, key, bundle) -> None:
    file = tmp_path / "mote.bundle"
    bundle.write(file)
    again = update.read(file)
    assert again == bundle and str(again) == "application 0.2.0 for esp32-devkitc"
    again.verify(key.public_key())
    with pytest.raises(update.BundleError, match="not signed with this key"):
        again.verify(ec.generate_private_key(ec.SECP256R1()).public_key())


def test_the_board_keeps_its_key_and_what_is_needed_to_start(key, bundle) -> None:
    names = bundle.stream[: bundle.manifest["first"]["size"]].decode().splitlines()
    paths = {line.split()[2] for line in names}
    assert {"mote/app.mpy", "mote/update.key", "mote/board.json"} <= paths
    assert all(path.startswith("mote/") for path in paths)
    assert update.public_bytes(key).hex().encode() in bundle.stream
    # The begin of an update, a JSON text in a JSON text, has to fit into one message of MQTT.
    assert len(json.dumps(bundle.text)) + 200 < 2048


def test_any_damage_is_found_before_anything_is_sent(tmp_path, bundle) -> None:
    file = tmp_path / "mote.bundle"
    parts = {
        "manifest.json": bundle.text.encode(),
        "signature": bundle.signature.hex().encode(),
        "stream": bundle.stream,
    }

    def turned(data: bytes, place: int) -> bytes:
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    first = bundle.manifest["first"]["size"]
    damaged = [
        parts | {"stream": turned(bundle.stream, 5)},
        parts | {"stream": turned(bundle.stream, first + 5)},
        parts | {"stream": turned(bundle.stream, len(bundle.stream) - 1)},
        parts | {"stream": bundle.stream[:-1]},
        parts | {"stream": bundle.stream + b"x"},
        parts | {"manifest.json": b"{}"},
        parts | {"manifest.json": b"[]"},
        parts | {"manifest.json": bundle.text.replace('"mote":1', '"mote":2').encode()},
        parts | {"signature": b"no hex"},
        {"stream": bundle.stream},
    ]
    for one in damaged:
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in one.items():
                archive.writestr(name, data)
        with pytest.raises(update.BundleError, match=str(file)):
            update.read(file)
    file.write_text("no zip")
    with pytest.raises(update.BundleError, match="is no bundle"):
        update.read(file)
    with pytest.raises(update.BundleError, match="No such file"):
        update.read(tmp_path / "elsewhere")


def test_what_cannot_become_a_bundle_says_why(tmp_path, key) -> None:
    tree = firmware.build(boards.default_for("esp32"))
    with pytest.raises(update.BundleError, match=r"no mote/board\.json"):
        update.make_application(tree, "0.2.0", key)
    with pytest.raises(update.BundleError, match="no version such as"):
        update.make_application(tree / firmware.SLOT, "soon", key)


def test_a_key_is_made_once_and_a_file_that_is_none_is_never_replaced(tmp_path) -> None:
    file = tmp_path / "deep" / "key.pem"
    first = update.private_key(file)
    assert update.public_bytes(update.private_key(file)) == update.public_bytes(first)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    of_rsa = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for content, words in ((b"nonsense", "no private key"), (of_rsa, "not a key of the curve")):
        file.write_bytes(content)
        with pytest.raises(update.KeyFileError, match=words):
            update.private_key(file)
        assert file.read_bytes() == content
