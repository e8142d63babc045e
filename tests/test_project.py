import os
from pathlib import PurePosixPath

import pytest
from conftest import save_photo

from imlcull_al.errors import StageError
from imlcull_al.project.companions import photo_suffix
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import Stage, open_stage


def listing_of(project, *names):
    for name in names:
        path = project / "stage_1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return list_photos(Stage(project, 1))


def test_the_latest_stage_is_the_largest_number_of_a_folder_named_exactly_so(tmp_path):
    for name in ("stage_1", "stage_2", "stage_10", "stage_11_backup", "stage_012", "Stage_13", "stage_"):
        (tmp_path / name).mkdir()
    (tmp_path / "stage_99").write_text("a file")
    assert open_stage(tmp_path).number == 10
    assert open_stage(tmp_path, 2).folder == tmp_path / "stage_2"


def test_file_names_are_those_that_other_tools_read(tmp_path):
    stage = Stage(tmp_path, 3)
    names = [stage.labels, stage.journal, stage.model, stage.epoch_log, stage.report, stage.next.manifest]
    assert [path.name for path in names] == [
        "stage_3_cull_labels.csv",
        "stage_3_cull_journal.jsonl",
        "stage_3_cull_model.pth",
        "stage_3_cull_epoch_log.csv",
        "stage_3_cull_report",
        "stage_4_cull_manifest.csv",
    ]
    assert {path.parent for path in names} == {tmp_path}


def test_without_a_stage_the_error_says_what_to_create(tmp_path):
    with pytest.raises(StageError, match=r"put your photos into .*stage_1"):
        open_stage(tmp_path)
    with pytest.raises(StageError, match="There is no folder"):
        open_stage(tmp_path / "nowhere")
    (tmp_path / "stage_1").mkdir()
    with pytest.raises(StageError, match=r"no stage_4 .* exists: stage_1"):
        open_stage(tmp_path, 4)
    with pytest.raises(StageError, match="is a stage, not a project"):
        open_stage(tmp_path / "stage_1")


def test_a_mistyped_folder_is_told_what_is_there(tmp_path):
    for name in ("Pictures/Wedding", "Pictures/Weekend", "Music"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "Pictures" / "Weding").write_text("a file")
    wedding = tmp_path / "Pictures" / "Wedding"
    for typed, advice in (
        ("Pictures/wedding", rf"Did you mean {wedding}\?"),
        ("Picturs/Wedding", rf"Did you mean {tmp_path / 'Pictures'}\?"),
        ("Pictures/2024", "Check its name, and that its disk is connected."),
    ):
        with pytest.raises(StageError, match=rf"There is no folder {tmp_path / typed}\. {advice}$"):
            open_stage(tmp_path / typed)


def test_keys_are_posix_paths_in_order_and_hidden_files_are_passed_over(tmp_path):
    found = listing_of(tmp_path, "b.JPG", "a/c.png", ".hidden.jpg", ".thumbnails/d.jpg", "notes.txt", "a b,'c.webp")
    assert found.keys == ("a b,'c.webp", "a/c.png", "b.JPG")


def test_companions_go_to_the_photo_whose_name_they_extend(tmp_path):
    found = listing_of(
        tmp_path, "IMG_1.JPG", "IMG_1.CR2", "img_1.xmp", "IMG_1.CR2.xmp", "IMG_1.JPG.txt", "IMG_10.jpg", "x/IMG_1.xmp"
    )
    assert found.keys == ("IMG_1.JPG", "IMG_10.jpg")
    assert found.companions == {"IMG_1.JPG": ("IMG_1.CR2", "IMG_1.CR2.xmp", "IMG_1.JPG.txt", "img_1.xmp")}


def test_a_raw_file_alone_is_a_photo_with_its_own_companions(tmp_path):
    found = listing_of(tmp_path, "IMG_2.NEF", "IMG_2.xmp", "IMG_3.GPR")
    assert found.keys == ("IMG_2.NEF", "IMG_3.GPR")
    assert found.companions == {"IMG_2.NEF": ("IMG_2.xmp",)}


def test_links_that_leave_the_stage_are_left_out_with_a_reason(tmp_path):
    save_photo(tmp_path / "outside.jpg", (1, 2, 3))
    save_photo(tmp_path / "stage_1" / "a.jpg", (1, 2, 3))
    (tmp_path / "stage_1" / "out.jpg").symlink_to(tmp_path / "outside.jpg")
    (tmp_path / "stage_1" / "in.jpg").symlink_to(tmp_path / "stage_1" / "a.jpg")
    (tmp_path / "stage_1" / "loop").symlink_to(tmp_path)
    found = list_photos(Stage(tmp_path, 1))
    assert found.keys == ("a.jpg", "in.jpg")
    assert set(found.left_out) == {"out.jpg", "loop"}
    assert "leaves the stage" in found.left_out["out.jpg"]


def test_an_empty_stage_says_what_to_put_there(tmp_path):
    (tmp_path / "stage_1").mkdir()
    with pytest.raises(StageError, match=r"There are no photos in .*stage_1.* Put JPEG"):
        list_photos(Stage(tmp_path, 1))
    with pytest.raises(StageError, match="There are no photos"):
        listing_of(tmp_path, "notes.txt")
    (tmp_path / "stage_1_garment_journal.jsonl").touch()
    with pytest.raises(StageError, match=r"although some have answers\. .* is a disk not mounted.* 'notes\.txt'"):
        list_photos(Stage(tmp_path, 1))


@pytest.mark.parametrize(
    "key",
    ["a.jpg", "a.b.JPG", ".jpg", "a.", "a..jpg", "d.x/a", "d.x/.jpg", "d/a.jpg", "a.jpg.", "a. jpg", "..jpg", "é.tif"],
)
def test_a_suffix_is_what_pathlib_says(key):
    assert photo_suffix(key) == PurePosixPath(key).suffix.lower()


def test_regular_files_are_listed_without_asking_the_disk_about_each(tmp_path, monkeypatch):
    for number in range(50):
        save_photo(tmp_path / "stage_1" / "folder" / f"{number}.jpg", (1, 2, 3))
    asked = []
    for name in ("stat", "lstat"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda path, *more, real=real, **named: asked.append(path) or real(path, *more, **named)
        )
    assert len(list_photos(Stage(tmp_path, 1)).keys) == 50
    assert not [path for path in asked if str(path).endswith(".jpg")]
