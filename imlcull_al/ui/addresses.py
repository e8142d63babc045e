"""Under which addresses a page is reached that listens on a host: on this machine, and by others on its network."""

import socket
from contextlib import suppress

_ANY = ("0.0.0.0", "::")
_BEYOND = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses of no machine (RFC 5737, RFC 3849): the way to them is the way to other machines."""


def bare(host: str) -> str:
    """An address without the brackets that it has in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def in_url(host: str) -> str:
    """An address with the brackets that IPv6 needs in a URL."""
    return f"[{host}]" if ":" in host else host


def family(host: str) -> socket.AddressFamily:
    """Of the socket that listens on a host."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def reached_at(host: str, port: int, own: list[str] | None = None) -> str:
    """Where the page is, in words. `own`: what others call this machine, see `own_names`."""
    if host not in _ANY:
        return _url(host, port)
    names = own_names(family(host)) if own is None else own
    here = _url("localhost" if host == "0.0.0.0" else "::1", port)
    return f"{here} here and, for others, on " + " or ".join(_url(name, port) for name in names)


def own_names(kind: socket.AddressFamily) -> list[str]:
    """What other machines call this one: its address on the way to them, where there is one, and its name.

    Asks no other machine: a UDP socket that is connected sends nothing.
    """
    with suppress(OSError), socket.socket(kind, socket.SOCK_DGRAM) as probe:
        probe.connect((_BEYOND[kind], 9))
        return [str(probe.getsockname()[0]), socket.gethostname()]
    return [socket.gethostname()]


def _url(host: str, port: int) -> str:
    return f"http://{in_url(host)}:{port}/"
