"""Every command and every line of Python in the README and in the model card runs as written, on a fresh project."""

import ast
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import gradio
import pytest
import torch
from safetensors.torch import load_file

from imlcull_al.cli.commands import main
from imlcull_al.encoding.builtin import QUALITIES
from imlcull_al.encoding.load import BESIDE, DEFAULT_MODEL
from imlcull_al.photos import tiles
from imlcull_al.project.labels import Labels
from imlcull_al.project.stages import Stage
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.simulate import sample
from recipe import __main__ as recipe
from recipe import sources
from recipe.__main__ import Recipe

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CARD = (ROOT / "imlcull_al" / "builtin" / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def my_project(tmp_path, monkeypatch):
    """A sample project `my_project` in the current folder, and a cache of its own."""
    sample.make_sample(tmp_path / "my_project", photos=48)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("imlcull_al.session.session.DEFAULT_CACHE_DIR", tmp_path / "cache")
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


def test_the_client_runs_on_a_fresh_project(my_project, serve):
    """As a newcomer has it: the page is open, embeddings are being computed, nothing is answered."""
    desk = Desk(open_session(my_project, model="builtin", prepare=False))
    code = blocks("python")[1].replace("http://127.0.0.1:5000", serve(desk))
    desk.embed()
    planned = evaluated(code)
    assert planned["made"] is None
    assert planned["kept"] + planned["culled"] == 48
    assert (desk.session.counts().keep, desk.session.counts().cull) == (2, 2)


def evaluated(code: str) -> Any:
    """Run statements; what the last of them, an expression, is."""
    *statements, last = ast.parse(code).body
    scope: dict[str, Any] = {}
    exec(compile(ast.Module(statements, []), "README.md", "exec"), scope)
    return eval(compile(ast.Expression(last.value), "README.md", "eval"), scope)


def test_the_code_of_the_model_card_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    config = json.loads((ROOT / "imlcull_al" / "builtin" / "config.json").read_text())
    (code,) = blocks("python", CARD)
    *_, whole, tiles = [line for line in code.splitlines() if "model(" in line]
    side = config["image_size"]
    assert f"(B, 3, {side}, {side})" in whole and f"(B, 3, {side}, {side})" in tiles
    scope = {"pixels": torch.rand(2, 3, side, side) * 2 - 1, "tiles": torch.rand(8, 3, side, side) * 2 - 1}
    exec(compile(code, "imlcull_al/builtin/README.md", "exec"), scope)
    assert scope["output"].last_hidden_state[:, 0].shape == (2, config["hidden_size"])
    assert scope["output"].pooler_output.shape == (2, len(QUALITIES))
    assert scope["model"](scope["tiles"]).pooler_output.shape == (8, len(QUALITIES))


def test_the_model_card_describes_its_files():
    folder = ROOT / "imlcull_al" / "builtin"
    config = json.loads((folder / "config.json").read_text())
    card = " ".join(CARD.split())
    weights = sum(tensor.numel() for tensor in load_file(folder / "model.safetensors").values())
    size = (folder / "model.safetensors").stat().st_size
    side = json.loads((folder / "preprocessor_config.json").read_text())["size"]["height"]
    assert f"of {weights / 1e6:.1f} million weights" in card
    assert (
        f"({config['num_hidden_layers']} blocks, {config['hidden_size']} channels, patches of {config['patch_size']} "
        f"pixels, {side} × {side} input; half precision, {size / 1e6:.1f} MB)"
    ) in card
    assert (config["dtype"], config["image_size"], config["pooler_output_size"]) == ("float16", side, len(QUALITIES))
    assert f"(B, {config['pooler_output_size']}) {', '.join(QUALITIES)}" in card
    assert f"and of four tiles of {tiles.SIDE} pixels in full resolution" in card
    assert tiles.COUNT == 4


def test_the_recipe_of_the_model_card_is_a_command_and_its_numbers_are_the_defaults(monkeypatch, capsys):
    (line,) = [line.partition("#")[0] for line in "".join(blocks("bash", CARD)).splitlines()]
    python, minus_m, module, *options = shlex.split(line)
    assert (python, minus_m, module) == ("python", "-m", "recipe")
    asked = []
    monkeypatch.setattr(sys, "argv", ["recipe", *options])
    monkeypatch.setattr(recipe, "trained", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(recipe, "export", lambda *_: None)
    monkeypatch.setattr(recipe, "plot", lambda *_: None)
    recipe.main()
    ((chosen, photos, teacher, _, _),) = asked
    assert (chosen, photos, teacher) == (Recipe(), Path("PHOTOS"), Path("VIT_TINY_FOLDER"))
    text = " ".join(CARD.split())
    assert f"{chosen.views:,} views and {chosen.frames:,} frames with two tiles each" in text
    assert f"{sources.GENERATED} generated images" in text


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
