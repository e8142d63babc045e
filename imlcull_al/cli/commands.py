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
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..encoding.device import choose
from ..errors import AnswersRefused, DetectionsRefused, ImlcullError, RatingsRefused, StageError
from ..exchange.profiles import PROFILES
from ..installation import quoted, started_as
from ..progress import amount
from ..project import tables
from ..project.files import replace_text
from ..project.left_out import told
from ..project.stages import absolute, lies_in_a_stage
from ..project.task import CULL_TASK, LABELS
from ..simulate.replay import Rules
from ..terminal import plain, progress_bar, say, show_log
from ..training.options import Epoch, Options, options_of
from .parser import build_parser

if TYPE_CHECKING:
    from ..project.stages import Stage
    from ..project.task import Task
    from ..session.answers import Proposal
    from ..session.session import Session

ORDER_COLUMNS = ("image_name", "p_keep")
_IMPORTS = {"folder", "ratings", "megadetector", "folders", "tags-txt", "timelapse"}
MOST_NAMES = 50
"""Names listed in one note, at most."""
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
    if len(arguments) > 1 and arguments[0] == "import" and arguments[1] not in _IMPORTS and arguments[1][:1] != "-":
        return ["import", "folder", *arguments[1:]]
    return arguments


def _begins_with_a_folder(arguments: Sequence[str]) -> bool:
    """Whether a command line is that of `open`, without its name. A folder named like a command needs `./`."""
    if not arguments:
        return True
    first, commands = arguments[0], (*COMMANDS, "audit", "import", "export")
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

    _begin(options)
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
    _begin(options)
    session = _opened(options, prepare=False)
    with progress_bar() as progress:
        if options.engine == "ray":
            seen = session.fill_on_cluster(options.ray_address, batch_size=options.batch_size, progress=progress)
        else:
            seen = session.fill_cache(batch_size=options.batch_size, progress=progress)
    _say_notices(session)
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
    session = _prepared(options)
    photos = session.order(options.n)
    if options.format == "timelapse":
        from ..exchange import timelapse

        _put_out(session, options.out, timelapse.selector(session.listing.keys, [each.key for each in photos]))
    elif session.task == CULL_TASK:
        rows = [{"image_name": tables.as_name(each.key), "p_keep": _rounded(each.p_keep)} for each in photos]
        _put_out(session, options.out, tables.render(ORDER_COLUMNS, rows))
    else:
        scored = [{"image_name": tables.as_name(each.key), **_by_class(session, each.probability)} for each in photos]
        _put_out(session, options.out, tables.render((ORDER_COLUMNS[0], *session.task.classes), scored))
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

    session = _opened(options, prepare=False)
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
    _say_notices(session)
    print(
        f"{training.summary}\n"
        f"Model:  {session.stage.model}\nLog:    {session.stage.epoch_log}\nReport: {session.stage.report}"
    )


def score(options: argparse.Namespace) -> None:
    """Print scores, decision and reason for every photo."""
    session, is_json = _prepared(options), options.format == "json"
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
        _print_results(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    named = ({**row, "image_name": tables.as_name(str(row["image_name"]))} for row in rows)
    _print_results(tables.render(columns, named))


def check(options: argparse.Namespace) -> None:
    """Print an upper bound on the keepers that a cull would lose, and the cheapest way to the share asked for; for
    several classes, how often scores are right.
    """
    from ..learning.promise import ClassMeasures, Promise, hint
    from ..learning.scores import without_scores

    session = _prepared(options)
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

    session = _prepared(options)
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


def import_folder(options: argparse.Namespace) -> None:
    """Make the first stage of a project from the photos of a folder."""
    from ..culling.importing import import_folder as make

    with progress_bar() as progress:
        plan, new = make(options.folder, options.project, options.link, progress=progress)
    for line in told(plan.left_out):
        say(f"Left out: {line}")
    companions = f" and {amount(plan.companions, 'companion file')}" if plan.companions else ""
    print(
        f"Made {new.folder} with {amount(len(plan.kept), 'photo')}{companions}, listed in {new.manifest.name}; "
        f"{plan.stage.folder} is unchanged."
    )


def import_ratings(options: argparse.Namespace) -> None:
    """Turn ratings of other programs into answers, after a preview."""
    from ..exchange.elsewhere import sidecars_below
    from ..exchange.ratings import SOURCE, rules_for
    from ..session import ratings

    if _took_back(options, SOURCE, "ratings"):
        return
    elsewhere = sidecars_below(options.origin) if options.origin else None
    session, task = _planned(options, ())
    named = {name: rule for name in LABELS if (rule := getattr(options, name)) is not None}
    rules = rules_for(task, {**named, **dict(options.rules or ())})
    say("Rules: " + "; ".join(f"{name} where {rule.text}" for name, rule in rules.items()))
    with progress_bar() as progress:
        found = ratings.look(session, rules, task, overwrite=options.overwrite, elsewhere=elsewhere, progress=progress)
    _say_names("Not read, and left as it is", found.refused)
    _say_names("Left unrated", dict.fromkeys(found.both, "it matches more than one rule"))
    print(found.summary)
    for line in found.examples:
        say(f"  {line}")
    _take_over(options, session, found, "the ratings")


def import_folders(options: argparse.Namespace) -> None:
    """Turn class folders into answers, after a preview."""
    from ..exchange.folders import SOURCE, read_folders
    from ..session.answers import from_folders

    if _took_back(options, SOURCE, "class folders"):
        return
    if options.folder is None:
        raise AnswersRefused("Name the folder that holds the class folders: import folders DIR --project PROJECT")
    folders = read_folders(options.folder, options.whole)
    session, task = _planned(options, folders.names)
    with progress_bar() as progress:
        found = from_folders(session, task, folders, overwrite=options.overwrite, progress=progress)
    _preview_and_take(options, session, found, "the folders", "folders")


def export_folders(options: argparse.Namespace) -> None:
    """Make class folders of the answers, and of scores if asked to."""
    from ..exchange import folders
    from ..session.answers import decided

    session = _opened(options, prepare=False) if options.above is None else _prepared(options)
    tags = decided(session, options.above)
    classes = {key: [name for name, has in each.items() if has] for key, each in tags.items()}
    counts = Counter(name for names in classes.values() for name in names)
    folders.check_out(session.stage, options.out, counts)
    if not counts:
        raise AnswersRefused(f"No photo of {session.stage.name} has a class of {session.task.name} yet. Answer some.")
    print(", ".join(f"{counts[name]:,} {name}" for name in session.task.classes if counts[name]))
    if options.dry_run:
        print(f"Dry run: nothing was written. Run it without --dry-run to make {options.out}.")
        return
    with progress_bar() as progress:
        count = folders.write(session.stage, classes, options.out, options.link, progress=progress)
    print(f"Made {options.out} with {amount(count, 'photo')}.")


def import_tags_txt(options: argparse.Namespace) -> None:
    """Turn text files with tags into answers, after a preview."""
    from ..exchange import tags_txt
    from ..project.opening import planned_stage
    from ..project.settings import tasks_of
    from ..session.answers import from_tags, listing_of, only_tags

    if _took_back(options, tags_txt.SOURCE, "text files"):
        return
    stage = planned_stage(options.project, options.stage)
    if known := tasks_of(stage.project).get(options.task):
        only_tags(known, "import folders")
    tags, ignored = tags_txt.read_tags(stage, listing_of(stage, options.cache_dir), options.names, options.origin)
    names = sorted({tag for named in tags.values() for tag in named})
    session, task = _planned(options, names, tags=True)
    found = from_tags(session, task, tags, ignored, overwrite=options.overwrite)
    _preview_and_take(options, session, found, "the text files", "tags-txt")


def import_timelapse(options: argparse.Namespace) -> None:
    """Turn the species in a table of Timelapse into answers, after a preview."""
    from ..exchange.timelapse import SOURCE
    from ..session.answers import from_timelapse

    if _took_back(options, SOURCE, "Timelapse"):
        return
    if options.file is None:
        raise AnswersRefused("Name the table that Timelapse wrote: import timelapse FILE --project PROJECT")
    session, task = _planned(options, ())
    found = from_timelapse(session, task, options.file, overwrite=options.overwrite)
    _preview_and_take(options, session, found, "the table", "timelapse")


def export_tags_txt(options: argparse.Namespace) -> None:
    """Write a text file with the tags of each photo, into a new folder, or beside the photos after a preview."""
    from ..exchange import step, tags_txt
    from ..session.answers import decided, only_tags

    _check_undo(options)
    if options.undo:
        _undo_beside(options, options.task)
        return
    if (options.out is None) != options.beside:
        raise AnswersRefused("Say where the text files go: --out DIR for a new folder, or --beside the photos.")
    session = _opened(options, prepare=False)
    only_tags(session.task, "export folders")
    allowed: Sequence[str] = session.task.classes
    if options.whitelist is not None:
        allowed, others = tags_txt.read_whitelist(options.whitelist, session.task)
        _say_names("In the whitelist", dict.fromkeys(others, f"it is no tag of {session.task.name}"))
    if options.above is not None:
        with progress_bar() as progress:
            session.prepare(progress=progress)
    tags = {key: [tag for tag in allowed if each.get(tag)] for key, each in decided(session, options.above).items()}
    texts, refused = tags_txt.texts_of(session.stage, tags, options.names)
    if not texts:
        raise AnswersRefused(f"No photo of {session.stage.name} has tags of {session.task.name} to write. Answer some.")
    if options.beside:
        writing = tags_txt.plan(session.stage, texts, refused, replace=options.replace)
        _say_names("Left as it is", writing.refused)
        print(writing.summary)
        count = amount(len(writing.changes), "text file")
        if writing.changes and _goes_on(options, f"Write {count} beside the photos?"):
            with progress_bar() as progress:
                written = step.write(writing, progress=progress)
            _say_names("Left as it is", written.left)
            back = _way_back("export", options, "tags-txt")
            print(f"Wrote {amount(written.sidecars, 'text file')}. To take them back: {back}")
        return
    tags_txt.check_new(session.stage, options.out, instead=options.replace)
    _say_names("Left out", refused)
    if options.dry_run:
        print(f"{amount(len(texts), 'text file')} to write. Dry run: nothing was changed.")
        return
    with progress_bar() as progress:
        tags_txt.write_folder(session.stage, texts, options.out, replace=options.replace, progress=progress)
    print(f"Made {options.out} with {amount(len(texts), 'text file')}.")


def _undo_beside(options: argparse.Namespace, task: str) -> None:
    """Take back the last export of a task beside the photos."""
    from ..exchange import step
    from ..project.stages import open_stage

    undone = step.undo(replace(open_stage(options.project, options.stage), task=task))
    _say_names("Left as it is", undone.left)
    print(f"Restored {amount(undone.sidecars, 'sidecar')}. What the export wrote is listed in {undone.backup.name}.")


def _planned(options: argparse.Namespace, names: Sequence[str], *, tags: bool = False) -> tuple["Session", "Task"]:
    """A session on the task of an import, and the task with what the import adds to it; see `answers.planned`."""
    from ..session.answers import planned

    named = {name: getattr(options, name) for name in ("stage", "model", "cache_dir")}
    more = [*options.classes, *options.tags, *names]
    return planned(options.project, options.task, more, tags=tags or bool(options.tags), **named)


def _took_back(options: argparse.Namespace, source: str, what: str) -> bool:
    """Take back the answers of a source, if that is asked for."""
    _check_undo(options)
    if options.undo:
        undone = _opened(options, prepare=False).take_back(source)
        print(f"Took back {amount(len(undone), 'answer')} that came from {what}.")
    return bool(options.undo)


def _preview_and_take(options: argparse.Namespace, session: "Session", found: "Proposal", what: str, kind: str) -> None:
    for line in found.told:
        say(line)
    _say_names("Ignored", found.ignored)
    if new := [name for name in found.task.classes if name not in session.task.classes]:
        print(f"New in {found.task.name}: {', '.join(new)}")
    print(found.summary)
    for line in found.examples:
        say(f"  {line}")
    _take_over(options, session, found, what, kind)


def _take_over(
    options: argparse.Namespace, session: "Session", found: "Proposal", what: str, kind: str = "ratings"
) -> None:
    """Ask about a previewed import, and give its answers."""
    from ..session.answers import take

    if found.own:
        do = "are overwritten" if options.overwrite else "stay (--overwrite replaces them)"
        print(f"Answers of your own that differ from {what}, and {do}: {len(found.own):,}.")
    if found.labels and _goes_on(options, f"Take over {amount(len(found.labels), 'answer')}?"):
        count = take(session, found, getattr(options, "start", None))
        print(f"Took over {amount(count, 'answer')}. To take them back: {_way_back('import', options, kind)}")


def import_megadetector(options: argparse.Namespace) -> None:
    """Ask last about photos in which MegaDetector found nothing, after a preview, or in their usual order again."""
    from ..exchange import megadetector
    from ..project.detections import drop_detections
    from ..project.opening import planned_stage

    _check_undo(options)
    session = _opened(options, planned_stage(options.project, options.stage), prepare=False)
    if options.undo:
        aside = drop_detections(session.stage)
        print(f"No photo is asked last; {aside.name} holds what was." if aside else "No photo was asked last.")
        return
    if options.file is None:
        raise DetectionsRefused("Name the JSON that MegaDetector wrote: import megadetector FILE --project PROJECT")
    results = megadetector.read_results(options.file)
    found = megadetector.match(results, session.listing, options.threshold, folder=session.stage.folder)
    _say_names("Ignored", found.ignored)
    print(found.summary)
    if found.confidence and _goes_on(options, f"Ask about {amount(len(found.empty), 'photo')} last?"):
        megadetector.take(session.stage, found)
        print(
            f"Kept in {session.stage.detections.name}. To take it back: {_way_back('import', options, 'megadetector')}"
        )


def export_ratings(options: argparse.Namespace) -> None:
    """Write decisions into sidecars, after a preview, or take the last export back."""
    from ..exchange.profiles import Wish, profile_of
    from ..session import ratings

    _check_undo(options)
    if options.undo:
        _undo_beside(options, CULL_TASK.name)
        return
    if not options.program:
        raise RatingsRefused(f"Say which program will read the sidecars: --for {', '.join(PROFILES)}.")
    session, profile = _prepared(options), profile_of(options.program)
    wish = Wish(profile, options.stars, not options.no_colors)
    with progress_bar() as progress:
        export = ratings.plan_export(session, wish, options.threshold, options.unsure, progress=progress)
    if not options.dry_run:
        _write_beside(session.stage, options.list, export.names(ratings.KEEPERS))
        _write_beside(session.stage, options.csv, export.table())
    writing = export.writing
    say(profile.truth)
    _say_names("Left as it is", writing.refused)
    print(f"{export.summary}\n{writing.summary}")
    if writing.out_of_reach:
        print(
            f"Photos that hold their metadata inside, where {profile.name} looks for it: "
            f"{len(writing.out_of_reach):,}. --list FILE writes the names of those that are kept."
        )
    if writing.changes and _goes_on(options, f"Write {amount(len(writing.changes), 'sidecar')} beside the photos?"):
        with progress_bar() as progress:
            written = ratings.write(session, export, progress=progress)
        _say_names("Left as it is", written.left)
        print(f"Wrote {amount(written.sidecars, 'sidecar')}. To take them back: {_way_back('export', options)}")


def _check_undo(options: argparse.Namespace) -> None:
    if options.undo and options.dry_run:
        raise RatingsRefused("--undo has no preview. Leave out --dry-run to undo, or --undo to see a preview.")


def _way_back(what: str, options: argparse.Namespace, kind: str = "ratings") -> str:
    """The command that undoes this import or export."""
    words = [what, kind, "--undo", "--project", str(options.project)]
    for name in ("stage", "cache_dir"):
        if (value := getattr(options, name, None)) is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    if getattr(options, "task", CULL_TASK.name) != CULL_TASK.name:
        words += ["--task", options.task]
    return " ".join([started_as(), *map(quoted, words)])


def _write_beside(stage: "Stage", path: Path | None, text: str) -> None:
    """Write a list or table to a file that was asked for, outside the stages."""
    if path is None:
        return
    if lies_in_a_stage(path.absolute().parent, stage):
        raise RatingsRefused(f"{path} lies among the photos, where only sidecars are written. Choose another folder.")
    replace_text(path.absolute(), text)
    say(f"Wrote {path}.")


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


def _begin(options: argparse.Namespace) -> None:
    """Make the project of a folder of photos that has none yet, as `open` does."""
    from ..project.listing import has_photos
    from ..project.opening import project_of

    if has_photos(absolute(options.project)):
        project_of(options.project)


def _prepared(options: argparse.Namespace) -> "Session":
    with progress_bar() as progress:
        session = _opened(options, progress=progress)
    _say_notices(session)
    return session


def _opened(options: argparse.Namespace, stage: "Stage | None" = None, **named: Any) -> "Session":
    from ..session.session import open_session

    names = ("task", "classes", "tags", "start", "scores")
    asked = {name: getattr(options, name) for name in names if hasattr(options, name)}
    return open_session(stage or options.project, options.stage, options.model, options.cache_dir, **asked, **named)


def _goes_on(options: argparse.Namespace, question: str) -> bool:
    """Whether to go on after a preview: `--yes`, or a person who says so; never `--dry-run`."""
    if options.dry_run or options.yes:
        if options.dry_run:
            print("Dry run: nothing was changed.")
        return not options.dry_run
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        print("Nothing was changed. Run it again with --yes to go on.")
        return False
    say(f"{question} [y/N]")
    if sys.stdin.readline().strip().casefold() in ("y", "yes"):
        return True
    print("Nothing was changed.")
    return False


def _say_names(what: str, reasons: Mapping[str, str]) -> None:
    """A line for each name and its reason, cut where there are many."""
    for key, reason in islice(reasons.items(), MOST_NAMES):
        say(f"{what}: {key!r}: {reason}")
    if len(reasons) > MOST_NAMES:
        say(f"{what}: {len(reasons) - MOST_NAMES} more")


def _by_class(session: "Session", probability: Sequence[float] | None) -> dict[str, object]:
    """Class → probability; None where there is none."""
    scores = probability or [math.nan] * len(session.task.classes)
    pairs = zip(session.task.classes, scores, strict=True)
    return {name: None if math.isnan(score) else _rounded(score) for name, score in pairs}


def _put_out(session: "Session", path: Path | None, text: str) -> None:
    """Results to a file if one is named, else to standard output."""
    if path is None:
        _print_results(text)
    else:
        _write_beside(session.stage, path, text)


def _print_results(text: str) -> None:
    """Verbatim when piped; with control characters escaped on a terminal, because file names may contain them."""
    print("\n".join(plain(line) for line in text.split("\n")) if sys.stdout.isatty() else text, end="")


def _say_notices(session: "Session") -> None:
    if session.notice:
        say(f"Note: {session.notice}")
    if missing := session.counts().missing:
        say(f"Note: labels of photos that are not in {session.stage.name}: {missing}. They are kept but ignored.")
        for key, reason in islice(session.strays().items(), MOST_NAMES):
            say(f"  {key!r}: {reason}")
        if missing > MOST_NAMES:
            say(f"  and {missing - MOST_NAMES} more")


def _rounded(p_keep: float | None) -> float | None:
    return None if p_keep is None else round(p_keep, 4)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "open": open_folder,
    **{
        run.__name__.replace("_", "-"): run
        for run in (
            *(label, embed, order, train, score, check, cull, undo_cull),
            *(import_folder, import_ratings, import_megadetector, import_folders, import_tags_txt),
            import_timelapse,
            *(export_ratings, export_folders, export_tags_txt, replay, demo),
        )
    },
}
