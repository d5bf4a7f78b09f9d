"""A certificate that ends is told before it does: by the stack's doctor, its status, and the hub.

Judge: OpenSSL reads the date that is told.
"""

import subprocess
from pathlib import Path

import pytest
from motekit import certificates
from motekit.commands import stack_shared
from motekit.hub.tls import HubCertificate, TlsOptions
from motekit.stack import checkup
from motekit.stack.installation import Installation


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, days: int, authority_days: int) -> Path:
    """A certificate that is good for so many days and a half, in one folder with its authority."""
    folder.mkdir(parents=True, exist_ok=True)
    with monkeypatch.context() as short:
        half = 0.5
        short.setattr(certificates, "SERVER_DAYS", days + half)
        short.setattr(certificates, "AUTHORITY_DAYS", authority_days + half)
        certificates.ensure(folder, folder, ["localhost"])
    return folder


def end(certificate: Path) -> str:
    command = ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", certificate]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.partition("=")[2][:10]


@pytest.mark.parametrize(
    ("days", "authority_days", "which"),
    [(300, 3_000, ""), (40, 3_000, ""), (29, 3_000, "server.crt"), (0, 3_000, "server.crt"),
     (-1, 3_000, "server.crt"), (300, 170, "ca.crt"), (300, 190, ""), (10, -1, "ca.crt")],
)  # fmt: skip
def test_what_ends_soon_is_told_with_its_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, authority_days: int, which: str
) -> None:
    folder = made(tmp_path, monkeypatch, days, authority_days)
    said = certificates.ending(folder / "server.crt", folder / "ca.crt", "renew it") or ""
    assert bool(said) == bool(which)
    if which:
        assert str(folder / which) in said and end(folder / which) in said and "renew it" in said
        past = (days if which == "server.crt" else authority_days) < 0
        assert (" ended on " in said) == past


def test_the_stack_says_so_and_up_renews_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = Installation(tmp_path / "state")
    with monkeypatch.context() as short:
        short.setattr(certificates, "SERVER_DAYS", 20)
        installation.make(["localhost"])
    server = installation.certificates / "server.crt"
    finding = checkup._certificate(installation)
    assert not finding.good and end(server) in finding.what and "mote stack up" in finding.remedy
    assert end(server) in str(stack_shared.certificate_warning(installation))
    key = (installation.authority / "ca.key").read_bytes()
    # Without the key of the authority, which an unsealed backup lacks, nothing is made anew.
    (installation.authority / "ca.key").unlink()
    before = server.read_bytes()
    installation.make()
    assert server.read_bytes() == before
    assert "ca.key" in checkup._certificate(installation).remedy
    assert not checkup._authority_key(installation).good
    (installation.authority / "ca.key").write_bytes(key)
    assert any("certificate" in line for line in installation.make())
    assert checkup._certificate(installation).good and checkup._authority_key(installation).good
    assert stack_shared.certificate_warning(installation) is None
    server.write_bytes(b"damaged")
    assert not checkup._certificate(installation).good
    assert "cannot be read" in str(stack_shared.certificate_warning(installation))


def test_the_hub_says_so_of_a_certificate_that_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days, is_told in ((300, False), (20, True)):
        folder = made(tmp_path / str(days), monkeypatch, days, 3_000)
        options = TlsOptions(certificate=folder / "server.crt", key=folder / "server.key")
        warning = HubCertificate(tmp_path, options, "127.0.0.1").warning
        assert bool(warning) == is_told
        assert not is_told or end(folder / "server.crt") in warning
