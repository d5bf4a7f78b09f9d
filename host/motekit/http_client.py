"""Make HTTP requests: through the proxy of the environment, but never to this computer.

`http_proxy`, `https_proxy` and ALL_PROXY are for the internet. A proxy cannot reach 127.0.0.1 of
the computer that asks it, and sets no exception for it by itself.
"""

import ipaddress
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2


class _ProxyForOthers(urllib.request.ProxyHandler):
    """The proxies of the environment, passed by for this computer."""

    def proxy_open(
        self,
        req: urllib.request.Request,
        proxy: str,
        type: str,  # noqa: A002
    ) -> Any:
        host = urllib.parse.urlsplit(f"//{req.host}").hostname or ""
        return None if is_this_computer(host) else super().proxy_open(req, proxy, type)


def open_url(request: urllib.request.Request, timeout: float, *, direct: bool = False) -> Any:
    """Return the response, as `urllib.request.urlopen` does; `direct` uses no proxy at all.

    Raises what urlopen raises.
    """
    handler = urllib.request.ProxyHandler({}) if direct else _ProxyForOthers()
    return urllib.request.build_opener(handler).open(request, timeout=timeout)


def client(**options: Any) -> "httpx2.Client":
    """Return an HTTP client. Raises OSError when the proxy of the environment cannot be used."""
    import httpx2

    here: dict[str, None] = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}
    try:
        return httpx2.Client(mounts=here, **options)
    except (ImportError, ValueError) as error:
        # SOCKS needs a library that Mote does not bring.
        raise OSError(
            f"the proxy in the environment (ALL_PROXY, https_proxy) cannot be used: {error}. "
            "Give an HTTP proxy, or unset it"
        ) from error


def is_this_computer(host: str) -> bool:
    """Whether `host`, a name or an address without brackets, is the loopback of this computer."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
