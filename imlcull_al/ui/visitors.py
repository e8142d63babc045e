"""The Photos screen of a public page: every visitor sends photos, works in a workspace of their own, and takes it home.

    POST   /upload?name=IMG_1.jpg     one photo or zip as the body; the first one makes the workspace
    GET    /workspace                 what is in it
    POST   /workspace/open            start with what was sent
    DELETE /workspace                 delete it now
    GET    /workspace.zip             kept photos, labels and model

A cookie that no script can read holds the token. Locally none of this is there.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ..archives import ARCHIVE_SUFFIX, SUFFIXES, megabytes, pack, usage
from ..desk import Desk
from ..errors import NoWorkspace
from ..files import unwritable
from ..project import photo_suffix
from ..workspaces import SECONDS, Workspace, Workspaces
from .assets import asset
from .telling import attempt

COOKIE = "imlcull_workspace"
PATHS = ("/upload", "/workspace", "/workspace/open", "/workspace.zip")
_SCRIPTS = ("visitors.js",)


def build(workspaces: Workspaces) -> None:
    """Put the screen into the page."""
    limits = workspaces.limits
    words = (
        f"JPEG, PNG, WebP, TIFF and their like, RAW and XMP beside them, or zip archives of these: "
        f"{limits.files:,} files and {megabytes(limits.total)} in all, {megabytes(limits.photo)} each. "
        f"Nobody else sees them. They are deleted {SECONDS / 3600:.0f} hours after your last visit."
    )
    gr.HTML(
        value="",
        html_template=asset("visitors.html")
        .replace("<!-- words -->", words)
        .replace("<!-- accept -->", ",".join(sorted({*SUFFIXES, ARCHIVE_SUFFIX}))),
        css_template=asset("visitors.css"),
        js_on_load="\n".join(asset(script) for script in _SCRIPTS),
        elem_id="visitors-screen",
        apply_default_css=False,
    )


def finder(workspaces: Workspaces) -> Callable[[Any], Desk]:
    """The desk of whoever sent a request."""
    return lambda request: workspaces.find(_token(request)).desk


def routes(workspaces: Workspaces) -> list[Route]:
    """The routes of this screen."""

    async def upload(request: Request) -> Response:
        # A form of another site can't send this type.
        if request.headers.get("content-type", "") != "application/octet-stream":
            return PlainTextResponse("Send a photo or a zip as application/octet-stream.", 415)
        token = _token(request)
        try:
            workspace = await run_in_threadpool(workspaces.find, token)
        except NoWorkspace:
            made, error = await run_in_threadpool(attempt, workspaces.create)
            if made is None:
                return JSONResponse({"error": error})
            token, workspace = made, await run_in_threadpool(workspaces.find, made)
        sent = workspace.incoming()
        try:
            reply, error = await _received(request, sent, workspace)
        finally:
            await run_in_threadpool(sent.unlink, missing_ok=True)
        response = JSONResponse({**(reply or {}), "error": error})
        _remember(request, response, token)
        return response

    def look(request: Request) -> Response:
        state, error = attempt(lambda: _state(workspaces, _token(request)))
        return JSONResponse({**(state or {}), "error": "" if state else error}, headers={"Cache-Control": "no-store"})

    def open_(request: Request) -> Response:
        def work() -> None:
            desk = workspaces.find(_token(request)).desk
            desk.embed()

        return JSONResponse({"error": attempt(work)[1]})

    def remove(request: Request) -> Response:
        response = JSONResponse({"error": attempt(lambda: workspaces.remove(_token(request)))[1]})
        response.delete_cookie(COOKIE)
        return response

    def take(request: Request) -> Response:
        desk, error = attempt(lambda: workspaces.find(_token(request)).desk)
        if desk is None:
            return PlainTextResponse(error, 404)
        name = f"{desk.session.stage.name}.zip"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
        return StreamingResponse(pack(desk.session.stage), media_type="application/zip", headers=headers)

    return [
        Route("/upload", upload, methods=["POST"]),
        Route("/workspace", look, methods=["GET"]),
        Route("/workspace", remove, methods=["DELETE"]),
        Route("/workspace/open", open_, methods=["POST"]),
        Route("/workspace.zip", take, methods=["GET"]),
    ]


async def _received(request: Request, sent: Path, workspace: Workspace) -> tuple[dict[str, int] | None, str]:
    """Write the body to `sent`, no more of it than may come, and take it in."""
    name, limits = request.query_params.get("name", ""), workspace.limits
    most = limits.total if photo_suffix(name) == ARCHIVE_SUFFIX else limits.photo
    size = 0
    try:
        with sent.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    return None, f"{name[:80]} is larger than {megabytes(most)}. Leave it out."
                await run_in_threadpool(file.write, chunk)
    except OSError as error:
        return None, str(unwritable(sent, error))
    return await run_in_threadpool(attempt, lambda: asdict(workspace.add(sent, name)))


def _state(workspaces: Workspaces, token: str) -> dict[str, Any]:
    """How much is in a workspace, when it ends, and whether a cull has been made."""
    workspace = workspaces.find(token)
    size, files = usage(workspace.photos)
    culled = any((workspace.folder / "project").glob("stage_*_cull_manifest.csv"))
    return {"files": files, "bytes": size, "seconds_left": workspaces.expires(token), "culled": culled}


def _token(request: Any) -> str:
    token = request.cookies.get(COOKIE, "")
    return token if isinstance(token, str) else ""


def _remember(request: Request, response: Response, token: str) -> None:
    """Give the visitor the token. A Space is shown in a frame of another site, where only such a cookie is kept."""
    if request.headers.get("x-forwarded-proto", request.url.scheme).startswith("https"):
        policy = "SameSite=None; Secure; Partitioned"
    else:
        policy = "SameSite=Strict"
    response.headers.append("Set-Cookie", f"{COOKIE}={token}; Path=/; Max-Age={SECONDS:.0f}; HttpOnly; {policy}")
