"""URLs under which the page is reachable from this machine and from others on its network."""

import socket
from contextlib import suppress

_ANY = ("0.0.0.0", "::")
_BEYOND = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Documentation addresses (RFC 5737, RFC 3849): the route to them is the route to other machines."""


def bare(host: str) -> str:
    """Strip the brackets of an IPv6 address in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def in_url(host: str) -> str:
    """Bracket an IPv6 address for use in a URL."""
    return f"[{host}]" if ":" in host else host


def family(host: str) -> socket.AddressFamily:
    """Address family of a socket that listens on `host`."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def reached_at(host: str, port: int, own: list[str] | None = None) -> str:
    """The page's URLs as text. `own`: names of this machine, see `own_names`."""
    if host not in _ANY:
        return _url(host, port)
    names = own_names(family(host)) if own is None else own
    here = _url("localhost" if host == "0.0.0.0" else "::1", port)
    return f"{here} here and, for others, on " + " or ".join(_url(name, port) for name in names)


def own_names(kind: socket.AddressFamily) -> list[str]:
    """Names of this machine for others: its outbound address, if any, and its host name.

    Sends no packets: connecting a UDP socket only selects a route.
    """
    with suppress(OSError), socket.socket(kind, socket.SOCK_DGRAM) as probe:
        probe.connect((_BEYOND[kind], 9))
        return [str(probe.getsockname()[0]), socket.gethostname()]
    return [socket.gethostname()]


def _url(host: str, port: int) -> str:
    return f"http://{in_url(host)}:{port}/"
