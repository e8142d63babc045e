"""An encoder of one's own: any object with the attributes of `Embedder`, checked before its numbers are kept.

    class MeanColor:
        name, fingerprint, dim, views = "mean color", "mean color 1", 3, Views(8)

        def encode(self, images):    # B RGB images → (B, D) float32
            return np.stack([np.asarray(image, np.float32).mean(axis=(0, 1)) for image in images])

Independent of photo files, caches and training.
"""

import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..errors import EncoderError, ImlcullError, in_words
from ..photos.read import Views
from .builtin import tiles_of
from .encoder import MAX_SIZE, Embedder

_VERSION = "imlcull own encoder 1"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WANTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda value: isinstance(value, str) and bool(value.strip()), "a text"),
    "fingerprint": (
        lambda value: isinstance(value, str) and bool(value.strip()),
        "a text that changes whenever its embeddings would, such as a digest of its weights",
    ),
    "dim": (
        lambda value: _is_whole(value) and 1 <= value <= MAX_SIZE,
        f"the length of an embedding, a whole number from 1 to {MAX_SIZE:,}",
    ),
    "views": (
        lambda value: isinstance(value, Views) and _is_whole(value.min_side) and value.min_side >= 1,
        "imlcull_al.Views(min_side), the size in pixels that it wants of a photo's shorter side",
    ),
    "encode": (callable, "a function from B images to their embeddings, (B, dim) float32"),
}


class OwnEncoder:
    """An `Encoder` that calls another object, one thread at a time, and checks what it returns.

    `fingerprint`: the object's, if it is a SHA-256 in hexadecimal digits, otherwise that of all it says of itself.
    """

    reference = notice = ""

    def __init__(self, model: Embedder) -> None:
        """Raises `EncoderError` that names the missing or unusable attribute."""
        self.model = model
        self._who = getattr(model, "__name__" if isinstance(model, type) else "name", None) or type(model).__name__
        if isinstance(model, type):
            raise self._unusable(f"it is a class; give an object, {self._who}(…)")
        values = {name: self._attribute(name) for name in _WANTED}
        self.name: str = values["name"]
        self.dim, self.views = int(values["dim"]), values["views"]
        said = f"{_VERSION} {self.name} {values['fingerprint']} {self.dim} {tuple(self.views)}"
        is_digest = _DIGEST.fullmatch(values["fingerprint"])
        self.fingerprint: str = values["fingerprint"] if is_digest else hashlib.sha256(said.encode()).hexdigest()
        self._turn = threading.Lock()
        self._was_tried = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the object itself, for the workers of a cluster."""
        return OwnEncoder, (self.model,)

    def encode(self, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None) -> np.ndarray:
        """B RGB images → (B, D) float32. Raises `EncoderError` for anything else, and for NaN of plain noise."""
        with self._turn:
            if not self._was_tried:
                self._try()
            return self._checked(images, tiles)

    def _try(self) -> None:
        """A wrong object is at fault, not the photos that it is asked of: ask it of noise first."""
        noise = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
        side = self.views.min_side
        try:
            rows = self._checked([Image.fromarray(one).resize((2 * side, side)) for one in noise], None)
        except (ImlcullError, MemoryError):
            raise
        except Exception as error:
            raise self._unusable(f"its encode failed on noise: {in_words(error)}") from error
        if not np.isfinite(rows).all():
            raise self._unusable("its encode returned NaN or infinite numbers for noise")
        self._was_tried = True

    def _checked(self, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None) -> np.ndarray:
        views = [images]
        if self.views.tiles:
            views.append([tiles_of(image) for image in images] if tiles is None else tiles)
        rows: Any = self.model.encode(*views)
        wanted = (len(images), self.dim)
        if not isinstance(rows, np.ndarray):
            got = f"a {type(rows).__name__}"
        elif rows.dtype != np.float32:
            got = f"{rows.dtype} numbers"
        elif rows.shape != wanted:
            got = f"an array of shape {rows.shape}"
        else:
            return rows
        raise self._unusable(f"its encode returned {got} for {len(images)} images; return {wanted} numpy.float32")

    def _attribute(self, name: str) -> Any:
        is_right, what = _WANTED[name]
        try:
            value = getattr(self.model, name)
        except AttributeError as error:
            raise self._unusable(f"it has no {name}; give it {what}") from error
        if not is_right(value):
            raise self._unusable(f"its {name} is {str(value)[:40]!r}; give it {what}")
        return value

    def _unusable(self, why: str) -> EncoderError:
        return EncoderError(f"{self._who} can't be used as a model: {why}.")


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
