"""A few turns of what tests/torture does for long; the cache and the photos have theirs in their own files.

Only `make torture` floods a server and kills on a Ray cluster: each takes half a minute even for one turn.
"""

import pytest

from imlcull_al.progress import silent
from imlcull_al.project.stages import Stage
from tests.torture import cull_kills, label_kills, load, many_files, swaps

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("writers", [1, 2])
def test_a_killed_labeler_loses_nothing_that_was_acknowledged(tmp_path, writers):
    answers, broken = label_kills.torture(tmp_path, kills=6, writers=writers, seed=1, progress=silent)
    assert broken == []
    assert answers > 0


def test_the_torture_notices_an_answer_that_is_lost(tmp_path):
    """Or it would prove nothing."""
    label_kills.torture(tmp_path, kills=1, writers=1, seed=1, progress=silent)
    told = [{"begun": True}, {"do": "keep", "keys": ["w0_999.jpg"], "back": {}}, {"done": "keep"}]
    acknowledged, possible = label_kills.replayed(label_kills.read_csv(Stage(tmp_path, 1)), told)
    assert acknowledged == possible != label_kills.read_csv(Stage(tmp_path, 1))


def test_a_killed_cull_leaves_a_whole_stage_or_none(tmp_path):
    _, broken = cull_kills.torture(tmp_path, kills=4, count=30, seed=1, progress=silent)
    assert broken == []


def test_photos_swapped_for_links_bring_nothing_from_outside(tmp_path):
    found = swaps.torture(tmp_path, culls=20, count=120, seed=1, progress=silent)
    assert found.broken == []
    assert found.made + found.refused == 20


def test_many_files(tmp_path):
    _, broken = many_files.torture(Stage(tmp_path, 1), 900, "copy", silent)
    assert broken == []


def test_labelers_at_once_lose_nothing_when_the_server_is_killed(capsys):
    code = load.main(["--labelers", "4", "--seconds", "3", "--photos", "40", "--client", "direct"])
    assert code == 0, capsys.readouterr().out
