"""The buttons of the page as functions for scripts: Gradio's API, and tools for MCP clients where that is asked for.

    from gradio_client import Client
    client = Client("http://127.0.0.1:5000")
    client.predict(count=5, api_name="/next_batch")

Each does what a button does, on the same session. An error is the sentence that the page would show. To MCP clients
results are JSON text.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from ..errors import StageError
from ..photos.previews import SCREEN
from ..session.desk import CULL, DRY_RUN, Desk
from ..session.jobs import DONE
from ..session.session import Photo, Session
from ..training.options import Options
from .serving import Find, photo_url
from .telling import attempt

MCP_PATH = "/gradio_api/mcp"
MOST = 1000
"""Photos of one `next_batch`."""
Result = TypeVar("Result")
_DEFAULTS = Options()
_SECONDS_TO_WAIT = 300


def build(find: Find) -> None:
    """Put the functions into the page."""
    for function in _functions(find):
        # An answer doesn't wait for other people's: neither with Gradio's client, which goes through the queue whatever
        # is said here, nor past it.
        gr.api(function, queue=False, concurrency_limit=None)


def _functions(find: Find) -> list[Callable[..., Any]]:
    def tried(request: gr.Request, work: Callable[[Desk], Result]) -> Result:
        result, error = attempt(lambda: work(find(request)))
        if error:
            raise _Refusal(error, print_exception=False)
        if _is_mcp(request):
            return json.dumps(result, ensure_ascii=False)  # type: ignore[return-value]  # Gradio sends str(result)
        return result  # type: ignore[return-value]  # there is one where there is no error

    def next_batch(request: gr.Request, count: int = 1, queue: str = "uncertain") -> list[dict[str, Any]]:
        """The photos to answer next, which nobody else is being shown.

        Args:
            count: How many, 1 to 1000.
            queue: uncertain, audit (blind), keepers, culls, disagreements or files.

        Returns:
            For each its key, p_keep (0 to 1, null while unknown and in the blind audit), label (keep, cull or null),
            queue (what it is asked for: every eighth or so is for the audit) and the address of a preview, relative to
            the page's.
        """

        def work(desk: Desk) -> list[dict[str, Any]]:
            if not _is_whole(count) or not 1 <= count <= MOST:
                raise StageError(f"count is {count!r}; choose 1 to {MOST}.")
            photos = desk.session.offer(_visitor(request), queue, count)
            return [_shown(desk.session, photo) for photo in photos]

        return tried(request, work)

    def label(request: gr.Request, key: str, label: str, queue: str | None = None) -> dict[str, Any]:
        """Answer one photo. The answer is on the disk when this returns.

        Args:
            key: The photo, as next_batch names it.
            label: keep or cull.
            queue: The queue it was shown in; by default that in which next_batch gave it.

        Returns:
            The status.
        """

        def work(desk: Desk) -> dict[str, Any]:
            desk.session.answer(str(key), str(label), None if queue is None else str(queue))
            return _status(desk)

        return tried(request, work)

    def undo(request: gr.Request, key: str | None = None) -> dict[str, Any]:
        """Take back the last answer.

        Args:
            key: Only that of this photo; without it, the last of all.

        Returns:
            The status.
        """

        def work(desk: Desk) -> dict[str, Any]:
            if desk.session.undo(None if key is None else str(key)) is None:
                raise StageError("There is nothing to undo.")
            return _status(desk)

        return tried(request, work)

    def status(request: gr.Request) -> dict[str, Any]:
        """How far the work is.

        Returns:
            The stage, counts of photos and answers, where scores come from, and the running or last job.
        """
        return tried(request, _status)

    def scores(request: gr.Request, threshold: float = 0.5) -> list[dict[str, Any]]:
        """The score and the decision of every photo of the stage.

        Args:
            threshold: p_keep at or above this is kept, 0 to 1.

        Returns:
            For each image_name, p_keep, decision (keep or cull) and reason.
        """

        def work(desk: Desk) -> list[dict[str, Any]]:
            if not desk.session.prepared:
                raise StageError("The photos are still being embedded. Ask again when the status says prepared.")
            return [
                {"image_name": each.key, "p_keep": each.p_keep, "decision": each.decision, "reason": each.reason}
                for each in desk.session.scores(_number(threshold, "threshold"))
            ]

        return tried(request, work)

    def train(
        request: gr.Request,
        epochs: int = _DEFAULTS.epochs,
        batch_size: int = _DEFAULTS.batch_size,
        learning_rate: float = _DEFAULTS.learning_rate,
        patience: int = _DEFAULTS.patience,
        validation_split: float = _DEFAULTS.validation_split,
        seed: int = _DEFAULTS.seed,
        train_blocks: int | None = _DEFAULTS.train_blocks,
    ) -> dict[str, Any]:
        """Start to fine-tune the model on the answers, in the background; status says how far it is.

        Args:
            epochs: Passes over the photos, at most.
            batch_size: Photos in a step.
            learning_rate: Adam's step size.
            patience: Epochs to wait for a better one.
            validation_split: Share of the answers set apart.
            seed: The same seed, the same training.
            train_blocks: Only this many of the transformer's last blocks, several times as fast; null for all of it.

        Returns:
            The status.
        """

        def work(desk: Desk) -> dict[str, Any]:
            desk.train(Options(epochs, batch_size, learning_rate, patience, validation_split, seed, train_blocks))
            return _status(desk)

        return tried(request, work)

    def cancel(request: gr.Request) -> dict[str, Any]:
        """Ask the running job to stop; a training keeps its best epoch.

        Returns:
            The status.
        """

        def work(desk: Desk) -> dict[str, Any]:
            desk.jobs.cancel()
            return _status(desk)

        return tried(request, work)

    def cull(request: gr.Request, threshold: float = 0.5, link: str = "copy", dry_run: bool = False) -> dict[str, Any]:
        """Put the kept photos into the next stage, and wait until that is done. This stage stays as it is.

        Args:
            threshold: p_keep at or above this is kept, 0 to 1; an answer goes before a score.
            link: How files are placed: copy, hardlink or reflink.
            dry_run: Only say what would be kept and culled.

        Returns:
            The numbers of photos kept and culled, and the name of the new stage, null after a dry run.
        """

        def work(desk: Desk) -> dict[str, Any]:
            desk.dry_run(_number(threshold, "threshold"))
            plan = _outcome(desk, DRY_RUN)
            if not dry_run:
                desk.cull(str(link), plan)
                _outcome(desk, CULL)
            made = None if dry_run else desk.session.stage.next.name
            return {"kept": len(plan.kept), "culled": len(plan.culled), "made": made}

        return tried(request, work)

    return [next_batch, label, undo, status, scores, train, cancel, cull]


def _outcome(desk: Desk, name: str) -> Any:
    """What the job of this name came to, once it has. Raises `StageError` with its sentence."""
    job = desk.jobs.wait(_SECONDS_TO_WAIT, name)
    if job is None or job.running:
        raise StageError("That takes longer than a request may; the status says when it is done.")
    if job.status != DONE:
        raise StageError(job.error)
    return job.result


def _status(desk: Desk) -> dict[str, Any]:
    session, job = desk.session, desk.jobs.state()
    counts = session.counts()
    return {
        "stage": session.stage.name,
        "photos": counts.photos,
        "keep": counts.keep,
        "cull": counts.cull,
        "unreadable": counts.unreadable,
        "prepared": session.prepared,
        "source": session.source,
        "notice": session.notice,
        "job": {
            "name": job.name,
            "status": job.status,
            "what": job.what,
            "done": job.done,
            "total": job.total,
            "seconds_left": job.seconds_left,
            "error": job.error,
        }
        if job
        else None,
    }


def _shown(session: Session, photo: Photo) -> dict[str, Any]:
    return {
        "key": photo.key,
        "p_keep": photo.p_keep,
        "label": photo.label,
        "queue": photo.queue,
        "url": photo_url(session, photo.key, SCREEN),
    }


class _Refusal(gr.Error):
    """An error that MCP clients get as its sentence; Gradio's own would be quoted."""

    def __str__(self) -> str:
        """The sentence."""
        return self.message


def _is_mcp(request: gr.Request) -> bool:
    return MCP_PATH in request.url.path


def _visitor(request: gr.Request) -> str:
    """Who asks: one client of the API has one; all MCP clients are one."""
    return f"api {getattr(request, 'session_hash', None)}"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any, name: str) -> float:
    """A number as it was sent. Raises `StageError` for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise StageError(f"{name} is {value!r}; send a number.")
    return value
