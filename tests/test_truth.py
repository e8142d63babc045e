"""Known answers: how a table of them is read, and which groups are held out."""

import numpy as np
import pytest

from imlcull_al.simulate.truth import hold_out, read_truth


@pytest.mark.parametrize(("yes", "no"), [("keep", "cull"), ("TRUE", "False"), (" 1", "0 "), ("yes", "no")])
def test_answers_are_read_in_four_ways(tmp_path, yes, no):
    (tmp_path / "t.csv").write_text(f"note,mine,image_name,burst\n,{yes},a.jpg,1\n,{no},b/c.jpg,\n")
    known = read_truth(tmp_path / "t.csv", "mine", None)
    assert known.is_keep == {"a.jpg": True, "b/c.jpg": False}
    assert known.group == {"a.jpg": "1"}
    assert read_truth(tmp_path / "t.csv", "mine", "note").group == {}


def test_whole_groups_are_held_out_by_seed():
    groups = [f"g{row // 5}" for row in range(200)]
    is_keep = np.arange(200) % 5 == 0
    held = hold_out(groups, is_keep, 0.3, seed=1)
    assert 60 <= held.sum() <= 71
    assert all(len(set(held[start : start + 5])) == 1 for start in range(0, 200, 5))
    assert (held == hold_out(groups, is_keep, 0.3, seed=1)).all()
    assert (held != hold_out(groups, is_keep, 0.3, seed=2)).any()


def test_both_kinds_are_on_both_sides_where_they_can_be():
    is_keep = np.zeros(40, bool)
    is_keep[:2] = True
    for seed in range(20):
        held = hold_out(list(map(str, range(40))), is_keep, 0.3, seed)
        assert is_keep[held].sum() == 1
    assert hold_out(list(map(str, range(40))), np.arange(40) == 0, 0.3, 0) is None
    assert hold_out(["one"] * 40, is_keep, 0.3, 0) is None
    large = ["large"] * 30 + list(map(str, range(10)))  # what is too large stays in the pool
    assert not hold_out(large, np.arange(40) % 2 == 0, 0.2, 0)[:30].any()
