"""What the model before a training says of the answers given since, which it was not trained on.

Independent of epochs and of how a training is judged.
"""

from collections.abc import Sequence

import numpy as np

from ..encoding.encoder import Encoder, encode_each
from ..errors import EncoderError, ModelFileError, UnreadablePhoto
from ..photos import read as photos
from ..project.stages import Stage
from ..project.task import Task


def logits(stage: Stage, encoder: Encoder, keys: Sequence[str], task: Task) -> np.ndarray:
    """(n, K) logits for `keys`, NaN for those whose label it was trained on or that can't be read.

    All NaN without a model of `stage`, or with one that was not trained from `encoder`.
    """
    from ..learning import model

    found = np.full((len(keys), len(task.classes)), np.nan)
    if not stage.model.exists():
        return found
    try:
        before = model.load(stage.model, task)
        if before.base_fingerprint != encoder.fingerprint:
            return found
        new = [row for row, key in enumerate(keys) if key not in before.labels]
        for row in new:
            path = stage.path(keys[row])
            try:
                image, _, tiles = photos.look(path, photos.stat_of(path), before.encoder.views)
            except UnreadablePhoto:
                continue
            embedding = encode_each(before.encoder, [image], [tiles] if tiles else None)[0]
            if not isinstance(embedding, str):
                found[row] = before.logits(embedding[None])[0]
    except (ModelFileError, EncoderError):  # the training replaces it
        found[:] = np.nan
    return found
