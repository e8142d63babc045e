"""Known answers: how a table of them is read, and which groups are held out."""

import numpy as np
import pytest

from imlcull_al.errors import ReplayRefused
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import CULL_TASK, Task
from imlcull_al.simulate.truth import hold_out, in_one_group, read_truth


def sides(is_keep):
    return np.stack([is_keep, ~is_keep], axis=1)


@pytest.mark.parametrize(("yes", "no"), [("keep", "cull"), ("TRUE", "False"), (" 1", "0 "), ("yes", "no")])
def test_answers_are_read_in_four_ways(tmp_path, yes, no):
    (tmp_path / "t.csv").write_text(f"note,mine,image_name,burst\n,{yes},a.jpg,1\n,{no},b/c.jpg,\n")
    known = read_truth(tmp_path / "t.csv", Stage(tmp_path, 1), "mine", None)
    assert known.labels == {"a.jpg": "keep", "b/c.jpg": "cull"}
    assert known.group == {"a.jpg": "1"}
    assert read_truth(tmp_path / "t.csv", Stage(tmp_path, 1), "mine", "note").group == {}


def test_whole_groups_are_held_out_by_seed():
    groups = [f"g{row // 5}" for row in range(200)]
    is_keep = np.arange(200) % 5 == 0
    held = hold_out(groups, sides(is_keep), 0.3, seed=1)
    assert 60 <= held.sum() <= 71
    assert all(len(set(held[start : start + 5])) == 1 for start in range(0, 200, 5))
    assert (held == hold_out(groups, sides(is_keep), 0.3, seed=1)).all()
    assert (held != hold_out(groups, sides(is_keep), 0.3, seed=2)).any()


def test_both_kinds_are_on_both_sides_where_they_can_be():
    is_keep = np.zeros(40, bool)
    is_keep[:2] = True
    for seed in range(20):
        held = hold_out(list(map(str, range(40))), sides(is_keep), 0.3, seed)
        assert is_keep[held].sum() == 1
    assert hold_out(list(map(str, range(40))), sides(np.arange(40) == 0), 0.3, 0) is None
    assert hold_out(["one"] * 40, sides(is_keep), 0.3, 0) is None
    large = ["large"] * 30 + list(map(str, range(10)))  # what is too large stays in the pool
    assert not hold_out(large, sides(np.arange(40) % 2 == 0), 0.2, 0)[:30].any()


def test_the_labels_file_of_a_task_is_a_truth(tmp_path):
    task, tags = Task("kind", ("a", "b", "c")), Task("notes", ("x", "y"), exclusive=False)
    (tmp_path / "t.csv").write_text("image_name,label,burst\n1.jpg,b,7\n2.jpg,C,7\n")
    known = read_truth(tmp_path / "t.csv", Stage(tmp_path, 1), "keep", None, task)
    assert (known.labels, known.group) == ({"1.jpg": "b", "2.jpg": "c"}, {"1.jpg": "7", "2.jpg": "7"})
    (tmp_path / "t.csv").write_text("image_name,x,y\n1.jpg,1,\n")
    assert read_truth(tmp_path / "t.csv", Stage(tmp_path, 1), "keep", None, tags).labels == {"1.jpg": "x=1"}
    with pytest.raises(ReplayRefused, match="It needs the columns image_name,label"):
        read_truth(tmp_path / "t.csv", Stage(tmp_path, 1), "keep", None, task)


@pytest.mark.parametrize(
    ("table", "keep_column"),
    [
        ("image_name,label,burst\nday1/a.jpg,keep,7\nday1/b.jpg,cull,7\n", "keep"),
        ("image_name,label,burst\nday1/a.jpg,keep,7\nday1/b.jpg,cull,7\n", "label"),
        (
            "image_path,label,tag,burst\n/old/stage_1/day1/a.jpg,0,,7\nC:\\old\\stage_1\\day1\\b.jpg,1,blurred,7\n",
            "keep",
        ),
        ("image_path,label,tag,burst\nday1/a.jpg,0,,7\nday1/b.jpg,1,blurred,7\n", "label"),
        ("image_path;keep;burst\r\nday1\\a.jpg;1;7\r\nday1\\b.jpg;0;7\r\n", "keep"),
        ("sep=;\nImage_Name;LABEL;burst\n./day1/a.jpg;Keep;7\n./day1/b.jpg;Cull;7\n", "keep"),
    ],
)
def test_every_dialect_of_a_labels_file_is_a_truth(tmp_path, table, keep_column):
    for name in ("a.jpg", "b.jpg"):
        path = tmp_path / "stage_1" / "day1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "t.csv").write_text(table)
    known = read_truth(tmp_path / "t.csv", Stage(tmp_path, 1), keep_column, None, CULL_TASK)
    assert known.labels == {"day1/a.jpg": "keep", "day1/b.jpg": "cull"}
    assert known.group == {"day1/a.jpg": "7", "day1/b.jpg": "7"}


def test_numbers_of_classes_are_a_truth(tmp_path):
    task = Task("kind", ("a", "b", "c"))
    (tmp_path / "t.csv").write_text("image_path,label,tag\n1.jpg,2,\n2.jpg,0,\n")
    known = read_truth(tmp_path / "t.csv", Stage(tmp_path, 1), "keep", None, task)
    assert known.labels == {"1.jpg": "c", "2.jpg": "a"}


def test_a_kind_that_is_in_one_group_stays_with_it():
    kinds = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]], bool)
    groups = ["x", "y", "z", "w", "v", "v"]
    assert in_one_group(groups, kinds).tolist() == [False, False, True]
    for seed in range(10):
        held = hold_out(groups, kinds[:, :2], 0.4, seed, stay={"v"})
        assert not held[4:].any()
        assert held[:2].any()
        assert held[2:4].sum() == 1
