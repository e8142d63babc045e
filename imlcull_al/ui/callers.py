"""Who a request comes from, as far as an address says, and how a cookie is kept there.

Whatever is bounded per person is bounded per caller, so all bounds must mean the same by it.
"""

import ipaddress
import os
from collections.abc import MutableMapping
from typing import Any

from starlette.requests import HTTPConnection

UNKNOWN = "unknown"
_IPV6_NETWORK = 64  # bits; a household has as many addresses below that as it likes


def is_proxied() -> bool:
    """Whether all requests come through a proxy that can be trusted: that of a Hugging Face Space."""
    return "SPACE_HOST" in os.environ


def caller(request: MutableMapping[str, Any] | HTTPConnection, is_proxied: bool) -> str:
    """The address of whoever sent a request (or its ASGI scope): IPv4, or the /64 network of an IPv6 address.

    Behind a proxy, the last entry of X-Forwarded-For, the only one that the proxy itself wrote.
    """
    scope = request.scope if isinstance(request, HTTPConnection) else request
    client = scope.get("client")
    address = client[0] if client else UNKNOWN
    if is_proxied:
        forwarded = [value for name, value in scope.get("headers", ()) if name == b"x-forwarded-for"]
        address = forwarded[-1].decode("latin-1").rpartition(",")[2].strip() if forwarded else address
    return _network(address)


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0].strip("[]"))
    except ValueError:
        return UNKNOWN
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _IPV6_NETWORK), strict=False))


def cookie_policy(request: HTTPConnection) -> str:
    """What a cookie needs to be kept. A Space is shown in a frame of another site, where only such a cookie is."""
    if request.headers.get("x-forwarded-proto", request.url.scheme).startswith("https"):
        return "HttpOnly; SameSite=None; Secure; Partitioned"
    return "HttpOnly; SameSite=Strict"
