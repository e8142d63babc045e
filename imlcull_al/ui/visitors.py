"""The Photos screen of a public page: every visitor sends photos, works in a workspace of their own, and takes it home.

    POST   /upload?name=IMG_1.jpg     one photo or zip as the body; the first one makes the workspace
    GET    /workspace                 what is in it
    POST   /workspace/open            start with what was sent
    DELETE /workspace                 delete it now
    GET    /workspace.zip             kept photos, labels and model

A cookie that no script can read holds the token. Locally none of this is there.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ..archives import ARCHIVE_SUFFIX, SUFFIXES, megabytes, pack, usage
from ..desk import EMBEDDING, Desk
from ..errors import NoWorkspace
from ..files import unwritable
from ..project import photo_suffix
from ..workspaces import SECONDS, Workspace, Workspaces
from .assets import asset
from .callers import cookie_policy
from .telling import attempt

COOKIE = "imlcull_workspace"
PATHS = ("/upload", "/workspace", "/workspace/open", "/workspace.zip")
UPLOADS = ("/upload",)
"""Those of them that count their own body and put it on the disk as it comes."""
_SCRIPTS = ("visitors.js",)
_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def build(workspaces: Workspaces) -> None:
    """Put the screen into the page."""
    limits = workspaces.limits
    words = (
        f"JPEG, PNG, WebP, TIFF and the like, RAW and XMP beside them, or zip archives of these. "
        f"Up to {limits.files:,} files and {megabytes(limits.total)} in all, {megabytes(limits.photo)} each. "
        f"Nobody else sees them; they are deleted {SECONDS / 3600:.0f} hours after your last visit, "
        "sooner when many people are here."
    )
    gr.HTML(
        value="",
        html_template=asset("visitors.html")
        .replace("<!-- words -->", words)
        .replace("<!-- accept -->", ",".join(sorted({*SUFFIXES, ARCHIVE_SUFFIX})))
        .replace("<!-- photo -->", str(limits.photo))
        .replace("<!-- total -->", str(limits.total)),
        css_template=asset("visitors.css"),
        js_on_load="\n".join(asset(script) for script in _SCRIPTS),
        elem_id="visitors-screen",
        apply_default_css=False,
    )


def finder(workspaces: Workspaces) -> Callable[[Any], Desk]:
    """The desk of whoever sent a request."""
    return lambda request: workspaces.find(_token(request)).desk


def knower(workspaces: Workspaces) -> Callable[[Any], str | None]:
    """The workspace of whoever sent a request, by a name that gives no token away; None for none."""
    return lambda request: workspaces.name_of(_token(request))


def routes(workspaces: Workspaces) -> list[Route]:
    """The routes of this screen."""

    async def upload(request: Request) -> Response:
        # A form of another site can't send this type.
        if request.headers.get("content-type", "") != "application/octet-stream":
            return PlainTextResponse("Send a photo or a zip as application/octet-stream.", 415)
        had = _token(request)
        token, error = await run_in_threadpool(attempt, lambda: _own_or_new(workspaces, had))
        if token is None:
            return JSONResponse({"error": error})
        try:
            workspace = await run_in_threadpool(workspaces.find, token)
            reply, error = await _received(request, workspace)
        except ClientDisconnect:
            reply, error = None, "The connection broke off."
        response = JSONResponse({**(reply or {}), "error": error})
        if token == had or (reply and reply["new"]):
            _remember(request, response, token)
        else:  # an empty workspace would only take room
            await run_in_threadpool(attempt, lambda: workspaces.remove(token))
        return response

    def look(request: Request) -> Response:
        token = _token(request)
        state, error = attempt(lambda: _state(workspaces.find(token)))
        response = JSONResponse({**(state or {}), "error": error}, headers=_PRIVATE)
        if state:
            _remember(request, response, token)  # the cookie must not end before the workspace
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

    return [
        Route("/upload", upload, methods=["POST"]),
        Route("/workspace", look, methods=["GET"]),
        Route("/workspace", remove, methods=["DELETE"]),
        Route("/workspace/open", open_, methods=["POST"]),
        Route("/workspace.zip", take, methods=["GET"]),
    ]


def _own_or_new(workspaces: Workspaces, token: str) -> str:
    try:
        workspaces.find(token)
        return token
    except NoWorkspace:
        return workspaces.create()


async def _received(request: Request, workspace: Workspace) -> tuple[dict[str, int] | None, str]:
    """Write the body to a file, no more of it than may come, and take it in; what became of it, or a sentence."""
    name, limits, size = request.query_params.get("name", ""), workspace.limits, 0
    most = limits.total if photo_suffix(name) == ARCHIVE_SUFFIX else limits.photo
    too_large = f"{name[:80]} is larger than {megabytes(most)}. Leave it out."
    if _announced(request) > most:
        return None, too_large
    with ExitStack() as stack:
        sent, error = attempt(lambda: stack.enter_context(workspace.incoming()))
        if sent is None:
            return None, error
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                return None, too_large
            _, error = await run_in_threadpool(attempt, partial(_append, workspace, sent, chunk))
            if error:
                return None, error
        return await run_in_threadpool(attempt, lambda: asdict(workspace.add(sent, name)))


def _announced(request: Request) -> int:
    """Bytes that the body will have, as its sender says; 0 for one that doesn't say."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _append(workspace: Workspace, sent: Path, chunk: bytes) -> None:
    """Raises `UploadRefused`, `StorageError`."""
    workspace.check_room()
    try:
        with sent.open("ab") as file:
            file.write(chunk)
    except OSError as error:
        raise unwritable(sent, error) from error


def _open(workspace: Workspace) -> None:
    """Have new photos looked at; a training or cull that runs is followed by that anyway."""
    job = workspace.desk.jobs.state()
    if job is None or not job.running or job.name == EMBEDDING:
        workspace.desk.embed()


def _state(workspace: Workspace) -> dict[str, Any]:
    """How much is in a workspace, and whether a cull has been made."""
    size, files = usage(workspace.stage.folder)
    return {"files": files, "bytes": size, "culled": workspace.latest.manifest.exists()}


def _token(request: Any) -> str:
    token = request.cookies.get(COOKIE, "")
    return token if isinstance(token, str) else ""


def _remember(request: Request, response: Response, token: str, seconds: float = SECONDS) -> None:
    """Give the visitor the token."""
    kept = f"Path=/; Max-Age={seconds:.0f}; {cookie_policy(request)}"
    response.headers.append("Set-Cookie", f"{COOKIE}={token}; {kept}")
