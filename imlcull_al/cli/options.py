"""Options that several commands have, or that one has many of."""

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path

from ..encoding.device import DEVICES, VARIABLE
from ..encoding.load import DEFAULT_MODEL
from ..exchange.folders import LINKS
from ..exchange.predictions import FORMATS, TOP
from ..exchange.profiles import MARGIN, PROFILES
from ..exchange.ratings import CULL_RULE, KEEP_RULE
from ..exchange.tags_txt import NAMES
from ..installation import DEFAULT_CACHE_DIR
from ..learning.choice import SCORES
from ..learning.scores import AUTO
from ..project.stages import PROJECT_SUFFIX
from ..project.task import CULL, CULL_TASK, KEEP
from ..simulate.replay import STRATEGIES, Rules
from ..training.options import GENTLE, MEANINGS, TRAIN_EVERY, Options
from .values import count_or_zero, inner_share, names, port, positive, seconds, share, training_option

CACHE_DIR_HELP = f"folder for embeddings and previews (default: {DEFAULT_CACHE_DIR})".replace("%", "%%")


def add_page(parser: argparse.ArgumentParser) -> None:
    """The options of a page: its task, model and scores, and where it listens."""
    add_task(parser)
    add_encoder(parser)
    add_scores(parser)
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


def add_folder(parser: argparse.ArgumentParser, what: str, nargs: str | None = None) -> None:
    """A folder of photos, and the project beside it."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, nargs=nargs, help=what)
    parser.add_argument(
        "--project",
        type=Path,
        default=argparse.SUPPRESS,
        help=f"folder for everything that is written (default: FOLDER{PROJECT_SUFFIX}, beside it)",
    )
    parser.set_defaults(project=None)


def add_project(parser: argparse.ArgumentParser) -> None:
    """A project and its stage."""
    parser.add_argument(
        "--project", type=Path, required=True, help="project, or its folder of photos", default=argparse.SUPPRESS
    )
    parser.add_argument("--stage", type=int, help="stage number (default: the latest)", default=argparse.SUPPRESS)
    parser.set_defaults(stage=None)


def add_task(parser: argparse.ArgumentParser) -> None:
    """A task, and what makes a new one."""
    parser.add_argument("--task", default=CULL_TASK.name, metavar="NAME", help="what is asked of every photo")
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--classes",
        type=names,
        default=argparse.SUPPRESS,
        metavar="A,B,C",
        help="classes of a new task, of which a photo has one, or more classes for a task that has some",
    )
    either.add_argument(
        "--tags",
        type=names,
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


def add_encoder(parser: argparse.ArgumentParser) -> None:
    """The model, the cache and the device."""
    add_cache(parser)
    parser.add_argument(
        "--model",
        default=argparse.SUPPRESS,
        help="builtin, a model file (.pth), or the Hugging Face id or local folder of a vision transformer; append "
        "+builtin to a transformer to concatenate the embeddings of both (default: the stage's trained model, else "
        f"{DEFAULT_MODEL})",
    )
    parser.set_defaults(model=None)


def add_cache(parser: argparse.ArgumentParser) -> None:
    """The cache and the device."""
    parser.add_argument("--cache-dir", type=Path, default=argparse.SUPPRESS, help=CACHE_DIR_HELP)
    add_device(parser)
    parser.set_defaults(cache_dir=None)


def add_predict(parser: argparse.ArgumentParser) -> None:
    """A classifier, photos, and what is written of them."""
    parser.add_argument(
        "classifier", metavar="MODEL", type=Path, help="model file, or folder of a Hugging Face image classifier"
    )
    parser.add_argument("paths", metavar="PATH", type=Path, nargs="+", help="folder of photos, zip archive or photo")
    parser.add_argument("--top", type=positive, default=TOP, metavar="N", help="likeliest classes to tell of a photo")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="output format")
    parser.add_argument(
        "--out",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="new folder to write to, instead of printing: one JSON for each photo, or one table",
    )
    parser.add_argument(
        "--bins",
        type=positive,
        default=argparse.SUPPRESS,
        metavar="N",
        help="place the photos in --out instead, in N folders for each class by their probability",
    )
    parser.add_argument("--link", choices=LINKS, default=LINKS[0], help="copy method of --bins")
    parser.set_defaults(out=None, bins=None)
    add_cache(parser)


def add_scores(parser: argparse.ArgumentParser) -> None:
    """Where scores come from."""
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


def add_training(parser: argparse.ArgumentParser) -> None:
    """The options of a training."""
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
            type=partial(training_option, name),
            default=argparse.SUPPRESS,
            metavar="N" if name == "train_blocks" else None,
            help=f"{MEANINGS[name]} (default: {usual}{'' if gentle == value else f', gentle {gentle:g}'})",
        )
    parser.add_argument(
        "--processes", type=positive, default=1, metavar="N", help="number of training processes on this machine"
    )


def add_import(parser: argparse.ArgumentParser) -> None:
    """The rules that turn ratings into answers."""
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
    add_taking(parser, "ratings")


def add_taking(parser: argparse.ArgumentParser, what: str) -> None:
    """The options of every import of answers."""
    parser.add_argument("--overwrite", action="store_true", help="also replace answers that you gave yourself")
    parser.add_argument("--undo", action="store_true", help=f"take back all answers that came from {what}")
    add_asking(parser)


def add_names(parser: argparse.ArgumentParser) -> None:
    """How text files are named."""
    parser.add_argument(
        "--names",
        choices=NAMES,
        default=NAMES[0],
        help="how a text file is named: IMG_1.jpg.txt by the full name of the photo, IMG_1.txt by its stem",
    )


def add_above(parser: argparse.ArgumentParser) -> None:
    """From which score on a photo counts that nobody answered."""
    parser.add_argument(
        "--above",
        type=share,
        default=argparse.SUPPRESS,
        metavar="SCORE",
        help="also what nobody answered and has a score above this, such as 0.9",
    )
    parser.set_defaults(above=None)


def add_export(parser: argparse.ArgumentParser) -> None:
    """What is written into sidecars, and for which program."""
    parser.add_argument(
        "--for", dest="program", choices=tuple(PROFILES), default=argparse.SUPPRESS, help="program that will read them"
    )
    parser.add_argument("--threshold", type=share, default=0.5, help="p_keep at or above this is kept, 0 to 1")
    parser.add_argument(
        "--unsure", type=share, default=MARGIN, metavar="MARGIN", help="scores nearer to the threshold are unsure"
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


def add_replay(parser: argparse.ArgumentParser) -> None:
    """The rules of a simulation."""
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
    parser.add_argument("--budget", type=positive, default=rules.budget, help="maximum number of labels")
    parser.add_argument("--step", type=positive, default=rules.step, help="labels between measurements")
    parser.add_argument("--seeds", type=positive, default=rules.seeds, help="number of runs, each with its own seed")
    parser.add_argument(
        "--group-column",
        default=argparse.SUPPRESS,
        help="column of groups held out together (default: burst if present, otherwise the detected bursts)",
    )
    parser.add_argument(
        "--held-out", type=inner_share, default=rules.held_out, help="share of photos held out for measuring"
    )
    parser.add_argument("--clock", action="store_true", help="also time a person from opening to a certified cull")
    parser.add_argument("--seconds", type=seconds, default=1.5, help="a person's time for one photo")
    parser.add_argument("--sheet-seconds", type=seconds, default=0.5, help="a person's time for one photo of a sheet")
    parser.add_argument("--out", type=Path, default=Path("curve.csv"), help="table; the plot goes to a .png next to it")
    parser.set_defaults(group_column=rules.group_column)
