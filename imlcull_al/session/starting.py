"""Where the scores of a stage start before its first answers: at those of the stage before, or at another project's."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..encoding import embeddings
from ..errors import Cancelled, ImlcullError, StageError
from ..learning.head import features
from ..learning.scores import Prior, Source, prior_of
from ..progress import Progress, Stop
from ..project.labels import Labels
from ..project.listing import list_photos
from ..project.settings import start_from, tasks_of
from ..project.stages import Stage, open_stage
from ..project.task import Task

log = logging.getLogger(__name__)


def starting(source: Source, stage: Stage, task: Task, cache_dir: Path, progress: Progress, stop: Stop) -> Source:
    """`source` with a prior from earlier answers to the same task, if there are any and it has no model of its own.

    These are the answers of the stage before, or else of the project that the settings name. The answered photos are
    embedded first, unless they are in the cache. Trouble with them is logged. Raises `Cancelled`.
    """

    def prior(before: Stage, name: str) -> Prior | None:
        labels = _labels_of(before, task)
        seen = embeddings.ensure(before.paths(labels), source.encoder, cache_dir, progress=progress, stop=stop)
        return prior_of(features(seen.rows), [labels[key] for key in seen.keys], task, name) if seen.keys else None

    if source.model is not None or source.prior is not None:
        return source
    found = None
    with _logged():
        if stage.previous.folder.is_dir():
            found = prior(stage.previous, f"your answers of {stage.previous.name}")
    with _logged():
        if found is None and (other := start_from(stage.project)):
            found = prior(replace(open_stage(other), task=task.name), f"your answers in {other}")
    return source.starting_from(found)


@contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except Cancelled:
        raise
    except ImlcullError as error:
        log.warning("Scores can't start from earlier answers. %s", error)


def _labels_of(before: Stage, task: Task) -> dict[str, str]:
    """The training answers of another stage that `task` knows, too."""
    asked = tasks_of(before.project).get(task.name, task)  # it may have other classes
    if asked.exclusive != task.exclusive:
        raise StageError(f"In {before.project} the task {task.name} is of another kind.")
    keys = frozenset(list_photos(before).keys)
    given = Labels(before, asked).now().training
    shared = {key: _known(task, asked.tags_of(label)) for key, label in given.items() if key in keys}
    return {key: label for key, label in shared.items() if label}


def _known(task: Task, tags: Mapping[str, bool]) -> str:
    """A label of another project as one of `task`, as far as it has these classes or tags; empty if it has none."""
    if task.exclusive:
        return next((name for name, has in tags.items() if has and name in task.classes), "")
    return task.label_of(tags)
