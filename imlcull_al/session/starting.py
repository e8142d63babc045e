"""Where the scores of a stage start before its first answers: at another project's, or at those of the stage before."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..encoding import embeddings
from ..errors import Cancelled, ImlcullError, StageError
from ..learning.head import features
from ..learning.scores import Source, prior_of
from ..progress import Progress, Stop
from ..project.labels import Labels
from ..project.listing import list_photos
from ..project.settings import start_from, tasks_of
from ..project.stages import Stage, open_stage
from ..project.task import Task

log = logging.getLogger(__name__)


def starting(source: Source, stage: Stage, task: Task, cache_dir: Path, progress: Progress, stop: Stop) -> Source:
    """`source` with a prior from earlier answers to the same task, if there are any and it has no model of its own.

    The answered photos are embedded first, unless they are in the cache. Trouble with them is logged and leaves
    `source` as it is. Raises `Cancelled`.
    """
    if source.model is not None or source.prior is not None:
        return source
    other = start_from(stage.project) if stage.number == 1 else None
    if other is None and not stage.previous.folder.is_dir():
        return source
    try:
        before = replace(open_stage(other), task=task.name) if other else stage.previous
        asked = tasks_of(before.project).get(task.name, task)  # it may have other classes
        if asked.exclusive != task.exclusive:
            raise StageError(f"In {before.project} the task {task.name} is of another kind.")
        keys = frozenset(list_photos(before).keys)
        given = Labels(before, asked).now().training
        shared = {key: _known(task, asked.tags_of(label)) for key, label in given.items() if key in keys}
        labels = {key: label for key, label in shared.items() if label}
        paths = before.paths(labels)
        seen = embeddings.ensure(paths, source.encoder, cache_dir, progress=progress, stop=stop)
    except Cancelled:
        raise
    except ImlcullError as error:
        log.warning("Scores can't start from earlier answers. %s", error)
        return source
    if not seen.keys:
        return source
    name = f"your answers in {other}" if other else f"your answers of {before.name}"
    return source.starting_from(prior_of(features(seen.rows), [labels[key] for key in seen.keys], task, name))


def _known(task: Task, tags: Mapping[str, bool]) -> str:
    """A label of another project as one of `task`, as far as it has these classes or tags; empty if it has none."""
    if task.exclusive:
        return next((name for name, has in tags.items() if has and name in task.classes), "")
    return task.label_of(tags)
