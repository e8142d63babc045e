"""Several processes at one training: what they come to, what only the main one does, and that none outwaits a dead one.

The processes are real ones, which meet on this machine through gloo.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import forked
import numpy as np
import pytest
from conftest import fill_stage
from hypothesis import given
from hypothesis import strategies as st

from imlcull_al.encoding.load import BESIDE
from imlcull_al.errors import TrainingError
from imlcull_al.learning import model
from imlcull_al.project import tables
from imlcull_al.project.files import is_locked
from imlcull_al.project.labels import Labels
from imlcull_al.project.stages import Stage
from imlcull_al.training import processes
from imlcull_al.training.processes import Alone, Together

pytest.importorskip("accelerate")

ROOT = Path(__file__).parents[1]
BOUND = 300  # seconds for what takes twenty, or less
EXACT = """
from imlcull_al import cli
from imlcull_al.encoding import backbone
backbone._has_bfloat16 = lambda device: False
"""
RUN = "import sys; sys.exit(cli.main(sys.argv[1:]))"
IN_EPOCH_2 = """
from imlcull_al.training.epoch_loop import FineTuning
evaluate, epochs = FineTuning._evaluate, []
def counted(self, photos):
    epochs.append(evaluate(self, photos))
    if len(epochs) == 2:
        {happens}
    return epochs[-1]
FineTuning._evaluate = counted
"""
DIES = EXACT + IN_EPOCH_2.format(happens="import os, signal; os.kill(os.getpid(), signal.SIGKILL)") + RUN
ALL_BETTER = "from imlcull_al.training.options import Epoch; Epoch.better_than = lambda self, other: True\n"
PLAYS = (
    EXACT
    + """
import contextlib, io, json, sys
from imlcull_al.training import processes
for code, words in json.loads(sys.argv[1]):
    out, err, ended = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            exec(code, {"cli": cli, "processes": processes, "sys": sys, "words": words})
        except SystemExit as end:
            ended = end.code
    print(json.dumps([ended, out.getvalue(), err.getvalue()]), flush=True)
"""
)
TRAINS = "sys.exit(cli.main(words))"
UNREPORTED = """
from imlcull_al.training import report
report.write_report = lambda *arguments, **named: []
"""
"""From now on, no training of these processes draws plots, which take longer than its epochs."""
TAGS = """
from pathlib import Path
from imlcull_al.encoding.load import load_encoder
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import Task
from imlcull_al.training.options import Options
from imlcull_al.training.train import train
stage, task = Stage(Path(words[2]), 1, task="notes"), Task("notes", ("warm", "even"), exclusive=False)
tags = {path.name: {"warm": "warm" in path.name, "even": int(path.stem[-1]) % 2 == 0}
        for path in stage.folder.iterdir() if "99" not in path.name}
labels = {name: task.label_of(all_of if all_of["even"] else {"warm": all_of["warm"]})
          for name, all_of in sorted(tags.items())} | {"warm_01.jpg": "even=0", "cold_01.jpg": "even=0"}
done = train(stage, load_encoder(words[4]), labels, Options(epochs=3, batch_size=5, learning_rate=1e-3), task=task)
print(done.summary)
"""
STOPS = """
from imlcull_al.training.options import Epoch, Options
from imlcull_al.session.session import open_session
session = open_session(words[2], model=words[4], cache_dir=words[6], prepare=False)
seen = []
done = session.train(Options(epochs=50, learning_rate=1e-3, patience=50), stop=lambda: len(seen) >= 3,
                     on_epoch=lambda epoch, best: seen.append(epoch))
assert processes.is_helper() == (not seen)
print(done.ended, len(done.epochs), "helper" if processes.is_helper() else "main")
"""
RAISES = "if processes.is_helper():" + IN_EPOCH_2.format(happens="raise RuntimeError('a defect')").replace(
    "\n", "\n    "
)
SAME = {  # 12 photos are trained on
    "shares of 3 and 2, then of 1 and 1": ("--batch-size", "5"),
    "shares of 6 and 5, then of 1 and none": ("--batch-size", "11", "--train-blocks", "1"),
    "beside the built-in encoder": ("--model", f"{{}}{BESIDE}", "--epochs", "2"),
    "one block beside it": ("--model", f"{{}}{BESIDE}", "--epochs", "2", "--train-blocks", "1"),
}
TURNS = {
    **{name: (TRAINS, options) for name, options in SAME.items()},
    "tags": (TAGS, ()),
    "a stop": (UNREPORTED + STOPS, ()),
    "one label": (TRAINS, ()),
    "a defect in the helper": (f"{RAISES}\n{TRAINS}", ()),
}
"""Trainings that the same two processes play one after the other: a name → the code, and options of the command."""


def labeled(project):
    """Eight warm photos that are kept and nine cold ones that are culled, one of them unreadable."""
    stage = Stage(project, 1)
    fill_stage(stage.folder, warm=8, cold=8)
    (stage.folder / "cold_99.jpg").write_bytes(b"broken")
    Labels(stage).answer_all([f"warm_{number:02}.jpg" for number in range(8)], "keep")
    Labels(stage).answer_all([path.name for path in sorted(stage.folder.glob("cold*"))], "cull")
    return stage


def command_for(stage, model, *options):
    places = [
        "--project",
        str(stage.project),
        "--model",
        str(model),
        "--cache-dir",
        str(stage.project.parent / "cache"),
    ]
    words = ["train", *places, "--epochs", "4", "--learning-rate", "1e-3", "--patience", "4"]
    return [*words, *(option.format(model) for option in options)]


@pytest.fixture
def stage(tmp_path):
    return labeled(tmp_path / "project")


@pytest.fixture
def command(stage, tiny_model):
    return command_for(stage, tiny_model)


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """A stage of its own for each of `TURNS`."""
    root = tmp_path_factory.mktemp("turns")
    stages = {name: labeled(root / name) for name in TURNS}
    labels = stages["one label"].labels.read_text().splitlines()
    stages["one label"].journal.unlink()
    stages["one label"].labels.write_text("\n".join(labels[:2]) + "\n")
    return stages


@pytest.fixture(scope="module")
def played(stages, tiny_model, launch):
    """Of each of `TURNS`, how it ended in the main process and in the helper."""
    turns = [(code, command_for(stages[name], tiny_model, *options)) for name, (code, options) in TURNS.items()]
    ended = launch([json.dumps(turns)], PLAYS, PLAYS)
    told = [[Ended(*json.loads(line)) for line in each.out.splitlines()] for each in ended]
    told[1].append(ended[1]._replace(out=""))  # the defect ended it
    return dict(zip(TURNS, zip(*told, strict=True), strict=True))


@pytest.fixture(scope="module")
def alone(tmp_path_factory, tiny_model, launch):
    """A stage for each of `SAME`, and for tags, trained by one process."""
    root = tmp_path_factory.mktemp("alone")
    stages = {name: labeled(root / name) for name in ("tags", *SAME)}  # tags have a report to compare
    codes = {"tags": TAGS, **dict.fromkeys(SAME, UNREPORTED + TRAINS)}
    turns = [(code, command_for(stages[name], tiny_model, *TURNS[name][1])) for name, code in codes.items()]
    (ended,) = launch([json.dumps(turns)], PLAYS)
    assert [json.loads(line)[0] for line in ended.out.splitlines()] == [0] * len(turns), ended
    return stages


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    """`launch(words, main, helper)`: what processes of one training come to, each `Ended`; none is waited for longer
    than `BOUND`. One code: a training of one process.
    """

    def launch(words, *codes):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        together = {"WORLD_SIZE": str(len(codes)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        folders = [tmp_path_factory.mktemp("process") for _ in codes]
        running = [
            forked.start(code, words, {**together, "RANK": str(number), "LOCAL_RANK": str(number)}, folder)
            for number, (code, folder) in enumerate(zip(codes, folders, strict=True))
        ]
        for process in running:
            process.join(BOUND)
            process.kill()
            process.join()
        told = [[(folder / name).read_text() for name in ("out", "err")] for folder in folders]
        return [Ended(process.exitcode, *each) for process, each in zip(running, told, strict=True)]

    return launch


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    out: str
    err: str


def log_of(stage):
    """(epochs, 4) float64: epoch,train_loss,val_loss,val_accuracy."""
    return np.array([[float(row[name]) for name in row] for _, row in tables.read(stage.epoch_log)[1]])


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
def test_two_processes_come_to_what_one_comes_to(alone, stages, played, name):
    here, there = model.load(alone[name].model), model.load(stages[name].model)
    (code, out, err), helper = played[name]
    assert (code, helper[0]) == (0, 0), err + helper[2]
    assert "Training in 2 processes" in err
    assert "is saved" in out
    assert (helper[1], "epoch" in helper[2]) == ("", False)
    assert log_of(stages[name]) == pytest.approx(log_of(alone[name]), abs=2e-5)
    assert there.epoch == here.epoch
    assert there.encoder.views.tiles == here.encoder.views.tiles == (BESIDE in str(SAME[name]))
    assert (stages[name].report / "curves.png").is_file()
    assert not stages[name].unfinished.exists()


@pytest.mark.slow
def test_two_processes_learn_the_same_tags_as_one(alone, stages, played):
    (code, out, err), helper = played["tags"]
    assert (code, helper[0]) == (0, 0), err + helper[2]
    assert "of the tags of the" in out
    here, there = (replace(each["tags"], task="notes") for each in (alone, stages))
    assert len(log_of(there)) == 3
    assert log_of(there) == pytest.approx(log_of(here), abs=2e-5)
    assert (there.report / "tags.csv").read_text() == (here.report / "tags.csv").read_text()


@pytest.mark.slow
def test_a_stop_that_the_main_process_hears_ends_both_at_the_same_step(played):
    main, helper = played["a stop"]
    assert (main[0], helper[0]) == (0, 0), main[2] + helper[2]
    assert main[1].split() == ["stopped", "on", "request", "2", "main"]
    assert helper[1].split() == ["stopped", "on", "request", "2", "helper"]


@pytest.mark.slow
def test_an_error_before_the_first_exchange_ends_both(played):
    main, helper = played["one label"]
    assert (main[0], helper[0]) == (1, 1)
    assert "Training needs at least 2 readable photos of each class" in main[2]


@pytest.mark.slow
def test_an_error_in_one_process_ends_the_other(played):
    main, helper = played["a defect in the helper"]
    assert helper[0] == 1
    assert "a defect" in helper[2]
    assert main[0] == 1
    assert "Another process of this training ended early" in main[2]


@pytest.mark.slow
@pytest.mark.parametrize(("codes", "survivor"), [((EXACT + ALL_BETTER + RUN, DIES), 0), ((DIES, EXACT + RUN), 1)])
def test_a_process_that_is_killed_ends_the_other(stage, command, launch, codes, survivor):
    ended = launch(command, *codes)
    assert ended[1 - survivor].code == -signal.SIGKILL
    assert ended[survivor].code == 1
    assert "Another process of this training ended early" in ended[survivor].err
    assert not is_locked(stage.training_lock)
    if survivor == 0:  # what was better before is kept, as after any other end
        assert model.load(stage.model).epoch in (1, 2)
        assert not stage.unfinished.exists()


@pytest.mark.slow
def test_one_command_starts_both(stage, command):
    words = [sys.executable, "-m", "imlcull_al", *command, "--epochs", "1", "--processes", "2"]
    done = subprocess.run(words, cwd=ROOT, timeout=BOUND, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Training in 2 processes" in done.stderr
    assert done.stdout.count("is saved") == 1
    assert len(log_of(stage)) == 1


def test_nothing_is_started_for_one_process_or_in_one_of_several(monkeypatch):
    monkeypatch.setattr(os, "execv", lambda *arguments: pytest.fail("started"))
    processes.start(1, ["train"])
    monkeypatch.setenv("WORLD_SIZE", "2")
    processes.start(2, ["train"])


def test_processes_share_the_cores(monkeypatch):
    started = []
    monkeypatch.setattr(os, "execv", lambda program, words: started.append(words))
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "false")
    monkeypatch.setattr("imlcull_al.parallel._threads", 16)
    processes.start(2, ["train", "--project", "p"])
    (words,) = started
    assert words[words.index("--nproc_per_node") + 1 :] == ["2", "-m", "imlcull_al", "train", "--project", "p"]
    assert os.environ["OMP_NUM_THREADS"] == "8"
    assert os.environ["ACCELERATE_USE_CPU"] == "true"  # there are fewer GPUs than processes


def test_a_launcher_that_started_one_process_is_refused(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(TrainingError, match="train --processes N"):
        processes.start(1, ["train"])


def test_without_accelerate_it_says_what_to_install(monkeypatch):
    assert isinstance(processes.joined(), Alone)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(TrainingError, match=r"one of 2 processes.*pip install -r .*requirements-cluster\.txt"):
        processes.joined()


@given(st.integers(0, 70), st.integers(1, 9))
def test_shares_are_everything_in_order(total, count):
    shares = []
    for number in range(count):
        process = object.__new__(Together)
        process.count, process._number = count, number
        shares.append(list(range(total))[process.share(total)])
    assert [item for share in shares for item in share] == list(range(total))
    assert max(map(len, shares)) == -(-total // count)
