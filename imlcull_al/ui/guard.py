"""Access control: origin checks, password, and an allowlist of routes.

Pages of other sites can neither trigger actions here nor frame this page. The password covers every route. Of Gradio's
routes, only those the page needs are served. Quotas are in `quotas`.
"""

import base64
import hmac
import ipaddress
import math
import os
import secrets
import socket
import time
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import ServerError
from ..progress import amount
from .guesses import Guesses
from .headers import NOWHERE, SPACE, Sealed, cookie_policy
from .quotas import CALL, COOKIE, GRADIO, HEARTBEAT, RUN, Known, Quotas
from .scripts import FOLDER as SCRIPTS
from .senders import sender_of
from .streams import Streams

LOOPBACK = ("localhost", "127.0.0.1", "::1")
AUTH_VARIABLE = "IMLCULL_AUTH"
_COOKIE_SECONDS = 400 * 24 * 60 * 60  # the maximum that browsers accept
_PATHS = frozenset((
    "/", "/config", "/config/", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json",
    *(GRADIO + name for name in (
        "startup-events", "queue/join", "queue/data", "cancel", "reset", "reset/", "info", "info/", "app_id",
        "theme.css",
    )),
))  # fmt: skip
_FOLDERS = (
    "/photos/", "/report/", "/act/", SCRIPTS, "/assets/", "/static/", "/svelte/", RUN, CALL, HEARTBEAT
)  # fmt: skip
"""Allowlisted prefixes. Gradio's other routes (file, upload, proxy, stream, component_server, …) are blocked."""
_FRAMES = ("iframe", "frame", "embed", "object", "fencedframe")


def check_auth(auth: str | None) -> None:
    """Raise `ServerError` unless `auth` is None or `user:password`."""
    user, colon, password = (auth or "user:password").partition(":")
    if not (user and colon and password):
        raise ServerError(f"--auth and {AUTH_VARIABLE} take user:password, such as --auth anna:a-long-sentence.")


def guards(
    host: str,
    queue: Any,
    auth: str | None = None,
    paths: Collection[str] = (),
    uploads: Collection[str] = (),
    known: Known | None = None,
) -> list[Middleware]:
    """The middleware for every request. `queue`: the page's Gradio queue. `auth`: `user:password`, or None.

    `paths`: additional allowed paths; a trailing / makes one a prefix. `uploads`: those that limit their own body size.
    `known`: only on a public page, which its host may frame.
    """
    return [
        Middleware(_Guard, host, auth, frozenset(paths), is_public=known is not None),
        Middleware(Quotas, Streams(queue), frozenset(uploads), known),
    ]


def known_hosts(host: str) -> frozenset[str]:
    """Accepted Host header names for a page that listens on `host`."""
    if host in LOOPBACK:
        return frozenset(LOOPBACK)
    name = socket.gethostname().lower()
    return frozenset({*LOOPBACK, host.lower(), name, f"{name}.local", os.environ.get("SPACE_HOST", name)})


class _Guard:
    """Refuses requests without the password, for unknown host names (DNS rebinding), from other origins, and for routes
    not on the allowlist.

    Gradio's CORS policy only stops other origins from reading a response, after the action has happened.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        auth: str | None = None,
        paths: frozenset[str] = frozenset(),
        *,
        is_public: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._hosts = known_hosts(host)
        self._is_shared = host not in LOOPBACK
        self._auth = auth
        self._paths = _PATHS | paths
        self._folders = (*_FOLDERS, *(path for path in paths if path.endswith("/")))
        self._is_public = is_public
        self._guesses = Guesses(clock)
        self._launched = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await PlainTextResponse("No such page.", 404)(scope, receive, send)
        request = HTTPConnection(scope)
        send = Sealed(send, SPACE if self._is_public else NOWHERE, _new_cookie(request))
        return await (self._refusal(request) or self._app)(scope, receive, send)

    def _refusal(self, request: HTTPConnection) -> Response | None:
        path, headers = request.scope["path"], request.headers
        if not self._named(headers.get("host", "")) or not _from_here(headers, may_frame=self._is_public):
            return PlainTextResponse("Requests from other sites are refused.", 403)
        if self._auth is not None and not self._is_launch(path):
            stranger = self._stranger(headers.get("authorization", ""), sender_of(request))
            if stranger:
                return stranger
        if not self._is_needed(path):
            return PlainTextResponse("No such page.", 404)
        return None

    def _named(self, host: str) -> bool:
        name = _host_name(host)
        if name in self._hosts:
            return True
        # DNS rebinding can point another site's name at us, but its page then lacks our password.
        return self._is_shared and name is not None and (self._auth is not None or _is_address(name))

    def _is_launch(self, path: str) -> bool:
        """Whether this is the one startup request that Gradio's `launch` makes without a password."""
        if self._launched or path != f"{GRADIO}startup-events":
            return False
        self._launched = True
        return True

    def _is_needed(self, path: str) -> bool:
        """Whether a path is on the allowlist; paths with `..` never are."""
        if ".." in path.replace("\\", "/").split("/"):
            return False
        return path in self._paths or path.startswith(self._folders)

    def _stranger(self, authorization: str, address: str) -> Response | None:
        """Check the password; the refusal, or None if it is right. Guesses during a backoff are not checked."""
        guess = _pair(authorization)
        if guess:
            wait = math.ceil(self._guesses.wait(address))
            if wait:
                words = f"Too many wrong passwords. Try again in {amount(wait, 'second')}."
                return PlainTextResponse(words, 429, {"Retry-After": str(wait)})
            if hmac.compare_digest(guess, (self._auth or "").encode()):
                self._guesses.right(address)
                return None
            self._guesses.wrong(address)
        return PlainTextResponse("Name and password required.", 401, {"WWW-Authenticate": 'Basic realm="imlcull"'})


def _pair(authorization: str) -> bytes:
    """`user:password` from a Basic Authorization header; empty without one."""
    scheme, _, given = authorization.partition(" ")
    try:
        decoded = base64.b64decode(given, validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        return b""
    return decoded if b":" in decoded else b""


def _new_cookie(request: HTTPConnection) -> str:
    """Set-Cookie value with a new browser id; empty if the request already has one."""
    if COOKIE in request.cookies:
        return ""
    return f"{COOKIE}={secrets.token_urlsafe(24)}; Path=/; Max-Age={_COOKIE_SECONDS}; {cookie_policy(request)}"


def _from_here(headers: Headers, *, may_frame: bool) -> bool:
    """Whether a request comes from this page or no page; with `may_frame`, also from a page that frames this one."""
    origin = headers.get("origin")
    if origin is not None and _netloc(origin) != headers.get("host", ""):
        return False
    # Images embedded in other sites send no Origin; Sec-Fetch-* headers tell where they are embedded, and how.
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return True
    place = headers.get("sec-fetch-dest", "document")
    return headers.get("sec-fetch-mode") == "navigate" and (place not in _FRAMES or (may_frame and place == "iframe"))


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
