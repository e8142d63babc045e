"""The page's actions as functions for scripts: Gradio's API and, on request, MCP tools.

    from gradio_client import Client
    client = Client("http://127.0.0.1:5000")
    client.predict(count=5, api_name="/next_batch")

Each function does what a button does, on the same session, and fails with the same message. MCP clients get results
as JSON text.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gradio as gr

from ..errors import StageError
from ..photos.previews import SCREEN
from ..project.labels import LOOK, SHEET, check_sheet
from ..project.task import CULL_TASK, Task
from ..session.desk import CULLING, DRY_RUN, Desk
from ..session.jobs import DONE
from ..session.session import Photo, Session
from ..training.options import options_of
from .serving import Find, photo_url
from .telling import attempt

MCP_PATH = "/gradio_api/mcp"
MOST = 1000
"""Most photos per `next_batch`."""
Result = TypeVar("Result")
_SECONDS_TO_WAIT = 300


def build(find: Find) -> None:
    """Add the functions to the page."""
    for function in _functions(find):
        # Answers must not wait for other visitors'. `queue=False` alone isn't enough: Gradio's client uses the queue
        # anyway, hence no concurrency limit.
        gr.api(function, queue=False, concurrency_limit=None)


def _functions(find: Find) -> list[Callable[..., Any]]:
    def tried(request: gr.Request, work: Callable[[Desk], Result]) -> Result:
        result, error = attempt(lambda: work(find(request)))
        if error:
            raise _Refusal(error, print_exception=False)
        if _is_mcp(request):
            return json.dumps(result, ensure_ascii=False)  # type: ignore[return-value]  # Gradio sends str(result)
        return result  # type: ignore[return-value]  # not None, as there is no error

    def next_batch(request: gr.Request, count: int = 1, queue: str = "uncertain") -> list[dict[str, Any]]:
        """Get the next photos to label. None of them is being shown to anybody else.

        Args:
            count: Number of photos, 1 to 1000.
            queue: uncertain, audit (spot checks), keepers, culls, disagreements or files; for a task other than cull,
                "likely NAME" of a class instead of keepers and culls.

        Returns:
            For each photo: key, p_keep (0 to 1; null while unknown and for spot checks), label (keep, cull or null),
            queue (the reason it is shown; about one in eight is a spot check, "audit") and the URL of a preview,
            relative to the page. For a task other than cull, probability (by class; null like p_keep) instead of
            p_keep, and its own labels; those of tags read "red=1;striped=0".
        """

        def work(desk: Desk) -> list[dict[str, Any]]:
            if not _is_whole(count) or not 1 <= count <= MOST:
                raise StageError(f"count is {count!r}; choose 1 to {MOST}.")
            photos = desk.session.offer(_visitor(request), queue, count)
            return [_shown(desk.session, photo) for photo in photos]

        return tried(request, work)

    def label(request: gr.Request, key: str, label: str | list[str], queue: str | None = None) -> dict[str, Any]:
        """Label one photo. The answer is on disk when this returns.

        Args:
            key: The photo's key, from next_batch.
            label: keep or cull; for another task, a class, or the tags that the photo has, as a list or "red;striped".
            queue: The queue it was shown in; defaults to the one next_batch returned.

        Returns:
            The status.
        """

        def work(desk: Desk) -> dict[str, Any]:
            desk.session.answer(str(key), _text(label), None if queue is None else str(queue))
            return _status(desk)

        return tried(request, work)

    def sheet(
        request: gr.Request, count: int = 24, queue: str = "sheet", threshold: float = 0.5, limit: float = 0.0
    ) -> list[dict[str, Any]]:
        """Get photos to answer together, as a contact sheet. None of them is being shown to anybody else.

        Args:
            count: Number of photos, 1 to 1000.
            queue: sheet (spot checks, mostly of photos to be culled), look (photos to look at before a cull) or again
                (one photo whose answer on a sheet is to be asked again in full size).
            threshold: Score from which photos are kept, 0 to 1.
            limit: Of look, the score from which photos are looked at, 0 to 1.

        Returns:
            For each photo what next_batch returns.
        """

        def work(desk: Desk) -> list[dict[str, Any]]:
            if not _is_whole(count) or not 1 <= count <= MOST:
                raise StageError(f"count is {count!r}; choose 1 to {MOST}.")
            session, visitor, until = desk.session, _visitor(request), _number(threshold, "threshold")
            if queue == SHEET:
                photos = session.sheet(visitor, until, count)
            elif queue == LOOK:
                photos = session.looks(visitor, _number(limit, "limit"), until, count)
            else:
                check_sheet(queue)
                photos = [photo for photo in [session.asked_again(visitor)] if photo]
            return [_shown(session, photo) for photo in photos]

        return tried(request, work)

    def answer_sheet(request: gr.Request, labels: dict[str, Any], queue: str = "sheet") -> dict[str, Any]:
        """Label all photos of a sheet, or none; those that got an answer meanwhile keep it.

        The answers are on disk when this returns.

        Args:
            labels: Label by key, each as in label.
            queue: What sheet was asked for: sheet, look or again.

        Returns:
            The status.
        """

        def work(desk: Desk) -> dict[str, Any]:
            if not isinstance(labels, dict) or not labels:
                raise StageError("There are no labels. Send an object of labels by key.")
            desk.session.answer_sheet({key: _text(label) for key, label in labels.items()}, str(queue))
            return _status(desk)

        return tried(request, work)

    def undo(request: gr.Request, key: str | None = None) -> dict[str, Any]:
        """Undo the last answer.

        Args:
            key: Undo this photo's last answer; without it, the last answer to any photo.

        Returns:
            The status.
        """

        def work(desk: Desk) -> dict[str, Any]:
            if desk.session.undo(None if key is None else str(key)) is None:
                raise StageError("There is nothing to undo.")
            return _status(desk)

        return tried(request, work)

    def status(request: gr.Request) -> dict[str, Any]:
        """Get the state of the project.

        Returns:
            The stage, the task with its classes or tags, counts of photos and answers, in all and by class, the source
            of the scores, and the running or last job.
        """
        return tried(request, _status)

    def scores(request: gr.Request, threshold: float = 0.5) -> list[dict[str, Any]]:
        """Get the score and decision for every photo of the stage.

        Args:
            threshold: Photos with p_keep at or above this are kept, 0 to 1.

        Returns:
            For each photo: image_name, p_keep, decision (keep or cull) and reason. For a task other than cull, which
            has no threshold: image_name, probability by class, label (the answer, or the likeliest) and reason.
        """

        def work(desk: Desk) -> list[dict[str, Any]]:
            if not desk.session.prepared:
                raise StageError("The photos are still being embedded. Try again once status reports prepared.")
            if desk.session.task != CULL_TASK:
                return _predictions(desk.session)
            return [
                {"image_name": each.key, "p_keep": each.p_keep, "decision": each.decision, "reason": each.reason}
                for each in desk.session.scores(_number(threshold, "threshold"))
            ]

        return tried(request, work)

    def train(
        request: gr.Request,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        patience: int | None = None,
        validation_split: float | None = None,
        seed: int | None = None,
        train_blocks: int | None = None,
        gentle: bool = False,
    ) -> dict[str, Any]:
        """Start fine-tuning the model on the answers, in the background; status reports progress.

        Args:
            epochs: Maximum passes over the photos, by default 256, gentle 6.
            batch_size: Photos per step, by default 64, gentle 16.
            learning_rate: Adam's step size, by default 1e-4, gentle 5e-5.
            patience: Epochs without improvement before stopping, by default 8.
            validation_split: Share of the answers held out, by default 0.25.
            seed: Same seed, same result; by default 0.
            train_blocks: Train only this many of the transformer's last blocks; by default all, gentle 6.
            gentle: Train in folds that hold every photo out once, and average their models.

        Returns:
            The status.
        """

        def work(desk: Desk) -> dict[str, Any]:
            given = {
                "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "patience": patience,
                "validation_split": validation_split, "seed": seed, "train_blocks": train_blocks,
            }  # fmt: skip
            desk.train(options_of(gentle=gentle, **given))
            return _status(desk)

        return tried(request, work)

    def cancel(request: gr.Request) -> dict[str, Any]:
        """Stop the running job; a training keeps its best epoch.

        Returns:
            The status.
        """

        def work(desk: Desk) -> dict[str, Any]:
            desk.jobs.cancel()
            return _status(desk)

        return tried(request, work)

    def cull(request: gr.Request, threshold: float = 0.5, link: str = "copy", dry_run: bool = False) -> dict[str, Any]:
        """Make the next stage from the kept photos and wait until done. The current stage is unchanged.

        Args:
            threshold: Photos with p_keep at or above this are kept, 0 to 1; answers override scores.
            link: Copy method: copy, hardlink or reflink.
            dry_run: Only report what would be kept and culled.

        Returns:
            Counts of photos kept and culled, and the name of the new stage, null after a dry run.
        """

        def work(desk: Desk) -> dict[str, Any]:
            desk.dry_run(_number(threshold, "threshold"))
            plan = _outcome(desk, DRY_RUN)
            if not dry_run:
                desk.cull(str(link), plan)
                _outcome(desk, CULLING)
            made = None if dry_run else desk.session.stage.next.name
            return {"kept": len(plan.kept), "culled": len(plan.culled), "made": made}

        return tried(request, work)

    return [next_batch, label, sheet, answer_sheet, undo, status, scores, train, cancel, cull]


def _outcome(desk: Desk, name: str) -> Any:
    """Wait for the job of this name and return its result. Raises `StageError` with its error, or on timeout."""
    job = desk.jobs.wait(_SECONDS_TO_WAIT, name)
    if job is None or job.running:
        raise StageError("This takes longer than one request allows. Poll status until it is done.")
    if job.status != DONE:
        raise StageError(job.error)
    return job.result


def _status(desk: Desk) -> dict[str, Any]:
    session, job = desk.session, desk.jobs.state()
    counts, task = session.counts(), session.task
    by_class = dict(zip(task.classes, counts.by_class, strict=False))
    return {
        "stage": session.stage.name,
        "task": task.name,
        "classes": list(task.classes),
        "exclusive": task.exclusive,
        "photos": counts.photos,
        "labeled": counts.labeled,
        **(by_class if task == CULL_TASK else {"by_class": by_class}),
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


def _predictions(session: Session) -> list[dict[str, Any]]:
    return [
        {
            "image_name": each.key,
            "probability": _by_class(session.task, each.probability),
            "label": each.label,
            "reason": each.reason,
        }
        for each in session.predictions()
    ]


def _by_class(task: Task, probability: Sequence[float] | None) -> dict[str, float | None] | None:
    """Class → probability; None for a tag that nothing is known of."""
    if probability is None:
        return None
    return {name: p if p == p else None for name, p in zip(task.classes, probability, strict=True)}


def _shown(session: Session, photo: Photo) -> dict[str, Any]:
    is_cull, task = session.task == CULL_TASK, session.task
    return {
        "key": photo.key,
        **({"p_keep": photo.p_keep} if is_cull else {"probability": _by_class(task, photo.probability)}),
        "label": photo.label,
        "queue": photo.queue,
        "url": photo_url(session, photo.key, SCREEN),
    }


class _Refusal(gr.Error):
    """An error that MCP clients receive as plain text; `gr.Error` would be quoted."""

    def __str__(self) -> str:
        """Return the bare message."""
        return self.message


def _is_mcp(request: gr.Request) -> bool:
    return MCP_PATH in request.url.path


def _visitor(request: gr.Request) -> str:
    """Visitor id: one per API client; all MCP clients share one."""
    return f"api {getattr(request, 'session_hash', None)}"


def _text(label: Any) -> str:
    """A label as text; tags may come as a list."""
    return ";".join(map(str, label)) if isinstance(label, list) else str(label)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any, name: str) -> float:
    """`value` if it is a number. Raises `StageError` for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise StageError(f"{name} is {value!r}; send a number.")
    return value
