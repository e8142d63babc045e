"""The fine-tuning loop: photos as tensors and a classifier in, epochs out.

Cross-entropy, for tags the binary one of each known tag; Adam, random horizontal flips. A gentle training has AdamW,
clipped gradients, and a learning rate that warms up and then falls along a cosine. Parts of a training, one a fold of
the photos, take turns at the same classifier, epoch by epoch; their weights are averaged at the end.

Weights stay float32; the forward pass runs under bfloat16 autocast if the device supports bfloat16 natively and the
embeddings agree with float32. With `train_blocks` only the last blocks and the layers after them are trained. The input
of these blocks is computed once per photo, and once for the mirror image of each training photo, and cached in memory
up to 2 GiB. Photos beyond that are recomputed for every batch.

With several processes each computes its share of every batch. Gradients are sums over the whole batch, so they do not
depend on how it is divided. Deterministic: the same seed, tensors, machine and number of processes give bit-identical
epochs. Independent of stages, files, label names and early stopping.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..encoding.backbone import THREADS, Backbone, agrees_in_bfloat16
from ..errors import Cancelled
from ..learning.head import Head, Heads, weights_of_classes, weights_of_tags
from ..learning.model import Classifier, side_by_side
from ..progress import Progress, Stop
from .blocks import Cut, FrozenOutputs
from .options import Counts, Epoch, Options
from .processes import Processes

WARM_UP_STEPS = 20
"""Linear learning rate warm-up. Adam's first steps are all full-sized and would undo the linear probe."""
GENTLE_WARM_UP = 0.1
"""The same in a gentle training, as a share of its steps."""
WEIGHT_DECAY, LONGEST_GRADIENT = 0.01, 1.0
"""Of a gentle training. The gradient's norm is clipped."""
MOST_KEPT = 2 << 30
"""Bytes of cached inputs of the trained blocks."""
_PROBE = 4  # photos on which bfloat16 and the split are verified
_BATCH = 64  # photos per inference batch


class Part(NamedTuple):
    """One part of a training: the probe it starts from, and the positions of its training and validation photos."""

    probe: Head | Heads
    train: np.ndarray
    validation: np.ndarray


@dataclass
class _Fold:
    """A part at work. `weights`: those of the trained parameters, held here while another fold has the classifier.
    `importance`: of each photo in the loss, like its targets.
    """

    train: Tensor
    validation: Tensor
    importance: Tensor
    weights: list[Tensor]
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR


class FineTuning:
    """A classifier, its training photos, and the processes that train it.

    Call `embeddings`, then `start`, before `epochs`: training begins from a head that was fitted to these embeddings.
    """

    def __init__(
        self,
        classifier: Classifier,
        pixels: Tensor,
        beside: np.ndarray,
        values: Callable[[np.ndarray], np.ndarray],
        options: Options,
        processes: Processes,
        progress: Progress,
        stop: Stop,
    ) -> None:
        """`pixels`: (n, 3, H, W) uint8, all photos; `beside`: (n, E) float32, frozen embeddings to concatenate, E = 0
        for none; `values`: converts arrays like `pixels` to the float32 input of the backbone.

        Raises `ValueError` or `RuntimeError` if the backbone rejects the photos, `EncoderError` if it can't be split
        for `train_blocks`, `TrainingError` if it has fewer blocks.
        """
        self.classifier, self.options = classifier.to(processes.device), options
        self._pixels, self._values = pixels, values
        self._beside = torch.from_numpy(beside).to(processes.device)
        self._processes, self._progress, self._stop = processes, progress, stop
        torch.set_num_threads(THREADS)  # encoding elsewhere in this process sets one thread per batch
        torch.manual_seed(options.seed)  # for checkpoints with dropout
        probe = self._input(torch.arange(min(_PROBE, len(pixels))))
        agrees = agrees_in_bfloat16(classifier.backbone, probe)
        self._autocast = not processes.any(not agrees)
        classifier.backbone.prepare_to_train(options.batch_size, probe.shape[-1])
        self._kept: FrozenOutputs | None = None
        self._cut = Cut(classifier.backbone, options.train_blocks, probe) if options.train_blocks else None

    def embeddings(self) -> np.ndarray:
        """(n, D) float32 embeddings of all photos with the present weights. Raises `Cancelled`."""
        if self._cut and self._kept is None:
            self._keep(torch.arange(len(self._pixels)), mirrored=False)
        rows = []
        for batch in torch.arange(len(self._pixels)).split(_BATCH):
            self._end_if_stopped()
            rows.append(self._shared(batch, self._embed, self.classifier.head.in_features))
            self._progress("looking at labeled photos", int(batch[-1]) + 1, len(self._pixels))
        return torch.cat(rows).cpu().numpy()  # type: ignore[no-any-return]

    def embeddings_by(self, backbone: Backbone) -> np.ndarray:
        """The same with the weights of `backbone`, a backbone trained here. Runs in this process alone and can't be
        stopped.
        """
        self.classifier.backbone.load_state_dict(backbone.state_dict())
        self.classifier.eval()
        with torch.inference_mode():
            rows = [self._embed(batch) for batch in torch.arange(len(self._pixels)).split(_BATCH)]
        return torch.cat(rows).cpu().numpy()  # type: ignore[no-any-return]

    def start(self, parts: Sequence[Part], rows: np.ndarray, targets: Tensor) -> Epoch:
        """Start every part at its probe, and return the quality of all together as epoch 0.

        `rows`: the embeddings; `targets`: (n,) class numbers, or for tags (n, K) float32, 1, 0 or NaN for unknown. No
        photo is in the validation of two parts.
        """
        self._targets = targets.to(self._processes.device)
        seen = torch.from_numpy(rows).to(self._processes.device)
        self._trained = [parameter for parameter in self.classifier.parameters() if parameter.requires_grad]
        self.folds, course = [], _Course()
        for part in parts:
            self.classifier.start_from(part.probe)
            self.folds.append(self._fold(part, copied=len(parts) > 1))
            with torch.inference_mode():
                for photos, logits in ((part.train, course.trained), (part.validation, course.validated)):
                    logits.append((torch.from_numpy(photos), self.classifier.logits(seen[photos])))
        self._validated = course.validated
        return self._epoch(0, course)

    def epochs(self) -> Iterator[Epoch]:
        """Train, yielding after every complete epoch. Returns early when stopped. `classifier` then holds the latest
        weights, of the last part if there are several.
        """
        chance = torch.Generator().manual_seed(self.options.seed)
        if self._cut:
            self._keep(torch.cat([fold.train for fold in self.folds]).unique(), mirrored=True)
        for number in range(1, self.options.epochs + 1):
            course = _Course()
            for place, fold in enumerate(self.folds):
                of = f" of fold {place + 1} of {len(self.folds)}" if len(self.folds) > 1 else ""
                self._take(fold)
                if not self._pass_over(fold, chance, course, f"epoch {number} of at most {self.options.epochs}{of}"):
                    return
                course.validated.append((fold.validation, self._evaluate(fold.validation)))
            self._validated = course.validated
            yield self._epoch(number, course)

    def left_out(self) -> np.ndarray:
        """(n, K) float64 logits of the validation photos of every part, by that part, after the last complete epoch.

        NaN for all other photos.
        """
        logits = np.full((len(self._pixels), self.classifier.head.out_features), np.nan)
        for photos, found in self._validated:
            logits[photos.numpy()] = found.double().cpu().numpy()
        return logits

    def average(self, scale: float = 1.0) -> None:
        """Give the classifier the mean weights of all parts, which have seen all photos between them (model soups,
        Wortsman et al. 2022). `scale`: multiplies its logits.
        """
        with torch.no_grad():
            for parameter, *weights in zip(self._trained, *(fold.weights for fold in self.folds), strict=True):
                parameter.data = torch.stack(weights).mean(dim=0)
            self.classifier.head.weight.mul_(scale)
            self.classifier.head.bias.mul_(scale)

    def _fold(self, part: Part, *, copied: bool) -> _Fold:
        options, device = self.options, self._processes.device.type
        if options.gentle:
            optimiser: torch.optim.Optimizer = torch.optim.AdamW(
                self._trained, lr=options.learning_rate, weight_decay=WEIGHT_DECAY, fused=device in ("cpu", "cuda")
            )
        else:
            optimiser = torch.optim.Adam(self._trained, lr=options.learning_rate, fused=device in ("cpu", "cuda"))
        steps = options.epochs * -(-len(part.train) // options.batch_size)
        rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps, gentle=options.gentle))
        weights = [each.data.clone() if copied else each.data for each in self._trained]
        sides = torch.from_numpy(part.train), torch.from_numpy(part.validation)
        return _Fold(*sides, self._importance(part.train), weights, optimiser, rate)

    def _importance(self, photos: np.ndarray) -> Tensor:
        """What each photo counts in the loss of a training on `photos`: in a gentle one, rare classes count more."""
        importance = torch.ones(self._targets.shape)
        if self.options.gentle:
            targets = self._targets.cpu().numpy()[photos]
            found = weights_of_classes(targets) if targets.ndim == 1 else weights_of_tags(targets)
            importance[photos] = torch.from_numpy(found).float()
        return importance.to(self._processes.device)

    def _take(self, fold: _Fold) -> None:
        """Give the classifier the weights of this fold. Its optimizer changes them in place."""
        for parameter, weights in zip(self._trained, fold.weights, strict=True):
            parameter.data = weights

    def _pass_over(self, fold: _Fold, chance: torch.Generator, course: "_Course", what: str) -> bool:
        """Train on all photos of the fold once. Returns False if stopped."""
        order, done = fold.train[torch.randperm(len(fold.train), generator=chance)], 0
        self._train_mode()
        for batch in order.split(min(self.options.batch_size, len(order))):
            if self._processes.any(self._stop()):
                return False
            mirrored = torch.rand(len(batch), generator=chance) < 0.5
            course.trained.append((batch, self._step(fold, batch, mirrored)))
            done += len(batch)
            self._progress(what, done, len(order))
        return True

    def _epoch(self, number: int, course: "_Course") -> Epoch:
        trained, validated = (
            (torch.cat([logits for _, logits in found]), torch.cat([self._targets[photos] for photos, _ in found]))
            for found in (course.trained, course.validated)
        )
        return Epoch(number, *_judge(*trained), *_judge(*validated), _counts(*validated))

    def _step(self, fold: _Fold, batch: Tensor, mirrored: Tensor) -> Tensor:
        """One optimizer step on the photos `batch`, flipped where `mirrored`. Returns their logits before the step, (B,
        K).
        """
        mine = self._processes.share(len(batch))
        logits = torch.zeros((0, self.classifier.head.out_features), device=self._processes.device)
        fold.optimiser.zero_grad()
        if len(batch[mine]):
            logits = self.classifier.logits(self._embed(batch[mine], mirrored[mine]))
            of_each = _cross_entropies(logits, self._targets[batch[mine]]) * fold.importance[batch[mine]]
            (of_each.sum() / _known(self._targets[batch])).backward()
        self._add_up_gradients(self._trained)
        if self.options.gentle:
            torch.nn.utils.clip_grad_norm_(self._trained, LONGEST_GRADIENT)
        fold.optimiser.step()
        fold.schedule.step()
        return self._processes.gather(logits.detach(), len(batch))

    def _add_up_gradients(self, trained: list[torch.nn.Parameter]) -> None:
        """Replace each process's gradients by their sum over all processes, which is the gradient of the whole
        batch.
        """
        if self._processes.count == 1:
            return
        slopes = [torch.zeros_like(each) if each.grad is None else each.grad for each in trained]
        total = self._processes.add_up(torch.cat([slope.flatten() for slope in slopes]))
        for parameter, slope in zip(trained, total.split([slope.numel() for slope in slopes]), strict=True):
            parameter.grad = slope.view_as(parameter)

    def _evaluate(self, photos: Tensor) -> Tensor:
        """Logits (n, K) of these photos with the present weights."""
        batches = photos.split(_BATCH)
        return torch.cat([self._shared(batch, self._logits, self.classifier.head.out_features) for batch in batches])

    def _logits(self, photos: Tensor) -> Tensor:
        return self.classifier.logits(self._embed(photos))

    def _shared(self, batch: Tensor, function: Callable[[Tensor], Tensor], width: int) -> Tensor:
        """(B, width): `function` applied to the photos `batch`, divided among the processes, in evaluation mode without
        gradients.
        """
        self.classifier.eval()
        mine = batch[self._processes.share(len(batch))]
        with torch.inference_mode():
            rows = function(mine) if len(mine) else torch.zeros((0, width), device=self._processes.device)
            return self._processes.gather(rows, len(batch))

    def _embed(self, photos: Tensor, mirrored: Tensor | None = None) -> Tensor:
        """Photos (B,) → embeddings (B, D + E) float32, the frozen ones included."""
        with torch.autocast(self._processes.device.type, torch.bfloat16, enabled=self._autocast):
            if self._cut and self._kept:
                hidden = self._kept.of(photos, mirrored, self._below)
                embeddings = self._cut.above(hidden.to(self._processes.device))
            else:
                embeddings = self.classifier.backbone(self._input(photos, mirrored))
        return side_by_side(embeddings.float(), self._beside[photos.to(self._beside.device)])

    def _below(self, photos: Tensor, mirrored: Tensor) -> Tensor:
        """Input of the trained blocks, moved to the CPU."""
        assert self._cut
        with torch.autocast(self._processes.device.type, torch.bfloat16, enabled=self._autocast):
            return self._cut.below(self._input(photos, mirrored)).cpu()

    def _input(self, photos: Tensor, mirrored: Tensor | None = None) -> Tensor:
        """Input of the backbone, (B, 3, H, W) float32 on its device, flipped left to right where `mirrored`."""
        pixels = self._pixels[photos]
        if mirrored is not None and bool(mirrored.any()):
            pixels[mirrored] = pixels[mirrored].flip(-1)
        return torch.from_numpy(self._values(pixels.numpy())).to(self._processes.device)

    def _train_mode(self) -> None:
        self.classifier.train()
        if self._cut:
            self._cut.keep_frozen()

    def _keep(self, photos: Tensor, *, mirrored: bool) -> None:
        """Run the frozen blocks on these photos or on their mirror images, and cache the results while room lasts."""
        self.classifier.eval()
        self._kept = kept = self._kept or FrozenOutputs(len(self._pixels), MOST_KEPT)
        done = 0
        for batch in photos.split(_BATCH):
            if kept.is_full:
                return
            self._end_if_stopped()
            mine = batch[self._processes.share(len(batch))]
            some = mine if len(mine) else batch[:1]  # an empty share still needs the shape
            hidden = self._below(some, torch.full((len(some),), mirrored))[: len(mine)]
            kept.put(batch, mirrored, self._processes.gather(hidden, len(batch)).cpu())
            done += len(batch)
            self._progress("running the frozen blocks", done, len(photos))

    def _end_if_stopped(self) -> None:
        if self._processes.any(self._stop()):
            raise Cancelled("Training was stopped before its first epoch; the earlier model is unchanged.")


class _Course:
    """Logits of one epoch: photos (B,) and theirs (B, K), of training steps and of the validation."""

    def __init__(self) -> None:
        self.trained: list[tuple[Tensor, Tensor]] = []
        self.validated: list[tuple[Tensor, Tensor]] = []


def _rate(step: int, steps: int, *, gentle: bool) -> float:
    """Share of the learning rate at `step` of `steps`, counted from 0."""
    if not gentle:
        return min(1.0, (step + 1) / WARM_UP_STEPS)
    warm_up = max(1.0, GENTLE_WARM_UP * steps)
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1.0, steps - warm_up))))


def _judge(logits: Tensor, targets: Tensor) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy of logits (n, K): of the likeliest class, the first of equal ones, or of
    all known tags.
    """
    logits = logits.float()
    right = logits.argmax(dim=1) == targets if targets.ndim == 1 else (logits >= 0).float() == targets
    return float(_cross_entropies(logits, targets).sum()) / _known(targets), int(right.sum()) / _known(targets)


def _counts(logits: Tensor, targets: Tensor) -> tuple[Counts, ...]:
    """Rights and wrongs of the first of two classes, or else of every class or tag."""
    logits, targets = logits.cpu(), targets.cpu()
    if targets.ndim == 1:
        classes = range(1 if logits.shape[1] == 2 else logits.shape[1])
        columns = [(logits.argmax(dim=1) == number, targets == number) for number in classes]
    else:
        columns = [
            ((column >= 0)[~target.isnan()], (target == 1)[~target.isnan()])
            for column, target in zip(logits.T, targets.T, strict=True)
        ]
    return tuple(
        Counts(*(int(both.sum()) for both in (said & is_so, said & ~is_so, ~said & is_so, ~said & ~is_so)))
        for said, is_so in columns
    )


def _cross_entropies(logits: Tensor, targets: Tensor) -> Tensor:
    """In nats: of each photo (n,), or of each tag (n, K), 0 where it is unknown."""
    if targets.ndim == 1:
        return torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    known = targets.nan_to_num()
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, known, reduction="none")
    return torch.where(targets.isnan(), 0, losses)


def _known(targets: Tensor) -> int:
    """The number of photos, or for tags of known ones, but at least 1."""
    return len(targets) if targets.ndim == 1 else max(1, int((~targets.isnan()).sum()))
