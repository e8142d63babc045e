"""The trusted client address of a request."""

import ipaddress
import os
from typing import Any

_SPACE_VARIABLE = "SPACE_ID"  # set by Hugging Face
_HOME = 64  # prefix length that providers assign to one household
_LONGEST = 64


def sender_of(request: Any) -> str:
    """IPv4 address or IPv6 /64 network of the client; other text if neither can be parsed.

    On a Space, requests come from Hugging Face's proxy in a private network, which appends the client to
    X-Forwarded-For: the last entry is the client, earlier ones are unverified. Elsewhere, or from a public address, the
    whole header is unverified and ignored.
    """
    peer = getattr(getattr(request, "client", None), "host", None) or "unknown"
    if is_proxied() and _is_private(peer):
        entries = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
        peer = entries[-1].strip() or peer
    return network_of(peer)


def is_proxied() -> bool:
    """Whether the server runs behind the proxy of a Hugging Face Space."""
    return bool(os.environ.get(_SPACE_VARIABLE))


def network_of(text: str) -> str:
    """Normalize an address to one sender: an IPv4 address, or the /64 network of an IPv6 address."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:  # an IPv4 address with a port
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:_LONGEST]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), _HOME), strict=False))


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return True
