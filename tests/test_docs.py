"""Every command and every line of Python in the README, the docs and the model card runs as written."""

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

import gradio
import pytest
import torch
from safetensors.torch import load_file

import app
from imlcull_al.cli.commands import main
from imlcull_al.encoding.builtin import QUALITIES
from imlcull_al.encoding.load import BESIDE, DEFAULT_MODEL
from imlcull_al.learning.queues import QUEUES
from imlcull_al.photos import tiles
from imlcull_al.project.labels import Labels
from imlcull_al.project.settings import open_task
from imlcull_al.project.stages import Stage
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import Session, open_session
from imlcull_al.simulate import sample
from imlcull_al.training.epoch_loop import FineTuning
from imlcull_al.training.options import Epoch
from imlcull_al.ui import api
from recipe import __main__ as recipe
from recipe import sources
from recipe.__main__ import Recipe

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CARD = (ROOT / "imlcull_al" / "builtin" / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MOST_WORDS = 1200
PHOTOS = 24
"""Of the sample that the commands work on."""
COMMAND = "python -m imlcull_al "
ANY_FOLDER = "~/Pictures/Wedding"
LATER = (ANY_FOLDER, "label", "demo", "replay")
"""Commands that have a test of their own below."""


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def python_of(page: str) -> str:
    (code,) = blocks("python", (ROOT / "docs" / page).read_text(encoding="utf-8"))
    return code


def lines() -> list[str]:
    """The lines of all blocks that are for a shell, page by page, the README first; each once."""
    return list(
        dict.fromkeys(
            line
            for page in PAGES
            for block in blocks("bash", page.read_text(encoding="utf-8"))
            for line in block.splitlines()
        )
    )


def commands(*names: str) -> list[list[str]]:
    """The words after `python -m imlcull_al` of the lines that begin so; only those of these commands, if any."""
    words = [shlex.split(line.removeprefix(COMMAND)) for line in lines() if line.startswith(COMMAND)]
    return [each for each in words if not names or each[0] in names]


@pytest.fixture(scope="module")
def sample_project(tmp_path_factory):
    """A sample project."""
    folder = tmp_path_factory.mktemp("sample") / "my_project"
    sample.make_sample(folder, photos=PHOTOS)
    return folder


@pytest.fixture
def my_project(sample_project, tmp_path, monkeypatch):
    """A copy of the sample project as `my_project` in the current folder, and a cache of its own."""
    shutil.copytree(sample_project, tmp_path / "my_project")
    monkeypatch.chdir(tmp_path)
    for module in ("session.session", "cli.commands"):
        monkeypatch.setattr(f"imlcull_al.{module}.DEFAULT_CACHE_DIR", tmp_path / "cache")
    return tmp_path / "my_project"


def put_files_of_others(project):
    """The class folders, text files and tables that the docs name, of photos of a project and beside it."""
    photos = sorted(sample.truth(project))
    folders = ("garments/shirt", "garments/dress", "garments/shoe", "species/deer", "species/fox", "pictures/cat")
    for folder, key in zip(folders, photos, strict=False):
        (project.parent / folder).mkdir(parents=True)
        shutil.copy(project / "stage_1" / key, project.parent / folder)
    for tags, key in zip(("red\nstriped", "", "red\n", "striped"), photos, strict=False):
        (project / "stage_1" / f"{key}.txt").write_text(tags, encoding="utf-8")
    with zipfile.ZipFile(project.with_name("card.zip"), "w") as card:
        card.write(project / "stage_1" / photos[0], "DCIM/IMG_1.jpg")
    project.with_name("whitelist.txt").write_text("red\n", encoding="utf-8")
    species = [f"{key},,{name}" for name, key in zip(("deer", "fox", ""), photos, strict=False)]
    project.with_name("labels.csv").write_text("\n".join(["File,RelativePath,Species", *species]), encoding="utf-8")


@pytest.fixture
def launched(monkeypatch):
    """What was asked to serve a page, which would go on until it is stopped; the browser tests open it."""
    asked = []
    for name in ("launch", "launch_public"):
        monkeypatch.setattr(
            f"imlcull_al.ui.{name}", lambda *given, name=name, **named: asked.append((name, given, named))
        )
    return asked


def test_every_line_for_a_shell_is_tried_here():
    known = (COMMAND, "make ", "python -m pip install ", "python -m benchmarks.", "SPACE_ID=", "curl ")
    assert [line for line in lines() if not line.startswith(known)] == []


@pytest.mark.slow
def test_the_commands_run(my_project, monkeypatch, capsys, unreported):
    """The README's, in its order, then those of the docs."""
    labels = Labels(Stage(my_project, 1))
    for key, keep in list(sample.truth(my_project).items())[::2]:
        labels.answer(key, "keep" if keep else "cull")
    garment = open_task(my_project, "garment", ["shirt", "dress", "shoe"])
    classes = Labels(Stage(my_project, 1, task="garment"), garment)
    for number, key in enumerate(sorted(sample.truth(my_project))[: PHOTOS // 2]):
        classes.answer(key, garment.classes[number % 3])
    shutil.copytree(my_project, my_project.with_name("last_project"))
    photo = sorted(sample.truth(my_project))[0]
    sidecars = my_project.with_name("sidecars_of_the_laptop")
    sidecars.mkdir()
    shutil.copy(ROOT / "tests/sidecars/IMG_0001.xmp", sidecars / Path(photo).with_suffix(".xmp").name)
    put_files_of_others(my_project)
    results = {"images": [{"file": photo, "detections": []}]}
    my_project.with_name("results.json").write_text(json.dumps(results), encoding="utf-8")
    clusters = []
    monkeypatch.setattr("imlcull_al.encoding.cluster.fill", lambda *given, **_: clusters.append(given[-1]) or 0)
    started: list[int] = []
    monkeypatch.setattr("imlcull_al.training.processes.start", lambda count, words: started.append(count))
    epochs = FineTuning.epochs
    monkeypatch.setattr(FineTuning, "epochs", lambda tuning: islice(epochs(tuning), 1))  # of 256
    monkeypatch.setattr(Epoch, "better_than", lambda epoch, other: True)
    tried = [words for words in commands() if words[0] not in LATER]
    assert [words[0] for words in tried[:8]] == [
        "embed",
        "order",
        "train",
        "score",
        "check",
        "cull",
        "cull",
        "undo-cull",
    ]
    for words in tried:
        assert main(words) == 0, words
    assert "stage_2" in capsys.readouterr().out
    (undone,) = my_project.glob("stage_2.undone-*")
    assert undone.is_dir()
    assert clusters == ["10.0.0.1:6379"]
    assert started[0] == 1 and 2 in started


def test_the_pages_are_served(my_project, launched):
    for words in commands("label"):
        assert main(words) == 0, words
    assert [name for name, _, _ in launched] == ["launch"] * len(commands("label"))
    assert {Path(given[0]).absolute() for _, given, _ in launched} == {my_project}
    hosts_and_pairs = [given[4:7:2] for _, given, _ in launched]
    assert ("0.0.0.0", "anna:a-long-sentence") in hosts_and_pairs
    assert any(named["mcp"] for _, _, named in launched)


def test_any_folder_is_served(my_project, launched, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "Pictures").mkdir()
    (my_project / "stage_1").rename(tmp_path / "Pictures" / "Wedding")
    for words in commands(ANY_FOLDER):
        assert main(words) == 0, words
    assert [given[0] for _, given, _ in launched] == [tmp_path / "Pictures" / "Wedding.imlcull"]


def test_the_page_of_a_space_is_served(monkeypatch, launched):
    (line,) = [line for line in lines() if line.startswith("SPACE_ID=")]
    place, python, script, *words = shlex.split(line)
    assert (python, script) == ("python", "app.py")
    monkeypatch.setenv(*place.split("="))
    assert app.main(words) == 0
    assert [(name, given[2:4]) for name, given, _ in launched] == [("launch_public", ("127.0.0.1", 7860))]


@pytest.mark.slow
def test_the_demo_runs(my_project, launched):
    (words,) = commands("demo")
    shutil.copytree(my_project, words[1])  # a sample that is there already is taken as it is
    assert main(words) == 0
    assert [(str(given[0]), named["port"]) for _, given, named in launched] == [("demo_project", 7860)]


@pytest.mark.slow
def test_the_replay_runs(my_project):
    (words,) = commands("replay")
    shutil.copy(my_project / "sample_truth.csv", words[words.index("--truth") + 1])
    assert main(words) == 0
    assert Path("curve.csv").is_file()
    assert Path("curve.png").is_file()


def test_what_pip_installs_is_there():
    installed = [shlex.split(line.partition("install ")[2]) for line in lines() if " pip install " in line]
    assert installed == [["-r", "requirements.txt"], ["-r", "requirements-cluster.txt"], ["gradio[mcp]"]]
    assert all((ROOT / words[1]).is_file() for words in installed[:2])


@pytest.mark.slow
def test_the_python_runs(my_project, unreported):
    truth = sample.truth(my_project)
    scope = {"looks_good": lambda path: truth[path.name]}
    exec(compile(python_of("python.md"), "docs/python.md", "exec"), scope)
    assert scope["new_stage"].folder == my_project / "stage_2"
    assert scope["new_stage"].folder.is_dir()


@pytest.mark.slow
def test_the_model_of_ones_own_runs(my_project):
    scope: dict[str, Any] = {}
    exec(compile(python_of("models.md"), "docs/models.md", "exec"), scope)
    assert scope["session"].source == "logistic regression on mean color"
    assert scope["photo"].path.is_file()


def test_the_tables_of_the_api_name_what_there_is():
    python = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(\w+)\(", python, re.MULTILINE)
    assert {"next", "answer", "train", "cull"} <= set(named)
    assert [name for name in named if not callable(getattr(Session, name))] == []
    http = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    described = [function.__name__ for function in api._functions(lambda request: None)]
    assert re.findall(r"^\| `(\w+)` \|", http, re.MULTILINE) == described
    page = (ROOT / "docs" / "page.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| ([\w ]+) \| `(\w+)` \|", page, re.MULTILINE) == [
        (title.capitalize(), name) for name, title in QUEUES.items()
    ]


@pytest.mark.slow
def test_the_client_runs_on_a_fresh_project(my_project, serve):
    """As a newcomer has it: the page is open, embeddings are being computed, nothing is answered."""
    desk = Desk(open_session(my_project, model="builtin", prepare=False))
    code = python_of("http.md").replace("http://127.0.0.1:5000", serve(desk))
    desk.embed()
    planned = evaluated(code)
    assert planned["made"] is None
    assert planned["kept"] + planned["culled"] == PHOTOS
    assert (desk.session.counts().keep, desk.session.counts().cull) == (2, 2)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_requests_run(my_project, serve):
    address = serve(Desk(open_session(my_project, model="builtin", prepare=False))).rstrip("/")
    asked = [line.replace("http://127.0.0.1:5000", address) for line in lines() if line.startswith("curl ")]
    batch, status = (json.loads(subprocess.check_output(shlex.split(line)))["data"] for line in asked)
    assert len(batch[0]) == 4
    assert status[0]["photos"] == PHOTOS
    refused = [*shlex.split(asked[0].replace("uncertain", "nonsense")), "-w", " %{http_code}"]
    reply, _, code = subprocess.check_output(refused, text=True).rpartition(" ")
    assert "nonsense" in json.loads(reply)["error"]
    assert code == "400"


def evaluated(code: str) -> Any:
    """Run statements; what the last of them, an expression, is."""
    *statements, last = ast.parse(code).body
    scope: dict[str, Any] = {}
    exec(compile(ast.Module(statements, []), "docs", "exec"), scope)
    return eval(compile(ast.Expression(last.value), "docs", "eval"), scope)


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
    named = {line.split()[1] for line in lines() if line.startswith("make ")}
    named |= {name for page in PAGES for name in re.findall(r"`make ([\w-]+)`", page.read_text(encoding="utf-8"))}
    assert {"demo", "quick", "test", "check"} <= named
    for name in named:
        assert f"\n{name}:" in makefile


def test_the_readme_is_short():
    assert len(README.split()) <= MOST_WORDS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page):
    broken = [target for target in own_links(page) if not leads_somewhere(page, target)]
    assert broken == []


def test_a_link_that_leads_nowhere_is_noticed():
    assert {"docs/python.md", "docs/architecture.md"} <= set(own_links(ROOT / "README.md"))
    for target in ("docs/gone.md", "docs/python.md#gone", "#gone"):
        assert not leads_somewhere(ROOT / "README.md", target)


def own_links(page: Path) -> list[str]:
    """What a page links to in this repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [target for target in targets if not target.startswith("https://")]


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    path = page.parent / name if name else page
    return path.is_file() and (not anchor or anchor in anchors(path))


def anchors(path: Path) -> set[str]:
    """What GitHub calls the headings of a page, as far as each is there once."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_the_readme_leads_to_a_page_that_opens_with_what_it_answers(page):
    assert f"(docs/{page.name})" in README
    title, empty, answers, *_ = page.read_text(encoding="utf-8").splitlines()
    assert (title[:2], empty) == ("# ", "")
    assert answers.endswith(".")
