"""The routes beside the page: photos and report pictures, by name from a list, never by path.

    /photos/{id}/{size}     JPEG, longest side `size`; id is a hash of the photo's path
    /photos/{id}/sharpness  PNG to lay over it, one pixel a cell (see `sharpness`); where there is none, why: 422
    /report/{name}          a PNG of the last training
    /act/{screen}           POST: a JSON object to a screen's `respond`, which returns one; `elsewhere` is true in what
                            comes back instead where its `stage` or `project` is not open here

Also who may ask, and for what: a page of another site must not press buttons here, a password covers every route, and
of Gradio's routes only those that the page needs answer. Knows nothing of the screens.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import socket
import textwrap
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from PIL import Image, ImageDraw, ImageFont
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import photos
from ..desk import Desk
from ..errors import NoWorkspace, ServerError, StageError, UnreadablePhoto
from ..previews import SCREEN
from ..project import Stage
from ..session import Session
from ..sharpness import as_png, sharpness_map
from .telling import attempt

SMALL = 320
FULL = 6000
"""For a look at single pixels: made when it is asked for, and not kept on the disk."""
_SIZES = (FULL, SCREEN, SMALL)
_MAPS = 2000  # of sharpness, some 300 bytes each, that are kept in memory
_LONGEST_REQUEST = 4_000_000  # bytes; a range of 10,000 long names fits
Respond = Callable[[Session, Mapping[str, Any]], Mapping[str, Any]]
Find = Callable[[Any], Desk]
"""The desk of whoever sent a request, told by its cookies. Raises `NoWorkspace` for a visitor who has none."""
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
# Private: photos must not stay in a proxy. Ten minutes, because a file may be replaced by another of its name.
_HEADERS = {"Cache-Control": "private, max-age=600", "X-Content-Type-Options": "nosniff"}


def photo_id(session: Session, key: str) -> str:
    """What a photo is called in an address. The folder is part of it: browsers remember photos across projects."""
    return _id(session.stage.path(key))


def _id(path: Path) -> str:
    return hashlib.blake2b(str(path).encode(), digest_size=16).hexdigest()


def photo_url(session: Session, key: str, size: int) -> str:
    """Where the page finds a photo."""
    return f"photos/{photo_id(session, key)}/{size}"


def report_urls(session: Session) -> dict[str, str]:
    """What each picture of the last training is called, and where the page finds it; another after each training."""
    urls = {}
    for path in sorted(session.stage.report.glob("*.png")):
        with suppress(FileNotFoundError):  # replaced by that of a new training just now
            urls[path.stem.replace("_", " ")] = f"report/{quote(path.name)}?{path.stat().st_mtime_ns}"
    return urls


def routes(find: Find, screens: Mapping[str, Respond]) -> list[Route]:
    """The routes of all screens. Photos are plain functions: they run in threads, so decoding blocks nobody."""
    few_at_once = threading.BoundedSemaphore(2)  # each takes a few hundred megabytes while it is decoded

    @lru_cache(maxsize=4)
    def by_id(folder: Path, listing: tuple[str, ...]) -> dict[str, str]:
        return {_id(folder / key): key for key in listing}

    def preview(session: Session, key: str, size: int) -> bytes:
        try:
            if size == FULL:
                with few_at_once:
                    return photos.preview(session.stage.path(key), FULL)
            return session.previews.get(session.stage.path(key), size, SCREEN)
        except UnreadablePhoto as error:
            return placeholder(str(error), size)

    @lru_cache(maxsize=_MAPS)
    def sharpness_of(path: Path, state: photos.State) -> bytes:
        with few_at_once:
            return as_png(sharpness_map(path))

    def session_of(request: Request) -> Session | None:
        try:
            return find(request).session
        except NoWorkspace:
            return None

    def asked_for(request: Request) -> tuple[Session, str] | None:
        """Whose photo a request names, and its key; None for none, and for a link out of the stage."""
        session = session_of(request)
        keys = by_id(session.stage.folder, session.listing.keys) if session else {}
        key = keys.get(request.path_params["id"])
        return (session, key) if session and key and _is_inside(session.stage, key) else None

    def photo(request: Request) -> Response:
        found, size = asked_for(request), request.path_params["size"]
        if found is None or size not in _SIZES:
            return PlainTextResponse("There is no such photo.", 404)
        return Response(preview(*found, size), media_type="image/jpeg", headers=_HEADERS)

    def sharpness(request: Request) -> Response:
        found = asked_for(request)
        if found is None:
            return PlainTextResponse("There is no such photo.", 404)
        path = found[0].stage.path(found[1])
        picture, error = attempt(lambda: sharpness_of(path, photos.stat_of(path)))
        if picture is None:
            return PlainTextResponse(_sendable(error), 422)
        return Response(picture, media_type="image/png", headers=_HEADERS)

    def report(request: Request) -> Response:
        session = session_of(request)
        found = session.stage.report.glob("*.png") if session else ()
        path = {path.name: path for path in found if not path.is_symlink()}.get(request.path_params["name"])
        if path is None:
            return PlainTextResponse("There is no such picture.", 404)
        return FileResponse(path, media_type="image/png", headers=_HEADERS)

    async def act(request: Request) -> Response:
        respond = screens.get(request.path_params["screen"])
        if respond is None:
            return PlainTextResponse("There is no such screen.", 404)
        # Only this type: a form of another site can't send it.
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return PlainTextResponse("Send a JSON object.", 415)
        asked = _parsed(await _body(request))
        if not isinstance(asked, dict):
            return PlainTextResponse("Send a JSON object.", 400)

        def work() -> Response:
            desk = find(request)
            session, error = attempt(lambda: _session_at(desk, asked))
            answer = respond(session, asked) if session else {"error": error, "elsewhere": True}
            return JSONResponse({**answer, "now": desk.session.stage.name, "project": _project_id(desk)})

        reply, error = await run_in_threadpool(attempt, work)
        return reply or JSONResponse({"error": _sendable(error)})

    return [
        Route("/photos/{id}/{size:int}", photo),
        Route("/photos/{id}/sharpness", sharpness),
        Route("/report/{name}", report),
        Route("/act/{screen}", act, methods=["POST"]),
    ]


def _project_id(desk: Desk) -> str:
    """A text that is another one for another project: a page may outlive the server of its own."""
    return _id(desk.session.stage.project)


def _session_at(desk: Desk, asked: Mapping[str, Any]) -> Session:
    """The session of the `stage` and the `project` that a page shows. Raises `StageError` where it isn't open here."""
    if asked.get("project") not in (None, _project_id(desk)):
        raise StageError("The page shows another project than the one that is open here. Reload it.")
    return desk.at(asked.get("stage"))


async def _body(request: Request) -> bytes:
    """What was sent; nothing when it is longer than any page would send."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_REQUEST:
            return b""
    return body


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _sendable(text: str) -> str:
    """`text` without what UTF-8 has no bytes for: of a name that is no text."""
    return text.encode("utf-8", "replace").decode()


def _is_inside(stage: Stage, key: str) -> bool:
    """Whether a photo still lies in the stage; it may have become a link since it was listed."""
    return stage.path(key).resolve().is_relative_to(stage.folder.resolve())


def placeholder(reason: str, size: int) -> bytes:
    """What stands in for a photo that can't be read: its reason on grey."""
    width, height = size, size * 2 // 3
    image = Image.new("RGB", (width, height), "#8c8c8c")
    font = ImageFont.load_default(size=max(width // 26, 13))
    text = "\n".join(textwrap.wrap(f"This photo can't be shown: {reason}", 40))
    ImageDraw.Draw(image).text((width / 2, height / 2), text, "#f4f4f4", font, anchor="mm", align="center")
    return photos.as_jpeg(image)


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
