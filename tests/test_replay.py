"""A photographer with known answers: what is played, measured, written and refused."""

import csv
import io
import math
import re
import shutil
from pathlib import Path

import pytest
from conftest import COLD, WARM, fingerprint_of, label_of, save_photo

from imlcull_al.cli.commands import main
from imlcull_al.errors import ReplayRefused, StorageError
from imlcull_al.project import tables
from imlcull_al.project.labels import Labels
from imlcull_al.project.stages import Stage
from imlcull_al.session.session import Session
from imlcull_al.simulate import replay as module
from imlcull_al.simulate.minutes import Pace
from imlcull_al.simulate.replay import Measured, Rules, replay

pytestmark = pytest.mark.slow
SHORT = Rules(budget=16, step=4, seeds=2)


@pytest.fixture(scope="module")
def shoot(tmp_path_factory) -> Path:
    """A project of 20 warm and 28 cold photos, answers of its own, and `truth.csv`: warm ones are kept."""
    root = tmp_path_factory.mktemp("shoot")
    for number in range(48):
        name, colour = ("warm", WARM) if number % 12 < 5 else ("cold", COLD)
        save_photo(root / "project" / "stage_1" / f"{number:02}_{name}.jpg", colour, seed=number)
    Labels(Stage(root / "project", 1)).answer("00_warm.jpg", "cull")
    rows = [
        {"image_name": path.name, "keep": label_of(path.name), "burst": f"b{int(path.name[:2]) // 4}"}
        for path in sorted((root / "project" / "stage_1").iterdir())
    ]
    tables.write(root / "truth.csv", ("image_name", "keep", "burst"), rows)
    return root


@pytest.fixture(scope="module")
def embedded(shoot) -> Path:
    return shoot / "cache"


@pytest.fixture
def play(shoot, embedded, tiny_model, tmp_path):
    """Play the shoot; a truth may be given as text."""

    def play(rules: Rules = SHORT, truth: str | None = None, out: Path = tmp_path / "curve.csv", **more):
        if truth is not None:
            (tmp_path / "truth.csv").write_text(truth)
        table = shoot / "truth.csv" if truth is None else tmp_path / "truth.csv"
        return replay(shoot / "project", table, out, rules, model=str(tiny_model), cache_dir=embedded, **more)

    return play


def test_the_table_has_a_row_for_each_strategy_seed_and_step(play, shoot):
    before = fingerprint_of(shoot / "project")
    seen: list[tuple[str, int, int]] = []
    outcome = play(progress=lambda *step: seen.append(step))
    rows = list(csv.DictReader(io.StringIO(outcome.table.read_text())))
    assert list(rows[0]) == [
        "strategy", "seed", "labels", "average_precision", "auroc", "accuracy", "balanced_accuracy",
    ]  # fmt: skip
    assert [(row["strategy"], row["seed"], row["labels"]) for row in rows] == [
        (name, seed, labels) for seed in "01" for name in ("default", "random") for labels in ("4", "8", "12", "16")
    ]
    assert all(0 <= float(row[column]) <= 1 for row in rows for column in Measured._fields[3:])
    assert float(rows[-1]["average_precision"]) > 0.9  # warm or cold is easily seen
    assert outcome.plot.read_bytes().startswith(b"\x89PNG")
    assert outcome.plot == outcome.table.with_suffix(".png")
    assert seen[-1] == ("replaying", 64, 64)
    assert fingerprint_of(shoot / "project") == before  # the labels of the project too


def test_the_same_seeds_give_the_same_table(play, tmp_path):
    first = play().table.read_bytes()
    assert play(out=tmp_path / "again.csv").table.read_bytes() == first


def test_the_app_s_own_session_asks_and_audited_photos_measure(play, monkeypatch):
    asked: dict[str, list] = {}
    answer = Session.answer

    def listen(self, key, label, queue=None):
        shown = self._visitors.asked_in(key) if queue is None else queue
        asked.setdefault(self.stage.project.name, []).append((key, label, shown))
        answer(self, key, label, queue)

    monkeypatch.setattr(Session, "answer", listen)
    play(Rules(budget=30, step=10, seeds=1))
    assert sorted(asked) == ["default_0", "random_0"]
    assert {queue for _, _, queue in asked["default_0"]} == {"uncertain", "audit"}
    assert {queue for _, _, queue in asked["random_0"]} == {"files"}
    for answers in asked.values():
        keys = [key for key, _, _ in answers]
        assert len(set(keys)) == 30
        assert all(label == label_of(key) for key, label, _ in answers)
        bursts = {int(key[:2]) // 4 for key in keys}
        assert len(bursts) == 8  # of 12: whole bursts are held out, and 30 of 32 others were asked


def test_uncertainty_asks_what_is_nearest_a_half(play, monkeypatch):
    distances = []
    answer = Session.answer

    def listen(self, key, label, queue=None):
        open_ones = [each for each in self.survey() if each.label is None and each.p_keep is not None]
        if self.stage.project.name == "uncertainty_0" and len(self.labels()) >= 20 and open_ones:
            mine = abs(self.photo(key).p_keep - 0.5)
            distances.append(sum(abs(each.p_keep - 0.5) < mine for each in open_ones))
        answer(self, key, label, queue)

    monkeypatch.setattr(Session, "answer", listen)
    outcome = play(Rules(strategy="uncertainty", budget=30, step=10, seeds=1))
    assert outcome.strategies == ["uncertainty", "random"]
    held_out = 16
    assert len(distances) == 10
    assert max(distances) <= held_out  # only those held out may be nearer


def test_what_is_left_out_is_counted_and_said(play, shoot):
    lines = (shoot / "truth.csv").read_text().splitlines()
    said: list[str] = []
    outcome = play(
        Rules(budget=500, step=5, seeds=1),
        "\n".join([*lines[:41], "gone.jpg,keep,b1", "lost.jpg,cull,b1"]),
        say=said.append,
    )
    text = "\n".join(said)
    assert "8 photos without a known answer are left out" in text
    assert "2 known answers name a photo that is not in the stage" in text
    assert "the budget is 28, not 500" in text
    assert "40 photos with a known answer: 19 keepers (48%), 21 culls" in outcome.summary


def test_without_a_group_column_the_session_s_bursts_are_held_out(play, shoot):
    text = "".join(line.rpartition(",")[0] + "\n" for line in (shoot / "truth.csv").read_text().splitlines())
    assert "by the bursts found in the photos" in play(Rules(budget=4, step=4, seeds=1), text).summary


def test_a_random_replay_plays_random_alone(play):
    outcome = play(Rules(strategy="random", budget=8, step=4, seeds=1))
    assert outcome.strategies == ["random"]
    assert "Photos drawn at random: average precision" in outcome.summary


def test_what_was_finished_is_kept(play, monkeypatch, tmp_path):
    started = []

    def stopping(session, cast, strategy, seed):
        started.append(session.stage.project)
        if seed == 1:
            raise KeyboardInterrupt
        return iter([*whole(session, cast, strategy, seed)])

    whole = module._play
    monkeypatch.setattr(module, "_play", stopping)
    with pytest.raises(KeyboardInterrupt):
        play()
    assert {row.values["seed"] for row in tables.read(tmp_path / "curve.csv")[1]} == {"0"}
    assert not any(folder.exists() for folder in started)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("keep", "verdict", 1), "has no column 'keep', only image_name, verdict, burst"),
        (lambda text: text.replace("image_name", "file"), "has no column 'image_name'"),
        (lambda text: text.replace("01_warm.jpg,keep", "01_warm.jpg,maybe"), "line 3: 'maybe' in the column keep"),
        (lambda text: text.replace("01_warm.jpg,keep", "01_warm.jpg,"), "line 3: '' in the column keep"),
        (lambda text: text.replace("01_warm.jpg", ""), "line 3: no photo is named"),
        (lambda text: text + "01_warm.jpg,cull,b0\n", "gives 01_warm.jpg two labels, on lines 3 and 50"),
        (lambda text: text.replace("warm.jpg,keep", "warm.jpg,no"), "All 48 answers .* are cull"),
        (lambda text: "\n".join(text.splitlines()[:8]), "for 7 photos .* needs 10 or more"),
        (lambda text: text.replace(".jpg", ".png"), "It names '00_warm.png'; the stage holds '00_warm.jpg'"),
        (lambda text: "", "only an empty first line"),
        (lambda text: re.sub(r",b\d+", ",one", text), "No 30% of the photos can be held out in whole groups .burst."),
    ],
)
def test_a_truth_that_can_t_be_played_is_a_sentence(play, shoot, change, reason):
    text = change((shoot / "truth.csv").read_text())
    with pytest.raises(ReplayRefused, match=reason):
        play(truth=text)


def test_a_place_where_something_would_be_lost_is_refused(play, shoot, tmp_path):
    with pytest.raises(ReplayRefused, match="is among the photos"):
        play(out=shoot / "project" / "stage_1" / "curve.csv")
    with pytest.raises(ReplayRefused, match="is not a replay curve"):
        play(out=shoot / "truth.csv")
    save_photo(tmp_path / "a.png", WARM)
    with pytest.raises(ReplayRefused, match="is not a replay curve"):
        play(out=tmp_path / "a.csv")
    for out in (tmp_path / "nowhere" / "curve.csv", tmp_path / "curve.png"):
        with pytest.raises(ReplayRefused, match=r"Name a \.csv file in a folder that exists"):
            play(out=out)
    with pytest.raises(StorageError, match="Could not read"):
        replay(shoot / "project", tmp_path / "no.csv", tmp_path / "curve.csv", SHORT)


@pytest.mark.parametrize(
    "rules", [Rules(held_out=1.5), Rules(held_out=math.nan), Rules(step=0), Rules(strategy="best")]
)
def test_rules_that_can_t_be_played_are_refused(play, rules):
    with pytest.raises(ReplayRefused):
        play(rules)


def test_the_command_prints_the_summary(shoot, embedded, tiny_model, tmp_path, capsys):
    out = tmp_path / "curve.csv"
    words = ["replay", "--project", shoot / "project", "--truth", shoot / "truth.csv", "--budget", 12, "--step", 4]
    more = ["--seeds", 2, "--model", tiny_model, "--cache-dir", embedded, "--out", out]
    assert main([str(word) for word in words + more]) == 0
    printed = capsys.readouterr().out
    assert "After 12 labels, on held-out photos" in printed
    assert "average precision of default minus random" in printed
    assert "match random" in printed
    assert "20 keepers (42%)" in printed
    assert out.exists()
    assert main([str(word) for word in [*words[:3], "--truth", out, *more]]) == 1
    assert capsys.readouterr().err.startswith(f"Error: {out} has no column 'image_name'")


def test_a_person_is_timed_beside_the_labels(play):
    text = play(Rules(budget=4, step=4, seeds=1, pace=Pace(3, 1, answers=12))).by_clock
    assert "at most 5% of the keepers, at 3 s a photo and 1 s on a sheet" in text
    assert "looking at all   2.4 one by one, 0.8 on sheets" in text
    in_truth, certified = map(float, re.search(r"as the app asks  (\S+) in truth, (\S+) until", text).groups())
    assert 0.5 <= in_truth <= certified <= 2.4
    assert play(Rules(budget=4, step=4, seeds=1)).by_clock == ""


def test_a_person_is_timed_only_where_all_answers_are_known(play):
    some = "image_name,keep\n" + "".join(
        f"{number:02}_{'warm' if number % 12 < 5 else 'cold'}.jpg,{int(number % 12 < 5)}\n" for number in range(40)
    )
    with pytest.raises(ReplayRefused, match="8 photos without a known answer"):
        play(Rules(budget=4, step=4, seeds=1, pace=Pace()), some)


def test_a_labels_file_is_a_truth_too(shoot, embedded, tiny_model, tmp_path):
    project = tmp_path / "copy"
    shutil.copytree(shoot / "project" / "stage_1", project / "stage_1")
    labels = Labels(Stage(project, 1))
    for path in sorted((project / "stage_1").iterdir()):
        labels.answer(path.name, label_of(path.name))
    before = fingerprint_of(project)
    outcome = replay(
        project,
        Stage(project, 1).labels,
        tmp_path / "curve.csv",
        Rules(keep_column="label", budget=4, step=4, seeds=1),
        model=str(tiny_model),
        cache_dir=embedded,
    )
    assert len(outcome.rows) == 2
    assert fingerprint_of(project) == before


def test_the_command_has_help_with_its_defaults(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["replay", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for part in ("--truth", "default: keep", "{default,random,uncertainty}", "320", "20", "10", "0.3", "curve.csv"):
        assert part in text
