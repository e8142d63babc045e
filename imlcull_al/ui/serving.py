"""The routes beside the page: photos and report pictures, by name from a list, never by path.

    /photos/{id}/{size}     JPEG, longest side `size`; id is a hash of the photo's path
    /report/{name}          a PNG of the last training

Also who may ask: a page of another site must not press buttons here. Knows nothing of the screens.
"""

import hashlib
import textwrap
from contextlib import suppress
from functools import lru_cache
from urllib.parse import quote, urlsplit

from PIL import Image, ImageDraw, ImageFont
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import photos
from ..errors import UnreadablePhoto
from ..session import Session

LARGE, SMALL = 1600, 320
_PREVIEWS_KEPT = 96
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Private: photos must not stay in a proxy. Ten minutes, because a file may be replaced by another of its name.
_HEADERS = {"Cache-Control": "private, max-age=600", "X-Content-Type-Options": "nosniff"}


def photo_id(session: Session, key: str) -> str:
    """What a photo is called in an address. The folder is part of it: browsers remember photos across projects."""
    return hashlib.blake2b(str(session.stage.path(key)).encode(), digest_size=16).hexdigest()


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


def routes(session: Session) -> list[Route]:
    """The routes of one session. Plain functions: they run in threads, so decoding blocks nobody."""

    @lru_cache(maxsize=1)
    def by_id(listing: tuple[str, ...]) -> dict[str, str]:
        return {photo_id(session, key): key for key in listing}

    @lru_cache(maxsize=_PREVIEWS_KEPT)
    def preview(key: str, size: int) -> bytes:
        try:
            return photos.preview(session.stage.path(key), size)
        except UnreadablePhoto as error:
            return placeholder(str(error), size)

    def photo(request: Request) -> Response:
        key, size = by_id(session.listing.keys).get(request.path_params["id"]), request.path_params["size"]
        if key is None or size not in (LARGE, SMALL):
            return PlainTextResponse("There is no such photo.", 404)
        return Response(preview(key, size), media_type="image/jpeg", headers=_HEADERS)

    def report(request: Request) -> Response:
        pictures = {path.name: path for path in session.stage.report.glob("*.png")}
        path = pictures.get(request.path_params["name"])
        if path is None:
            return PlainTextResponse("There is no such picture.", 404)
        return FileResponse(path, media_type="image/png", headers=_HEADERS)

    return [Route("/photos/{id}/{size:int}", photo), Route("/report/{name}", report)]


def placeholder(reason: str, size: int) -> bytes:
    """What stands in for a photo that can't be read: its reason on grey."""
    width, height = size, size * 2 // 3
    image = Image.new("RGB", (width, height), "#8c8c8c")
    font = ImageFont.load_default(size=max(width // 26, 13))
    text = "\n".join(textwrap.wrap(f"This photo can't be shown: {reason}", 40))
    ImageDraw.Draw(image).text((width / 2, height / 2), text, "#f4f4f4", font, anchor="mm", align="center")
    return photos.as_jpeg(image)


def guards(host: str) -> list[Middleware]:
    """The middleware that turns other sites away."""
    return [Middleware(_SameSite, hosts=_LOOPBACK if host in _LOOPBACK else ())]


class _SameSite:
    """Refuses requests for another host name (DNS rebinding) and from pages of another origin.

    Gradio keeps other origins from reading answers; a press of a button is done before its answer is kept back.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._welcome(Headers(scope=scope)):
            await PlainTextResponse("This page answers only to itself.", 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _welcome(self, headers: Headers) -> bool:
        host = headers.get("host", "")
        if self._hosts and urlsplit(f"//{host}").hostname not in self._hosts:
            return False
        origin = headers.get("origin")
        return origin is None or urlsplit(origin).netloc == host
