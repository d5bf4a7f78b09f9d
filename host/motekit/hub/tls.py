"""TLS for the hub: its certificate, its own authority's or a given one, and its renewal."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from motekit.hub.listening import is_any, own_addresses

PORT = 8883
AUTHORITY_FILE = "ca.crt"


class TlsError(Exception):
    """There is no usable certificate; the text says why and what to do."""


@dataclass(frozen=True)
class TlsOptions:
    """How the hub uses TLS. Without a `certificate` and its `key` it makes its own.

    With `also_plain` boards may connect without TLS, too, while they are moved.
    """

    port: int = PORT
    certificate: Path | None = None
    key: Path | None = None
    also_plain: bool = False


class ServerContext:
    """The TLS context of a server; a certificate that was renewed is used from `reload` on."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises TlsError when the two files cannot be used."""
        self._certificate, self._key = certificate, key
        self._stamp = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.reload()

    def reload(self) -> None:
        """Use the certificate that is in the file now. Raises TlsError."""
        try:
            stamp = self._certificate.stat().st_mtime_ns
            if stamp == self._stamp:
                return
            # A passphrase is not asked for: a key that needs one is refused.
            self.context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ssl.SSLError) as error:
            raise TlsError(
                f'the certificate "{self._certificate}" cannot be used with the key "{self._key}" '
                f"({error}): give a chain and its key as PEM files without a passphrase"
            ) from error
        self._stamp = stamp


class HubCertificate:
    """The certificate that a hub with the data folder `data` shows."""

    def __init__(self, data: Path, options: TlsOptions, host: str) -> None:
        """`host` is the address that the hub listens on. Raises TlsError."""
        self._data = data
        self._host = host
        self._is_own = options.certificate is None
        if (options.certificate is None) != (options.key is None):
            raise TlsError("a certificate needs its key: give both --tls-cert and --tls-key")
        self.certificate = options.certificate or data / "server.crt"
        self.key = options.key or data / "server.key"
        self.refresh()
        self._server = ServerContext(self.certificate, self.key)

    @property
    def context(self) -> ssl.SSLContext:
        """What servers use; connections begun after `reload` get the new certificate."""
        return self._server.context

    @property
    def authority(self) -> Path | None:
        """The file that a client needs to trust the hub; None with a given certificate."""
        return self._data / AUTHORITY_FILE if self._is_own else None

    @property
    def ends(self) -> datetime:
        """When the certificate ends. Raises TlsError."""
        from motekit import certificates

        try:
            return certificates.expires(self.certificate)
        except (OSError, ValueError) as error:
            raise TlsError(f'"{self.certificate}" cannot be read: {error}') from error

    @property
    def warning(self) -> str:
        """What to say of a certificate that ends soon, empty for a good one. Raises TlsError."""
        from motekit import certificates

        if self.authority:
            try:
                renew = "start the hub again, which renews it"
                return certificates.ending(self.certificate, self.authority, renew) or ""
            except (OSError, ValueError) as error:
                raise TlsError(f'"{self.certificate}" cannot be read: {error}') from error
        left = self.ends - datetime.now(UTC)
        if left > certificates.WARN_DAYS * certificates.DAY:
            return ""
        verb = "ended" if left.total_seconds() <= 0 else "ends"
        return (
            f"the certificate {self.certificate} {verb} on {self.ends:%Y-%m-%d}: put a new one in "
            "its place, which the hub reads by itself"
        )

    def names(self) -> list[str]:
        """What clients may call this computer."""
        from motekit import certificates

        names = [*certificates.own_names(), *own_addresses()]
        if self._host and not is_any(self._host):
            names.append(self._host.strip("[]"))
        return list(dict.fromkeys(names))

    def refresh(self) -> None:
        """Renew an own certificate that ends soon or lacks a name. Raises TlsError."""
        if not self._is_own:
            return
        # It takes a while to import.
        from motekit import certificates

        try:
            certificates.ensure(self._data, self._data, self.names())
        except (OSError, ValueError) as error:
            raise TlsError(
                f'the certificate in "{self._data}" cannot be made or renewed ({error}): restore a '
                "backup of ca.crt and ca.key, or move both away to make a new authority, which "
                "every board needs to be told"
            ) from error

    def reload(self) -> None:
        """Use the certificate that is in the file now. Raises TlsError."""
        self._server.reload()
