"""What the cache holds is told with its cost, and only that is cleared."""

import pytest

from imlcull_al import open_session
from imlcull_al.cli.commands import main
from imlcull_al.encoding.cache_folder import clear, contents
from imlcull_al.errors import StorageError


@pytest.fixture
def filled(project, cache_dir, encoder):
    """A cache with twelve embeddings, a preview, and files that are none of ours."""
    session = open_session(project, model=encoder, cache_dir=cache_dir)
    session.previews.get(project / "stage_1" / "warm_00.jpg", 32)
    (cache_dir / "mine").mkdir()
    (cache_dir / "mine" / "notes.txt").write_text("keep")
    (cache_dir / "recent_projects.txt").write_text("x")
    return cache_dir


def test_folders_are_told_with_what_they_cost(filled):
    found = {each.path.name: each for each in contents(filled)}
    (name,) = (name for name in found if name.startswith("embeddings-"))
    assert (found[name].what, found[name].costs) == (
        "embeddings of 12 photos by mean colour",
        "12 photos are embedded again",
    )
    assert found["previews"].size == sum(path.stat().st_size for path in (filled / "previews").iterdir())
    assert {"content_ids", "previews", name} == set(found)


def test_only_what_is_ours_is_removed_and_comes_back(filled, project, encoder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.h5").write_bytes(b"a person's")
    (filled / ("embeddings-" + "0" * 16)).symlink_to(elsewhere)
    clear(contents(filled))
    assert (elsewhere / "a.h5").exists()
    assert sorted(path.name for path in filled.iterdir()) == ["embeddings-" + "0" * 16, "mine", "recent_projects.txt"]
    before = encoder.images
    open_session(project, model=encoder, cache_dir=filled)
    assert encoder.images >= before + 12


def test_a_damaged_segment_does_not_count(filled):
    (segment,) = filled.glob("embeddings-*/*.h5")
    segment.write_bytes(b"none")
    assert "embeddings of 0 photos by an encoder without a name" in [each.what for each in contents(filled)]


def test_a_cache_that_is_not_there_is_empty(tmp_path):
    assert contents(tmp_path / "none") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Name the cache with --cache-dir"):
        contents(tmp_path / "file")


def test_the_command_asks_first(filled, capsys):
    words = ["cache", "clear", "--cache-dir", str(filled)]
    assert main([*words, "--dry-run"]) == main(words) == 0
    assert "without it, 12 photos are embedded again" in capsys.readouterr().out
    assert (filled / "previews").is_dir()
    assert main([*words, "--previews", "--yes"]) == 0
    assert not (filled / "previews").exists()
    assert main(["cache", "info", "--cache-dir", str(filled)]) == 0
    assert "embeddings of 12 photos by mean colour" in capsys.readouterr().out
    assert main([*words, "--yes"]) == 0
    assert main([*words, "--yes"]) == 0
    assert capsys.readouterr().out.endswith("There is nothing to remove.\n")
