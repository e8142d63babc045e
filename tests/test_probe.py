"""The linear probe of each kind of task, on embeddings of two numbers."""

import numpy as np
import pytest

from imlcull_al.learning import head
from imlcull_al.project.task import CULL_TASK, Task
from imlcull_al.training import probe

CORNERS = np.array([[1, 0], [0, 1], [-1, 0]] * 3, np.float32)
GARMENT = Task("garment", ("shirt", "dress", "shoe", "sock"))
NOTES = Task("notes", ("red", "striped", "torn", "new"), exclusive=False)


def test_keep_or_cull_has_the_light_head_itself():
    labels = ["keep", "cull", "cull"] * 3
    fitted = probe.fit(CORNERS.copy(), CULL_TASK.targets(labels), CULL_TASK)
    usual = head.fit(head.features(CORNERS.copy()), np.arange(9), np.array(labels) == "keep")
    assert isinstance(fitted, head.Head)
    assert fitted.weights.tolist() == usual.weights.tolist()
    assert fitted.bias == usual.bias


def test_several_classes_have_a_logit_each_and_an_unseen_one_none():
    fitted = probe.fit(CORNERS.copy(), GARMENT.targets(["shirt", "dress", "shoe"] * 3), GARMENT)
    assert fitted.logits(CORNERS).argmax(axis=1).tolist() == [0, 1, 2] * 3
    assert np.isneginf(fitted.bias).tolist() == [False, False, False, True]


def test_every_tag_is_told_from_the_photos_in_which_it_is_known():
    labels = ["red=1;torn=1", "red=0;striped=1;torn=1", "striped=0;torn=1"] * 3
    fitted = probe.fit(CORNERS.copy(), NOTES.targets(labels), NOTES)
    logits = fitted.logits(CORNERS[:3])
    assert logits[0, 0] > 0 > logits[1, 0]
    assert logits[1, 1] > 0 > logits[2, 1]
    assert logits[:, 2:].tolist() == [[np.log(10), 0]] * 3  # all 9 have it; nothing is known
    usual = head.fit(head.features(CORNERS.copy()), np.array([0, 1, 3, 4, 6, 7]), np.array([True, False] * 3))
    assert fitted.weights[:, 0].tolist() == usual.weights.tolist()


@pytest.mark.parametrize(("task", "label"), [(CULL_TASK, "keep"), (GARMENT, "dress"), (NOTES, "red=1;striped=0")])
def test_answers_that_are_all_the_same_fit_nothing(task, label):
    with pytest.raises(ValueError, match="needed"):
        probe.fit(CORNERS.copy(), task.targets([label] * 9), task)
