"""TLS over a connection: a server that proves who it is (RFC 8446, RFC 6125)."""

import os
import ssl
from binascii import a2b_base64
from errno import ENOMEM

from mote import failure, memory
from mote.failure import Failure
from mote.mqtt import link

# What a handshake takes beside Python's heap, and of it the buffer for what is received. With less,
# mbedTLS says that a good certificate is not trusted (MEMORY.md).
_HANDSHAKE = 33 * 1024
_BUFFER = 17 * 1024
# Types of records (RFC 8446, 5.1).
ALERT_RECORD, _HANDSHAKE_RECORD = 0x15, 0x16
_ANSWER_S = 3


def secured(sock, host, ca):
    """The TLS stream over `sock`; the handshake is done by its first write.

    Without a `ca` (PEM) the traffic is encrypted and the server may be anyone. Raises Failure: TLS,
    NO_MEMORY.
    """
    free, largest = memory.beside()
    if free < _HANDSHAKE or largest < _BUFFER:
        told = "%d bytes are free, %d in one piece; it takes %d and %d"
        raise Failure(failure.NO_MEMORY, told % (free, largest, _HANDSHAKE, _BUFFER))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The port's default is CERT_NONE: a loaded CA alone would check nothing.
    context.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    try:
        for certificate in certificates_of(ca):
            context.load_verify_locations(cadata=certificate)
        # The host's name is sent (SNI, RFC 6066) and, with a CA, checked against the certificate.
        stream = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        stream.setblocking(False)
    except (OSError, ValueError, MemoryError) as error:
        raise explained(error) from None
    return stream


def explained(error):
    """The Failure that an error in a TLS handshake stands for: mbedTLS raises three kinds."""
    if isinstance(error, MemoryError) or error.args[0] == ENOMEM:
        return Failure(failure.NO_MEMORY)
    # mbedTLS gives one line for each thing that is wrong with a certificate.
    what = str(error.args[-1]).strip().replace("\n", ", ")
    if "ALLOC_FAILED" in what:
        return Failure(failure.NO_MEMORY, what)
    # What came is no record of TLS, or nothing came at all.
    no_tls = "INVALID_RECORD" in what or "CONN_EOF" in what
    return Failure(failure.NO_TLS if no_tls else failure.TLS, what)


async def expected_by(over):
    """True when the server at the other end of an open link answers in TLS."""
    # A ClientHello with one cipher suite and no extensions (RFC 5246, 7.4.1.2): whatever the
    # server thinks of it, it says so in a record of TLS.
    hello = b"\x03\x03" + os.urandom(32) + b"\0\0\x02\xc0\x2f\x01\0"
    size = len(hello)
    await over.write(bytes((_HANDSHAKE_RECORD, 3, 1, 0, size + 4, 1, 0, 0, size)) + hello)
    answer = await link.within(_ANSWER_S, over.read_exactly(1))
    return answer[0] in (_HANDSHAKE_RECORD, ALERT_RECORD)


def certificates_of(pem):
    """The certificates of a PEM text (RFC 7468) in binary: not every build reads PEM itself.

    Raises ValueError when there is text, and no certificate in it.
    """
    certificates = []
    for part in pem.split("-----BEGIN CERTIFICATE-----")[1:]:
        certificates.append(a2b_base64(part.split("-----END")[0]))
    if pem and not certificates:
        raise ValueError("the CA is no certificate in PEM form")
    return certificates
