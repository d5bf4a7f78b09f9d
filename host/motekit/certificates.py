"""A certificate authority of one's own, and the broker's certificate: for TLS without a domain."""

import datetime
import ipaddress
import socket
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from motekit import private_files

DAY = datetime.timedelta(days=1)
# A board keeps the authority for its life; the server's certificate is renewed by `mote stack up`.
AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
RENEW_DAYS = 60
# Renewing is done at each start; who is told of these days has not started anything for long.
WARN_DAYS = 30
# All boards need the next authority before this one ends.
WARN_AUTHORITY_DAYS = 180


class CertificateError(ValueError):
    """A certificate cannot be made or used; the text says why and what to do."""


def ensure(authority: Path, server: Path, names: list[str]) -> bool:
    """Make `ca.crt`, `ca.key` in `authority` and `server.crt`, `server.key` in `server`.

    `names` are the host names and addresses by which clients call the server. What is there, still
    good for two months and for these names, stays. True when the server's certificate is new.

    An authority whose key is elsewhere is never replaced, as boards trust it: its last certificate
    stays, whatever its names. Raises CertificateError when there is none.
    """
    if not (authority / "ca.crt").exists():
        _make_authority(authority)
    if _still_good(authority / "ca.crt", server / "server.crt", names):
        return False
    if not can_issue(authority):
        if (server / "server.crt").exists() and (server / "server.key").exists():
            return False
        raise CertificateError(f"no certificate can be made: {_no_key(authority)}")
    issuer = x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes())
    issuer_key = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = _key()
    made = (
        _builder(names[0], SERVER_DAYS, key)
        .issuer_name(issuer.subject)
        .add_extension(_alternative_names(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
        )
        .sign(issuer_key, hashes.SHA256())
    )
    private_files.write(server / "server.key", _pem(key))
    private_files.write(server / "server.crt", _pem(made))
    return True


def can_issue(authority: Path) -> bool:
    """Whether the key of the authority is here, which backups that are not sealed do not bring."""
    try:
        issuer = x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes())
        return _belong_together(issuer, (authority / "ca.key").read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return False


def check(authority: bytes, key: bytes | None, server: bytes, server_key: bytes) -> None:
    """Raise CertificateError unless the PEM files belong together: whatever else is in them.

    `key` is that of the authority, None where it is kept elsewhere.
    """
    try:
        issuer = x509.load_pem_x509_certificate(authority)
        made = x509.load_pem_x509_certificate(server)
        made.verify_directly_issued_by(issuer)
        issuer.verify_directly_issued_by(issuer)
        for certificate, pem in ((issuer, key), (made, server_key)):
            if pem is not None and not _belong_together(certificate, pem):
                raise ValueError("a key of something else")
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise CertificateError("its certificates do not belong together, or are damaged") from error


def ending(server: Path, authority: Path, renew: str) -> str | None:
    """Return what to say of the certificate `server` that ends soon, or whose `authority` does.

    None when both are good for a while. `renew` is the command that renews the server's. Raises
    OSError, ValueError for files that are no certificates.
    """
    now = datetime.datetime.now(datetime.UTC)
    for path, days, remedy in (
        (authority, WARN_AUTHORITY_DAYS, _new_authority(authority, renew)),
        (server, WARN_DAYS, renew if can_issue(authority.parent) else _no_key(authority.parent)),
    ):
        until = expires(path)
        if until - now < days * DAY:
            verb = "ended" if until <= now else "ends"
            return f"the certificate {path} {verb} on {until:%Y-%m-%d}: {remedy}"
    return None


def _no_key(folder: Path) -> str:
    return (
        f"the key of the authority, {folder / 'ca.key'}, is not here. Put it back from the machine "
        "that made it, or restore a sealed backup; or move ca.crt and the server's certificate "
        "away, start again, and give the new ca.crt to every board that uses TLS"
    )


def _new_authority(authority: Path, renew: str) -> str:
    return (
        f"move {authority.parent / 'ca.crt'} and ca.key away, {renew}, and give the new ca.crt to "
        "every board that uses TLS"
    )


def _belong_together(certificate: x509.Certificate, pem: bytes) -> bool:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return False
    public = certificate.public_key()
    return isinstance(public, ec.EllipticCurvePublicKey) and (
        public.public_numbers() == key.public_key().public_numbers()
    )


def expires(certificate: Path) -> datetime.datetime:
    """When the certificate in this file ends."""
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


def fingerprint(certificate: Path) -> str:
    """The SHA-256 of the certificate in this file, as programs that show certificates write it."""
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    return made.fingerprint(hashes.SHA256()).hex(":").upper()


def own_names() -> list[str]:
    """What this machine is called in its network: its name, with .local, and its addresses."""
    host = socket.gethostname().split(".")[0]
    names = [f"{host}.local", host, "localhost", "127.0.0.1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; it picks the address of the default route.
            probe.connect(("192.0.2.1", 9))
            names.append(probe.getsockname()[0])
        except OSError:
            pass
    return names


def _make_authority(folder: Path) -> None:
    key = _key()
    name = f"Mote {socket.gethostname()}"
    made = (
        _builder(name, AUTHORITY_DAYS, key)
        .issuer_name(_name(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(_may_sign(), critical=True)
        .sign(key, hashes.SHA256())
    )
    private_files.write(folder / "ca.key", _pem(key))
    private_files.write(folder / "ca.crt", _pem(made))


def _still_good(authority: Path, server: Path, names: list[str]) -> bool:
    if not server.exists() or not server.with_suffix(".key").exists():
        return False
    known = x509.load_pem_x509_certificate(server.read_bytes())
    issuer = x509.load_pem_x509_certificate(authority.read_bytes())
    found = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    covered = {str(name.value) for name in found}
    left = known.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return known.issuer == issuer.subject and set(names) <= covered and left > RENEW_DAYS * DAY


def _builder(name: str, days: int, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A board whose clock is a little behind accepts it at once.
        .not_valid_before(now - DAY)
        .not_valid_after(now + days * DAY)
    )


def _alternative_names(names: list[str]) -> x509.SubjectAlternativeName:
    entries: list[x509.GeneralName] = []
    for name in names:
        try:
            entries.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            entries.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(entries)


def _may_sign() -> x509.KeyUsage:
    others = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **others)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key() -> ec.EllipticCurvePrivateKey:
    # P-256: what a board's TLS does fastest.
    return ec.generate_private_key(ec.SECP256R1())


def _pem(what: x509.Certificate | ec.EllipticCurvePrivateKey) -> str:
    if isinstance(what, x509.Certificate):
        return what.public_bytes(serialization.Encoding.PEM).decode()
    return what.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
