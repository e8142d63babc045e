"""The shape of the house, so that nobody has to remember it."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "imlcull_al"
PICTURES = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TREE = re.search(r"```text\n(app\.py.*?)```", PICTURES, re.DOTALL)[1]
GRAPH = re.search(r"```mermaid\n(.*?)```", PICTURES, re.DOTALL)[1]
MODULES = sorted(PACKAGE.rglob("*.py"))
OWNERS = {
    "h5py": {"encoding/hdf5"},
    "csv": {"project/tables"},
    "sklearn": {"training/evaluation", "training/splits"},
    "transformers": {"encoding/backbone"},
    "huggingface_hub": {"encoding/load"},
    "gradio": {"ui"},
    "matplotlib": {"training/figures"},
    "rich": {"terminal"},
    "ray": {"encoding/cluster"},
    "accelerate": {"training/processes"},
    "rawpy": {"photos/raw"},
    "pi_heif": {"photos/heif"},
    "pylibjxl": {"photos/jxl"},
}
PROGRAMS = [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py"), ROOT / "app.py"]
ENTRANCES = {"__init__", "__main__"}
UNORDERED = "ui"
"""A floor that the tree draws as one room."""


def room(path: Path) -> str:
    """The room of a module: `photos/read` for `imlcull_al/photos/read.py`, `errors` for one without a floor."""
    inside = path.relative_to(PACKAGE).with_suffix("")
    return UNORDERED if inside.parts[0] == UNORDERED else inside.as_posix()


@cache
def rooms() -> list[str]:
    """All rooms from top to bottom, as the tree draws them."""
    drawn, floor = [], ""
    for indent, name, kind in re.findall(r"^(  |    )(\w+)(\.py|/)", TREE, re.MULTILINE):
        if kind == "/":
            floor = name
            drawn += [name] if name == UNORDERED else []
        else:
            drawn.append(f"{floor}/{name}" if indent == "    " else name)
    return drawn


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def modules_imported(path: Path) -> set[str]:
    """Dotted names of what a module imports, at its top or inside a function, as far as they may be modules."""
    here, found = path.relative_to(ROOT).with_suffix("").parts, set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = [*(here[: -node.level] if node.level else ()), *(node.module.split(".") if node.module else ())]
            found |= {".".join(base), *(".".join([*base, alias.name]) for alias in node.names)}
    return found


@cache
def names_in(module: str) -> set[str]:
    """Names that can be imported from a module or package of this repository; empty if there is none of this name."""
    place = ROOT.joinpath(*module.split("."))
    names = {path.stem for path in place.glob("*") if path.is_dir() or path.suffix == ".py"}
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        for node in ast.walk(parsed(path)) if path.is_file() else ():
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names |= set(ast.literal_eval(node.value))
    return names


def rooms_imported(path: Path) -> set[str]:
    """Rooms of this package that a module imports."""
    inside = {name.removeprefix("imlcull_al.").replace(".", "/") for name in modules_imported(path)}
    return {UNORDERED if name.split("/")[0] == UNORDERED else name for name in inside} & set(rooms())


def test_the_tree_draws_every_room_and_no_other():
    assert sorted(rooms()) == sorted({room(path) for path in MODULES if path.stem not in ENTRANCES} | {UNORDERED})


def test_every_floor_is_drawn_once():
    floors = [name.split("/")[0] for name in rooms() if "/" in name]
    assert floors == sorted(floors, key=floors.index)


@pytest.mark.slow
def test_imports_point_down():
    upwards = {}
    for path in [path for path in MODULES if path.stem not in ENTRANCES]:
        allowed = {*rooms()[rooms().index(room(path)) + 1 :], *({UNORDERED} & {room(path)})}
        upwards |= {path.relative_to(ROOT).as_posix(): above for above in [rooms_imported(path) - allowed] if above}
    assert upwards == {}


def floors_imported() -> set[tuple[str, str]]:
    """Pairs of floors of which the first imports the second."""
    found = {
        (room(path).split("/")[0], name.split("/")[0])
        for path in MODULES
        if path.stem not in ENTRANCES or path.parent.name == UNORDERED
        for name in rooms_imported(path)
    }
    return {(above, below) for above, below in found if above != below}


def test_the_graph_draws_imports_and_every_floor():
    arrows = re.findall(r"^  (\w+) --> (.*)$", GRAPH, re.MULTILINE)
    drawn = {(above, below) for above, many in arrows for below in many.split(" & ")}
    assert drawn <= floors_imported()
    assert {name for pair in drawn for name in pair} == {name.split("/")[0] for name in rooms() if "/" in name} | {
        UNORDERED
    }


def missing(names: set[str]) -> set[str]:
    """The names of this package among `names` that nothing in it has."""
    own = [name.rpartition(".") for name in names if name.startswith(f"{PACKAGE.name}.")]
    return {f"{above}.{name}" for above, _, name in own if name not in names_in(above)}


@pytest.mark.slow
def test_every_import_of_this_package_exists():
    wrong = {"imlcull_al.gone", "imlcull_al.learning.gone", "imlcull_al.errors.Gone", "imlcull_al.gone.Gone"}
    assert (
        missing({*wrong, "imlcull_al", "imlcull_al.learning.head", "imlcull_al.errors.ImlcullError", "os.gone"})
        == wrong
    )
    assert {path.name: names for path in PROGRAMS if (names := missing(modules_imported(path)))} == {}


def test_imports_are_found_wherever_they_are_written():
    assert {"argparse", "imlcull_al.errors.ImlcullError", "imlcull_al.ui"} <= modules_imported(
        PACKAGE / "cli" / "commands.py"
    )


@pytest.mark.parametrize("library", OWNERS)
def test_one_room_owns_a_library(library):
    users = {room(path) for path in MODULES if library in {name.split(".")[0] for name in modules_imported(path)}}
    assert users == OWNERS[library]


def test_a_module_opens_by_saying_what_it_is_for():
    assert [path for path in MODULES if not ast.get_docstring(parsed(path))] == []


@pytest.mark.slow
@pytest.mark.parametrize("module", ["imlcull_al", "imlcull_al.cli.commands", "imlcull_al.session.session"])
def test_importing_loads_no_heavy_library(module):
    heavy = (
        "torch",
        "transformers",
        "gradio",
        "sklearn",
        "matplotlib",
        "scipy",
        "h5py",
        "pandas",
        "ray",
        "rawpy",
        "pi_heif",
        "pylibjxl",
    )
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_requirements_are_pinned_and_the_package_needs_no_torchvision():
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    lines = [line for line in lines if line]
    assert "torch==2.13.0" in lines
    assert all("~=" in line or "==" in line for line in lines)
    assert not any(line.startswith("torchvision") for line in lines)
