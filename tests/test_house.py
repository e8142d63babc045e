"""The shape of the house, so that nobody has to remember it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "imlcull_al"
README = (ROOT / "README.md").read_text(encoding="utf-8")
TREE = re.search(r"```text\n(app\.py.*?)```", README, re.DOTALL)[1]
MODULES = sorted(PACKAGE.rglob("*.py"))
OWNERS = {
    "h5py": {"hdf5"},
    "csv": {"tables"},
    "transformers": {"backbone"},
    "huggingface_hub": {"checkpoints"},
    "gradio": {"ui"},
    "matplotlib": {"report"},
    "rich": {"terminal"},
    "ray": {"cluster"},
    "accelerate": {"processes"},
}
ENTRANCES = {"__init__", "__main__"}


def role(path: Path) -> str:
    """The name of a module's room: `ui/label.py` belongs to `ui`."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def order_of_rooms() -> list[str]:
    """Rooms from top to bottom, as the README draws them."""
    return re.findall(r"^  (\w+)(?:\.py|/)", TREE, re.MULTILINE)


def imports(path: Path) -> set[str]:
    """Rooms of this package and libraries that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = node.level - 1 if path.parent != PACKAGE else node.level
            inside = path.parent != PACKAGE and above == 0
            if not inside:
                found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found


def test_the_readme_draws_every_room_and_no_other():
    assert sorted(order_of_rooms()) == sorted({role(path) for path in MODULES} - ENTRANCES)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path):
    rooms = order_of_rooms()
    if role(path) in ENTRANCES:
        return
    above = [name for name in imports(path) if name in rooms and rooms.index(name) <= rooms.index(role(path))]
    assert set(above) <= ({role(path)} if path.parent != PACKAGE else set())


@pytest.mark.parametrize("library", OWNERS)
def test_one_room_owns_a_library(library):
    users = {role(path) for path in MODULES if library in imports(path)}
    assert users == OWNERS[library]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_opens_by_saying_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("module", ["imlcull_al", "imlcull_al.cli", "imlcull_al.session"])
def test_importing_loads_no_heavy_library(module):
    heavy = ("torch", "transformers", "gradio", "sklearn", "matplotlib", "scipy", "h5py", "pandas", "ray")
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_requirements_are_pinned_and_the_package_needs_no_torchvision():
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    lines = [line for line in lines if line]
    assert "torch==2.13.0" in lines
    assert all("~=" in line or "==" in line for line in lines)
    assert not any(line.startswith("torchvision") for line in lines)
