"""The command line: parse, call one function, print, set the exit code.

Results go to standard output; progress, notices and errors to standard error, so that results can be piped.
Exit codes: 0 done, 1 an error that a sentence explains, 2 a wrong command line, 130 stopped with Ctrl-C.
"""

import argparse
import io
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from ..encoding.embeddings import DEFAULT_BATCH_SIZE
from ..encoding.load import DEFAULT_MODEL
from ..errors import ImlcullError
from ..installation import DEFAULT_CACHE_DIR, started_as
from ..project import tables
from ..simulate.replay import STRATEGIES, Rules
from ..terminal import plain, progress_bar, say, show_log
from ..training.options import Epoch, Options

ORDER_COLUMNS = ("image_name", "p_keep")
SCORE_COLUMNS = ("image_name", "p_keep", "decision", "reason")
CACHE_DIR_HELP = f"folder of embeddings and previews; {DEFAULT_CACHE_DIR} by default".replace("%", "%%")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    show_log()
    if isinstance(sys.stdout, io.TextIOWrapper):  # results are UTF-8 everywhere; a folder's name may be any bytes
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except ImlcullError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        say("Stopped. What was finished is kept; run the same command again to go on.")
        return 130
    except OSError as error:
        if error.filename is not None:  # a defect: every module turns those into sentences
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where Python puts the rest when it ends
        if not isinstance(error, BrokenPipeError):  # the reader of a pipe may have had enough
            say(f"Error: Could not write the results: {error.strerror}. Make room, or send them elsewhere.")
            return 1
    return 0


def label(options: argparse.Namespace) -> None:
    """Open the app on a project."""
    from ..ui import launch

    launch(
        options.project,
        options.stage,
        options.model,
        options.cache_dir,
        options.host,
        options.port,
        options.auth,
        mcp=options.mcp,
    )


def embed(options: argparse.Namespace) -> None:
    """Fill the cache."""
    from ..session.session import open_session

    session = open_session(options.project, options.stage, options.model, options.cache_dir, prepare=False)
    with progress_bar() as progress:
        if options.engine == "ray":
            seen = session.fill_on_cluster(options.ray_address, batch_size=options.batch_size, progress=progress)
        else:
            seen = session.fill_cache(batch_size=options.batch_size, progress=progress)
    _say_notices(session)
    print(
        f"{len(session.listing.keys)} photos in {session.stage.name}: {seen.found} found in the cache, "
        f"{seen.computed} computed, {len(seen.unreadable)} unreadable"
    )
    for key, reason in {**seen.unreadable, **session.listing.left_out}.items():
        say(f"  {key!r}: {reason}")


def order(options: argparse.Namespace) -> None:
    """Print the next photos to label."""
    session = _prepared(options)
    photos = session.order(options.n)
    rows = [{"image_name": tables.as_name(each.key), "p_keep": _rounded(each.p_keep)} for each in photos]
    _print_results(tables.render(ORDER_COLUMNS, rows))
    if not photos:
        say("All photos that can be read are labeled.")
    elif photos[0].p_keep is None:
        say("No p_keep yet: label at least one photo as keep and one as cull.")


def train(options: argparse.Namespace) -> None:
    """Fine-tune the model, alone or as one of several processes."""
    from ..session.session import open_session
    from ..training import processes

    processes.start_the_others(sys.argv[1:])

    def show(epoch: Epoch, best: bool) -> None:
        say(epoch.summary + (", saved" if best else ""))

    session = open_session(options.project, options.stage, options.model, options.cache_dir, prepare=False)
    chosen = Options(**{field.name: getattr(options, field.name) for field in fields(Options)})
    if processes.is_helper():  # the main process shows and says everything
        session.train(chosen)
        return
    if (count := processes.launched_as()) > 1:
        say(f"{count} processes train together.")
    with progress_bar() as progress:
        training = session.train(chosen, progress=progress, on_epoch=show)
    _say_notices(session)
    print(
        f"{training.summary}\n"
        f"Model:  {session.stage.model}\nLog:    {session.stage.epoch_log}\nReport: {session.stage.report}"
    )


def score(options: argparse.Namespace) -> None:
    """Print p_keep, decision and reason of every photo."""
    is_json = options.format == "json"
    rows = [
        {
            "image_name": each.key if is_json else tables.as_name(each.key),
            "p_keep": _rounded(each.p_keep),
            "decision": each.decision,
            "reason": each.reason,
        }
        for each in _prepared(options).scores()
    ]
    _print_results(json.dumps(rows, indent=1, ensure_ascii=False) if is_json else tables.render(SCORE_COLUMNS, rows))


def audit(options: argparse.Namespace) -> None:
    """Say how many keepers a cull would lose at most."""
    from ..learning.promise import hint
    from ..learning.scores import without_scores

    session = _prepared(options)
    promise = session.promise(options.threshold, options.max_keepers_lost, options.confidence)
    if promise is None:
        raise without_scores(session.stage, session.labels())
    print("\n".join(promise.report))
    if curve := session.learning_curve():
        print(hint(curve))


def cull(options: argparse.Namespace) -> None:
    """Make the next stage, or say what it would hold."""
    from ..culling.make import check, make_stage

    session = _prepared(options)
    if options.max_keepers_lost is not None:
        options.threshold = session.threshold_for(options.max_keepers_lost, options.confidence)
        print(
            f"Threshold {options.threshold:.4f}: at most {options.max_keepers_lost:.1%} of the keepers are lost "
            f"({options.confidence:.0%} confidence)."
        )
    plan = session.plan_cull(options.threshold)
    for key, reason in plan.left_out.items():
        say(f"Left out: {key!r}: {reason}")
    unreadable = [each for each in plan.kept if each.reason.startswith("unreadable")]
    for each in unreadable:
        say(f"Kept unseen: {each.key!r}: {each.reason}")
    by_label = sum(each.reason == "label" for each in plan.decisions)
    print(
        f"{len(plan.decisions)} photos in {plan.stage.name}: {len(plan.kept)} kept, {len(plan.culled)} culled "
        f"({by_label} by label, {len(plan.decisions) - by_label - len(unreadable)} by score at {plan.threshold:g}, "
        f"{len(unreadable)} unreadable and kept); {len(plan.files) - len(plan.kept)} companion files"
    )
    if options.dry_run:
        check(plan, options.link)
        print(f"Dry run: nothing was written. Without --dry-run this makes {plan.stage.next.folder}")
        return
    with progress_bar() as progress:
        new = make_stage(plan, options.link, progress=progress)
    companions = f" and {plan.companions} companion files" if plan.companions else ""
    print(
        f"Made {new.folder} of {len(plan.kept)} photos{companions}, with {new.manifest.name}; "
        f"{plan.stage.name} is as it was."
    )


def undo_cull(options: argparse.Namespace) -> None:
    """Take back the cull that made the latest stage, if that is still as it was made; nothing is deleted."""
    from ..culling import undo
    from ..project.stages import open_stage

    made = open_stage(options.project, options.stage)
    with progress_bar() as progress:
        aside = undo.undo_cull(made, progress=progress)
    print(f"Moved {made.folder} to {aside.name}; {made.previous.name} is the latest stage again.")


def replay(options: argparse.Namespace) -> None:
    """Play a photographer whose answers are known."""
    from ..simulate.replay import replay as play

    rules = Rules(**{field.name: getattr(options, field.name) for field in fields(Rules)})
    with progress_bar() as progress:
        outcome = play(
            options.project,
            options.truth,
            options.out,
            rules,
            stage=options.stage,
            model=options.model,
            cache_dir=options.cache_dir,
            progress=progress,
            say=say,
        )
    print(f"{outcome.summary}\nTable: {outcome.table}\nPlot:  {outcome.plot}")


def demo(options: argparse.Namespace) -> None:
    """Make a sample project and open the app on it, or play a scripted photographer."""
    from ..simulate import demo as play

    with progress_bar() as progress:
        session = play.prepare(options.dir, options.model, options.cache_dir, progress=progress)
        if options.headless:
            play.headless(session, options.answers, print, progress=progress)
    if not options.headless:
        from ..ui import launch

        launch(options.dir, 1, options.model, options.cache_dir, port=options.port)


def _prepared(options: argparse.Namespace):  # type: ignore[no-untyped-def]  # a Session, imported late
    from ..session.session import open_session

    with progress_bar() as progress:
        session = open_session(options.project, options.stage, options.model, options.cache_dir, progress=progress)
    _say_notices(session)
    return session


def _print_results(text: str) -> None:
    """As they are for a program that reads them; on a terminal without what a name could do there."""
    print("\n".join(plain(line) for line in text.split("\n")) if sys.stdout.isatty() else text, end="")


def _say_notices(session) -> None:  # type: ignore[no-untyped-def]
    if session.notice:
        say(f"Note: {session.notice}")
    if missing := session.counts().missing:
        say(f"Note: labels of photos that are not in {session.stage.name}: {missing}. They are kept and not used.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=started_as(), description="Learn what to keep from few answers.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(run, summary: str) -> argparse.ArgumentParser:  # type: ignore[no-untyped-def]
        name = run.__name__.replace("_", "-")
        sub = commands.add_parser(name, help=summary, description=summary, formatter_class=Help)
        sub.set_defaults(run=run)
        return sub

    sub = command(label, "open the app on a project")
    _add_project(sub)
    _add_encoder(sub)
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets others in")
    sub.add_argument("--port", type=int, default=5000, help="port of the page on this machine")
    sub.add_argument("--auth", metavar="USER:PASSWORD", help="ask for these; or set IMLCULL_AUTH")
    sub.add_argument("--mcp", action="store_true", help='offer the API to MCP clients; needs "gradio[mcp]"')

    sub = command(embed, "fill the embedding cache")
    _add_project(sub)
    _add_encoder(sub)
    sub.add_argument("--batch-size", type=_positive, default=DEFAULT_BATCH_SIZE, help="photos the encoder sees at once")
    sub.add_argument("--engine", choices=("local", "ray"), default="local", help="this process, or a Ray cluster")
    sub.add_argument("--ray-address", metavar="HOST:PORT", help="of the cluster; without it one of this machine alone")

    sub = command(order, "list the next photos to label, most uncertain first, with p_keep")
    _add_project(sub)
    _add_encoder(sub)
    sub.add_argument("-n", type=_positive, default=20, help="how many")

    sub = command(train, "fine-tune the vision transformer on the labels")
    _add_project(sub)
    _add_encoder(sub)
    _add_training(sub)

    sub = command(score, "print photo, p_keep, decision and reason")
    _add_project(sub)
    _add_encoder(sub)
    sub.add_argument("--format", choices=("csv", "json"), default="csv", help="form of the output")

    sub = command(audit, "say how many keepers a cull would lose at most, and how many checks are missing")
    _add_project(sub)
    _add_encoder(sub)
    sub.add_argument("--max-keepers-lost", type=float, default=0.05, metavar="SHARE", help="the share to stay under")
    sub.add_argument("--confidence", type=float, default=0.95, help="of what is said")
    sub.add_argument("--threshold", type=float, default=0.5, help="p_keep at or above this is kept, 0 to 1")

    sub = command(cull, "copy the kept photos into the next stage")
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

    sub = command(undo_cull, "take back the cull that made the latest stage, if that is as it was made")
    _add_project(sub)

    sub = command(replay, "count the labels that a strategy takes, where the answers are known")
    _add_project(sub)
    _add_encoder(sub)
    _add_replay(sub)

    sub = command(demo, "make a sample project and open the app on it")
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


def _rounded(p_keep: float | None) -> float | None:
    return None if p_keep is None else round(p_keep, 4)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number
