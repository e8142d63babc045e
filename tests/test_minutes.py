"""A replay by the clock."""

import pytest
from conftest import fill_stage, label_of

from imlcull_al import open_session
from imlcull_al.simulate.minutes import Pace, lost, play


@pytest.mark.slow
def test_a_person_is_timed_from_the_first_photo_to_the_cull(tmp_path, unreported):
    fill_stage(tmp_path / "project" / "stage_1", warm=20, cold=60)
    session = open_session(tmp_path / "project", model="builtin", cache_dir=tmp_path / "cache")
    truth = {key: label_of(key) for key in session.listing.keys}
    assert lost(session, truth, 0.5) == 1.0
    took = play(session, truth, pace=Pace(single=2, sheet=1, answers=20))
    assert (took.lost, took.unchecked, took.looks + took.checks) == (0.0, 0.0, len(session.labels()) - 20)
    assert took.certified == pytest.approx((2 * took.singles + took.checks + took.looks) / 60)
    assert 10 * 2 / 60 <= took.in_truth <= 20 * 2 / 60
    assert session.cheapest_way().is_reached
    assert session.promise(session.cheapest_way().threshold).certificate.keepers_lost <= 1
