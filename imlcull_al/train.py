"""From labels and photos to `stage_N_cull_model.pth` and its epoch log: the fine-tuning of a vision transformer.

`stage_N_cull_epoch_log.csv`: epoch,train_loss,val_loss,val_accuracy; a row is there as soon as its epoch ends.

Every photo is decoded once and kept as preprocessed bytes; cross-entropy, Adam, early stopping on the validation
accuracy. The start is a linear probe: the pretrained transformer under a logistic regression. The model file is
replaced the moment an epoch is better than that start and all epochs before, so a run that is stopped leaves its best,
and one that never improves leaves the earlier model as it was (where there is none that can be used, the start becomes
the model).
Knows nothing of query order or of the page.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from . import bursts, embeddings, head, photos, report, tables, unfinished
from .encoder import VisionEncoder
from .epochs import LOG_COLUMNS, Epoch, Options, split
from .errors import Cancelled, EncoderError, ModelFileError, NotEnoughLabels, TrainingError, UnreadablePhoto
from .evaluation import TRAIN, VALIDATION, Prediction
from .files import is_locked, locked, replacing
from .labels import KEEP, LABELS
from .parallel import in_order
from .progress import Progress, Stop, never, silent
from .project import Stage

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from .model import CullClassifier

WARM_UP_STEPS = 20
"""Steps in which the learning rate rises to its value: Adam's first are all full-sized and would undo the start."""


@dataclass(frozen=True)
class Training:
    """What a run did: its epochs, the best of them (the one in the model file), and why it ended."""

    epochs: tuple[Epoch, ...]
    best: Epoch
    ended: str
    train_keys: tuple[str, ...]
    validation_keys: tuple[str, ...]
    unreadable: dict[str, str]

    @property
    def summary(self) -> str:
        """How it ended and how good the saved epoch is, in two sentences."""
        name = f"Epoch {self.best.epoch}" if self.best.epoch else "The start"
        return (
            f"Ended after epoch {len(self.epochs)}: {self.ended}. {name} is saved: {self.best.val_accuracy:.1%} of the "
            f"{len(self.validation_keys)} validation photos right."
        )


@dataclass(frozen=True)
class Interrupted:
    """A training that was killed: its options, the epochs it ended, and whether one of them is the model."""

    options: Options
    epochs: int
    saved: bool


def interrupted(stage: Stage) -> Interrupted | None:
    """The training of this stage that was killed; None where there is none, and while one runs, here or elsewhere."""
    found = unfinished.read(stage.unfinished)
    if found is None or is_locked(stage.training_lock):
        return None
    try:
        options = Options(**found)
        options.check()
    except (TypeError, TrainingError):  # edited, or of another version
        options = Options()
    begun = _written(stage.unfinished)
    epochs = len(tables.read(stage.epoch_log)[1]) if _written(stage.epoch_log) > begun else 0
    return Interrupted(options, epochs, _written(stage.model) > begun)


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return -1


def train(
    stage: Stage,
    encoder: VisionEncoder,
    labels: Mapping[str, str],
    cache_dir: Path,
    options: Options | None = None,
    *,
    progress: Progress = silent,
    on_epoch: Callable[[Epoch, bool], None] | None = None,
    stop: Stop = never,
    burst_of: Mapping[str, int] | None = None,
) -> Training:
    """Fine-tune `encoder` on `labels` and write model, epoch log and report of `stage`.

    `burst_of`: photo → number of its burst, none of which is divided between training and validation; by default those
    that the labeled photos alone make.
    `on_epoch` is called with every epoch, the start first, and whether it was the best so far. Raises
    `NotEnoughLabels`, `TrainingError` when no epoch was better than the start, `Cancelled` when stopped before one was,
    `StorageError` when another program trains this stage.
    """
    if not labels:
        raise NotEnoughLabels(f"{stage.name} has no labels yet. Label some photos to keep and some to cull first.")
    run = _Run(stage, encoder, dict(labels), cache_dir, options or Options(), progress, stop, burst_of)
    run.options.check()
    in_use = locked(stage.training_lock, f"training the model of {stage.name}", patience=1.0)
    with in_use, unfinished.noted(stage.unfinished, asdict(run.options)):
        run.read()
        earlier_log = stage.epoch_log.read_bytes() if stage.epoch_log.is_file() else None
        best, ended = run.fit(on_epoch or (lambda epoch, best_so_far: None))
        if not run.saved and earlier_log is not None:
            with replacing(stage.epoch_log) as temporary:
                temporary.write_bytes(earlier_log)  # the log stays that of the model beside it
        if not run.saved and stop():
            raise Cancelled("Training was stopped before an epoch was better than its start; no model was changed.")
        if not run.saved:
            raise TrainingError(f"No epoch was better than the start ({ended}); {stage.model} is as it was.")
        run.write_report()
    sides = [tuple(run.keys[i] for i in side) for side in (run.train_side, run.validation_side)]
    return Training(tuple(run.epochs), best, ended, sides[0], sides[1], run.unreadable)


class _Run:
    """One training: the labeled photos in memory, the split, and the epochs so far."""

    def __init__(
        self,
        stage: Stage,
        encoder: VisionEncoder,
        labels: dict[str, str],
        cache_dir: Path,
        options: Options,
        progress: Progress,
        stop: Stop,
        burst_of: Mapping[str, int] | None,
    ) -> None:
        self.burst_of = burst_of
        self.stage, self.encoder, self.labels, self.cache_dir = stage, encoder, labels, cache_dir
        self.options, self.progress, self.stop = options, progress, stop
        self.keys: list[str] = []
        self.unreadable: dict[str, str] = {}
        self.epochs: list[Epoch] = []
        self.saved = False

    def read(self) -> None:
        """Decode every labeled photo once, then split: pixels (n, 3, H, W) uint8, targets (n,) class numbers."""
        import torch

        pixels = []
        wanted = sorted(self.labels)
        for done, found in enumerate(in_order(self._pixels_of, wanted, ahead=32)):
            if self.stop():
                raise Cancelled("Training was stopped while it read the photos; the earlier model is as it was.")
            if isinstance(found, str):
                self.unreadable[wanted[done]] = found
            else:
                self.keys.append(wanted[done])
                pixels.append(torch.from_numpy(found))
            self.progress("reading labeled photos", done + 1, len(wanted))
        is_keep = np.array([self.labels[key] == KEEP for key in self.keys], bool)
        self.train_side, self.validation_side = split(
            is_keep, self.options.validation_split, self.options.seed, self._bursts()
        )
        self.targets = torch.tensor([LABELS.index(self.labels[key]) for key in self.keys])
        self.pixels = torch.stack(pixels)
        self.batch_size = min(self.options.batch_size, len(self.keys))

    def fit(self, on_epoch: Callable[[Epoch, bool], None]) -> tuple[Epoch, str]:
        """Train until patience or epochs run out; the best epoch and why it ended. `saved`: the model file has it."""
        run = self._epochs()
        self.start, _ = next(run)
        best = self.start
        on_epoch(best, True)
        since_improvement = 0
        ended = "all epochs done"
        for epoch, classifier in run:
            self.epochs.append(epoch)
            since_improvement = 0 if epoch.val_accuracy > best.val_accuracy else since_improvement + 1
            if better := epoch.better_than(best):
                best = epoch
                self._save(classifier, best)
            tables.write(self.stage.epoch_log, LOG_COLUMNS, [_log_row(each) for each in self.epochs])
            on_epoch(epoch, better)
            if not epoch.finite:
                return best, "the loss is no finite number any more; try a smaller learning rate"
            if since_improvement >= self.options.patience:
                ended = f"no better validation accuracy for {self.options.patience} epochs"
                break
        if self.stop():
            return best, "stopped on request"
        if not self.saved and not _has_usable_model(self.stage):
            best, classifier = next(self._epochs())  # nothing to fall back on, and the start is the best there is
            self._save(classifier, best)
        return best, ended

    def write_report(self) -> None:
        """Plots and tables of the saved model on the labeled photos."""
        from . import model

        trained = model.load(self.stage.model)
        paths = {key: self.stage.path(key) for key in self.keys}
        seen = embeddings.ensure(paths, trained.encoder, self.cache_dir, progress=self.progress)
        validation = set(trained.validation_keys)
        predictions = [
            Prediction(key, self.labels[key], float(p_keep), VALIDATION if key in validation else TRAIN)
            for key, p_keep in zip(seen.keys, trained.head.probability(seen.rows), strict=True)
        ]
        self.progress("writing the report", 0, 1)
        report.write_report(
            self.stage.report,
            title=f"{self.stage.name} · {self.encoder.name} · {len(self.keys)} labels",
            notice=self.encoder.notice,
            epochs=[self.start, *self.epochs],
            best=trained.epoch,
            predictions=predictions,
            path_of=self.stage.path,
        )
        self.progress("writing the report", 1, 1)

    def _bursts(self) -> np.ndarray:
        """(n,) the burst of each of `keys`; a photo that is in none is one of its own."""
        known = self.burst_of
        if known is None:
            paths = {key: self.stage.path(key) for key in self.keys}
            seen = embeddings.ensure(paths, self.encoder, self.cache_dir, progress=self.progress, stop=self.stop)
            known = dict(zip(seen.keys, bursts.groups(seen.taken, seen.rows).tolist(), strict=True))
        return np.array([known.get(key, -1 - place) for place, key in enumerate(self.keys)], np.intp)

    def _pixels_of(self, key: str) -> np.ndarray | str:
        try:
            image = photos.load(self.stage.path(key), self.encoder.side)
        except UnreadablePhoto as error:
            return str(error)
        return self.encoder.architecture.preprocessing.bytes(image)

    def _epochs(self) -> "Iterator[tuple[Epoch, CullClassifier]]":
        """Train; yield the start, then after every whole epoch. Ends without a word when stopped."""
        import torch

        from .backbone import device
        from .model import CullClassifier

        options = self.options
        torch.manual_seed(options.seed)  # dropout, where a checkpoint has it
        chance = torch.Generator().manual_seed(options.seed)
        classifier = CullClassifier(self.encoder.build(), self.encoder.dim)
        classifier.start_from(self._probe())
        classifier.to(device())
        optimiser = torch.optim.Adam(classifier.parameters(), lr=options.learning_rate)
        warm_up = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / WARM_UP_STEPS))
        train_side = torch.from_numpy(self.train_side)
        yield Epoch(0, *self._evaluate(classifier, self.train_side), *self._evaluate(classifier)), classifier
        for number in range(1, options.epochs + 1):
            classifier.train()
            total, right, done = 0.0, 0, 0
            for batch in train_side[torch.randperm(len(train_side), generator=chance)].split(self.batch_size):
                if self.stop():
                    return
                logits, targets = self._forward(classifier, batch, chance)
                loss = torch.nn.functional.cross_entropy(logits, targets)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                warm_up.step()
                total += loss.item() * len(batch)
                right += _count_right(logits, targets)
                done += len(batch)
                self.progress(f"epoch {number} of at most {options.epochs}", done, len(train_side))
            yield Epoch(number, total / done, right / done, *self._evaluate(classifier)), classifier

    def _probe(self) -> head.Head:
        """The logistic regression on the training side only, so that the validation side stays unseen."""
        paths = {self.keys[i]: self.stage.path(self.keys[i]) for i in self.train_side}
        seen = embeddings.ensure(paths, self.encoder, self.cache_dir, progress=self.progress, stop=self.stop)
        target = np.array([self.labels[key] == KEEP for key in seen.keys], bool)
        if target.all() or not target.any():
            raise TrainingError(f"{self.encoder.name} gives no finite numbers for the labeled photos. Choose another.")
        return head.fit(head.features(seen.rows), np.arange(len(target)), target)

    def _forward(
        self, classifier: "CullClassifier", batch: "Tensor", chance: "Generator | None" = None
    ) -> "tuple[Tensor, Tensor]":
        """Logits and targets of the photos `batch`; with `chance`, each is mirrored half of the time."""
        import torch

        where = next(classifier.parameters()).device
        pixels = self.pixels[batch]
        if chance is not None:
            mirrored = torch.rand(len(batch), generator=chance) < 0.5
            pixels = torch.where(mirrored[:, None, None, None], pixels.flip(-1), pixels)
        values = torch.from_numpy(self.encoder.architecture.preprocessing.values(pixels.numpy()))
        return classifier(values.to(where)), self.targets[batch].to(where)

    def _evaluate(self, classifier: "CullClassifier", side: np.ndarray | None = None) -> tuple[float, float]:
        """Mean cross-entropy and accuracy on a side of the split, the validation side by default."""
        import torch

        side = self.validation_side if side is None else side
        classifier.eval()
        total, right = 0.0, 0
        with torch.inference_mode():
            for batch in torch.from_numpy(side).split(self.batch_size):
                logits, targets = self._forward(classifier, batch)
                total += float(torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))
                right += _count_right(logits, targets)
        return total / len(side), right / len(side)

    def _save(self, classifier: "CullClassifier", best: Epoch) -> None:
        from . import model

        facts = {
            "epoch": best.epoch,
            "validation_accuracy": best.val_accuracy,
            "seed": self.options.seed,
            "labels": {key: self.labels[key] for key in self.keys},
            "validation_keys": [self.keys[i] for i in self.validation_side],
        }
        model.save(self.stage.model, classifier, self.encoder, facts)
        self.saved = True


def _has_usable_model(stage: Stage) -> bool:
    """Whether the model file of the stage can score a photo: some damage shows only then."""
    from . import model

    try:
        model.load(stage.model).encoder.encode([Image.new("RGB", (64, 64))])
    except (ModelFileError, EncoderError):
        return False
    return True


def _count_right(logits: "Tensor", targets: "Tensor") -> int:
    """How many of the logits (B, 2) say their target (B,) 0 or 1; an exact tie is keep, class 0."""
    return int(((logits[:, 1] > logits[:, 0]).long() == targets).sum())


def _log_row(epoch: Epoch) -> dict[str, object]:
    row = asdict(epoch)
    return {name: row[name] if name == "epoch" else f"{row[name]:.6f}" for name in LOG_COLUMNS}
