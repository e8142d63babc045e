"""Commands that tell other programs what was decided: `export KIND`."""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..errors import AnswersRefused, ModelFileError, RatingsRefused
from ..exchange.profiles import PROFILES
from ..progress import amount
from ..project.task import CULL_TASK
from ..terminal import progress_bar, say
from .shell import check_undo, goes_on, opened, prepared, say_names, way_back, write_beside


def export_ratings(options: argparse.Namespace) -> None:
    """Write decisions into sidecars, after a preview, or take the last export back."""
    from ..exchange.profiles import Wish, profile_of
    from ..session import ratings

    check_undo(options)
    if options.undo:
        _undo_beside(options, CULL_TASK.name)
        return
    if not options.program:
        raise RatingsRefused(f"Say which program will read the sidecars: --for {', '.join(PROFILES)}.")
    session, profile = prepared(options), profile_of(options.program)
    wish = Wish(profile, options.stars, not options.no_colors)
    with progress_bar() as progress:
        export = ratings.plan_export(session, wish, options.threshold, options.unsure, progress=progress)
    if not options.dry_run:
        write_beside(session.stage, options.list, export.names(ratings.KEEPERS))
        write_beside(session.stage, options.csv, export.table())
    writing = export.writing
    say(profile.truth)
    say_names("Left as it is", writing.refused)
    print(f"{export.summary}\n{writing.summary}")
    if writing.out_of_reach:
        print(
            f"Photos that hold their metadata inside, where {profile.name} looks for it: "
            f"{len(writing.out_of_reach):,}. --list FILE writes the names of those that are kept."
        )
    if writing.changes and goes_on(options, f"Write {amount(len(writing.changes), 'sidecar')} beside the photos?"):
        with progress_bar() as progress:
            written = ratings.write(session, export, progress=progress)
        say_names("Left as it is", written.left)
        print(f"Wrote {amount(written.sidecars, 'sidecar')}. To take them back: {way_back('export', options)}")


def export_folders(options: argparse.Namespace) -> None:
    """Make class folders of the answers, and of scores if asked to."""
    from ..exchange import folders
    from ..session.answers import decided

    session = opened(options, prepare=False) if options.above is None else prepared(options)
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


def export_hf(options: argparse.Namespace) -> None:
    """Make a Hugging Face folder of the stage's model."""
    from ..exchange import hugging_face
    from ..learning import model
    from ..learning.choice import MODEL
    from ..project.stages import open_stage

    stage = replace(open_stage(options.project, options.stage), task=options.task)
    if not stage.model.exists():
        raise ModelFileError(f"There is no {stage.model}. Run `train` first.")
    trained = model.load(stage.model, None)
    hugging_face.write(stage, trained, options.folder)
    if trained.scores != MODEL:
        say(f"Note: the scores of {stage.name} are {trained.scores}; those of the folder are the model's alone.")
    print(f"Made {options.folder} with {', '.join(sorted(path.name for path in options.folder.iterdir()))}.")


def export_tags_txt(options: argparse.Namespace) -> None:
    """Write a text file with the tags of each photo, into a new folder, or beside the photos after a preview."""
    from ..exchange import step, tags_txt
    from ..session.answers import decided, only_tags

    check_undo(options)
    if options.undo:
        _undo_beside(options, options.task)
        return
    if (options.out is None) != options.beside:
        raise AnswersRefused("Say where the text files go: --out DIR for a new folder, or --beside the photos.")
    session = opened(options, prepare=False)
    only_tags(session.task, "export folders")
    allowed: Sequence[str] = session.task.classes
    if options.whitelist is not None:
        allowed, others = tags_txt.read_whitelist(options.whitelist, session.task)
        say_names("In the whitelist", dict.fromkeys(others, f"it is no tag of {session.task.name}"))
    if options.above is not None:
        with progress_bar() as progress:
            session.prepare(progress=progress)
    tags = {key: [tag for tag in allowed if each.get(tag)] for key, each in decided(session, options.above).items()}
    texts, refused = tags_txt.texts_of(session.stage, tags, options.names)
    if not texts:
        raise AnswersRefused(f"No photo of {session.stage.name} has tags of {session.task.name} to write. Answer some.")
    if options.beside:
        writing = tags_txt.plan(session.stage, texts, refused, replace=options.replace)
        say_names("Left as it is", writing.refused)
        print(writing.summary)
        count = amount(len(writing.changes), "text file")
        if writing.changes and goes_on(options, f"Write {count} beside the photos?"):
            with progress_bar() as progress:
                written = step.write(writing, progress=progress)
            say_names("Left as it is", written.left)
            back = way_back("export", options, "tags-txt")
            print(f"Wrote {amount(written.sidecars, 'text file')}. To take them back: {back}")
        return
    tags_txt.check_new(session.stage, options.out, instead=options.replace)
    say_names("Left out", refused)
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
    say_names("Left as it is", undone.left)
    print(f"Restored {amount(undone.sidecars, 'sidecar')}. What the export wrote is listed in {undone.backup.name}.")
