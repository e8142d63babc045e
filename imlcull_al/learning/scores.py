"""Scores of photos, a probability per class, from an encoder, the cache, and the light head or the fine-tuned model.

Without a fine-tuned model, scores are a logistic regression on all labels: binary, one a tag, or over several classes.
With one, they are the model's own prediction plus a correction: a logistic regression, offset by the model's logits, on
all labels. These include labels given since the training, and validation photos that the model didn't learn from.
A prior, from the stage before or another project, is corrected in the same way, but fades; see `head.trust`. A training
may have found that its model is no better than the regression, or that their mean is best; see `choice`.
Independent of the order of photos.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..encoding import builtin
from ..encoding.embeddings import Embeddings
from ..encoding.encoder import Encoder
from ..encoding.load import Model, load_encoder
from ..errors import EncoderError, ModelFileError, NotEnoughLabels, StageError
from ..project.stages import Stage
from ..project.task import CULL_TASK, Task
from . import bursts, head
from .choice import AVERAGE, HEAD, MODEL, SCORES
from .orders import two_classes

if TYPE_CHECKING:
    from .model import TrainedModel

log = logging.getLogger(__name__)
MODEL_SUFFIX = ".pth"
AUTO = "auto"
"""The scores that the last training chose; otherwise those of `choice.SCORES`."""


def without_scores(stage: Stage, labels: Mapping[str, str], task: Task = CULL_TASK) -> NotEnoughLabels:
    """The error for a stage whose unlabeled photos can't be scored yet."""
    given = set(labels.values())
    what = "has no labels yet"
    if len(given) == 1:
        what = f"has only {task.words(given.pop())} labels, {len(labels)} of them"
    elif given:
        what = "has too few labels"
    need = "some to keep and some to cull"
    if task != CULL_TASK:
        need = "photos of at least two classes" if task.exclusive else "photos with a tag and photos without it"
    return NotEnoughLabels(f"{stage.name} {what}, so nothing is known about its other photos. Label {need} first.")


class Prior(NamedTuple):
    """What other answers say, as a head on the same encoder. `name`: whose, such as `the answers of stage_1`."""

    head: head.AnyHead
    name: str


@dataclass(frozen=True)
class Source:
    """The origin of scores: an encoder, and the fine-tuned model that it belongs to, if any.

    `prior`: where scores start without such a model. `start`: what a training starts from, if not the encoder.
    `frozen`: the encoder whose regression the scores are averaged with; None for none. `unused`: the number of labels
    of a model that doesn't count.
    """

    encoder: Encoder
    model: "TrainedModel | None"
    notice: str = ""
    """Shown wherever the scores are: another encoder than the requested one is in use."""
    prior: Prior | None = None
    start: Model = None
    frozen: Encoder | None = None
    unused: int = 0

    @property
    def base(self) -> Model:
        """What a training starts from, as `load_encoder` takes it."""
        return self.encoder if self.start is None else self.start

    @property
    def description(self) -> str:
        """A short description for display."""
        if self.model is not None:
            beside = f", averaged with a logistic regression on {self.frozen.name}" if self.frozen else ""
            labels = f", {len(self.model.labels)} labels" if self.model.labels else ""
            return f"{self.encoder.name}{labels}{beside}"
        if self.unused:
            return (
                f"logistic regression on {self.encoder.name}, no worse than the model trained on {self.unused} labels"
            )
        start = f", starting from {self.prior.name}" if self.prior else ""
        return f"logistic regression on {self.encoder.name}{start}"

    def starting_from(self, prior: Prior | None) -> "Source":
        """The same encoder with a prior, which is said wherever the scores are."""
        if prior is None:
            return self
        said = f"Scores start from {prior.name}. The more you answer, the less it counts."
        return replace(self, prior=prior, notice=f"{self.notice} {said}".strip())


def prior_of(known: head.Features, labels: Sequence[str], task: Task, name: str) -> Prior | None:
    """A head fitted to `labels` (n,) of the rows of `known`; None if they don't tell classes apart.

    Of several tags, those that are not on some photos and missing from others get a bias of NaN.
    """
    targets = task.targets(labels)
    rows = np.arange(len(labels))
    if task.is_binary:
        is_first = targets[:, 0] == 1
        if is_first.all() or not is_first.any():
            return None
        return Prior(head.fit(known, rows, is_first), name)
    if not task.exclusive:
        return _prior_of_tags(known, targets, name)
    if len(set(labels)) < 2:
        return None
    fitted = head.fit_classes(known, rows, targets.argmax(axis=1), len(task.classes))
    lowest = fitted.bias[np.isfinite(fitted.bias)].min() - head.UNSEEN
    return Prior(head.Heads(fitted.weights, np.maximum(fitted.bias, lowest)), name)


def _prior_of_tags(known: head.Features, targets: np.ndarray, name: str) -> Prior | None:
    """Heads tag by tag, each fitted to the rows where it is known."""
    weights, bias = np.zeros((known.rows.shape[1], targets.shape[1]), np.float32), np.full(targets.shape[1], np.nan)
    for tag, column in enumerate(targets.T):
        rows = np.flatnonzero(~np.isnan(column))
        if len(np.unique(column[rows])) == 2:
            fitted = head.fit(known, rows, column[rows] == 1)
            weights[:, tag], bias[tag] = fitted.weights, fitted.bias
    return None if np.isnan(bias).all() else Prior(head.Heads(weights, bias), name)


def choose_source(stage: Stage, model: Model, task: Task = CULL_TASK, scores: str = AUTO) -> Source:
    """Choose the stage's fine-tuned model if it exists and was trained from `model` (or `model` is None), otherwise
    `model`. `scores`: which of them count, see `AUTO`. `model` may also be the path of a model file, whose scores then
    count.

    If neither exists, the previous stage's model, as a prior: a new stage starts where the one before it ended. Raises
    `ModelFileError` for an unusable model file, `EncoderError`; `StageError` for other `scores`.
    """
    if scores not in (AUTO, *SCORES):
        raise StageError(f"scores is {scores!r}; choose {AUTO}, {HEAD}, {MODEL} or {AVERAGE}.")
    of_file = _of_file(model, task)
    if not stage.model.exists() and of_file:
        return Source(of_file.encoder, of_file, start=of_file.encoder)
    if not stage.model.exists() and (model is not None or not stage.previous.model.exists()):
        return _untrained(load_encoder(model))
    from .model import load

    if not stage.model.exists():
        before = load(stage.previous.model, task)
        chosen = before.scores if scores == AUTO else scores
        if chosen == HEAD and (base := _base_of(before)):
            return _untrained(base)
        prior = Prior(before.head, f"the model of {stage.previous.name}")
        return Source(before.encoder, None, start=_start_of(before)).starting_from(prior)
    trained = load(stage.model, task)
    chosen = trained.scores if scores == AUTO else scores
    if model is None and chosen == MODEL:
        return Source(trained.encoder, trained, start=_start_of(trained))
    if of_file:
        named: Encoder | None = of_file.encoder
    else:
        named = _base_of(trained) if model is None else load_encoder(model)
    if named is None:
        lost = trained.base_model or "The model that it was trained from"
        notice = f"{lost} can't be had, so the trained model counts alone."
        return Source(trained.encoder, trained, notice, start=_start_of(trained))
    if named.fingerprint != trained.base_fingerprint:
        return _untrained(named)
    if chosen == HEAD:
        return replace(_untrained(named), unused=len(trained.labels))
    frozen = named if chosen == AVERAGE else None
    return Source(trained.encoder, trained, named.notice, start=named, frozen=frozen)


def choose_encoder(stage: Stage, model: Model, task: Task = CULL_TASK, scores: str = AUTO) -> Encoder:
    """The encoder of `choose_source`. Where the stage's model file can't be used, the one that `model` names, so that
    photos can be embedded all the same; the log says so. Raises `EncoderError`, and `ModelFileError` for a file that
    `model` names.
    """
    try:
        return choose_source(stage, model, task, scores).encoder
    except ModelFileError as error:
        if _names_a_file(model):
            raise
        encoder = load_encoder(model)
        log.warning("%s Until then, photos are embedded by %s.", error, encoder.name)
        return encoder


def _names_a_file(model: Model) -> bool:
    return isinstance(model, str | os.PathLike) and os.fspath(model).endswith(MODEL_SUFFIX)


def _of_file(model: Model, task: Task) -> "TrainedModel | None":
    """The model whose file is named `model`; None if that is no file. Raises `ModelFileError`."""
    if not isinstance(model, str | os.PathLike) or not _names_a_file(model):
        return None
    from .model import load

    return load(Path(model).expanduser().absolute(), task)


def _start_of(trained: "TrainedModel") -> Model:
    """What a training that replaces this model starts from: what it was trained from, or one of iml-cull itself."""
    return trained.base_model if trained.base_fingerprint else trained.encoder


def _base_of(trained: "TrainedModel") -> Encoder | None:
    """The encoder that a model was trained from; None if it is not there any more, or is another one now."""
    try:
        of_file = _of_file(trained.base_model, trained.task)
        found = of_file.encoder if of_file else load_encoder(trained.base_model)
    except (EncoderError, ModelFileError):
        return None
    return found if found.fingerprint == trained.base_fingerprint else None


def _untrained(encoder: Encoder) -> Source:
    return Source(encoder, None, encoder.notice)


class Scorer:
    """Scores one set of photos from any labels; everything that does not depend on the labels is computed once."""

    def __init__(
        self, source: Source, seen: Embeddings, task: Task = CULL_TASK, frozen: Embeddings | None = None
    ) -> None:
        """`seen`: embeddings by the encoder of `source`; `frozen`: those by its frozen one, if it has one, of at least
        the same photos. Their rows are normalized in place.
        """
        self.source, self.task, self.frozen = source, task, frozen
        self._beside = (
            Scorer(Source(source.frozen, None), frozen.at(seen.keys), task) if source.frozen and frozen else None
        )
        self.keys = seen.keys
        self.row = {key: row for row, key in enumerate(seen.keys)}
        self.bursts = bursts.in_time(seen.taken, bursts.groups(seen.taken, seen.rows, seen.camera))
        """(N,) number of the burst of each photo, in order of time."""
        self.brackets = bursts.brackets(seen.taken, self.bursts, seen.compensation)
        """Numbers of the bursts that are exposure brackets."""
        self.features = head.features(seen.rows, self._hint(seen))
        self._logits = self._known(source.model.head) if source.model else None
        self._prior = self._known(source.prior.head) if source.prior and source.model is None else None
        self._chosen: dict[int, tuple[list[tuple[str, str]], float]] = {}

    def _hint(self, seen: Embeddings) -> np.ndarray | None:
        """(N,) what speaks for keeping whatever a person's taste: to be no worse than the best frame of its burst. The
        frames of an exposure bracket are no alternatives.
        """
        severity = builtin.severity(self.source.encoder, seen.rows) if self.task == CULL_TASK else None
        if severity is None:
            return None
        severity[np.isin(self.bursts, self.brackets)] = np.nan
        return -bursts.behind_best(severity, self.bursts)

    def _known(self, known: head.AnyHead) -> np.ndarray:
        """What a model or prior says of all photos, which may lack the latest classes of the task."""
        return head.with_added(self.features.logits(known), len(self.task.classes), exclusive=self.task.exclusive)

    def of(self, seen: Embeddings, task: Task) -> "Scorer":
        """The same for a part of the photos, or a task with more classes."""
        return Scorer(self.source, seen, task, self.frozen)

    def labeled(self, labels: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n,) of the labeled photos in key order, and their targets (n, K); see `Task.targets`."""
        rows = np.sort(np.array([self.row[key] for key in labels if key in self.row], np.intp))
        return rows, self.task.targets([labels[self.keys[row]] for row in rows])

    def probability(self, labels: Mapping[str, str]) -> np.ndarray | None:
        """(N, K) float64 in the order of `keys`; NaN for a tag that nothing is known of. None if nothing at all is
        known: without a model, two classes need labels, or both sides of a tag.

        `labels`: training labels only, without those of spot checks.
        """
        own = self._own(labels)
        other = self._beside.probability(labels) if self._beside else None
        return own if own is None or other is None else mean_of(own, other, self.task)

    def _own(self, labels: Mapping[str, str]) -> np.ndarray | None:
        """The same without the regression beside."""
        rows, targets = self.labeled(labels)
        if not self.task.exclusive:
            columns = [self._binary(labels, rows, targets, tag) for tag in range(len(self.task.classes))]
            if all(column is None for column in columns):
                return None
            unknown = np.full(len(self.keys), np.nan)
            return np.stack([unknown if column is None else column for column in columns], axis=1)
        if self.task.is_binary:
            first = self._binary(labels, rows, targets, 0)
            return None if first is None else two_classes(first)
        return self._classes(labels, rows, targets)

    def _binary(
        self, labels: Mapping[str, str], rows: np.ndarray, targets: np.ndarray, column: int
    ) -> np.ndarray | None:
        """(N,) probability of one class of two, or of one tag."""
        is_known = ~np.isnan(targets[:, column])
        rows, target = rows[is_known], targets[is_known, column] == 1
        logits = self._offset(rows, (~target).astype(np.intp), column)
        if logits is None:
            if target.all() or not target.any():
                return None
            fitted = head.fit(self.features, rows, target, c=self._regularisation(labels, column))
            return head.sigmoid(self.features.logits(fitted))
        if not len(rows):
            return head.sigmoid(logits)
        correction = head.fit(self.features, rows, target, offset=logits[rows])
        return head.sigmoid(logits + self.features.logits(correction))

    def _classes(self, labels: Mapping[str, str], rows: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
        """(N, K) probabilities of several classes."""
        number, classes = targets.argmax(axis=1) if len(rows) else np.empty(0, np.intp), len(self.task.classes)
        logits = self._offset(rows, number)
        if logits is None:
            if len(np.unique(number)) < 2:
                return None
            fitted = head.fit_classes(self.features, rows, number, classes, c=self._regularisation(labels, -1))
            return head.softmax(self.features.logits(fitted))
        if not len(rows):
            return head.softmax(logits)
        correction = head.fit_classes(self.features, rows, number, classes, offset=logits[rows])
        return head.softmax(logits + self.features.logits(correction))

    def _offset(self, rows: np.ndarray, number: np.ndarray, column: int = 0) -> np.ndarray | None:
        """Logits that the labels correct: of the fine-tuned model, or of the prior as far as it is trusted. None for
        none. `number` (n,): class of the labeled `rows`; of a tag, `column`, 0 with it and 1 without.
        """
        known = self._prior if self._logits is None else self._logits
        if known is None:
            return None
        own = known if self.task.exclusive or known.ndim == 1 else known[:, column]
        if np.isnan(own).any():  # a tag that it knows nothing of
            return None
        if self._logits is not None:
            return own
        prior = own if own.ndim > 1 else np.stack([own, np.zeros(len(own))], axis=1)
        weight = head.trust(prior[rows], number)
        if not weight and len(np.unique(number)) < 2:  # nothing else is known
            weight = head.FADES / (head.FADES + len(number))
        return weight * own if weight else None

    def _regularisation(self, labels: Mapping[str, str], column: int) -> float:
        """C for one column, or −1 for all classes, chosen on a prefix of the labels and cached, so most new labels need
        no new choice.
        """
        known = [(key, label) for key, label in labels.items() if key in self.row]
        first = known[: head.answers_to_choose_by(len(known))]
        chosen_by, c = self._chosen.get(column, ([], head.REGULARISATION))
        if first != chosen_by:
            rows, targets = self.labeled(dict(first))
            if column < 0:
                c = head.chosen_for_classes(self.features.at(rows), targets.argmax(axis=1))
            else:
                is_known = ~np.isnan(targets[:, column])
                c = head.chosen_regularisation(self.features.at(rows[is_known]), targets[is_known, column] == 1)
            self._chosen[column] = (first, c)
        return c


def mean_of(one: np.ndarray, other: np.ndarray, task: Task) -> np.ndarray:
    """Probabilities (N, K) whose logits are the mean of those of two others; of a tag that only one knows, its own."""
    likely = np.sqrt(one * other)
    if task.exclusive:
        return np.asarray(likely / np.maximum(likely.sum(axis=1, keepdims=True), 1e-300))
    mean = likely / np.maximum(likely + np.sqrt((1 - one) * (1 - other)), 1e-300)
    return np.where(np.isnan(one), other, np.where(np.isnan(other), one, mean))
