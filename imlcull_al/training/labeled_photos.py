"""Loads the labeled photos for a training: each decoded once, to the uint8 pixels that its encoder's preprocessing
yields.

Several processes divide the photos among them. Independent of models and epochs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..encoding.builtin import parts_of
from ..encoding.encoder import Encoder, encode_each
from ..errors import Cancelled, ImlcullError, UnreadablePhoto, in_words
from ..learning import bursts
from ..parallel import in_order
from ..photos import read as photos
from ..progress import Progress, Stop
from ..project.stages import Stage
from ..project.task import CULL_TASK, Task
from .processes import Processes

if TYPE_CHECKING:
    from torch import Tensor

_AHEAD = 32  # photos


@dataclass(frozen=True)
class Examples:
    """The readable labeled photos.

    `keys` (n), sorted; `pixels` (n, 3, H, W) uint8; `targets` (n, K), see `Task.targets`; `taken` (n,) capture time in
    seconds by the camera's clock, NaN if unknown; `camera` (n,), 0 if unknown; `beside` (n, E) float32, frozen
    embeddings that are concatenated to the trained ones, E = 0 for none. `unreadable`: key → reason, for the labeled
    photos that can't be read.
    """

    keys: tuple[str, ...]
    pixels: "Tensor"
    targets: np.ndarray
    taken: np.ndarray
    camera: np.ndarray
    beside: np.ndarray
    unreadable: dict[str, str]

    def bursts(self, rows: np.ndarray, burst_of: Mapping[str, int] | None) -> np.ndarray:
        """(n,) burst number of each photo: from `burst_of`, or by default from capture times and the embeddings `rows`
        (n, D).
        """
        groups = -1 - np.arange(len(self.keys))  # a photo outside any burst is its own group
        if burst_of is not None:
            return np.array([burst_of.get(key, alone) for key, alone in zip(self.keys, groups.tolist(), strict=True)])
        finite = np.isfinite(rows).all(axis=1)
        groups[finite] = bursts.groups(self.taken[finite], rows[finite], self.camera[finite])
        return groups


class _Read(NamedTuple):
    pixels: np.ndarray
    taken: float
    camera: int
    beside: np.ndarray


def read(
    stage: Stage,
    encoder: Encoder,
    labels: Mapping[str, str],
    together: Processes,
    progress: Progress,
    stop: Stop,
    task: Task = CULL_TASK,
) -> Examples:
    """Decode every labeled photo once. Raises `Cancelled`."""
    import torch

    nothing, parts = np.empty(0, np.float32), parts_of(encoder)

    def one(key: str) -> _Read | str:
        try:
            path = stage.path(key)
            image, moment, tiles = photos.look(path, photos.stat_of(path), encoder.views)
            beside = encode_each(parts.beside, [image], [tiles])[0] if parts.beside and tiles else nothing
            if isinstance(beside, str):
                return beside
            return _Read(parts.trained.architecture.preprocessing.bytes(image), moment.taken, moment.camera, beside)
        except UnreadablePhoto as error:
            return str(error)
        except ImlcullError:
            raise
        except Exception as error:  # noqa: BLE001 - one photo must not end the training on all others
            return f"it can't be prepared: {in_words(error)}"

    wanted = sorted(labels)
    mine = wanted[together.share(len(wanted))]
    most = -(-len(wanted) // together.count)  # largest share: every process takes part in every exchange
    arriving, found = in_order(one, mine, _AHEAD), []
    for done in range(most):
        if together.any(stop()):
            raise Cancelled("Training was stopped while it read the photos; the earlier model is unchanged.")
        if done < len(mine):
            found.append(next(arriving))
            progress("reading labeled photos", min((done + 1) * together.count, len(wanted)), len(wanted))
    by_key = dict(zip(wanted, together.gather_objects(found), strict=True))
    readable = {key: each for key, each in by_key.items() if not isinstance(each, str)}
    pixels = [torch.from_numpy(each.pixels) for each in readable.values()]
    return Examples(
        tuple(readable),
        torch.stack(pixels) if pixels else torch.empty(0, dtype=torch.uint8),
        task.targets([labels[key] for key in readable]),
        np.array([each.taken for each in readable.values()], np.float64),
        np.array([each.camera for each in readable.values()], np.uint32),
        np.stack([each.beside for each in readable.values()]) if readable else np.empty((0, 0), np.float32),
        {key: each for key, each in by_key.items() if isinstance(each, str)},
    )
