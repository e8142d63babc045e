"""Predictions as other programs write them: JSON of Modular-Image-Classification, bins of image-tagging-tools, CSV.

    a.json         {"file": …, "top_3_predicted_labels": […], "top_3_predicted_codes": […], "top_3_probabilities": […]}
    output.json    {id: {"hash_id": id, "file_path": …, "classifiers_output": [{"model_type", "tag_name", "tag_prob"}]}}
    MODEL/TAG/BIN/a.jpg    a copy or link of each photo, by its probability: 0.1, 0.2 … 1.0 for ten bins
    predictions.csv        file, label_1, probability_1, …, reason

Both JSONs are indented by 4. Ids are content ids. Equal names get numbers.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..project import tables

if TYPE_CHECKING:
    from ..learning.predictor import Predictor

FORMATS = ("json", "csv")
TOP = 3
"""Classes told of a photo, at most."""


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one photo.

    `file`: its absolute path, inside an archive if it is in one. `path`: the same, or the path in the archive.
    `ranked`: numbers of classes, likeliest first, and `probabilities` of these. `reason`: why there are none.
    """

    file: str
    path: str
    content_id: str = ""
    ranked: tuple[int, ...] = ()
    probabilities: tuple[float, ...] = ()
    reason: str = ""


def ranked(probability: np.ndarray, most: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """(K,) → the numbers and probabilities of the likeliest classes, at most `most`; ties in the order of classes."""
    order = np.argsort(-probability, kind="stable")[:most]
    return tuple(order.tolist()), tuple(probability[order].tolist())


def as_object(prediction: Prediction, predictor: "Predictor", top: int) -> dict[str, Any]:
    """The JSON object of one photo, with as many classes as there are, at most `top`."""
    return {
        "file": prediction.file,
        f"top_{top}_predicted_labels": [predictor.classes[number] for number in prediction.ranked],
        f"top_{top}_predicted_codes": [predictor.codes[number] for number in prediction.ranked],
        f"top_{top}_probabilities": list(prediction.probabilities),
    }


def as_json(content: Any) -> str:
    """JSON text."""
    return json.dumps(content, indent=4, ensure_ascii=False)


def as_csv(predictions: Iterable[Prediction], predictor: "Predictor", top: int) -> str:
    """A table with a row for each photo, unreadable ones with their reason."""
    count = min(top, len(predictor.classes))
    columns = [
        "file",
        *(f"{what}_{place + 1}" for place in range(count) for what in ("label", "probability")),
        "reason",
    ]
    rows = []
    for each in predictions:
        row: dict[str, object] = {"file": tables.as_name(each.file), "reason": each.reason}
        for place, (number, probability) in enumerate(zip(each.ranked, each.probabilities, strict=True), 1):
            row |= {f"label_{place}": predictor.classes[number], f"probability_{place}": round(probability, 4)}
        rows.append(row)
    return tables.render(columns, rows)


def as_output(predictions: Iterable[Prediction], predictor: "Predictor") -> dict[str, Any]:
    """The object of `output.json`. Of photos with the same bytes, the first one is named."""
    output: dict[str, Any] = {}
    for each in predictions:
        said = [
            {"model_type": predictor.name, "tag_name": predictor.classes[number], "tag_prob": probability}
            for number, probability in zip(each.ranked, each.probabilities, strict=True)
        ]
        about = {"hash_id": each.content_id, "file_path": each.path, "classifiers_output": said}
        output.setdefault(each.content_id, about)
    return output


def bin_of(probability: float, bins: int) -> str:
    """The folder of a probability: the nearest of 1/n, 2/n … 1, to three places.

    >>> bin_of(0.04, 10), bin_of(0.97, 10), bin_of(0.3, 3)
    ('0.1', '1.0', '0.333')
    """
    edges = [round((place + 1) / bins, 3) for place in range(bins)]
    return str(min(edges, key=lambda edge: abs(edge - probability)))


def bins_of(prediction: Prediction, classes: Sequence[str], bins: int) -> list[str]:
    """The folders `TAG/BIN` that a photo belongs to."""
    pairs = zip(prediction.ranked, prediction.probabilities, strict=True)
    return [f"{classes[number]}/{bin_of(probability, bins)}" for number, probability in pairs]
