import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imlcull_al.learning import bursts
from imlcull_al.learning.bursts import LONGEST, PAUSE, groups, is_bracket

A, B, C = np.eye(3)
NONE = np.nan


def test_frames_within_seconds_that_look_alike_are_one_burst():
    times = np.array([0.0, 0.5, 1.0, 1.2, 60.0, 60.1])
    assert groups(times, np.array([A, A, B, B, B, B])).tolist() == [0, 0, 1, 1, 2, 2]


def test_order_is_that_of_time_not_of_rows_and_numbers_follow_the_rows():
    assert groups(np.array([100.0, 0.0, 101.0, 1.0]), np.array([A, B, A, B])).tolist() == [0, 1, 0, 1]


def test_how_far_a_frame_is_behind_the_best_of_its_burst():
    severity = np.array([[0.1, 0.5], [0.3, 0.5], [0.9, 0.9], [0.2, 0.1]])
    behind = bursts.behind_best(severity, np.array([0, 0, 1, 0]))
    assert behind[2] == 0  # alone, however bad
    assert behind[0] < behind[1]
    assert behind[3] > 0  # best in one measure only
    assert 0.5 < behind[[0, 1, 3]].std() <= 1  # of frames that have others beside them


def test_what_nobody_sees_is_not_far_behind_however_rare_bursts_are():
    severity = np.full((1000, 1), 0.5)
    severity[1] += 0.001
    group = np.maximum(np.arange(1000) - 1, 0)
    assert bursts.behind_best(severity, group)[1] < 0.05
    severity[1] = 1
    assert 1 < bursts.behind_best(severity, group)[1] <= bursts.FAR


def test_nothing_is_behind_where_no_burst_has_two_frames_or_nothing_is_known():
    severity = np.array([[0.1], [0.9], [np.nan]])
    assert bursts.behind_best(severity, np.arange(3)).tolist() == [0, 0, 0]
    assert bursts.behind_best(severity, np.array([0, 1, 1])).tolist() == [0, 0, 0]
    assert bursts.behind_best(np.zeros((0, 2)), np.zeros(0, int)).tolist() == []


def test_a_pause_is_the_end_of_a_burst():
    times = np.array([0, PAUSE, 2 * PAUSE + 0.01])
    assert groups(times, np.array([A, A, A])).tolist() == [0, 0, 1]


def test_a_spoiled_frame_between_two_alike_ones_is_theirs_but_not_one_at_the_end():
    times = np.arange(5.0)
    assert groups(times, np.array([A, B, A, A, C])).tolist() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(("in_common", "joined"), [(0, True), (1, False)])
def test_half_alike_is_alike_where_others_are_not(in_common, joined):
    others = 2 * in_common * np.eye(50)[0] + np.eye(50)[1:41]  # cosines of 0 or 0.8
    pair = np.array([np.eye(50)[41], 0.5 * np.eye(50)[41] + np.sqrt(0.75) * np.eye(50)[42]])
    found = groups(np.append(np.arange(40) * 100, [9000, 9001]), np.concatenate([others, pair]))
    assert (found[40] == found[41]) == joined


def test_one_scene_is_not_torn_though_all_its_frames_are_alike():
    frames = 2 * np.eye(50)[0] + np.eye(50)[1:41]
    assert groups(np.arange(40.0), frames).tolist() == [0] * 40


def test_a_time_lapse_is_cut_into_moments():
    found = groups(np.arange(0.0, 200.0), np.array([A] * 200))
    assert np.bincount(found).tolist() == [61, 61, 61, 17]


def test_cameras_are_told_apart():
    times = np.array([0.0, 0.1, 0.2, 0.3])
    assert groups(times, np.array([A, A, A, A]), np.array(["x", "y", "x", "y"])).tolist() == [0, 1, 0, 1]


def test_a_dead_clock_makes_no_burst_of_all_its_frames():
    dead = np.zeros(40)
    assert np.bincount(groups(dead, np.array([A] * 40))).tolist() == [21, 19]  # `LONGEST` at one frame every `PAUSE`
    assert groups(dead, np.array([A, A, B, B] * 10)).tolist() == np.repeat(np.arange(20), 2).tolist()
    live = np.append(dead, [0.5, 1.0])
    assert groups(live, np.array([A, B] * 20 + [A, A])).tolist() == [*range(40), 40, 40]


def test_a_clock_of_whole_seconds_is_alive():
    assert groups(np.repeat([0.0, 1.0], 20), np.array([A] * 40)).tolist() == [0] * 40
    two_cameras = groups(np.zeros(40), np.array([A] * 40), np.arange(40) % 2)
    assert two_cameras.tolist() == [0, 1] * 20


def test_without_a_time_only_copies_are_together():
    almost = A + 0.01 * B
    rows = np.array([A, B, almost, A, B, A])
    assert groups(np.array([NONE, NONE, NONE, NONE, NONE, 5.0]), rows).tolist() == [0, 1, 2, 0, 1, 3]


def test_nothing_one_photo_and_rows_that_say_nothing():
    assert groups(np.zeros(0), np.zeros((0, 3))).tolist() == []
    assert groups(np.array([NONE]), np.array([A])).tolist() == [0]
    unknown = np.array([A * NONE, A * NONE, A * 0, A * 0, A, A])
    assert groups(np.zeros(6), unknown).tolist() == [0, 1, 2, 3, 4, 4]
    assert groups(np.full(6, NONE), unknown).tolist() == [0, 1, 2, 3, 4, 4]


TIMES = st.lists(st.one_of(st.just(NONE), st.floats(0, 500)), min_size=1, max_size=40)


@pytest.mark.slow
@settings(deadline=None)
@given(TIMES, st.data())
def test_a_burst_is_short_without_pauses_and_does_not_depend_on_the_order_of_rows(times, data):
    times = np.array(times)
    rows = data.draw(arrays(np.float32, (len(times), 3), elements=st.sampled_from([0.0, 1.0])))
    found = groups(times, rows)
    assert set(found) == set(range(found.max() + 1))
    for number in range(found.max() + 1):
        inside = np.sort(times[found == number])
        if len(inside) > 1 and np.isfinite(inside).all():
            assert np.diff(inside).max() <= PAUSE and np.ptp(inside) <= LONGEST
        assert np.isfinite(inside).all() or not np.isfinite(inside).any()
    known = np.isfinite(times)
    if len(set(times[known])) == known.sum():  # no ties
        mixed = np.random.default_rng(0).permutation(len(times))
        again = groups(times[mixed], rows[mixed])
        assert ((again[:, None] == again) == (found[mixed][:, None] == found[mixed])).all()


def test_a_large_stage_is_never_compared_with_itself(monkeypatch):
    compared = []
    cosines = bursts._Frames.cosines
    monkeypatch.setattr(
        bursts._Frames, "cosines", lambda self, left, right: compared.append(len(left)) or cosines(self, left, right)
    )
    groups(np.arange(100_000) * 0.1, np.ones((100_000, 2)))
    assert sum(compared) < 4 * 100_000


@pytest.mark.parametrize(
    "stops",
    [
        [-2, 0, 2],
        [0, -2, 2, 0, -2, 2],
        [-0.67, 0, 0.67],
        [-0.3, 0, 0.3],
        [-1.3, -0.7, 0, 0.7, 1.3],
        [-3, -1, 1],
        [-2, -1, 0, 1, 2, -2, -1, 0, 1, 2],
    ],
)
def test_exposure_brackets(stops):
    assert is_bracket(np.array(stops, float))


@pytest.mark.parametrize(
    "stops",
    [
        [],
        [0],
        [0, 0, 0],
        [0, 1],
        [0, 1, 0, 1],
        [-2, 0, 1],
        [-2, 0, 2, -2],  # a round that was broken off, or a choice
        [-2, 0, 2, 2, 0, -2],
        [-2, NONE, 2],
    ],
)
def test_no_exposure_brackets(stops):
    assert not is_bracket(np.array(stops, float))


def test_groups_can_be_numbered_by_time():
    times = np.array([30.0, 10.0, np.nan, 11.0, 31.0])
    assert bursts.in_time(times, np.array([0, 1, 2, 1, 0])).tolist() == [1, 0, 2, 0, 1]
    assert bursts.in_time(np.empty(0), np.empty(0, np.intp)).tolist() == []


def test_brackets_are_found_among_the_bursts():
    times = np.array([0.0, 1, 2, 10, 11, 12, 20, 21, 22])
    group = np.repeat([0, 1, 2], 3)
    compensations = np.array([0, -2, 2, 0, 0, 0, np.nan, -1, 1])
    assert bursts.brackets(times, group, compensations) == [0]
    assert bursts.brackets(times[::-1], group[::-1], compensations[::-1]) == [0]
    assert bursts.brackets(np.empty(0), np.empty(0, np.intp), np.empty(0)) == []


def test_copies_are_found_whatever_their_times():
    rows = np.array([[1, 0], [0, 1], [2, 0], [0.6, 0.8], [0, 1], [np.nan, 0], [0, 0], [0, 0]])
    assert bursts.copies(rows).tolist() == [0, 1, 0, -1, 1, -1, -1, -1]
    assert bursts.copies(rows[:0]).tolist() == []
