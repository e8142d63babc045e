"""The fine-tuning loop: photos as tensors and a classifier in, epochs out.

Cross-entropy, for tags the binary one of each known tag; Adam, random horizontal flips. Weights stay float32; the
forward pass runs under bfloat16 autocast if the device supports bfloat16 natively and the embeddings agree with
float32. With `train_blocks` only the last blocks and the layers after them are trained. The input of these blocks is
computed once per photo, and once for the mirror image of each training photo, and cached in memory up to 2 GiB. Photos
beyond that are recomputed for every batch.

With several processes each computes its share of every batch. Gradients are sums over the whole batch, so they do not
depend on how it is divided. Deterministic: the same seed, tensors, machine and number of processes give bit-identical
epochs. Independent of stages, files, label names and early stopping.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from ..encoding.backbone import THREADS, Backbone, agrees_in_bfloat16
from ..errors import Cancelled
from ..learning.head import Head, Heads
from ..learning.model import Classifier, side_by_side
from ..progress import Progress, Stop
from .blocks import Cut, FrozenOutputs
from .options import Epoch, Options
from .processes import Processes

WARM_UP_STEPS = 20
"""Linear learning rate warm-up. Adam's first steps are all full-sized and would undo the linear probe."""
MOST_KEPT = 2 << 30
"""Bytes of cached inputs of the trained blocks."""
_PROBE = 4  # photos on which bfloat16 and the split are verified
_BATCH = 64  # photos per inference batch


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

    def start(
        self, probe: Head | Heads, rows: np.ndarray, targets: Tensor, sides: tuple[np.ndarray, np.ndarray]
    ) -> Epoch:
        """Set the head to `probe` and return its quality on both sides of the split as epoch 0.

        `rows`: the embeddings; `targets`: (n,) class numbers, or for tags (n, K) float32, 1, 0 or NaN for unknown;
        `sides`: positions of the training and validation photos.
        """
        self.classifier.start_from(probe)
        self._targets = targets.to(self._processes.device)
        self._train_side, self._validation_side = (torch.from_numpy(side) for side in sides)
        with torch.inference_mode():
            logits = self.classifier.logits(torch.from_numpy(rows).to(self._processes.device))
            judged = [_judge(logits[side], self._targets[side]) for side in (self._train_side, self._validation_side)]
        return Epoch(0, *judged[0], *judged[1])

    def epochs(self) -> Iterator[Epoch]:
        """Train, yielding after every complete epoch. Returns early when stopped. `classifier` holds the latest
        weights.
        """
        options, chance = self.options, torch.Generator().manual_seed(self.options.seed)
        if self._cut:
            self._keep(self._train_side, mirrored=True)
        device = self._processes.device.type
        trained = [parameter for parameter in self.classifier.parameters() if parameter.requires_grad]
        optimiser = torch.optim.Adam(trained, lr=options.learning_rate, fused=device in ("cpu", "cuda"))
        warm_up = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / WARM_UP_STEPS))
        for number in range(1, options.epochs + 1):
            order = self._train_side[torch.randperm(len(self._train_side), generator=chance)]
            self._train_mode()
            logits, done = [], 0
            for batch in order.split(min(options.batch_size, len(order))):
                if self._processes.any(self._stop()):
                    return
                mirrored = torch.rand(len(batch), generator=chance) < 0.5
                logits.append(self._step(optimiser, trained, batch, mirrored))
                warm_up.step()
                done += len(batch)
                self._progress(f"epoch {number} of at most {options.epochs}", done, len(order))
            yield Epoch(number, *_judge(torch.cat(logits), self._targets[order]), *self._evaluate())

    def _step(
        self, optimiser: torch.optim.Optimizer, trained: list[torch.nn.Parameter], batch: Tensor, mirrored: Tensor
    ) -> Tensor:
        """One optimizer step on the photos `batch`, flipped where `mirrored`. Returns their logits before the step, (B,
        K).
        """
        mine = self._processes.share(len(batch))
        logits = torch.zeros((0, self.classifier.head.out_features), device=self._processes.device)
        optimiser.zero_grad()
        if len(batch[mine]):
            logits = self.classifier.logits(self._embed(batch[mine], mirrored[mine]))
            losses = _cross_entropy(logits, self._targets[batch[mine]], "sum")
            (losses / _known(self._targets[batch])).backward()
        self._add_up_gradients(trained)
        optimiser.step()
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

    def _evaluate(self) -> tuple[float, float]:
        """Mean cross-entropy and accuracy on the validation photos."""
        batches = self._validation_side.split(_BATCH)
        logits = torch.cat([self._shared(batch, self._logits, self.classifier.head.out_features) for batch in batches])
        return _judge(logits, self._targets[self._validation_side])

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


def _judge(logits: Tensor, targets: Tensor) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy of logits (n, K): of the likeliest class, the first of equal ones, or of
    all known tags.
    """
    logits = logits.float()
    right = logits.argmax(dim=1) == targets if targets.ndim == 1 else (logits >= 0).float() == targets
    return float(_cross_entropy(logits, targets, "mean")), int(right.sum()) / _known(targets)


def _cross_entropy(logits: Tensor, targets: Tensor, reduction: str) -> Tensor:
    if targets.ndim == 1:
        return torch.nn.functional.cross_entropy(logits, targets, reduction=reduction)
    known = ~targets.isnan()
    return torch.nn.functional.binary_cross_entropy_with_logits(logits[known], targets[known], reduction=reduction)


def _known(targets: Tensor) -> int:
    """The number of photos, or for tags of known ones, but at least 1."""
    return len(targets) if targets.ndim == 1 else max(1, int((~targets.isnan()).sum()))
