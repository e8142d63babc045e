"""MegaDetector's results, https://lila.science/megadetector-output-format: which photos show nothing.

    {"info": {"detector_metadata": {"typical_detection_threshold": 0.2}},
     "detection_categories": {"1": "animal"},
     "images": [{"file": "day1/a.jpg", "detections": [{"category": "1", "conf": 0.9}]},
                {"file": "day1/b.jpg", "failure": "…", "detections": null}]}

Of an image, only its surest detection counts, of a category that is listed. Boxes, classifications and videos are read
past. The newer list of images without the rest, with `confidence` for `conf`, is read, too. Changes nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DetectionsRefused, in_words
from ..project.detections import keep_detections
from ..project.listing import Listing
from ..project.names import PathSuffixes
from ..project.opening import make_project
from ..project.stages import Stage
from ..project.tables import as_key

THRESHOLD = 0.2
"""Confidence from which a detection counts where the file recommends none; MegaDetector 5 and later."""
MAX_BYTES = 1 << 30
_NAME_IT = "Name the JSON that MegaDetector wrote."
_FAILED = "the detector failed on it"
_UNKNOWN = "there is no such photo"
_OF_ANOTHER_FOLDER = "it may be a photo of another folder"


@dataclass(frozen=True)
class Results:
    """What a file says. `confidence`: image → its surest detection, 0 … 1. `failed`: images that have none to say.

    `recommended`: the confidence from which the file says that detections count; None without one.
    """

    confidence: dict[str, float]
    failed: tuple[str, ...]
    recommended: float | None


@dataclass(frozen=True)
class Found:
    """What an import would do. `confidence`: photo → its surest detection; `empty`: photos that come last.

    `ignored`: image of the file → why nothing follows from it. `photos`: number of photos in the stage.
    """

    confidence: dict[str, float]
    empty: frozenset[str]
    ignored: dict[str, str]
    threshold: float
    photos: int

    @property
    def summary(self) -> str:
        """The preview as one line: `4 empty, 1 with a detection of 20% or more, 7 not looked at`."""
        some = len(self.confidence) - len(self.empty)
        parts = [f"{len(self.empty):,} empty", f"{some:,} with a detection of {self.threshold:.0%} or more"]
        return ", ".join([*parts, f"{self.photos - len(self.confidence):,} not looked at"])


def read_results(path: Path) -> Results:
    """Read a file. Raises `DetectionsRefused` with what is wrong with it."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DetectionsRefused(f"{path} is larger than {MAX_BYTES >> 30} GiB. Split it by folders.")
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise DetectionsRefused(f"Could not read {path}: {error.strerror}. {_NAME_IT}") from error
    except (ValueError, RecursionError) as error:
        raise DetectionsRefused(f"{path} is no JSON ({in_words(error)}). {_NAME_IT}") from error
    return results_of(data, str(path))


def results_of(data: Any, name: str) -> Results:
    """The results in parsed JSON. `name` is used in messages only. Raises `DetectionsRefused`."""
    about = data if isinstance(data, dict) else {}
    images = data if isinstance(data, list) else about.get("images")
    if not isinstance(images, list):
        raise DetectionsRefused(f"{name} has no list of images, so MegaDetector did not write it. {_NAME_IT}")
    categories = about.get("detection_categories")
    known = {str(key) for key in categories} if isinstance(categories, dict) else None
    confidence: dict[str, float] = {}
    failed = []
    for number, image in enumerate(images, 1):
        file = image.get("file") if isinstance(image, dict) else None
        if not isinstance(file, str) or not file:
            raise DetectionsRefused(f"{name}: image {number} has no file. {_NAME_IT}")
        detections = image.get("detections")
        if image.get("failure") or detections is None:
            failed.append(file)
        else:
            if not isinstance(detections, list):
                raise DetectionsRefused(f"{name}: the detections of {file!r} are no list. {_NAME_IT}")
            confidence[file] = max((_confidence(each, known, name, file) for each in detections), default=0.0)
    return Results(confidence, tuple(failed), _recommended(about))


def match(results: Results, listing: Listing, threshold: float | None = None, *, folder: Path | None = None) -> Found:
    """Which photos of a stage, in `folder`, the images of a file are, and which of these come last.

    Their paths may begin elsewhere than in that folder, all at the same place; see `PathSuffixes`. `threshold`:
    confidence from which a detection counts; by default what the file recommends, else `THRESHOLD`. Of two images that
    mean one photo, the surer one counts. Raises `DetectionsRefused` for a threshold out of range.
    """
    threshold = threshold if threshold is not None else results.recommended or THRESHOLD
    if not 0 < threshold <= 1:
        raise DetectionsRefused(f"The threshold is {threshold:g}. Choose one above 0 and up to 1, such as {THRESHOLD}.")
    names = {file: as_key(file) for file in results.confidence}
    meant = PathSuffixes(listing.keys, folder).meant(names.values())
    confidence: dict[str, float] = {}
    ignored = dict.fromkeys(results.failed, _FAILED)
    for file, surest in results.confidence.items():
        if (key := meant.paths.get(names[file])) is not None:
            confidence[key] = max(surest, confidence.get(key, 0.0))
            continue
        could_be = meant.rest[names[file]]
        several = len(could_be) > 1
        one = _OF_ANOTHER_FOLDER if could_be else _UNKNOWN
        ignored[file] = f"it could be {could_be[0]} or {could_be[1]}" if several else one
    empty = frozenset(key for key, surest in confidence.items() if surest < threshold)
    return Found(confidence, empty, ignored, threshold, len(listing.keys))


def take(stage: Stage, found: Found) -> None:
    """Let the empty photos be asked last, in place of those of an earlier import. Raises as `make_project`."""
    make_project(stage)
    keep_detections(stage, found.confidence, found.empty)


def _confidence(detection: Any, known: set[str] | None, name: str, file: str) -> float:
    """How sure a detection is; 0 for one of a category that the file doesn't list, as its format says."""
    said = detection.get("conf", detection.get("confidence")) if isinstance(detection, Mapping) else None
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= 1:
        raise DetectionsRefused(f"{name}: a detection of {file!r} has no confidence from 0 to 1. {_NAME_IT}")
    return float(said) if known is None or str(detection.get("category")) in known else 0.0


def _recommended(about: Mapping[str, Any]) -> float | None:
    info = about.get("info")
    metadata = info.get("detector_metadata") if isinstance(info, dict) else None
    said = metadata.get("typical_detection_threshold") if isinstance(metadata, dict) else None
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) and 0 < said <= 1 else None
