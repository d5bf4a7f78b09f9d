"""TLS for the hub: its certificate, its own authority's or a given one, and its renewal."""

import contextlib
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from motekit import certificates
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
        self._stamp = 0
        self.refresh()
        # Its chain is loaded again when the file changes: connections begun later get the new one.
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load()

    @property
    def authority(self) -> Path | None:
        """The file that a client needs to trust the hub; None with a given certificate."""
        return self._data / AUTHORITY_FILE if self._is_own else None

    @property
    def ends(self) -> datetime:
        """When the certificate ends. Raises TlsError."""
        try:
            return certificates.expires(self.certificate)
        except (OSError, ValueError) as error:
            raise TlsError(f'"{self.certificate}" cannot be read: {error}') from error

    def names(self) -> list[str]:
        """What clients may call this computer."""
        names = [*certificates.own_names(), *own_addresses()]
        if self._host and not is_any(self._host):
            names.append(self._host.strip("[]"))
        return list(dict.fromkeys(names))

    def refresh(self) -> None:
        """Renew an own certificate that ends soon or lacks a name. Raises TlsError."""
        if not self._is_own:
            return
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
        with contextlib.suppress(OSError):
            if self.certificate.stat().st_mtime_ns != self._stamp:
                self._load()

    def _load(self) -> None:
        try:
            stamp = self.certificate.stat().st_mtime_ns
            # With no passphrase at hand a key that needs one is refused, instead of asked for.
            self.context.load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ssl.SSLError) as error:
            raise TlsError(
                f'the certificate "{self.certificate}" cannot be used with the key "{self.key}" '
                f"({error}): give a chain and its key as PEM files without a passphrase"
            ) from error
        self._stamp = stamp
