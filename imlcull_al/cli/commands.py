"""The command line: parse, call one function, print, set the exit code.

Results go to standard output; progress, notices and errors go to standard error, so that results can be piped.
Exit codes: 0 success, 1 error with an explanation, 2 invalid command line, 130 interrupted with Ctrl-C.
"""

import argparse
import io
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING

from ..encoding.device import choose
from ..errors import ImlcullError, StageError
from ..installation import DEFAULT_CACHE_DIR
from ..progress import amount
from ..project import tables
from ..project.left_out import told
from ..project.stages import absolute
from ..project.task import CULL_TASK
from ..simulate.replay import Rules
from ..terminal import progress_bar, say, show_log
from ..training.options import Epoch, Options, options_of
from . import exports, imports
from .parser import build_parser
from .shell import begin, goes_on, opened, prepared, print_results, put_out, say_names, say_notices

if TYPE_CHECKING:
    from ..session.session import Session

ORDER_COLUMNS = ("image_name", "p_keep")
SCORE_COLUMNS = ("image_name", "p_keep", "decision", "reason")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    show_log()
    if isinstance(sys.stdout, io.TextIOWrapper):  # results are UTF-8 everywhere; a folder name can be any bytes
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    typed = sys.argv[1:] if arguments is None else list(arguments)
    options = build_parser().parse_args(_spelled_out(typed))
    options.arguments = typed
    try:
        if getattr(options, "device", None):
            choose(options.device)
        COMMANDS[options.command](options)
        sys.stdout.flush()
    except ImlcullError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        say("Stopped. Finished work is kept; run the same command again to continue.")
        return 130
    except OSError as error:
        if error.filename is not None:  # a bug: every module converts these to an ImlcullError
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        if not isinstance(error, BrokenPipeError):  # the reader closed the pipe, as `head` does
            say(f"Error: Could not write the results: {error.strerror}. Free some space or choose another disk.")
            return 1
    return 0


def _spelled_out(arguments: list[str]) -> list[str]:
    """The command line with the words that may be left out: `open`, and `folder` after `import`."""
    if _begins_with_a_folder(arguments):
        return ["open", *arguments]
    has_kind = len(arguments) < 2 or arguments[1][:1] == "-" or f"import-{arguments[1]}" in COMMANDS
    if arguments[:1] == ["import"] and not has_kind:
        return ["import", "folder", *arguments[1:]]
    return arguments


def _begins_with_a_folder(arguments: Sequence[str]) -> bool:
    """Whether a command line is that of `open`, without its name. A folder named like a command needs `./`."""
    if not arguments:
        return True
    first, commands = arguments[0], (*COMMANDS, "audit", "model", "cache", "import", "export")
    if first[:1] == "-":
        words = (word for before, word in pairwise(arguments) if before[:1] != "-")  # the others are options' values
        return first not in ("-h", "--help") and not any(word in commands for word in words)
    if first in commands:
        return False
    return first[:1] in ("~", ".") or any(mark in first for mark in "/\\") or absolute(first).is_dir()


def open_folder(options: argparse.Namespace) -> None:
    """Open the app on a folder of photos, or on a project; without either, on a screen to choose one."""
    from ..project.opening import project_of

    if options.moved and None in (options.folder, options.project):
        raise StageError("--moved takes both: the project with --project, and the folder to which its photos moved.")
    if options.folder is None and options.project is None:
        from ..ui import choose_project

        options.project = choose_project(options.model, options.cache_dir, options.host, options.port, options.auth)
    elif options.folder is not None:
        options.project = project_of(options.folder, options.project, moved=options.moved)
    label(options)


def label(options: argparse.Namespace) -> None:
    """Open the app on a project, or on a folder of photos."""
    from ..ui import launch

    begin(options)
    launch(
        options.project,
        options.stage,
        options.model,
        options.cache_dir,
        options.host,
        options.port,
        options.auth,
        mcp=options.mcp,
        task=options.task,
        classes=options.classes,
        tags=options.tags,
        start=options.start,
        scores=options.scores,
        train_every=options.train_every,
    )


def embed(options: argparse.Namespace) -> None:
    """Fill the embedding cache."""
    begin(options)
    session = opened(options, prepare=False)
    with progress_bar() as progress:
        if options.engine == "ray":
            seen = session.fill_on_cluster(options.ray_address, batch_size=options.batch_size, progress=progress)
        else:
            seen = session.fill_cache(batch_size=options.batch_size, progress=progress)
    say_notices(session)
    print(
        f"{amount(len(session.listing.keys), 'photo')} in {session.stage.name}: {seen.found} found in the cache, "
        f"{seen.computed} computed, {len(seen.unreadable)} unreadable"
    )
    for line in told(seen.unreadable):
        say(f"  {line}")
    if left_out := session.listing.left_out:
        say(f"Left out, being neither photos nor companions ({len(left_out):,}):")
    for line in told(left_out):
        say(f"  {line}")


def order(options: argparse.Namespace) -> None:
    """Print the next photos to label."""
    session = prepared(options)
    photos = session.order(options.n)
    if options.format == "timelapse":
        from ..exchange import timelapse

        put_out(session, options.out, timelapse.selector(session.listing.keys, [each.key for each in photos]))
    elif session.task == CULL_TASK:
        rows = [{"image_name": tables.as_name(each.key), "p_keep": _rounded(each.p_keep)} for each in photos]
        put_out(session, options.out, tables.render(ORDER_COLUMNS, rows))
    else:
        scored = [{"image_name": tables.as_name(each.key), **_by_class(session, each.probability)} for each in photos]
        put_out(session, options.out, tables.render((ORDER_COLUMNS[0], *session.task.classes), scored))
    if not photos:
        say("All readable photos are labeled.")
    elif photos[0].p_keep is None and photos[0].probability is None:
        what = "photos of two classes" if session.task.exclusive else "photos with a tag and without it"
        if session.task == CULL_TASK:
            what = "one photo as keep and one as cull"
        say(f"No scores yet: label at least {what}.")


def train(options: argparse.Namespace) -> None:
    """Fine-tune the model, in one process or several."""
    from ..training import processes

    def show(epoch: Epoch, best: bool) -> None:
        say(epoch.summary + (", saved" if best else ""))

    session = opened(options, prepare=False)
    given = {field.name: getattr(options, field.name) for field in fields(Options) if hasattr(options, field.name)}
    chosen = options_of(**given)
    chosen.check()  # before there are several processes that would all refuse
    processes.start(options.processes, options.arguments)
    if processes.is_helper():  # the main process reports for all
        session.train(chosen)
        return
    if (count := processes.launched_as()) > 1:
        say(f"Training in {count} processes.")
    with progress_bar() as progress:
        training = session.train(chosen, progress=progress, on_epoch=show)
    say_notices(session)
    print(
        f"{training.summary}\n"
        f"Model:  {session.stage.model}\nLog:    {session.stage.epoch_log}\nReport: {session.stage.report}"
    )


def score(options: argparse.Namespace) -> None:
    """Print scores, decision and reason for every photo."""
    session, is_json = prepared(options), options.format == "json"
    say(f"Scores: {session.source}")
    rows: list[dict[str, object]]
    if session.task == CULL_TASK:
        columns: tuple[str, ...] = SCORE_COLUMNS
        rows = [
            {"image_name": each.key, "p_keep": _rounded(each.p_keep), "decision": each.decision, "reason": each.reason}
            for each in session.scores()
        ]
    else:
        columns = ("image_name", *session.task.classes, "decision", "reason")
        rows = [
            {
                "image_name": each.key,
                **_by_class(session, each.probability),
                "decision": session.task.words(each.label) if each.label else "",
                "reason": each.reason,
            }
            for each in session.predictions()
        ]
    if is_json:
        print_results(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    named = ({**row, "image_name": tables.as_name(str(row["image_name"]))} for row in rows)
    print_results(tables.render(columns, named))


def predict(options: argparse.Namespace) -> None:
    """Predict photos without a project."""
    from ..exchange.predict import Wish
    from ..exchange.predict import predict as run
    from ..learning.predictor import load_predictor

    predictor = load_predictor(options.classifier)
    wish = Wish(options.top, options.format, options.out, options.bins, options.link)
    with progress_bar() as progress:
        outcome = run(predictor, options.paths, options.cache_dir or DEFAULT_CACHE_DIR, wish, progress=progress)
    say_names("Unreadable", outcome.unreadable)
    if options.out is None:
        print_results(outcome.text)
    else:
        count = amount(len(outcome.predictions) - len(outcome.unreadable), "photo")
        print(f"Made {options.out} with the predictions of {count}, {len(outcome.unreadable):,} unreadable.")


def models(options: argparse.Namespace) -> None:
    """List the models of a project or folder."""
    from ..learning.inventory import models_in

    for path, summary in models_in(options.folder):
        print_results(f"{path}: {summary}\n")


def model_info(options: argparse.Namespace) -> None:
    """Print what a model says of itself."""
    from ..learning.inventory import facts

    for name, value in facts(options.file).items():
        print_results(f"{name}: {value}\n")


def cache_info(options: argparse.Namespace) -> None:
    """Print what the cache holds."""
    from ..encoding.cache_folder import contents

    folder = options.cache_dir or DEFAULT_CACHE_DIR
    found = contents(folder)
    for each in found:
        print(f"{each.path.name}: {each.what}, {_megabytes(each.size)}")
    print(f"{folder}: {_megabytes(sum(each.size for each in found))}")


def cache_clear(options: argparse.Namespace) -> None:
    """Remove what the cache holds, after saying what that costs."""
    from ..encoding.cache_folder import PREVIEWS, clear, contents

    found = contents(options.cache_dir or DEFAULT_CACHE_DIR)
    if options.previews:
        found = [each for each in found if each.path.name == PREVIEWS]
    for each in found:
        print(f"{each.path.name}, {_megabytes(each.size)}: without it, {each.costs}")
    size = _megabytes(sum(each.size for each in found))
    if found and goes_on(options, f"Remove {size}? Photos, answers and models are not in the cache and stay."):
        clear(found)
        print(f"Removed {size}.")
    elif not found:
        print("There is nothing to remove.")


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MB"


def check(options: argparse.Namespace) -> None:
    """Print an upper bound on the keepers that a cull would lose, and the cheapest way to the share asked for; for
    several classes, how often scores are right.
    """
    from ..learning.promise import ClassMeasures, Promise, hint
    from ..learning.scores import without_scores

    session = prepared(options)
    promise: Promise | ClassMeasures | None
    if session.task.is_binary:
        promise = session.promise(options.threshold, options.max_keepers_lost, options.confidence)
    else:
        promise = session.measures(options.confidence)
    if promise is None:
        raise without_scores(session.stage, session.labels(), session.task)
    print("\n".join(promise.report))
    way = session.cheapest_way(options.threshold, options.max_keepers_lost, options.confidence)
    if way and session.task == CULL_TASK:
        limit = f" Cull at --threshold {way.threshold:g}." if way.culls else ""
        print(f"{way.advice(options.max_keepers_lost, options.confidence)}{limit}")
    if curve := session.learning_curve():
        print(hint(curve))


def cull(options: argparse.Namespace) -> None:
    """Make the next stage; with --dry-run, only report what it would hold."""
    from ..culling import make
    from ..culling.plan import told as companions_told

    session = prepared(options)
    if options.max_keepers_lost is not None:
        options.threshold = session.threshold_for(options.max_keepers_lost, options.confidence)
        print(
            f"Threshold {options.threshold:.4f}: at most {options.max_keepers_lost:.1%} of your keepers are lost "
            f"({options.confidence:.0%} confidence)."
        )
    plan = session.plan_cull(options.threshold)
    for line in told(plan.left_out):
        say(f"Left out: {line}")
    unreadable = {each.key: each.reason for each in plan.kept if each.reason.startswith("unreadable")}
    for line in told(unreadable):
        say(f"Kept unseen: {line}")
    for line in companions_told(plan):
        say(line)
    by_label = sum(each.reason == "label" for each in plan.decisions)
    print(
        f"{amount(len(plan.decisions), 'photo')} in {plan.stage.name}: "
        f"{len(plan.kept)} kept, {len(plan.culled)} culled ({by_label} decided by you, "
        f"{len(plan.decisions) - by_label - len(unreadable)} by score at "
        f"{plan.threshold:g}, {len(unreadable)} unreadable and kept), "
        f"{amount(plan.companions, 'companion file')}\nScores: {session.source}"
    )
    if options.dry_run:
        make.check(plan, options.link)
        print(f"Dry run: nothing was written. Run it without --dry-run to make {plan.stage.next.folder}.")
        return
    with progress_bar() as progress:
        new = make.make_stage(plan, options.link, progress=progress)
    companions = f" and {amount(plan.companions, 'companion file')}" if plan.companions else ""
    print(
        f"Made {new.folder} with {amount(len(plan.kept), 'photo')}{companions}, listed in {new.manifest.name}; "
        f"{plan.stage.name} is unchanged."
    )


def undo_cull(options: argparse.Namespace) -> None:
    """Move the latest stage aside if it is unchanged since the cull that made it. Deletes nothing."""
    from ..culling import undo
    from ..project.stages import open_stage

    made = open_stage(options.project, options.stage)
    with progress_bar() as progress:
        aside = undo.undo_cull(made, progress=progress)
    latest = f"; {made.previous.name} is the latest stage again" if made.number > 1 else ""
    print(f"Moved {made.folder} to {aside.name}{latest}.")


def replay(options: argparse.Namespace) -> None:
    """Simulate labeling with known answers."""
    from ..simulate.minutes import Pace
    from ..simulate.replay import replay as play

    options.pace = Pace(options.seconds, options.sheet_seconds) if options.clock else None
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
            task=options.task,
            progress=progress,
            say=say,
        )
    print(outcome.summary)
    if outcome.by_clock:
        print(outcome.by_clock)
    print(f"Table: {outcome.table}\nPlot:  {outcome.plot}")


def demo(options: argparse.Namespace) -> None:
    """Make a sample project and open the app on it, or run a scripted photographer."""
    from ..simulate import demo as play

    with progress_bar() as progress:
        session = play.prepare(options.dir, options.model, options.cache_dir, progress=progress)
        if options.headless:
            play.headless(session, options.answers, print, progress=progress)
    if not options.headless:
        from ..ui import launch

        launch(options.dir, 1, options.model, options.cache_dir, port=options.port)


def _by_class(session: "Session", probability: Sequence[float] | None) -> dict[str, object]:
    """Class → probability; None where there is none."""
    scores = probability or [math.nan] * len(session.task.classes)
    pairs = zip(session.task.classes, scores, strict=True)
    return {name: None if math.isnan(score) else _rounded(score) for name, score in pairs}


def _rounded(p_keep: float | None) -> float | None:
    return None if p_keep is None else round(p_keep, 4)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "open": open_folder,
    **{
        run.__name__.replace("_", "-"): run
        for run in (
            *(
                label,
                embed,
                order,
                train,
                score,
                predict,
                models,
                model_info,
                cache_info,
                cache_clear,
                check,
                cull,
                undo_cull,
                replay,
                demo,
            ),
            *(imports.import_folder, imports.import_ratings, imports.import_megadetector, imports.import_folders),
            *(imports.import_tags_txt, imports.import_timelapse),
            *(exports.export_ratings, exports.export_folders, exports.export_tags_txt, exports.export_hf),
        )
    },
}
