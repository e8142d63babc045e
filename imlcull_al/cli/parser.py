"""The argument parser: commands, options, defaults and help. Runs no command."""

import argparse
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..encoding.device import DEVICES, VARIABLE
from ..encoding.embeddings import DEFAULT_BATCH_SIZE
from ..encoding.load import DEFAULT_MODEL
from ..errors import TrainingError
from ..exchange.megadetector import THRESHOLD
from ..exchange.profiles import MARGIN, PROFILES
from ..exchange.ratings import CULL_RULE, KEEP_RULE
from ..exchange.tags_txt import NAMES
from ..installation import DEFAULT_CACHE_DIR, started_as
from ..learning.choice import SCORES
from ..learning.scores import AUTO
from ..project.stages import PROJECT_SUFFIX
from ..project.task import CULL, CULL_TASK, KEEP
from ..simulate.replay import STRATEGIES, Rules
from ..training.options import GENTLE, MEANINGS, TRAIN_EVERY, Options

LAST_PORT = 65535
Number = TypeVar("Number", int, float)
CACHE_DIR_HELP = f"folder for embeddings and previews (default: {DEFAULT_CACHE_DIR})".replace("%", "%%")


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
    _add_folder(sub, "folder of photos, or project (default: choose one on the page)", nargs="?")
    sub.add_argument("--moved", action="store_true", help="the photos of --project were moved to FOLDER")
    sub.add_argument("--stage", type=int, default=argparse.SUPPRESS, help="stage number (default: the latest)")
    sub.set_defaults(stage=None)
    _add_page(sub)

    sub = command("label", "open the app on a project, or on a folder of photos")
    _add_project(sub)
    _add_page(sub)

    sub = command("embed", "fill the embedding cache")
    _add_project(sub)
    _add_task(sub)
    _add_encoder(sub)
    sub.add_argument("--batch-size", type=_positive, default=DEFAULT_BATCH_SIZE, help="photos per batch of the encoder")
    sub.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="compute in this process or on a Ray cluster"
    )
    sub.add_argument(
        "--ray-address", metavar="HOST:PORT", help="address of the cluster (default: start one on this machine)"
    )

    sub = command("order", "list the next photos to label, most uncertain first, with their scores")
    _add_project(sub)
    _add_task(sub)
    _add_encoder(sub)
    _add_scores(sub)
    sub.add_argument("-n", type=_positive, default=20, help="number of photos to list")
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
    _add_project(sub)
    _add_task(sub)
    _add_encoder(sub)
    _add_training(sub)

    sub = command("score", "print scores, decision and reason for every photo")
    _add_project(sub)
    _add_task(sub)
    _add_encoder(sub)
    _add_scores(sub)
    sub.add_argument("--format", choices=("csv", "json"), default="csv", help="output format")

    sub = command(
        "check", "print how many keepers a cull would lose at most, and what to check and look at", aliases=["audit"]
    )
    _add_project(sub)
    _add_task(sub)
    _add_encoder(sub)
    _add_scores(sub)
    sub.add_argument(
        "--max-keepers-lost", type=_inner_share, default=0.05, metavar="SHARE", help="acceptable share of lost keepers"
    )
    sub.add_argument("--confidence", type=_inner_share, default=0.95, help="confidence of the result, 0 to 1")
    sub.add_argument("--threshold", type=_share, default=0.5, help="p_keep at or above this is kept, 0 to 1")

    sub = command("cull", "copy the kept photos into the next stage")
    _add_project(sub)
    _add_encoder(sub)
    _add_scores(sub)
    sub.add_argument("--dry-run", action="store_true", help="print what would be done and write nothing")
    sub.add_argument("--link", choices=("copy", "hardlink", "reflink"), default="copy", help="copy method")
    either = sub.add_mutually_exclusive_group()
    either.add_argument("--threshold", type=_share, default=0.5, help="p_keep at or above this is kept, 0 to 1")
    either.add_argument(
        "--max-keepers-lost",
        type=_inner_share,
        default=argparse.SUPPRESS,
        metavar="SHARE",
        help="instead of --threshold: the largest one that loses at most this share of the keepers, such as 0.02",
    )
    sub.set_defaults(max_keepers_lost=None)
    sub.add_argument("--confidence", type=_inner_share, default=0.95, help="confidence for --max-keepers-lost, 0 to 1")

    sub = command("undo-cull", "move the latest stage aside if it is unchanged since the cull that made it")
    _add_project(sub)

    kinds = command("import", "take over photos, or what other programs know").add_subparsers(
        required=True, metavar="folder|ratings|megadetector|folders|tags-txt|timelapse"
    )
    sub = kind_of(
        kinds, "import", "folder", "make stage_1 of a new project from the photos of a folder, which stays as it is"
    )
    _add_folder(sub, "folder of photos")
    sub.add_argument("--link", choices=("copy", "hardlink", "reflink"), default="copy", help="copy method")
    sub = kind_of(kinds, "import", "ratings", "turn ratings, flags and colors of sidecars and photos into answers")
    _add_project(sub)
    _add_task(sub)
    _add_encoder(sub)
    _add_import(sub)
    sub = kind_of(kinds, "import", "megadetector", "ask last about the photos in which MegaDetector found nothing")
    sub.add_argument("file", metavar="FILE", type=Path, nargs="?", help="JSON that MegaDetector wrote")
    _add_project(sub)
    _add_encoder(sub)
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
    _add_project(sub)
    _add_task(sub)
    _add_encoder(sub)
    _add_taking(sub, "class folders")
    sub = kind_of(kinds, "import", "tags-txt", "turn text files, one for each photo with a tag a line, into answers")
    _add_project(sub)
    _add_task(sub)
    _add_encoder(sub)
    _add_names(sub)
    sub.add_argument(
        "--from",
        dest="origin",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="read the text files in this folder, instead of those beside the photos",
    )
    sub.set_defaults(origin=None)
    _add_taking(sub, "text files")

    sub = kind_of(kinds, "import", "timelapse", "turn the species in a table of Timelapse into answers")
    sub.add_argument("file", metavar="FILE", type=Path, nargs="?", help="CSV that Timelapse wrote")
    _add_project(sub)
    _add_task(sub)
    _add_encoder(sub)
    _add_taking(sub, "Timelapse")

    kinds = command("export", "tell other programs what was decided").add_subparsers(
        required=True, metavar="ratings|folders|tags-txt"
    )
    sub = kind_of(kinds, "export", "ratings", "write decisions into XMP sidecars, beside the photos")
    _add_project(sub)
    _add_encoder(sub)
    _add_scores(sub)
    _add_export(sub)

    sub = kind_of(kinds, "export", "folders", "make class folders of the answers, with copies of the photos or links")
    _add_project(sub)
    _add_task(sub)
    _add_encoder(sub)
    _add_scores(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder", default=argparse.SUPPRESS)
    sub.add_argument("--link", choices=("copy", "hardlink"), default="copy", help="copy method")
    _add_above(sub)
    sub.add_argument("--dry-run", action="store_true", help="print what would be done and write nothing")

    sub = kind_of(kinds, "export", "tags-txt", "write a text file for each photo, with a tag a line")
    _add_project(sub)
    _add_task(sub)
    _add_encoder(sub)
    _add_scores(sub)
    _add_names(sub)
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
    _add_above(sub)
    add_asking(sub)

    sub = command("replay", "simulate labeling with known answers, to measure how many labels a strategy needs")
    _add_project(sub)
    sub.add_argument("--task", default=CULL_TASK.name, metavar="NAME", help="one of the project's tasks")
    _add_encoder(sub)
    _add_replay(sub)

    sub = command("demo", "make a sample project and open the app on it")
    sub.add_argument("dir", metavar="DIR", type=Path, help="folder for the sample project")
    _add_encoder(sub)
    sub.add_argument(
        "--headless", action="store_true", help="no page; a scripted photographer answers, trains and culls"
    )
    sub.add_argument("--answers", type=_positive, default=80, help="number of answers of the scripted photographer")
    sub.add_argument("--port", type=port, default=7860, help="port to listen on")
    return parser


def kind_of(kinds: Any, command: str, name: str, summary: str) -> argparse.ArgumentParser:
    """The parser of `import NAME` or `export NAME`; its results carry `import-NAME` as `command`."""
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


def _add_page(parser: argparse.ArgumentParser) -> None:
    _add_task(parser)
    _add_encoder(parser)
    _add_scores(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 allows other machines")
    parser.add_argument("--port", type=port, default=5000, help="port to listen on")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="require this login; or set IMLCULL_AUTH")
    parser.add_argument("--mcp", action="store_true", help='expose the API to MCP clients; needs "gradio[mcp]"')
    parser.add_argument(
        "--train-every",
        type=count_or_zero,
        default=TRAIN_EVERY,
        metavar="N",
        help="train by itself after N more answers, whenever nobody presses a key for a while; 0 for never",
    )


def _add_folder(parser: argparse.ArgumentParser, what: str, nargs: str | None = None) -> None:
    parser.add_argument("folder", metavar="FOLDER", type=Path, nargs=nargs, help=what)
    parser.add_argument(
        "--project",
        type=Path,
        default=argparse.SUPPRESS,
        help=f"folder for everything that is written (default: FOLDER{PROJECT_SUFFIX}, beside it)",
    )
    parser.set_defaults(project=None)


def _add_project(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--project", type=Path, required=True, help="project, or its folder of photos", default=argparse.SUPPRESS
    )
    parser.add_argument("--stage", type=int, help="stage number (default: the latest)", default=argparse.SUPPRESS)
    parser.set_defaults(stage=None)


def _add_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", default=CULL_TASK.name, metavar="NAME", help="what is asked of every photo")
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--classes",
        type=_names,
        default=argparse.SUPPRESS,
        metavar="A,B,C",
        help="classes of a new task, of which a photo has one, or more classes for a task that has some",
    )
    either.add_argument(
        "--tags",
        type=_names,
        default=argparse.SUPPRESS,
        metavar="A,B,C",
        help="tags of a new task, of which a photo has any number, or more tags for a task that has some",
    )
    parser.add_argument(
        "--start-from",
        dest="start",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="PROJECT",
        help="another project: its answers are the first guess here, and count less with every answer",
    )
    parser.set_defaults(classes=(), tags=(), start=None)


def _add_encoder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default=argparse.SUPPRESS,
        help="builtin, or the Hugging Face id or local folder of a vision transformer; append +builtin to concatenate "
        f"the embeddings of both (default: the stage's trained model, else {DEFAULT_MODEL})",
    )
    parser.add_argument("--cache-dir", type=Path, default=argparse.SUPPRESS, help=CACHE_DIR_HELP)
    add_device(parser)
    parser.set_defaults(model=None, cache_dir=None)


def _add_scores(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scores",
        choices=(AUTO, *SCORES),
        default=AUTO,
        help="where scores come from: a logistic regression on the frozen transformer, the trained model, or their "
        f"mean; {AUTO} is what the last training found best",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option `--device`. `app.py` has it too."""
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default=argparse.SUPPRESS,
        help=f"device that models run on (default: {VARIABLE}, else the best of this machine)",
    )
    parser.set_defaults(device=None)


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gentle",
        action="store_true",
        help="train by cross-validation, every photo held out once, and average the folds: what the page does",
    )
    for name, value in asdict(Options()).items():
        if name == "gentle":
            continue
        gentle = getattr(GENTLE, name)
        usual = "all" if value is None else f"{value:g}"
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=partial(_training_option, name),
            default=argparse.SUPPRESS,
            metavar="N" if name == "train_blocks" else None,
            help=f"{MEANINGS[name]} (default: {usual}{'' if gentle == value else f', gentle {gentle:g}'})",
        )
    parser.add_argument(
        "--processes", type=_positive, default=1, metavar="N", help="number of training processes on this machine"
    )


def _add_import(parser: argparse.ArgumentParser) -> None:
    for name, rule in ((KEEP, KEEP_RULE), (CULL, CULL_RULE)):
        parser.add_argument(
            f"--{name}", default=argparse.SUPPRESS, metavar="RULE", help=f"photos to {name} (default: {rule})"
        )
    parser.add_argument(
        "--class",
        dest="rules",
        nargs=2,
        action="append",
        default=argparse.SUPPRESS,
        metavar=("NAME", "RULE"),
        help='for another task: a class or tag, and its photos, such as shirt "label==Red"; may be given several times',
    )
    parser.add_argument(
        "--from",
        dest="origin",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="read the sidecars in this folder, and neither those beside the photos nor the photos",
    )
    parser.set_defaults(rules=None, keep=None, cull=None, origin=None)
    _add_taking(parser, "ratings")


def _add_taking(parser: argparse.ArgumentParser, what: str) -> None:
    """The options of every import of answers."""
    parser.add_argument("--overwrite", action="store_true", help="also replace answers that you gave yourself")
    parser.add_argument("--undo", action="store_true", help=f"take back all answers that came from {what}")
    add_asking(parser)


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--names",
        choices=NAMES,
        default=NAMES[0],
        help="how a text file is named: IMG_1.jpg.txt by the full name of the photo, IMG_1.txt by its stem",
    )


def _add_above(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--above",
        type=_share,
        default=argparse.SUPPRESS,
        metavar="SCORE",
        help="also what nobody answered and has a score above this, such as 0.9",
    )
    parser.set_defaults(above=None)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--for", dest="program", choices=tuple(PROFILES), default=argparse.SUPPRESS, help="program that will read them"
    )
    parser.add_argument("--threshold", type=_share, default=0.5, help="p_keep at or above this is kept, 0 to 1")
    parser.add_argument(
        "--unsure", type=_share, default=MARGIN, metavar="MARGIN", help="scores nearer to the threshold are unsure"
    )
    parser.add_argument(
        "--stars", action="store_true", help="also set stars: 5 for the best of a burst, 3 for kept, 1 for unsure"
    )
    parser.add_argument("--no-colors", action="store_true", help="leave color labels alone")
    parser.add_argument(
        "--list", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="write the names of kept photos to a file"
    )
    parser.add_argument(
        "--csv", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="write all decisions to a table"
    )
    parser.add_argument("--undo", action="store_true", help="give sidecars the bytes they had before the last export")
    parser.set_defaults(program=None, list=None, csv=None)
    add_asking(parser)


def add_asking(parser: argparse.ArgumentParser) -> None:
    """The options of a command that shows a preview and asks before it goes on."""
    parser.add_argument("--dry-run", action="store_true", help="print the preview and change nothing")
    parser.add_argument("--yes", action="store_true", help="go on without asking")


def _add_replay(parser: argparse.ArgumentParser) -> None:
    rules = Rules()
    parser.add_argument(
        "--truth",
        type=Path,
        required=True,
        help="table of known answers, photos named in the column image_name; for another task, a labels file of it",
        default=argparse.SUPPRESS,
    )
    parser.add_argument("--keep-column", default=rules.keep_column, help="column with the answers")
    parser.add_argument("--strategy", choices=STRATEGIES, default=rules.strategy, help="strategy compared with random")
    parser.add_argument("--budget", type=_positive, default=rules.budget, help="maximum number of labels")
    parser.add_argument("--step", type=_positive, default=rules.step, help="labels between measurements")
    parser.add_argument("--seeds", type=_positive, default=rules.seeds, help="number of runs, each with its own seed")
    parser.add_argument(
        "--group-column",
        default=argparse.SUPPRESS,
        help="column of groups held out together (default: burst if present, otherwise the detected bursts)",
    )
    parser.add_argument(
        "--held-out", type=_inner_share, default=rules.held_out, help="share of photos held out for measuring"
    )
    parser.add_argument("--clock", action="store_true", help="also time a person from opening to a certified cull")
    parser.add_argument("--seconds", type=_seconds, default=1.5, help="a person's time for one photo")
    parser.add_argument("--sheet-seconds", type=_seconds, default=0.5, help="a person's time for one photo of a sheet")
    parser.add_argument("--out", type=Path, default=Path("curve.csv"), help="table; the plot goes to a .png next to it")
    parser.set_defaults(group_column=rules.group_column)


def count_or_zero(text: str) -> int:
    """A whole number, 0 or more, of a command line. `app.py` has it too."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def port(text: str) -> int:
    """A port of a command line. `app.py` has it too."""
    number = _number(text, int)
    if not 1 <= number <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is out of range; choose a port from 1 to {LAST_PORT}")
    return number


def _positive(text: str) -> int:
    number = _number(text, int)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is out of range; choose 1 or more")
    return number


def _share(text: str) -> float:
    share = _number(text, float)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is out of range; choose a number from 0 to 1")
    return share


def _seconds(text: str) -> float:
    seconds = _number(text, float)
    if not 0 < seconds < 3600:
        raise argparse.ArgumentTypeError(f"{text} is out of range; choose more than 0 seconds, and less than an hour")
    return seconds


def _inner_share(text: str) -> float:
    share = _number(text, float)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text} is out of range; choose a number between 0 and 1, such as 0.05")
    return share


def _training_option(name: str, text: str) -> float:
    """An option of a training, refused as the training itself would."""
    value = _number(text, float if name in ("learning_rate", "validation_split") else int)
    given: dict[str, Any] = {name: value}
    try:
        replace(Options(), **given).check()
    except TrainingError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return value


def _number(text: str, kind: Callable[[str], Number]) -> Number:
    try:
        return kind(text)
    except ValueError as error:
        what = "whole number" if kind is int else "number"
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a {what}") from error
