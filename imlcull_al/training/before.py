"""The model before a training: whether it can be used, what it says of the answers given since, and a copy of it.

Independent of epochs and of how a training is judged.
"""

import os
import shutil
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ..encoding.encoder import Encoder, encode_each
from ..errors import EncoderError, ModelFileError, UnreadablePhoto
from ..photos import read as photos
from ..progress import Stop, never
from ..project.files import open_own, replacing
from ..project.stages import Stage
from ..project.task import Task

_MOST = 200
"""Photos that are looked at again, one by one: enough to tell which model is better."""


def logits(stage: Stage, encoder: Encoder, keys: Sequence[str], task: Task, stop: Stop = never) -> np.ndarray:
    """(n, K) logits for `keys`, NaN for those whose label it was trained on or that can't be read, and for all
    but `_MOST` of the others.

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
        for row in new[:: -(-len(new) // _MOST) or 1]:
            if stop():
                break
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


def keep(stage: Stage) -> None:
    """Link or copy the stage's model, if it has one that can be read, to where the previous one is kept."""
    try:
        model = open_own(stage.model)
    except OSError:
        return
    with model, replacing(stage.previous_model) as temporary:
        try:
            os.link(stage.model, temporary)  # a model is replaced by renaming, never written in place
        except OSError:  # a file system without links
            with temporary.open("xb") as copy:
                shutil.copyfileobj(model, copy)


def is_usable(stage: Stage, task: Task) -> bool:
    """Whether the stage has a model that scores photos. Some damage shows only when a photo is scored, so one is."""
    from ..learning import model

    try:
        model.load(stage.model, task).encoder.encode([Image.new("RGB", (64, 64))])
    except (ModelFileError, EncoderError):
        return False
    return True
