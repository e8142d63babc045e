"""Options of a training, the split into training and validation, and which epoch is better."""

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imlcull_al.errors import NotEnoughLabels, TrainingError
from imlcull_al.project.task import Task
from imlcull_al.training import splits
from imlcull_al.training.options import Epoch, Options

GARMENT = Task("garment", ("shirt", "dress", "shoe"))
NOTES = Task("notes", ("red", "striped"), exclusive=False)


def split(is_keep, *rest):
    return splits.split(np.stack([is_keep, ~is_keep], axis=1), *rest)


def split_classes(numbers, *rest, task=GARMENT):
    return splits.split(np.eye(len(task.classes))[numbers], *rest, task=task)


def split_tags(labels, *rest):
    return splits.split(NOTES.targets(labels), *rest, task=NOTES)


def test_the_defaults_are_the_specifications():
    assert Options() == Options(256, 64, 1e-4, 8, 0.25, 0, None, False)


@given(st.integers(2, 60), st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 5))
def test_the_split_is_stratified_and_loses_nothing(keep, cull, share, seed):
    target = np.array([True] * keep + [False] * cull)
    train_side, validation = split(target, share, seed)
    assert sorted([*train_side, *validation]) == list(range(keep + cull))
    for members in (target, ~target):
        total, chosen = int(members.sum()), int(members[validation].sum())
        assert 1 <= chosen <= total - 1
        assert abs(chosen - total * share) <= 1


def test_the_split_is_seeded():
    target = np.arange(40) % 2 == 0
    assert np.array_equal(split(target, 0.25, 3)[1], split(target, 0.25, 3)[1])
    assert not np.array_equal(split(target, 0.25, 3)[1], split(target, 0.25, 4)[1])


def test_below_two_of_a_class_it_says_how_many_there_are():
    with pytest.raises(NotEnoughLabels, match="there are 3 keep and 1 cull"):
        split(np.array([True, True, True, False]), 0.25, 0)


@given(st.lists(st.booleans(), min_size=4, max_size=80), st.floats(0.01, 0.99), st.integers(0, 5))
def test_groups_of_one_change_nothing(target, share, seed):
    target = np.array([True, True, False, False, *target])
    for one, other in zip(split(target, share, seed), split(target, share, seed, np.arange(len(target))), strict=True):
        assert np.array_equal(one, other)


GROUPED = st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=4, max_size=60)


@given(GROUPED, st.sampled_from([0.1, 0.25, 0.5]), st.integers(0, 3))
def test_no_group_is_divided_and_both_sides_have_both_classes(photos, share, seed):
    target, groups = np.array([keep for keep, _ in photos]), np.array([group for _, group in photos])
    if min(len(set(groups[target])), len(set(groups[~target]))) < 2:
        with pytest.raises(NotEnoughLabels):
            split(target, share, seed, groups)
        return
    train_side, validation = split(target, share, seed, groups)
    assert sorted([*train_side, *validation]) == list(range(len(target)))
    assert not set(groups[train_side]) & set(groups[validation])
    for side in (train_side, validation):
        assert target[side].any() and not target[side].all()


def test_bursts_of_a_shoot_are_split_near_the_share_of_each_class():
    chance = np.random.default_rng(0)
    for seed in range(20):
        groups = np.repeat(np.arange(60), np.minimum(chance.geometric(1 / 8, 60), 38))
        target = chance.random(len(groups)) < np.repeat(chance.beta(0.4, 1.2, 60), np.bincount(groups))
        _, validation = split(target, 0.25, seed, groups)
        for members in (target, ~target):
            assert abs(members[validation].sum() / members.sum() - 0.25) < 0.05


def test_groups_too_large_for_the_share_leave_the_smallest_that_will_do():
    target = np.array([True] * 10 + [False] * 30)
    groups = np.array([0] * 4 + [1] * 6 + [2] * 13 + [3] * 17)
    train_side, validation = split(target, 0.05, 0, groups)
    assert set(groups[validation]) == {0, 2}
    assert set(groups[train_side]) == {1, 3}


def test_a_class_of_one_burst_can_not_be_split():
    with pytest.raises(NotEnoughLabels, match="all 3 keep are in one burst"):
        split(np.array([True, True, True, False, False]), 0.25, 0, np.array([0, 0, 0, 1, 2]))


def test_the_split_of_a_seed_is_that_of_earlier_versions():
    target = np.arange(24) % 3 == 0
    assert split(target, 0.25, 3)[1].tolist() == [7, 14, 18, 19, 21, 22]
    assert split(target, 0.25, 3, np.arange(24) // 2)[1].tolist() == [18, 19, 20, 21, 22, 23]


@given(st.lists(st.integers(0, 2), min_size=2, max_size=40), st.sampled_from([0.1, 0.25, 0.5]), st.integers(0, 3))
def test_every_class_of_two_photos_is_on_both_sides_and_one_photo_is_trained_on(numbers, share, seed):
    numbers = np.array([0, 0, 1, 1, *numbers])
    train_side, validation = split_classes(numbers, share, seed)
    assert sorted([*train_side, *validation]) == list(range(len(numbers)))
    for number in range(3):
        total, chosen = int((numbers == number).sum()), int((numbers[validation] == number).sum())
        if total < 2:
            assert chosen == 0
        else:
            assert 1 <= chosen <= total - 1
            assert abs(chosen - total * share) <= 1


def test_the_only_burst_of_a_class_is_trained_on():
    numbers, groups = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2]), np.array([0, 1, 2, 3, 1, 4, 5, 0, 0])
    for seed in range(9):
        train_side, validation = split_classes(numbers, 0.4, seed, groups)
        assert set(numbers[train_side]) == {0, 1, 2}
        assert set(numbers[validation]) == {0, 1}
        assert not set(groups[train_side]) & set(groups[validation])


def test_two_bursts_of_all_classes_are_one_for_each_side():
    numbers, groups = np.array([0, 1, 2, 0, 1, 2]), np.array([0, 0, 0, 1, 1, 1])
    train_side, validation = split_classes(numbers, 0.25, 0, groups)
    assert sorted(map(tuple, (train_side.tolist(), validation.tolist()))) == [(0, 1, 2), (3, 4, 5)]


def test_with_and_without_every_tag_is_on_both_sides():
    labels = ["red=1;striped=0", "red=0;striped=1"] * 6 + ["red=1", "striped=0", "striped=1", ""]
    targets = NOTES.targets(labels)
    for seed in range(9):
        train_side, validation = split_tags(labels, 0.25, seed)
        assert sorted([*train_side, *validation]) == list(range(16))
        for side in (train_side, validation):
            assert all({0, 1} <= set(tag) for tag in targets[side].T)
        assert 15 in train_side  # nothing is known of it


def test_many_tags_are_split_near_the_share_of_each():
    task = Task("many", tuple(f"tag {number}" for number in range(12)), exclusive=False)
    chance = np.random.default_rng(0)
    targets = (chance.random((600, 12)) < np.linspace(0.05, 0.6, 12)).astype(float)
    targets[chance.random((600, 12)) < 0.3] = np.nan
    for groups in (None, np.arange(600) // 3):
        _, validation = splits.split(targets, 0.25, 0, groups, task)
        for value in (0, 1):
            shares = (targets[validation] == value).sum(axis=0) / (targets == value).sum(axis=0)
            assert np.abs(shares - 0.25).max() < 0.06


def test_bursts_of_many_classes_are_split_near_the_share_of_each():
    chance = np.random.default_rng(0)
    task, groups = Task("many", tuple("abcdefgh")), np.repeat(np.arange(200), 4)
    numbers = np.where(chance.random(800) < 0.7, np.repeat(chance.integers(0, 8, 200), 4), chance.integers(0, 8, 800))
    _, validation = split_classes(numbers, 0.25, 0, groups, task=task)
    shares = np.bincount(numbers[validation]) / np.bincount(numbers)
    assert np.abs(shares - 0.25).max() < 0.03


def test_one_burst_of_all_classes_goes_to_either_side():
    numbers, groups = np.tile(np.arange(3), 8), np.repeat(np.arange(2), 12)
    train_side, validation = split_classes(numbers, 0.1, 0, groups)
    assert len(train_side) == len(validation) == 12


def test_a_tag_that_only_one_photo_has_is_trained_on():
    labels = ["red=1;striped=1", "red=1;striped=0", "red=0;striped=0", "red=0;striped=0", "red=0"]
    for seed in range(9):
        assert 0 in split_tags(labels, 0.5, seed)[0]


def test_too_few_labels_are_said_in_the_words_of_the_task():
    pair = Task("focus", ("sharp", "blurred"))
    with pytest.raises(NotEnoughLabels, match=r"there are 2 sharp and 1 blurred\. Label more photos as blurred first"):
        split_classes([0, 0, 1], 0.25, 0, task=pair)
    with pytest.raises(NotEnoughLabels, match=r"2 classes with .* there are 3 shirt, 1 dress and 0 shoe\. Label"):
        split_classes([0, 0, 0, 1], 0.25, 0)
    with pytest.raises(NotEnoughLabels, match="2 classes with photos from at least 2 bursts each"):
        split_classes([0, 0, 0, 1, 1], 0.25, 0, np.array([0, 1, 2, 3, 3]))
    with pytest.raises(NotEnoughLabels, match=r"there are red \(3 with, 1 without\) and striped \(1 with, 1 without\)"):
        split_tags(["red=1;striped=1", "red=1;striped=0", "red=1", "red=0"], 0.25, 0)
    with pytest.raises(NotEnoughLabels, match="a tag that photos of at least 2 bursts have and 2 don't"):
        split_tags(["red=1", "red=1", "red=0", "red=0"], 0.25, 0, np.array([0, 0, 1, 2]))


def test_better_is_more_accurate_or_as_accurate_with_a_lower_loss():
    epoch = Epoch(1, 0.5, 0.9, 0.4, 0.8)
    assert Epoch(2, 0.5, 0.9, 0.9, 0.81).better_than(epoch)
    assert Epoch(2, 0.5, 0.9, 0.39, 0.8).better_than(epoch)
    assert not Epoch(2, 0.5, 0.9, 0.4, 0.8).better_than(epoch)
    assert not Epoch(2, math.nan, 0.9, 0.1, 1.0).better_than(epoch)
    assert not Epoch(2, 0.5, 0.9, math.inf, 1.0).better_than(epoch)


@pytest.mark.parametrize("option", [field.name for field in fields(Options) if field.name != "gentle"])
def test_a_number_that_can_not_even_be_written_is_named(option):
    for value in (10**5000, -(10**5000), 10**31):
        with pytest.raises(TrainingError, match=f"^{option} is far too large; choose a smaller number"):
            Options(**{option: value}).check()
