"""From which address a request comes, as far as that can be believed."""

import ipaddress
import os
from typing import Any

_SPACE_VARIABLE = "SPACE_ID"  # set by Hugging Face
_HOME = 64  # bits of an IPv6 address that a provider gives to one household
_LONGEST = 64


def sender_of(request: Any) -> str:
    """The IPv4 address of a request's sender, or the IPv6 network; text of another kind where there is neither.

    On a Space a request comes from Hugging Face's proxy, out of a private network. That proxy appends whom it serves to
    X-Forwarded-For, so the last entry is the sender; those before it are what the sender claims. Elsewhere, and from
    anybody who isn't in a private network, the header is what the sender claims, all of it.
    """
    peer = getattr(getattr(request, "client", None), "host", None) or "unknown"
    if is_proxied() and _is_private(peer):
        entries = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
        peer = entries[-1].strip() or peer
    return network_of(peer)


def is_proxied() -> bool:
    """Whether all requests come through the proxy of a Hugging Face Space."""
    return bool(os.environ.get(_SPACE_VARIABLE))


def network_of(text: str) -> str:
    """What counts as one sender: an IPv4 address, or the /64 network of an IPv6 address."""
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
