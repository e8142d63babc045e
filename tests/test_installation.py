"""What a person is told to type, and where the cache lies, in a checkout and where the package was installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imlcull_al import installation
from imlcull_al.installation import cache_folder, started_as

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("arguments", "typed", "shown"),
    [
        (["/x/bin/imlcull", "embed"], ["/x/bin/python3", "/x/bin/imlcull", "embed"], "imlcull"),
        (["/x/Scripts/imlcull.exe"], ["python.exe", "/x/Scripts/imlcull.exe"], "imlcull"),
        (["/x/imlcull_al/__main__.py", "embed", "-h"], ["python3", "-m", "imlcull_al", "embed", "-h"],
         "python3 -m imlcull_al"),
        (["/x/imlcull_al/__main__.py"], [".venv/bin/python", "-m", "imlcull_al"], ".venv/bin/python -m imlcull_al"),
        (["app.py", "--help"], ["python", "app.py", "--help"], "python app.py"),
        (["/my x/app.py"], ["/my x/python", "/my x/app.py"], '"/my x/python" "/my x/app.py"'),
    ],
)  # fmt: skip
def test_a_command_is_shown_as_it_was_typed(arguments, typed, shown):
    assert started_as(arguments, typed) == shown


@pytest.mark.slow
def test_help_says_the_command_that_was_typed():
    words = ["-m", "imlcull_al", "order", "--help"]
    text = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert " ".join(text.split()).startswith(f"usage: {sys.executable} -m imlcull_al order [-h]")


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {}, ".cache/imlcull"),
        ("linux", {"XDG_CACHE_HOME": "/elsewhere"}, "/elsewhere/imlcull"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, ".cache/imlcull"),
        ("darwin", {"XDG_CACHE_HOME": "/elsewhere"}, "Library/Caches/imlcull"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/imlcull"),
        ("win32", {}, "AppData/Local/imlcull"),
    ],
)
def test_an_installed_package_uses_the_systems_folder_for_caches(platform, environment, folder, tmp_path):
    assert cache_folder(platform, environment, tmp_path) == tmp_path / folder


def test_a_cache_in_the_earlier_place_is_still_found(tmp_path):
    (tmp_path / ".cache" / "imlcull").mkdir(parents=True)
    assert cache_folder("darwin", {}, tmp_path) == tmp_path / ".cache" / "imlcull"
    (tmp_path / "Library" / "Caches" / "imlcull").mkdir(parents=True)
    assert cache_folder("darwin", {}, tmp_path) == tmp_path / "Library" / "Caches" / "imlcull"


def test_a_checkout_keeps_its_cache_and_names_its_requirements():
    assert installation.CHECKOUT == ROOT
    assert installation.DEFAULT_CACHE_DIR == ROOT / "cache"
    assert installation.pip_install_cluster().endswith(f" -m pip install -r {ROOT / 'requirements-cluster.txt'}")


INSTALLED = """
import sys
from imlcull_al.installation import pip_install_cluster
from imlcull_al.cli.commands import main
print(pip_install_cluster())
main(["embed", "--help"])
"""


@pytest.mark.slow
def test_installed_it_names_what_is_there(tmp_path):
    """No requirements file lies beside an installed package, and it has no folder to put a cache into."""
    site = tmp_path / "site"
    shutil.copytree(ROOT / "imlcull_al", site / "imlcull_al", ignore=shutil.ignore_patterns("__pycache__", "builtin"))
    (site / "requirements.txt").write_text("another package's\n")
    environment = {"PYTHONPATH": str(site), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "caches")}
    done = subprocess.run(
        [sys.executable, "-c", INSTALLED], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    command, *text = done.stdout.splitlines()
    assert command == f'{sys.executable} -m pip install "imlcull[cluster]"'
    assert str(cache_folder(sys.platform, environment, tmp_path)) in " ".join("".join(text).split())
