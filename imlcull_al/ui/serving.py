"""Custom routes: photos and report figures, looked up by id or listed name, never by path.

    /photos/{id}/{size}     JPEG with longest side `size`; id is a hash of the photo's path
    /photos/{id}/sharpness  PNG overlay, one pixel per cell (see `sharpness`); 422 with the reason if there is none
    /report/{name}          a PNG of the last training's report
    /act/{screen}           POST a JSON object to a screen's `respond`, which returns one. If the request's `stage` or
                            `project` is not open, the reply has `error`, and `elsewhere` is true

Independent of the screens and of access control (see `guard`).
"""

import hashlib
import textwrap
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image, ImageDraw, ImageFont
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..encoding.sharpness import as_png, sharpness_map
from ..errors import ImlcullError, StageError, UnreadablePhoto
from ..parallel import threads
from ..photos import read as photos
from ..photos.previews import SCREEN
from ..project.files import is_link, read_own
from ..project.originals import State
from ..project.stages import Stage
from ..project.task import CULL_TASK
from ..session.desk import Desk
from ..session.session import Session, Standing
from . import strict
from .fairly import Fairly, Whose, turning_away
from .senders import sender_of
from .telling import attempt

SMALL = 320
FULL = 6000
"""For zooming to 100 %: made on demand, not cached on disk."""
_SIZES = {str(size): size for size in (FULL, SCREEN, SMALL)}
"""Keyed by URL text: Starlette's int converter fails on thousands of digits."""
_MAPS = 2000  # sharpness maps cached in memory, some 300 bytes each
_ANSWERS = 32  # threads
Respond = Callable[[Session, Mapping[str, Any]], Mapping[str, Any]]
Find = Callable[[Any], Desk]
"""Maps a request to its desk by its cookies. Raises `NoWorkspace` for a visitor without a workspace."""
# Private: proxies must not cache photos. Ten minutes: a file may be replaced by another of the same name.
_HEADERS = {"Cache-Control": "private, max-age=600"}


def photo_id(at: Session | Standing, key: str) -> str:
    """Id of a photo in URLs. Depends on the folder, as browser caches outlive a project, and on replacement."""
    return _id(at.stage.folder / key, at.versions.get(key))


def _id(path: Path, version: State | None = None) -> str:
    what = f"{path}\0{version}" if version else str(path)
    return hashlib.blake2b(what.encode(), digest_size=16).hexdigest()


def photo_url(at: Session | Standing, key: str, size: int) -> str:
    """URL of a photo, relative to the page."""
    return f"photos/{photo_id(at, key)}/{size}"


def report_urls(session: Session) -> dict[str, str]:
    """Name → URL of each report figure of the last training. URLs change with every training."""
    urls = {}
    for path in sorted(_report_pictures(session.stage)):
        with suppress(FileNotFoundError):  # just replaced by a new training
            urls[path.stem.replace("_", " ")] = f"report/{quote(path.name)}?{path.lstat().st_mtime_ns}"
    return urls


def _report_pictures(stage: Stage) -> list[Path]:
    return [] if is_link(stage.report) else [path for path in stage.report.glob("*.png") if not is_link(path)]


def routes(find: Find, screens: Mapping[str, Respond], whose: Whose = sender_of) -> list[Route]:
    """The routes of all screens, with separate fair thread pools for answers, previews and large views."""
    answers = Fairly(whose, _ANSWERS, each=_ANSWERS // 4)
    previews = Fairly(whose, threads())
    large_views = Fairly(whose, 2)  # each takes a few hundred megabytes to decode

    @lru_cache(maxsize=4)
    def by_id(folder: Path, listing: tuple[str, ...], versions: tuple[tuple[str, State], ...]) -> dict[str, str]:
        latest = {_id(folder / key, version): key for key, version in versions}
        return {_id(folder / key): key for key in listing} | latest

    def preview(session: Session, key: str, size: int) -> bytes:
        try:
            if size == FULL:
                return photos.preview(session.stage.path(key), FULL)
            return session.previews.get(session.stage.path(key), size, SCREEN)
        except UnreadablePhoto as error:
            return placeholder(str(error), size)

    @lru_cache(maxsize=_MAPS)
    def sharpness_of(path: Path, state: photos.State) -> bytes:
        return as_png(sharpness_map(path))

    def session_of(request: Request) -> Session | None:
        try:
            return find(request).session
        except ImlcullError:
            return None

    def asked_for(request: Request) -> tuple[Session, str] | None:
        """Session and key of the requested photo; None if unknown, or a link out of the stage."""
        session = session_of(request)
        keys = by_id(session.stage.folder, session.listing.keys, (*session.versions.items(),)) if session else {}
        key = keys.get(request.path_params["id"])
        return (session, key) if session and key and _is_inside(session.stage, key) else None

    def ready(request: Request, size: int | None) -> tuple[Session, str, bytes | None] | None:
        """Session and key as in `asked_for`, and the preview if cached."""
        found = asked_for(request) if size else None
        if found is None:
            return None
        session, key = found
        return session, key, None if size in (FULL, None) else session.previews.find(session.stage.path(key), size)

    async def photo(request: Request) -> Response:
        size = _SIZES.get(request.path_params["size"])
        found = await answers.do(request, lambda: ready(request, size))
        if found is None or size is None:
            return PlainTextResponse("No such photo.", 404)
        session, key, jpeg = found
        if jpeg is None:
            decoding = large_views if size == FULL else previews
            jpeg = await decoding.do(request, lambda: preview(session, key, size))
        return Response(jpeg, media_type="image/jpeg", headers=_HEADERS)

    async def sharpness(request: Request) -> Response:
        found = await answers.do(request, lambda: asked_for(request))
        if found is None:
            return PlainTextResponse("No such photo.", 404)
        path = found[0].stage.path(found[1])
        looked = partial(attempt, lambda: sharpness_of(path, photos.stat_of(path)))
        picture, error = await large_views.do(request, looked) or (None, "")
        if picture is None:
            return PlainTextResponse(_sendable(error), 422)
        return Response(picture, media_type="image/png", headers=_HEADERS)

    def report(request: Request) -> Response:
        session = session_of(request)
        pictures = _report_pictures(session.stage) if session else ()
        path = {path.name: path for path in pictures}.get(request.path_params["name"])
        try:
            picture = read_own(path) if path else None
        except OSError:  # just deleted, or replaced by a link
            picture = None
        if picture is None:
            return PlainTextResponse("No such picture.", 404)
        return Response(picture, media_type="image/png", headers=_HEADERS)

    async def act(request: Request) -> Response:
        respond = screens.get(request.path_params["screen"])
        if respond is None:
            return PlainTextResponse("No such screen.", 404)
        # CSRF protection: a form on another site can't send this content type.
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return PlainTextResponse("Send a JSON object.", 415)
        try:
            asked = strict.parsed(await strict.received(request.receive))
        except ValueError:
            return PlainTextResponse(strict.NONSENSE, 400)
        if not isinstance(asked, dict):
            return PlainTextResponse("Send a JSON object.", 400)

        def work() -> Response:
            desk = find(request)
            session, error = attempt(lambda: _session_at(desk, asked))
            answer = respond(session, asked) if session else {"error": error, "elsewhere": True}
            return strict.rendered({**answer, "now": desk.session.stage.name, "project": _project_id(desk)})

        reply, error = await answers.do(request, partial(attempt, work)) or (None, "")
        return reply or strict.rendered({"error": error})

    return [
        Route("/photos/{id}/sharpness", turning_away(sharpness)),
        Route("/photos/{id}/{size}", turning_away(photo)),
        Route("/report/{name}", report),
        Route("/act/{screen}", turning_away(act), methods=["POST"]),
    ]


def _project_id(desk: Desk) -> str:
    """Hash of project folder and task: a page may outlive its server, and others be served at the same URL."""
    project, task = desk.session.stage.project, desk.session.task
    return _id(project if task == CULL_TASK else project / f"task {task.name}")


def _session_at(desk: Desk, asked: Mapping[str, Any]) -> Session:
    """The session of the page's `stage` and `project`. Raises `StageError` if it is not open here."""
    if asked.get("project") not in (None, _project_id(desk)):
        raise StageError("This page shows another project or task than the one now open. Reload it.")
    return desk.at(asked.get("stage"))


def _sendable(text: str) -> str:
    """`text` with lone surrogates, from undecodable file names, replaced."""
    return text.encode("utf-8", "replace").decode()


def _is_inside(stage: Stage, key: str) -> bool:
    """Whether the path still resolves into the stage; it may have become a link since listing."""
    return stage.path(key).resolve().is_relative_to(stage.folder.resolve())


def placeholder(reason: str, size: int) -> bytes:
    """JPEG shown for an unreadable photo: the reason on gray."""
    width, height = size, size * 2 // 3
    image = Image.new("RGB", (width, height), "#8c8c8c")
    font = ImageFont.load_default(size=max(width // 26, 13))
    text = "\n".join(textwrap.wrap(f"This photo can't be shown: {reason}", 40))
    ImageDraw.Draw(image).text((width / 2, height / 2), text, "#f4f4f4", font, anchor="mm", align="center")
    return photos.as_jpeg(image)
