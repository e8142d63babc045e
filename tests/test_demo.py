"""The main job on a small sample project, played by the scripted photographer."""

import pytest
from conftest import OUT_OF_REACH

from imlcull_al.errors import CullRefused
from imlcull_al.simulate import demo, sample
from imlcull_al.training.options import Options


@pytest.mark.slow
def test_the_whole_job_is_played(tmp_path, cache_dir, monkeypatch):
    monkeypatch.setattr(demo, "TRAINING", Options(epochs=2, batch_size=32))
    sample.make_sample(tmp_path / "project", photos=32)
    session = demo.prepare(tmp_path / "project", OUT_OF_REACH, cache_dir)
    said = []
    demo.headless(session, 24, said.append)
    text = "\n".join(said)
    assert "32 photos" in said[0]
    assert "Note: nobody/has-this-model is not on this machine" in text
    assert "20 answers: " in text
    assert "epoch   2 " in text
    assert "Scores now come from the trained model" in text
    assert said[-1].startswith("stage_2: ")
    assert said[-1].endswith(" 0 computed")
    assert len(session.labels()) == 24
    with pytest.raises(CullRefused, match="played already"):
        demo.headless(session, 24, said.append)
