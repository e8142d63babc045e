"""Who may ask the server, and for what.

A page of another site must not press buttons here, a password covers every route, and of Gradio's routes only those
that the page needs answer.
"""

import base64
import hmac
import ipaddress
import os
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import ServerError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
AUTH_VARIABLE = "IMLCULL_AUTH"
_GRADIO = "/gradio_api/"
_PATHS = frozenset((
    "/", "/config", "/config/", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json",
    *(_GRADIO + name for name in (
        "startup-events", "queue/join", "queue/data", "cancel", "reset", "reset/", "info", "info/", "app_id",
        "theme.css",
    )),
))  # fmt: skip
_FOLDERS = (
    "/photos/", "/report/", "/act/", "/assets/", "/static/", "/svelte/",
    *(_GRADIO + name for name in ("run/", "call/", "heartbeat/")),
)  # fmt: skip
"""What is served at all. Gradio's other routes (file, upload, proxy, stream, component_server, …) stay shut."""


def check_auth(auth: str | None) -> None:
    """Raise `ServerError` for what is no `user:password`."""
    user, colon, password = (auth or "user:password").partition(":")
    if not (user and colon and password):
        raise ServerError(f"--auth and {AUTH_VARIABLE} take user:password, such as --auth anna:a-long-sentence.")


def guards(host: str, auth: str | None = None, paths: Collection[str] = ()) -> list[Middleware]:
    """The middleware that every request passes. `auth`: `user:password`, or None for none.

    `paths`: further ones that are served, or with a / at their end, the beginnings of such.
    """
    return [
        Middleware(_Guard, hosts=known_hosts(host), is_shared=host not in LOOPBACK, auth=auth, paths=frozenset(paths))
    ]


def known_hosts(host: str) -> frozenset[str]:
    """The names by which the page may be asked for, when it listens on `host`."""
    if host in LOOPBACK:
        return frozenset(LOOPBACK)
    name = socket.gethostname().lower()
    return frozenset({*LOOPBACK, host.lower(), name, f"{name}.local", os.environ.get("SPACE_HOST", name)})


class _Guard:
    """Refuses requests without the password, for another host name (DNS rebinding), from pages of another origin, and
    for routes that the page doesn't need.

    Gradio keeps other origins from reading answers; a press of a button is done before its answer is kept back.
    """

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str], is_shared: bool, auth: str | None, paths: frozenset[str]
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._is_shared = is_shared
        self._auth = auth
        self._paths = _PATHS | paths
        self._folders = (*_FOLDERS, *(path for path in paths if path.endswith("/")))
        self._launched = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        refusal = self._refusal(scope) if scope["type"] == "http" else PlainTextResponse("There is no such page.", 404)
        return await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, path = Headers(scope=scope), scope["path"]
        if not self._named(headers.get("host", "")) or not _from_here(headers):
            return PlainTextResponse("This page answers only to itself.", 403)
        if not self._is_launch(path) and not self._knows(headers.get("authorization", "")):
            return PlainTextResponse("Name and password, please.", 401, {"WWW-Authenticate": 'Basic realm="imlcull"'})
        if not self._is_needed(path):
            return PlainTextResponse("There is no such page.", 404)
        return None

    def _named(self, host: str) -> bool:
        name = _host_name(host)
        if name in self._hosts:
            return True
        # A page of another site can take our address under its own name, but then it has no password of ours.
        return self._is_shared and name is not None and (self._auth is not None or _is_address(name))

    def _is_launch(self, path: str) -> bool:
        """Whether this is the one request with which Gradio's `launch` asks whether the server is up."""
        if self._launched or path != f"{_GRADIO}startup-events":
            return False
        self._launched = True
        return True

    def _is_needed(self, path: str) -> bool:
        """Whether the page needs a route, of this project or of Gradio's: not those for files and proxies."""
        if ".." in path.replace("\\", "/").split("/"):
            return False
        return path in self._paths or path.startswith(self._folders)

    def _knows(self, authorization: str) -> bool:
        if self._auth is None:
            return True
        scheme, _, given = authorization.partition(" ")
        try:
            decoded = base64.b64decode(given, validate=True) if scheme.lower() == "basic" else b""
        except ValueError:
            decoded = b""
        return hmac.compare_digest(decoded, self._auth.encode())


def _from_here(headers: Headers) -> bool:
    """Whether a request comes from this page, or from no page at all."""
    origin = headers.get("origin")
    if origin is not None and _netloc(origin) != headers.get("host", ""):
        return False
    # A picture in a page of another site has no origin; browsers say in this header where it stands.
    foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    return not foreign or headers.get("sec-fetch-mode") == "navigate"


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
