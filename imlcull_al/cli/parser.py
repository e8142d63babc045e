"""The command line's parser: commands, options, defaults and help. Runs nothing."""

import argparse
import textwrap
from pathlib import Path

from ..encoding.embeddings import DEFAULT_BATCH_SIZE
from ..encoding.load import DEFAULT_MODEL
from ..installation import DEFAULT_CACHE_DIR, started_as
from ..simulate.replay import STRATEGIES, Rules
from ..training.options import Options

CACHE_DIR_HELP = f"folder of embeddings and previews; {DEFAULT_CACHE_DIR} by default".replace("%", "%%")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; `command` of what it returns is the command's name."""
    parser = argparse.ArgumentParser(prog=started_as(), description="Learn what to keep from few answers.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = commands.add_parser(
            name, help=summary, description=summary, formatter_class=Help
        )
        sub.set_defaults(command=name)
        return sub

    sub = command("label", "open the app on a project")
    _add_project(sub)
    _add_encoder(sub)
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets others in")
    sub.add_argument("--port", type=int, default=5000, help="port of the page on this machine")
    sub.add_argument("--auth", metavar="USER:PASSWORD", help="ask for these; or set IMLCULL_AUTH")
    sub.add_argument("--mcp", action="store_true", help='offer the API to MCP clients; needs "gradio[mcp]"')

    sub = command("embed", "fill the embedding cache")
    _add_project(sub)
    _add_encoder(sub)
    sub.add_argument("--batch-size", type=_positive, default=DEFAULT_BATCH_SIZE, help="photos the encoder sees at once")
    sub.add_argument("--engine", choices=("local", "ray"), default="local", help="this process, or a Ray cluster")
    sub.add_argument("--ray-address", metavar="HOST:PORT", help="of the cluster; without it one of this machine alone")

    sub = command("order", "list the next photos to label, most uncertain first, with p_keep")
    _add_project(sub)
    _add_encoder(sub)
    sub.add_argument("-n", type=_positive, default=20, help="how many")

    sub = command("train", "fine-tune the vision transformer on the labels")
    _add_project(sub)
    _add_encoder(sub)
    _add_training(sub)

    sub = command("score", "print photo, p_keep, decision and reason")
    _add_project(sub)
    _add_encoder(sub)
    sub.add_argument("--format", choices=("csv", "json"), default="csv", help="form of the output")

    sub = command("audit", "say how many keepers a cull would lose at most, and how many checks are missing")
    _add_project(sub)
    _add_encoder(sub)
    sub.add_argument("--max-keepers-lost", type=float, default=0.05, metavar="SHARE", help="the share to stay under")
    sub.add_argument("--confidence", type=float, default=0.95, help="of what is said")
    sub.add_argument("--threshold", type=float, default=0.5, help="p_keep at or above this is kept, 0 to 1")

    sub = command("cull", "copy the kept photos into the next stage")
    _add_project(sub)
    _add_encoder(sub)
    sub.add_argument("--dry-run", action="store_true", help="say what would be done and write nothing")
    sub.add_argument("--link", choices=("copy", "hardlink", "reflink"), default="copy", help="how files are placed")
    either = sub.add_mutually_exclusive_group()
    either.add_argument("--threshold", type=float, default=0.5, help="p_keep at or above this is kept, 0 to 1")
    either.add_argument(
        "--max-keepers-lost",
        type=float,
        default=argparse.SUPPRESS,
        metavar="SHARE",
        help="instead of a threshold: that at which the audit promises to lose no more, such as 0.02",
    )
    sub.set_defaults(max_keepers_lost=None)
    sub.add_argument("--confidence", type=float, default=0.95, help="of that promise")

    sub = command("undo-cull", "take back the cull that made the latest stage, if that is as it was made")
    _add_project(sub)

    sub = command("replay", "count the labels that a strategy takes, where the answers are known")
    _add_project(sub)
    _add_encoder(sub)
    _add_replay(sub)

    sub = command("demo", "make a sample project and open the app on it")
    sub.add_argument("dir", metavar="DIR", type=Path, help="folder for the sample project")
    _add_encoder(sub)
    sub.add_argument("--headless", action="store_true", help="no page: a scripted photographer answers, trains, culls")
    sub.add_argument("--answers", type=_positive, default=80, help="answers of the scripted photographer")
    sub.add_argument("--port", type=int, default=7860, help="port of the page on this machine")
    return parser


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Says defaults, but not that there is none; `app.py` uses it too."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Model names and paths stay whole."""
        return textwrap.wrap(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)


def _add_project(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--project", type=Path, required=True, help="folder that holds stage_1", default=argparse.SUPPRESS
    )
    parser.add_argument(
        "--stage", type=int, help="number of the stage; the latest by default", default=argparse.SUPPRESS
    )
    parser.set_defaults(stage=None)


def _add_encoder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default=argparse.SUPPRESS,
        help="builtin, the Hugging Face id or local folder of a vision transformer, or such a one with +builtin behind "
        f"it, for both side by side; by default the stage's trained model, else {DEFAULT_MODEL}",
    )
    parser.add_argument("--cache-dir", type=Path, default=argparse.SUPPRESS, help=CACHE_DIR_HELP)
    parser.set_defaults(model=None, cache_dir=None)


def _add_training(parser: argparse.ArgumentParser) -> None:
    defaults = Options()
    parser.add_argument("--epochs", type=int, default=defaults.epochs, help="passes over the labeled photos, at most")
    parser.add_argument("--batch-size", type=int, default=defaults.batch_size, help="photos in a step")
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate, help="Adam's step size")
    parser.add_argument("--patience", type=int, default=defaults.patience, help="epochs to wait for a better one")
    parser.add_argument(
        "--validation-split", type=float, default=defaults.validation_split, help="share of the labels set apart"
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, help="the same seed gives the same training")
    parser.add_argument(
        "--train-blocks",
        type=int,
        default=defaults.train_blocks,
        metavar="N",
        help="train only the transformer's last N blocks, several times as fast; all of it by default",
    )
    parser.add_argument(
        "--processes", type=_positive, default=1, metavar="N", help="processes of this machine that train together"
    )


def _add_replay(parser: argparse.ArgumentParser) -> None:
    rules = Rules()
    parser.add_argument(
        "--truth",
        type=Path,
        required=True,
        help="table of known answers; image_name names photos",
        default=argparse.SUPPRESS,
    )
    parser.add_argument("--keep-column", default=rules.keep_column, help="column of the answers")
    parser.add_argument("--strategy", choices=STRATEGIES, default=rules.strategy, help="played beside random")
    parser.add_argument("--budget", type=_positive, default=rules.budget, help="labels, at most")
    parser.add_argument("--step", type=_positive, default=rules.step, help="labels between two measurements")
    parser.add_argument("--seeds", type=_positive, default=rules.seeds, help="how often it is played")
    parser.add_argument(
        "--group-column",
        default=argparse.SUPPRESS,
        help="column of what is held out together; by default burst, without it the bursts found in the photos",
    )
    parser.add_argument("--held-out", type=float, default=rules.held_out, help="share of the photos that measure")
    parser.add_argument("--out", type=Path, default=Path("curve.csv"), help="table; the plot is the .png beside it")
    parser.set_defaults(group_column=rules.group_column)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number
