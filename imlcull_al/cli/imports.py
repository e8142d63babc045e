"""Commands that take over photos and answers from other programs: `import KIND`."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import AnswersRefused, DetectionsRefused
from ..progress import amount
from ..project.left_out import told
from ..project.task import LABELS
from ..terminal import progress_bar, say
from .shell import check_undo, goes_on, opened, say_names, way_back

if TYPE_CHECKING:
    from ..project.task import Task
    from ..session.answers import Proposal
    from ..session.session import Session


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
    say_names("Not read, and left as it is", found.refused)
    say_names("Left unrated", dict.fromkeys(found.both, "it matches more than one rule"))
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


def import_megadetector(options: argparse.Namespace) -> None:
    """Ask last about photos in which MegaDetector found nothing, after a preview, or in their usual order again."""
    from ..exchange import megadetector
    from ..project.detections import drop_detections
    from ..project.opening import planned_stage

    check_undo(options)
    session = opened(options, planned_stage(options.project, options.stage), prepare=False)
    if options.undo:
        aside = drop_detections(session.stage)
        print(f"No photo is asked last; {aside.name} holds what was." if aside else "No photo was asked last.")
        return
    if options.file is None:
        raise DetectionsRefused("Name the JSON that MegaDetector wrote: import megadetector FILE --project PROJECT")
    results = megadetector.read_results(options.file)
    found = megadetector.match(results, session.listing, options.threshold, folder=session.stage.folder)
    say_names("Ignored", found.ignored)
    print(found.summary)
    if found.confidence and goes_on(options, f"Ask about {amount(len(found.empty), 'photo')} last?"):
        megadetector.take(session.stage, found)
        print(
            f"Kept in {session.stage.detections.name}. To take it back: {way_back('import', options, 'megadetector')}"
        )


def _planned(options: argparse.Namespace, names: Sequence[str], *, tags: bool = False) -> tuple["Session", "Task"]:
    """A session on the task of an import, and the task with what the import adds to it; see `answers.planned`."""
    from ..session.answers import planned

    named = {name: getattr(options, name) for name in ("stage", "model", "cache_dir")}
    more = [*options.classes, *options.tags, *names]
    return planned(options.project, options.task, more, tags=tags or bool(options.tags), **named)


def _took_back(options: argparse.Namespace, source: str, what: str) -> bool:
    """Take back the answers of a source, if that is asked for."""
    check_undo(options)
    if options.undo:
        undone = opened(options, prepare=False).take_back(source)
        print(f"Took back {amount(len(undone), 'answer')} that came from {what}.")
    return bool(options.undo)


def _preview_and_take(options: argparse.Namespace, session: "Session", found: "Proposal", what: str, kind: str) -> None:
    for line in found.told:
        say(line)
    say_names("Ignored", found.ignored)
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
    if found.labels and goes_on(options, f"Take over {amount(len(found.labels), 'answer')}?"):
        count = take(session, found, getattr(options, "start", None))
        print(f"Took over {amount(count, 'answer')}. To take them back: {way_back('import', options, kind)}")
