"""The argument parser: commands and their help. Runs no command."""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..encoding.embeddings import DEFAULT_BATCH_SIZE
from ..exchange.megadetector import THRESHOLD
from ..installation import started_as
from ..project.task import CULL_TASK
from .options import (
    add_above,
    add_asking,
    add_cache,
    add_encoder,
    add_export,
    add_folder,
    add_import,
    add_names,
    add_page,
    add_predict,
    add_project,
    add_replay,
    add_scores,
    add_taking,
    add_task,
    add_training,
)
from .values import inner_share, port, positive, share


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands. Its results carry the name of the command as `command`."""
    parser = argparse.ArgumentParser(prog=started_as(), description="Learn from a few answers which photos to keep.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, summary: str, aliases: Sequence[str] = ()) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = commands.add_parser(
            name, help=summary, description=summary, formatter_class=Help, aliases=aliases
        )
        sub.set_defaults(command=name)
        return sub

    sub = command("open", "open the app on a folder of photos, which stays as it is, or on a project")
    add_folder(sub, "folder of photos, or project (default: choose one on the page)", nargs="?")
    sub.add_argument("--moved", action="store_true", help="the photos of --project were moved to FOLDER")
    sub.add_argument("--stage", type=int, default=argparse.SUPPRESS, help="stage number (default: the latest)")
    sub.set_defaults(stage=None)
    add_page(sub)

    sub = command("label", "open the app on a project, or on a folder of photos")
    add_project(sub)
    add_page(sub)

    sub = command("embed", "fill the embedding cache")
    add_project(sub)
    add_task(sub)
    add_encoder(sub)
    sub.add_argument("--batch-size", type=positive, default=DEFAULT_BATCH_SIZE, help="photos per batch of the encoder")
    sub.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="compute in this process or on a Ray cluster"
    )
    sub.add_argument(
        "--ray-address", metavar="HOST:PORT", help="address of the cluster (default: start one on this machine)"
    )

    sub = command("order", "list the next photos to label, most uncertain first, with their scores")
    add_project(sub)
    add_task(sub)
    add_encoder(sub)
    add_scores(sub)
    sub.add_argument("-n", type=positive, default=20, help="number of photos to list")
    sub.add_argument(
        "--format",
        choices=("csv", "timelapse"),
        default="csv",
        help="their names and scores, or all photos of the stage as Timelapse reads them, with these selected",
    )
    sub.add_argument(
        "--out", type=Path, metavar="FILE", help="write to a file instead of printing", default=argparse.SUPPRESS
    )
    sub.set_defaults(out=None)

    sub = command("train", "fine-tune the vision transformer on the labels")
    add_project(sub)
    add_task(sub)
    add_encoder(sub)
    add_training(sub)

    sub = command("score", "print scores, decision and reason for every photo")
    add_project(sub)
    add_task(sub)
    add_encoder(sub)
    add_scores(sub)
    sub.add_argument("--format", choices=("csv", "json"), default="csv", help="output format")

    add_predict(command("predict", "predict the photos of folders, zip archives and files, without a project"))

    sub = command("models", "list the models of a project or folder")
    sub.add_argument("folder", metavar="FOLDER", type=Path, help="project, or folder of models")
    kinds = command("model", "say what is known of a model").add_subparsers(required=True, metavar="info")
    sub = kind_of(kinds, "model", "info", "print what a model file or a folder of Hugging Face says of itself")
    sub.add_argument("file", metavar="MODEL", type=Path, help="model file, or folder of a Hugging Face classifier")

    kinds = command("cache", "say what the cache holds, or clear it").add_subparsers(
        required=True, metavar="info|clear"
    )
    add_cache(kind_of(kinds, "cache", "info", "print what the cache holds, and how large it is"))
    sub = kind_of(kinds, "cache", "clear", "remove what the cache holds, after saying what that costs")
    sub.add_argument("--previews", action="store_true", help="only the previews for the screen")
    add_cache(sub)
    add_asking(sub)

    sub = command(
        "check", "print how many keepers a cull would lose at most, and what to check and look at", aliases=["audit"]
    )
    add_project(sub)
    add_task(sub)
    add_encoder(sub)
    add_scores(sub)
    sub.add_argument(
        "--max-keepers-lost", type=inner_share, default=0.05, metavar="SHARE", help="acceptable share of lost keepers"
    )
    sub.add_argument("--confidence", type=inner_share, default=0.95, help="confidence of the result, 0 to 1")
    sub.add_argument("--threshold", type=share, default=0.5, help="p_keep at or above this is kept, 0 to 1")

    sub = command("cull", "copy the kept photos into the next stage")
    add_project(sub)
    add_encoder(sub)
    add_scores(sub)
    sub.add_argument("--dry-run", action="store_true", help="print what would be done and write nothing")
    sub.add_argument("--link", choices=("copy", "hardlink", "reflink"), default="copy", help="copy method")
    either = sub.add_mutually_exclusive_group()
    either.add_argument("--threshold", type=share, default=0.5, help="p_keep at or above this is kept, 0 to 1")
    either.add_argument(
        "--max-keepers-lost",
        type=inner_share,
        default=argparse.SUPPRESS,
        metavar="SHARE",
        help="instead of --threshold: the largest one that loses at most this share of the keepers, such as 0.02",
    )
    sub.set_defaults(max_keepers_lost=None)
    sub.add_argument("--confidence", type=inner_share, default=0.95, help="confidence for --max-keepers-lost, 0 to 1")

    sub = command("undo-cull", "move the latest stage aside if it is unchanged since the cull that made it")
    add_project(sub)

    _add_imports(command("import", "take over photos, or what other programs know"))
    _add_exports(command("export", "tell other programs what was decided"))

    sub = command("replay", "simulate labeling with known answers, to measure how many labels a strategy needs")
    add_project(sub)
    sub.add_argument("--task", default=CULL_TASK.name, metavar="NAME", help="one of the project's tasks")
    add_encoder(sub)
    add_replay(sub)

    sub = command("demo", "make a sample project and open the app on it")
    sub.add_argument("dir", metavar="DIR", type=Path, help="folder for the sample project")
    add_encoder(sub)
    sub.add_argument(
        "--headless", action="store_true", help="no page; a scripted photographer answers, trains and culls"
    )
    sub.add_argument("--answers", type=positive, default=80, help="number of answers of the scripted photographer")
    sub.add_argument("--port", type=port, default=7860, help="port to listen on")
    return parser


def _add_imports(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True, metavar="folder|ratings|megadetector|folders|tags-txt|timelapse")
    sub = kind_of(
        kinds, "import", "folder", "make stage_1 of a new project from the photos of a folder, which stays as it is"
    )
    add_folder(sub, "folder of photos")
    sub.add_argument("--link", choices=("copy", "hardlink", "reflink"), default="copy", help="copy method")
    sub = kind_of(kinds, "import", "ratings", "turn ratings, flags and colors of sidecars and photos into answers")
    add_project(sub)
    add_task(sub)
    add_encoder(sub)
    add_import(sub)
    sub = kind_of(kinds, "import", "megadetector", "ask last about the photos in which MegaDetector found nothing")
    sub.add_argument("file", metavar="FILE", type=Path, nargs="?", help="JSON that MegaDetector wrote")
    add_project(sub)
    add_encoder(sub)
    sub.add_argument(
        "--threshold",
        type=float,
        default=argparse.SUPPRESS,
        help=f"confidence from which a detection counts (default: what the file recommends, else {THRESHOLD})",
    )
    sub.add_argument("--undo", action="store_true", help="ask about these photos in their usual order again")
    sub.set_defaults(threshold=None)
    add_asking(sub)

    sub = kind_of(kinds, "import", "folders", "turn class folders, a folder for each class or tag, into answers")
    sub.add_argument("folder", metavar="DIR", type=Path, nargs="?", help="folder that holds the class folders")
    sub.add_argument(
        "--as",
        dest="whole",
        default=argparse.SUPPRESS,
        metavar="NAME",
        help="all photos in DIR have this class or tag, whatever folders they lie in",
    )
    sub.set_defaults(whole=None)
    add_project(sub)
    add_task(sub)
    add_encoder(sub)
    add_taking(sub, "class folders")
    sub = kind_of(kinds, "import", "tags-txt", "turn text files, one for each photo with a tag a line, into answers")
    add_project(sub)
    add_task(sub)
    add_encoder(sub)
    add_names(sub)
    sub.add_argument(
        "--from",
        dest="origin",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="read the text files in this folder, instead of those beside the photos",
    )
    sub.set_defaults(origin=None)
    add_taking(sub, "text files")

    sub = kind_of(kinds, "import", "timelapse", "turn the species in a table of Timelapse into answers")
    sub.add_argument("file", metavar="FILE", type=Path, nargs="?", help="CSV that Timelapse wrote")
    add_project(sub)
    add_task(sub)
    add_encoder(sub)
    add_taking(sub, "Timelapse")


def _add_exports(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True, metavar="ratings|folders|tags-txt|hf")
    sub = kind_of(kinds, "export", "ratings", "write decisions into XMP sidecars, beside the photos")
    add_project(sub)
    add_encoder(sub)
    add_scores(sub)
    add_export(sub)

    sub = kind_of(kinds, "export", "folders", "make class folders of the answers, with copies of the photos or links")
    add_project(sub)
    add_task(sub)
    add_encoder(sub)
    add_scores(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder", default=argparse.SUPPRESS)
    sub.add_argument("--link", choices=("copy", "hardlink"), default="copy", help="copy method")
    add_above(sub)
    sub.add_argument("--dry-run", action="store_true", help="print what would be done and write nothing")

    sub = kind_of(kinds, "export", "tags-txt", "write a text file for each photo, with a tag a line")
    add_project(sub)
    add_task(sub)
    add_encoder(sub)
    add_scores(sub)
    add_names(sub)
    sub.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="new folder, with folders as the photos are in",
        default=argparse.SUPPRESS,
    )
    sub.add_argument("--beside", action="store_true", help="write beside the photos instead")
    sub.add_argument(
        "--replace",
        action="store_true",
        help="replace text files that say something else, or rename a folder in the place of the new one; what was "
        "there is kept",
    )
    sub.add_argument(
        "--whitelist", type=Path, metavar="FILE", help="write only the tags in this file", default=argparse.SUPPRESS
    )
    sub.add_argument("--undo", action="store_true", help="give text files beside the photos the bytes they had before")
    sub.set_defaults(out=None, whitelist=None)
    add_above(sub)
    add_asking(sub)

    sub = kind_of(kinds, "export", "hf", "make a Hugging Face image classifier of the stage's model, with a model card")
    sub.add_argument("folder", metavar="DIR", type=Path, help="new folder")
    add_project(sub)
    sub.add_argument("--task", default=CULL_TASK.name, metavar="NAME", help="one of the project's tasks")


def kind_of(kinds: Any, command: str, name: str, summary: str) -> argparse.ArgumentParser:
    """The parser of `import NAME`, `export NAME` and their like; its results carry `import-NAME` as `command`."""
    sub: argparse.ArgumentParser = kinds.add_parser(name, help=summary, description=summary, formatter_class=Help)
    sub.set_defaults(command=f"{command}-{name}")
    return sub


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults other than None, False and (). `app.py` uses it too."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        is_said = action.default is not None and action.default is not False and action.default != ()
        return super()._get_help_string(action) if is_said else action.help

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Wrap without breaking model names and paths."""
        return textwrap.wrap(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)
