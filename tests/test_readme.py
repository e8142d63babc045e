"""Every command and every line of Python in the README runs as written."""

import re
import shlex
from pathlib import Path

import gradio
import pytest

from imlcull_al import sample
from imlcull_al.checkpoints import BESIDE, DEFAULT_MODEL
from imlcull_al.cli import main
from imlcull_al.desk import Desk
from imlcull_al.labels import Labels
from imlcull_al.project import Stage
from imlcull_al.session import open_session

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def my_project(tmp_path, monkeypatch):
    """A sample project `my_project` in the current folder, and a cache of its own."""
    sample.make_sample(tmp_path / "my_project", photos=48)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("imlcull_al.session.DEFAULT_CACHE_DIR", tmp_path / "cache")
    return tmp_path / "my_project"


def test_the_commands_run(my_project, capsys):
    labels = Labels(Stage(my_project, 1))
    for key, keep in list(sample.truth(my_project).items())[:24]:
        labels.answer(key, "keep" if keep else "cull")
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    commands = [shlex.split(line)[3:] for line in lines if line.startswith("python -m imlcull_al ")]
    assert [words[0] for words in commands] == [
        "label",
        "embed",
        "order",
        "train",
        "score",
        "audit",
        "cull",
        "cull",
        "undo-cull",
    ]
    for words in commands[1:]:  # `label` serves until it is stopped; the browser tests open it
        assert main(words) == 0, words
    assert "stage_2" in capsys.readouterr().out
    (undone,) = my_project.glob("stage_2.undone-*")
    assert undone.is_dir()


def test_the_python_runs(my_project):
    truth = sample.truth(my_project)
    code = blocks("python")[0]
    scope = {"looks_good": lambda path: truth[path.name]}
    exec(compile(code, "README.md", "exec"), scope)
    assert scope["new_stage"].folder == my_project / "stage_2"
    assert scope["new_stage"].folder.is_dir()


def test_the_client_runs(my_project, serve, capsys):
    desk = Desk(open_session(my_project, model="builtin"))
    desk.session.answer(desk.session.order(1)[0].key, "cull")
    code = blocks("python")[1].replace("http://127.0.0.1:5000", serve(desk))
    scope = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert (desk.session.counts().keep, desk.session.counts().cull) == (5, 1)


def test_the_front_matter_is_that_of_this_space():
    front = dict(re.findall(r"^(\w+): (.*)$", README.split("---\n")[1], re.MULTILINE))
    pins = (ROOT / "requirements.txt").read_text()
    assert f"gradio=={front['sdk_version']} " in pins
    assert f"gradio[mcp]=={front['sdk_version']} " in (ROOT / "tests" / "requirements.txt").read_text()
    assert gradio.__version__ == front["sdk_version"]
    assert (front["sdk"], front["license"]) == ("gradio", "mit")
    assert (ROOT / front["app_file"]).is_file()
    assert len(front["short_description"]) <= 60
    assert DEFAULT_MODEL.removesuffix(BESIDE) in README.split("---\n")[1]


def test_the_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for line in (line for block in blocks("bash") for line in block.splitlines()):
        if line.startswith("make "):
            assert f"\n{line.split()[1]}:" in makefile


def test_pictures_exist():
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / name).is_file()
