"""What scores know beside the embeddings: how a frame compares with the best of its burst."""

import numpy as np
import pytest
from conftest import MeanColour

from imlcull_al.encoding import builtin
from imlcull_al.encoding.embeddings import Embeddings
from imlcull_al.learning.scores import Scorer, Source
from imlcull_al.project.task import CULL_TASK, Task

KEYS = tuple(f"{number:02}.jpg" for number in range(12))
BLURRED = np.arange(12) % 3 > 0
"""Four bursts of three frames of one scene each; the first frame of each is sharp."""
ANSWERS = {key: "cull" if is_blurred else "keep" for key, is_blurred in zip(KEYS[:6], BLURRED[:6], strict=True)}


def scored(task: Task = CULL_TASK, compensation: float = np.nan) -> np.ndarray:
    """The probabilities of a stage whose embeddings say nothing of blur."""
    rows = np.repeat(np.eye(4, dtype=np.float32), 3, axis=0)
    taken = np.repeat(np.arange(4) * 100.0, 3) + np.tile([0.0, 0.5, 1.0], 4)
    seen = Embeddings(KEYS, rows, {}, 12, 0, taken, compensation * np.tile([-1.0, 0.0, 1.0], 4))
    labels = ANSWERS if task == CULL_TASK else {key: task.classes[label == "cull"] for key, label in ANSWERS.items()}
    found = Scorer(Source(MeanColour(), None), seen, task).probability(labels)
    assert found is not None
    return found[:, 0]


@pytest.fixture
def sees_blur(monkeypatch):
    monkeypatch.setattr(builtin, "severity", lambda encoder, rows: np.where(BLURRED, 0.9, 0.1)[:, None])


@pytest.mark.usefixtures("sees_blur")
def test_the_best_of_a_burst_is_told_from_the_rest_in_bursts_without_an_answer():
    p_keep = scored()
    assert ((p_keep[6:] > 0.5) == ~BLURRED[6:]).all()


def test_without_an_encoder_that_sees_it_frames_of_a_burst_are_alike():
    assert np.ptp(scored()[6:9]) < 1e-6


@pytest.mark.usefixtures("sees_blur")
def test_frames_of_an_exposure_bracket_are_no_alternatives():
    assert np.ptp(scored(compensation=1.0)[6:9]) < 1e-6


@pytest.mark.usefixtures("sees_blur")
def test_other_tasks_have_nothing_to_do_with_it():
    assert np.ptp(scored(Task("kind", ("house", "tree")))[6:9]) < 1e-6
