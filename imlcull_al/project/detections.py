"""Which photos a detector found empty: they are asked last, and nothing else.

`stage_N_detections.csv`: image_name,confidence,empty: for each photo that the detector looked at, its surest
detection, 0 … 1, and 1 where that is too little to count, else 0. One file for all tasks of the stage. It may be
edited; only names and `empty` are read.
"""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path

from ..errors import StorageError
from . import tables
from .files import locked, set_aside, unwritable
from .stages import Stage

log = logging.getLogger(__name__)
COLUMNS = ("image_name", "confidence", "empty")


def empty_photos(stage: Stage) -> frozenset[str]:
    """Keys of the photos that were found empty; none without the file. A file that can't be read is logged."""
    if not stage.detections.exists():
        return frozenset()
    try:
        columns, rows = tables.read(stage.detections)
    except StorageError as error:
        log.warning("No photo is asked last. %s", error)
        return frozenset()
    if not {"image_name", "empty"} <= set(columns):
        log.warning("No photo is asked last: %s has no columns image_name and empty.", stage.detections)
    return frozenset(
        tables.as_key(row.values.get("image_name", "")) for row in rows if row.values.get("empty", "").strip() == "1"
    )


def keep_detections(stage: Stage, confidence: Mapping[str, float], empty: Collection[str]) -> None:
    """Replace the file. `confidence`: photo → its surest detection. Raises `StorageError`."""
    rows = [
        {"image_name": tables.as_name(key), "confidence": f"{confidence[key]:.4g}", "empty": int(key in empty)}
        for key in sorted(confidence)
    ]
    with locked(stage.lock, f"writing the detections of {stage.name}"):
        tables.write(stage.detections, COLUMNS, rows)


def drop_detections(stage: Stage) -> Path | None:
    """Set the file aside and return where it is; None if there is none. Raises `StorageError`."""
    with locked(stage.lock, f"writing the detections of {stage.name}"):
        try:
            return set_aside(stage.detections, "undone") if stage.detections.exists() else None
        except OSError as error:
            raise unwritable(stage.detections, error) from error
