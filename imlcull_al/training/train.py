"""Fine-tunes a vision transformer on the labels of a task: writes `stage_N_TASK_model.pth`, epoch log and report.

`stage_N_TASK_epoch_log.csv`: epoch,train_loss,val_loss,val_accuracy; rewritten after every epoch.

Every labeled photo is decoded once and kept in memory as preprocessed uint8 pixels. Training starts from a linear
probe, a logistic regression on the pretrained transformer, and stops early on validation accuracy. Whenever an epoch
beats the probe and all earlier epochs, it replaces the model file. A run that is stopped therefore leaves its best
epoch, and a run that never improves leaves the earlier model untouched; if there is no usable earlier model, the probe
itself is saved. A gentle training holds every photo out once, in folds, and saves the mean of the models of all folds
at its end. With several processes each reads its share of the photos; the main process locks, writes and is asked
to stop. Independent of query order, the page, and the steps within an epoch.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..encoding.builtin import parts_of
from ..encoding.encoder import Encoder
from ..encoding.sharpness import sharpness_map
from ..errors import Cancelled, EncoderError, NotEnoughLabels, TrainingError
from ..learning.choice import AVERAGE, HEAD, MODEL, Choice, choose, is_worse
from ..learning.head import Head, Heads, sigmoid, softmax
from ..progress import Progress, Stop, amount, logged, never, silent
from ..project import tables
from ..project.files import locked, read_own, replacing
from ..project.stages import Stage
from ..project.task import CULL_TASK, Task
from . import before, labeled_photos, probe, processes, report
from .evaluation import TRAIN, VALIDATION, Prediction
from .options import LOG_COLUMNS, Epoch, Options
from .processes import Processes
from .splits import folds, split
from .unfinished import note_unfinished
from .wording import what_counts

if TYPE_CHECKING:
    from ..learning.model import Classifier
    from .epoch_loop import FineTuning


@dataclass(frozen=True)
class Training:
    """Result of a run: its epochs, the best one (the one in the model file), and why it ended.

    `choice`: which scores count from now on; None for a training that is not gentle, whose model always does.
    """

    epochs: tuple[Epoch, ...]
    best: Epoch
    ended: str
    train_keys: tuple[str, ...]
    validation_keys: tuple[str, ...]
    unreadable: dict[str, str]
    task: Task = CULL_TASK
    choice: Choice | None = None

    @property
    def summary(self) -> str:
        """Two sentences: how the run ended, and the accuracy of what is saved."""
        if self.choice:
            return (
                f"Trained for {amount(len(self.epochs), 'epoch')}, {self.ended}. {what_counts(self.choice, self.task)}"
            )
        name = f"Epoch {self.best.epoch}" if self.best.epoch else "The start"
        tags = "" if self.task.exclusive else "tags of the "
        return (
            f"Ended after epoch {len(self.epochs)}: {self.ended}. {name} is saved: {self.best.val_accuracy:.1%} of the "
            f"{tags}{len(self.validation_keys)} validation photos right."
        )


@logged("training")
def train(
    stage: Stage,
    encoder: Encoder,
    labels: Mapping[str, str],
    options: Options | None = None,
    *,
    task: Task = CULL_TASK,
    progress: Progress = silent,
    on_epoch: Callable[[Epoch, bool], None] | None = None,
    stop: Stop = never,
    burst_of: Mapping[str, int] | None = None,
) -> Training:
    """Fine-tune `encoder` on `labels` of `task`; write the model, epoch log and report of `stage`.

    `burst_of`: photo → burst number. A burst is never divided between training and validation; by default bursts are
    detected among the labeled photos alone. `on_epoch` is called with every epoch, the start (epoch 0) first, and
    whether it is the best so far.

    Raises `NotEnoughLabels`; `TrainingError` if no epoch was better than the start; `Cancelled` if stopped before one
    was; `StorageError` while another process trains this stage. With several processes, all train on the labels and
    bursts of the main process, and only the main process calls `progress`, `on_epoch` and `stop`.
    """
    options = options or Options()
    options.check()
    together = processes.joined()
    with ExitStack() as held:
        if together.main:
            held.enter_context(locked(stage.training_lock, f"training the model of {stage.name}", patience=1.0))
            held.enter_context(note_unfinished(stage.unfinished, asdict(options)))
        else:
            progress, on_epoch, stop = silent, None, never
        known, burst_of = together.from_main((dict(labels), burst_of))
        if not known:
            raise NotEnoughLabels(f"{stage.name} has no labels yet. {_what_to_label(task)}")
        run = _Run(stage, encoder, known, task, options, together, progress, stop)
        run.prepare(burst_of)
        best, ended = run.fit(on_epoch or (lambda epoch, best_so_far: None))
        if not run.saved and run.stopped:
            until = "it was done" if options.gentle else "an epoch was better than its start"
            raise Cancelled(f"Training was stopped before {until}; no model was changed.")
        if not run.saved:
            what = "The model before is better" if run.choice else "No epoch was better than the start"
            raise TrainingError(f"{what} ({ended}); {stage.model} is unchanged.")
        if together.main:
            run.write_report()
    trained, validated = (tuple(run.seen.keys[i] for i in side) for side in run.sides)
    return Training(tuple(run.epochs), best, ended, trained, validated, run.seen.unreadable, task, run.choice)


def _what_to_label(task: Task) -> str:
    if task == CULL_TASK:
        return "Label some photos to keep and some to cull first."
    return "Label photos of two classes first." if task.exclusive else "Tag some photos first."


class _Run:
    """State of one training: the labeled photos in memory, the split, and the epochs so far."""

    def __init__(
        self,
        stage: Stage,
        encoder: Encoder,
        labels: dict[str, str],
        task: Task,
        options: Options,
        together: Processes,
        progress: Progress,
        stop: Stop,
    ) -> None:
        self.stage, self.encoder, self.labels, self.task = stage, encoder, labels, task
        self.options, self.together, self.progress, self.stop = options, together, progress, stop
        self.epochs: list[Epoch] = []
        self.stopped = False
        self.saved: Epoch | None = None  # the one in the model file
        self.choice: Choice | None = None
        self.trained, beside = parts_of(encoder)
        self._dim = self.trained.dim + (beside.dim if beside else 0)

    def prepare(self, burst_of: Mapping[str, int] | None) -> None:
        """Read and embed the photos, divide them, and fit the linear probe on every training side."""
        import torch

        from .epoch_loop import Part

        classifier, options = self._classifier(), self.options
        blocks = self._blocks_to_train(classifier)
        self.seen = seen = labeled_photos.read(
            self.stage, self.encoder, self.labels, self.together, self.progress, self.stop, self.task
        )
        split(seen.targets, options.validation_split, options.seed, task=self.task)  # fail early on too few labels
        try:
            self.tuning = self._tuning(classifier, blocks)
        except EncoderError:
            if not options.gentle:
                raise
            self.tuning = self._tuning(self._classifier(), None)  # it can't be divided after all
        rows = self.tuning.embeddings()
        groups = seen.bursts(rows, burst_of)
        self.parts = [Part(self._probe(rows, train), train, validation) for train, validation in self._divided(groups)]
        self.sides = [
            np.unique(np.concatenate(side))
            for side in ([part.train for part in self.parts], [part.validation for part in self.parts])
        ]
        targets = torch.from_numpy(seen.targets).float()
        self.start = self.tuning.start(self.parts, rows, targets.argmax(dim=1) if self.task.exclusive else targets)
        self._by_probe = self.tuning.left_out()

    def _by_model_before(self) -> np.ndarray:
        """(n, K) logits of the model that this training replaces, see `before`."""
        main = self.together.main
        found = before.logits(self.stage, self.encoder, self.seen.keys, self.task, self.stop) if main else None
        return np.asarray(self.together.from_main(found))

    def _blocks_to_train(self, classifier: "Classifier") -> int | None:
        """How many of the last blocks; None for the whole transformer.

        A gentle training takes fewer blocks than asked for, or the whole, where the transformer has no more or can't be
        divided: one recipe is to suit all. Raises `TrainingError`, `EncoderError`.
        """
        from . import blocks

        wanted = self.options.train_blocks
        if wanted is None:
            return None
        try:
            count = blocks.block_count(classifier.backbone)
        except EncoderError:
            if self.options.gentle:
                return None
            raise
        if self.options.gentle:
            return min(wanted, count)
        blocks.check_count(wanted, count)
        return wanted

    def _tuning(self, classifier: "Classifier", train_blocks: int | None) -> "FineTuning":
        from .epoch_loop import FineTuning

        options, seen = replace(self.options, train_blocks=train_blocks), self.seen
        values = self.trained.architecture.preprocessing.values
        try:
            return FineTuning(
                classifier, seen.pixels, seen.beside, values, options, self.together, self.progress, self.stop
            )
        except (ValueError, RuntimeError) as error:
            reason = str(error).rstrip(".")
            raise EncoderError(
                f"{self.encoder.name} can't run on its own preprocessing: {reason}. Choose another."
            ) from error

    def _divided(self, groups: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Positions of the training and validation photos, once or in folds."""
        targets, options = self.seen.targets, self.options
        whole = split(targets, options.validation_split, options.seed, groups, self.task)
        if options.gentle and (parts := folds(targets, options.folds, options.seed, groups, self.task)):
            return parts
        return [whole]

    def _probe(self, rows: np.ndarray, photos: np.ndarray) -> Head | Heads:
        """The linear probe on the embeddings `rows` of these training photos. It never sees validation photos."""
        known = photos[np.isfinite(rows[photos]).all(axis=1)]
        try:
            return probe.fit(rows[known], self.seen.targets[known], self.task)
        except ValueError as error:
            raise TrainingError(
                f"{self.encoder.name} gives no finite numbers for the labeled photos. Choose another model."
            ) from error

    def fit(self, on_epoch: Callable[[Epoch, bool], None]) -> tuple[Epoch, str]:
        """Train until patience or the epochs run out. Returns the best epoch and why training ended; `saved` tells
        whether the model file holds it.

        If nothing was saved, the earlier epoch log is restored, because it belongs to the model that remains.
        """
        earlier_log = self._earlier_log()
        best, ended = (self._gently if self.options.gentle else self._to_the_end)(on_epoch)
        is_sound = not self.stopped and self.epochs[-1].finite
        if not self.saved and is_sound and not self.options.gentle and self._needs_a_model():
            self._save(self._classifier(self.parts[0].probe), best)  # no earlier model to fall back on
        if not self.saved and self.together.main and earlier_log is not None:
            with replacing(self.stage.epoch_log) as temporary:
                temporary.write_bytes(earlier_log)
        return best, ended

    def _earlier_log(self) -> bytes | None:
        try:
            return read_own(self.stage.epoch_log)
        except OSError:
            return None

    def write_report(self) -> None:
        """Plots and tables of what the model says of the labeled photos."""
        other_task = [] if self.task == CULL_TASK else [self.task.name]
        self.progress("writing the report", 0, 1)
        report.write_report(
            self.stage.report,
            task=self.task,
            title=" · ".join([self.stage.name, *other_task, self.encoder.name, f"{len(self.seen.keys)} labels"]),
            epochs=[self.start, *self.epochs],
            best=self.saved.epoch if self.saved else 0,
            predictions=self._left_out() if self.choice else self._predicted(),
            left_out=self.choice is not None,
            path_of=self.stage.path,
            sharpness_of=sharpness_map,
        )
        self.progress("writing the report", 1, 1)

    def _predicted(self) -> list[Prediction]:
        """Of all labeled photos, by the saved model."""
        from ..learning import model

        trained = model.load(self.stage.model, self.task)
        validation = set(trained.validation_keys)
        probability = trained.probability(self.tuning.embeddings_by(parts_of(trained.encoder).trained.build()))
        return [
            Prediction(key, self.labels[key], tuple(each.tolist()), VALIDATION if key in validation else TRAIN)
            for key, each in zip(self.seen.keys, probability, strict=True)
            if np.isfinite(each).all()
        ]

    def _left_out(self) -> list[Prediction]:
        """Of each labeled photo, by the model of the fold that held it out."""
        assert self.choice
        logits = self.choice.scale * self.tuning.left_out()
        probability = softmax(logits) if self.task.exclusive else sigmoid(logits)
        return [
            Prediction(key, self.labels[key], tuple(each.tolist()), VALIDATION)
            for key, each in zip(self.seen.keys, probability, strict=True)
            if np.isfinite(each).all()
        ]

    def _to_the_end(self, on_epoch: Callable[[Epoch, bool], None]) -> tuple[Epoch, str]:
        best = self.start
        on_epoch(best, True)
        since_improvement = 0
        for epoch in self.tuning.epochs():
            self.epochs.append(epoch)
            since_improvement = 0 if epoch.val_accuracy > best.val_accuracy else since_improvement + 1
            if better := epoch.better_than(best):
                best = epoch
                self._save(self.tuning.classifier, best)
            self._log()
            on_epoch(epoch, better)
            if not epoch.finite:
                return best, "the loss is no longer finite; try a smaller learning rate"
            if since_improvement >= self.options.patience:
                return best, f"no better validation accuracy for {amount(self.options.patience, 'epoch')}"
        self.stopped = self.together.any(self.stop())
        return best, "stopped on request" if self.stopped else "all epochs done"

    def _gently(self, on_epoch: Callable[[Epoch, bool], None]) -> tuple[Epoch, str]:
        """All epochs of all folds; then their mean is saved, with the scores that count."""
        on_epoch(self.start, True)
        for epoch in self.tuning.epochs():
            self.epochs.append(epoch)
            self._log()
            is_last = epoch.finite and len(self.epochs) == self.options.epochs
            ended = self._chosen(epoch) if is_last else "the loss is no longer finite; try a smaller learning rate"
            on_epoch(epoch, self.saved is epoch)
            if is_last or not epoch.finite:
                return epoch, ended
        self.stopped = True
        return self.start, "stopped on request"

    def _chosen(self, epoch: Epoch) -> str:
        """Choose the scores that count, and save the mean of all folds unless the model before is better. Returns why
        the training ended.
        """
        targets, task = self.seen.targets, self.task
        self.choice = found = choose(self._by_probe, self.tuning.left_out(), targets, task)
        by_new = found.scale * self.tuning.left_out()
        best = {HEAD: self._by_probe, MODEL: by_new, AVERAGE: (self._by_probe + by_new) / 2}[found.scores]
        if worse := is_worse(best, self._by_model_before(), targets, task):
            new, old = worse
            return f"of the answers since then {old:.1%} are right with it, {new:.1%} would be with the new one"
        self.tuning.average(found.scale)
        self._save(self.tuning.classifier, epoch)
        return f"in {len(self.tuning.folds)} folds"

    def _log(self) -> None:
        if self.together.main:
            tables.write(self.stage.epoch_log, LOG_COLUMNS, [_log_row(each) for each in self.epochs])

    def _classifier(self, start: Head | Heads | None = None) -> "Classifier":
        """The pretrained transformer under a zero head, or under `start`."""
        from ..learning.model import Classifier

        classifier = Classifier(self.trained.build(), self._dim, len(self.task.classes))
        if start:
            classifier.start_from(start)
        return classifier

    def _save(self, classifier: "Classifier", best: Epoch) -> None:
        from ..learning import model

        facts = {
            "epoch": best.epoch,
            "validation_accuracy": best.val_accuracy,
            "seed": self.options.seed,
            "labels": {key: self.labels[key] for key in self.seen.keys},
            "validation_keys": [self.seen.keys[i] for i in self.sides[1]],
            "scores": self.choice.scores if self.choice else MODEL,
        }
        if self.together.main:
            if self.saved is None:
                before.keep(self.stage)
            model.save(self.stage.model, classifier, self.encoder, facts, self.task)
        self.saved = best

    def _needs_a_model(self) -> bool:
        """Whether the stage lacks a usable model file."""
        return self.together.from_main(self.together.main and not before.is_usable(self.stage, self.task))


def _log_row(epoch: Epoch) -> dict[str, object]:
    row = asdict(epoch)
    return {name: row[name] if name == "epoch" else f"{row[name]:.6f}" for name in LOG_COLUMNS}
