"""The routes beside the page: photos and report pictures, by name from a list, never by path.

    /photos/{id}/{size}     JPEG, longest side `size`; id is a hash of the photo's path
    /photos/{id}/sharpness  PNG to lay over it, one pixel a cell (see `sharpness`); where there is none, why: 422
    /report/{name}          a PNG of the last training
    /act/{screen}           POST: a JSON object to a screen's `respond`, which returns one

Who may ask is said in `guard`. Knows nothing of the screens.
"""

import hashlib
import json
import textwrap
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image, ImageDraw, ImageFont
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .. import photos
from ..desk import Desk
from ..errors import NoWorkspace, UnreadablePhoto
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
Respond = Callable[[Session, Mapping[str, Any]], Mapping[str, Any]]
Find = Callable[[Any], Desk]
"""The desk of whoever sent a request, told by its cookies. Raises `NoWorkspace` for a visitor who has none."""
# Private: photos must not stay in a proxy. Ten minutes, because a file may be replaced by another of its name.
_HEADERS = {"Cache-Control": "private, max-age=600"}


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
        asked = _parsed(await request.body())
        if not isinstance(asked, dict):
            return PlainTextResponse("Send a JSON object.", 400)

        def work() -> Response:
            desk = find(request)
            return JSONResponse({**respond(desk.at(asked.get("stage")), asked), "now": desk.session.stage.name})

        reply, error = await run_in_threadpool(attempt, work)
        return reply or JSONResponse({"error": _sendable(error)})

    return [
        Route("/photos/{id}/{size:int}", photo),
        Route("/photos/{id}/sharpness", sharpness),
        Route("/report/{name}", report),
        Route("/act/{screen}", act, methods=["POST"]),
    ]


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
