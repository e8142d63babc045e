"""The commands as a shell over the functions: what they print, and their exit codes."""

import csv
import io
import json

import pytest
from conftest import fingerprint_of, label_of, save_photo

from imlcull_al.cli import commands
from imlcull_al.cli.commands import main
from imlcull_al.project.labels import Labels
from imlcull_al.project.stages import Stage


@pytest.fixture
def labeled(project):
    """The project with 8 of its 12 photos labeled."""
    labels = Labels(Stage(project, 1))
    for name in ("warm_00", "warm_01", "warm_02", "warm_03", "cold_00", "cold_01", "cold_02", "cold_03"):
        labels.answer(f"{name}.jpg", label_of(name))
    return project


DEFAULTS = {
    "label": ["--project", "--stage", "--port", "5000", "--model", "--cache-dir"],
    "embed": ["--project", "--stage", "--model", "--batch-size", "--cache-dir"],
    "order": ["--project", "--stage", "-n"],
    "train": ["256", "64", "0.0001", "default: 8", "0.25", "--seed", "--model"],
    "score": ["--format", "{csv,json}"],
    "cull": ["--dry-run", "{copy,hardlink,reflink}", "--threshold", "0.5"],
    "demo": ["--headless", "7860"],
}


@pytest.mark.parametrize("command", DEFAULTS)
def test_every_command_has_help_with_its_defaults(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(part in text for part in DEFAULTS[command])


def test_a_wrong_command_line_is_exit_code_2(capsys):
    for arguments in (["frobnicate"], ["import"], ["embed"], ["order", "--project", "x", "-n", "0"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_option_may_have_the_name_of_a_command_as_its_value():
    assert commands._spelled_out(["--project", "demo"]) == ["open", "--project", "demo"]
    assert commands._spelled_out(["--project", "demo", "embed"])[0] == "--project"


def test_embed_says_what_was_found_and_computed(run, project):
    assert run("embed", "--project", project)[1].startswith(
        "12 photos in stage_1: 0 found in the cache, 12 computed, 0 unreadable"
    )
    assert "12 found in the cache, 0 computed" in run("embed", "--project", project)[1]


def test_embed_and_cull_say_what_is_no_photo_and_what_stays_behind(run, labeled):
    for name in ("warm_00.CR2", "cold_00.NEF", "retouch.psd", "@eaDir/x.jpg"):
        path = labeled / "stage_1" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    assert run("embed", "--project", labeled)[2].splitlines()[-3:] == [
        "Left out, being neither photos nor companions (2):",
        "  '@eaDir': it is a folder of thumbnails",
        "  'retouch.psd': it is a Photoshop document, which is not read",
    ]
    code, out, err = run("cull", "--project", labeled)
    assert code == 0
    assert "Left out: 'retouch.psd': it is a Photoshop document, which is not read\n" in err
    assert "1 companion file stays behind with culled photos: 'cold_00.NEF'.\n" in err
    assert "photos and 1 companion file," in out


def test_order_prints_p_keep_and_key_most_uncertain_first(run, labeled):
    code, out, _ = run("order", "--project", labeled, "-n", 3)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert len(rows) == 3
    distances = [abs(float(row["p_keep"]) - 0.5) for row in rows]
    assert distances == sorted(distances)
    assert {row["image_name"] for row in rows} <= {f"{name}_0{n}.jpg" for name in ("warm", "cold") for n in (4, 5)}


def test_order_without_labels_lists_photos_and_says_why_there_is_no_score(run, project):
    code, out, err = run("order", "--project", project, "-n", 2)
    assert code == 0
    assert [row["p_keep"] for row in csv.DictReader(io.StringIO(out))] == ["", ""]
    assert "label at least one photo as keep and one as cull" in err


def test_score_prints_csv_and_json_of_the_same_rows(run, labeled):
    rows = list(csv.DictReader(io.StringIO(run("score", "--project", labeled)[1])))
    assert list(rows[0]) == ["image_name", "p_keep", "decision", "reason"]
    assert len(rows) == 12
    assert [row["decision"] for row in rows if row["reason"] == "label"] == ["cull"] * 4 + ["keep"] * 4
    objects = json.loads(run("score", "--project", labeled, "--format", "json")[1])
    assert [(row["image_name"], f"{row['p_keep']}") for row in objects] == [
        (row["image_name"], row["p_keep"]) for row in rows
    ]


@pytest.mark.slow
def test_train_then_score_then_cull(run, labeled, unreported):
    before = fingerprint_of(labeled / "stage_1")
    code, out, err = run("train", "--project", labeled, "--epochs", 2, "--learning-rate", 0.001)
    assert code == 0
    assert "validation photos" in out
    assert "epoch   2 " in err
    code, out, _ = run("cull", "--project", labeled, "--dry-run")
    assert (code, (labeled / "stage_2").exists()) == (0, False)
    assert "8 decided by you, 4 by score at 0.5" in out
    code, out, _ = run("cull", "--project", labeled)
    assert code == 0
    assert "stage_1 is unchanged" in out
    kept = {path.name for path in (labeled / "stage_2").iterdir()}
    assert {"warm_00.jpg", "warm_03.jpg"} <= kept
    assert "cold_00.jpg" not in kept
    assert fingerprint_of(labeled / "stage_1") == before
    code, _, err = run("cull", "--project", labeled, "--stage", 1)
    assert (code, err.startswith("Error: ")) == (1, True)
    assert "12" in run("embed", "--project", labeled, "--stage", 1)[1]


def test_the_latest_stage_is_meant_by_default(run, labeled):
    run("cull", "--project", labeled)
    assert "photos in stage_2" in run("embed", "--project", labeled)[1]


def test_errors_are_one_sentence_and_exit_code_1(run, tmp_path):
    code, out, err = run("embed", "--project", tmp_path / "nowhere")
    assert (code, out) == (1, "")
    assert err.startswith(f"Error: There is no folder {tmp_path / 'nowhere'}.")
    assert len(err.splitlines()) == 1


def test_photos_beside_no_stage_can_be_opened_as_they_are(run, tmp_path):
    save_photo(tmp_path / "holiday" / "a.jpg", (90, 90, 90))
    folder = tmp_path / "holiday"
    assert run("score", "--project", folder)[2] == (
        f"Error: There is no stage folder in {folder}. To begin a project in it, put your photos into "
        f"{folder / 'stage_1'}. To work on photos where they are: imlcull {folder}\n"
    )


def test_a_stage_that_no_cull_made_is_not_to_be_moved_away(project, capsys):
    assert main(["undo-cull", "--project", str(project)]) == 1
    assert capsys.readouterr().err == (
        "Error: There is no cull to undo: stage_1_cull_manifest.csv is missing, so no cull made "
        f"{project / 'stage_1'}.\n"
    )


@pytest.mark.slow
def test_that_the_model_is_out_of_reach_is_said_with_its_scores(labeled, cache_dir, capsys):
    for command in ("order", "score", "embed"):
        options = ["--project", str(labeled), "--cache-dir", str(cache_dir)]
        assert main([command, *options, "--model", "nobody/has-this-model"]) == 0
        assert "scores come from the built-in encoder alone" in capsys.readouterr().err
        assert main([command, *options, "--model", "builtin"]) == 0
        assert "Note" not in capsys.readouterr().err


def test_a_cull_is_taken_back(run, project, cache_dir):
    for key in ("warm_00.jpg", "cold_00.jpg"):
        Labels(Stage(project, 1)).answer(key, label_of(key))
    assert run("cull", "--project", project)[0] == 0
    made = fingerprint_of(project / "stage_2")
    parser = ["undo-cull", "--project", str(project)]
    assert main(parser) == 0
    (aside,) = project.glob("stage_2.undone-*")
    assert fingerprint_of(aside) == made
    assert not (project / "stage_2").exists()
    assert main(parser) == 1  # stage_1 was made by nobody here
    assert (project / "stage_1").is_dir()


def test_no_name_acts_on_the_terminal_that_shows_results(run, labeled, monkeypatch):
    name = "\x1b]0;owned\x07.jpg"
    (labeled / "stage_1" / "cold_05.jpg").rename(labeled / "stage_1" / name)
    piped = run("order", "--project", labeled)[1]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    shown = run("order", "--project", labeled)[1]
    assert name in piped
    assert "\x1b" not in shown
    assert "\\x1b]0;owned\\x07.jpg" in shown
