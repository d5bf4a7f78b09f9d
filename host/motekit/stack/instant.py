"""Asks the backend of this machine for the last value of everything (profile `full`)."""

import ssl
from pathlib import Path
from typing import Any

from motekit import http_client
from motekit.credentials import OWNER
from motekit.stack.installation import Installation

PATH = "/redis"
_ANSWER_S = 5.0


class InstantError(Exception):
    """There is no answer; the text says why and what to do."""


def devices(installation: Installation) -> list[dict[str, Any]]:
    """All devices by name, each as `mote devices --json` shows it. Raises InstantError.

    Goes through the door, over TLS that proves the backend, as from any other machine.
    """
    if not installation.made or installation.profile != "full":
        raise InstantError(
            f"no backend with profile full in {installation.state}: mote stack up --profile full"
        )
    settings = installation.settings()
    port = settings.get("MOTE_HTTPS_PORT", "443")
    name, authority = settings["MOTE_NAMES"].split(",")[0], installation.authority / "ca.crt"
    if settings.get("MOTE_WEB_CERTIFICATE") == "letsencrypt":
        return ask(f"https://127.0.0.1:{port}", installation.secret("web"), settings["MOTE_DOMAIN"])
    return ask(f"https://127.0.0.1:{port}", installation.secret("web"), name, authority)


def ask(door: str, password: str, name: str = "", authority: Path | None = None) -> list[Any]:
    """The same from `door`, which proves that it is `name`. Raises InstantError."""
    import httpx2

    trust = ssl.create_default_context(cafile=authority)
    try:
        asking = http_client.client(verify=trust, timeout=_ANSWER_S, auth=(OWNER, password))
        with asking as client:
            client.headers |= {"Host": name} if name else {}
            known = {"sni_hostname": name} if name else {}
            answer = client.get(f"{door}{PATH}", extensions=known)
    except httpx2.TransportError as error:
        raise InstantError(f"{door} does not answer ({error}): mote stack status") from error
    if answer.status_code != httpx2.codes.OK:
        raise InstantError(
            f"{door}{PATH} answers {answer.status_code}: mote stack logs last-values redis traefik"
        )
    return list(answer.json())
