"""The Photos screen of a public page: visitors upload photos, work in their own workspace, and download the result.

    POST   /upload?name=IMG_1.jpg     one photo or zip as the body; the first decodable photo creates the workspace
           &into=mine                 only into an existing workspace
    GET    /workspace                 number and size of its files
    POST   /workspace/open            start analyzing the uploads
    DELETE /workspace                 delete it now
    GET    /workspace.zip             kept photos, labels and model

The token is in an HttpOnly cookie. A token whose workspace expired or was deleted is revoked with a message and its
uploads are refused: a page that still shows the old photos must not silently start a new workspace.
Absent on a local page.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ..project.archives import ARCHIVE_SUFFIX, SUFFIXES, Limits, megabytes, pack, usage
from ..project.companions import DECODABLE_SUFFIXES, photo_suffix
from ..session.desk import EMBEDDING, Desk
from ..session.workspaces import DELETED, SECONDS, Arrival, Workspace, Workspaces
from .assets import asset
from .fairly import Fairly, Handler, Whose, turning_away
from .headers import cookie_policy
from .scripts import starting
from .senders import sender_of
from .telling import attempt

COOKIE = "imlcull_workspace"
PATHS = ("/upload", "/workspace", "/workspace/open", "/workspace.zip")
UPLOADS = ("/upload",)
"""Paths that limit their own body size and stream it to disk."""
_AT_ONCE = 4
"""Files unpacked and checked concurrently, at most one per sender."""
_PATIENCE = 30.0
_LEAST = 64 << 10
"""Minimum upload rate: `_LEAST` bytes per `_PATIENCE` seconds. A slow phone sends ten times that."""
SCRIPT = "visitors.js"
_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def build(workspaces: Workspaces) -> None:
    """Add the screen to the page."""
    limits = workspaces.limits
    words = (
        "JPEG, HEIC, raw, PNG, WebP, TIFF and similar, with their XMP files, or zip archives of these. "
        f"Up to {limits.files:,} files and {megabytes(limits.total)} in total, {megabytes(limits.photo)} each. "
        f"Nobody else can see them. They are deleted {SECONDS / 3600:.0f} hours after your last visit, "
        "or sooner when the server is busy."
    )
    gr.HTML(
        value="",
        html_template=asset("visitors.html")
        .replace("<!-- words -->", words)
        .replace("<!-- photos -->", ",".join(sorted({*DECODABLE_SUFFIXES, ARCHIVE_SUFFIX})))
        .replace("<!-- accept -->", ",".join(sorted({*SUFFIXES, ARCHIVE_SUFFIX})))
        .replace("<!-- photo -->", str(limits.photo))
        .replace("<!-- total -->", str(limits.total)),
        css_template=asset("visitors.css"),
        js_on_load=starting(SCRIPT),
        elem_id="visitors-screen",
        apply_default_css=False,
    )


def finder(workspaces: Workspaces) -> Callable[[Any], Desk]:
    """Return the function that maps a request to its workspace's desk."""
    return lambda request: workspaces.find(_token(request)).desk


def whose(workspaces: Workspaces) -> Whose:
    """Return the function that names a request's visitor: by workspace, or by address without one."""

    def visitor(request: Any) -> str:
        name = workspaces.name_of(_token(request))
        return f"workspace {name}" if name else sender_of(request)

    return visitor


def knower(workspaces: Workspaces) -> Callable[[Any], str | None]:
    """Return the function that names a request's workspace without revealing its token; None without one."""
    return lambda request: workspaces.name_of(_token(request))


def routes(workspaces: Workspaces) -> list[Route]:
    """The routes of this screen."""

    answers, adding = Fairly(whose(workspaces), 16, each=4), Fairly(sender_of, _AT_ONCE, each=1)

    async def upload(request: Request) -> Response:
        # CSRF protection: a form on another site can't send this content type.
        if request.headers.get("content-type", "") != "application/octet-stream":
            return PlainTextResponse("Send a photo or a zip as application/octet-stream.", 415)
        had, sender = _token(request), sender_of(request)
        if not had and request.query_params.get("into") == "mine":
            return JSONResponse({"error": DELETED, "gone": True})
        with ExitStack() as stack:
            receiving = workspaces.receive(had, sender)
            arrival, error = await run_in_threadpool(attempt, lambda: stack.enter_context(receiving))
            reply = None
            if arrival:
                name = request.query_params.get("name", "")
                error = await _received(request, arrival, _most(name, workspaces.limits), name)
                if not error:
                    add = partial(attempt, lambda: asdict(arrival.add(name)))
                    reply, error = await adding.do(request, add) or (None, "")
        is_gone = bool(had) and not workspaces.has(had)
        response = JSONResponse({**(reply or {}), "error": error, **({"gone": True} if is_gone else {})})
        if is_gone:
            _remember(request, response, "", 0)
        elif arrival and arrival.token:
            _remember(request, response, arrival.token)
        return response

    def look(request: Request) -> Response:
        token = _token(request)
        state, error = attempt(lambda: _state(workspaces.find(token)))
        response = JSONResponse({**(state or {}), "error": error}, headers=_PRIVATE)
        if state:
            _remember(request, response, token)  # the cookie must not expire before the workspace
        elif token and not workspaces.has(token):
            _remember(request, response, "", 0)
        return response

    def open_(request: Request) -> Response:
        return JSONResponse({"error": attempt(lambda: _open(workspaces.find(_token(request))))[1]})

    def remove(request: Request) -> Response:
        error = attempt(lambda: workspaces.remove(_token(request)))[1]
        response = JSONResponse({"error": error})
        if not error:
            _remember(request, response, "", 0)
        return response

    def take(request: Request) -> Response:
        stage, error = attempt(lambda: workspaces.find(_token(request)).latest)
        if stage is None:
            return PlainTextResponse(error, 404)
        headers = {**_PRIVATE, "Content-Disposition": f'attachment; filename="{stage.name}.zip"'}
        return StreamingResponse(pack(stage), media_type="application/zip", headers=headers)

    def fairly(handler: Callable[[Request], Response]) -> Handler:
        async def handled(request: Request) -> Response:
            return await answers.do(request, partial(handler, request)) or Response()

        return turning_away(handled)

    return [
        Route("/upload", turning_away(upload), methods=["POST"]),
        Route("/workspace", fairly(look), methods=["GET"]),
        Route("/workspace", fairly(remove), methods=["DELETE"]),
        Route("/workspace/open", fairly(open_), methods=["POST"]),
        Route("/workspace.zip", fairly(take), methods=["GET"]),
    ]


def _most(name: str, limits: Limits) -> int:
    """Size limit in bytes for a file of this name."""
    return limits.total if photo_suffix(name) == ARCHIVE_SUFFIX else limits.photo


async def _received(request: Request, arrival: Arrival, most: int, name: str) -> str:
    """Stream the body to a file, at most `most` bytes. Returns an error sentence; empty if it arrived whole."""
    too_large, size = f"{name[:80]} is larger than {megabytes(most)}. Leave it out.", 0
    if _announced(request) > most:
        return too_large
    try:
        async for piece in _steady(request.stream()):
            size += len(piece)
            if size > most:
                return too_large
            _, error = await run_in_threadpool(attempt, partial(arrival.append, piece))
            if error:
                return error
    except ClientDisconnect:
        return "The connection was lost."
    except TimeoutError:
        return "The upload was too slow. Try again over a better connection."
    return ""


async def _steady(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Chunks of a body. Raises `TimeoutError` if fewer than `_LEAST` bytes arrive within `_PATIENCE` seconds."""
    clock, came = asyncio.get_running_loop().time, _LEAST
    while True:
        if came >= _LEAST:
            until, came = clock() + _PATIENCE, 0
        async with asyncio.timeout_at(until):
            try:
                piece = await anext(stream)
            except StopAsyncIteration:
                return
        came += len(piece)
        yield piece


def _announced(request: Request) -> int:
    """Body size from Content-Length; 0 without one."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def _open(workspace: Workspace) -> None:
    """Embed new photos. No-op during a training or cull, which is followed by embedding anyway."""
    job = workspace.desk.jobs.state()
    if job is None or not job.running or job.name == EMBEDDING:
        workspace.desk.embed()


def _state(workspace: Workspace) -> dict[str, Any]:
    """Number and bytes of files in a workspace, and whether a cull was made."""
    size, files = usage(workspace.stage.folder)
    return {"files": files, "bytes": size, "culled": workspace.latest.manifest.exists()}


def _token(request: Any) -> str:
    token = request.cookies.get(COOKIE, "")
    return token if isinstance(token, str) else ""


def _remember(request: Request, response: Response, token: str, seconds: float = SECONDS) -> None:
    """Set the token cookie; `seconds` 0 deletes it."""
    kept = f"Path=/; Max-Age={seconds:.0f}; {cookie_policy(request)}"
    response.headers.append("Set-Cookie", f"{COOKIE}={token}; {kept}")
